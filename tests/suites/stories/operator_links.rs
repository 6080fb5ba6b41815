//! What an operator decides about who is who: `poolbridge link` and `poolbridge unlink`.

use std::collections::BTreeSet;

use poolbridge_core::account::Status;
use poolbridge_core::change::Evidence;
use poolbridge_core::control::Phase;
use poolbridge_core::limits;
use poolbridge_core::mapping::Mapping;
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::{Deletes, MatchBy, Provision};
use poolbridge_core::reconcile::operator::LinkRefusal;
use poolbridge_core::record::{DecisionKind, PersonState};
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::accounts::attribute;
use poolbridge_tests::world::fault_injection::{CallFate, FaultInjection, FaultRates};

use super::{federated, inject_faults, linked};

const PAT: &str = "pat@example.com";

fn decided(setup: &Setup, side: Side, sub: &Sub, kind: DecisionKind) -> usize {
    setup.record(side, sub).decisions.iter().filter(|it| it.kind == kind).count()
}

/// Two accounts with one address, linked by it although they belong to two people. Afterwards each
/// sets another name.
fn wrongly_linked(provision: Provision) -> (Setup, Sub, Sub) {
    let mut setup = Setup::new(provision);
    // Accounts that prove that the pools answer.
    for side in Side::BOTH {
        setup.account(side, 9, "nine@example.com", true);
    }
    let (old, new) = setup.pair();
    setup.wait(limits::SETTLE);
    (setup, old, new)
}

#[test]
fn operator_links_two_ambiguous_accounts() {
    let mut setup = Setup::new(Provision::Lazy);
    let old = setup.account(Side::Old, 1, PAT, true);
    let new = setup.account(Side::New, 1, PAT, true);
    let other = setup.account(Side::New, 2, PAT, true);
    setup.set(Side::Old, &old, "name", "Pat");
    let held = Outcome::Held(Reason::Ambiguous);
    assert_eq!(setup.captured(Side::Old, &old).last(), Some(&held));
    setup.captured(Side::New, &other);
    setup.wait(limits::SETTLE);
    assert_eq!(setup.link(&old, &new, false), Ok(()));
    setup.settle();
    assert!(linked(&setup, &old, &new));
    let record = setup.record(Side::Old, &old);
    assert_eq!((record.state, record.reason), (PersonState::Synced, None));
    assert_eq!(decided(&setup, Side::Old, &old, DecisionKind::LinkedByOperator), 1);
    // The first-link rules decide: a value wins over an absence.
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("Pat"));
    // The other account stays a separate person, and is not linked too.
    setup.captured(Side::New, &other);
    assert_eq!(setup.record(Side::New, &other).accounts.old, None);
    assert!(setup.attribute(Side::New, &other, "name").is_none());
}

#[test]
fn operator_links_accounts_without_a_person_record() {
    let mut setup = Setup::new(Provision::Lazy);
    let old = setup.account(Side::Old, 1, "one@example.com", false);
    let new = setup.account(Side::New, 1, "two@example.com", true);
    assert_eq!(setup.link(&old, &new, false), Ok(()));
    setup.settle();
    assert!(linked(&setup, &old, &new));
    assert_eq!(setup.link(&old, &new, false), Err(LinkRefusal::AlreadyLinked));
}

