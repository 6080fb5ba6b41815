//! `make simulate SEEDS=n WORLD=name`: runs that many worlds of a mixture and prints what happened
//! in them. `WITHOUT=AmbiguousRevertIsConflict` removes that rule of the protocol and names the
//! worlds that show a violation.

use std::io::Write;

use anyhow::Context;
use poolbridge_core::rules::{ProtocolRules, Rule};
use poolbridge_tests::simulation::{counters, mixture::Mixture, parameters::WorldParameters};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seeds = arguments.next().unwrap_or_else(|| "20000".to_owned());
    let seeds: u64 = seeds.parse().context("the number of seeds is a number")?;
    let name = arguments.next().unwrap_or_else(|| Mixture::Mixed.name().to_owned());
    let known = || Mixture::ALL.map(Mixture::name).join(", ");
    let mixture = Mixture::from_name(&name)
        .with_context(|| format!("there is no such mixture of worlds; there are {}", known()))?;
    let first = arguments.next().unwrap_or_else(|| "0".to_owned());
    let first: u64 = first.parse().context("the first seed is a number")?;
    let seeds = first..first + seeds;
    let counters = match arguments.next().filter(|name| !name.is_empty()) {
        None => counters::run_mixture(mixture, seeds),
        Some(name) => {
            let rule = Rule::ALL.iter().find(|rule| format!("{rule:?}") == name);
            let &rule = rule.with_context(|| format!("the law has no rule {name}"))?;
            let parameters =
                WorldParameters { rules: ProtocolRules::without(rule), ..mixture.parameters() };
            counters::run_worlds(seeds, &parameters, 2)
        }
    };
    writeln!(std::io::stdout().lock(), "{counters}").context("writing the counters")?;
    std::process::exit(i32::from(!counters.failures.is_empty()));
}
