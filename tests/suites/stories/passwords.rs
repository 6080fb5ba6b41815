//! Outdated passwords: which password is closed, and when.

use std::time::Duration;

use poolbridge_core::account::Status;
use poolbridge_core::capture::capture;
use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::control::Phase;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::Provision;
use poolbridge_core::ports::Ports as _;
use poolbridge_core::record::{DecisionKind, PersonState};
use poolbridge_core::side::Side;
use poolbridge_core::step::Action;
use poolbridge_tests::simulation::setup::{Setup, finish};
use poolbridge_tests::world::TaskId;
use poolbridge_tests::world::fault_injection::CallFate;

use super::{calls, inject_faults};

/// A person sets a password: the pool moves the account's last-modified date. Returns the message
/// about it; no pending change is stored.
pub(super) fn new_password(setup: &mut Setup, side: Side, sub: &Sub) -> ChangeEvent {
    setup.edit(side, sub, |_| {});
    ChangeEvent { password: true, ..setup.change(side, sub, Evidence::Changed) }
}

/// Does what capture or trail does about that change.
pub(super) fn noted(setup: &mut Setup, change: &ChangeEvent) {
    let task = TaskId(60_000 + u32::try_from(change.id).unwrap());
    let ports = setup.world.ports(task);
    assert!(finish(capture(ports.ledger(), ports.outbox(), change)).survives());
}

/// The same, and processes it.
pub(super) fn settled(setup: &mut Setup, change: &ChangeEvent) -> Vec<Outcome> {
    noted(setup, change);
    setup.settle()
}

/// How often the bridge gave that account a random password.
pub(super) fn closed(setup: &Setup, sub: &Sub) -> usize {
    let done = format!("{sub}: {:?} done", Action::SetRandomPassword);
    setup.world.lock().trace.lines().iter().filter(|line| line.contains(&done)).count()
}

/// How many decisions of that kind and reason the person record holds.
pub(super) fn decided(
    setup: &Setup,
    sub: &Sub,
    kind: DecisionKind,
    reason: Option<Reason>,
) -> usize {
    let record = setup.record(Side::Old, sub);
    let is = |it: &&poolbridge_core::record::Decision| it.kind == kind && it.reason == reason;
    record.decisions.iter().filter(is).count()
}

#[test]
fn a_sign_out_that_keeps_failing_costs_one_password_and_is_not_forgotten() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    inject_faults(&setup.world, "AdminUserGlobalSignOut", CallFate::Throttled, 3);
    let reset = new_password(&mut setup, Side::Old, &old);
    for _ in 0..3 {
        setup.wait(limits::SETTLE);
        let outcome = setup.process(&reset).outcome;
        assert!(matches!(outcome, Outcome::Retry(_, Reason::PortError(_))), "{outcome:?}");
        assert!(setup.record(Side::New, &new).passwords.owes_sign_out.new);
    }
    let closed = setup.record(Side::New, &new).passwords.closed.new;
    assert_eq!(closed, Some(reset.at), "the leaked password still opens the account");
    setup.wait(limits::SETTLE);
    assert_eq!(setup.process(&reset).outcome, Outcome::Applied);
    let passwords = setup.record(Side::New, &new).passwords;
    assert!(!passwords.owes_sign_out.new);
    assert_eq!(setup.record(Side::New, &new).state, PersonState::Synced);
    let done = |action: &str| {
        let world = setup.world.lock();
        world.trace.lines().iter().filter(|it| it.contains(action) && it.ends_with("done")).count()
    };
    assert_eq!((done("AdminSetUserPassword"), done("AdminUserGlobalSignOut")), (1, 1));
    assert_eq!(calls(&setup.world, "AdminUserGlobalSignOut"), 4);
}

