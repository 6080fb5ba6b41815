//! Invariants 6 and 7: no deleted person is created again, and no person is deleted by mistake.

use std::time::Duration;

use poolbridge_core::change::Evidence;
use poolbridge_core::error::ErrorKind;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::{Deletes, Provision};
use poolbridge_core::record::PersonState;
use poolbridge_core::side::Side;

use poolbridge_tests::simulation::setup::{Setup, schema};
use poolbridge_tests::world::accounts::group;
use poolbridge_tests::world::fault_injection::{CallFate, FaultInjection, FaultRates};

#[test]
fn invariant_06_no_resurrection() {
    let mut setup = Setup::new(Provision::Eager);
    let (old, new) = setup.pair();
    let unrelated_account = setup.account(Side::New, 2, "two@example.com", true);
    setup.captured(Side::New, &unrelated_account);
    let early = setup.change(Side::Old, &old, Evidence::Changed);
    setup.edit(Side::New, &new, |body| body.exists = false);
    assert_eq!(setup.deleted(Side::New, &new).last(), Some(&Outcome::Applied));
    assert!(!setup.body(Side::Old, &old).enabled, "the other account is closed");
    let record = setup.record(Side::Old, &old);
    let tombstone = record.tombstone.clone().unwrap();
    assert_eq!((record.state, tombstone.side), (PersonState::Deleted, Side::New));
    assert_eq!((tombstone.owed, record.baseline), (None, None));
    let (writes, living) = (setup.writes(), setup.living(Side::New));
    // A late message, a sweep's hint, an edit of the other account: none creates the person again.
    assert_eq!(setup.process(&early).outcome, Outcome::Unchanged);
    setup.set(Side::Old, &old, "name", "still here");
    assert_eq!(setup.captured(Side::Old, &old), [Outcome::Unchanged]);
    assert_eq!(setup.captured(Side::New, &new), [Outcome::Unchanged]);
    // A later decision of an administrator about it is kept.
    setup.edit(Side::Old, &old, |body| body.enabled = true);
    setup.captured(Side::Old, &old);
    assert!(setup.body(Side::Old, &old).enabled);
    // Another person gets the address, and inherits nothing (DeletedNeverMatch).
    let sign_up = setup.account(Side::New, 3, "one@example.com", true);
    setup.captured(Side::New, &sign_up);
    setup.wait(Duration::from_hours(5));
    setup.captured(Side::New, &sign_up);
    let theirs = setup.record(Side::New, &sign_up);
    assert_ne!(theirs.id, record.id);
    assert_eq!(setup.attribute(Side::New, &sign_up, "name"), None);
    let known = theirs.accounts.old.map(|known| known.sub);
    assert_ne!(known.as_ref(), Some(&old));
    // The new person was created in the other pool; no one else was.
    assert_eq!(setup.writes() - writes, 2, "a creation and its password");
    assert_eq!(setup.living(Side::New), living + 1);
}

#[test]
fn invariant_06_a_deletion_does_what_the_team_chose() {
    for deletes in [Deletes::Disable, Deletes::Delete, Deletes::Keep] {
        let mut setup = Setup::new(Provision::Lazy);
        setup.policy.deletes = deletes;
        let (old, new) = setup.pair();
        setup.account(Side::Old, 2, "two@example.com", true);
        setup.edit(Side::Old, &old, |body| body.exists = false);
        // No event reports it: two observations prove it, and no fewer.
        let outcomes = setup.captured(Side::Old, &old);
        assert_eq!(outcomes[0], Outcome::Retry(limits::SETTLE, Reason::Settling));
        let body = setup.body(Side::New, &new);
        let (exists, enabled) = match deletes {
            Deletes::Disable => (true, false),
            Deletes::Delete => (false, false),
            Deletes::Keep => (true, true),
        };
        assert_eq!((body.exists, body.enabled), (exists, enabled), "{deletes:?}");
        assert!(setup.record(Side::New, &new).tombstone.is_some(), "{deletes:?}");
    }
}

