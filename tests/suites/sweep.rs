//! The sweep: a million people listed, a comparison during live changes, and wrong listings.

#![expect(clippy::print_stdout, reason = "a suite tells what it found")]

#[path = "sweep/multitude.rs"]
mod multitude;

use poolbridge_tests::simulation::mixture::Mixture;
use poolbridge_tests::simulation::tally::{self, Tally};

/// The number of worlds in every `make test`.
const WORLDS: u64 = 20_000;

/// The number of worlds in which only the sweep detects changes, or listings are wrong.
const UNNOTICED: u64 = 4_000;

/// Runs the worlds of a mixture, prints what happened in them, and requires that none fails.
fn worlds(mixture: Mixture, count: u64) -> Tally {
    let tally = tally::of(mixture, 0..count);
    println!("{tally}");
    assert_eq!(tally.worlds, count);
    assert!(tally.failures.is_empty(), "the first: {:?}", tally.failures[0]);
    tally
}

#[test]
fn sweep_and_live_changes_at_once_keep_the_whole_law() {
    let tally = worlds(Mixture::Swept, WORLDS);
    for kind in ["sweep", "pass", "crash", "stale read", "throttled"] {
        assert!(tally.counted.get(kind).is_some_and(|&times| times > 0), "no {kind} at all");
    }
}

#[test]
fn what_nothing_told_of_is_found_by_the_sweep() {
    worlds(Mixture::Unnoticed, UNNOTICED);
}

#[test]
fn invariant_07_a_listing_that_lies_deletes_disables_and_reverts_nobody() {
    let tally = worlds(Mixture::Lying, UNNOTICED);
    assert!(tally.counted.get("lie").is_some_and(|&lies| lies > UNNOTICED / 4));
}

#[test]
fn people_who_leave_while_the_sweep_is_at_work_are_followed_and_nobody_else_is() {
    let tally = worlds(Mixture::DepartingSwept, UNNOTICED);
    assert!(tally.counted.get("account deleted").is_some_and(|&times| times > UNNOTICED / 4));
}

#[test]
fn invariant_07_a_listing_that_lies_removes_nobody_where_only_the_sweep_tells_who_left() {
    let tally = worlds(Mixture::DepartingLying, UNNOTICED);
    for kind in ["lie", "account deleted"] {
        assert!(tally.counted.get(kind).is_some_and(|&times| times > UNNOTICED / 4), "{kind}");
    }
}
