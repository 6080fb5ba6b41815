//! The sweep: a million people listed, a comparison during live changes, and wrong listings.

#![expect(clippy::print_stdout, reason = "a suite prints what it found")]

#[path = "sweep/difference.rs"]
mod difference;
#[path = "sweep/large_pool.rs"]
mod large_pool;

use poolbridge_tests::simulation::counters::{self, WorldCounters};
use poolbridge_tests::simulation::mixture::Mixture;

/// The number of worlds in every `make test`.
const WORLDS: u64 = 20_000;

/// The number of worlds in which only the sweep detects changes, or listings are wrong.
const NO_EVENTS: u64 = 4_000;

/// Runs the worlds of a mixture, prints what happened in them, and requires that none fails.
fn worlds(mixture: Mixture, count: u64) -> WorldCounters {
    let counters = counters::run_mixture(mixture, 0..count);
    println!("{counters}");
    assert_eq!(counters.worlds, count);
    assert!(counters.failures.is_empty(), "the first: {:?}", counters.failures[0]);
    counters
}

#[test]
fn sweep_during_live_changes_keeps_every_rule() {
    let counters = worlds(Mixture::Swept, WORLDS);
    for kind in ["sweep", "pass", "crash", "stale read", "throttled"] {
        assert!(counters.counted.get(kind).is_some_and(|&times| times > 0), "no {kind} at all");
    }
}

#[test]
fn changes_without_an_event_are_found_by_the_sweep() {
    worlds(Mixture::NoEvents, NO_EVENTS);
}

#[test]
fn invariant_07_a_wrong_listing_deletes_disables_and_reverts_no_account() {
    let counters = worlds(Mixture::WrongListings, NO_EVENTS);
    assert!(counters.counted.get("wrong page").is_some_and(|&times| times > NO_EVENTS / 4));
}

#[test]
fn only_deletions_travel_as_deletions_while_the_sweep_runs() {
    let counters = worlds(Mixture::DeletingSwept, NO_EVENTS);
    assert!(counters.counted.get("account deleted").is_some_and(|&times| times > NO_EVENTS / 4));
}

#[test]
fn invariant_07_a_wrong_listing_removes_no_account_where_only_the_sweep_detects_deletions() {
    let counters = worlds(Mixture::DeletingWrongListings, NO_EVENTS);
    for kind in ["wrong page", "account deleted"] {
        assert!(counters.counted.get(kind).is_some_and(|&times| times > NO_EVENTS / 4), "{kind}");
    }
}
