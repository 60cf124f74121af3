//! Requests: made from the words of a case, sent to the store, and answered by the model, which must say the same.

use crate::asks::Ask;
use crate::counts::Counts;
use crate::ops::{After, Condition, Event, Expect, Op, STREAMS, Twist, Write};
use crate::plain::{Asked, Fields, Outcome, Request};
use crate::reads::scaled;
use crate::world::{SEGMENT_BYTES, World};
use orchestrix::prelude::*;
use orchestrix::{Durability, Error, ErrorKind, Pending, Receipt};

impl World<'_> {
    fn asked(&self, write: &Write) -> Asked {
        let stream = STREAMS[usize::from(write.stream)];
        let count = self.plain.count(stream);
        let expected = match write.expect {
            Expect::Any => Any,
            Expect::NoStream => NoStream,
            Expect::Exists => StreamExists,
            Expect::Right if count == 0 => NoStream,
            Expect::Right => Exact(Revision(count - 1)),
            Expect::Off(more) => Exact(Revision((count + 2).saturating_add_signed(more.into()))),
            Expect::Last => Exact(Revision(u64::MAX)),
        };
        let mut fields: Vec<_> = write.events.iter().map(Fields::of).collect();
        let built: Vec<_> = fields.iter_mut().map(Fields::build).collect();
        Asked { stream, expected, events: fields.into_iter().zip(built).collect() }
    }

    fn condition(&self, condition: &Condition) -> (Ask, Position) {
        let seen = self.plain.events.len();
        let after = match condition.after {
            After::Start => Position::START,
            After::Now => Position(seen as u64),
            After::Part(part) => Position(scaled(part, seen)),
        };
        (condition.ask.clone(), after)
    }

    pub(crate) fn run_request(&mut self, op: &Op) {
        match op {
            Op::Commit { writes, condition, power, waits } => {
                let writes = writes.iter().map(|write| self.asked(write)).collect();
                let condition = condition.as_ref().map(|condition| self.condition(condition));
                self.request(Request { writes, condition }, *power, *waits);
            }
            Op::Fill { stream, commits } => {
                for n in 0..*commits {
                    let event = Event::plain(n);
                    let write = Write { stream: *stream, expect: Expect::Any, events: vec![event] };
                    let writes = vec![self.asked(&write)];
                    self.request(Request { writes, condition: None }, false, true);
                }
            }
            Op::Repeat { back, twist } => {
                let from_end = usize::from(*back) % self.history.len().max(1);
                if let Some(request) = self.history.iter().rev().nth(from_end) {
                    let Request { writes, condition } = request.clone();
                    let writes = twist_of(writes, *twist);
                    self.request(Request { writes, condition }, false, true);
                }
            }
            _ => unreachable!("no request: {op:?}"),
        }
    }

    fn request(&mut self, request: Request, power: bool, waits: bool) {
        let pending = self.send(&request, power);
        let after = request.condition.as_ref().map_or(0, |(_, after)| after.0);
        if 0 < after && after < self.plain.gone {
            self.not_committed(&request, pending.wait());
            return;
        }
        // A dropped wait cancels nothing; but what the store refuses for its size isn't known without.
        if !waits && size(&request.writes) < 300 {
            drop(pending);
            self.plain.commit(&request);
        } else {
            let result = pending.wait();
            if let Err(error) = &result
                && error.kind() == ErrorKind::Limit
            {
                // An event is at most an eighth of a segment, a commit a quarter.
                assert!(size(&request.writes) > 500, "{error}");
                Counts::add(&self.counts.refused, 1);
                return;
            }
            let events = request.writes.iter().flat_map(|write| &write.events);
            let largest = events.map(|(fields, _)| fields.data.len()).max();
            assert!(largest < Some(SEGMENT_BYTES as usize / 8), "an event that is too large");
            let expected = self.plain.commit(&request);
            assert_eq!(outcome(result, &request), expected, "{request:#?}");
            self.counts.count(&request, &expected);
        }
        self.history.push(request);
    }

    /// A condition wants to know of events that are gone. Who repeats a commit or expects something else is told that first.
    fn not_committed(&mut self, request: &Request, result: Result<Receipt, Error>) {
        match result {
            Err(error) if error.is_truncated() => {
                assert_eq!(error.first_position(), Some(Position(self.plain.gone + 1)));
            }
            Err(error) if error.kind() == ErrorKind::Limit => Counts::add(&self.counts.refused, 1),
            result => {
                let expected = self.plain.commit(request);
                assert!(matches!(expected, Outcome::Conflict { .. } | Outcome::Done { repeat: true, .. }));
                assert_eq!(outcome(result, request), expected, "{request:#?}");
            }
        }
    }

    fn send(&self, request: &Request, power: bool) -> Pending<Receipt> {
        match (&request.writes[..], &request.condition) {
            ([one], None) if !power => self.store().append(one.stream, one.expected, one.new_events()),
            (writes, condition) => {
                let transaction = self.store().transaction();
                let transaction = writes.iter().fold(transaction, |transaction, write| {
                    transaction.append(write.stream, write.expected, write.new_events())
                });
                let transaction = condition.iter().fold(transaction, |transaction, (ask, after)| {
                    transaction.fail_if_any(ask.query(), *after)
                });
                let durability = if power { Durability::Power } else { Durability::Process };
                transaction.durability(durability).commit()
            }
        }
    }
}

