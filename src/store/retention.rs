//! Retention: drops whole old segments, those that a limit names and nobody holds. First a plan that says what and why, then
//! the act.

use super::checkpoints;
use super::core::Core;
use super::holds::Held;
use super::snapshots;
use super::view::View;
use crate::Position;
use crate::error::Error;
use crate::event::new::time_of;
use crate::log::Anchor;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What may be dropped: what any of the limits that are set names. Without one, nothing may.
///
/// ```
/// use orchestrix::{Retention, Store, prelude::*};
/// use std::time::Duration;
/// let store = Store::in_memory();
/// store.append("room-1", NoStream, NewEvent::raw("opened", b"")).wait()?;
/// let plan = store.plan_retention(Retention::default().older_than(Duration::from_secs(30 * 86_400)))?;
/// assert!(plan.is_empty(), "the segment that is written to always stays");
/// plan.apply()?;
/// # Ok::<(), orchestrix::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Events before this position may be dropped.
    pub before: Option<Position>,
    /// Events may be dropped that are older than this, as measured from the newest event, or from the clock where that is
    /// behind it: a clock that jumps ahead ages nothing. The age of an event is that of its commit; where the clock went back,
    /// a commit counts as made at the latest time of those before it.
    pub older_than: Option<Duration>,
    /// The oldest segments may be dropped while the segments take more bytes than this together.
    pub max_bytes: Option<u64>,
}

impl Retention {
    /// Sets [`before`](Self::before).
    pub fn before(self, position: Position) -> Self {
        Self { before: Some(position), ..self }
    }

    /// Sets [`older_than`](Self::older_than).
    pub fn older_than(self, age: Duration) -> Self {
        Self { older_than: Some(age), ..self }
    }

    /// Sets [`max_bytes`](Self::max_bytes).
    pub fn max_bytes(self, bytes: u64) -> Self {
        Self { max_bytes: Some(bytes), ..self }
    }
}

/// The limit that names a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// All its events stand before [`Retention::before`].
    Position,
    /// All its events are older than [`Retention::older_than`].
    Age,
    /// The log takes more than [`Retention::max_bytes`].
    Size,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Position => "stands before the position",
            Self::Age => "is older than the age",
            Self::Size => "is beyond the size",
        })
    }
}

/// A segment that would be dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentDrop {
    /// Its number.
    pub segment: u64,
    /// Position of its first event.
    pub first: Position,
    /// Position of its last event.
    pub last: Position,
    /// Length of its file in bytes.
    pub bytes: u64,
    /// Why it may go.
    pub why: DropReason,
}

impl fmt::Display for SegmentDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, first, last, bytes, why } = self;
        write!(f, "drop segment {segment}, positions {first} to {last}, {bytes} bytes: it {why}")
    }
}

/// What a retention would do; nothing has been changed. See [`Store::plan_retention`](crate::Store::plan_retention).
#[derive(Clone)]
#[must_use = "a plan does nothing until it is applied"]
pub struct RetentionPlan {
    /// The segments that would be dropped, the oldest first.
    pub drops: Vec<SegmentDrop>,
    /// Who keeps a segment that a limit names, if somebody does: of several, who needs the oldest event.
    pub held: Option<Held>,
    /// Position of the first event that would be there.
    pub first_position: Position,
    core: Arc<Core>,
}

/// How far each limit goes: what stands before these positions is named.
struct Bounds([(DropReason, u64); 3]);

impl Bounds {
    fn of(core: &Arc<Core>, limits: &Retention, segments: &[Segment]) -> Result<Self, Error> {
        let age = match limits.older_than {
            Some(age) => before_age(core, age)?,
            None => 0,
        };
        let size = limits.max_bytes.map_or(0, |max| {
            let bytes = core.log.geometry.segment_bytes();
            let fit = (max / bytes).max(1);
            let over = (core.log.table().len() as u64).saturating_sub(fit);
            let last = over.checked_sub(1).map(|n| (n as usize).min(segments.len().saturating_sub(1)));
            last.and_then(|n| segments.get(n)).map_or(0, |segment| segment.last + 1)
        });
        let before = limits.before.map_or(0, |position| position.0);
        Ok(Self([(DropReason::Position, before), (DropReason::Age, age), (DropReason::Size, size)]))
    }

    /// Why a segment may go.
    fn name(&self, segment: &Segment) -> Option<DropReason> {
        self.0.iter().find(|(_, before)| segment.last < *before).map(|(why, _)| *why)
    }
}

