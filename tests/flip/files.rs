//! Opens a store whose files may be damaged, to read and to write, and says what came of it.

use crate::read::content;
use crate::small::{Made, Tree};
use orchestrix::prelude::*;
use orchestrix::testing::Machine;
use orchestrix::{Corruption, Error};

/// What came of it, every way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// Everything is there and right.
    Whole,
    Refused(Corruption),
    /// The error's text.
    Unsupported(String),
}

fn tree(machine: &Machine) -> Tree {
    let paths = machine.files().into_iter().filter(|path| path != "lock");
    paths.map(|path| (path.clone(), machine.read_file(&path).expect("a file"))).collect()
}

fn opened(made: &Made, result: Result<Store, Error>) -> (Option<Store>, Outcome) {
    match result {
        Ok(store) => match content(&store) {
            Ok(found) => {
                assert!(found == made.content, "opened with other content: {}", store.recovery());
                (Some(store), Outcome::Whole)
            }
            // Opening checks the end of the log alone.
            Err(error) => (Some(store), refused(&error)),
        },
        Err(error) => (None, refused(&error)),
    }
}

fn refused(error: &Error) -> Outcome {
    match error.corruption() {
        Some(place) => {
            assert!(error.to_string().contains(place.file.to_str().expect("text")), "{error}");
            Outcome::Refused(place.clone())
        }
        None if error.is_unsupported() => Outcome::Unsupported(error.to_string()),
        None => panic!("neither corrupt nor unsupported: {error}"),
    }
}

/// Opens to read, verifies, opens to write, and again if that went well. All must agree; nothing is changed by those that
/// only look, or refuse.
pub(crate) fn look(made: &Made, files: &Tree) -> Outcome {
    let machine = made.machine(files);
    let (_, outcome) = opened(made, machine.open(Store::options().read_only()));
    verify(made, &machine, &outcome);
    let unchanged = || assert!(tree(&machine) == *files, "the directory was changed");
    unchanged();
    let (store, written) = opened(made, machine.open(Store::options()));
    assert_eq!(written, outcome, "to write as to read");
    let Some(store) = store else {
        unchanged();
        return outcome;
    };
    if outcome != Outcome::Whole {
        return outcome;
    }
    store.append("new-1", NoStream, NewEvent::raw("opened", b"")).wait().expect("an append");
    store.close().wait().expect("a close");
    let again = machine.open(Store::options().read_only()).expect("what was opened opens again");
    assert_eq!(again.view().watermark(), Position(made.content.events() + 1));
    assert!(again.recovery().is_clean(), "{}", again.recovery());
    outcome
}

/// Damage that is refused is a problem at the same place; what opens has all its events. Of what opens, only what nothing
/// depends on may be a problem: the watermark file, and bytes past the end of a sealed segment.
fn verify(made: &Made, machine: &Machine, outcome: &Outcome) {
    let report = match (machine.verify(), outcome) {
        (Ok(report), _) => report,
        (Err(error), Outcome::Unsupported(_)) if error.is_unsupported() => return,
        (Err(error), _) => panic!("{outcome:?}, and verify failed: {error}"),
    };
    match outcome {
        Outcome::Whole => {
            assert_eq!(report.events, made.content.events(), "{report:?}");
            let harmless = |problem: &Corruption| {
                let last = problem.segment == Some(made.segments() - 1);
                problem.what == "watermark file" || (problem.what == "frame" && !last)
            };
            assert!(report.problems.iter().all(harmless), "{report:?}");
        }
        Outcome::Refused(place) => {
            assert!(!report.is_clean(), "verify passes what opening refuses: {place}");
            let named = report.problems.iter().any(|problem| problem.file == place.file);
            assert!(named, "verify says {:?}, opening {place}", report.problems);
        }
        Outcome::Unsupported(said) => panic!("opening said {said}, verify {report:?}"),
    }
}