#[test]
fn separated_accounts_keep_their_values_and_are_not_linked_again() {
    for provision in [Provision::Lazy, Provision::Eager] {
        for by in Side::BOTH {
            let (mut setup, old, new) = wrongly_linked(provision);
            setup.set(Side::Old, &old, "name", "Old");
            setup.captured(Side::Old, &old);
            setup.wait(limits::SETTLE);
            let (writes, living) = (setup.writes(), setup.living(Side::New));
            let bodies = (setup.body(Side::Old, &old), setup.body(Side::New, &new));
            let named = if by == Side::Old { &old } else { &new };
            assert_eq!(setup.unlink(by, named), Ok(()));
            setup.settle();
            for (side, sub) in [(Side::Old, &old), (Side::New, &new)] {
                setup.captured(side, sub);
                assert_eq!(setup.record(side, sub).accounts.get(side.other()), &None);
                assert_eq!(decided(&setup, side, sub, DecisionKind::UnlinkedByOperator), 1);
            }
            assert_ne!(setup.record(Side::Old, &old).id, setup.record(Side::New, &new).id);
            // A search runs again after its result was forgotten, finds the other account, and
            // skips it.
            setup.wait(limits::FAILED_LOOKUP_REMEMBERED * 2);
            setup.captured(Side::New, &new);
            setup.set(Side::New, &new, "name", "New");
            setup.captured(Side::New, &new);
            setup.captured(Side::Old, &old);
            assert_eq!(setup.record(Side::Old, &old).accounts.new, None, "{provision:?}");
            assert_eq!(setup.attribute(Side::Old, &old, "name").as_deref(), Some("Old"));
            assert_eq!(setup.body(Side::Old, &old), bodies.0);
            assert_eq!(setup.body(Side::New, &new).attributes.len(), bodies.1.attributes.len());
            assert_eq!((setup.writes(), setup.living(Side::New)), (writes, living));
        }
    }
}

#[test]
fn separated_person_does_not_wait_where_accounts_are_not_created() {
    let (mut setup, old, _) = wrongly_linked(Provision::Lazy);
    assert_eq!(setup.unlink(Side::Old, &old), Ok(()));
    setup.settle();
    let record = setup.record(Side::Old, &old);
    assert_eq!((record.state, record.reason), (PersonState::OnlyOld, None));
}

#[test]
fn no_account_is_created_where_a_separated_one_exists() {
    let (mut setup, old, new) = wrongly_linked(Provision::Eager);
    let living = setup.living(Side::New);
    assert_eq!(setup.unlink(Side::New, &new), Ok(()));
    setup.settle();
    // Not after an edit of the address either: no search finds the other account then.
    setup.set(Side::Old, &old, "email", "three@example.com");
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::Separated)));
    assert_eq!(setup.living(Side::New), living);
}

#[test]
fn deleting_a_separated_account_does_not_touch_the_other() {
    for deletes in [Deletes::Disable, Deletes::Delete] {
        for gone in Side::BOTH {
            let (mut setup, old, new) = wrongly_linked(Provision::Lazy);
            setup.policy.deletes = deletes;
            assert_eq!(setup.unlink(Side::Old, &old), Ok(()));
            setup.settle();
            let (dead, alive) = if gone == Side::Old { (&old, &new) } else { (&new, &old) };
            let before = setup.body(gone.other(), alive);
            setup.edit(gone, dead, |body| body.exists = false);
            let outcomes = setup.deleted(gone, dead);
            assert_eq!(setup.record(gone, dead).state, PersonState::Deleted, "{outcomes:?}");
            assert_eq!(setup.body(gone.other(), alive), before, "{deletes:?}");
            setup.captured(gone.other(), alive);
            let record = setup.record(gone.other(), alive);
            assert_eq!((record.state, record.tombstone), (PersonState::only(gone.other()), None));
        }
    }
}

#[test]
fn separation_after_a_deletion_frees_the_account_that_is_left() {
    let (mut setup, old, new) = wrongly_linked(Provision::Eager);
    setup.edit(Side::Old, &old, |body| body.exists = false);
    setup.deleted(Side::Old, &old);
    assert!(!setup.body(Side::New, &new).enabled, "the wrong link disables it");
    setup.wait(limits::SETTLE);
    assert_eq!(setup.unlink(Side::New, &new), Ok(()));
    setup.settle();
    // The tombstone stays with the account that was deleted.
    let dead = setup.record(Side::Old, &old);
    assert_eq!(dead.tombstone.map(|it| (it.side, it.owed)), Some((Side::Old, None)));
    assert!(!setup.body(Side::New, &new).enabled, "nothing in a pool is written");
    // An administrator enables the other one. It stays enabled, and no account is created again.
    let living = setup.living(Side::Old);
    setup.edit(Side::New, &new, |body| body.enabled = true);
    setup.captured(Side::New, &new);
    let record = setup.record(Side::New, &new);
    assert_eq!((record.reason, record.tombstone), (Some(Reason::Separated), None));
    assert!(setup.body(Side::New, &new).enabled);
    assert_eq!(setup.living(Side::Old), living);
}

