//! What an operator decides about who is who: `poolbridge link` and `poolbridge unlink`.

use std::collections::BTreeSet;

use poolbridge_core::account::Status;
use poolbridge_core::change::Proof;
use poolbridge_core::converge::operator::Refusal;
use poolbridge_core::entry::{DecisionKind, State as PersonState};
use poolbridge_core::limits;
use poolbridge_core::mapping::Mapping;
use poolbridge_core::names::Sub;
use poolbridge_core::policy::{Deletes, MatchBy, Phase, Provision};
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::accounts::attribute;
use poolbridge_tests::world::weather::{Climate, Fate, Weather};

use super::{federated, linked, trouble};

const PAT: &str = "pat@example.com";

fn decided(stage: &Stage, side: Side, sub: &Sub, kind: DecisionKind) -> usize {
    stage.entry(side, sub).decisions.iter().filter(|it| it.kind == kind).count()
}

/// Two accounts with one address, linked by it although they belong to two people. Afterwards each
/// sets another name.
fn wrongly_linked(provision: Provision) -> (Stage, Sub, Sub) {
    let mut stage = Stage::new(provision);
    // Accounts that prove that the pools answer.
    for side in Side::BOTH {
        stage.account(side, 9, "nine@example.com", true);
    }
    let (old, new) = stage.pair();
    stage.wait(limits::SETTLE);
    (stage, old, new)
}

#[test]
fn operator_links_two_ambiguous_accounts() {
    let mut stage = Stage::new(Provision::Lazy);
    let old = stage.account(Side::Old, 1, PAT, true);
    let new = stage.account(Side::New, 1, PAT, true);
    let other = stage.account(Side::New, 2, PAT, true);
    stage.set(Side::Old, &old, "name", "Pat");
    let held = Verdict::Held(Reason::Ambiguous);
    assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
    stage.captured(Side::New, &other);
    stage.wait(limits::SETTLE);
    assert_eq!(stage.link(&old, &new, false), Ok(()));
    stage.settle();
    assert!(linked(&stage, &old, &new));
    let entry = stage.entry(Side::Old, &old);
    assert_eq!((entry.state, entry.reason), (PersonState::Synced, None));
    assert_eq!(decided(&stage, Side::Old, &old, DecisionKind::LinkedByOperator), 1);
    // The first-link rules decide: a value wins over an absence.
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("Pat"));
    // The other account stays a separate person, and is not linked too.
    stage.captured(Side::New, &other);
    assert_eq!(stage.entry(Side::New, &other).accounts.old, None);
    assert!(stage.says(Side::New, &other, "name").is_none());
}

#[test]
fn operator_links_accounts_without_a_person_record() {
    let mut stage = Stage::new(Provision::Lazy);
    let old = stage.account(Side::Old, 1, "one@example.com", false);
    let new = stage.account(Side::New, 1, "two@example.com", true);
    assert_eq!(stage.link(&old, &new, false), Ok(()));
    stage.settle();
    assert!(linked(&stage, &old, &new));
    assert_eq!(stage.link(&old, &new, false), Err(Refusal::AlreadyLinked));
}

#[test]
fn separated_accounts_keep_their_values_and_are_not_linked_again() {
    for provision in [Provision::Lazy, Provision::Eager] {
        for by in Side::BOTH {
            let (mut stage, old, new) = wrongly_linked(provision);
            stage.set(Side::Old, &old, "name", "Old");
            stage.captured(Side::Old, &old);
            stage.wait(limits::SETTLE);
            let (writes, living) = (stage.writes(), stage.living(Side::New));
            let bodies = (stage.body(Side::Old, &old), stage.body(Side::New, &new));
            let named = if by == Side::Old { &old } else { &new };
            assert_eq!(stage.unlink(by, named), Ok(()));
            stage.settle();
            for (side, sub) in [(Side::Old, &old), (Side::New, &new)] {
                stage.captured(side, sub);
                assert_eq!(stage.entry(side, sub).accounts.get(side.other()), &None);
                assert_eq!(decided(&stage, side, sub, DecisionKind::UnlinkedByOperator), 1);
            }
            assert_ne!(stage.entry(Side::Old, &old).id, stage.entry(Side::New, &new).id);
            // A search runs again after its result was forgotten, finds the other account, and
            // skips it.
            stage.wait(limits::MISS_REMEMBERED * 2);
            stage.captured(Side::New, &new);
            stage.set(Side::New, &new, "name", "New");
            stage.captured(Side::New, &new);
            stage.captured(Side::Old, &old);
            assert_eq!(stage.entry(Side::Old, &old).accounts.new, None, "{provision:?}");
            assert_eq!(stage.says(Side::Old, &old, "name").as_deref(), Some("Old"));
            assert_eq!(stage.body(Side::Old, &old), bodies.0);
            assert_eq!(stage.body(Side::New, &new).attributes.len(), bodies.1.attributes.len());
            assert_eq!((stage.writes(), stage.living(Side::New)), (writes, living));
        }
    }
}

