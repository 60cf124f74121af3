//! The base case: no store at all. It touches what it is given and keeps none of it, so it costs what the harness costs.

use crate::peer::{Event, Mode, Outcome, Peer, Tally};
use crate::workload::{self, EVENTS_A_STREAM, Workload};
use std::hint::black_box;
use std::path::Path;

pub struct Nothing {
    workload: Workload,
    tally: Tally,
}

impl Peer for Nothing {
    const NAME: &'static str = "nothing (the harness)";

    fn survives(_: Mode) -> &'static str {
        "nothing"
    }

    fn open(_: &Path, _: Mode, _: u64) -> Outcome<Self> {
        Ok(Self { workload: Workload::new(workload::streams()), tally: Tally::default() })
    }

    fn append(&mut self, commit: &[Event<'_>]) -> Outcome<()> {
        black_box(commit).iter().for_each(|event| self.tally.touch(event.payload));
        Ok(())
    }

    fn sync(&mut self) -> Outcome<()> {
        Ok(())
    }

    type Snapshot<'a> = &'a Workload;

    fn snapshot(&self) -> Outcome<&Workload> {
        Ok(&self.workload)
    }

    fn read(workload: &&Workload, stream: &str, tally: &mut Tally) -> Outcome<()> {
        let number = workload.number(black_box(stream));
        (0..EVENTS_A_STREAM).for_each(|revision| tally.touch(black_box(workload.payload(number, revision))));
        Ok(())
    }

    fn close(self) -> Outcome<()> {
        black_box(self.tally);
        Ok(())
    }
}