#[test]
fn a_password_that_failed_itself_is_set_again_with_its_sign_out() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    inject_faults(&setup.world, "AdminSetUserPassword", CallFate::NotSent, 1);
    let reset = new_password(&mut setup, Side::Old, &old);
    setup.wait(limits::SETTLE);
    setup.process(&reset);
    let passwords = setup.record(Side::New, &new).passwords;
    assert_eq!((passwords.closed.new, passwords.owes_sign_out.new), (None, false));
    setup.wait(limits::SETTLE);
    assert_eq!(setup.process(&reset).outcome, Outcome::Applied);
    let passwords = setup.record(Side::New, &new).passwords;
    assert_eq!((passwords.closed.new, passwords.owes_sign_out.new), (Some(reset.at), false));
    assert!(calls(&setup.world, "AdminUserGlobalSignOut") > 0);
}

#[test]
fn temporary_password_of_an_administrator_closes_no_other_until_the_person_chooses_one() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.wait(Duration::from_hours(1));
    setup.edit(Side::Old, &old, |body| body.status = Status::ForceChangePassword);
    // CloudTrail hides whether the password is permanent, so only the status shows it.
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    let hidden = ChangeEvent { password: true, administrator: true, ..change };
    let outcomes = settled(&mut setup, &hidden);
    assert_eq!(closed(&setup, &new), 0, "a good password was replaced: {outcomes:?}");
    let ignored = Some(Reason::TemporaryPassword);
    assert_eq!(decided(&setup, &old, DecisionKind::PasswordIgnored, ignored), 1);
    // The person answers NEW_PASSWORD_REQUIRED.
    setup.wait(Duration::from_hours(1));
    setup.edit(Side::Old, &old, |body| body.status = Status::Confirmed);
    let chosen = new_password(&mut setup, Side::Old, &old);
    settled(&mut setup, &chosen);
    assert_eq!(closed(&setup, &new), 1, "the older one stays");
}

#[test]
fn temporary_password_is_not_evaluated_from_a_read_that_may_predate_it() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.wait(Duration::from_hours(1));
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    let hidden = ChangeEvent { password: true, administrator: true, ..change };
    noted(&mut setup, &hidden);
    // A read at once still shows the status before it.
    let outcome = setup.process(&hidden).outcome;
    assert!(matches!(outcome, Outcome::Retry(_, Reason::Settling)), "{outcome:?}");
    setup.edit(Side::Old, &old, |body| body.status = Status::ForceChangePassword);
    setup.settle();
    assert_eq!(closed(&setup, &new), 0);
}

#[test]
fn administrator_in_the_passive_pool_closes_nothing_in_the_active_one() {
    for reset in [false, true] {
        let mut setup = Setup::new(Provision::Lazy);
        let (old, new) = setup.pair();
        setup.wait(Duration::from_hours(1));
        let status = if reset { Status::ResetRequired } else { Status::Confirmed };
        setup.edit(Side::New, &new, |body| body.status = status);
        let change = setup.change(Side::New, &new, Evidence::Changed);
        settled(&mut setup, &ChangeEvent { password: !reset, administrator: !reset, ..change });
        assert_eq!(closed(&setup, &old), 0, "reset: {reset}");
        let ignored = Some(Reason::PassiveAdministrator);
        assert_eq!(decided(&setup, &old, DecisionKind::PasswordIgnored, ignored), 1);
    }
}

#[test]
fn administrator_in_the_active_pool_closes_the_passive_one() {
    let mut setup = Setup::new(Provision::Lazy);
    let (_, new) = setup.pair();
    setup.world.lock().table.control.phase = Phase::Switched;
    setup.wait(Duration::from_hours(1));
    let change = new_password(&mut setup, Side::New, &new);
    settled(&mut setup, &ChangeEvent { administrator: true, ..change });
    let old = setup.record(Side::New, &new).accounts.old.unwrap().sub;
    assert_eq!(closed(&setup, &old), 1);
}

