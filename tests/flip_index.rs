//! Damage to the index of a small store: every byte of every file of it is flipped, one at a time, the files are emptied, cut,
//! removed, and put in each other's and another store's place. Then the store is opened and read every way: always the right
//! content, since the index is made again from the log.
//!
//! The stores are copies on simulated disks. `ORCHESTRIX_FLIPS` as in `flip.rs`.

#[path = "flip/files.rs"]
mod files;
#[path = "flip/flips.rs"]
mod flips;
#[path = "flip/read.rs"]
mod read;
#[path = "flip/small.rs"]
mod small;

use files::{Outcome, look};
use small::{Made, frames, seal_block, segment_name};

fn runs(made: &Made) -> Vec<String> {
    let names = made.files.keys().filter(|name| name.starts_with("index/"));
    names.cloned().collect()
}

/// What follows shows something: the store has runs, and is read by them.
#[test]
fn the_store_has_runs() {
    let made = Made::closed();
    assert_eq!(runs(&made).len() as u64, made.segments() - 1);
    assert_eq!(look(&made, &made.files), Outcome::Whole);
    assert!(frames(&made.files[&segment_name(0)]).len() > 2);
    let killed = Made::killed();
    for name in runs(&killed) {
        let mut files = killed.files.clone();
        files.remove(&name);
        assert_eq!(look(&killed, &files), Outcome::Whole, "killed, without {name}");
    }
}

// F26, F47, D19
#[test]
fn any_flipped_byte_of_the_index_is_harmless() {
    let (flips, refused) = flips::all(&Made::closed(), |name| name.starts_with("index/"));
    assert!(flips > 4_096 && refused == 0);
}

// F26
#[test]
fn any_file_of_the_index_may_be_cut_or_missing_or_of_another_store() {
    let (made, other) = (Made::closed(), Made::of_another_store());
    let names = runs(&made);
    for name in &names {
        let whole = &made.files[name];
        for length in (0..whole.len()).step_by(509) {
            assert_eq!(
                look(&made, &made.with(name, whole[..length].to_vec())),
                Outcome::Whole,
                "{length} bytes"
            );
        }
        assert_eq!(look(&made, &made.with(name, vec![0; whole.len()])), Outcome::Whole, "zeros");
        assert_eq!(
            look(&made, &made.with(name, other.files[name].clone())),
            Outcome::Whole,
            "of another store"
        );
        let mut files = made.files.clone();
        files.remove(name);
        assert_eq!(look(&made, &files), Outcome::Whole, "without {name}");
        for another in &names {
            let swapped = made.with(name, made.files[another].clone());
            assert_eq!(look(&made, &swapped), Outcome::Whole, "{another} in the place of {name}");
        }
        // A head that holds and says something else.
        for at in 40..184 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            seal_block(&mut bytes);
            let outcome = look(&made, &made.with(name, bytes));
            assert_eq!(outcome, Outcome::Whole, "byte {at} of the head of {name}, checksum and all");
        }
    }
}
