//! A refusal that repeats: apply holds the person and clears the pending change, so that `drain`
//! ends.

use std::time::Duration;

use poolbridge_core::change::{Change, Proof};
use poolbridge_core::entry::State as PersonState;
use poolbridge_core::facts::{Factor, Field};
use poolbridge_core::fault::FaultKind;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::policy::Provision;
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::accounts::group;

use super::calls;

/// The time between two runs for a pending change.
const PAUSE: Duration = Duration::from_mins(10);

/// Processes every pending change every ten minutes. Returns the outcomes, and whether it ended.
fn worked_off(stage: &mut Stage, looks: usize) -> (Vec<Verdict>, bool) {
    let mut verdicts = Vec::new();
    for _ in 0..looks {
        stage.wait(PAUSE);
        let marks: Vec<_> = stage.world.lock().table.marks.values().cloned().collect();
        for mark in marks {
            let change = stage.change(mark.side, &mark.sub, Proof::Hint);
            verdicts.push(stage.look(&Change { at: mark.last, ..change }).verdict);
        }
        if stage.world.lock().table.marks.is_empty() {
            return (verdicts, true);
        }
    }
    (verdicts, false)
}

fn fail(stage: &Stage, operation: &'static str, kind: FaultKind) {
    stage.world.lock().pools.new.fails.insert(operation, kind);
}

/// The kinds of refusal that concern the account.
const REFUSALS: [FaultKind; 4] =
    [FaultKind::Denied, FaultKind::Missing, FaultKind::Unreadable, FaultKind::AccountGone];

/// A person in the state in which the next run calls that operation on the new pool.
fn about_to_call(operation: &str) -> (Stage, Sub) {
    let eager = matches!(operation, "AdminCreateUser" | "AdminSetUserPassword");
    let mut stage = Stage::new(if eager { Provision::Eager } else { Provision::Lazy });
    if eager || operation == "ListUsers" {
        let old = stage.account(Side::Old, 1, "one@example.com", true);
        return (stage, old);
    }
    let (old, _) = stage.pair();
    stage.edit(Side::Old, &old, |body| match operation {
        "AdminAddUserToGroup" => drop(body.groups.insert(group("staff"))),
        "AdminDisableUser" => body.enabled = false,
        "AdminSetUserMFAPreference" => drop(body.factors.insert(Factor::Email)),
        _ => {}
    });
    if !matches!(operation, "AdminSetUserMFAPreference" | "AdminDisableUser") {
        stage.set(Side::Old, &old, "name", "new name");
    }
    (stage, old)
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
            if operation == "AdminGetUser" && kind == FaultKind::AccountGone {
                // That is no failure but an answer: the account is missing.
                continue;
            }
            let (mut stage, old) = about_to_call(operation);
            fail(&stage, operation, kind);
            stage.capture(Side::Old, &old);
            let (verdicts, ended) = worked_off(&mut stage, 12);
            assert!(ended, "{operation} {kind:?} is retried without end: {:?}", verdicts.last());
            let last = verdicts.last();
            assert!(matches!(last, Some(Verdict::Held(_))), "{operation} {kind:?}: {last:?}");
            let entry = stage.entry(Side::Old, &old);
            assert_eq!(entry.state, PersonState::Held, "{operation} {kind:?}");
            assert!(entry.tombstone.is_none(), "{operation} {kind:?}");
        }
    }
}

#[test]
fn a_pool_that_fails_every_creation_is_not_called_forever() {
    let (mut stage, old) = about_to_call("AdminCreateUser");
    fail(&stage, "AdminCreateUser", FaultKind::Broken);
    stage.capture(Side::Old, &old);
    let (verdicts, ended) = worked_off(&mut stage, 40);
    assert!(ended, "{verdicts:?}");
    let held = Verdict::Held(Reason::Outside(FaultKind::Broken));
    assert_eq!(verdicts.last(), Some(&held));
    // The cause is gone, and apply processes the person again.
    stage.world.lock().pools.new.fails.clear();
    stage.captured(Side::Old, &old);
    assert_eq!(stage.living(Side::New), 1);
    assert_eq!(stage.entry(Side::Old, &old).failure, None);
}

#[test]
fn a_refusal_that_repeats_holds_the_fields_concerned_and_no_others() {
    let (mut stage, old) = about_to_call("AdminAddUserToGroup");
    let new = stage.entry(Side::Old, &old).accounts.new.unwrap().sub;
    fail(&stage, "AdminAddUserToGroup", FaultKind::AccountGone);
    stage.capture(Side::Old, &old);
    let (verdicts, ended) = worked_off(&mut stage, 12);
    assert!(ended, "{verdicts:?}");
    let reason = Reason::Outside(FaultKind::AccountGone);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(reason)));
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("new name"));
    let entry = stage.entry(Side::Old, &old);
    let fields: Vec<_> = entry.obstacles.iter().map(|(field, it)| (field, it.reason)).collect();
    assert_eq!(fields, [(&Field::Group(group("staff")), reason)]);
    // apply does not try the same value again.
    let calls_before = calls(&stage.world, "AdminAddUserToGroup");
    stage.capture(Side::Old, &old);
    worked_off(&mut stage, 3);
    assert_eq!(calls(&stage.world, "AdminAddUserToGroup"), calls_before);
}