#[test]
fn separated_person_does_not_wait_where_accounts_are_not_created() {
    let (mut stage, old, _) = wrongly_linked(Provision::Lazy);
    assert_eq!(stage.unlink(Side::Old, &old), Ok(()));
    stage.settle();
    let entry = stage.entry(Side::Old, &old);
    assert_eq!((entry.state, entry.reason), (PersonState::OnlyOld, None));
}

#[test]
fn no_account_is_created_where_a_separated_one_exists() {
    let (mut stage, old, new) = wrongly_linked(Provision::Eager);
    let living = stage.living(Side::New);
    assert_eq!(stage.unlink(Side::New, &new), Ok(()));
    stage.settle();
    // Not after an edit of the address either: no search finds the other account then.
    stage.set(Side::Old, &old, "email", "three@example.com");
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::Separated)));
    assert_eq!(stage.living(Side::New), living);
}

#[test]
fn deleting_a_separated_account_does_not_touch_the_other() {
    for deletes in [Deletes::Disable, Deletes::Delete] {
        for gone in Side::BOTH {
            let (mut stage, old, new) = wrongly_linked(Provision::Lazy);
            stage.policy.deletes = deletes;
            assert_eq!(stage.unlink(Side::Old, &old), Ok(()));
            stage.settle();
            let (dead, alive) = if gone == Side::Old { (&old, &new) } else { (&new, &old) };
            let before = stage.body(gone.other(), alive);
            stage.edit(gone, dead, |body| body.exists = false);
            let verdicts = stage.deleted(gone, dead);
            assert_eq!(stage.entry(gone, dead).state, PersonState::Deleted, "{verdicts:?}");
            assert_eq!(stage.body(gone.other(), alive), before, "{deletes:?}");
            stage.captured(gone.other(), alive);
            let entry = stage.entry(gone.other(), alive);
            assert_eq!((entry.state, entry.tombstone), (PersonState::only(gone.other()), None));
        }
    }
}

#[test]
fn separation_after_a_deletion_frees_the_account_that_is_left() {
    let (mut stage, old, new) = wrongly_linked(Provision::Eager);
    stage.edit(Side::Old, &old, |body| body.exists = false);
    stage.deleted(Side::Old, &old);
    assert!(!stage.body(Side::New, &new).enabled, "the wrong link disables it");
    stage.wait(limits::SETTLE);
    assert_eq!(stage.unlink(Side::New, &new), Ok(()));
    stage.settle();
    // The tombstone stays with the account that was deleted.
    let dead = stage.entry(Side::Old, &old);
    assert_eq!(dead.tombstone.map(|it| (it.side, it.owed)), Some((Side::Old, None)));
    assert!(!stage.body(Side::New, &new).enabled, "nothing in a pool is written");
    // An administrator enables the other one. It stays enabled, and no account is created again.
    let living = stage.living(Side::Old);
    stage.edit(Side::New, &new, |body| body.enabled = true);
    stage.captured(Side::New, &new);
    let entry = stage.entry(Side::New, &new);
    assert_eq!((entry.reason, entry.tombstone), (Some(Reason::Separated), None));
    assert!(stage.body(Side::New, &new).enabled);
    assert_eq!(stage.living(Side::Old), living);
}

#[test]
fn separation_cancels_what_a_deletion_still_owes_to_the_other_account() {
    let (mut stage, old, new) = wrongly_linked(Provision::Lazy);
    stage.edit(Side::Old, &old, |body| body.exists = false);
    let change = stage.change(Side::Old, &old, Proof::Deleted);
    stage.wait(limits::SETTLE);
    trouble(&stage.world, "AdminDisableUser", Fate::Throttled, 1);
    stage.look(&change);
    stage.world.lock().weather = Weather::new(Climate::calm());
    let owed = |stage: &Stage| stage.entry(Side::Old, &old).tombstone.and_then(|it| it.owed);
    assert!(owed(&stage).is_some() && stage.body(Side::New, &new).enabled);
    stage.wait(limits::SETTLE * 12);
    assert_eq!(stage.unlink(Side::New, &new), Ok(()));
    assert_eq!(owed(&stage), None);
    stage.settle();
    stage.deleted(Side::Old, &old);
    assert!(stage.body(Side::New, &new).enabled, "another person's account is disabled");
}

#[test]
fn link_takes_a_separation_back() {
    let (mut stage, old, new) = wrongly_linked(Provision::Lazy);
    assert_eq!(stage.unlink(Side::Old, &old), Ok(()));
    stage.settle();
    stage.wait(limits::SETTLE);
    assert_eq!(stage.link(&old, &new, false), Ok(()));
    stage.settle();
    let entry = stage.entry(Side::Old, &old);
    assert_eq!(entry.state, PersonState::Synced);
    assert!(linked(&stage, &old, &new) && entry.apart.is_empty());
}

