//! Searches that cannot be asked, and listings that are late or incomplete.

use std::collections::BTreeSet;

use poolbridge_core::capture::capture;
use poolbridge_core::change::Evidence;
use poolbridge_core::limits;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::Provision;
use poolbridge_core::ports::Ports as _;
use poolbridge_core::profile::Field;
use poolbridge_core::record::PersonState;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::{Setup, finish};
use poolbridge_tests::world::TaskId;
use poolbridge_tests::world::accounts::attribute;
use poolbridge_tests::world::fault_injection::{FaultInjection, FaultRates};

use super::{add_attributes, calls, change_schema, linked};

/// An address of 249 characters: no filter of `ListUsers` holds it.
fn long_address() -> String {
    let part = "b".repeat(58);
    format!("{}@{part}.{part}.{part}.example", "a".repeat(64))
}

/// More accounts of the new pool have an address with that prefix than a search reads.
fn add_many_matches(setup: &Setup, beginning: &str) {
    for number in 0..=limits::FOUND_ACCOUNTS_MAX {
        let human = 1_000 + u32::try_from(number).unwrap();
        setup.account(Side::New, human, &format!("{beginning}{number}"), false);
    }
}

/// A bridge between two pools that use addresses of any length as usernames.
fn by_address(provision: Provision) -> Setup {
    let setup = Setup::new(provision);
    add_attributes(&setup, &["email"]);
    for side in Side::BOTH {
        let email = BTreeSet::from([attribute("email")]);
        change_schema(&setup, side, |schema| schema.username_attributes = email);
    }
    setup
}

#[test]
fn address_that_no_filter_holds_is_found_by_its_prefix() {
    let address = long_address();
    for provision in [Provision::Lazy, Provision::Eager] {
        let mut setup = by_address(provision);
        // The address of this account differs in the last letter only. A search by prefix lists it
        // too.
        let other = format!("{}x", &address[..address.len() - 1]);
        setup.account(Side::New, 2, &other, true);
        let new = setup.account(Side::New, 1, &address, true);
        let old = setup.account(Side::Old, 1, &address, true);
        setup.captured(Side::Old, &old);
        assert!(linked(&setup, &old, &new), "{provision:?}");
        assert_eq!(setup.living(Side::New), 2);
    }
    // Where usernames are free, an account can be created for such an address.
    let mut setup = Setup::new(Provision::Eager);
    add_attributes(&setup, &["email"]);
    let old = setup.account(Side::Old, 1, &address, true);
    setup.captured(Side::Old, &old);
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
    assert_eq!(setup.living(Side::New), 1, "no account there holds it, so one is created");
}

#[test]
fn address_that_cannot_be_searched_for_holds_its_person_once() {
    for provision in [Provision::Lazy, Provision::Eager] {
        let mut setup = by_address(provision);
        let address = long_address();
        add_many_matches(&setup, &address[..address.len() - 1]);
        let crowded = setup.living(Side::New);
        let old = setup.account(Side::Old, 1, &address, true);
        let held = Outcome::Held(Reason::CannotBeSearched);
        assert_eq!(setup.captured(Side::Old, &old).last(), Some(&held));
        assert_eq!(
            setup.living(Side::New),
            crowded,
            "an account was created without a search result"
        );
        let before = calls(&setup.world, "ListUsers");
        assert_eq!(setup.captured(Side::Old, &old).last(), Some(&held));
        assert_eq!(calls(&setup.world, "ListUsers"), before, "it was searched for again");
        // Another address can be searched for.
        setup.set(Side::Old, &old, "email", "pat@example.com");
        setup.captured(Side::Old, &old);
        assert_ne!(setup.record(Side::Old, &old).reason, Some(Reason::CannotBeSearched));
    }
}

#[test]
fn value_longer_than_the_other_schema_allows_is_found_by_no_account() {
    let mut setup = Setup::new(Provision::Lazy);
    // The new pool accepts addresses of at most 20 characters: no account there can match.
    add_attributes(&setup, &["name"]);
    let old = setup.account(Side::Old, 1, &long_address(), true);
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::OnlyOld, "{outcomes:?}");
}

