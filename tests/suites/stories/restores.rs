//! A pool that is restored to a point in time, or deleted, while the bridge runs (invariant 7).

use std::time::Duration;

use poolbridge_core::change::Evidence;
use poolbridge_core::error::ErrorKind;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::{Deletes, Provision};
use poolbridge_core::record::{DecisionKind, PersonState};
use poolbridge_core::restore::{AfterRestore, Restore, RestoreStage, TimedDecision};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::accounts::{Body, attribute, group};

/// Stores what trail stores when it sees that the old pool's restore begins.
fn begin(setup: &Setup, progress: RestoreStage) {
    let mut world = setup.world.lock();
    let since = world.now;
    world.table.control.restores.old = Some(Restore { stage: progress, since, decided: None });
}

/// The operator's decision, some time later.
fn decide(setup: &Setup, what: AfterRestore) {
    setup.wait(Duration::from_hours(1));
    let mut world = setup.world.lock();
    let decided = Some(TimedDecision { what, at: world.now });
    let restore = world.table.control.restores.old.as_mut().unwrap();
    restore.decided = decided;
    drop(world);
    setup.wait(limits::SETTLE);
}

/// The effect of the restore on one account of the old pool.
fn revert(setup: &Setup, sub: &Sub, edit: impl FnOnce(&mut Body)) {
    setup.wait(Duration::from_mins(1));
    setup.edit(Side::Old, sub, edit);
}

/// A run of apply for a hint from the sweep.
fn hint(setup: &mut Setup, side: Side, sub: &Sub) -> Outcome {
    let change = setup.change(side, sub, Evidence::Hint);
    for _ in 0..5 {
        setup.wait(limits::SETTLE);
        let outcome = setup.process(&change).outcome;
        if !matches!(outcome, Outcome::Retry(_, Reason::Settling)) {
            return outcome;
        }
    }
    panic!("it does not settle");
}

/// A pair that agrees on a newer name than the one that the restore brings back.
fn renamed() -> (Setup, Sub, Sub) {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.set(Side::Old, &old, "name", "new name");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("new name"));
    setup.wait(Duration::from_hours(2));
    (setup, old, new)
}

fn set_name(body: &mut Body, name: &str) {
    body.attributes.insert(attribute("name"), name.to_owned());
}

#[test]
fn nothing_is_written_while_a_restore_waits_for_a_decision() {
    for progress in [RestoreStage::Prepared, RestoreStage::Started, RestoreStage::Deleted] {
        let (mut setup, old, new) = renamed();
        begin(&setup, progress);
        revert(&setup, &old, |body| set_name(body, "old name"));
        let writes = setup.writes();
        let stopped = Outcome::Retry(limits::RETRY_SLOWLY, Reason::Restored);
        assert_eq!(hint(&mut setup, Side::Old, &old), stopped, "{progress:?}");
        setup.set(Side::New, &new, "nickname", "pat");
        assert_eq!(hint(&mut setup, Side::New, &new), stopped, "{progress:?}");
        let other = setup.account(Side::Old, 2, "two@example.com", true);
        assert_eq!(hint(&mut setup, Side::Old, &other), stopped, "{progress:?}");
        assert_eq!(setup.writes(), writes, "{progress:?}");
    }
}

#[test]
fn a_cancelled_recovery_stops_nothing() {
    let (mut setup, old, new) = renamed();
    begin(&setup, RestoreStage::Cancelled);
    setup.set(Side::Old, &old, "name", "newest name");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("newest name"));
}

#[test]
fn a_disable_passes_an_undecided_restore_unless_the_restore_may_have_caused_it() {
    // From the pool that was not restored.
    let (mut setup, old, new) = renamed();
    begin(&setup, RestoreStage::Started);
    setup.edit(Side::New, &new, |body| body.enabled = false);
    hint(&mut setup, Side::New, &new);
    assert!(!setup.body(Side::Old, &old).enabled);
    // The restored pool shows an account as disabled that was enabled since.
    let (mut setup, old, new) = renamed();
    begin(&setup, RestoreStage::Started);
    revert(&setup, &old, |body| body.enabled = false);
    hint(&mut setup, Side::Old, &old);
    assert!(setup.body(Side::New, &new).enabled);
    // An event reported it after the restore began: an administrator did it.
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    setup.wait(limits::SETTLE);
    setup.process(&change);
    assert!(!setup.body(Side::New, &new).enabled);
}