#[test]
fn invariant_07_no_mass_deletion_an_empty_pool_deletes_no_account() {
    let mut setup = Setup::new(Provision::Eager);
    let (old, new) = setup.pair();
    let unrelated_account = setup.account(Side::New, 2, "two@example.com", true);
    setup.captured(Side::New, &unrelated_account);
    let writes = setup.writes();
    // Another pool answers instead: a wrong endpoint, a wrong account, a restored stack.
    let elsewhere = {
        let mut world = setup.world.lock();
        let mut other = poolbridge_tests::world::accounts::Accounts::new(Side::New);
        other.schema = schema();
        std::mem::replace(&mut world.pools.new, other)
    };
    for evidence in [Evidence::Deleted, Evidence::Hint, Evidence::Changed] {
        for _ in 0..3 {
            let change = setup.change(Side::New, &new, evidence);
            setup.wait(limits::SETTLE * 2);
            setup.process(&change);
        }
    }
    setup.set(Side::Old, &old, "name", "meanwhile");
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::AccountGone)));
    assert_eq!((setup.writes(), setup.body(Side::Old, &old).enabled), (writes, true));
    // The pool is back: no account is gone, and the delayed changes travel.
    setup.world.lock().pools.new = elsewhere;
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("meanwhile"));
    assert_eq!(setup.record(Side::Old, &old).tombstone, None);
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn invariant_07_no_mass_deletion_one_missed_observation_proves_nothing() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.account(Side::New, 2, "two@example.com", true);
    for _ in 0..5 {
        // An observation that misses the account, then one that finds it, however often.
        setup.edit(Side::New, &new, |body| body.exists = false);
        let change = setup.change(Side::New, &new, Evidence::Changed);
        setup.wait(limits::SETTLE);
        assert!(matches!(setup.process(&change).outcome, Outcome::Retry(..)));
        setup.edit(Side::New, &new, |body| body.exists = true);
        setup.wait(limits::SETTLE * 2);
        setup.captured(Side::New, &new);
        let known = setup.record(Side::Old, &old).accounts.new.unwrap();
        assert_eq!(known.gone, None, "it was seen again");
    }
    // An event reports a deletion, but the account can be read, so it was not deleted.
    assert_eq!(setup.deleted(Side::New, &new).last(), Some(&Outcome::Unchanged));
    assert!(setup.body(Side::Old, &old).enabled);
    assert_eq!(setup.record(Side::Old, &old).tombstone, None);
}

#[test]
fn invariant_07_no_mass_deletion_a_breaker_stops_it() {
    let mut setup = Setup::new(Provision::Lazy);
    let most = usize::try_from(limits::REMOVALS_LEAST).unwrap();
    let mut pairs = Vec::new();
    for human in 0..most + 6 {
        let (number, address) = (u32::try_from(human).unwrap(), format!("p{human}@e.com"));
        let old = setup.account(Side::Old, number, &address, true);
        let new = setup.account(Side::New, number, &address, true);
        setup.captured(Side::Old, &old);
        pairs.push((old, new));
    }
    let (kept, gone) = pairs.split_at(2);
    for (old, _) in gone {
        setup.edit(Side::Old, old, |body| body.exists = false);
        setup.deleted(Side::Old, old);
    }
    let closed =
        |setup: &Setup| gone.iter().filter(|(_, new)| !setup.body(Side::New, new).enabled).count();
    assert_eq!(closed(&setup), most);
    let breaker = setup.world.lock().table.control.breaker.clone();
    assert!(breaker.is_some_and(|breaker| !breaker.reason.contains('@')));
    let held = |setup: &Setup| {
        let records = gone.iter().map(|(old, _)| setup.record(Side::Old, old));
        records.filter(|record| record.reason == Some(Reason::Breaker)).count()
    };
    assert_eq!(held(&setup), gone.len() - most);
    // An hour later it is still open: an operator must decide.
    setup.wait(limits::REMOVALS_WINDOW);
    let last = gone.last().unwrap();
    let outcomes = setup.captured(Side::Old, &last.0);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::Breaker)));
    assert!(setup.body(Side::New, &last.1).enabled);
    // A disable by an administrator is not poolbridge's own removal, and is never held (invariant
    // 10).
    let (old, new) = &kept[0];
    setup.edit(Side::Old, old, |body| body.enabled = false);
    setup.captured(Side::Old, old);
    assert!(!setup.body(Side::New, new).enabled);
    setup.world.lock().table.control.breaker = None;
    for (old, _) in gone {
        setup.captured(Side::Old, old);
    }
    assert_eq!((closed(&setup), held(&setup)), (gone.len(), 0));
}

/// A pair, and one more account in each pool.
fn pair_and_unrelated_accounts(setup: &mut Setup) -> (Sub, Sub) {
    let pair = setup.pair();
    setup.account(Side::Old, 2, "two@example.com", true);
    setup.account(Side::New, 2, "two@example.com", true);
    pair
}

