//! A write whose answer is lost, or two observations of two moments: the person's edit in between
//! is never overwritten without a record. When a worker crashes, the next one finishes its work.

use std::time::Duration;

use poolbridge_core::capture::capture;
use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::Reason;
use poolbridge_core::policy::{ConflictRule, Provision};
use poolbridge_core::ports::Ports as _;
use poolbridge_core::record::{DecisionKind, PersonState};
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::{Setup, finish};
use poolbridge_tests::world::TaskId;
use poolbridge_tests::world::accounts::{Password, attribute};
use poolbridge_tests::world::fault_injection::CallFate;

use super::{calls, inject_faults};

/// A linked pair: the name in the old pool was set to `text` and written to the new one, and apply
/// does not know whether the write landed. `fate` decides whether it did.
fn unanswered(setup: &mut Setup, before: &str, text: &str, fate: CallFate) -> (Sub, Sub) {
    let (old, new) = setup.pair();
    setup.set(Side::Old, &old, "name", before);
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some(before));
    setup.wait(Duration::from_hours(1));
    setup.set(Side::Old, &old, "name", text);
    setup.capture(Side::Old, &old);
    inject_faults(&setup.world, "AdminUpdateUserAttributes", fate, 1);
    setup.wait(limits::SETTLE);
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    setup.process(&change);
    assert!(setup.record(Side::Old, &old).intent.is_some(), "apply cannot know whether it landed");
    (old, new)
}

fn decided(setup: &Setup, sub: &Sub, kind: DecisionKind) -> bool {
    let decisions = setup.record(Side::Old, sub).decisions;
    decisions.iter().any(|it| it.kind == kind && it.fields == ["name"])
}

#[test]
fn ambiguous_revert_is_conflict_a_text_restored_after_a_lost_answer_is_recorded() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = unanswered(&mut setup, "former", "text", CallFate::AnswerLost);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("text"), "it landed");
    setup.set(Side::New, &new, "name", "former");
    setup.captured(Side::New, &new);
    assert!(decided(&setup, &old, DecisionKind::CameBack), "it was overwritten without a record");
    assert_eq!(
        setup.attribute(Side::New, &new, "name").as_deref(),
        Some("text"),
        "the rule decides"
    );
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn ambiguous_revert_is_conflict_a_restored_text_waits_where_conflicts_are_held() {
    let mut setup = Setup::new(Provision::Lazy);
    setup.policy.conflicts = ConflictRule::Hold;
    let (old, new) = unanswered(&mut setup, "former", "text", CallFate::AnswerLost);
    setup.set(Side::New, &new, "name", "former");
    setup.captured(Side::New, &new);
    let record = setup.record(Side::Old, &old);
    assert_eq!((record.state, record.reason), (PersonState::Conflict, Some(Reason::Conflict)));
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("former"));
    assert_eq!(setup.attribute(Side::Old, &old, "name").as_deref(), Some("text"));
}

#[test]
fn ambiguous_revert_is_conflict_a_value_removed_after_a_lost_answer_is_recorded() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.wait(Duration::from_hours(1));
    setup.set(Side::Old, &old, "name", "text");
    setup.capture(Side::Old, &old);
    inject_faults(&setup.world, "AdminUpdateUserAttributes", CallFate::AnswerLost, 1);
    setup.wait(limits::SETTLE);
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    setup.process(&change);
    setup.edit(Side::New, &new, |body| {
        body.attributes.remove(&attribute("name"));
    });
    setup.captured(Side::New, &new);
    assert!(
        decided(&setup, &old, DecisionKind::CameBack),
        "the removal was undone without a record"
    );
}

#[test]
fn ambiguous_revert_is_conflict_a_write_that_never_landed_on_an_unmodified_account_is_none() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = unanswered(&mut setup, "former", "text", CallFate::RequestLost);
    assert_eq!(
        setup.attribute(Side::New, &new, "name").as_deref(),
        Some("former"),
        "it did not land"
    );
    setup.settle();
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("text"));
    assert!(!decided(&setup, &old, DecisionKind::CameBack), "a false conflict");
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn a_text_set_equally_on_both_sides_at_once_is_agreed_after_both_settle() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.wait(Duration::from_hours(1));
    for (side, sub) in [(Side::Old, &old), (Side::New, &new)] {
        setup.set(side, sub, "name", "same");
        setup.capture(side, sub);
    }
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    let base = setup.record(Side::Old, &old).baseline;
    setup.process(&change);
    assert_eq!(setup.record(Side::Old, &old).baseline, base, "a later change may be hidden");
    setup.settle();
    assert_ne!(setup.record(Side::Old, &old).baseline, base);
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
    // A later edit on one side travels without a conflict.
    setup.set(Side::New, &new, "name", "other");
    setup.captured(Side::New, &new);
    assert_eq!(setup.attribute(Side::Old, &old, "name").as_deref(), Some("other"));
    assert!(!decided(&setup, &old, DecisionKind::Conflict));
}

/// A person sets a password in the old pool, and capture reports it.
fn chosen_password(setup: &mut Setup, old: &Sub) -> ChangeEvent {
    setup.wait(Duration::from_hours(1));
    setup.edit(Side::Old, old, |_| {});
    let chosen = ChangeEvent { password: true, ..setup.change(Side::Old, old, Evidence::Changed) };
    let ports = setup.world.ports(TaskId(50_000));
    assert!(finish(capture(ports.ledger(), ports.outbox(), &chosen)).survives());
    setup.wait(limits::SETTLE);
    chosen
}

#[test]
fn sessions_of_a_replaced_password_end_even_if_it_can_no_longer_be_closed() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    let chosen = chosen_password(&mut setup, &old);
    inject_faults(&setup.world, "AdminSetUserPassword", CallFate::AnswerLost, 1);
    setup.process(&chosen);
    assert_eq!(setup.body(Side::New, &new).password, Password::Unknown, "it was replaced");
    // No verified address is left, so poolbridge must not set another random password.
    for (side, sub) in [(Side::Old, &old), (Side::New, &new)] {
        setup.set(side, sub, "email_verified", "false");
        setup.capture(side, sub);
    }
    setup.settle();
    assert_eq!(calls(&setup.world, "AdminSetUserPassword() done"), 1);
    assert_eq!(calls(&setup.world, "AdminUserGlobalSignOut() done"), 1, "its sessions did not end");
    assert!(!setup.record(Side::Old, &old).passwords.owes_sign_out.new);
}

#[test]
fn an_outdated_password_is_closed_wherever_the_first_worker_dies() {
    let mut deaths = 0;
    for turns in 1..100 {
        let mut setup = Setup::new(Provision::Lazy);
        let (old, new) = setup.pair();
        let chosen = chosen_password(&mut setup, &old);
        if !setup.observe_and_crash(&chosen, turns) {
            break;
        }
        deaths += 1;
        setup.settle();
        assert_eq!(
            setup.body(Side::New, &new).password,
            Password::Unknown,
            "crashed after {turns} turns: the outdated password still opens the account"
        );
        assert!(!setup.record(Side::Old, &old).passwords.owes_sign_out.new, "after {turns} turns");
        assert!(calls(&setup.world, "AdminUserGlobalSignOut") > 0, "after {turns} turns");
    }
    assert!(deaths > 15, "only {deaths} deaths");
}