#[test]
fn a_healed_pool_gets_back_what_the_other_pool_holds() {
    let (mut setup, old, new) = renamed();
    setup.edit(Side::New, &new, |body| body.groups = [group("staff")].into());
    setup.captured(Side::New, &new);
    assert!(setup.body(Side::Old, &old).groups.contains(&group("staff")));
    begin(&setup, RestoreStage::Started);
    revert(&setup, &old, |body| {
        set_name(body, "old name");
        body.groups.clear();
        body.attributes.insert(attribute("nickname"), "revived".to_owned());
    });
    decide(&setup, AfterRestore::Heal);
    assert_eq!(hint(&mut setup, Side::Old, &old), Outcome::Applied);
    assert_eq!(setup.attribute(Side::Old, &old, "name").as_deref(), Some("new name"));
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("new name"));
    assert_eq!(setup.attribute(Side::New, &new, "nickname"), None);
    assert!(setup.body(Side::Old, &old).groups.contains(&group("staff")));
    let record = setup.record(Side::Old, &old);
    let overruled = record.decisions.iter().find(|it| it.reason == Some(Reason::Restored)).unwrap();
    assert_eq!((overruled.kind, overruled.side), (DecisionKind::Conflict, Some(Side::Old)));
    assert!(overruled.fields.contains(&"name".to_owned()), "{:?}", overruled.fields);
    assert_eq!(record.state, PersonState::Synced);
}

#[test]
fn an_edit_after_the_decision_to_heal_travels() {
    let (mut setup, old, new) = renamed();
    begin(&setup, RestoreStage::Started);
    decide(&setup, AfterRestore::Heal);
    setup.set(Side::Old, &old, "name", "newest name");
    assert_eq!(hint(&mut setup, Side::Old, &old), Outcome::Applied);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("newest name"));
}

/// A membership does not move the account's last-modified date: only its event gives the time.
#[test]
fn a_membership_after_the_decision_to_heal_travels_if_an_event_reports_it() {
    for (captured, travels) in [(true, true), (false, false)] {
        let (mut setup, old, new) = renamed();
        begin(&setup, RestoreStage::Started);
        decide(&setup, AfterRestore::Heal);
        let mut world = setup.world.lock();
        let now = world.now;
        let account = world.pools.old.get_mut(&old).unwrap();
        account.change(now, |body| body.groups = [group("staff")].into());
        drop(world);
        if captured {
            setup.captured(Side::Old, &old);
        } else {
            // The sweep finds it: it may be what the restore brought back.
            hint(&mut setup, Side::Old, &old);
        }
        let there = setup.body(Side::New, &new).groups.contains(&group("staff"));
        assert_eq!(there, travels, "captured: {captured}");
    }
}

#[test]
fn a_decision_to_heal_counts_for_a_bounded_time() {
    let (mut setup, old, new) = renamed();
    begin(&setup, RestoreStage::Started);
    revert(&setup, &old, |body| set_name(body, "old name"));
    decide(&setup, AfterRestore::Heal);
    setup.wait(limits::HEALING_TIME_MAX);
    hint(&mut setup, Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("old name"));
}

#[test]
fn a_propagated_restore_travels_like_any_change() {
    let (mut setup, old, new) = renamed();
    begin(&setup, RestoreStage::Started);
    revert(&setup, &old, |body| set_name(body, "old name"));
    decide(&setup, AfterRestore::Propagate);
    assert_eq!(hint(&mut setup, Side::Old, &old), Outcome::Applied);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("old name"));
}

