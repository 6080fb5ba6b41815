//! The simulation: the real protocol in worlds of faults, crashes, people and other workers.

#![expect(clippy::print_stdout, reason = "a suite prints what it found")]

use poolbridge_tests::simulation::mixture::Mixture;
use poolbridge_tests::simulation::parameters::WorldParameters;
use poolbridge_tests::simulation::{tally, tell};

/// The number of worlds in every `make test`.
const WORLDS: u64 = 20_000;

/// Of the worlds with edits, how many in ten thousand may have an edit in a gap that Cognito
/// leaves.
const GAPS_MAX: u64 = 100;

#[test]
fn every_rule_holds_in_every_world() {
    let tally = tally::tally(0..WORLDS, &WorldParameters::mixed(), 2);
    println!("{tally}");
    assert_eq!(tally.worlds, WORLDS);
    assert!(
        tally.failures.is_empty(),
        "replay one with `make replay SEED={}`",
        tally.failures[0].0
    );
    assert!(tally.gaps_in_ten_thousand() < GAPS_MAX, "too many edits fell into the gaps");
}

#[test]
fn every_rule_holds_where_people_delete_their_accounts() {
    for mixture in [Mixture::Departing, Mixture::Returning] {
        let tally = tally::of(mixture, 0..WORLDS);
        println!("{}: {tally}", mixture.name());
        let failed = tally.failures.first();
        assert!(failed.is_none(), "{}, seed {failed:?}", mixture.name());
        for kind in ["account deleted", "address used again"] {
            assert!(tally.counted.get(kind).is_some_and(|&times| times > 0), "no {kind} at all");
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
        let tally = tally::of(mixture, 0..WORLDS);
        println!("{}: {tally}", mixture.name());
        let failed = tally.failures.first();
        assert!(failed.is_none(), "{}, seed {failed:?}", mixture.name());
        // Reads of two moments and undone writes leave a gap only for memberships.
        let chained = tally.counted.get("edit beside an open write").copied().unwrap_or(0);
        let torn = tally.counted.get("edit judged by looks of two moments").copied().unwrap_or(0);
        assert!(chained * 500 < tally.worlds && torn == 0, "{chained} and {torn} of {WORLDS}");
    }
}

#[test]
fn every_kind_of_fault_happened() {
    let tally = tally::tally(0..2_000, &WorldParameters::mixed(), 2);
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
        "sleep",
        "stale read",
        "text blanked",
        "text that others have too",
        "throttled",
    ];
    for kind in kinds {
        assert!(tally.counted.get(kind).is_some_and(|&times| times > 0), "no {kind} at all");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..50 {
        let (one, other) =
            (tell(seed, &WorldParameters::mixed()), tell(seed, &WorldParameters::mixed()));
        assert!(!one.trace.lines().is_empty());
        assert_eq!(one.trace.fingerprint(), other.trace.fingerprint(), "seed {seed}");
    }
}
