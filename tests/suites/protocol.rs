//! The protocol suite: every run of some small worlds over the real `converge`, and proof that the
//! search would see a rule's absence. What the bounds are, and what they leave out, stands in
//! `poolbridge_tests::protocol`.

#![expect(clippy::print_stdout, reason = "a suite tells what it found")]

use poolbridge_core::law::{Law, Rule};
use poolbridge_tests::protocol::explore::{explore, replay, states};
use poolbridge_tests::protocol::small::Small;
use poolbridge_tests::protocol::worlds;

/// Explores a world under the whole law: nothing may go wrong, and nothing may be left out.
fn sound(small: &Small) {
    let explored = explore(small);
    println!("{explored}");
    if let Some(found) = explored.found {
        panic!("{small}: {found}");
    }
    assert!(explored.whole, "{small}: too large for a suite");
}

/// Explores a world without a rule: something must go wrong, and again when it is replayed.
fn missed(rule: Rule, small: Small) {
    let small = small.under(Law::without(rule));
    let explored = explore(&small);
    let Some(found) = explored.found else { panic!("nobody missed {rule:?}: {explored}") };
    let (violation, states) = (&found.violation, explored.states);
    println!("protocol: without {rule:?}, after {states} states of {}: {violation}", small.name);
    assert_eq!(replay(&small, &found.path), found.trace);
    let told = format!("VIOLATION {violation}");
    assert_eq!(found.trace.last(), Some(&told), "a replay breaks another promise");
}

#[test]
fn agreed_pair() {
    sound(&worlds::agreed());
}

#[test]
fn agreed_pair_crash_upon_crash() {
    sound(&worlds::crashing_twice());
}

#[test]
fn agreed_pair_stale_reads() {
    sound(&worlds::looking_back());
}

#[test]
fn agreed_pair_three_edits() {
    sound(&worlds::busy());
}

#[test]
fn group_and_its_undo() {
    sound(&worlds::member());
}

#[test]
fn group_and_a_crash() {
    sound(&worlds::member_crashing());
}

#[test]
fn disabled_and_enabled_again() {
    sound(&worlds::disabled());
}

#[test]
fn two_texts_and_a_failing_write() {
    sound(&worlds::refused());
    sound(&worlds::refused_together());
}

#[test]
fn unlinked_pair_met_from_both_sides() {
    sound(&worlds::unlinked());
    sound(&worlds::unlinked_crashing());
}

#[test]
fn two_halves_met_from_both_sides() {
    sound(&worlds::halves());
    sound(&worlds::halves_crashing());
}

#[test]
fn eager_creation_with_its_answer_lost() {
    sound(&worlds::newborn());
}

#[test]
fn eager_creation_with_a_crash() {
    sound(&worlds::newborn_crashing());
    sound(&worlds::newborn_edited());
}

#[test]
fn suspended_workers() {
    sound(&worlds::suspended());
    sound(&worlds::suspended_repeated());
}

#[test]
fn lost_messages_and_marks() {
    sound(&worlds::lost());
    sound(&worlds::lost_twice());
}

#[test]
fn a_rule_taken_away_is_missed() {
    missed(Rule::R1, worlds::agreed());
    missed(Rule::R2, worlds::crashing_twice());
    missed(Rule::R3, worlds::refused());
    missed(Rule::R4, worlds::disabled());
    missed(Rule::R5, worlds::suspended());
    missed(Rule::R6, worlds::suspended_repeated());
    missed(Rule::R7, worlds::suspended());
    missed(Rule::R8, worlds::agreed());
    missed(Rule::R10, worlds::agreed());
    missed(Rule::R11, worlds::lost_twice());
    missed(Rule::R13, worlds::lost_twice());
    missed(Rule::R14, worlds::lost());
    missed(Rule::R15, worlds::lost());
    missed(Rule::R16, worlds::unlinked());
    missed(Rule::R17, worlds::halves());
    missed(Rule::R18, worlds::halves_crashing());
    missed(Rule::R19, worlds::newborn());
    missed(Rule::R20, worlds::newborn_crashing());
}

/// A world small enough to be run in every order that there is: the states that pruning reaches are
/// all the states.
#[test]
fn pruning_leaves_no_state_out() {
    let small = Small { receptions: 1, ..worlds::agreed() };
    let (pruned, few) = states(&small, true);
    let (all, many) = states(&small, false);
    println!("protocol: {} states, in {few} runs with pruning and {many} without", all.len());
    assert!(few < many, "nothing was pruned");
    assert_eq!(pruned, all);
}