#[test]
fn an_account_that_the_restore_removed_removes_nothing_in_the_other_pool() {
    let (mut setup, old, new) = renamed();
    setup.policy.deletes = Deletes::Delete;
    setup.account(Side::Old, 2, "two@example.com", true);
    begin(&setup, RestoreStage::Started);
    revert(&setup, &old, |body| body.exists = false);
    decide(&setup, AfterRestore::Heal);
    assert_eq!(hint(&mut setup, Side::Old, &old), Outcome::Held(Reason::GoneByRestore));
    let body = setup.body(Side::New, &new);
    assert!(body.exists && body.enabled);
    assert_eq!(setup.record(Side::New, &new).tombstone, None);
    // An administrator's own deletion counts, once an event reports it.
    assert_eq!(setup.deleted(Side::Old, &old).last(), Some(&Outcome::Applied));
    assert!(!setup.body(Side::New, &new).exists);
}

/// A person who was deleted in the old pool, and whose other account is disabled. The restore
/// brings the old account back.
fn returned(owed: bool) -> (Setup, Sub, Sub) {
    let (mut setup, old, new) = renamed();
    setup.account(Side::Old, 2, "two@example.com", true);
    setup.edit(Side::Old, &old, |body| body.exists = false);
    if owed {
        super::inject_faults(
            &setup.world,
            "AdminDisableUser",
            poolbridge_tests::world::fault_injection::CallFate::Throttled,
            1,
        );
        let change = setup.change(Side::Old, &old, Evidence::Deleted);
        setup.wait(limits::SETTLE);
        let outcome = setup.process(&change).outcome;
        assert!(matches!(outcome, Outcome::Retry(..)), "{outcome:?}");
        assert!(setup.record(Side::New, &new).tombstone.unwrap().owed.is_some());
    } else {
        assert_eq!(setup.deleted(Side::Old, &old).last(), Some(&Outcome::Applied));
    }
    setup.wait(Duration::from_hours(1));
    begin(&setup, RestoreStage::Started);
    revert(&setup, &old, |body| body.exists = true);
    (setup, old, new)
}

#[test]
fn a_deleted_person_that_a_restore_brings_back_is_not_disabled_again() {
    for what in AfterRestore::ALL {
        for owed in [false, true] {
            let (mut setup, old, new) = returned(owed);
            decide(&setup, what);
            let enabled = setup.body(Side::New, &new).enabled;
            let writes = setup.writes();
            let back = Outcome::Held(Reason::BackByRestore);
            assert_eq!(hint(&mut setup, Side::Old, &old), back, "{what:?} {owed}");
            assert_eq!(setup.writes(), writes, "{what:?} {owed}");
            assert_eq!(setup.body(Side::New, &new).enabled, enabled);
            assert!(setup.body(Side::Old, &old).enabled);
        }
    }
}

#[test]
fn a_refusal_while_the_pool_takes_no_writes_waits_and_blocks_no_field() {
    let waits = Outcome::Retry(limits::RETRY_SLOWLY, Reason::PortError(ErrorKind::WritesPaused));
    let (mut setup, old, new) = renamed();
    let refused = ("AdminUpdateUserAttributes", ErrorKind::WritesPaused);
    setup.world.lock().pools.new.fails.extend([refused]);
    setup.set(Side::Old, &old, "name", "newest name");
    // More often than apply repeats a refusal of the account itself.
    for _ in 0..2 * limits::SAME_FAILURES_MAX {
        assert_eq!(hint(&mut setup, Side::Old, &old), waits);
        assert!(setup.record(Side::Old, &old).blocked_fields.is_empty());
        setup.wait(limits::RETRY_SLOWLY);
    }
    setup.world.lock().pools.new.fails.clear();
    assert_eq!(hint(&mut setup, Side::Old, &old), Outcome::Applied);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("newest name"));
}

/// The time of the last record does not matter for a pool that was not restored.
#[test]
fn a_person_linked_after_the_restore_is_merged_as_always() {
    let mut setup = Setup::new(Provision::Lazy);
    begin(&setup, RestoreStage::Started);
    decide(&setup, AfterRestore::Heal);
    let (old, new) = setup.pair();
    let linked = setup.record(Side::Old, &old).linked;
    assert!(linked > Some(Time::ZERO));
    setup.set(Side::Old, &old, "name", "name");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("name"));
}
