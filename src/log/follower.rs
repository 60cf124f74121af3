//! Follows a log that another process writes: walks its frames as they come, checks each, and moves the watermarks of a log that
//! was opened to be read. What the writer says of itself is a hint; what is shown was checked. Takes no lock that a writer
//! could meet, and changes no byte.

use super::blocks::StoreId;
use super::check::Checker;
use super::geometry::{FRAMES_AT, Geometry, Place, segment_path};
use super::log::Seen;
use super::recover;
use super::scan::{Chain, Frames, Stop};
use super::segment::Table;
use super::watch::Source;
use super::watermark::LiveMarks;
use super::writer::Writable;
use crate::error::Error;
use crate::medium::{Found, Job, Medium, Shared};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often the writer is asked while somebody waits: soon after something came, more and more rarely while nothing does.
const POLL_MIN: Duration = Duration::from_millis(1);
const POLL_MAX: Duration = Duration::from_millis(32);
/// What needs a system call is asked so often.
const SLOW: Duration = Duration::from_millis(100);
/// A frame that the writer counts and that doesn't hold is damage if it still doesn't after so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the following of a log begins: the end of what opening has found.
pub(crate) struct FollowStart {
    pub(crate) id: StoreId,
    pub(crate) table: Table,
    /// The last segment, if there is one, and where its frames end.
    pub(crate) last: Option<(Writable, u64)>,
    /// Number of the segment behind it.
    pub(crate) next_segment: u64,
    pub(crate) chain: Chain,
}

/// See the module.
pub(crate) struct Follower {
    medium: Medium,
    geometry: Geometry,
    id: StoreId,
    table: Shared<Table>,
    seen: Seen,
    state: Mutex<State>,
    polls: AtomicBool,
    job: Arc<PollJob>,
}

struct State {
    last: Option<(Writable, u64)>,
    next_segment: u64,
    chain: Chain,
    checker: Checker,
    marks: Option<LiveMarks>,
    /// When what needs a system call is done next.
    slow_at: Duration,
    /// Since when a frame that is counted doesn't hold.
    stuck_since: Option<Duration>,
    pause: Duration,
}

/// The newest frame that was seen.
#[derive(Clone, Copy)]
pub(crate) struct Newest {
    pub(crate) position: u64,
    pub(crate) epoch: u64,
    /// The first byte after it.
    pub(crate) end: Place,
}

impl Follower {
    pub(crate) fn new(medium: &Medium, geometry: Geometry, seen: Seen, start: FollowStart) -> Arc<Self> {
        let state = State {
            last: start.last,
            next_segment: start.next_segment,
            chain: start.chain,
            checker: Checker::default(),
            marks: None,
            slow_at: Duration::ZERO,
            stuck_since: None,
            pause: POLL_MIN,
        };
        let follower = Arc::new_cyclic(|weak: &Weak<Self>| Self {
            medium: medium.clone(),
            geometry,
            id: start.id,
            table: Shared::new(start.table),
            seen,
            state: Mutex::new(state),
            polls: AtomicBool::new(false),
            job: Arc::new(PollJob(weak.clone())),
        });
        let source: Weak<dyn Source> = Arc::<Self>::downgrade(&follower) as Weak<dyn Source>;
        follower.seen.each(|watch| watch.set_source(source.clone()));
        follower
    }

    /// The segments that are there now.
    pub(crate) fn table(&self) -> &Shared<Table> {
        &self.table
    }

    pub(crate) fn newest(&self) -> Newest {
        let state = self.state.lock();
        let epoch = state.chain.epoch.unwrap_or_default();
        let (number, offset) = match &state.last {
            Some((last, end)) => (last.0.number, *end),
            None => (state.next_segment, FRAMES_AT),
        };
        Newest { position: state.chain.events(), epoch, end: self.geometry.place(number, offset) }
    }

    /// Looks how far the writer is, and goes on to there. Returns whether something came.
    fn go_on(&self) -> bool {
        // Whoever is at it does the same.
        let Some(mut state) = self.state.try_lock() else { return false };
        let now = self.medium.time.monotonic();
        let slow = now >= state.slow_at;
        if slow {
            state.slow_at = now + SLOW;
            self.drop_removed();
            if state.marks.is_none() {
                state.marks = LiveMarks::open(&self.medium, &self.id).ok();
            }
        }
        let Some(live) = state.marks.as_ref().map(|marks| marks.read(&self.medium)) else { return false };
        // Without a writer, everything that holds counts.
        let nobody = slow && !super::watermark::writer_lives(&self.medium).unwrap_or(true);
        let through = if nobody { u64::MAX } else { live.committed };
        let before = (state.chain.events(), self.seen.synced());
        match self.walk(&mut state, through) {
            Ok(()) => state.stuck_since = None,
            Err(error) => {
                let since = *state.stuck_since.get_or_insert(now);
                if now.saturating_sub(since) >= PATIENCE && !nobody {
                    self.seen.each(|watch| watch.end(error.clone()));
                }
            }
        }
        let known = state.chain.events();
        self.seen.publish(known, live.synced.max(state.chain.synced).min(known));
        (known, self.seen.synced()) != before
    }

