//! Checkpoints of consumers in the embedded store: made only from what is synced, and believed only if the log has what they
//! count. They hold retention back whether their consumer runs or not.

use super::blocking;
use super::contract::Checkpoint;
use super::core::Core;
use super::following;
use super::holds::Held;
use super::request::Progress;
use super::reserve;
use super::scan::Frames;
use super::view::View;
use crate::Position;
use crate::error::{Corruption, Error};
use crate::event::check;
use crate::expected::Watermark;
use crate::limits::{CHECKPOINT_BYTES_MAX, CONSUMER_NAME_BYTES_MAX};
use crate::log::{self, Slot, Slots};
use crate::medium::{Medium, bug};
use crate::pending::Pending;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// The slots that were opened, by consumer.
#[derive(Default)]
pub(crate) struct Checkpoints(Mutex<HashMap<String, Slots>>);

pub(super) fn check_name(consumer: &str) -> Result<(), Error> {
    check::text("name of a consumer", consumer, CONSUMER_NAME_BYTES_MAX)
        .map_err(|fault| fault.at("checkpoint"))
}

/// Does something with the slots of a consumer. Whoever may write keeps them open, since nobody else writes them.
fn with_slots<T>(
    core: &Core,
    consumer: &str,
    work: impl FnOnce(&mut Slots) -> Result<T, Error>,
) -> Result<T, Error> {
    let (medium, store) = (&core.log.medium, core.log.id);
    if core.log.write_side().is_err() {
        return work(&mut Slots::open(medium, &store, consumer)?);
    }
    let mut opened = core.checkpoints.0.lock();
    if !opened.contains_key(consumer) {
        opened.insert(consumer.to_owned(), Slots::open(medium, &store, consumer)?);
    }
    work(opened.get_mut(consumer).expect("slots that were just opened"))
}

/// The checkpoint of a consumer, if it has one.
pub(super) fn load(core: &Arc<Core>, consumer: &str) -> Result<Option<Checkpoint>, Error> {
    check_name(consumer)?;
    let found = with_slots(core, consumer, |slots| {
        Ok(slots.newest().map(|slot| (slot.clone(), slots.newest_file())))
    })?;
    let Some((slot, file)) = found else { return Ok(None) };
    check_history(core, &slot, &file)?;
    Ok(Some(Checkpoint::new(Position(slot.low), Position(slot.through), slot.data)))
}

/// Whether the log has the event that a checkpoint counts last, in the same history.
fn check_history(core: &Arc<Core>, slot: &Slot, file: &str) -> Result<(), Error> {
    let through = Position(slot.through);
    let corrupt = |offset: u64, expected: String, found: String| {
        let what = format!("checkpoint of consumer {:?}", slot.consumer);
        Err(Error::corrupt(Corruption::new(&what, file, None, offset, expected, found)))
    };
    match following::epoch_of(core, through) {
        Ok(epoch) if epoch == slot.epoch => Ok(()),
        Ok(epoch) => {
            let expected = format!("epoch {epoch:016x}, that of position {through}");
            corrupt(64, expected, format!("{:016x}", slot.epoch))
        }
        // A store that is only read may not have seen it yet. To a writer it proves that synced events are missing.
        Err(error) if error.is_ahead() && core.log.write_side().is_err() => Ok(()),
        Err(error) if error.is_ahead() => {
            corrupt(56, "a position of the log".to_owned(), through.to_string())
        }
        // What it counts was removed: whoever goes on from it is told so.
        Err(error) if error.is_truncated() => Ok(()),
        Err(error) => Err(error),
    }
}

pub(super) fn check_progress(progress: &Progress<'_>) -> Result<(), Error> {
    check_name(progress.consumer)?;
    check_bytes("data of a progress", progress.consumer, progress.data.len(), CHECKPOINT_BYTES_MAX)
}

pub(super) fn check_bytes(what: &str, consumer: &str, bytes: usize, max: usize) -> Result<(), Error> {
    if bytes <= max {
        return Ok(());
    }
    Err(Error::limit(format!("{what} of consumer {consumer:?}, bytes"), max as u64, bytes as u64))
}

/// The progress that came with the last commit that has some of this consumer's, behind what its checkpoint counts.
///
/// # Errors
/// `Corrupt`: a frame behind the checkpoint is damaged.
pub(super) fn progress(core: &Arc<Core>, consumer: &str) -> Result<Option<Vec<u8>>, Error> {
    check_name(consumer)?;
    let saved = with_slots(core, consumer, |slots| Ok(slots.newest().map_or(0, |slot| slot.through)));
    let view = View::committed(core);
    let first = view.first_position().0.max(saved.unwrap_or(0) + 1);
    let Some(mut frames) = Frames::at(view.pinned(), first)? else { return Ok(None) };
    let mut newest = None;
    while let Some(frame) = frames.next().transpose()? {
        newest = frame.commit.progress_of(consumer).or(newest);
    }
    Ok(newest.map(<[u8]>::to_vec))
}