#[test]
fn separated_account_still_counts_as_a_holder_of_its_address() {
    let (mut stage, old, new) = wrongly_linked(Provision::Lazy);
    assert_eq!(stage.unlink(Side::Old, &old), Ok(()));
    stage.settle();
    let right = stage.account(Side::New, 3, "one@example.com", true);
    // Two accounts of one pool verified the address: apply links neither without an operator's
    // decision.
    let change = stage.captured(Side::New, &right);
    assert_eq!(change.last(), Some(&Verdict::Held(Reason::Ambiguous)));
    stage.wait(limits::MISS_REMEMBERED * 2);
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::Ambiguous)));
    stage.wait(limits::SETTLE);
    assert_eq!(stage.link(&old, &right, false), Ok(()));
    stage.settle();
    assert!(linked(&stage, &old, &right));
    // Separated again, it is apart from both.
    stage.wait(limits::SETTLE);
    assert_eq!(stage.unlink(Side::New, &right), Ok(()));
    let apart = stage.entry(Side::Old, &old).apart;
    assert_eq!(apart.of(Side::New), &BTreeSet::from([new, right.clone()]));
    assert_eq!(stage.entry(Side::New, &right).apart.of(Side::New), &BTreeSet::new());
}

#[test]
fn separated_account_that_names_the_old_sub_is_not_linked_again() {
    for provision in [Provision::Lazy, Provision::Eager] {
        let mut stage = Stage::new(provision);
        let name = attribute("custom:old_sub");
        stage.policy.match_by = MatchBy::OldSub(name.clone());
        let dropped = BTreeSet::from([name.clone()]);
        stage.policy.mapping = Mapping::new(Vec::new(), &dropped, false, true).unwrap();
        let old = stage.account(Side::Old, 1, "one@example.com", true);
        let new = stage.account(Side::New, 1, "one@example.com", true);
        stage.set(Side::New, &new, name.as_str(), old.as_str());
        stage.captured(Side::New, &new);
        assert!(linked(&stage, &old, &new));
        stage.wait(limits::SETTLE);
        assert_eq!(stage.unlink(Side::Old, &old), Ok(()));
        stage.settle();
        stage.captured(Side::New, &new);
        assert_eq!(stage.entry(Side::New, &new).accounts.old, None);
        assert_eq!((stage.living(Side::Old), stage.living(Side::New)), (1, 1));
    }
}

#[test]
fn federated_account_is_linked_to_a_local_one_only_on_explicit_request() {
    let mut stage = Stage::new(Provision::Lazy);
    let local = stage.account(Side::Old, 1, PAT, true);
    let twin = federated(&stage, Side::New, 1, "Google_1", PAT);
    let other = federated(&stage, Side::Old, 2, "Okta_1", PAT);
    let same = federated(&stage, Side::Old, 3, "Google_1", "three@example.com");
    stage.wait(limits::SETTLE * 12);
    assert_eq!(stage.link(&local, &twin, false), Err(Refusal::Federated));
    assert_eq!(stage.link(&other, &twin, false), Err(Refusal::Federated));
    assert_eq!(stage.link(&local, &twin, true), Ok(()));
    stage.settle();
    assert!(linked(&stage, &local, &twin));
    stage.wait(limits::SETTLE);
    assert_eq!(stage.unlink(Side::New, &twin), Ok(()));
    stage.settle();
    stage.wait(limits::SETTLE);
    // The same provider and provider user id need no operator's decision.
    stage.captured(Side::Old, &same);
    let there = stage.entry(Side::Old, &same).accounts.new.map(|known| known.sub);
    assert_eq!(there, Some(twin), "the separation is from the local account alone");
}