#[test]
fn separation_cancels_what_a_deletion_still_owes_to_the_other_account() {
    let (mut setup, old, new) = wrongly_linked(Provision::Lazy);
    setup.edit(Side::Old, &old, |body| body.exists = false);
    let change = setup.change(Side::Old, &old, Evidence::Deleted);
    setup.wait(limits::SETTLE);
    inject_faults(&setup.world, "AdminDisableUser", CallFate::Throttled, 1);
    setup.process(&change);
    setup.world.lock().fault_injection = FaultInjection::new(FaultRates::none());
    let owed = |setup: &Setup| setup.record(Side::Old, &old).tombstone.and_then(|it| it.owed);
    assert!(owed(&setup).is_some() && setup.body(Side::New, &new).enabled);
    setup.wait(limits::SETTLE * 12);
    assert_eq!(setup.unlink(Side::New, &new), Ok(()));
    assert_eq!(owed(&setup), None);
    setup.settle();
    setup.deleted(Side::Old, &old);
    assert!(setup.body(Side::New, &new).enabled, "another person's account is disabled");
}

#[test]
fn link_takes_a_separation_back() {
    let (mut setup, old, new) = wrongly_linked(Provision::Lazy);
    assert_eq!(setup.unlink(Side::Old, &old), Ok(()));
    setup.settle();
    setup.wait(limits::SETTLE);
    assert_eq!(setup.link(&old, &new, false), Ok(()));
    setup.settle();
    let record = setup.record(Side::Old, &old);
    assert_eq!(record.state, PersonState::Synced);
    assert!(linked(&setup, &old, &new) && record.apart.is_empty());
}

#[test]
fn separated_account_still_counts_as_a_holder_of_its_address() {
    let (mut setup, old, new) = wrongly_linked(Provision::Lazy);
    assert_eq!(setup.unlink(Side::Old, &old), Ok(()));
    setup.settle();
    let right = setup.account(Side::New, 3, "one@example.com", true);
    // Two accounts of one pool verified the address: apply links neither without an operator's
    // decision.
    let change = setup.captured(Side::New, &right);
    assert_eq!(change.last(), Some(&Outcome::Held(Reason::Ambiguous)));
    setup.wait(limits::FAILED_LOOKUP_REMEMBERED * 2);
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::Ambiguous)));
    setup.wait(limits::SETTLE);
    assert_eq!(setup.link(&old, &right, false), Ok(()));
    setup.settle();
    assert!(linked(&setup, &old, &right));
    // Separated again, it is apart from both.
    setup.wait(limits::SETTLE);
    assert_eq!(setup.unlink(Side::New, &right), Ok(()));
    let apart = setup.record(Side::Old, &old).apart;
    assert_eq!(apart.of(Side::New), &BTreeSet::from([new, right.clone()]));
    assert_eq!(setup.record(Side::New, &right).apart.of(Side::New), &BTreeSet::new());
}

