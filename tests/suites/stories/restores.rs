//! A pool that is restored to a point in time, or deleted, while the bridge runs (invariant 7).

use std::time::Duration;

use poolbridge_core::change::Proof;
use poolbridge_core::entry::{DecisionKind, State as PersonState};
use poolbridge_core::fault::FaultKind;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::policy::{Deletes, Provision};
use poolbridge_core::restore::{AfterRestore, Decided, Restore, Stage as Progress};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::accounts::{Body, attribute, group};

/// Stores what trail stores when it sees that the old pool's restore begins.
fn begin(stage: &Stage, progress: Progress) {
    let mut world = stage.world.lock();
    let since = world.now;
    world.table.control.restores.old = Some(Restore { stage: progress, since, decided: None });
}

/// The operator's decision, some time later.
fn decide(stage: &Stage, what: AfterRestore) {
    stage.wait(Duration::from_hours(1));
    let mut world = stage.world.lock();
    let decided = Some(Decided { what, at: world.now });
    let restore = world.table.control.restores.old.as_mut().unwrap();
    restore.decided = decided;
    drop(world);
    stage.wait(limits::SETTLE);
}

/// The effect of the restore on one account of the old pool.
fn revert(stage: &Stage, sub: &Sub, edit: impl FnOnce(&mut Body)) {
    stage.wait(Duration::from_mins(1));
    stage.edit(Side::Old, sub, edit);
}

/// A run of apply for a hint from the sweep.
fn hint(stage: &mut Stage, side: Side, sub: &Sub) -> Verdict {
    let change = stage.change(side, sub, Proof::Hint);
    for _ in 0..5 {
        stage.wait(limits::SETTLE);
        let verdict = stage.look(&change).verdict;
        if !matches!(verdict, Verdict::Later(_, Reason::Settling)) {
            return verdict;
        }
    }
    panic!("it does not settle");
}

/// A pair that agrees on a newer name than the one that the restore brings back.
fn renamed() -> (Stage, Sub, Sub) {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, "name", "new name");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("new name"));
    stage.wait(Duration::from_hours(2));
    (stage, old, new)
}

fn set_name(body: &mut Body, name: &str) {
    body.attributes.insert(attribute("name"), name.to_owned());
}

#[test]
fn nothing_is_written_while_a_restore_waits_for_a_decision() {
    for progress in [Progress::Prepared, Progress::Started, Progress::Deleted] {
        let (mut stage, old, new) = renamed();
        begin(&stage, progress);
        revert(&stage, &old, |body| set_name(body, "old name"));
        let writes = stage.writes();
        let stopped = Verdict::Later(limits::RETRY_SLOWLY, Reason::Restored);
        assert_eq!(hint(&mut stage, Side::Old, &old), stopped, "{progress:?}");
        stage.set(Side::New, &new, "nickname", "pat");
        assert_eq!(hint(&mut stage, Side::New, &new), stopped, "{progress:?}");
        let newcomer = stage.account(Side::Old, 2, "two@example.com", true);
        assert_eq!(hint(&mut stage, Side::Old, &newcomer), stopped, "{progress:?}");
        assert_eq!(stage.writes(), writes, "{progress:?}");
    }
}

#[test]
fn a_cancelled_recovery_stops_nothing() {
    let (mut stage, old, new) = renamed();
    begin(&stage, Progress::Cancelled);
    stage.set(Side::Old, &old, "name", "newest name");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("newest name"));
}

#[test]
fn a_disable_passes_an_undecided_restore_unless_the_restore_may_have_caused_it() {
    // From the pool that was not restored.
    let (mut stage, old, new) = renamed();
    begin(&stage, Progress::Started);
    stage.edit(Side::New, &new, |body| body.enabled = false);
    hint(&mut stage, Side::New, &new);
    assert!(!stage.body(Side::Old, &old).enabled);
    // The restored pool shows an account as disabled that was enabled since.
    let (mut stage, old, new) = renamed();
    begin(&stage, Progress::Started);
    revert(&stage, &old, |body| body.enabled = false);
    hint(&mut stage, Side::Old, &old);
    assert!(stage.body(Side::New, &new).enabled);
    // An event reported it after the restore began: an administrator did it.
    let change = stage.change(Side::Old, &old, Proof::Changed);
    stage.wait(limits::SETTLE);
    stage.look(&change);
    assert!(!stage.body(Side::New, &new).enabled);
}