#[test]
fn link_of_wrong_accounts_is_refused_and_writes_nothing() {
    let (mut stage, old, new) = wrongly_linked(Provision::Lazy);
    let third = stage.account(Side::Old, 3, "three@example.com", true);
    let fourth = stage.account(Side::New, 4, "four@example.com", true);
    let unconfirmed = stage.account(Side::New, 5, "five@example.com", true);
    stage.edit(Side::New, &unconfirmed, |body| body.status = Status::Unconfirmed);
    let nobody = Sub::try_from("nobody-at-all").unwrap();
    stage.wait(limits::SETTLE * 12);
    let before = stage.world.lock().table.people.clone();
    let refusals = [
        (&third, &new, Refusal::LinkedElsewhere(Side::New)),
        (&old, &fourth, Refusal::LinkedElsewhere(Side::Old)),
        (&third, &nobody, Refusal::NoAccount(Side::New)),
        (&nobody, &fourth, Refusal::NoAccount(Side::Old)),
        (&fourth, &third, Refusal::OtherPool(Side::Old)),
        (&third, &old, Refusal::OtherPool(Side::New)),
        (&third, &unconfirmed, Refusal::Unconfirmed(Side::New)),
    ];
    for (old, new, refusal) in refusals {
        assert_eq!(stage.link(old, new, true), Err(refusal));
    }
    assert_eq!(stage.unlink(Side::Old, &third), Err(Refusal::Unknown));
    stage.captured(Side::Old, &third);
    stage.wait(limits::SETTLE);
    assert_eq!(stage.unlink(Side::Old, &third), Err(Refusal::NotLinked));
    stage.world.lock().table.control.closing = true;
    assert_eq!(stage.link(&third, &fourth, true), Err(Refusal::Barred(Reason::Closing)));
    assert_eq!(stage.unlink(Side::Old, &old), Err(Refusal::Barred(Reason::Closing)));
    stage.world.lock().table.control.closing = false;
    stage.world.lock().table.control.phase = Phase::Complete;
    assert_eq!(stage.unlink(Side::Old, &old), Err(Refusal::Barred(Reason::Complete)));
    stage.world.lock().table.control.phase = Phase::Follow;
    stage.world.lock().table.control.paused = Some("maintenance".to_owned());
    let held = |stage: &Stage| {
        let people = stage.world.lock().table.people.clone();
        people.values().any(|person| person.lease.is_some())
    };
    assert!(!held(&stage), "a lease stays after a refusal");
    let kept = before.keys().all(|id| stage.world.lock().table.people.contains_key(id));
    assert!(kept, "a person record is missing");
    // A pause does not stop it: no pool is written.
    stage.wait(limits::SETTLE);
    assert_eq!(stage.link(&third, &fourth, false), Ok(()));
}

#[test]
fn deleted_person_is_linked_to_no_account() {
    let (mut stage, old, new) = wrongly_linked(Provision::Lazy);
    let other = stage.account(Side::Old, 2, "two@example.com", true);
    stage.edit(Side::Old, &old, |body| body.exists = false);
    stage.deleted(Side::Old, &old);
    stage.wait(limits::SETTLE);
    assert_eq!(stage.link(&other, &new, true), Err(Refusal::Deleted(Side::New)));
}

#[test]
fn separation_waits_for_a_write_that_may_still_land() {
    let (mut stage, old, new) = wrongly_linked(Provision::Lazy);
    stage.set(Side::Old, &old, "name", "Old");
    let change = stage.change(Side::Old, &old, Proof::Changed);
    stage.wait(limits::SETTLE);
    trouble(&stage.world, "AdminUpdateUserAttributes", Fate::AnswerLost, 1);
    stage.look(&change);
    stage.world.lock().weather = Weather::new(Climate::calm());
    assert!(stage.entry(Side::Old, &old).intent.is_some());
    assert!(matches!(stage.unlink(Side::Old, &old), Err(Refusal::Busy(..))));
    assert!(linked(&stage, &old, &new));
    let until = stage.entry(Side::Old, &old).intent.map(|intent| intent.until);
    let now = stage.world.lock().now;
    stage.wait(until.unwrap().since(now) + limits::SETTLE);
    let before = stage.body(Side::New, &new);
    assert_eq!(stage.unlink(Side::Old, &old), Ok(()));
    stage.settle();
    assert_eq!(stage.body(Side::New, &new), before);
    assert!(stage.entry(Side::Old, &old).intent.is_none());
}

#[test]
fn separation_ends_no_session_and_closes_no_password() {
    let (mut stage, old, new) = wrongly_linked(Provision::Lazy);
    {
        let mut world = stage.world.lock();
        let id = world.table.find(Side::Old, &old).map(|entry| entry.id.clone()).unwrap();
        let entry = world.table.people.get_mut(&id).unwrap();
        let at = entry.updated;
        entry.passwords.set.old = Some(at);
        entry.passwords.closed.new = Some(at);
        entry.passwords.owes_sign_out.new = true;
        entry.owes_password = Some(Side::New);
    }
    let writes = stage.writes();
    assert_eq!(stage.unlink(Side::Old, &old), Ok(()));
    stage.settle();
    let (one, two) = (stage.entry(Side::Old, &old), stage.entry(Side::New, &new));
    assert_eq!((one.passwords.set.old.is_some(), two.passwords.set.old), (true, None));
    assert!(two.passwords.closed.new.is_some(), "an operator sees why its password fails");
    assert!(!two.passwords.owes_sign_out.new && one.owes_password.is_none());
    assert_eq!(two.owes_password, Some(Side::New), "its owner cannot get in without it");
    assert_eq!(stage.writes(), writes);
}
