//! A refusal that repeats: apply holds the person and clears the pending change, so that `drain`
//! ends.

use std::time::Duration;

use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::error::ErrorKind;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::Provision;
use poolbridge_core::profile::{Factor, Field};
use poolbridge_core::record::PersonState;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::accounts::group;

use super::calls;

/// The time between two runs for a pending change.
const PAUSE: Duration = Duration::from_mins(10);

/// Processes every pending change every ten minutes. Returns the outcomes, and whether it ended.
fn process_until_settled(setup: &mut Setup, rounds: usize) -> (Vec<Outcome>, bool) {
    let mut outcomes = Vec::new();
    for _ in 0..rounds {
        setup.wait(PAUSE);
        let pending_changes: Vec<_> =
            setup.world.lock().table.pending_changes.values().cloned().collect();
        for pending in pending_changes {
            let change = setup.change(pending.side, &pending.sub, Evidence::Hint);
            outcomes.push(setup.process(&ChangeEvent { at: pending.last, ..change }).outcome);
        }
        if setup.world.lock().table.pending_changes.is_empty() {
            return (outcomes, true);
        }
    }
    (outcomes, false)
}

fn fail(setup: &Setup, operation: &'static str, kind: ErrorKind) {
    setup.world.lock().pools.new.fails.insert(operation, kind);
}

/// The kinds of refusal that concern the account.
const REFUSALS: [ErrorKind; 4] =
    [ErrorKind::Denied, ErrorKind::Missing, ErrorKind::Unreadable, ErrorKind::AccountGone];

/// A person in the state in which the next run calls that operation on the new pool.
fn state_before_call(operation: &str) -> (Setup, Sub) {
    let eager = matches!(operation, "AdminCreateUser" | "AdminSetUserPassword");
    let mut setup = Setup::new(if eager { Provision::Eager } else { Provision::Lazy });
    if eager || operation == "ListUsers" {
        let old = setup.account(Side::Old, 1, "one@example.com", true);
        return (setup, old);
    }
    let (old, _) = setup.pair();
    setup.edit(Side::Old, &old, |body| match operation {
        "AdminAddUserToGroup" => drop(body.groups.insert(group("staff"))),
        "AdminDisableUser" => body.enabled = false,
        "AdminSetUserMFAPreference" => drop(body.factors.insert(Factor::Email)),
        _ => {}
    });
    if !matches!(operation, "AdminSetUserMFAPreference" | "AdminDisableUser") {
        setup.set(Side::Old, &old, "name", "new name");
    }
    (setup, old)
}

#[test]
fn every_refusal_that_repeats_ends_and_clears_the_pending_change() {
    for operation in [
        "AdminGetUser",
        "AdminListGroupsForUser",
        "ListUsers",
        "AdminCreateUser",
        "AdminSetUserPassword",
        "AdminUpdateUserAttributes",
        "AdminAddUserToGroup",
        "AdminDisableUser",
        "AdminSetUserMFAPreference",
    ] {
        for kind in REFUSALS {
            if operation == "AdminGetUser" && kind == ErrorKind::AccountGone {
                // That is no failure but an answer: the account is missing.
                continue;
            }
            let (mut setup, old) = state_before_call(operation);
            fail(&setup, operation, kind);
            setup.capture(Side::Old, &old);
            let (outcomes, ended) = process_until_settled(&mut setup, 12);
            assert!(ended, "{operation} {kind:?} is retried without end: {:?}", outcomes.last());
            let last = outcomes.last();
            assert!(matches!(last, Some(Outcome::Held(_))), "{operation} {kind:?}: {last:?}");
            let record = setup.record(Side::Old, &old);
            assert_eq!(record.state, PersonState::Held, "{operation} {kind:?}");
            assert!(record.tombstone.is_none(), "{operation} {kind:?}");
        }
    }
}

#[test]
fn a_pool_that_fails_every_creation_is_not_called_forever() {
    let (mut setup, old) = state_before_call("AdminCreateUser");
    fail(&setup, "AdminCreateUser", ErrorKind::Broken);
    setup.capture(Side::Old, &old);
    let (outcomes, ended) = process_until_settled(&mut setup, 40);
    assert!(ended, "{outcomes:?}");
    let held = Outcome::Held(Reason::PortError(ErrorKind::Broken));
    assert_eq!(outcomes.last(), Some(&held));
    // The cause is gone, and apply processes the person again.
    setup.world.lock().pools.new.fails.clear();
    setup.captured(Side::Old, &old);
    assert_eq!(setup.living(Side::New), 1);
    assert_eq!(setup.record(Side::Old, &old).failure, None);
}

#[test]
fn a_refusal_that_repeats_holds_the_fields_concerned_and_no_others() {
    let (mut setup, old) = state_before_call("AdminAddUserToGroup");
    let new = setup.record(Side::Old, &old).accounts.new.unwrap().sub;
    fail(&setup, "AdminAddUserToGroup", ErrorKind::AccountGone);
    setup.capture(Side::Old, &old);
    let (outcomes, ended) = process_until_settled(&mut setup, 12);
    assert!(ended, "{outcomes:?}");
    let reason = Reason::PortError(ErrorKind::AccountGone);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(reason)));
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("new name"));
    let record = setup.record(Side::Old, &old);
    let fields: Vec<_> =
        record.blocked_fields.iter().map(|(field, it)| (field, it.reason)).collect();
    assert_eq!(fields, [(&Field::Group(group("staff")), reason)]);
    // apply does not try the same value again.
    let calls_before = calls(&setup.world, "AdminAddUserToGroup");
    setup.capture(Side::Old, &old);
    process_until_settled(&mut setup, 3);
    assert_eq!(calls(&setup.world, "AdminAddUserToGroup"), calls_before);
}

