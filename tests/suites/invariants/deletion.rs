//! Invariants 6 and 7: no deleted person is created again, and no person is deleted by mistake.

use std::time::Duration;

use poolbridge_core::change::Proof;
use poolbridge_core::entry::State as PersonState;
use poolbridge_core::fault::FaultKind;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::policy::{Deletes, Provision};
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};

use poolbridge_tests::simulation::stage::{Stage, shape};
use poolbridge_tests::world::accounts::group;
use poolbridge_tests::world::weather::{Climate, Fate, Weather};

#[test]
fn invariant_06_no_resurrection() {
    let mut stage = Stage::new(Provision::Eager);
    let (old, new) = stage.pair();
    let bystander = stage.account(Side::New, 2, "two@example.com", true);
    stage.captured(Side::New, &bystander);
    let early = stage.change(Side::Old, &old, Proof::Changed);
    stage.edit(Side::New, &new, |body| body.exists = false);
    assert_eq!(stage.deleted(Side::New, &new).last(), Some(&Verdict::Applied));
    assert!(!stage.body(Side::Old, &old).enabled, "the other account is closed");
    let entry = stage.entry(Side::Old, &old);
    let tombstone = entry.tombstone.clone().unwrap();
    assert_eq!((entry.state, tombstone.side), (PersonState::Deleted, Side::New));
    assert_eq!((tombstone.owed, entry.agreed), (None, None));
    let (writes, living) = (stage.writes(), stage.living(Side::New));
    // A late message, a sweep's hint, an edit of the other account: none creates the person again.
    assert_eq!(stage.look(&early).verdict, Verdict::AlreadyTrue);
    stage.set(Side::Old, &old, "name", "still here");
    assert_eq!(stage.captured(Side::Old, &old), [Verdict::AlreadyTrue]);
    assert_eq!(stage.captured(Side::New, &new), [Verdict::AlreadyTrue]);
    // A later decision of an administrator about it stands.
    stage.edit(Side::Old, &old, |body| body.enabled = true);
    stage.captured(Side::Old, &old);
    assert!(stage.body(Side::Old, &old).enabled);
    // Another person gets the address, and inherits nothing (DeletedNeverMatch, R26).
    let newcomer = stage.account(Side::New, 3, "one@example.com", true);
    stage.captured(Side::New, &newcomer);
    stage.wait(Duration::from_hours(5));
    stage.captured(Side::New, &newcomer);
    let theirs = stage.entry(Side::New, &newcomer);
    assert_ne!(theirs.id, entry.id);
    assert_eq!(stage.says(Side::New, &newcomer, "name"), None);
    let known = theirs.accounts.old.map(|known| known.sub);
    assert_ne!(known.as_ref(), Some(&old));
    // The newcomer was created in the other pool; no one else was.
    assert_eq!(stage.writes() - writes, 2, "a creation and its password");
    assert_eq!(stage.living(Side::New), living + 1);
}

#[test]
fn invariant_06_a_deletion_does_what_the_team_chose() {
    for deletes in [Deletes::Disable, Deletes::Delete, Deletes::Keep] {
        let mut stage = Stage::new(Provision::Lazy);
        stage.policy.deletes = deletes;
        let (old, new) = stage.pair();
        stage.account(Side::Old, 2, "two@example.com", true);
        stage.edit(Side::Old, &old, |body| body.exists = false);
        // No event reports it: two observations prove it, and no fewer.
        let verdicts = stage.captured(Side::Old, &old);
        assert_eq!(verdicts[0], Verdict::Later(limits::SETTLE, Reason::Settling));
        let body = stage.body(Side::New, &new);
        let (exists, enabled) = match deletes {
            Deletes::Disable => (true, false),
            Deletes::Delete => (false, false),
            Deletes::Keep => (true, true),
        };
        assert_eq!((body.exists, body.enabled), (exists, enabled), "{deletes:?}");
        assert!(stage.entry(Side::New, &new).tombstone.is_some(), "{deletes:?}");
    }
}