#[test]
fn a_healed_pool_gets_back_what_the_other_pool_holds() {
    let (mut stage, old, new) = renamed();
    stage.edit(Side::New, &new, |body| body.groups = [group("staff")].into());
    stage.captured(Side::New, &new);
    assert!(stage.body(Side::Old, &old).groups.contains(&group("staff")));
    begin(&stage, Progress::Started);
    revert(&stage, &old, |body| {
        set_name(body, "old name");
        body.groups.clear();
        body.attributes.insert(attribute("nickname"), "revived".to_owned());
    });
    decide(&stage, AfterRestore::Heal);
    assert_eq!(hint(&mut stage, Side::Old, &old), Verdict::Applied);
    assert_eq!(stage.says(Side::Old, &old, "name").as_deref(), Some("new name"));
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("new name"));
    assert_eq!(stage.says(Side::New, &new, "nickname"), None);
    assert!(stage.body(Side::Old, &old).groups.contains(&group("staff")));
    let entry = stage.entry(Side::Old, &old);
    let overruled = entry.decisions.iter().find(|it| it.reason == Some(Reason::Restored)).unwrap();
    assert_eq!((overruled.kind, overruled.side), (DecisionKind::Conflict, Some(Side::Old)));
    assert!(overruled.fields.contains(&"name".to_owned()), "{:?}", overruled.fields);
    assert_eq!(entry.state, PersonState::Synced);
}

#[test]
fn an_edit_after_the_decision_to_heal_travels() {
    let (mut stage, old, new) = renamed();
    begin(&stage, Progress::Started);
    decide(&stage, AfterRestore::Heal);
    stage.set(Side::Old, &old, "name", "newest name");
    assert_eq!(hint(&mut stage, Side::Old, &old), Verdict::Applied);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("newest name"));
}

/// A membership does not move the account's last-modified date: only its event gives the time.
#[test]
fn a_membership_after_the_decision_to_heal_travels_if_an_event_reports_it() {
    for (captured, travels) in [(true, true), (false, false)] {
        let (mut stage, old, new) = renamed();
        begin(&stage, Progress::Started);
        decide(&stage, AfterRestore::Heal);
        let mut world = stage.world.lock();
        let now = world.now;
        let account = world.pools.old.get_mut(&old).unwrap();
        account.change(now, |body| body.groups = [group("staff")].into());
        drop(world);
        if captured {
            stage.captured(Side::Old, &old);
        } else {
            // The sweep finds it: it may be what the restore brought back.
            hint(&mut stage, Side::Old, &old);
        }
        let there = stage.body(Side::New, &new).groups.contains(&group("staff"));
        assert_eq!(there, travels, "captured: {captured}");
    }
}

#[test]
fn a_decision_to_heal_counts_for_a_bounded_time() {
    let (mut stage, old, new) = renamed();
    begin(&stage, Progress::Started);
    revert(&stage, &old, |body| set_name(body, "old name"));
    decide(&stage, AfterRestore::Heal);
    stage.wait(limits::HEALING_TIME_MAX);
    hint(&mut stage, Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("old name"));
}

#[test]
fn a_propagated_restore_travels_like_any_change() {
    let (mut stage, old, new) = renamed();
    begin(&stage, Progress::Started);
    revert(&stage, &old, |body| set_name(body, "old name"));
    decide(&stage, AfterRestore::Propagate);
    assert_eq!(hint(&mut stage, Side::Old, &old), Verdict::Applied);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("old name"));
}

