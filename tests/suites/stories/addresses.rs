//! Addresses that another account of the target pool holds.

use std::time::Duration;

use poolbridge_core::facts::Field;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::policy::Provision;
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::accounts::attribute;

/// Two people with an account in each pool. The new pool has e-mail addresses as aliases.
fn two_people() -> (Stage, [(Sub, Sub); 2]) {
    let mut stage = Stage::new(Provision::Lazy);
    stage.world.lock().pools.new.shape.alias_attributes = [attribute("email")].into();
    let people = [(1, "one@example.com"), (2, "two@example.com")].map(|(human, address)| {
        let old = stage.account(Side::Old, human, address, true);
        let new = stage.account(Side::New, human, address, true);
        stage.captured(Side::Old, &old);
        assert_eq!(stage.entry(Side::Old, &old).id, stage.entry(Side::New, &new).id);
        (old, new)
    });
    (stage, people)
}

/// The reason why the e-mail address of that person is blocked.
fn blocked(stage: &Stage, old: &Sub) -> Option<Reason> {
    stage.entry(Side::Old, old).obstacles.get(&Field::Email).map(|it| it.reason)
}

fn address(stage: &Stage, side: Side, sub: &Sub) -> Option<String> {
    stage.says(side, sub, "email")
}

#[test]
fn two_people_who_swap_their_addresses_are_held_at_once_and_wait_for_nothing() {
    let (mut stage, [(old_one, new_one), (old_two, new_two)]) = two_people();
    stage.set(Side::Old, &old_one, "email", "two@example.com");
    stage.set(Side::Old, &old_two, "email", "one@example.com");
    stage.capture(Side::Old, &old_one);
    stage.capture(Side::Old, &old_two);
    let verdicts = stage.settle();
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::AddressTaken)), "{verdicts:?}");
    for old in [&old_one, &old_two] {
        assert_eq!(blocked(&stage, old), Some(Reason::AddressTaken));
    }
    assert_eq!(address(&stage, Side::New, &new_one).as_deref(), Some("one@example.com"));
    assert_eq!(address(&stage, Side::New, &new_two).as_deref(), Some("two@example.com"));
    // One of them takes a third address. That ends the circle, and both addresses travel.
    stage.set(Side::Old, &old_two, "email", "three@example.com");
    stage.captured(Side::Old, &old_two);
    stage.captured(Side::Old, &old_one);
    assert_eq!(address(&stage, Side::New, &new_one).as_deref(), Some("two@example.com"));
    assert_eq!(address(&stage, Side::New, &new_two).as_deref(), Some("three@example.com"));
}

#[test]
fn an_address_waits_for_the_person_who_gives_it_up_and_then_travels() {
    let (mut stage, [(old_one, new_one), (old_two, new_two)]) = two_people();
    // The second person has another address in the old pool now, and no event has reported it yet.
    stage.set(Side::Old, &old_two, "email", "three@example.com");
    stage.set(Side::Old, &old_one, "email", "two@example.com");
    stage.capture(Side::Old, &old_one);
    stage.wait(limits::SETTLE);
    let change = stage.change(Side::Old, &old_one, poolbridge_core::change::Proof::Hint);
    stage.wait(limits::SETTLE);
    let verdict = stage.look(&change).verdict;
    assert!(matches!(verdict, Verdict::Later(_, Reason::AddressWaits)), "{verdict:?}");
    assert_eq!(blocked(&stage, &old_one), Some(Reason::AddressWaits));
    assert_eq!(address(&stage, Side::New, &new_one).as_deref(), Some("one@example.com"));
    stage.captured(Side::Old, &old_two);
    stage.captured(Side::Old, &old_one);
    assert_eq!(address(&stage, Side::New, &new_two).as_deref(), Some("three@example.com"));
    assert_eq!(address(&stage, Side::New, &new_one).as_deref(), Some("two@example.com"));
    assert_eq!(blocked(&stage, &old_one), None);
}

#[test]
fn an_address_that_its_holder_never_gives_up_waits_no_longer_than_the_bound() {
    let (mut stage, [(old_one, new_one), (old_two, new_two)]) = two_people();
    stage.set(Side::Old, &old_two, "email", "three@example.com");
    stage.set(Side::Old, &old_one, "email", "two@example.com");
    stage.capture(Side::Old, &old_one);
    let look = |stage: &mut Stage| {
        let change = stage.change(Side::Old, &old_one, poolbridge_core::change::Proof::Hint);
        stage.wait(limits::SETTLE * 2);
        stage.look(&change).verdict
    };
    let verdict = look(&mut stage);
    assert!(matches!(verdict, Verdict::Later(_, Reason::AddressWaits)), "{verdict:?}");
    // The wait counts from its beginning, however often apply runs.
    stage.wait(limits::ADDRESS_WAIT_MAX.checked_sub(limits::SETTLE * 10).unwrap());
    let verdict = look(&mut stage);
    assert!(matches!(verdict, Verdict::Later(_, Reason::AddressWaits)), "{verdict:?}");
    stage.wait(limits::SETTLE * 20 + Duration::from_secs(1));
    assert_eq!(look(&mut stage), Verdict::Held(Reason::AddressTaken));
    assert_eq!(address(&stage, Side::New, &new_one).as_deref(), Some("one@example.com"));
    assert_eq!(address(&stage, Side::New, &new_two).as_deref(), Some("two@example.com"));
}

#[test]
fn an_address_of_a_person_whose_source_still_wants_it_is_taken() {
    let (mut stage, [(old_one, new_one), _]) = two_people();
    stage.set(Side::Old, &old_one, "email", "two@example.com");
    let verdicts = stage.captured(Side::Old, &old_one);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::AddressTaken)));
    assert_eq!(address(&stage, Side::New, &new_one).as_deref(), Some("one@example.com"));
}

#[test]
fn an_address_left_on_the_account_of_a_deleted_person_is_taken_unless_that_account_goes() {
    use poolbridge_core::policy::Deletes;
    for (deletes, travels) in [(Deletes::Disable, false), (Deletes::Delete, true)] {
        let (mut stage, [(old_one, new_one), (old_two, _)]) = two_people();
        stage.policy.deletes = deletes;
        stage.edit(Side::Old, &old_two, |body| body.exists = false);
        stage.deleted(Side::Old, &old_two);
        stage.set(Side::Old, &old_one, "email", "two@example.com");
        let verdicts = stage.captured(Side::Old, &old_one);
        let held = verdicts.last() == Some(&Verdict::Held(Reason::AddressTaken));
        assert_eq!(held, !travels, "{deletes:?}: {verdicts:?}");
        let wanted = if travels { "two@example.com" } else { "one@example.com" };
        assert_eq!(address(&stage, Side::New, &new_one).as_deref(), Some(wanted), "{deletes:?}");
    }
}
