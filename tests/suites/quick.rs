//! The suites that run without the local stack and within a minute, in one program: what
//! `make mutants` asks whether a planted mistake is noticed. Not part of `make test`, where each of
//! them runs by itself and with more worlds.

#![expect(clippy::print_stdout, reason = "a suite prints what it found")]

#[path = "invariants.rs"]
mod invariants;
#[path = "sweep/difference.rs"]
mod difference;
#[path = "sweep/large_pool.rs"]
mod large_pool;
#[path = "properties.rs"]
mod properties;
#[path = "stories.rs"]
mod stories;

use poolbridge_tests::simulation::counters;
use poolbridge_tests::simulation::mixture::Mixture;

/// How many worlds of the usual mixture run.
const MIXED: u64 = 2_000;

/// How many worlds of each other mixture run.
const OTHERS: u64 = 500;

fn worlds(mixture: Mixture, count: u64) {
    let counters = counters::run_mixture(mixture, 0..count);
    println!("{counters}");
    assert!(counters.failures.is_empty(), "the first: {:?}", counters.failures[0]);
}

#[test]
fn some_worlds_of_the_usual_mixture_keep_every_rule() {
    worlds(Mixture::Mixed, MIXED);
}

#[test]
fn some_worlds_of_every_other_mixture_keep_every_rule() {
    for mixture in Mixture::ALL.into_iter().filter(|mixture| *mixture != Mixture::Mixed) {
        worlds(mixture, OTHERS);
    }
}