/// Saves the checkpoint of a consumer once what it counts is synced.
pub(super) fn save(core: &Arc<Core>, consumer: &str, checkpoint: Checkpoint) -> Pending<()> {
    if let Err(error) = check_save(core, consumer, &checkpoint) {
        return Pending::ready(Err(error));
    }
    let (shared, consumer) = (core.clone(), consumer.to_owned());
    blocking::begin(core, (), move || {
        let (core, through) = (&shared, checkpoint.through);
        let side = core.log.write_side()?;
        if !bug!(core.log.medium, checkpoint_unsynced) {
            Pending::working(side.clone(), through.0, ()).wait()?;
        }
        let epoch = following::epoch_of(core, through)?;
        let Checkpoint { low, data, .. } = checkpoint;
        let slot =
            Slot { consumer: consumer.clone(), sequence: 0, low: low.0, through: through.0, epoch, data };
        reserve::with_room(core, || {
            with_slots(core, &consumer, |slots| slots.save(&core.log.medium, &core.log.id, slot.clone()))
        })
    })
}

fn check_save(core: &Core, consumer: &str, checkpoint: &Checkpoint) -> Result<(), Error> {
    check_name(consumer)?;
    let (low, through, bytes) = (checkpoint.low, checkpoint.through, checkpoint.data.len());
    if low > through {
        return Err(Error::invalid(format!(
            "low position of a checkpoint: expected at most its position {through}, found {low}"
        )));
    }
    check_bytes("data of a checkpoint", consumer, bytes, CHECKPOINT_BYTES_MAX)?;
    check_writable(core)?;
    let last = Position(core.log.watch(Watermark::Committed).position());
    if through > last {
        return Err(Error::ahead(format!("it counts position {through}, and the last one is {last}")));
    }
    Ok(())
}

fn check_writable(core: &Core) -> Result<(), Error> {
    let side = core.log.write_side()?;
    side.check_open(&side.writer())
}

/// Forgets the checkpoint of a consumer, be it damaged or not.
pub(super) fn forget(core: &Arc<Core>, consumer: &str) -> Pending<()> {
    if let Err(error) = check_name(consumer).and_then(|()| check_writable(core)) {
        return Pending::ready(Err(error));
    }
    let (shared, consumer) = (core.clone(), consumer.to_owned());
    blocking::begin(core, (), move || {
        let medium = &shared.log.medium;
        match with_slots(&shared, &consumer, |slots| slots.remove(medium)) {
            Err(error) if error.is_corrupt() => Slots::damaged(&consumer).remove(medium),
            done => done,
        }
    })
}

/// The consumers that have a checkpoint.
///
/// # Errors
/// `Corrupt`: one is damaged. `Io`.
pub(super) fn consumers(core: &Core) -> Result<Vec<String>, Error> {
    let slots = Slots::all(&core.log.medium, &core.log.id)?.into_iter();
    slots.map(|slot| slot.map(|slot| slot.consumer)).collect()
}

/// What each consumer needs: what stands behind its low position, and the frame that has it.
///
/// # Errors
/// `Corrupt`: a checkpoint is damaged. `Io`.
pub(super) fn holds(core: &Core) -> Result<Vec<Held>, Error> {
    let slots: Vec<Slot> =
        Slots::all(&core.log.medium, &core.log.id)?.into_iter().collect::<Result<_, _>>()?;
    let held = |slot: &Slot| {
        Held::new(format!("consumer {:?}", slot.consumer), Position(slot.low.saturating_sub(1)))
    };
    Ok(slots.iter().map(held).collect())
}

/// What is wrong with the checkpoints on a medium.
///
/// # Errors
/// `Unsupported`: one of a later program. `Io`.
pub(super) fn verify(medium: &Medium) -> Result<Vec<Corruption>, Error> {
    // Without a store file that holds, whose they are isn't known, and that is told already.
    let Ok(Some(store)) = log::read_store_file(medium) else { return Ok(Vec::new()) };
    let mut problems = Vec::new();
    for slot in Slots::all(medium, &store.id)? {
        match slot {
            Ok(_) => {}
            Err(error) => match error.corruption() {
                Some(problem) => problems.push(problem.clone()),
                None => return Err(error),
            },
        }
    }
    Ok(problems)
}
