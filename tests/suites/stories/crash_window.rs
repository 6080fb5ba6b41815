//! A write whose answer is lost, or two observations of two moments: the person's edit in between
//! is never overwritten without a record. When a worker dies, the next one finishes its work.

use std::time::Duration;

use poolbridge_core::capture::capture;
use poolbridge_core::change::{Change, Proof};
use poolbridge_core::entry::{DecisionKind, State as PersonState};
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::policy::{ConflictRule, Provision};
use poolbridge_core::ports::Ports as _;
use poolbridge_core::side::Side;
use poolbridge_core::verdict::Reason;
use poolbridge_tests::simulation::stage::{Stage, finish};
use poolbridge_tests::world::TaskId;
use poolbridge_tests::world::accounts::{Password, attribute};
use poolbridge_tests::world::weather::Fate;

use super::{calls, trouble};

/// A linked pair: the name in the old pool was set to `text` and written to the new one, and apply
/// does not know whether the write landed. `fate` decides whether it did.
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
    assert!(stage.entry(Side::Old, &old).intent.is_some(), "apply cannot know whether it landed");
    (old, new)
}

fn decided(stage: &Stage, sub: &Sub, kind: DecisionKind) -> bool {
    let decisions = stage.entry(Side::Old, sub).decisions;
    decisions.iter().any(|it| it.kind == kind && it.fields == ["name"])
}

#[test]
fn ambiguous_revert_is_conflict_a_text_restored_after_a_lost_answer_is_recorded() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = unanswered(&mut stage, "former", "text", Fate::AnswerLost);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("text"), "it landed");
    stage.set(Side::New, &new, "name", "former");
    stage.captured(Side::New, &new);
    assert!(decided(&stage, &old, DecisionKind::CameBack), "it was overwritten without a record");
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("text"), "the rule decides");
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn ambiguous_revert_is_conflict_a_restored_text_waits_where_conflicts_are_held() {
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
fn ambiguous_revert_is_conflict_a_value_removed_after_a_lost_answer_is_recorded() {
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
    assert!(
        decided(&stage, &old, DecisionKind::CameBack),
        "the removal was undone without a record"
    );
}

#[test]
fn ambiguous_revert_is_conflict_a_write_that_never_landed_on_an_unmodified_account_is_none() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = unanswered(&mut stage, "former", "text", Fate::RequestLost);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("former"), "it did not land");
    stage.settle();
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("text"));
    assert!(!decided(&stage, &old, DecisionKind::CameBack), "a false conflict");
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn a_text_set_equally_on_both_sides_at_once_is_agreed_after_both_settle() {
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
    // A later edit on one side travels without a conflict.
    stage.set(Side::New, &new, "name", "other");
    stage.captured(Side::New, &new);
    assert_eq!(stage.says(Side::Old, &old, "name").as_deref(), Some("other"));
    assert!(!decided(&stage, &old, DecisionKind::Conflict));
}

/// A person sets a password in the old pool, and capture reports it.
fn chosen_password(stage: &mut Stage, old: &Sub) -> Change {
    stage.wait(Duration::from_hours(1));
    stage.edit(Side::Old, old, |_| {});
    let chosen = Change { password: true, ..stage.change(Side::Old, old, Proof::Changed) };
    let ports = stage.world.ports(TaskId(50_000));
    assert!(finish(capture(ports.ledger(), ports.outbox(), &chosen)).survives());
    stage.wait(limits::SETTLE);
    chosen
}

#[test]
fn sessions_of_a_replaced_password_end_even_if_it_can_no_longer_be_closed() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    let chosen = chosen_password(&mut stage, &old);
    trouble(&stage.world, "AdminSetUserPassword", Fate::AnswerLost, 1);
    stage.look(&chosen);
    assert_eq!(stage.body(Side::New, &new).password, Password::Unknown, "it was replaced");
    // No verified address is left, so poolbridge must not set another random password.
    for (side, sub) in [(Side::Old, &old), (Side::New, &new)] {
        stage.set(side, sub, "email_verified", "false");
        stage.capture(side, sub);
    }
    stage.settle();
    assert_eq!(calls(&stage.world, "AdminSetUserPassword() done"), 1);
    assert_eq!(calls(&stage.world, "AdminUserGlobalSignOut() done"), 1, "its sessions did not end");
    assert!(!stage.entry(Side::Old, &old).passwords.owes_sign_out.new);
}

#[test]
fn an_outdated_password_is_closed_wherever_the_first_worker_dies() {
    let mut deaths = 0;
    for turns in 1..100 {
        let mut stage = Stage::new(Provision::Lazy);
        let (old, new) = stage.pair();
        let chosen = chosen_password(&mut stage, &old);
        if !stage.look_and_die(&chosen, turns) {
            break;
        }
        deaths += 1;
        stage.settle();
        assert_eq!(
            stage.body(Side::New, &new).password,
            Password::Unknown,
            "dead after {turns} turns: the outdated password still opens the account"
        );
        assert!(!stage.entry(Side::Old, &old).passwords.owes_sign_out.new, "after {turns} turns");
        assert!(calls(&stage.world, "AdminUserGlobalSignOut") > 0, "after {turns} turns");
    }
    assert!(deaths > 15, "only {deaths} deaths");
}