#[test]
fn an_account_that_the_restore_removed_removes_nothing_in_the_other_pool() {
    let (mut stage, old, new) = renamed();
    stage.policy.deletes = Deletes::Delete;
    stage.account(Side::Old, 2, "two@example.com", true);
    begin(&stage, Progress::Started);
    revert(&stage, &old, |body| body.exists = false);
    decide(&stage, AfterRestore::Heal);
    assert_eq!(hint(&mut stage, Side::Old, &old), Verdict::Held(Reason::GoneByRestore));
    let body = stage.body(Side::New, &new);
    assert!(body.exists && body.enabled);
    assert_eq!(stage.entry(Side::New, &new).tombstone, None);
    // An administrator's own deletion counts, once an event reports it.
    assert_eq!(stage.deleted(Side::Old, &old).last(), Some(&Verdict::Applied));
    assert!(!stage.body(Side::New, &new).exists);
}

/// A person who was deleted in the old pool, and whose other account is disabled. The restore
/// brings the old account back.
fn returned(owed: bool) -> (Stage, Sub, Sub) {
    let (mut stage, old, new) = renamed();
    stage.account(Side::Old, 2, "two@example.com", true);
    stage.edit(Side::Old, &old, |body| body.exists = false);
    if owed {
        super::trouble(
            &stage.world,
            "AdminDisableUser",
            poolbridge_tests::world::weather::Fate::Throttled,
            1,
        );
        let change = stage.change(Side::Old, &old, Proof::Deleted);
        stage.wait(limits::SETTLE);
        let verdict = stage.look(&change).verdict;
        assert!(matches!(verdict, Verdict::Later(..)), "{verdict:?}");
        assert!(stage.entry(Side::New, &new).tombstone.unwrap().owed.is_some());
    } else {
        assert_eq!(stage.deleted(Side::Old, &old).last(), Some(&Verdict::Applied));
    }
    stage.wait(Duration::from_hours(1));
    begin(&stage, Progress::Started);
    revert(&stage, &old, |body| body.exists = true);
    (stage, old, new)
}

#[test]
fn a_deleted_person_that_a_restore_brings_back_is_not_disabled_again() {
    for what in AfterRestore::ALL {
        for owed in [false, true] {
            let (mut stage, old, new) = returned(owed);
            decide(&stage, what);
            let enabled = stage.body(Side::New, &new).enabled;
            let writes = stage.writes();
            let back = Verdict::Held(Reason::BackByRestore);
            assert_eq!(hint(&mut stage, Side::Old, &old), back, "{what:?} {owed}");
            assert_eq!(stage.writes(), writes, "{what:?} {owed}");
            assert_eq!(stage.body(Side::New, &new).enabled, enabled);
            assert!(stage.body(Side::Old, &old).enabled);
        }
    }
}

#[test]
fn a_refusal_while_the_pool_takes_no_writes_waits_and_blocks_no_field() {
    let waits = Verdict::Later(limits::RETRY_SLOWLY, Reason::Outside(FaultKind::WritesPaused));
    let (mut stage, old, new) = renamed();
    let refused = ("AdminUpdateUserAttributes", FaultKind::WritesPaused);
    stage.world.lock().pools.new.fails.extend([refused]);
    stage.set(Side::Old, &old, "name", "newest name");
    // More often than apply repeats a refusal of the account itself.
    for _ in 0..2 * limits::SAME_FAILURES_MAX {
        assert_eq!(hint(&mut stage, Side::Old, &old), waits);
        assert!(stage.entry(Side::Old, &old).obstacles.is_empty());
        stage.wait(limits::RETRY_SLOWLY);
    }
    stage.world.lock().pools.new.fails.clear();
    assert_eq!(hint(&mut stage, Side::Old, &old), Verdict::Applied);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("newest name"));
}

/// The time of the last record does not matter for a pool that was not restored.
#[test]
fn a_person_linked_after_the_restore_is_merged_as_always() {
    let mut stage = Stage::new(Provision::Lazy);
    begin(&stage, Progress::Started);
    decide(&stage, AfterRestore::Heal);
    let (old, new) = stage.pair();
    let linked = stage.entry(Side::Old, &old).linked;
    assert!(linked > Some(Time::ZERO));
    stage.set(Side::Old, &old, "name", "name");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("name"));
}
