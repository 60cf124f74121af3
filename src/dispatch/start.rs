//! Where a consumer goes on: its newest progress, the events that it hadn't finished, its dead letters.

use super::engine::{Engine, Settings};
use super::handler::Handle;
use super::inbox::Inbox;
use super::letters::Letters;
use super::parking::Parking;
use super::progress::Progress;
use super::saver::Saver;
use super::schedule::Schedule;
use super::source::Source;
use super::state::State;
use crate::Position;
use crate::error::Error;
use crate::event::check;
use crate::limits::CONSUMER_NAME_BYTES_MAX;
use crate::medium::bug;
use crate::pending::Pending;
use crate::store::{Clock, EventStore, Kept, Partition, ReadRequest, Start, Store};
use crate::subscribe::Subscribe;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn start<B: EventStore>(
    store: &Store<B>,
    name: &str,
    settings: Settings,
    handler: Box<dyn Handle>,
) -> Result<Arc<Engine>, Error> {
    check::text("name of a consumer", name, CONSUMER_NAME_BYTES_MAX).map_err(|fault| fault.at("consumer"))?;
    if !store.capabilities().checkpoints {
        return Err(Error::unsupported("consumers: the store keeps no checkpoints"));
    }
    let shared: Arc<dyn EventStore> = store.shared().clone();
    let name: Arc<str> = name.into();
    let lease = shared.lease(&name, Partition::WHOLE).wait()?;
    let newest: Pending<Newest> = Pending::new(newest(shared.clone(), name.clone()));
    let Newest { progress: found, generation } = newest.wait()?;
    let begin = found.as_ref().map_or(settings.begin, |found| Start::After(Position(found.through)));
    let cursor = follow(&shared, &settings, &name).start(begin).open()?;
    let parking = parking(&*shared, &name)?;
    let is_clean = found.as_ref().is_none_or(|found| found.is_clean);
    let newest = found.unwrap_or_else(|| {
        let through = cursor.position().0;
        Progress { generation, through, ..Progress::default() }
    });

    let seed = shared.clock().now() as u64;
    let mut schedule = Schedule::new(settings.order, settings.in_flight_max, Position(newest.through), seed);
    restore(&*shared, &settings, &newest, &mut schedule)?;
    let saver = Saver::new(&newest, settings.checkpoint_every, settings.in_flight_max.div_ceil(2));
    let inbox = Inbox::new(shared.capabilities().requests);
    let mut state = State::new(schedule, Source::new(cursor), saver, parking, inbox, &newest, lease);
    if !is_clean {
        state.careful = newest.waiting.len() + settings.in_flight_max;
    }
    let engine = Engine::new(name, shared, settings, handler, state);
    engine.with(|state| {
        if !newest.redriven.is_empty() {
            state.settle(&engine, &newest.redriven, true);
        }
    });
    Ok(engine)
}

/// How a consumer follows its store.
pub(super) fn follow(store: &Arc<dyn EventStore>, settings: &Settings, name: &str) -> Subscribe {
    let follow = Subscribe::over(store.clone()).query(settings.query.clone()).name(name);
    follow.batch_max(settings.in_flight_max.min(crate::limits::BATCH_EVENTS_MAX))
}

/// Where a consumer goes on.
pub(super) struct Newest {
    /// `None` if it begins.
    pub(super) progress: Option<Progress>,
    pub(super) generation: u64,
}

/// The newest progress: that of the checkpoint, or of a commit behind it. A commit of another generation, or of a consumer whose
/// checkpoint was forgotten, doesn't count.
pub(super) async fn newest(store: Arc<dyn EventStore>, name: Arc<str>) -> Result<Newest, Error> {
    let saved = store.checkpoint(&name).await?;
    let saved = saved.map(|saved| Progress::decode(&saved.data, &name)).transpose()?;
    let marked = store.capabilities().progress && !bug!(store.clock(), ignore_marks);
    let committed = match marked {
        true => store.progress(&name).await?,
        false => None,
    };
    let committed = committed.map(|bytes| Progress::decode(&bytes, &name)).transpose()?;
    let of = |progress: Progress| Newest { generation: progress.generation, progress: Some(progress) };
    Ok(match (saved, committed) {
        (Some(saved), Some(committed))
            if committed.generation == saved.generation && committed.sequence > saved.sequence =>
        {
            of(committed)
        }
        (Some(saved), _) => of(saved),
        // It begins anew: what was committed before is of an earlier generation.
        (None, Some(committed)) => Newest { progress: None, generation: committed.generation + 1 },
        (None, None) => Newest { progress: None, generation: 1 },
    })
}

fn parking(store: &dyn EventStore, name: &Arc<str>) -> Result<Parking, Error> {
    let mut letters = Letters::new(name);
    let log = match store.capabilities().dead_letters {
        true => store.dead_letters(),
        false => Err(Error::unsupported("dead letters")),
    };
    if let Ok(log) = &log {
        while !letters.take(&letters.ask(&**log).wait()?)? {}
    }
    Ok(Parking::new(log, letters))
}

/// Puts back what an earlier run hadn't finished. What isn't asked for any more is finished.
fn restore(
    store: &dyn EventStore,
    settings: &Settings,
    newest: &Progress,
    schedule: &mut Schedule<Kept>,
) -> Result<(), Error> {
    let clock = store.clock();
    for waiting in &newest.waiting {
        let mut request = ReadRequest::new(settings.query.clone());
        request.after = Position(waiting.position.saturating_sub(1));
        request.before = Some(Position(waiting.position.saturating_add(1)));
        let batch = store.read(&request).wait()?;
        batch.keep(|kept| {
            let due = (waiting.due != 0).then(|| due(&clock, settings, waiting.due));
            let item = kept.clone();
            schedule.restore(waiting, due, kept.event().stream(), item);
        });
    }
    for (stream, after) in &newest.held {
        schedule.restore_held(stream, *after);
    }
    Ok(())
}

/// When an event is tried again, by a clock that may have jumped since: no later than the policy says of any.
fn due(clock: &Clock, settings: &Settings, due: i64) -> Duration {
    let left = Duration::from_nanos(u64::try_from(due.saturating_sub(clock.now())).unwrap_or(0));
    clock.monotonic().saturating_add(left.min(settings.retry.cap()))
}