#[test]
fn separated_account_that_names_the_old_sub_is_not_linked_again() {
    for provision in [Provision::Lazy, Provision::Eager] {
        let mut setup = Setup::new(provision);
        let name = attribute("custom:old_sub");
        setup.policy.match_by = MatchBy::OldSub(name.clone());
        let dropped = BTreeSet::from([name.clone()]);
        setup.policy.mapping = Mapping::new(Vec::new(), &dropped, false, true).unwrap();
        let old = setup.account(Side::Old, 1, "one@example.com", true);
        let new = setup.account(Side::New, 1, "one@example.com", true);
        setup.set(Side::New, &new, name.as_str(), old.as_str());
        setup.captured(Side::New, &new);
        assert!(linked(&setup, &old, &new));
        setup.wait(limits::SETTLE);
        assert_eq!(setup.unlink(Side::Old, &old), Ok(()));
        setup.settle();
        setup.captured(Side::New, &new);
        assert_eq!(setup.record(Side::New, &new).accounts.old, None);
        assert_eq!((setup.living(Side::Old), setup.living(Side::New)), (1, 1));
    }
}

#[test]
fn federated_account_is_linked_to_a_local_one_only_on_explicit_request() {
    let mut setup = Setup::new(Provision::Lazy);
    let local = setup.account(Side::Old, 1, PAT, true);
    let federated_account = federated(&setup, Side::New, 1, "Google_1", PAT);
    let other = federated(&setup, Side::Old, 2, "Okta_1", PAT);
    let same = federated(&setup, Side::Old, 3, "Google_1", "three@example.com");
    setup.wait(limits::SETTLE * 12);
    assert_eq!(setup.link(&local, &federated_account, false), Err(LinkRefusal::Federated));
    assert_eq!(setup.link(&other, &federated_account, false), Err(LinkRefusal::Federated));
    assert_eq!(setup.link(&local, &federated_account, true), Ok(()));
    setup.settle();
    assert!(linked(&setup, &local, &federated_account));
    setup.wait(limits::SETTLE);
    assert_eq!(setup.unlink(Side::New, &federated_account), Ok(()));
    setup.settle();
    setup.wait(limits::SETTLE);
    // The same provider and provider user id need no operator's decision.
    setup.captured(Side::Old, &same);
    let there = setup.record(Side::Old, &same).accounts.new.map(|known| known.sub);
    assert_eq!(there, Some(federated_account), "the separation is from the local account alone");
}

#[test]
fn link_of_wrong_accounts_is_refused_and_writes_nothing() {
    let (mut setup, old, new) = wrongly_linked(Provision::Lazy);
    let third = setup.account(Side::Old, 3, "three@example.com", true);
    let fourth = setup.account(Side::New, 4, "four@example.com", true);
    let unconfirmed = setup.account(Side::New, 5, "five@example.com", true);
    setup.edit(Side::New, &unconfirmed, |body| body.status = Status::Unconfirmed);
    let missing = Sub::try_from("no-such-account").unwrap();
    setup.wait(limits::SETTLE * 12);
    let before = setup.world.lock().table.people.clone();
    let refusals = [
        (&third, &new, LinkRefusal::LinkedElsewhere(Side::New)),
        (&old, &fourth, LinkRefusal::LinkedElsewhere(Side::Old)),
        (&third, &missing, LinkRefusal::NoAccount(Side::New)),
        (&missing, &fourth, LinkRefusal::NoAccount(Side::Old)),
        (&fourth, &third, LinkRefusal::OtherPool(Side::Old)),
        (&third, &old, LinkRefusal::OtherPool(Side::New)),
        (&third, &unconfirmed, LinkRefusal::Unconfirmed(Side::New)),
    ];
    for (old, new, refusal) in refusals {
        assert_eq!(setup.link(old, new, true), Err(refusal));
    }
    assert_eq!(setup.unlink(Side::Old, &third), Err(LinkRefusal::Unknown));
    setup.captured(Side::Old, &third);
    setup.wait(limits::SETTLE);
    assert_eq!(setup.unlink(Side::Old, &third), Err(LinkRefusal::NotLinked));
    setup.world.lock().table.control.closing = true;
    assert_eq!(setup.link(&third, &fourth, true), Err(LinkRefusal::Barred(Reason::Closing)));
    assert_eq!(setup.unlink(Side::Old, &old), Err(LinkRefusal::Barred(Reason::Closing)));
    setup.world.lock().table.control.closing = false;
    setup.world.lock().table.control.phase = Phase::Complete;
    assert_eq!(setup.unlink(Side::Old, &old), Err(LinkRefusal::Barred(Reason::Complete)));
    setup.world.lock().table.control.phase = Phase::Follow;
    setup.world.lock().table.control.paused = Some("maintenance".to_owned());
    let held = |setup: &Setup| {
        let people = setup.world.lock().table.people.clone();
        people.values().any(|person| person.lease.is_some())
    };
    assert!(!held(&setup), "a lease stays after a refusal");
    let kept = before.keys().all(|id| setup.world.lock().table.people.contains_key(id));
    assert!(kept, "a person record is missing");
    // A pause does not stop it: no pool is written.
    setup.wait(limits::SETTLE);
    assert_eq!(setup.link(&third, &fourth, false), Ok(()));
}

