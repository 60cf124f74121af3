//! A store whose back end is known at run time only: no method is lost on the way. Method: a back end whose every answer
//! differs from the default, asked directly, erased, and erased twice; and the text of the trait is compared with what is
//! handed on, so that a method which is added later can't be forgotten.

use orchestrix::prelude::*;
use orchestrix::{
    AnyStore, Batch, Capabilities, Checkpoint, Clock, Commit, Durability, EventStore, Head, Lag, Lease,
    Located, Partition, Pending, Progress, Query, ReadRequest, Receipt, ResumeToken, SentRequest, Snapshot,
    Start, Subscription, Watermark, Write,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Notes each call, and answers with what no default gives.
#[derive(Clone, Default)]
struct Noting(Arc<Mutex<Vec<String>>>);

impl Noting {
    fn note(&self, call: String) {
        self.0.lock().expect("no panic").push(call);
    }
}

impl EventStore for Noting {
    fn commit(&self, commit: Commit<'_>) -> Pending<Receipt> {
        self.note(format!("commit {} {:?}", commit.writes[0].stream, commit.durability));
        Pending::ready(Ok(commit.receipt(Position(7), |_| Revision(3))))
    }
    fn read(&self, request: &ReadRequest) -> Pending<Batch> {
        self.note(format!("read {}", request.query));
        Pending::ready(Ok(Batch::new(Vec::new(), Position(8), true)))
    }
    fn head(&self, stream: &str) -> Pending<Option<Head>> {
        self.note(format!("head {stream}"));
        Pending::ready(Ok(Some(Head::new(Revision(4), Position(9)))))
    }
    fn beyond(&self, position: Position) -> Pending<Position> {
        self.note(format!("beyond {position}"));
        Pending::ready(Ok(Position(10)))
    }
    fn committed_beyond(&self, position: Position) -> Pending<Position> {
        self.note(format!("committed_beyond {position}"));
        Pending::ready(Ok(Position(13)))
    }
    fn locate(&self, subscription: &Subscription) -> Pending<Located> {
        let Subscription { start, watermark, .. } = subscription;
        self.note(format!("locate {start:?} {watermark:?}"));
        Pending::ready(Ok(Located::new(ResumeToken::new(Position(14), 15))))
    }
    fn lag(&self, request: &ReadRequest, watermark: Watermark) -> Lag {
        self.note(format!("lag {} {watermark:?}", request.after));
        Lag::new(16, 17, Duration::from_secs(18))
    }
    fn progress(&self, consumer: &str) -> Pending<Option<Vec<u8>>> {
        self.note(format!("progress {consumer}"));
        Pending::ready(Ok(Some(vec![11])))
    }
    fn lease(&self, consumer: &str, partition: Partition) -> Pending<Lease> {
        self.note(format!("lease {consumer} {partition}"));
        Pending::ready(Err(orchestrix::Error::taken("mailer")))
    }
    fn send_request(&self, consumer: &str, data: Vec<u8>) -> Pending<u64> {
        self.note(format!("send_request {consumer} {data:?}"));
        Pending::ready(Ok(22))
    }
    fn requests(&self, consumer: &str) -> Pending<Vec<SentRequest>> {
        self.note(format!("requests {consumer}"));
        Pending::ready(Ok(vec![SentRequest::new(23, vec![24])]))
    }
    fn answer_request(&self, consumer: &str, id: u64, answer: Vec<u8>) -> Pending<()> {
        self.note(format!("answer_request {consumer} {id} {answer:?}"));
        Pending::ready(Err(orchestrix::Error::closed()))
    }
    fn remove_request(&self, consumer: &str, id: u64) -> Pending<()> {
        self.note(format!("remove_request {consumer} {id}"));
        Pending::ready(Err(orchestrix::Error::closed()))
    }
    fn dead_letters(&self) -> Result<Arc<dyn EventStore>, orchestrix::Error> {
        self.note("dead_letters".to_owned());
        Ok(Arc::new(self.clone()))
    }
    fn trim(&self, before: Position) -> Pending<()> {
        self.note(format!("trim {before}"));
        Pending::ready(Err(orchestrix::Error::closed()))
    }
    fn clock(&self) -> Clock {
        self.note("clock".to_owned());
        Clock::default()
    }
    fn snapshot(&self, stream: &str) -> Pending<Option<Snapshot>> {
        self.note(format!("snapshot {stream}"));
        Pending::ready(Ok(Some(Snapshot::new(Revision(5), 2, vec![12]))))
    }
    fn checkpoint(&self, consumer: &str) -> Pending<Option<Checkpoint>> {
        self.note(format!("checkpoint {consumer}"));
        Pending::ready(Ok(Some(Checkpoint::new(Position(19), Position(20), vec![21]))))
    }
    fn save_checkpoint(&self, consumer: &str, checkpoint: Checkpoint) -> Pending<()> {
        self.note(format!("save_checkpoint {consumer} {}", checkpoint.low));
        Pending::ready(Err(orchestrix::Error::closed()))
    }
    fn consumers(&self) -> Pending<Vec<String>> {
        self.note("consumers".to_owned());
        Pending::ready(Ok(vec!["mailer".to_owned()]))
    }
    fn forget_checkpoint(&self, consumer: &str) -> Pending<()> {
        self.note(format!("forget_checkpoint {consumer}"));
        Pending::ready(Err(orchestrix::Error::closed()))
    }
    fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Pending<()> {
        self.note(format!("save_snapshot {stream} {}", snapshot.revision));
        Pending::ready(Err(orchestrix::Error::closed()))
    }
    fn default_durability(&self) -> Durability {
        self.note("default_durability".to_owned());
        Durability::Process
    }
    fn capabilities(&self) -> Capabilities {
        self.note("capabilities".to_owned());
        Capabilities::default().with_snapshots().with_progress()
    }
}

/// Calls every method once, in the order of the trait.
fn call_all(store: &impl EventStore) {
    let events = [NewEvent::raw("t", b"")];
    let writes = [Write::new("a-1", Any, &events)];
    let mut commit = Commit::new(&writes, Durability::Process);
    commit.progress = Some(Progress::new("mailer", b"7"));
    assert_eq!(store.commit(commit).wait().expect("a receipt").position(), Position(7));
    let read = store.read(&ReadRequest::new(Query::stream("a-1"))).wait().expect("a batch");
    assert_eq!(read.through(), Position(8));
    assert_eq!(store.head("a-1").wait().expect("a head").map(|head| head.position), Some(Position(9)));
    assert_eq!(store.beyond(Position(1)).wait().expect("a position"), Position(10));
    assert_eq!(store.committed_beyond(Position(2)).wait().expect("a position"), Position(13));
    let located = store.locate(&Subscription::new(Start::End, Watermark::Committed)).wait().expect("a place");
    assert_eq!(located.token, ResumeToken::new(Position(14), 15));
    let request = ReadRequest::new(Query::all());
    assert_eq!(store.lag(&request, Watermark::Synced), Lag::new(16, 17, Duration::from_secs(18)));
    assert_eq!(store.progress("mailer").wait().expect("progress"), Some(vec![11]));
    let checkpoint = store.checkpoint("mailer").wait().expect("an answer").expect("a checkpoint");
    assert!(store.save_checkpoint("mailer", checkpoint).wait().expect_err("closed").is_closed());
    assert_eq!(store.consumers().wait().expect("names"), ["mailer"]);
    assert!(store.forget_checkpoint("mailer").wait().expect_err("closed").is_closed());
    assert!(store.lease("mailer", Partition::WHOLE).wait().expect_err("taken").is_locked());
    assert_eq!(store.send_request("mailer", vec![1]).wait().expect("an id"), 22);
    assert_eq!(store.requests("mailer").wait().expect("requests"), [SentRequest::new(23, vec![24])]);
    assert!(store.answer_request("mailer", 2, vec![3]).wait().expect_err("closed").is_closed());
    assert!(store.remove_request("mailer", 4).wait().expect_err("closed").is_closed());
    assert!(store.dead_letters().is_ok());
    assert!(store.trim(Position(5)).wait().expect_err("closed").is_closed());
    drop(store.clock());
    let snapshot = store.snapshot("a-1").wait().expect("an answer").expect("a snapshot");
    assert!(store.save_snapshot("a-1", snapshot).wait().expect_err("closed").is_closed());
    assert_eq!(store.default_durability(), Durability::Process);
    assert!(store.capabilities().snapshots && store.capabilities().progress);
}

const CALLS: [&str; 25] = [
    "commit a-1 Process",
    "read events of stream \"a-1\"",
    "head a-1",
    "beyond 1",
    "committed_beyond 2",
    "locate End Committed",
    "lag 0 Synced",
    "progress mailer",
    "checkpoint mailer",
    "save_checkpoint mailer 19",
    "consumers",
    "forget_checkpoint mailer",
    "lease mailer all streams",
    "send_request mailer [1]",
    "requests mailer",
    "answer_request mailer 2 [3]",
    "remove_request mailer 4",
    "dead_letters",
    "trim 5",
    "clock",
    "snapshot a-1",
    "save_snapshot a-1 5",
    "default_durability",
    "capabilities",
    "capabilities",
];

#[test]
fn every_method_reaches_the_back_end() {
    let noting = Noting::default();
    let calls = || std::mem::take(&mut *noting.0.lock().expect("no panic"));
    call_all(&noting);
    assert_eq!(calls(), CALLS);
    let erased: AnyStore = Store::with(noting.clone()).erase();
    call_all(erased.backend());
    assert_eq!(calls(), CALLS);
    call_all(erased.erase().backend());
    assert_eq!(calls(), CALLS);
    let boxed: Box<dyn EventStore> = Box::new(noting.clone());
    call_all(&boxed);
    assert_eq!(calls(), CALLS);
}

#[test]
fn erasing_twice_does_not_wrap_twice() {
    let erased = Store::in_memory().erase();
    let again = erased.erase();
    assert!(std::ptr::eq(erased.backend(), again.backend()), "one box");
}

/// Names of the functions between two lines of a file.
fn functions<'t>(text: &'t str, from: &str, to: &str) -> BTreeSet<&'t str> {
    let start = text.find(from).expect("a beginning");
    let end = start + text[start..].find(to).expect("an end");
    let calls = text[start..end].split("fn ").skip(1);
    calls.map(|rest| &rest[..rest.find('(').expect("a function")]).collect()
}

