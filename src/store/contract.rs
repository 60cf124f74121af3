//! What a store of any kind does: the trait that a back end implements, and what goes in and out of it. Users hold a
//! `Store`, which is written over this trait; nothing here knows of the embedded store.

use super::batch::Batch;
use super::clock::Clock;
use super::lease::{Lease, Partition};
use super::receipt::{Head, Receipt};
use super::request::{Commit, ReadRequest};
use super::start::{Lag, Located, ResumeToken, Start, Subscription};
use crate::error::Error;
use crate::expected::{Durability, Watermark};
use crate::pending::Pending;
use crate::query::Query;
use crate::{Position, Revision};
use std::sync::Arc;

/// What a back end implements. Users hold a [`Store`](crate::Store); only the author of a back end meets this trait.
///
/// Four methods every store has. The others have a default, which is right for a store that doesn't have what they are
/// about, and a field of [`Capabilities`] that says so. What a store doesn't claim it refuses as `Unsupported`, changing
/// nothing: it never drops a condition or writes a part.
///
/// What must hold is what the contract suite checks (feature `testing`, `orchestrix::testing::contract`). In short:
///
/// - A commit is all or nothing. It fails with a `Conflict` if a stream is not what its write expects; where the expectation
///   says the place (`NoStream`, `Exact`) and the events with these ids stand there already, it is a repeat: an `Ok` with
///   the first receipt. A repeat is looked for before the condition is.
/// - The revisions of a stream are contiguous from zero. Positions increase in the order in which commits become visible,
///   so who has read up to one never misses an event before it. They are opaque unless `contiguous_positions` is claimed.
/// - What a commit has written is seen by every read that begins after its `Ok`.
pub trait EventStore: Send + Sync + 'static {
    /// Writes all events of a commit or none.
    ///
    /// # Errors
    /// `Conflict`, with its facts. `Invalid`, `Limit`: what may not be written. `Unsupported`: what isn't claimed.
    fn commit(&self, commit: Commit<'_>) -> Pending<Receipt>;

    /// One batch of what is asked for, bounded by the request's limit and by whatever bound the store has.
    ///
    /// A forward batch begins after `request.after`, and one that isn't caught up has moved: the next request goes on after
    /// its `through`. A backward one begins at the newest event (before `request.before`), and one that isn't caught up
    /// has an event: the next request goes on before its last one.
    ///
    /// # Errors
    /// `Truncated`: retention has removed events after `request.after`, which isn't [`Position::START`].
    fn read(&self, request: &ReadRequest) -> Pending<Batch>;

    /// The newest event of a stream; `None` if there is no such stream.
    fn head(&self, stream: &str) -> Pending<Option<Head>>;

    /// Ready once something stands beyond `position` that will stay there, whatever happens. Says how far one may read: at
    /// least to the last event that an `Ok` for `Durability::Power` was given for.
    ///
    /// # Errors
    /// `Closed`: the store was closed while it was waited for.
    fn beyond(&self, position: Position) -> Pending<Position>;

    /// As [`beyond`](Self::beyond), of what is visible but may be lost to power loss. Claimed by `committed_watermark`; a store
    /// without that has nothing of the kind.
    fn committed_beyond(&self, position: Position) -> Pending<Position> {
        self.beyond(position)
    }

    /// Where a subscription begins. The start by time and by token is claimed by `resume`.
    ///
    /// # Errors
    /// `Ahead`: a position or token that the store doesn't have. `Truncated`: retention has removed what follows it.
    fn locate(&self, subscription: &Subscription) -> Pending<Located> {
        let at = |position| Located::new(ResumeToken::new(position, 0));
        match subscription.start {
            Start::Beginning => Pending::ready(Ok(at(Position::START))),
            Start::After(position) => Pending::ready(Ok(at(position))),
            Start::End => {
                let newest = ReadRequest { backward: true, limit: 1, ..ReadRequest::new(Query::all()) };
                let newest = self.read(&newest);
                Pending::new(async move { Ok(at(newest.await?.through())) })
            }
            Start::Resume(_) | Start::Time(_) => {
                Pending::ready(Err(Error::unsupported("a subscription from a token or a time")))
            }
        }
    }

    /// How far a reader is behind that has read up to `request.after`. Claimed by `lag`.
    fn lag(&self, request: &ReadRequest, watermark: Watermark) -> Lag {
        let _ = (request, watermark);
        Lag::default()
    }

    /// The progress that the last commit with one of this consumer has brought. A store may forget it once a checkpoint of the
    /// consumer was saved behind it. Claimed by `progress`.
    fn progress(&self, consumer: &str) -> Pending<Option<Vec<u8>>> {
        let _ = consumer;
        Pending::ready(Ok(None))
    }

    /// The checkpoint of a consumer that was saved last; `None` if none was. Claimed by `checkpoints`.
    ///
    /// # Errors
    /// `Corrupt`: it is damaged, or of a history that was lost.
    fn checkpoint(&self, consumer: &str) -> Pending<Option<Checkpoint>> {
        let _ = consumer;
        Pending::ready(Ok(None))
    }

    /// Keeps the checkpoint of a consumer in place of the one before, once the events that it counts are sure to stay. Its `Ok`
    /// survives power loss; until then the one before counts. Claimed by `checkpoints`.
    ///
    /// # Errors
    /// `Invalid`, `Limit`: no name of a consumer, or more than may be kept. `Ahead`: the store has no event at its `through`.
    fn save_checkpoint(&self, consumer: &str, checkpoint: Checkpoint) -> Pending<()> {
        let _ = (consumer, checkpoint);
        Pending::ready(Err(Error::unsupported("a checkpoint of a consumer")))
    }

    /// The names of all consumers that have a checkpoint, in any order. Claimed by `checkpoints`.
    ///
    /// # Errors
    /// `Corrupt`: one is damaged.
    fn consumers(&self) -> Pending<Vec<String>> {
        Pending::ready(Ok(Vec::new()))
    }

    /// Forgets the checkpoint of a consumer, be it damaged or not; it then holds back no retention. Without one there is nothing to do.
    fn forget_checkpoint(&self, consumer: &str) -> Pending<()> {
        let _ = consumer;
        Pending::ready(Ok(()))
    }

    /// The right to run a consumer on some streams, which one process, and one part of it, has at a time: on all of them, claimed by
    /// `leases`; on a part of them, so that several processes share a consumer, claimed by `partitions`.
    ///
    /// # Errors
    /// `Locked`: it runs already, on any of these streams. `Unsupported`: a part, and the store doesn't claim `partitions`.
    fn lease(&self, consumer: &str, partition: Partition) -> Pending<Lease> {
        if partition == Partition::WHOLE {
            return Pending::ready(Ok(Lease::default()));
        }
        Pending::ready(Err(Error::unsupported(format!("{partition} for consumer {consumer:?}"))))
    }

    /// Keeps a request to a consumer, from whichever process: the process that runs it executes it, or the next one that does. Gives its
    /// id; higher ones were sent later. Its `Ok` survives power loss. Claimed by `requests`.
    ///
    /// # Errors
    /// `Invalid`, `Limit`: no name of a consumer, or more than may be kept.
    fn send_request(&self, consumer: &str, data: Vec<u8>) -> Pending<u64> {
        let _ = (consumer, data);
        Pending::ready(Err(Error::unsupported("a request to a consumer")))
    }

    /// The requests to a consumer that weren't removed, those sent first before the others. Claimed by `requests`.
    ///
    /// # Errors
    /// `Corrupt`: one is damaged.
    fn requests(&self, consumer: &str) -> Pending<Vec<SentRequest>> {
        let _ = consumer;
        Pending::ready(Ok(Vec::new()))
    }

    /// Keeps the answer to a request, if that is still there. Its `Ok` survives power loss. Claimed by `requests`.
    ///
    /// # Errors
    /// `Corrupt`: the request is damaged. `Limit`: more than may be kept.
    fn answer_request(&self, consumer: &str, id: u64, answer: Vec<u8>) -> Pending<()> {
        let _ = (consumer, id, answer);
        Pending::ready(Ok(()))
    }

    /// Removes a request, answered or not. Without one there is nothing to do. Claimed by `requests`.
    fn remove_request(&self, consumer: &str, id: u64) -> Pending<()> {
        let _ = (consumer, id);
        Pending::ready(Ok(()))
    }

    /// The dead-letter log: a store of its own, for what consumers of this one gave up on. Claimed by `dead_letters`.
    fn dead_letters(&self) -> Result<Arc<dyn EventStore>, Error> {
        Err(Error::unsupported("dead letters"))
    }

    /// Says that nobody needs what stands before a position any more, so that the store may remove it. A dead-letter log is told so;
    /// others may be, and keep it. Its `Ok` doesn't say that it is gone.
    fn trim(&self, before: Position) -> Pending<()> {
        let _ = before;
        Pending::ready(Ok(()))
    }

    /// What the consumers of the store wait by.
    fn clock(&self) -> Clock {
        Clock::default()
    }

    /// The newest snapshot of a stream, if there is one that is whole. Claimed by `snapshots`.
    fn snapshot(&self, stream: &str) -> Pending<Option<Snapshot>> {
        let _ = stream;
        Pending::ready(Ok(None))
    }

    /// Keeps a snapshot of a stream in place of older ones. A store without snapshots keeps none, which is no error: what
    /// they save is time. Claimed by `snapshots`.
    fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Pending<()> {
        let _ = (stream, snapshot);
        Pending::ready(Ok(()))
    }

    /// What the `Ok` of an append has survived, where nothing else is said.
    fn default_durability(&self) -> Durability {
        Durability::Power
    }

    /// What the store does of what not every one does. Default: nothing.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
}

