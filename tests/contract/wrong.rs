//! A real store with one rule broken.

use crate::rules::Rule;
use orchestrix::{
    Batch, Capabilities, Checkpoint, Commit, Durability, Embedded, Error, EventStore, Head, Lag, Lease,
    Located, Partition, Pending, Position, Query, ReadRequest, Receipt, RecordedEvent, Revision, SentRequest,
    Snapshot, Start, Store, Subscription, Watermark, Write,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

pub(crate) struct Wrong {
    rule: Rule,
    real: Store,
    heads: Mutex<HashMap<String, Option<Head>>>,
}

/// Long enough for another thread to come in between.
fn dawdle() {
    std::thread::sleep(std::time::Duration::from_millis(3));
}

impl Wrong {
    pub(crate) fn store(rule: Rule) -> Store<Self> {
        Store::with(Self { rule, real: Store::in_memory(), heads: Mutex::default() })
    }

    fn real(&self) -> &Embedded {
        self.real.backend()
    }

    /// The commit in two, at the middle of its first write or behind it.
    fn split(&self, commit: Commit<'_>, behind: bool) -> Pending<Receipt> {
        let first = commit.writes[0];
        let at = if behind { first.events.len() } else { first.events.len() / 2 };
        if at == 0 || behind && commit.writes.len() == 1 {
            return self.real().commit(commit);
        }
        let (mut before, mut after) = (first, first);
        (before.events, after.events) = first.events.split_at(at);
        after.expected = orchestrix::Expected::Any;
        let rest: Vec<Write<'_>> = if behind { commit.writes[1..].to_vec() } else { vec![after] };
        let (mut one, mut two) = (commit, commit);
        let writes = [before];
        (one.writes, two.writes) = (&writes, &rest);
        match self.real().commit(one).wait() {
            Ok(_) => self.real().commit(two),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    fn condition_holds(&self, query: &Query, after: Position) -> Result<(), Error> {
        let found = self.real.read(query.clone()).after(after).fetch().wait()?;
        match found.iter().last() {
            Some(event) => Err(Error::new_condition_conflict(query.clone(), after, event.position())),
            None => Ok(()),
        }
    }

    fn expectations_hold(&self, commit: &Commit<'_>) -> Result<(), Error> {
        for write in commit.writes {
            let head = self.real.head(write.stream).wait()?.map(|head| head.revision);
            if !write.expected.is_met_by(head) {
                return Err(Error::new_conflict(write.stream, write.expected, head));
            }
        }
        Ok(())
    }

    /// The commit, after `check` has passed; else, unless it is a repeat, its error.
    fn after<'a>(
        &self,
        check: Result<(), Error>,
        mut commit: Commit<'a>,
        forget: impl Fn(&mut Commit<'a>),
    ) -> Pending<Receipt> {
        match check {
            Ok(()) => {
                forget(&mut commit);
                dawdle();
                self.real().commit(commit)
            }
            Err(error) => match self.real().commit(commit).wait() {
                Ok(receipt) if receipt.is_repeat() => Pending::ready(Ok(receipt)),
                _ => Pending::ready(Err(error)),
            },
        }
    }
}

fn expecting_nothing<'a>(writes: &[Write<'a>]) -> Vec<Write<'a>> {
    let mut writes = writes.to_vec();
    writes.iter_mut().for_each(|write| write.expected = orchestrix::Expected::Any);
    writes
}

