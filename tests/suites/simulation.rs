//! The simulation: the real protocol in worlds of faults, crashes, people and other workers.

#![expect(clippy::print_stdout, reason = "a suite prints what it found")]

use poolbridge_tests::simulation::mixture::Mixture;
use poolbridge_tests::simulation::parameters::WorldParameters;
use poolbridge_tests::simulation::{counters, run_traced};

/// The number of worlds in every `make test`.
const WORLDS: u64 = 20_000;

/// Of the worlds with edits, how many in ten thousand may have an edit in a gap that Cognito
/// leaves.
const GAPS_MAX: u64 = 100;

#[test]
fn every_rule_holds_in_every_world() {
    let counters = counters::run_worlds(0..WORLDS, &WorldParameters::mixed(), 2);
    println!("{counters}");
    assert_eq!(counters.worlds, WORLDS);
    assert!(
        counters.failures.is_empty(),
        "replay one with `make replay SEED={}`",
        counters.failures[0].0
    );
    assert!(counters.gaps_in_ten_thousand() < GAPS_MAX, "too many edits fell into the gaps");
}

#[test]
fn every_rule_holds_where_people_delete_their_accounts() {
    for mixture in [Mixture::Deleting, Mixture::Returning] {
        let counters = counters::run_mixture(mixture, 0..WORLDS);
        println!("{}: {counters}", mixture.name());
        let failed = counters.failures.first();
        assert!(failed.is_none(), "{}, seed {failed:?}", mixture.name());
        for kind in ["account deleted", "address used again"] {
            assert!(counters.counted.get(kind).is_some_and(|&times| times > 0), "no {kind} at all");
        }
    }
}

#[test]
fn every_rule_holds_where_texts_are_blanked_and_repeat() {
    let mixtures = [
        Mixture::Repeating,
        Mixture::RepeatingStale,
        Mixture::RepeatingCrashing,
        Mixture::RepeatingSuspended,
    ];
    for mixture in mixtures {
        let counters = counters::run_mixture(mixture, 0..WORLDS);
        println!("{}: {counters}", mixture.name());
        let failed = counters.failures.first();
        assert!(failed.is_none(), "{}, seed {failed:?}", mixture.name());
        // Reads of two moments and undone writes leave a gap only for memberships.
        let chained = counters.counted.get("edit during an open write").copied().unwrap_or(0);
        let torn =
            counters.counted.get("edit hidden by reads of two moments").copied().unwrap_or(0);
        assert!(chained * 500 < counters.worlds && torn == 0, "{chained} and {torn} of {WORLDS}");
    }
}

#[test]
fn every_kind_of_fault_happens() {
    let counters = counters::run_worlds(0..2_000, &WorldParameters::mixed(), 2);
    let kinds = [
        "address with a capital",
        "answer lost",
        "claimed address",
        "clock that is wrong",
        "crash",
        "federated account",
        "former text restored",
        "landed late",
        "lost message",
        "not sent",
        "outage",
        "password closed",
        "phone number edited",
        "pool of aliases",
        "repeated message",
        "request lost",
        "said drained",
        "second factor switched",
        "suspension",
        "stale read",
        "text blanked",
        "text that others have too",
        "throttled",
    ];
    for kind in kinds {
        assert!(counters.counted.get(kind).is_some_and(|&times| times > 0), "no {kind} at all");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..50 {
        let (one, other) = (
            run_traced(seed, &WorldParameters::mixed()),
            run_traced(seed, &WorldParameters::mixed()),
        );
        assert!(!one.trace.lines().is_empty());
        assert_eq!(one.trace.fingerprint(), other.trace.fingerprint(), "seed {seed}");
    }
}