#[test]
fn what_is_handed_on_is_the_whole_trait() {
    let declared = functions(include_str!("../src/store/contract.rs"), "pub trait EventStore", "\n}\n");
    let handed_on = functions(include_str!("../src/store/any.rs"), "macro_rules! hand_on", "\n}\n");
    let called: BTreeSet<&str> = CALLS.iter().map(|call| call.split(' ').next().expect("a name")).collect();
    assert!(declared.len() >= 9, "{declared:?}");
    assert_eq!(declared, handed_on);
    assert_eq!(declared, called);
}

/// One function for every back end; the default of the store's options is what an append asks for.
#[test]
fn a_handle_does_the_same_on_every_back_end() {
    fn count<B: EventStore>(store: &Store<B>) -> usize {
        store.append("a-1", NoStream, NewEvent::raw("t", b"")).wait().expect("an append");
        store.transaction().append("a-2", Any, NewEvent::raw("t", b"")).commit().wait().expect("a commit");
        let head = store.head("a-1").wait().expect("a head").expect("a stream");
        assert_eq!(head, Head::new(Revision(0), Position(1)));
        store.read(Query::category("a")).fetch().wait().expect("a batch").len()
    }
    let embedded = Store::in_memory();
    assert_eq!(count(&embedded), 2);
    assert_eq!(embedded.view().all().count(), 2);
    let erased = Store::options().durability(Durability::Process).in_memory().expect("a store").erase();
    assert_eq!(count(&erased), 2);
    assert_eq!(erased.backend().default_durability(), Durability::Process);
    assert_eq!(format!("{erased:?} {embedded:?}"), "Store { .. } Store { dir: None, .. }");
    let stores = [erased, embedded.erase()];
    assert!(stores.iter().all(|store| store.capabilities().query_conditions));
}