#[test]
fn a_person_held_for_a_failing_read_is_processed_again_and_released() {
    let (mut stage, old) = about_to_call("AdminGetUser");
    let new = stage.entry(Side::Old, &old).accounts.new.unwrap().sub;
    fail(&stage, "AdminGetUser", FaultKind::Denied);
    stage.capture(Side::Old, &old);
    let (verdicts, ended) = worked_off(&mut stage, 12);
    assert!(ended, "{verdicts:?}");
    let entry = stage.entry(Side::Old, &old);
    let reason = Some(Reason::Outside(FaultKind::Denied));
    assert_eq!((entry.state, entry.reason), (PersonState::Held, reason));
    let decision = entry.decisions.last().unwrap();
    assert_eq!(
        (decision.fields.as_slice(), decision.reason),
        (&["AdminGetUser".to_owned()][..], reason)
    );
    // The sweep sends one hint per pass, although the listing shows nothing new.
    assert!(stage.swept(Side::Old, &old), "no pass sends it again");
    // One more failed run holds the person at once.
    stage.capture(Side::Old, &old);
    let (verdicts, ended) = worked_off(&mut stage, 1);
    assert!(ended, "{verdicts:?}");
    stage.world.lock().pools.new.fails.clear();
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("new name"));
    let entry = stage.entry(Side::Old, &old);
    assert_eq!((entry.state, entry.failure), (PersonState::Synced, None));
    assert!(!stage.swept(Side::Old, &old));
}

#[test]
fn a_refusal_of_minutes_holds_no_person() {
    let (mut stage, old) = about_to_call("AdminGetUser");
    fail(&stage, "AdminGetUser", FaultKind::Denied);
    stage.capture(Side::Old, &old);
    // Many runs within the minimum duration of such a failure.
    let looks = limits::SAME_FAILURE_TIME.as_secs() / limits::SETTLE.as_secs() - 2;
    for _ in 0..looks {
        stage.wait(limits::SETTLE);
        let mark = stage.world.lock().table.marks.values().next().cloned();
        let at = mark.expect("the pending change stays").last;
        let change = stage.change(Side::Old, &old, Proof::Hint);
        let verdict = stage.look(&Change { at, ..change }).verdict;
        assert!(matches!(verdict, Verdict::Later(..)), "{verdict:?}");
    }
    stage.world.lock().pools.new.fails.clear();
    stage.settle();
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn what_a_deletion_owes_is_held_too_when_the_pool_keeps_refusing_it() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.account(Side::Old, 2, "two@example.com", true);
    stage.edit(Side::Old, &old, |body| body.exists = false);
    fail(&stage, "AdminDisableUser", FaultKind::Denied);
    stage.capture(Side::Old, &old);
    let (verdicts, ended) = worked_off(&mut stage, 12);
    assert!(ended, "{verdicts:?}");
    let held = Verdict::Held(Reason::Outside(FaultKind::Denied));
    assert_eq!(verdicts.last(), Some(&held));
    let entry = stage.entry(Side::Old, &old);
    assert_eq!(entry.state, PersonState::Deleted);
    assert!(entry.tombstone.unwrap().owed.is_some(), "it stays owed");
    // Another run does it.
    stage.world.lock().pools.new.fails.clear();
    stage.captured(Side::Old, &old);
    assert!(!stage.body(Side::New, &new).enabled);
}

#[test]
fn an_unknown_account_is_given_up_after_repeated_refusals() {
    let mut stage = Stage::new(Provision::Lazy);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    stage.world.lock().pools.old.fails.insert("AdminGetUser", FaultKind::Denied);
    stage.capture(Side::Old, &old);
    let mut look = |attempts: u8, reason: Reason| {
        stage.wait(PAUSE);
        let mut world = stage.world.lock();
        let mark = world.table.marks.values_mut().next().expect("the pending change stays");
        // As apply stores it after each failed run.
        (mark.attempts, mark.reason) = (attempts.into(), Some(reason.name().to_owned()));
        let at = mark.last;
        drop(world);
        let change = stage.change(Side::Old, &old, Proof::Hint);
        let verdict = stage.look(&Change { at, ..change }).verdict;
        (verdict, stage.world.lock().table.marks.is_empty())
    };
    let denied = Reason::Outside(FaultKind::Denied);
    let often = limits::SAME_FAILURES_MAX;
    for (attempts, reason) in [(often - 1, denied), (often + 3, Reason::Settling)] {
        let (verdict, ended) = look(attempts, reason);
        assert!(
            matches!(verdict, Verdict::Later(..)) && !ended,
            "{attempts} {reason:?}: {verdict:?}"
        );
    }
    assert_eq!(look(often, denied), (Verdict::Held(denied), true));
}
