//! The sweep: a million people listed, comparing while everybody lives on, and listings that lie.

#![expect(clippy::print_stdout, reason = "a suite tells what it found")]

use poolbridge_core::policy::StalePasswords;
use poolbridge_tests::simulation::profile::{Act, Profile};
use poolbridge_tests::simulation::tally;

/// How many worlds run with every `make test`.
const WORLDS: u64 = 20_000;

/// How many worlds run in which nothing but the sweep tells of anything.
const UNNOTICED: u64 = 4_000;

/// The mixture of the simulation's own suite, with the sweep at work all the while.
fn swept() -> Profile {
    Profile { sweeps: 3, ..Profile::mixed() }
}

/// The same, and nothing tells of any edit. No listing shows that a password was set.
fn unnoticed() -> Profile {
    let mut profile = Profile { unnoticed: true, ..swept() };
    profile.acts.retain(|(act, _)| *act != Act::Password);
    profile.stale_passwords = vec![StalePasswords::Keep];
    profile
}

#[test]
fn sweep_and_live_changes_at_once_keep_the_whole_law() {
    let tally = tally::tally(0..WORLDS, &swept(), 2);
    println!("{tally}");
    assert_eq!(tally.worlds, WORLDS);
    assert!(tally.failures.is_empty(), "the first: {:?}", tally.failures[0]);
    for kind in ["sweep", "pass", "crash", "stale read", "throttled"] {
        assert!(tally.counted.get(kind).is_some_and(|&times| times > 0), "no {kind} at all");
    }
}

#[test]
fn what_nothing_told_of_is_found_by_the_sweep() {
    let tally = tally::tally(0..UNNOTICED, &unnoticed(), 2);
    println!("{tally}");
    assert!(tally.failures.is_empty(), "the first: {:?}", tally.failures[0]);
}
