//! The protocol suite: every run of some small worlds over the real `converge`.

#![expect(clippy::print_stdout, reason = "a suite tells what it found")]

use poolbridge_core::law::{Law, Rule};
use poolbridge_tests::protocol::explore::explore;
use poolbridge_tests::protocol::small::Small;
use poolbridge_tests::protocol::worlds;

/// Explores a world under the whole law: nothing may go wrong.
fn sound(small: &Small) {
    let mut small = small.clone();
    let n = |name: &str| std::env::var(name).ok().and_then(|it| it.parse::<u32>().ok());
    if let Some(n) = n("REC") { small.receptions = n }
    if let Some(n) = n("CRASH") { small.crashes = n }
    if let Some(n) = n("JUMPS") { small.jumps = n }
    if let Some(n) = n("REPEATS") { small.repeats = n }
    if let Some(n) = n("LOSSES") { small.losses = n }
    if let Some(n) = n("STALE") { small.profile.climate.stale_max = n }
    if let Some(n) = n("FAULTS") { small.profile.climate.faults_max = n }
    if let Some(n) = n("DEEDS") { small.deeds.truncate(n as usize) }
    if let Some(n) = n("TURN") { small.profile.climate.turn_before_answer = n>0 }
    if let Some(n) = n("PROMPT") { small.prompt = n>0 }
    let explored = explore(&small, n("CAP").unwrap_or(200000) as usize);
    println!("{explored} whole {}", explored.whole);
    if let Some(found) = explored.found {
        panic!("{}: {found}", small.name);
    }
}

/// Explores a world without a rule: something must go wrong.
fn missed(rule: Rule, small: Small) {
    let small = small.under(Law::without(rule));
    let explored = explore(&small, std::env::var("CAP").ok().and_then(|it| it.parse().ok()).unwrap_or(200000));
    let found = explored.found.as_ref().unwrap_or_else(|| panic!("nobody missed {rule:?}: {explored}"));
    println!("protocol: without {rule:?}, {}: {} after {} states", small.name, found.violation, explored.states);
}

#[test]
fn agreed() {
    sound(&worlds::agreed());
}
#[test]
fn crashing_twice() {
    sound(&worlds::crashing_twice());
}
#[test]
fn looking_back() {
    sound(&worlds::looking_back());
}
#[test]
fn busy() {
    sound(&worlds::busy());
}
#[test]
fn member() {
    sound(&worlds::member());
}
#[test]
fn member_crashing() {
    sound(&worlds::member_crashing());
}
#[test]
fn disabled() {
    sound(&worlds::disabled());
}
#[test]
fn refused() {
    sound(&worlds::refused());
}
#[test]
fn refused_together() {
    sound(&worlds::refused_together());
}
#[test]
fn unlinked() {
    sound(&worlds::unlinked());
}
#[test]
fn unlinked_crashing() {
    sound(&worlds::unlinked_crashing());
}
#[test]
fn halves() {
    sound(&worlds::halves());
}
#[test]
fn halves_crashing() {
    sound(&worlds::halves_crashing());
}
#[test]
fn newborn() {
    sound(&worlds::newborn());
}
#[test]
fn newborn_crashing() {
    sound(&worlds::newborn_crashing());
}
#[test]
fn suspended() {
    sound(&worlds::suspended());
}
#[test]
fn suspended_repeated() {
    sound(&worlds::suspended_repeated());
}
#[test]
fn lost() {
    sound(&worlds::lost());
}
#[test]
fn lost_twice() {
    sound(&worlds::lost_twice());
}
#[test]
fn teeth() {
    let all: Vec<(Rule, Vec<fn() -> Small>)> = vec![
        (Rule::R1, vec![worlds::agreed]),
        (Rule::R2, vec![worlds::crashing_twice]),
        (Rule::R3, vec![worlds::refused]),
        (Rule::R4, vec![worlds::disabled]),
        (Rule::R5, vec![worlds::suspended]),
        (Rule::R6, vec![worlds::suspended_repeated]),
        (Rule::R7, vec![worlds::suspended]),
        (Rule::R8, vec![worlds::agreed]),
        
        (Rule::R10, vec![worlds::agreed]),
        (Rule::R11, vec![worlds::lost_twice]),
        
        (Rule::R13, vec![worlds::lost_twice]),
        (Rule::R14, vec![worlds::lost]),
        (Rule::R15, vec![worlds::lost]),
        (Rule::R16, vec![worlds::unlinked_crashing, worlds::unlinked]),
        (Rule::R17, vec![worlds::halves]),
        (Rule::R18, vec![worlds::halves, worlds::halves_crashing]),
        (Rule::R19, vec![worlds::newborn, worlds::newborn_crashing]),
        (Rule::R20, vec![worlds::newborn, worlds::newborn_crashing]),
    ];
    let only = std::env::var("RULE").ok();
    for (rule, worlds) in all {
        if only.as_ref().is_some_and(|it| *it != format!("{rule:?}")) { continue; }
        for world in worlds {
            let small = world().under(Law::without(rule));
            let explored = explore(&small, std::env::var("CAP").ok().and_then(|it| it.parse().ok()).unwrap_or(200000));
            match explored.found.as_ref() {
                Some(found) => println!("protocol: without {rule:?}, {}: {} after {} states {:.1}s", small.name, found.violation, explored.states, explored.took.as_secs_f64()),
                None => println!("protocol: NOBODY MISSED {rule:?}: {explored}"),
            }
        }
    }
}