/// What a store does of what not every one does.
///
/// ```
/// use orchestrix::{Capabilities, Store};
/// let claimed = Capabilities::default().with_multi_stream().with_query_conditions();
/// assert!(claimed.multi_stream && !claimed.snapshots);
/// assert!(Store::in_memory().capabilities().query_conditions);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Capabilities {
    /// Positions are 1, 2, 3 ..., those of one commit without a gap.
    pub contiguous_positions: bool,
    /// A commit may write to several streams.
    pub multi_stream: bool,
    /// A commit may have a condition (`fail_if_any`).
    pub query_conditions: bool,
    /// A commit may bring a consumer's progress.
    pub progress: bool,
    /// Snapshots are kept.
    pub snapshots: bool,
    /// What is visible and what survives power loss are told apart.
    pub committed_watermark: bool,
    /// A subscription may begin at a token or a time.
    pub resume: bool,
    /// It is known how far a reader is behind.
    pub lag: bool,
    /// Checkpoints of consumers are kept.
    pub checkpoints: bool,
    /// A consumer runs once at a time.
    pub leases: bool,
    /// A consumer may run in several processes, each on a part of the streams.
    pub partitions: bool,
    /// There is a dead-letter log.
    pub dead_letters: bool,
    /// Requests to consumers are kept.
    pub requests: bool,
}

