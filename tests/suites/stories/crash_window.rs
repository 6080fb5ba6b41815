//! A write whose answer is lost, two looks of two moments: what the person did in between is never
//! overwritten without a record.

use std::time::Duration;

use poolbridge_core::change::Proof;
use poolbridge_core::entry::{DecisionKind, State as PersonState};
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::policy::{ConflictRule, Provision};
use poolbridge_core::side::Side;
use poolbridge_core::verdict::Reason;
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::accounts::attribute;
use poolbridge_tests::world::weather::Fate;

use super::trouble;

/// A linked pair whose name in the old pool was set to `text` and carried over, and nobody knows
/// whether the write landed. `fate` says whether it did.
fn unanswered(stage: &mut Stage, before: &str, text: &str, fate: Fate) -> (Sub, Sub) {
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, "name", before);
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some(before));
    stage.wait(Duration::from_hours(1));
    stage.set(Side::Old, &old, "name", text);
    stage.capture(Side::Old, &old);
    trouble(&stage.world, "AdminUpdateUserAttributes", fate, 1);
    stage.wait(limits::SETTLE);
    let change = stage.change(Side::Old, &old, Proof::Changed);
    stage.look(&change);
    assert!(stage.entry(Side::Old, &old).intent.is_some(), "nobody knows whether it landed");
    (old, new)
}

fn decided(stage: &Stage, sub: &Sub, kind: DecisionKind) -> bool {
    let decisions = stage.entry(Side::Old, sub).decisions;
    decisions.iter().any(|it| it.kind == kind && it.fields == ["name"])
}

#[test]
fn rule_04_a_text_that_the_person_restored_after_a_lost_answer_is_a_recorded_conflict() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = unanswered(&mut stage, "former", "text", Fate::AnswerLost);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("text"), "it landed");
    stage.set(Side::New, &new, "name", "former");
    stage.captured(Side::New, &new);
    assert!(decided(&stage, &old, DecisionKind::CameBack), "it was overwritten in silence");
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("text"), "the rule decides");
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn rule_04_a_restored_text_waits_for_a_person_where_conflicts_are_held() {
    let mut stage = Stage::new(Provision::Lazy);
    stage.policy.conflicts = ConflictRule::Hold;
    let (old, new) = unanswered(&mut stage, "former", "text", Fate::AnswerLost);
    stage.set(Side::New, &new, "name", "former");
    stage.captured(Side::New, &new);
    let entry = stage.entry(Side::Old, &old);
    assert_eq!((entry.state, entry.reason), (PersonState::Conflict, Some(Reason::Conflict)));
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("former"));
    assert_eq!(stage.says(Side::Old, &old, "name").as_deref(), Some("text"));
}

#[test]
fn rule_04_a_value_that_the_person_removed_after_a_lost_answer_is_a_recorded_conflict() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.wait(Duration::from_hours(1));
    stage.set(Side::Old, &old, "name", "text");
    stage.capture(Side::Old, &old);
    trouble(&stage.world, "AdminUpdateUserAttributes", Fate::AnswerLost, 1);
    stage.wait(limits::SETTLE);
    let change = stage.change(Side::Old, &old, Proof::Changed);
    stage.look(&change);
    stage.edit(Side::New, &new, |body| {
        body.attributes.remove(&attribute("name"));
    });
    stage.captured(Side::New, &new);
    assert!(decided(&stage, &old, DecisionKind::CameBack), "the removal was undone in silence");
}

#[test]
fn rule_04_a_write_that_never_landed_on_an_untouched_account_is_no_conflict() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = unanswered(&mut stage, "former", "text", Fate::RequestLost);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("former"), "it did not land");
    stage.settle();
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("text"));
    assert!(!decided(&stage, &old, DecisionKind::CameBack), "a false conflict");
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn a_text_set_to_one_value_on_both_sides_within_moments_is_agreed_once_both_are_quiet() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.wait(Duration::from_hours(1));
    for (side, sub) in [(Side::Old, &old), (Side::New, &new)] {
        stage.set(side, sub, "name", "same");
        stage.capture(side, sub);
    }
    let change = stage.change(Side::Old, &old, Proof::Changed);
    let base = stage.entry(Side::Old, &old).agreed;
    stage.look(&change);
    assert_eq!(stage.entry(Side::Old, &old).agreed, base, "a later change may be hidden");
    stage.settle();
    assert_ne!(stage.entry(Side::Old, &old).agreed, base);
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
    // What one side says then travels without a conflict.
    stage.set(Side::New, &new, "name", "other");
    stage.captured(Side::New, &new);
    assert_eq!(stage.says(Side::Old, &old, "name").as_deref(), Some("other"));
    assert!(!decided(&stage, &old, DecisionKind::Conflict));
}