#[test]
fn alias_that_no_filter_holds_travels_unless_another_account_has_it() {
    for taken in [false, true] {
        let mut setup = Setup::new(Provision::Lazy);
        add_attributes(&setup, &["preferred_username"]);
        let (old, new) = setup.pair();
        let alias = BTreeSet::from([attribute("preferred_username")]);
        change_schema(&setup, Side::New, |schema| schema.alias_attributes = alias);
        let other = setup.account(Side::New, 2, "two@example.com", true);
        let name = "x".repeat(300);
        let held = if taken { name.clone() } else { format!("{name}y") };
        setup.set(Side::New, &other, "preferred_username", &held);
        setup.set(Side::Old, &old, "preferred_username", &name);
        let outcomes = setup.captured(Side::Old, &old);
        let there = setup.attribute(Side::New, &new, "preferred_username");
        assert_eq!(there, (!taken).then_some(name), "{outcomes:?}");
        let field = Field::from_name("preferred_username").unwrap();
        let blocked_field =
            setup.record(Side::Old, &old).blocked_fields.get(&field).map(|it| it.reason);
        assert_eq!(blocked_field, taken.then_some(Reason::AddressTaken));
    }
}

#[test]
fn alias_that_cannot_be_searched_for_holds_no_other_field() {
    let mut setup = Setup::new(Provision::Lazy);
    add_attributes(&setup, &["preferred_username", "given_name"]);
    let (old, new) = setup.pair();
    let alias = BTreeSet::from([attribute("preferred_username")]);
    change_schema(&setup, Side::New, |schema| schema.alias_attributes = alias);
    for number in 0..=limits::FOUND_ACCOUNTS_MAX {
        let human = 1_000 + u32::try_from(number).unwrap();
        let other = setup.account(Side::New, human, &format!("a{number}@example.com"), false);
        let name = format!("{}{number}", "x".repeat(300));
        setup.set(Side::New, &other, "preferred_username", &name);
    }
    setup.set(Side::Old, &old, "preferred_username", &"x".repeat(300));
    setup.set(Side::Old, &old, "given_name", "Ann");
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "given_name").as_deref(), Some("Ann"));
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::CannotBeSearched)));
    let field = Field::from_name("preferred_username").unwrap();
    let blocked_field =
        setup.record(Side::Old, &old).blocked_fields.get(&field).map(|it| it.reason);
    assert_eq!(blocked_field, Some(Reason::CannotBeSearched));
    assert_eq!(setup.attribute(Side::New, &new, "preferred_username"), None);
}

#[test]
fn sign_up_that_no_listing_shows_yet_stays_pending() {
    let mut setup = Setup::new(Provision::Eager);
    let email = BTreeSet::from([attribute("email")]);
    change_schema(&setup, Side::Old, |schema| schema.alias_attributes = email);
    setup.wait(limits::SETTLE * 12);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    let change = setup.change(Side::Old, &old, Evidence::Confirmed);
    let ports = setup.world.ports(TaskId(0));
    assert!(finish(capture(ports.ledger(), ports.outbox(), &change)).survives());
    let behind = FaultRates { stale_one_in: 1, stale_max: 100, ..FaultRates::none() };
    setup.world.lock().fault_injection = FaultInjection::new(behind);
    for _ in 0..4 {
        let outcome = setup.process(&change).outcome;
        assert!(matches!(outcome, Outcome::Retry(_, Reason::Settling)), "{outcome:?}");
        assert_eq!(
            setup.world.lock().table.pending_changes.len(),
            1,
            "the captured sign-up is lost"
        );
        setup.wait(limits::SETTLE);
    }
    setup.world.lock().fault_injection = FaultInjection::new(FaultRates::none());
    setup.settle();
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
    assert_eq!(setup.living(Side::New), 1);
}

#[test]
fn change_of_a_missing_account_is_dropped_at_last() {
    let mut setup = Setup::new(Provision::Lazy);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    setup.edit(Side::Old, &old, |body| body.exists = false);
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(outcomes.last(), Some(&Outcome::Unchanged));
    let change = setup.change(Side::Old, &old, Evidence::Deleted);
    setup.wait(limits::SETTLE);
    assert_eq!(setup.process(&change).outcome, Outcome::Unchanged, "a deletion needs no listing");
}

#[test]
fn two_sign_ups_that_no_listing_shows_yet_find_one_another() {
    let mut setup = Setup::new(Provision::Lazy);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    setup.capture(Side::Old, &old);
    setup.wait(limits::SETTLE);
    let new = setup.account(Side::New, 1, "one@example.com", true);
    setup.capture(Side::New, &new);
    let behind = FaultRates { stale_one_in: 1, stale_max: 100, ..FaultRates::none() };
    setup.world.lock().fault_injection = FaultInjection::new(behind);
    setup.settle();
    setup.world.lock().fault_injection = FaultInjection::new(FaultRates::none());
    assert!(linked(&setup, &old, &new), "each search missed the other account");
}
