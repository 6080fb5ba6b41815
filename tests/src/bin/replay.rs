//! `make replay SEED=n WORLD=name`: prints the trace of one world of a mixture. The trace holds no
//! values; it numbers the edits.

use std::io::Write;

use anyhow::Context;
use poolbridge_tests::simulation::{self, mixture::Mixture};

fn main() -> anyhow::Result<()> {
    let seed = std::env::args().nth(1).context("replay wants a seed: `make replay SEED=n`")?;
    let seed: u64 = seed.parse().context("a seed is a number")?;
    let name = std::env::args().nth(2).unwrap_or_else(|| Mixture::Mixed.name().to_owned());
    let known = || Mixture::ALL.map(Mixture::name).join(", ");
    let mixture = Mixture::from_name(&name)
        .with_context(|| format!("there is no such mixture of worlds; there are {}", known()))?;
    let outcome = simulation::run_traced(seed, &mixture.parameters());
    let mut out = std::io::stdout().lock();
    for line in outcome.trace.lines() {
        writeln!(out, "{line}").context("writing the trace")?;
    }
    writeln!(out, "seed {seed}: {} violations", outcome.violations.len())?;
    std::process::exit(i32::from(!outcome.violations.is_empty()));
}
