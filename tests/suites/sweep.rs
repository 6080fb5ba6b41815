//! The sweep: a million people listed, a comparison during live changes, and wrong listings.

#![expect(clippy::print_stdout, reason = "a suite prints what it found")]

#[path = "sweep/large_pool.rs"]
mod large_pool;

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
fn sweep_during_live_changes_keeps_every_rule() {
    let tally = worlds(Mixture::Swept, WORLDS);
    for kind in ["sweep", "pass", "crash", "stale read", "throttled"] {
        assert!(tally.counted.get(kind).is_some_and(|&times| times > 0), "no {kind} at all");
    }
}

#[test]
fn changes_without_an_event_are_found_by_the_sweep() {
    worlds(Mixture::Unnoticed, UNNOTICED);
}

#[test]
fn invariant_07_a_wrong_listing_deletes_disables_and_reverts_no_account() {
    let tally = worlds(Mixture::Lying, UNNOTICED);
    assert!(tally.counted.get("lie").is_some_and(|&lies| lies > UNNOTICED / 4));
}

#[test]
fn only_deletions_travel_as_deletions_while_the_sweep_runs() {
    let tally = worlds(Mixture::DepartingSwept, UNNOTICED);
    assert!(tally.counted.get("account deleted").is_some_and(|&times| times > UNNOTICED / 4));
}

#[test]
fn invariant_07_a_wrong_listing_removes_no_account_where_only_the_sweep_detects_deletions() {
    let tally = worlds(Mixture::DepartingLying, UNNOTICED);
    for kind in ["lie", "account deleted"] {
        assert!(tally.counted.get(kind).is_some_and(|&times| times > UNNOTICED / 4), "{kind}");
    }
}
