//! Runs many worlds and reports which seeds failed and what happened in all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use super::mixture::Mixture;
use super::parameters::WorldParameters;
use super::{WorldResult, run};
use crate::world::watch::Violation;

/// The number of failing seeds that are kept.
const FAILURES_MAX: usize = 200;

/// The result of many worlds.
#[derive(Clone, Debug, Default)]
pub struct WorldCounters {
    /// The number of worlds.
    pub worlds: u64,
    /// The number of worlds with an edit.
    pub edited: u64,
    /// The number of worlds with an edit in a gap ([`super::oracle::Gap`]).
    pub gapped: u64,
    /// The number of edits.
    pub edits: u64,
    /// The number of account reads.
    pub reads: u64,
    /// How often each thing happened, by name.
    pub counted: BTreeMap<&'static str, u64>,
    /// Seeds that failed, with the first violation of each.
    pub failures: Vec<(u64, Violation)>,
    /// How long it took.
    pub took: Duration,
    /// What `make replay` needs in addition to the seed.
    pub replayed_with: String,
}

impl WorldCounters {
    fn add(&mut self, seed: u64, outcome: WorldResult) {
        self.worlds += 1;
        self.edited += u64::from(outcome.edits > 0);
        self.gapped += u64::from(outcome.edits > 0 && outcome.gaps > 0);
        self.edits += outcome.edits as u64;
        self.reads += outcome.reads;
        for (what, times) in outcome.counted {
            *self.counted.entry(what).or_default() += times;
        }
        if let Some(violation) = outcome.violations.into_iter().next()
            && self.failures.len() < FAILURES_MAX
        {
            self.failures.push((seed, violation));
        }
    }

    fn join(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.edited += other.edited;
        self.gapped += other.gapped;
        self.edits += other.edits;
        self.reads += other.reads;
        for (what, times) in other.counted {
            *self.counted.entry(what).or_default() += times;
        }
        self.failures.extend(other.failures);
        self.failures.sort_by_key(|(seed, _)| *seed);
    }

    /// Of the worlds with edits, how many in ten thousand had an edit in a gap.
    pub fn gaps_in_ten_thousand(&self) -> u64 {
        self.gapped * 10_000 / self.edited.max(1)
    }
}

impl fmt::Display for WorldCounters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        writeln!(formatter, "{} worlds in {seconds:.1} s, {} edits", self.worlds, self.edits)?;
        writeln!(formatter, "{} account reads", self.reads)?;
        for (what, times) in &self.counted {
            writeln!(formatter, "{times:>9} × {what}")?;
        }
        let gaps = self.gaps_in_ten_thousand();
        writeln!(formatter, "{gaps} worlds in 10,000 with an edit replaced unseen")?;
        for (seed, violation) in &self.failures {
            writeln!(formatter, "make replay SEED={seed}{}   {violation}", self.replayed_with)?;
        }
        write!(formatter, "{} violations", self.failures.len())
    }
}

/// Runs the worlds of a mixture, on as many threads as a small machine has.
pub fn run_mixture(mixture: Mixture, seeds: Range<u64>) -> WorldCounters {
    let mut counters = run_worlds(seeds, &mixture.parameters(), 2);
    if mixture != Mixture::Mixed {
        counters.replayed_with = format!(" WORLD={}", mixture.name());
    }
    counters
}

/// Runs the worlds of those seeds on that many threads.
pub fn run_worlds(seeds: Range<u64>, parameters: &WorldParameters, threads: u64) -> WorldCounters {
    let began = Instant::now();
    let threads = threads.max(1);
    let mut all = thread::scope(|scope| {
        let part = |first: u64| {
            let seeds = seeds.clone();
            scope.spawn(move || {
                let mut counters = WorldCounters::default();
                let mut seed = seeds.start + first;
                while seed < seeds.end {
                    counters.add(seed, run(seed, parameters));
                    seed += threads;
                }
                counters
            })
        };
        let parts: Vec<_> = (0..threads).map(part).collect();
        let mut all = WorldCounters::default();
        for part in parts {
            all.join(part.join().expect("a world panicked: its seed is in the message above"));
        }
        all
    });
    all.took = began.elapsed();
    all
}