#[test]
fn invariant_07_no_mass_deletion_an_empty_pool_deletes_no_account() {
    let mut stage = Stage::new(Provision::Eager);
    let (old, new) = stage.pair();
    let bystander = stage.account(Side::New, 2, "two@example.com", true);
    stage.captured(Side::New, &bystander);
    let writes = stage.writes();
    // Another pool answers instead: a wrong endpoint, a wrong account, a restored stack.
    let elsewhere = {
        let mut world = stage.world.lock();
        let mut other = poolbridge_tests::world::accounts::Accounts::new(Side::New);
        other.shape = shape();
        std::mem::replace(&mut world.pools.new, other)
    };
    for proof in [Proof::Deleted, Proof::Hint, Proof::Changed] {
        for _ in 0..3 {
            let change = stage.change(Side::New, &new, proof);
            stage.wait(limits::SETTLE * 2);
            stage.look(&change);
        }
    }
    stage.set(Side::Old, &old, "name", "meanwhile");
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::AccountGone)));
    assert_eq!((stage.writes(), stage.body(Side::Old, &old).enabled), (writes, true));
    // The pool is back: no account is gone, and the delayed changes travel.
    stage.world.lock().pools.new = elsewhere;
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("meanwhile"));
    assert_eq!(stage.entry(Side::Old, &old).tombstone, None);
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn invariant_07_no_mass_deletion_one_missed_observation_proves_nothing() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.account(Side::New, 2, "two@example.com", true);
    for _ in 0..5 {
        // An observation that misses the account, then one that finds it, however often.
        stage.edit(Side::New, &new, |body| body.exists = false);
        let change = stage.change(Side::New, &new, Proof::Changed);
        stage.wait(limits::SETTLE);
        assert!(matches!(stage.look(&change).verdict, Verdict::Later(..)));
        stage.edit(Side::New, &new, |body| body.exists = true);
        stage.wait(limits::SETTLE * 2);
        stage.captured(Side::New, &new);
        let known = stage.entry(Side::Old, &old).accounts.new.unwrap();
        assert_eq!(known.gone, None, "it was seen again");
    }
    // An event reports a deletion, but the account can be read, so it was not deleted.
    assert_eq!(stage.deleted(Side::New, &new).last(), Some(&Verdict::AlreadyTrue));
    assert!(stage.body(Side::Old, &old).enabled);
    assert_eq!(stage.entry(Side::Old, &old).tombstone, None);
}

#[test]
fn invariant_07_no_mass_deletion_a_breaker_stops_it() {
    let mut stage = Stage::new(Provision::Lazy);
    let most = usize::try_from(limits::REMOVALS_LEAST).unwrap();
    let mut pairs = Vec::new();
    for human in 0..most + 6 {
        let (number, address) = (u32::try_from(human).unwrap(), format!("p{human}@e.com"));
        let old = stage.account(Side::Old, number, &address, true);
        let new = stage.account(Side::New, number, &address, true);
        stage.captured(Side::Old, &old);
        pairs.push((old, new));
    }
    let (kept, gone) = pairs.split_at(2);
    for (old, _) in gone {
        stage.edit(Side::Old, old, |body| body.exists = false);
        stage.deleted(Side::Old, old);
    }
    let closed =
        |stage: &Stage| gone.iter().filter(|(_, new)| !stage.body(Side::New, new).enabled).count();
    assert_eq!(closed(&stage), most);
    let breaker = stage.world.lock().table.control.breaker.clone();
    assert!(breaker.is_some_and(|breaker| !breaker.reason.contains('@')));
    let held = |stage: &Stage| {
        let entries = gone.iter().map(|(old, _)| stage.entry(Side::Old, old));
        entries.filter(|entry| entry.reason == Some(Reason::Breaker)).count()
    };
    assert_eq!(held(&stage), gone.len() - most);
    // An hour later it is still open: an operator must decide.
    stage.wait(limits::REMOVALS_WINDOW);
    let last = gone.last().unwrap();
    let verdicts = stage.captured(Side::Old, &last.0);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::Breaker)));
    assert!(stage.body(Side::New, &last.1).enabled);
    // A disable by an administrator is not poolbridge's own removal, and is never held (invariant
    // 10).
    let (old, new) = &kept[0];
    stage.edit(Side::Old, old, |body| body.enabled = false);
    stage.captured(Side::Old, old);
    assert!(!stage.body(Side::New, new).enabled);
    stage.world.lock().table.control.breaker = None;
    for (old, _) in gone {
        stage.captured(Side::Old, old);
    }
    assert_eq!((closed(&stage), held(&stage)), (gone.len(), 0));
}

/// A pair, and one more account in each pool.
fn pair_and_bystanders(stage: &mut Stage) -> (Sub, Sub) {
    let pair = stage.pair();
    stage.account(Side::Old, 2, "two@example.com", true);
    stage.account(Side::New, 2, "two@example.com", true);
    pair
}

