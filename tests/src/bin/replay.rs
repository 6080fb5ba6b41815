//! `make replay SEED=n`: one world of the mixture, told line by line. No values: edits by number.

use std::io::Write;

use anyhow::Context;
use poolbridge_tests::simulation::{self, profile::Profile};

fn main() -> anyhow::Result<()> {
    let seed = std::env::args().nth(1).context("replay wants a seed: `make replay SEED=n`")?;
    let seed: u64 = seed.parse().context("a seed is a number")?;
    let outcome = simulation::tell(seed, &Profile::mixed());
    let mut out = std::io::stdout().lock();
    for line in outcome.trace.lines() {
        writeln!(out, "{line}").context("writing the trace")?;
    }
    writeln!(out, "seed {seed}: {} violations", outcome.violations.len())?;
    std::process::exit(i32::from(!outcome.violations.is_empty()));
}