impl EventStore for Wrong {
    fn commit(&self, mut commit: Commit<'_>) -> Pending<Receipt> {
        let condition = commit.fail_if_any;
        match self.rule {
            Rule::ForgetCondition => commit.fail_if_any = None,
            Rule::CheckConditionBeforehand if condition.is_some() => {
                let (query, after) = condition.expect("a condition");
                let check = self.condition_holds(query, after);
                return self.after(check, commit, |commit| commit.fail_if_any = None);
            }
            Rule::ConditionBeforeRepeat => {
                if let Some((query, after)) = condition
                    && let Err(error) = self.condition_holds(query, after)
                {
                    return Pending::ready(Err(error));
                }
            }
            Rule::ConditionFromTheStart => {
                commit.fail_if_any = condition.map(|(query, _)| (query, Position::START))
            }
            Rule::SplitCommit => return self.split(commit, false),
            Rule::SplitTransaction => return self.split(commit, true),
            Rule::IgnoreExpectation => {
                let writes = expecting_nothing(commit.writes);
                let mut commit = commit;
                return self.real().commit({
                    let mut any = Commit::new(&writes, commit.durability);
                    (any.fail_if_any, any.progress) = (commit.fail_if_any.take(), commit.progress.take());
                    any
                });
            }
            Rule::CheckExpectationBeforehand => {
                let writes = expecting_nothing(commit.writes);
                if self.expectations_hold(&commit).is_ok() {
                    dawdle();
                    let mut any = Commit::new(&writes, commit.durability);
                    (any.fail_if_any, any.progress) = (commit.fail_if_any, commit.progress);
                    return self.real().commit(any);
                }
            }
            Rule::DropProgress => commit.progress = None,
            _ => {}
        }
        let result = self.real().commit(commit).wait();
        Pending::ready(match (self.rule, result) {
            (Rule::ForgetRepeat, Ok(receipt)) if receipt.is_repeat() => {
                let write = commit.writes[0];
                Err(Error::new_conflict(write.stream, write.expected, Some(receipt.revision())))
            }
            (Rule::RepeatByFirstId, Err(error)) if error.is_conflict() => match self.has_first(&commit) {
                Some(receipt) => Ok(receipt),
                None => Err(error),
            },
            (Rule::WrongFacts, Err(error)) => Err(match error.conflict() {
                Some(facts) if facts.matched.is_none() => {
                    Error::new_conflict(&*facts.stream, facts.expected, None)
                }
                _ => error,
            }),
            (Rule::Gaps, Ok(receipt)) => {
                let write = commit.writes[0];
                Ok(Receipt::new(Position(receipt.position().0 * 2), write.stream, receipt.revision()))
            }
            (_, result) => result,
        })
    }

    fn read(&self, request: &ReadRequest) -> Pending<Batch> {
        let mut request = request.clone();
        match self.rule {
            Rule::KeepBackwardOrder => request.backward = false,
            Rule::IgnoreLimit => request.limit = usize::MAX,
            Rule::IncludeAfter => request.after.0 = request.after.0.saturating_sub(1),
            Rule::IncludeBefore => {
                request.before = request.before.map(|before| Position(before.0.saturating_add(1)))
            }
            Rule::ForgetFrom => request.from = None,
            // What was appended since the subscription began isn't found by its filter.
            Rule::ForgetWhoFollows if request.before.is_some() && !request.query.is_all() => {
                request.query = Query::types(["none"]);
            }
            Rule::AnyOfTheTags => request.query = any_of_the_tags(&request.query),
            Rule::CategoryByPrefix if request.query.items().iter().any(|item| item.category().is_some()) => {
                return Pending::ready(self.by_prefix(&request));
            }
            _ => {}
        }
        let batch = match self.real().read(&request).wait() {
            Ok(batch) => batch,
            Err(error) => return Pending::ready(Err(error)),
        };
        let mut events: Vec<RecordedEvent> = batch.iter().map(|event| event.to_recorded()).collect();
        let (mut through, mut caught_up) = (batch.through(), batch.is_caught_up());
        match self.rule {
            Rule::StopShort if !caught_up => _ = events.pop(),
            Rule::ClaimToBeCaughtUp => caught_up = true,
            Rule::ForgetWatermark => {
                through = batch.iter().map(|event| event.position()).max().unwrap_or(request.after);
            }
            Rule::Gaps => {
                let moved = |event: &RecordedEvent| {
                    let event = event.as_ref();
                    let (revision, position) = (event.revision(), Position(event.position().0 * 2));
                    let new = event.to_recorded().to_new_event();
                    RecordedEvent::new(event.stream(), revision, position, event.commit_time(), &new)
                };
                events = events.iter().map(moved).collect();
            }
            _ => {}
        }
        Pending::ready(Ok(Batch::new(events, through, caught_up)))
    }

    fn head(&self, stream: &str) -> Pending<Option<Head>> {
        let head = self.real.head(stream).wait();
        if self.rule != Rule::StaleHead {
            return Pending::ready(head);
        }
        let mut heads = self.heads.lock().expect("no panic");
        Pending::ready(head.map(|head| *heads.entry(stream.to_owned()).or_insert(head)))
    }

    fn beyond(&self, position: Position) -> Pending<Position> {
        match self.rule {
            Rule::BeyondAtOnce => Pending::ready(Ok(position)),
            _ => self.real().beyond(position),
        }
    }

    fn committed_beyond(&self, position: Position) -> Pending<Position> {
        self.real().committed_beyond(position)
    }

    fn locate(&self, subscription: &Subscription) -> Pending<Located> {
        let mut subscription = subscription.clone();
        match (self.rule, subscription.start) {
            (Rule::BeginAtTheBeginning, _) => subscription.start = Start::Beginning,
            (Rule::BelieveEveryToken, Start::Resume(token)) => {
                subscription.start = Start::After(token.position());
            }
            _ => {}
        }
        self.real().locate(&subscription)
    }

