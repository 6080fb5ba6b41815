//! How apply finds that two accounts belong to one person, and how often it searches.

use std::time::Duration;

use poolbridge_core::change::Evidence;
use poolbridge_core::limits;
use poolbridge_core::mapping::Mapping;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::{MatchBy, Provision};
use poolbridge_core::record::PersonState;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::accounts::attribute;
use poolbridge_tests::world::fault_injection::{FaultInjection, FaultRates};

use super::calls;

#[test]
fn a_search_that_was_too_early_is_repeated() {
    let mut setup = Setup::new(Provision::Lazy);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    let sign_up = setup.change(Side::Old, &old, Evidence::Confirmed);
    let outcome = setup.process(&sign_up).outcome;
    assert!(matches!(outcome, Outcome::Retry(_, Reason::Settling)), "{outcome:?}");
    // The person signed up on the other side too, a moment ago, and the listing did not show it
    // yet.
    let new = setup.account(Side::New, 1, "one@example.com", true);
    setup.wait(limits::SETTLE);
    setup.process(&sign_up);
    setup.settle();
    assert_eq!(setup.record(Side::Old, &old).id, setup.record(Side::New, &new).id);
}

#[test]
fn a_failed_search_is_not_repeated_at_every_sign_in() {
    let mut setup = Setup::new(Provision::Lazy);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    setup.captured(Side::Old, &old);
    let before = calls(&setup.world, "ListUsers");
    assert!(before > 0);
    for _ in 0..3 {
        setup.captured(Side::Old, &old);
    }
    assert_eq!(calls(&setup.world, "ListUsers"), before);
    setup.wait(limits::FAILED_LOOKUP_REMEMBERED);
    setup.captured(Side::Old, &old);
    assert!(calls(&setup.world, "ListUsers") > before, "it is never tried again");
}

#[test]
fn an_ambiguous_search_is_remembered_until_the_searched_value_changes() {
    for provision in [Provision::Lazy, Provision::Eager] {
        let mut setup = Setup::new(provision);
        let old = setup.account(Side::Old, 1, "one@example.com", false);
        let new = setup.account(Side::New, 1, "one@example.com", true);
        let held = Outcome::Held(Reason::Unproven);
        assert_eq!(setup.captured(Side::Old, &old).last(), Some(&held));
        let before = calls(&setup.world, "ListUsers");
        assert_eq!(setup.captured(Side::Old, &old).last(), Some(&held));
        assert_eq!(calls(&setup.world, "ListUsers"), before, "{provision:?}");
        setup.set(Side::Old, &old, "email_verified", "true");
        setup.captured(Side::Old, &old);
        assert_eq!(setup.record(Side::Old, &old).id, setup.record(Side::New, &new).id);
    }
}

#[test]
fn a_momentary_doubt_is_not_remembered() {
    let mut setup = Setup::new(Provision::Lazy);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    let new = setup.account(Side::New, 1, "one@example.com", true);
    setup.account(Side::New, 2, "one@example.com", true);
    let sign_up = setup.change(Side::Old, &old, Evidence::Confirmed);
    assert_eq!(setup.process(&sign_up).outcome, Outcome::Held(Reason::Ambiguous));
    // The listing was behind: the other account had another address already.
    let other = poolbridge_core::names::Sub::try_from("new-2").unwrap();
    setup.set(Side::New, &other, "email", "two@example.com");
    setup.wait(limits::SETTLE);
    setup.process(&sign_up);
    setup.settle();
    assert_eq!(setup.record(Side::Old, &old).id, setup.record(Side::New, &new).id);
}

#[test]
fn a_person_without_a_way_in_is_not_searched_for_at_every_observation() {
    let mut setup = Setup::new(Provision::Eager);
    let old = setup.account(Side::Old, 1, "one@example.com", false);
    let held = Outcome::Held(Reason::NoWayIn);
    assert_eq!(setup.captured(Side::Old, &old).last(), Some(&held));
    let before = calls(&setup.world, "ListUsers");
    assert_eq!(setup.captured(Side::Old, &old).last(), Some(&held));
    assert_eq!(calls(&setup.world, "ListUsers"), before);
    // A sign-in name of another kind than the search uses: the account would not be found again.
    setup.set(Side::Old, &old, "phone_number", "+15550100");
    setup.set(Side::Old, &old, "phone_number_verified", "true");
    let held = Outcome::Held(Reason::AddressUnverified);
    assert_eq!(setup.captured(Side::Old, &old).last(), Some(&held));
    assert_eq!((calls(&setup.world, "ListUsers"), setup.living(Side::New)), (before, 0));
    // The value by which people are matched.
    setup.set(Side::Old, &old, "email_verified", "true");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.living(Side::New), 1);
}

#[test]
fn invariant_16_a_verified_address_that_only_a_listing_shows_proves_nothing() {
    let mut setup = Setup::new(Provision::Lazy);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    let new = setup.account(Side::New, 2, "one@example.com", true);
    setup.wait(limits::SETTLE * 12);
    // The address moves to another account. Listings show the old holder for longer than reads do.
    setup.set(Side::New, &new, "email", "two@example.com");
    setup.wait(limits::SETTLE * 2);
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    setup.wait(limits::SETTLE);
    let behind = FaultRates { stale_one_in: 1, stale_max: 20, ..FaultRates::none() };
    setup.world.lock().fault_injection = FaultInjection::new(behind);
    let outcome = setup.process(&change).outcome;
    assert!(matches!(outcome, Outcome::Retry(_, Reason::Settling)), "{outcome:?}");
    assert_eq!(setup.record(Side::Old, &old).accounts.new, None, "linked to another person");
    setup.world.lock().fault_injection = FaultInjection::new(FaultRates::none());
    setup.wait(limits::SETTLE * 20);
    setup.captured(Side::Old, &old);
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::OnlyOld);
}

#[test]
fn a_failed_search_by_the_old_sub_is_repeated_when_that_attribute_is_set() {
    let mut setup = Setup::new(Provision::Lazy);
    let name = attribute("custom:old_sub");
    setup.policy.match_by = MatchBy::OldSub(name.clone());
    let dropped = [name.clone()].into();
    setup.policy.mapping = Mapping::new(Vec::new(), &dropped, false, true).unwrap();
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    let new = setup.account(Side::New, 1, "one@example.com", true);
    setup.captured(Side::New, &new);
    assert_eq!(setup.record(Side::New, &new).state, PersonState::OnlyNew);
    setup.set(Side::New, &new, name.as_str(), old.as_str());
    setup.wait(Duration::from_secs(1));
    setup.captured(Side::New, &new);
    assert_eq!(setup.record(Side::New, &new).state, PersonState::Synced);
    assert_eq!(setup.record(Side::Old, &old).id, setup.record(Side::New, &new).id);
}
