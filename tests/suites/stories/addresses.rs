//! Addresses that another account of the target pool holds.

use std::time::Duration;

use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::Provision;
use poolbridge_core::profile::Field;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::accounts::attribute;

/// Two people with an account in each pool. The new pool has e-mail addresses as aliases.
fn two_people() -> (Setup, [(Sub, Sub); 2]) {
    let mut setup = Setup::new(Provision::Lazy);
    setup.world.lock().pools.new.schema.alias_attributes = [attribute("email")].into();
    let people = [(1, "one@example.com"), (2, "two@example.com")].map(|(human, address)| {
        let old = setup.account(Side::Old, human, address, true);
        let new = setup.account(Side::New, human, address, true);
        setup.captured(Side::Old, &old);
        assert_eq!(setup.record(Side::Old, &old).id, setup.record(Side::New, &new).id);
        (old, new)
    });
    (setup, people)
}

/// The reason why the e-mail address of that person is blocked.
fn blocked(setup: &Setup, old: &Sub) -> Option<Reason> {
    setup.record(Side::Old, old).blocked_fields.get(&Field::Email).map(|it| it.reason)
}

fn address(setup: &Setup, side: Side, sub: &Sub) -> Option<String> {
    setup.attribute(side, sub, "email")
}

#[test]
fn two_people_who_swap_their_addresses_are_held_at_once_and_wait_for_nothing() {
    let (mut setup, [(old_one, new_one), (old_two, new_two)]) = two_people();
    setup.set(Side::Old, &old_one, "email", "two@example.com");
    setup.set(Side::Old, &old_two, "email", "one@example.com");
    setup.capture(Side::Old, &old_one);
    setup.capture(Side::Old, &old_two);
    let outcomes = setup.settle();
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::AddressTaken)), "{outcomes:?}");
    for old in [&old_one, &old_two] {
        assert_eq!(blocked(&setup, old), Some(Reason::AddressTaken));
    }
    assert_eq!(address(&setup, Side::New, &new_one).as_deref(), Some("one@example.com"));
    assert_eq!(address(&setup, Side::New, &new_two).as_deref(), Some("two@example.com"));
    // One of them takes a third address. That ends the circle, and both addresses travel.
    setup.set(Side::Old, &old_two, "email", "three@example.com");
    setup.captured(Side::Old, &old_two);
    setup.captured(Side::Old, &old_one);
    assert_eq!(address(&setup, Side::New, &new_one).as_deref(), Some("two@example.com"));
    assert_eq!(address(&setup, Side::New, &new_two).as_deref(), Some("three@example.com"));
}

#[test]
fn an_address_waits_for_the_person_who_gives_it_up_and_then_travels() {
    let (mut setup, [(old_one, new_one), (old_two, new_two)]) = two_people();
    // The second person has another address in the old pool now, and no event has reported it yet.
    setup.set(Side::Old, &old_two, "email", "three@example.com");
    setup.set(Side::Old, &old_one, "email", "two@example.com");
    setup.capture(Side::Old, &old_one);
    setup.wait(limits::SETTLE);
    let change = setup.change(Side::Old, &old_one, poolbridge_core::change::Evidence::Hint);
    setup.wait(limits::SETTLE);
    let outcome = setup.process(&change).outcome;
    assert!(matches!(outcome, Outcome::Retry(_, Reason::AddressWaits)), "{outcome:?}");
    assert_eq!(blocked(&setup, &old_one), Some(Reason::AddressWaits));
    assert_eq!(address(&setup, Side::New, &new_one).as_deref(), Some("one@example.com"));
    setup.captured(Side::Old, &old_two);
    setup.captured(Side::Old, &old_one);
    assert_eq!(address(&setup, Side::New, &new_two).as_deref(), Some("three@example.com"));
    assert_eq!(address(&setup, Side::New, &new_one).as_deref(), Some("two@example.com"));
    assert_eq!(blocked(&setup, &old_one), None);
}

#[test]
fn an_address_that_its_holder_never_gives_up_waits_no_longer_than_the_bound() {
    let (mut setup, [(old_one, new_one), (old_two, new_two)]) = two_people();
    setup.set(Side::Old, &old_two, "email", "three@example.com");
    setup.set(Side::Old, &old_one, "email", "two@example.com");
    setup.capture(Side::Old, &old_one);
    let observe = |setup: &mut Setup| {
        let change = setup.change(Side::Old, &old_one, poolbridge_core::change::Evidence::Hint);
        setup.wait(limits::SETTLE * 2);
        setup.process(&change).outcome
    };
    let outcome = observe(&mut setup);
    assert!(matches!(outcome, Outcome::Retry(_, Reason::AddressWaits)), "{outcome:?}");
    // The wait counts from its beginning, however often apply runs.
    setup.wait(limits::ADDRESS_WAIT_MAX.checked_sub(limits::SETTLE * 10).unwrap());
    let outcome = observe(&mut setup);
    assert!(matches!(outcome, Outcome::Retry(_, Reason::AddressWaits)), "{outcome:?}");
    setup.wait(limits::SETTLE * 20 + Duration::from_secs(1));
    assert_eq!(observe(&mut setup), Outcome::Held(Reason::AddressTaken));
    assert_eq!(address(&setup, Side::New, &new_one).as_deref(), Some("one@example.com"));
    assert_eq!(address(&setup, Side::New, &new_two).as_deref(), Some("two@example.com"));
}

#[test]
fn an_address_of_a_person_whose_source_still_wants_it_is_taken() {
    let (mut setup, [(old_one, new_one), _]) = two_people();
    setup.set(Side::Old, &old_one, "email", "two@example.com");
    let outcomes = setup.captured(Side::Old, &old_one);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::AddressTaken)));
    assert_eq!(address(&setup, Side::New, &new_one).as_deref(), Some("one@example.com"));
}

#[test]
fn an_address_left_on_the_account_of_a_deleted_person_is_taken_unless_that_account_goes() {
    use poolbridge_core::policy::Deletes;
    for (deletes, travels) in [(Deletes::Disable, false), (Deletes::Delete, true)] {
        let (mut setup, [(old_one, new_one), (old_two, _)]) = two_people();
        setup.policy.deletes = deletes;
        setup.edit(Side::Old, &old_two, |body| body.exists = false);
        setup.deleted(Side::Old, &old_two);
        setup.set(Side::Old, &old_one, "email", "two@example.com");
        let outcomes = setup.captured(Side::Old, &old_one);
        let held = outcomes.last() == Some(&Outcome::Held(Reason::AddressTaken));
        assert_eq!(held, !travels, "{deletes:?}: {outcomes:?}");
        let wanted = if travels { "two@example.com" } else { "one@example.com" };
        assert_eq!(address(&setup, Side::New, &new_one).as_deref(), Some(wanted), "{deletes:?}");
    }
}