    fn lag(&self, request: &ReadRequest, watermark: Watermark) -> Lag {
        match self.rule {
            Rule::NoLag => Lag::default(),
            _ => self.real().lag(request, watermark),
        }
    }

    fn default_durability(&self) -> Durability {
        self.real().default_durability()
    }

    fn progress(&self, consumer: &str) -> Pending<Option<Vec<u8>>> {
        self.real().progress(consumer)
    }

    fn lease(&self, consumer: &str, partition: Partition) -> Pending<Lease> {
        match self.rule {
            Rule::LeaseTwice => Pending::ready(Ok(Lease::default())),
            Rule::PartTwice if partition != Partition::WHOLE => Pending::ready(Ok(Lease::default())),
            _ => self.real().lease(consumer, partition),
        }
    }

    fn send_request(&self, consumer: &str, data: Vec<u8>) -> Pending<u64> {
        self.real().send_request(consumer, data)
    }

    fn requests(&self, consumer: &str) -> Pending<Vec<SentRequest>> {
        self.real().requests(consumer)
    }

    fn answer_request(&self, consumer: &str, id: u64, answer: Vec<u8>) -> Pending<()> {
        match self.rule {
            Rule::ForgetAnswer => Pending::ready(Ok(())),
            _ => self.real().answer_request(consumer, id, answer),
        }
    }

    fn remove_request(&self, consumer: &str, id: u64) -> Pending<()> {
        self.real().remove_request(consumer, id)
    }

    fn dead_letters(&self) -> Result<Arc<dyn EventStore>, Error> {
        match self.rule {
            Rule::MixDeadLetters => {
                Ok(Arc::new(Wrong { rule: Rule::None, real: self.real.clone(), heads: Mutex::default() }))
            }
            _ => self.real().dead_letters(),
        }
    }

    fn checkpoint(&self, consumer: &str) -> Pending<Option<Checkpoint>> {
        self.real().checkpoint(consumer)
    }

    fn save_checkpoint(&self, consumer: &str, checkpoint: Checkpoint) -> Pending<()> {
        if self.rule == Rule::KeepHighestCheckpoint
            && let Ok(Some(there)) = self.real().checkpoint(consumer).wait()
            && there.low > checkpoint.low
        {
            return Pending::ready(Ok(()));
        }
        self.real().save_checkpoint(consumer, checkpoint)
    }

    fn consumers(&self) -> Pending<Vec<String>> {
        match self.rule {
            Rule::HideConsumers => Pending::ready(Ok(Vec::new())),
            _ => self.real().consumers(),
        }
    }

    fn forget_checkpoint(&self, consumer: &str) -> Pending<()> {
        self.real().forget_checkpoint(consumer)
    }

    fn snapshot(&self, stream: &str) -> Pending<Option<Snapshot>> {
        self.real().snapshot(stream)
    }

    fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Pending<()> {
        if self.rule == Rule::KeepFirstSnapshot
            && self.real().snapshot(stream).wait().is_ok_and(|there| there.is_some())
        {
            return Pending::ready(Ok(()));
        }
        self.real().save_snapshot(stream, snapshot)
    }

    fn capabilities(&self) -> Capabilities {
        match self.rule {
            Rule::PartTwice => self.real().capabilities().with_partitions(),
            _ => self.real().capabilities(),
        }
    }
}

impl Wrong {
    /// The receipt of a repeat, if the first event is there.
    fn has_first(&self, commit: &Commit<'_>) -> Option<Receipt> {
        let write = commit.writes[0];
        let first = write.events.first()?;
        let there = self.real.read(Query::stream(write.stream)).fetch().wait().ok()?;
        let found = there.iter().find(|event| event.id() == first.event_id())?;
        let revision = Revision(found.revision().0 + write.events.len() as u64 - 1);
        Some(commit.receipt(found.position(), |_| revision).as_repeat())
    }

    fn by_prefix(&self, request: &ReadRequest) -> Result<Batch, Error> {
        let prefix = request.query.items()[0].category().unwrap_or_default().to_owned();
        let all = self.real.read(Query::all()).fetch().wait()?;
        let mut found: Vec<_> = all.iter().filter(|event| event.stream().starts_with(&prefix)).collect();
        if request.backward {
            found.reverse();
        }
        Ok(Batch::new(found.iter().map(|event| event.to_recorded()).collect(), all.through(), true))
    }
}

fn any_of_the_tags(query: &Query) -> Query {
    let items = query.items().iter().flat_map(|item| item.tags());
    match items.map(|tag| Query::tags([tag.as_str()])).reduce(Query::or) {
        Some(any) => any,
        None => query.clone(),
    }
}
