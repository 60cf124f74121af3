//! Is the engine as fast as it has to be? Prints the rows that the benches before it have left, with their targets. Measures
//! nothing itself; cargo runs the benches in the order of their names.

mod common;

use common::table;

fn main() {
    let benches = ["append", "dispatch", "fanout", "open", "query", "read", "recover", "snapshot"];
    let left = benches.map(|bench| (bench, table::take(bench)));
    let rows: Vec<_> = left.iter().flat_map(|(_, rows)| rows.iter().cloned()).collect();
    if rows.is_empty() {
        return;
    }
    println!(
        "256-byte payload, 10,000 streams; ratios are medians of rounds in which both sides ran one after the other"
    );
    table::print(&rows);
    for (bench, rows) in &left {
        if rows.is_empty() {
            println!("{bench}: not measured in this run");
        }
    }
    let missed = rows.iter().filter(|row| row.last().is_some_and(|verdict| verdict == "NOT MET")).count();
    let judged = rows.iter().filter(|row| row.last().is_some_and(|verdict| !verdict.is_empty())).count();
    println!("{} of {judged} targets met", judged - missed);
}
