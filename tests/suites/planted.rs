//! Planted bugs: each rule of the protocol is removed in turn, and at least two different worlds
//! must show the violation that it prevents. The same worlds are sound with all rules, so the rule
//! makes the difference and not the world. [`rules::worlds`] is the list.
//!
//! A failure here means that the simulation no longer notices the missing rule, or that the code no
//! longer keeps the rule.

#![expect(clippy::print_stdout, reason = "a suite prints what it found")]

#[path = "planted/deletions.rs"]
mod deletions;
#[path = "planted/rules.rs"]
mod rules;
#[path = "planted/worlds.rs"]
mod worlds;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use poolbridge_core::rules::{ProtocolRules, Rule};
use poolbridge_tests::protocol::explore::{explore, replay};
use poolbridge_tests::protocol::small::SmallWorld;
use poolbridge_tests::simulation::parameters::WorldParameters;
use poolbridge_tests::simulation::run;
use poolbridge_tests::world::watch::Violation;

use rules::worlds;
use worlds::{PlantedWorld, RunMethod};

/// A simulated world must show within this many seeds that a rule is missing.
const SEEDS_MAX: u64 = 30_000;

/// The minimum number of worlds per rule.
const WORLDS_MIN: usize = 2;

#[test]
fn every_rule_has_two_different_worlds() {
    for &rule in Rule::ALL {
        let worlds = worlds(rule);
        let names: BTreeSet<&str> = worlds.iter().map(|world| world.name).collect();
        let kinds: BTreeSet<String> =
            worlds.iter().map(|world| format!("{:?}", world.kind)).collect();
        let different = names.len().min(kinds.len());
        assert_eq!(different, worlds.len(), "{rule:?}: two of {names:?} are the same world");
        assert!(different >= WORLDS_MIN, "{rule:?} has only these worlds: {names:?}");
    }
}

#[test]
fn every_removed_rule_is_noticed_in_each_of_its_worlds() {
    let listed = |&rule: &Rule| worlds(rule).into_iter().map(move |world| (rule, world));
    let all: Vec<(Rule, PlantedWorld)> = Rule::ALL.iter().flat_map(listed).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut missed = Vec::new();
        while let Some((rule, world)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = catch_unwind(AssertUnwindSafe(|| caught(*rule, world)));
            let found = found.unwrap_or_else(|_| Err("the world panicked".to_owned()));
            let describe = |text: &str| format!("without {rule:?}, {}: {text}", world.name);
            match found {
                Ok(text) => println!("{}", describe(&text)),
                Err(text) => missed.push(describe(&text)),
            }
        }
        missed
    };
    let missed: Vec<String> = thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(2, Into::into);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|it| it.join().expect("panics are caught")).collect()
    });
    assert!(missed.is_empty(), "\n{}", missed.join("\n"));
}

/// Searches for the violation that the world shows without the rule, and returns it as text. The
/// error says why the world proves nothing about the rule.
fn caught(rule: Rule, world: &PlantedWorld) -> Result<String, String> {
    match &world.kind {
        RunMethod::Simulated { parameters, promises } => {
            caught_by_simulation(rule, parameters, promises)
        }
        RunMethod::SmallWorld(small) => caught_by_exploring(rule, small),
    }
}

fn caught_by_simulation(
    rule: Rule,
    parameters: &WorldParameters,
    promises: &[&str],
) -> Result<String, String> {
    let without = WorldParameters { rules: ProtocolRules::without(rule), ..parameters.clone() };
    let prevented = |violation: &Violation| promises.contains(&violation.promise);
    let found = (0..SEEDS_MAX).find_map(|seed| {
        let violation = run(seed, &without).violations.into_iter().find(prevented);
        violation.map(|violation| (seed, violation))
    });
    let Some((seed, violation)) = found else {
        return Err(format!("none of {promises:?} is broken in {SEEDS_MAX} seeds"));
    };
    let broken = |seed| run(seed, parameters).violations.into_iter().next().map(|it| (seed, it));
    match (0..=seed).find_map(broken) {
        Some((seed, violation)) => {
            Err(format!("it is also broken with all rules, seed {seed}: {violation}"))
        }
        None => Ok(format!("seed {seed}: {violation}")),
    }
}

/// The protocol suite shows that the small worlds are sound with all rules.
fn caught_by_exploring(rule: Rule, small: &SmallWorld) -> Result<String, String> {
    let small = small.clone().under(ProtocolRules::without(rule));
    let explored = explore(&small);
    let Some(found) = &explored.found else {
        return Err(format!("no check fails: {explored}"));
    };
    let violation = &found.violation;
    let same = replay(&small, &found.path, true) == found.trace
        && found.trace.last() == Some(&format!("VIOLATION {violation}"));
    if !same {
        return Err(format!("a replay breaks another promise than {violation}"));
    }
    Ok(format!("after {} states: {violation}", explored.states))
}
