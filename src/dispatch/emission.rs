//! What handlers emit: a commit of its events and of the progress that they come with, one at a time, so that each says what the
//! ones before it have done.

use super::delivery::{Origin, Staged, Ticket};
use super::engine::Engine;
use super::outcome::chain_of;
use super::progress::Progress;
use super::state::{State, poll};
use crate::error::{Error, ErrorKind};
use crate::expected::{Durability, Expected};
use crate::medium::bug;
use crate::pending::Pending;
use crate::store::{Commit, Progress as CommitProgress, Receipt, Write};
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Emissions {
    queue: VecDeque<Emission>,
    /// Dead letters that were redriven by a commit, of which their log may not know yet.
    redriven: Vec<u64>,
}

struct Emission {
    ticket: Arc<Ticket>,
    staged: Staged,
    commit: Option<Pending<Receipt>>,
}

impl Emissions {
    pub(super) fn new(redriven: Vec<u64>) -> Self {
        Self { queue: VecDeque::new(), redriven }
    }

    pub(super) fn push(&mut self, ticket: &Arc<Ticket>, staged: Staged) {
        self.queue.push_back(Emission { ticket: ticket.clone(), staged, commit: None });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn redriven(&self) -> &[u64] {
        &self.redriven
    }

    /// The log of dead letters knows of these.
    pub(super) fn forget(&mut self, numbers: &[u64]) {
        self.redriven.retain(|number| !numbers.contains(number));
    }
}

/// Whether an error is about what was emitted.
fn is_of_events(error: &Error) -> bool {
    use ErrorKind::{Conflict, Invalid, Limit, Unsupported};
    matches!(error.kind(), Invalid | Limit | Unsupported | Conflict)
}

impl State {
    pub(super) fn advance_emissions(&mut self, engine: &Engine) -> Result<(), Error> {
        while let Some(mut emission) = self.emissions.queue.pop_front() {
            let ticket = emission.ticket.clone();
            let mut commit = match emission.commit.take() {
                Some(commit) => commit,
                None => self.commit(engine, &ticket, &emission.staged),
            };
            match poll(&mut commit, &engine.waker) {
                None => {
                    emission.commit = Some(commit);
                    self.emissions.queue.push_front(emission);
                    break;
                }
                Some(Ok(receipt)) => {
                    self.saver.emitted(receipt.position());
                    if let Origin::Letter(number) = ticket.origin {
                        self.emissions.redriven.push(number);
                    }
                    self.done(engine, &ticket);
                }
                Some(Err(error)) if is_of_events(&error) => {
                    self.failed(engine, &ticket, &chain_of(&error.into()));
                }
                // The store can't take anything: that is no fault of the event.
                Some(Err(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Commits what was emitted, and the progress as it is then. It survives power loss together with what follows from it.
    fn commit(&mut self, engine: &Engine, ticket: &Ticket, staged: &Staged) -> Pending<Receipt> {
        let progress = match ticket.origin {
            Origin::Log => self.progress(engine, Some(ticket.position)),
            Origin::Letter(number) => {
                let progress = self.progress(engine, None);
                let redriven = [&progress.redriven[..], &[number]].concat();
                Progress { redriven, ..progress }
            }
        };
        let data = match self.saver.number(progress).encode() {
            Ok(data) => data,
            Err(error) => return Pending::ready(Err(error)),
        };
        let writes: Vec<Write<'_>> =
            staged.iter().map(|(stream, events)| Write::new(stream, Expected::Any, events)).collect();
        let mut commit = Commit::new(&writes, Durability::Process);
        if !bug!(engine.clock, emit_apart) {
            commit.progress = Some(CommitProgress::new(&engine.name, &data));
        }
        engine.store.commit(commit)
    }
}