impl Capabilities {
    /// Claims `contiguous_positions`.
    #[must_use]
    pub fn with_contiguous_positions(self) -> Self {
        Self { contiguous_positions: true, ..self }
    }
    /// Claims `multi_stream`.
    #[must_use]
    pub fn with_multi_stream(self) -> Self {
        Self { multi_stream: true, ..self }
    }
    /// Claims `query_conditions`.
    #[must_use]
    pub fn with_query_conditions(self) -> Self {
        Self { query_conditions: true, ..self }
    }
    /// Claims `progress`.
    #[must_use]
    pub fn with_progress(self) -> Self {
        Self { progress: true, ..self }
    }
    /// Claims `snapshots`.
    #[must_use]
    pub fn with_snapshots(self) -> Self {
        Self { snapshots: true, ..self }
    }
    /// Claims `committed_watermark`.
    #[must_use]
    pub fn with_committed_watermark(self) -> Self {
        Self { committed_watermark: true, ..self }
    }
    /// Claims `resume`.
    #[must_use]
    pub fn with_resume(self) -> Self {
        Self { resume: true, ..self }
    }
    /// Claims `lag`.
    #[must_use]
    pub fn with_lag(self) -> Self {
        Self { lag: true, ..self }
    }
    /// Claims `checkpoints`.
    #[must_use]
    pub fn with_checkpoints(self) -> Self {
        Self { checkpoints: true, ..self }
    }
    /// Claims `leases`.
    #[must_use]
    pub fn with_leases(self) -> Self {
        Self { leases: true, ..self }
    }
    /// Claims `partitions`.
    #[must_use]
    pub fn with_partitions(self) -> Self {
        Self { partitions: true, ..self }
    }
    /// Claims `dead_letters`.
    #[must_use]
    pub fn with_dead_letters(self) -> Self {
        Self { dead_letters: true, ..self }
    }
    /// Claims `requests`.
    #[must_use]
    pub fn with_requests(self) -> Self {
        Self { requests: true, ..self }
    }
}

/// The state of a stream as of a revision, in the bytes of whoever saved it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Revision of the last event that is in it.
    pub revision: Revision,
    /// Version of the schema of `data`.
    pub schema_version: u32,
    /// The state.
    pub data: Vec<u8>,
}

impl Snapshot {
    /// The state as of a revision.
    pub fn new(revision: Revision, schema_version: u32, data: Vec<u8>) -> Self {
        Self { revision, schema_version, data }
    }
}

/// How far a consumer has come.
///
/// ```
/// use orchestrix::{Checkpoint, prelude::*};
/// let store = Store::in_memory();
/// let position = store.append("room-1", NoStream, NewEvent::raw("opened", b"")).wait()?.position();
/// let back = store.backend();
/// # use orchestrix::EventStore;
/// back.save_checkpoint("mailer", Checkpoint::new(position, position, vec![])).wait()?;
/// assert_eq!(back.checkpoint("mailer").wait()?.map(|checkpoint| checkpoint.low), Some(position));
/// # Ok::<(), orchestrix::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// Everything up to here is done: what stands behind it is kept from retention.
    pub low: Position,
    /// The highest position that it knows of, at least `low`.
    pub through: Position,
    /// What is done between the two, and whatever else the consumer needs, in bytes of its own.
    pub data: Vec<u8>,
}

impl Checkpoint {
    /// Everything up to `low` is done, and some of what follows, up to `through`.
    pub fn new(low: Position, through: Position, data: Vec<u8>) -> Self {
        Self { low, through, data }
    }
}

/// A request to a consumer, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentRequest {
    /// Its id: higher ones were sent later.
    pub id: u64,
    /// What is asked for, in bytes of whoever sent it.
    pub data: Vec<u8>,
    /// What came of it, in bytes of whoever executed it; `None` until then.
    pub answer: Option<Vec<u8>>,
}

impl SentRequest {
    /// A request that isn't answered.
    pub fn new(id: u64, data: Vec<u8>) -> Self {
        Self { id, data, answer: None }
    }

    /// With its answer.
    #[must_use]
    pub fn with_answer(self, answer: Option<Vec<u8>>) -> Self {
        Self { answer, ..self }
    }
}
