//! What a life does with its open store, one step after another, as chance has it.

use super::life::Life;
use super::shared::{Step, Trouble, exactly, send};
use crate::expected::{Durability, Expected};
use crate::store::{Retention, Store};
use crate::{Position, Revision};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

fn failing<T>(what: &'static str) -> impl Fn(crate::Error) -> Result<T, Trouble> {
    move |error| Err(Trouble::failed(what, error))
}

impl Life {
    pub(super) fn use_it(&mut self) -> Step {
        let is_first = self.shared.depth == 0;
        // Most crashed stores are only opened, so that more of them are looked at.
        if !is_first && self.chance.happens(500) {
            return Ok(());
        }
        let steps = if is_first { 40 + self.chance.below(40) } else { self.chance.below(7) };
        for _ in 0..steps {
            if self.run.is_over() {
                return Ok(());
            }
            self.step()?;
            self.shared.learn();
        }
        if !is_first || self.chance.happens(500) { self.reopen() } else { Ok(()) }
    }

    fn store(&self) -> Store {
        self.shared.store.lock().clone().expect("a store is open while steps are made")
    }

    fn step(&mut self) -> Step {
        match self.chance.below(100) {
            0..40 => self.shared.append(1),
            40..52 => {
                let streams = 2 + self.chance.below(3);
                self.shared.append(streams)
            }
            52..60 => self.wait_for_all(),
            60..66 => self.wait_for_one(),
            66..72 => self.poll_one(),
            72..76 => self.store().sync().wait().or_else(failing("sync")),
            76..88 => {
                self.machine.run_one(&mut self.chance);
                Ok(())
            }
            88..91 => {
                let millis = [10, 60, 1_500][self.chance.below(3) as usize];
                self.machine.pass(Duration::from_millis(millis));
                Ok(())
            }
            91..93 => self.repeat(),
            93..94 => self.retain(),
            94..96 => self.conflict(),
            96..97 => {
                self.machine.jump_clock(self.chance.any() as i64 >> 20);
                Ok(())
            }
            97..98 => self.look_beside(),
            98..99 => self.store().stats().map(drop).or_else(failing("stats")),
            _ => self.reopen(),
        }
    }

    /// Every `Ok` of a receipt promises everything up to it.
    fn wait_for_all(&mut self) -> Step {
        let waiting = std::mem::take(&mut *self.shared.waiting.lock());
        waiting.into_iter().try_for_each(|(count, pending)| self.shared.kept(count, pending.wait()))
    }

    fn wait_for_one(&mut self) -> Step {
        let taken = {
            let mut waiting = self.shared.waiting.lock();
            let index = self.chance.below(waiting.len() as u64) as usize;
            (index < waiting.len()).then(|| waiting.swap_remove(index))
        };
        taken.map_or(Ok(()), |(count, pending)| self.shared.kept(count, pending.wait()))
    }

    /// A task polls, background work runs, the task polls again.
    fn poll_one(&mut self) -> Step {
        let Some((count, mut pending)) = self.shared.waiting.lock().pop() else { return Ok(()) };
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            if let Poll::Ready(result) = Pin::new(&mut pending).poll(&mut cx) {
                return self.shared.kept(count, result);
            }
            while self.chance.happens(700) && self.machine.run_one(&mut self.chance) {}
        }
        self.shared.waiting.lock().push((count, pending));
        Ok(())
    }

    /// The same commit again: a success, and nothing is added.
    fn repeat(&mut self) -> Step {
        let (commit, count) = {
            let history = self.shared.history.lock();
            match history.any_there(&mut self.chance) {
                Some((commit, index)) => (commit, index + 1),
                None => return Ok(()),
            }
        };
        let pending = send(&self.store(), &commit, exactly, Durability::Power);
        let receipt = pending.wait().or_else(failing("a repeat"))?;
        if !receipt.is_repeat() || receipt.position() != Position(commit.last) {
            return Err(
                format!("the repeat of a commit that ends at {} gave {receipt:?}", commit.last).into()
            );
        }
        self.shared.history.lock().promise(count);
        Ok(())
    }

    /// Old segments are dropped; every stream keeps its head.
    fn retain(&mut self) -> Step {
        let store = self.store();
        let before = self.chance.below(store.view().watermark().0 + 2);
        let limits = Retention::default().before(Position(before));
        let plan = store.plan_retention(limits).or_else(failing("planning a retention"))?;
        self.shared.history.lock().retain(plan.first_position.0);
        plan.apply().or_else(failing("a retention"))?;
        self.shared.history.lock().retained();
        self.run.dropped(plan.drops.len());
        Ok(())
    }

    /// An append that must be refused, and change nothing.
    fn conflict(&mut self) -> Step {
        let (commit, actual) = {
            let mut history = self.shared.history.lock().clone();
            let commit = history.invent(&mut self.chance, 1);
            let actual = history.count(commit.events[0].stream);
            (commit, actual)
        };
        let wrong = Expected::Exact(Revision(actual + 1));
        match send(&self.store(), &commit, |_| wrong, Durability::Process).wait() {
            Err(error) if error.is_conflict() => Ok(()),
            Err(error) => Err(Trouble::failed("an append that conflicts", error)),
            Ok(receipt) => {
                Err(format!("expected a conflict with revision {actual}, found {receipt:?}").into())
            }
        }
    }

    /// Another process reads while this one has the store open.
    fn look_beside(&mut self) -> Step {
        let beside = self.machine.open(Store::options().read_only()).or_else(failing("reading beside"))?;
        let history = self.shared.history.lock().clone();
        let found = history.compare(&beside).map_err(|what| format!("reading beside: {what}"))?;
        if found.count < history.seen() {
            return Err(format!("a reader beside saw {} of {} commits", found.count, history.seen()).into());
        }
        Ok(())
    }

    /// Closes, and opens again: everything is there.
    fn reopen(&mut self) -> Step {
        self.wait_for_all()?;
        let store = self.store();
        store.close().wait().or_else(failing("closing"))?;
        {
            let mut history = self.shared.history.lock();
            let all = history.len();
            history.promise(all);
            history.compare(&store).map_err(|what| format!("after closing: {what}"))?;
        }
        *self.shared.store.lock() = None;
        drop(store);
        if !self.open()? {
            return Err("a closed store was refused".to_owned().into());
        }
        let store = self.store();
        if store.recovery().is_clean() || self.run.plan.lenient || self.shared.has_faults() {
            Ok(())
        } else {
            Err(format!("after a close: {}", store.recovery()).into())
        }
    }
}