/// A lower bound of the bytes that a request takes.
fn size(asked: &[Asked]) -> usize {
    asked.iter().flat_map(|write| &write.events).map(|(fields, _)| fields.data.len() + 60).sum()
}

/// What a store answered, in the words of the model.
fn outcome(result: Result<Receipt, Error>, request: &Request) -> Outcome {
    let asked = &request.writes[..];
    match result {
        Ok(receipt) => {
            let streams = asked.iter().map(|write| write.stream);
            let revision = |stream| receipt.revision_of(stream).expect("a stream of the request").0;
            assert_eq!(receipt.revision().0, revision(asked[0].stream));
            assert_eq!(receipt.revision_of("none-1"), None);
            let revisions = streams.map(|stream| (stream, revision(stream))).collect();
            Outcome::Done { repeat: receipt.is_repeat(), position: receipt.position().0, revisions }
        }
        Err(error) => {
            assert!(error.is_conflict() && !error.is_retryable(), "{error}");
            let facts = error.conflict().expect("facts").clone();
            if let Some(matched) = facts.matched {
                let condition = request.condition.as_ref().map(|(ask, after)| (ask.query(), *after));
                assert_eq!((facts.condition, facts.stream.as_str()), (condition, ""));
                return Outcome::Matched(matched);
            }
            let stream = STREAMS.into_iter().find(|stream| *stream == facts.stream);
            let (expected, actual) = (facts.expected, facts.actual);
            Outcome::Conflict { stream: stream.expect("a stream of the case"), expected, actual }
        }
    }
}

fn twist_of(mut request: Vec<Asked>, twist: Twist) -> Vec<Asked> {
    let last = request.len() - 1;
    match twist {
        Twist::Same => {}
        Twist::Any => request.iter_mut().for_each(|write| write.expected = Any),
        Twist::FirstWrite => request.truncate(1),
        Twist::LastWrite => drop(request.drain(..last)),
        Twist::Shorter if request[last].events.len() > 1 => drop(request[last].events.pop()),
        Twist::Shorter => {}
        Twist::OtherId | Twist::OtherData => {
            let (fields, event) = request[last].events.last_mut().expect("a write has events");
            match twist {
                Twist::OtherId => fields.id = Some("other".to_owned()),
                _ => fields.data = b"other".to_vec(),
            }
            *event = fields.build();
        }
    }
    request
}