#[test]
fn deleted_person_is_linked_to_no_account() {
    let (mut setup, old, new) = wrongly_linked(Provision::Lazy);
    let other = setup.account(Side::Old, 2, "two@example.com", true);
    setup.edit(Side::Old, &old, |body| body.exists = false);
    setup.deleted(Side::Old, &old);
    setup.wait(limits::SETTLE);
    assert_eq!(setup.link(&other, &new, true), Err(LinkRefusal::Deleted(Side::New)));
}

#[test]
fn separation_waits_for_a_write_that_may_still_land() {
    let (mut setup, old, new) = wrongly_linked(Provision::Lazy);
    setup.set(Side::Old, &old, "name", "Old");
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    setup.wait(limits::SETTLE);
    inject_faults(&setup.world, "AdminUpdateUserAttributes", CallFate::AnswerLost, 1);
    setup.process(&change);
    setup.world.lock().fault_injection = FaultInjection::new(FaultRates::none());
    assert!(setup.record(Side::Old, &old).intent.is_some());
    assert!(matches!(setup.unlink(Side::Old, &old), Err(LinkRefusal::Busy(..))));
    assert!(linked(&setup, &old, &new));
    let until = setup.record(Side::Old, &old).intent.map(|intent| intent.until);
    let now = setup.world.lock().now;
    setup.wait(until.unwrap().since(now) + limits::SETTLE);
    let before = setup.body(Side::New, &new);
    assert_eq!(setup.unlink(Side::Old, &old), Ok(()));
    setup.settle();
    assert_eq!(setup.body(Side::New, &new), before);
    assert!(setup.record(Side::Old, &old).intent.is_none());
}

#[test]
fn separation_ends_no_session_and_closes_no_password() {
    let (mut setup, old, new) = wrongly_linked(Provision::Lazy);
    {
        let mut world = setup.world.lock();
        let id = world.table.find(Side::Old, &old).map(|record| record.id.clone()).unwrap();
        let record = world.table.people.get_mut(&id).unwrap();
        let at = record.updated;
        record.passwords.set.old = Some(at);
        record.passwords.closed.new = Some(at);
        record.passwords.owes_sign_out.new = true;
        record.owes_password = Some(Side::New);
    }
    let writes = setup.writes();
    assert_eq!(setup.unlink(Side::Old, &old), Ok(()));
    setup.settle();
    let (one, two) = (setup.record(Side::Old, &old), setup.record(Side::New, &new));
    assert_eq!((one.passwords.set.old.is_some(), two.passwords.set.old), (true, None));
    assert!(two.passwords.closed.new.is_some(), "an operator sees why its password fails");
    assert!(!two.passwords.owes_sign_out.new && one.owes_password.is_none());
    assert_eq!(two.owes_password, Some(Side::New), "its owner cannot get in without it");
    assert_eq!(setup.writes(), writes);
}
