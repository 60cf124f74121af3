//! Power cuts and kills at the hooks of scripted lives, three deep, against an oracle outside of the engine. A failure
//! names its seed; `ORCHESTRIX_SEED` begins with that one. `ORCHESTRIX_CRASHES` sets the number of states.

use orchestrix::testing::crash::{Plan, Summary, run};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn plan(part: u64) -> Plan {
    Plan::new(number("ORCHESTRIX_SEED", 1), number("ORCHESTRIX_CRASHES", 5000) / part)
}

fn survive(plan: &Plan) -> Summary {
    let start = std::time::Instant::now();
    let sum = run(plan).unwrap_or_else(|failure| panic!("{failure}"));
    let rate = sum.states as f64 / start.elapsed().as_secs_f64();
    println!("{} states of {} lives, {rate:.0} a second; by depth {:?}", sum.states, sum.lives, sum.states_by_depth);
    println!("{} kills, {} refused, {} tails cut, {} commits recovered", sum.kills, sum.refused, sum.tails, sum.commits);
    sum
}

/// F1 to F20: everything promised is there, commits are whole, in order, and what was lost never comes back.
#[test]
fn what_was_promised_survives() {
    survive(&plan(1));
}
