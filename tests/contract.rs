//! The contract suite, on every kind of store: on disk mapped and positioned, in memory, each through `dyn` as well; and on
//! a store of an author's own, with positions that have gaps and hardly anything claimed. Then the suite itself is put to the test:
//! each wrong store breaks one rule of a real one, and the suite must say which.

#[path = "contract/own.rs"]
mod own;
#[path = "contract/rules.rs"]
mod rules;
#[path = "tools/mod.rs"]
mod tools;
#[path = "contract/wrong.rs"]
mod wrong;

use orchestrix::testing::contract;
use orchestrix::{Durability, EventStore, Store, WriteMode};
use own::Own;
use rules::Rule;
use std::cell::RefCell;
use tools::{Dir, small};
use wrong::Wrong;

#[test]
fn the_embedded_store_meets_it_in_memory() {
    contract::run(Store::in_memory);
    contract::run(|| small().in_memory().expect("a store"));
}

#[test]
fn the_embedded_store_meets_it_through_dyn() {
    contract::run(|| Store::in_memory().erase());
    contract::run(|| Store::in_memory().erase().erase());
}

#[test]
fn the_embedded_store_meets_it_on_disk() {
    for mode in [WriteMode::Mapped, WriteMode::Positioned] {
        let dirs = RefCell::new(Vec::new());
        contract::run(|| {
            dirs.borrow_mut().push(Dir::new());
            let dir = dirs.borrow().last().expect("a directory").store();
            let options = Store::options().segment_bytes(64 << 10).write_mode(mode);
            let options =
                if dirs.borrow().len() % 2 == 0 { options } else { options.durability(Durability::Process) };
            options.open(dir).expect("a store")
        });
    }
}

#[test]
fn a_store_of_an_authors_own_meets_it() {
    contract::run(|| Store::with(Own::default()));
    contract::run(|| Store::with(Own::default()).erase());
    let store = Store::with(Own::default());
    let unclaimed = contract::cases().iter().filter(|case| !contract::is_claimed(case, &store)).count();
    assert!(unclaimed >= 10, "the suite has {unclaimed} cases that this store doesn't claim");
}

#[test]
fn a_case_that_is_not_there_or_not_claimed_is_an_error() {
    let own = Store::with(Own::default());
    assert!(
        contract::run_case("no_such_case", &own)
            .wait()
            .expect_err("no case")
            .to_string()
            .contains("no_such_case")
    );
    let unclaimed = contract::run_case("positions_are_contiguous", &own).wait().expect_err("not claimed");
    assert!(unclaimed.is_unsupported() && unclaimed.to_string().contains("contiguous_positions: true"));
    assert!(!contract::is_claimed("no_such_case", &own));
}

/// The cases that a store doesn't pass, with what they say.
fn failures<B: EventStore>(make: impl Fn() -> Store<B>) -> Vec<(&'static str, String)> {
    let mut failures = Vec::new();
    for case in contract::cases() {
        let store = make();
        if contract::is_claimed(case, &store)
            && let Err(error) = contract::run_case(case, &store).wait()
        {
            failures.push((*case, error.to_string()));
        }
    }
    failures
}

#[test]
fn the_suite_catches_each_rule_that_is_broken() {
    assert_eq!(failures(|| Wrong::store(Rule::None)), [], "a wrapper that breaks nothing");
    for (rule, case) in Rule::BROKEN {
        let failures = failures(|| Wrong::store(*rule));
        println!("{rule:?}: {} cases fail", failures.len());
        let found = failures.iter().find(|(name, _)| name == case);
        let Some((_, message)) = found else {
            panic!("{rule:?}: `{case}` passes; failing are {failures:#?}")
        };
        assert!(message.starts_with(case) && message.contains("expected"), "{message}");
    }
}

#[test]
#[should_panic(expected = "the store doesn't meet the contract: a_condition_fails_on_what_it_matches: ")]
fn a_run_panics_with_the_name_of_the_case() {
    contract::run(|| Wrong::store(Rule::ForgetCondition));
}