#[test]
fn absence_twice_an_account_that_reads_exists_whatever_its_list_of_groups_answers() {
    let mut setup = Setup::new(Provision::Lazy);
    setup.policy.deletes = Deletes::Delete;
    let (old, new) = pair_and_unrelated_accounts(&mut setup);
    setup.set(Side::Old, &old, "name", "n");
    let gone = ErrorKind::AccountGone;
    setup.world.lock().pools.new.fails.insert("AdminListGroupsForUser", gone);
    setup.capture(Side::Old, &old);
    for _ in 0..4 {
        setup.wait(limits::RETRY_SLOWLY);
        let change = setup.change(Side::Old, &old, Evidence::Changed);
        let outcome = setup.process(&change).outcome;
        assert!(matches!(outcome, Outcome::Retry(_, Reason::PortError(_))), "{outcome:?}");
        let known = setup.record(Side::Old, &old).accounts.new.unwrap();
        assert_eq!(known.gone, None, "it counted as absent");
    }
    assert!(setup.body(Side::Old, &old).exists && setup.body(Side::New, &new).exists);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("n"), "the rest travels");
}

#[test]
fn invariant_07_a_pool_that_lists_no_groups_has_no_canary_account() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = pair_and_unrelated_accounts(&mut setup);
    setup.edit(Side::New, &new, |body| body.exists = false);
    let gone = ErrorKind::AccountGone;
    setup.world.lock().pools.new.fails.insert("AdminListGroupsForUser", gone);
    let held = Outcome::Held(Reason::AccountGone);
    assert_eq!(setup.deleted(Side::New, &new).last(), Some(&held));
    assert!(setup.body(Side::Old, &old).enabled, "removed without a canary");
    // Once the pool answers correctly, the deletion counts.
    setup.world.lock().pools.new.fails.clear();
    setup.deleted(Side::New, &new);
    assert!(!setup.body(Side::Old, &old).enabled);
}

#[test]
fn absence_twice_a_late_claim_of_a_deletion_and_one_missed_read_remove_no_account() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = pair_and_unrelated_accounts(&mut setup);
    // Held for a group, so that each run plans again and finds nothing to write.
    setup.world.lock().pools.old.schema.groups.insert(group("guests"));
    setup.edit(Side::Old, &old, |body| body.groups = [group("guests")].into());
    let held = Outcome::Held(Reason::GroupMissing);
    assert_eq!(setup.captured(Side::Old, &old).last(), Some(&held));
    let claim = setup.change(Side::New, &new, Evidence::Deleted);
    setup.wait(limits::SETTLE * 6);
    // An observation shows the account, long after that claim. A moment later, a read misses it.
    let change = setup.change(Side::New, &new, Evidence::Changed);
    setup.process(&change);
    setup.edit(Side::New, &new, |body| body.exists = false);
    setup.wait(Duration::from_secs(1));
    let outcome = setup.process(&claim).outcome;
    assert!(matches!(outcome, Outcome::Retry(..)), "{outcome:?}");
    assert_eq!(setup.record(Side::Old, &old).tombstone, None);
    assert!(setup.body(Side::Old, &old).enabled, "a living person was disabled");
}

#[test]
fn intent_settles_first_apply_waits_for_a_disable_that_may_still_land() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = pair_and_unrelated_accounts(&mut setup);
    setup.edit(Side::Old, &old, |body| body.exists = false);
    setup.world.lock().fault_injection = FaultInjection::new(FaultRates {
        fault_one_in: 1,
        faults_max: 1,
        faults: vec![CallFate::RequestLost],
        only: Some("AdminDisableUser"),
        ..FaultRates::none()
    });
    let change = setup.change(Side::Old, &old, Evidence::Deleted);
    setup.wait(limits::SETTLE * 2);
    let outcome = setup.process(&change).outcome;
    let Outcome::Retry(after, _) = outcome else { panic!("{outcome:?}") };
    // The lease says until when it can land. What the account shows before D after that proves
    // nothing.
    let least = limits::PERSON_TIME_MAX + limits::LANDING_TIME + limits::SETTLE;
    assert!(after >= least, "processed again after {after:?}, although it can land until then");
    let record = setup.record(Side::Old, &old);
    let now = setup.world.lock().now;
    assert!(record.not_before >= now + least, "another message may cause an earlier observation");
    assert!(record.tombstone.unwrap().owed.is_some());
    setup.wait(after);
    assert_eq!(setup.process(&change).outcome, Outcome::Applied);
    assert!(!setup.body(Side::New, &new).enabled);
}