/// The position before which every event is older than `age`; 0 if none is known to be.
fn before_age(core: &Arc<Core>, age: Duration) -> Result<u64, Error> {
    let view = View::committed(core);
    let Some(newest) = view.all().next_back().transpose()? else { return Ok(0) };
    let now = newest.commit().time().min(core.log.medium.time.now());
    let age = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
    let Some(since) = now.checked_sub(age) else { return Ok(0) };
    Ok(view.first_since(time_of(since))?.map_or(0, |position| position.0))
}

/// A segment that is complete.
pub(super) struct Segment {
    pub(super) number: u64,
    first: u64,
    pub(super) last: u64,
}

/// The complete segments, as the index knows them.
pub(super) fn complete(core: &Core) -> Result<Vec<Segment>, Error> {
    let bound = core.index.first_that_must_stay(&core.log)?;
    core.look(&core.index.layers(), |layers| {
        let mut segments: Vec<Segment> = Vec::new();
        for run in layers.runs() {
            let covered = run.covered();
            for n in 0..covered.segments {
                let number = covered.first_segment + u64::from(n);
                let last = match n + 1 < covered.segments {
                    true => run.segment(n + 1)?.0 - 1,
                    false => covered.last_position,
                };
                segments.push(Segment { number, first: run.segment(n)?.0, last });
            }
        }
        segments.retain(|segment| segment.number < bound);
        Ok(segments)
    })
}

pub(super) fn plan(core: &Arc<Core>, limits: &Retention) -> Result<RetentionPlan, Error> {
    core.log.write_side()?;
    let segments = complete(core)?;
    let bounds = Bounds::of(core, limits, &segments)?;
    let lowest = lowest_hold(core)?;
    let (mut drops, mut held) = (Vec::new(), None);
    let mut first_position = core.index.layers().base().first_position();
    for segment in &segments {
        let Some(why) = bounds.name(segment) else { break };
        if lowest.as_ref().is_some_and(|held| held.after.0 < segment.last) {
            held = lowest;
            break;
        }
        first_position = segment.last + 1;
        drops.push(SegmentDrop {
            segment: segment.number,
            first: Position(segment.first),
            last: Position(segment.last),
            bytes: core.log.geometry.segment_bytes(),
            why,
        });
    }
    Ok(RetentionPlan { drops, held, first_position: Position(first_position), core: core.clone() })
}

/// Who needs the oldest events. A snapshot needs those of its stream that come after it.
fn lowest_hold(core: &Arc<Core>) -> Result<Option<Held>, Error> {
    let by_consumers = checkpoints::holds(core)?;
    let mut lowest = core.holds.lowest().into_iter().chain(by_consumers).min_by_key(|held| held.after);
    snapshots::each(core, |stream, _, _, next| {
        let Some(next) = next else { return };
        if lowest.as_ref().is_none_or(|held| held.after.0 >= next.0) {
            lowest = Some(Held::new(format!("the snapshot of stream {stream:?}"), Position(next.0 - 1)));
        }
    })?;
    Ok(lowest)
}

impl RetentionPlan {
    /// Nothing would be dropped.
    pub fn is_empty(&self) -> bool {
        self.drops.is_empty()
    }

    /// Carries the plan out. What is dropped is gone for good; what views have pinned stays readable for them, and every stream
    /// goes on at its next revision. Killed in between, the store opens as before or as after.
    ///
    /// # Errors
    /// `Invalid`: somebody holds since the plan was made what it would drop. `Corrupt`: what would be dropped is damaged.
    /// `Closed`, `DiskFull`, `Io`.
    pub fn apply(&self) -> Result<(), Error> {
        let Some(last) = self.drops.last() else { return Ok(()) };
        let _one = self.core.retaining.lock();
        if let Some(held) = lowest_hold(&self.core)?.filter(|held| held.after < last.last) {
            return Err(Error::invalid(format!(
                "the plan would drop positions up to {}, but {held}",
                last.last
            )));
        }
        let mut anchors: Vec<(String, Anchor)> = Vec::new();
        snapshots::each(&self.core, |stream, position, anchor, _| {
            if position <= last.last {
                anchors.push((stream.to_owned(), anchor));
            }
        })?;
        self.core.index.drop_before(&self.core.log, last.segment + 1, &anchors)
    }
}

impl fmt::Debug for RetentionPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut plan = f.debug_struct("RetentionPlan");
        plan.field("drops", &self.drops).field("held", &self.held).finish_non_exhaustive()
    }
}
