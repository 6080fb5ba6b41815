//! `make simulate SEEDS=n`: that many worlds of the mixture, and what was done to them.

use std::io::Write;

use anyhow::Context;
use poolbridge_tests::simulation::{profile::Profile, tally};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seeds = arguments.next().unwrap_or_else(|| "20000".to_owned());
    let seeds: u64 = seeds.parse().context("the number of seeds is a number")?;
    let first = arguments.next().unwrap_or_else(|| "0".to_owned());
    let first: u64 = first.parse().context("the first seed is a number")?;
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let tally = tally::tally(first..first + seeds, &Profile::mixed(), threads);
    writeln!(std::io::stdout().lock(), "{tally}").context("writing the tally")?;
    std::process::exit(i32::from(!tally.failures.is_empty()));
}