    /// Takes in the frames up to a position, as far as they hold.
    ///
    /// # Errors
    /// A frame that should be there doesn't hold: it may not be there yet, or be damaged.
    fn walk(&self, state: &mut State, through: u64) -> Result<(), Error> {
        while state.chain.next <= through {
            let stop = match &mut state.last {
                None => Stop::Full,
                Some((last, end)) => {
                    let frames = Frames::of(&last.0, &last.1, self.geometry)?;
                    let (chain, checker) = (&mut state.chain, &mut state.checker);
                    let (at, stop) = frames.walk_to(*end, chain, checker, through, &mut |_, _| Ok(()));
                    *end = at;
                    last.1.publish(at);
                    stop
                }
            };
            if state.chain.next > through {
                break;
            }
            match stop {
                Stop::Unsupported(feature) => return Err(Error::unsupported(feature)),
                stop if self.open_next(state)? => drop(stop),
                _ if through == u64::MAX => break,
                stop => {
                    let next = state.chain.next;
                    return Err(match (stop, &state.last) {
                        (Stop::Bad(fault), Some((last, end))) => last.0.refused(*end, fault),
                        _ => Error::other(format!("position {next} is counted and isn't in the log")),
                    });
                }
            }
        }
        Ok(())
    }

    /// Opens the next segment, if it is there and the log goes on in it.
    fn open_next(&self, state: &mut State) -> Result<bool, Error> {
        let number = state.next_segment;
        let path = segment_path(number);
        let failed = |error| Error::io("looking for segment", Path::new(&path), error);
        // Asked often; a folder is only listed once there is something to find.
        if self.medium.files.found(&path).map_err(failed)? != Found::File {
            return Ok(false);
        }
        let listing = recover::list(&self.medium, self.table.now().first())?;
        let Some(entry) = listing.get(number) else { return Ok(false) };
        let Ok(opened) = recover::open(&self.medium, &self.id, self.geometry, number, entry)? else {
            return Ok(false);
        };
        if !recover::continues(&opened, self.geometry, &state.chain, false)? {
            return Ok(false);
        }
        self.table.replace(|table| table.with(opened.0.clone()));
        if let Some((left, _)) = state.last.replace((opened, FRAMES_AT)) {
            // Nothing of it is read through the descriptor any more.
            left.0.region.release();
        }
        state.next_segment = number + 1;
        Ok(true)
    }

    /// Lets go of the segments that a retention has removed.
    fn drop_removed(&self) {
        let (files, table) = (&self.medium.files, self.table.now());
        let is_there = |number: u64| !matches!(files.found(&segment_path(number)), Ok(Found::Nothing));
        let numbers = table.first()..table.first() + (table.len() as u64).saturating_sub(1);
        let first = numbers.clone().find(|number| is_there(*number)).unwrap_or(numbers.end);
        if first > table.first() {
            self.table.replace(|table| table.from(first));
        }
    }
}

impl Source for Follower {
    fn refresh(&self) {
        self.go_on();
    }

    fn wanted(&self) {
        if !self.polls.swap(true, Ordering::AcqRel) {
            self.medium.jobs.schedule(POLL_MIN, self.job.clone());
        }
    }
}

/// Asks the writer again and again, for as long as somebody waits.
struct PollJob(Weak<Follower>);

impl Job for PollJob {
    fn step(&self) -> Option<Duration> {
        let follower = self.0.upgrade()?;
        let came = follower.go_on();
        if !follower.seen.is_waited_for() {
            // Whoever begins to wait finds this either at work or at rest, and is found waiting or calls again.
            follower.polls.swap(false, Ordering::AcqRel);
            if !follower.seen.is_waited_for() || follower.polls.swap(true, Ordering::AcqRel) {
                return None;
            }
        }
        let mut state = follower.state.lock();
        state.pause = if came { POLL_MIN } else { (state.pause * 2).min(POLL_MAX) };
        Some(state.pause)
    }
}