#[test]
fn a_person_held_for_a_failing_read_is_processed_again_and_released() {
    let (mut setup, old) = state_before_call("AdminGetUser");
    let new = setup.record(Side::Old, &old).accounts.new.unwrap().sub;
    fail(&setup, "AdminGetUser", ErrorKind::Denied);
    setup.capture(Side::Old, &old);
    let (outcomes, ended) = process_until_settled(&mut setup, 12);
    assert!(ended, "{outcomes:?}");
    let record = setup.record(Side::Old, &old);
    let reason = Some(Reason::PortError(ErrorKind::Denied));
    assert_eq!((record.state, record.reason), (PersonState::Held, reason));
    let decision = record.decisions.last().unwrap();
    assert_eq!(
        (decision.fields.as_slice(), decision.reason),
        (&["AdminGetUser".to_owned()][..], reason)
    );
    // The sweep sends one hint per pass, although the listing shows nothing new.
    assert!(setup.swept(Side::Old, &old), "no pass sends it again");
    // One more failed run holds the person at once.
    setup.capture(Side::Old, &old);
    let (outcomes, ended) = process_until_settled(&mut setup, 1);
    assert!(ended, "{outcomes:?}");
    setup.world.lock().pools.new.fails.clear();
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("new name"));
    let record = setup.record(Side::Old, &old);
    assert_eq!((record.state, record.failure), (PersonState::Synced, None));
    assert!(!setup.swept(Side::Old, &old));
}

#[test]
fn a_refusal_of_minutes_holds_no_person() {
    let (mut setup, old) = state_before_call("AdminGetUser");
    fail(&setup, "AdminGetUser", ErrorKind::Denied);
    setup.capture(Side::Old, &old);
    // Many runs within the minimum duration of such a failure.
    let rounds = limits::SAME_FAILURE_TIME.as_secs() / limits::SETTLE.as_secs() - 2;
    for _ in 0..rounds {
        setup.wait(limits::SETTLE);
        let pending = setup.world.lock().table.pending_changes.values().next().cloned();
        let at = pending.expect("the pending change stays").last;
        let change = setup.change(Side::Old, &old, Evidence::Hint);
        let outcome = setup.process(&ChangeEvent { at, ..change }).outcome;
        assert!(matches!(outcome, Outcome::Retry(..)), "{outcome:?}");
    }
    setup.world.lock().pools.new.fails.clear();
    setup.settle();
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn what_a_deletion_owes_is_held_too_when_the_pool_keeps_refusing_it() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.account(Side::Old, 2, "two@example.com", true);
    setup.edit(Side::Old, &old, |body| body.exists = false);
    fail(&setup, "AdminDisableUser", ErrorKind::Denied);
    setup.capture(Side::Old, &old);
    let (outcomes, ended) = process_until_settled(&mut setup, 12);
    assert!(ended, "{outcomes:?}");
    let held = Outcome::Held(Reason::PortError(ErrorKind::Denied));
    assert_eq!(outcomes.last(), Some(&held));
    let record = setup.record(Side::Old, &old);
    assert_eq!(record.state, PersonState::Deleted);
    assert!(record.tombstone.unwrap().owed.is_some(), "it stays owed");
    // Another run does it.
    setup.world.lock().pools.new.fails.clear();
    setup.captured(Side::Old, &old);
    assert!(!setup.body(Side::New, &new).enabled);
}

#[test]
fn an_unknown_account_is_given_up_after_repeated_refusals() {
    let mut setup = Setup::new(Provision::Lazy);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    setup.world.lock().pools.old.fails.insert("AdminGetUser", ErrorKind::Denied);
    setup.capture(Side::Old, &old);
    let mut observe = |attempts: u8, reason: Reason| {
        setup.wait(PAUSE);
        let mut world = setup.world.lock();
        let pending =
            world.table.pending_changes.values_mut().next().expect("the pending change stays");
        // As apply stores it after each failed run.
        (pending.attempts, pending.reason) = (attempts.into(), Some(reason.name().to_owned()));
        let at = pending.last;
        drop(world);
        let change = setup.change(Side::Old, &old, Evidence::Hint);
        let outcome = setup.process(&ChangeEvent { at, ..change }).outcome;
        (outcome, setup.world.lock().table.pending_changes.is_empty())
    };
    let denied = Reason::PortError(ErrorKind::Denied);
    let often = limits::SAME_FAILURES_MAX;
    for (attempts, reason) in [(often - 1, denied), (often + 3, Reason::Settling)] {
        let (outcome, ended) = observe(attempts, reason);
        assert!(
            matches!(outcome, Outcome::Retry(..)) && !ended,
            "{attempts} {reason:?}: {outcome:?}"
        );
    }
    assert_eq!(observe(often, denied), (Outcome::Held(denied), true));
}