#[test]
fn administrators_reset_closes_the_other_password_once() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.wait(Duration::from_hours(1));
    setup.edit(Side::Old, &old, |body| body.status = Status::ResetRequired);
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(closed(&setup, &new), 1, "it may have leaked as well: {outcomes:?}");
    assert_eq!(decided(&setup, &old, DecisionKind::PasswordReset, None), 1);
    assert_eq!(decided(&setup, &old, DecisionKind::Closed, None), 1);
    // poolbridge's own closing is no reset, and the same reset counts once.
    for _ in 0..3 {
        setup.captured(Side::New, &new);
        setup.captured(Side::Old, &old);
    }
    assert_eq!((closed(&setup, &new), closed(&setup, &old)), (1, 0));
    let counted: u64 = setup.world.lock().table.removals.values().map(|(count, _)| count).sum();
    assert_eq!(counted, 1, "the circuit breaker counts it");
}

#[test]
fn account_that_an_import_left_in_reset_required_closes_no_other_password() {
    let mut setup = Setup::new(Provision::Lazy);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    let new = setup.account(Side::New, 1, "one@example.com", true);
    setup.world.lock().table.control.phase = Phase::Switched;
    setup.edit(Side::New, &new, |body| body.status = Status::ResetRequired);
    setup.captured(Side::New, &new);
    setup.set(Side::New, &new, "name", "n");
    setup.captured(Side::New, &new);
    assert_eq!(closed(&setup, &old), 0);
    assert_eq!(setup.attribute(Side::Old, &old, "name").as_deref(), Some("n"), "they are linked");
}

#[test]
fn password_of_a_reset_account_is_closed_already_and_only_its_sessions_end() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.edit(Side::New, &new, |body| body.status = Status::ResetRequired);
    setup.captured(Side::New, &new);
    setup.wait(Duration::from_hours(1));
    let change = new_password(&mut setup, Side::Old, &old);
    settled(&mut setup, &change);
    assert_eq!(closed(&setup, &new), 0);
    assert_eq!(setup.body(Side::New, &new).status, Status::ResetRequired);
    let passwords = setup.record(Side::Old, &old).passwords;
    assert_eq!((passwords.closed.new, passwords.owes_sign_out.new), (Some(change.at), false));
    assert_eq!(calls(&setup.world, "AdminUserGlobalSignOut"), 1);
}

#[test]
fn federated_account_is_never_given_a_password() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.edit(Side::New, &new, |body| body.status = Status::ExternalProvider);
    let change = new_password(&mut setup, Side::Old, &old);
    settled(&mut setup, &change);
    assert_eq!(closed(&setup, &new), 0, "a password would turn the profile into a local account");
    assert_eq!(setup.body(Side::New, &new).status, Status::ExternalProvider);
    // It has no password that could stay usable, so apply holds no field for one.
    let record = setup.record(Side::Old, &old);
    assert_eq!((record.passwords.open.new, record.state), (None, PersonState::Synced));
}

#[test]
fn password_owed_to_a_created_account_keeps_the_pending_change_behind_a_disable() {
    let mut setup = Setup::new(Provision::Eager);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    inject_faults(&setup.world, "AdminSetUserPassword", CallFate::NotSent, 1);
    let change = setup.change(Side::Old, &old, Evidence::Confirmed);
    noted(&mut setup, &change);
    setup.wait(limits::SETTLE);
    setup.process(&change);
    assert_eq!(setup.record(Side::Old, &old).owes_password, Some(Side::New));
    setup.edit(Side::Old, &old, |body| body.enabled = false);
    setup.capture(Side::Old, &old);
    setup.wait(limits::SETTLE * 2);
    let disabled = ChangeEvent {
        evidence: Evidence::Changed,
        ..setup.change(Side::Old, &old, Evidence::Changed)
    };
    setup.wait(limits::SETTLE);
    let outcome = setup.process(&disabled).outcome;
    assert!(matches!(outcome, Outcome::Retry(..)), "the password is still owed: {outcome:?}");
    assert!(!setup.world.lock().table.pending_changes.is_empty());
    setup.settle();
    assert_eq!(setup.record(Side::Old, &old).owes_password, None);
}