#[test]
fn absence_twice_an_account_that_reads_exists_whatever_its_list_of_groups_answers() {
    let mut stage = Stage::new(Provision::Lazy);
    stage.policy.deletes = Deletes::Delete;
    let (old, new) = pair_and_bystanders(&mut stage);
    stage.set(Side::Old, &old, "name", "n");
    let gone = FaultKind::AccountGone;
    stage.world.lock().pools.new.fails.insert("AdminListGroupsForUser", gone);
    stage.capture(Side::Old, &old);
    for _ in 0..4 {
        stage.wait(limits::RETRY_SLOWLY);
        let change = stage.change(Side::Old, &old, Proof::Changed);
        let verdict = stage.look(&change).verdict;
        assert!(matches!(verdict, Verdict::Later(_, Reason::Outside(_))), "{verdict:?}");
        let known = stage.entry(Side::Old, &old).accounts.new.unwrap();
        assert_eq!(known.gone, None, "it counted as absent");
    }
    assert!(stage.body(Side::Old, &old).exists && stage.body(Side::New, &new).exists);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("n"), "the rest travels");
}

#[test]
fn invariant_07_a_pool_that_lists_no_groups_has_no_canary_account() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = pair_and_bystanders(&mut stage);
    stage.edit(Side::New, &new, |body| body.exists = false);
    let gone = FaultKind::AccountGone;
    stage.world.lock().pools.new.fails.insert("AdminListGroupsForUser", gone);
    let held = Verdict::Held(Reason::AccountGone);
    assert_eq!(stage.deleted(Side::New, &new).last(), Some(&held));
    assert!(stage.body(Side::Old, &old).enabled, "removed without a canary");
    // Once the pool answers correctly, the deletion counts.
    stage.world.lock().pools.new.fails.clear();
    stage.deleted(Side::New, &new);
    assert!(!stage.body(Side::Old, &old).enabled);
}

#[test]
fn absence_twice_a_late_claim_of_a_deletion_and_one_missed_read_remove_no_account() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = pair_and_bystanders(&mut stage);
    // Held for a group, so that each run plans again and finds nothing to write.
    stage.world.lock().pools.old.shape.groups.insert(group("guests"));
    stage.edit(Side::Old, &old, |body| body.groups = [group("guests")].into());
    let held = Verdict::Held(Reason::GroupMissing);
    assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
    let claim = stage.change(Side::New, &new, Proof::Deleted);
    stage.wait(limits::SETTLE * 6);
    // An observation shows the account, long after that claim. A moment later, a read misses it.
    let change = stage.change(Side::New, &new, Proof::Changed);
    stage.look(&change);
    stage.edit(Side::New, &new, |body| body.exists = false);
    stage.wait(Duration::from_secs(1));
    let verdict = stage.look(&claim).verdict;
    assert!(matches!(verdict, Verdict::Later(..)), "{verdict:?}");
    assert_eq!(stage.entry(Side::Old, &old).tombstone, None);
    assert!(stage.body(Side::Old, &old).enabled, "a living person was disabled");
}

#[test]
fn intent_settles_first_apply_waits_for_a_disable_that_may_still_land() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = pair_and_bystanders(&mut stage);
    stage.edit(Side::Old, &old, |body| body.exists = false);
    stage.world.lock().weather = Weather::new(Climate {
        fault_one_in: 1,
        faults_max: 1,
        faults: vec![Fate::RequestLost],
        only: Some("AdminDisableUser"),
        ..Climate::calm()
    });
    let change = stage.change(Side::Old, &old, Proof::Deleted);
    stage.wait(limits::SETTLE * 2);
    let verdict = stage.look(&change).verdict;
    let Verdict::Later(after, _) = verdict else { panic!("{verdict:?}") };
    // The lease says until when it can land. What the account shows before D after that proves
    // nothing.
    let least = limits::PERSON_TIME_MAX + limits::LANDING_TIME + limits::SETTLE;
    assert!(after >= least, "processed again after {after:?}, although it can land until then");
    let entry = stage.entry(Side::Old, &old);
    let now = stage.world.lock().now;
    assert!(entry.not_before >= now + least, "another message may cause an earlier observation");
    assert!(entry.tombstone.unwrap().owed.is_some());
    stage.wait(after);
    assert_eq!(stage.look(&change).verdict, Verdict::Applied);
    assert!(!stage.body(Side::New, &new).enabled);
}
