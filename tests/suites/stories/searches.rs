//! Searches that cannot be asked, and listings that are late or incomplete.

use std::collections::BTreeSet;

use poolbridge_core::capture::capture;
use poolbridge_core::change::Proof;
use poolbridge_core::entry::State as PersonState;
use poolbridge_core::facts::Field;
use poolbridge_core::limits;
use poolbridge_core::policy::Provision;
use poolbridge_core::ports::Ports as _;
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::{Stage, finish};
use poolbridge_tests::world::TaskId;
use poolbridge_tests::world::accounts::attribute;
use poolbridge_tests::world::weather::{Climate, Weather};

use super::{calls, know, linked, reshape};

/// An address of 249 characters: no filter of `ListUsers` holds it.
fn long_address() -> String {
    let part = "b".repeat(58);
    format!("{}@{part}.{part}.{part}.example", "a".repeat(64))
}

/// More accounts of the new pool have an address with that prefix than a search reads.
fn crowd(stage: &Stage, beginning: &str) {
    for number in 0..=limits::FOUND_ACCOUNTS_MAX {
        let human = 1_000 + u32::try_from(number).unwrap();
        stage.account(Side::New, human, &format!("{beginning}{number}"), false);
    }
}

/// A bridge between two pools that use addresses of any length as usernames.
fn by_address(provision: Provision) -> Stage {
    let stage = Stage::new(provision);
    know(&stage, &["email"]);
    for side in Side::BOTH {
        let email = BTreeSet::from([attribute("email")]);
        reshape(&stage, side, |shape| shape.username_attributes = email);
    }
    stage
}

#[test]
fn address_that_no_filter_holds_is_found_by_its_prefix() {
    let address = long_address();
    for provision in [Provision::Lazy, Provision::Eager] {
        let mut stage = by_address(provision);
        // The address of this account differs in the last letter only. A search by prefix lists it
        // too.
        let other = format!("{}x", &address[..address.len() - 1]);
        stage.account(Side::New, 2, &other, true);
        let new = stage.account(Side::New, 1, &address, true);
        let old = stage.account(Side::Old, 1, &address, true);
        stage.captured(Side::Old, &old);
        assert!(linked(&stage, &old, &new), "{provision:?}");
        assert_eq!(stage.living(Side::New), 2);
    }
    // Where usernames are free, an account can be created for such an address.
    let mut stage = Stage::new(Provision::Eager);
    know(&stage, &["email"]);
    let old = stage.account(Side::Old, 1, &address, true);
    stage.captured(Side::Old, &old);
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
    assert_eq!(stage.living(Side::New), 1, "no account there holds it, so one is created");
}

#[test]
fn address_that_cannot_be_searched_for_holds_its_person_once() {
    for provision in [Provision::Lazy, Provision::Eager] {
        let mut stage = by_address(provision);
        let address = long_address();
        crowd(&stage, &address[..address.len() - 1]);
        let crowded = stage.living(Side::New);
        let old = stage.account(Side::Old, 1, &address, true);
        let held = Verdict::Held(Reason::CannotBeSearched);
        assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
        assert_eq!(
            stage.living(Side::New),
            crowded,
            "an account was created without a search result"
        );
        let before = calls(&stage.world, "ListUsers");
        assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
        assert_eq!(calls(&stage.world, "ListUsers"), before, "it was searched for again");
        // Another address can be searched for.
        stage.set(Side::Old, &old, "email", "pat@example.com");
        stage.captured(Side::Old, &old);
        assert_ne!(stage.entry(Side::Old, &old).reason, Some(Reason::CannotBeSearched));
    }
}

#[test]
fn value_longer_than_the_other_schema_allows_is_found_by_no_account() {
    let mut stage = Stage::new(Provision::Lazy);
    // The new pool accepts addresses of at most 20 characters: no account there can match.
    know(&stage, &["name"]);
    let old = stage.account(Side::Old, 1, &long_address(), true);
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::OnlyOld, "{verdicts:?}");
}

#[test]
fn alias_that_no_filter_holds_travels_unless_another_account_has_it() {
    for taken in [false, true] {
        let mut stage = Stage::new(Provision::Lazy);
        know(&stage, &["preferred_username"]);
        let (old, new) = stage.pair();
        let alias = BTreeSet::from([attribute("preferred_username")]);
        reshape(&stage, Side::New, |shape| shape.alias_attributes = alias);
        let other = stage.account(Side::New, 2, "two@example.com", true);
        let name = "x".repeat(300);
        let held = if taken { name.clone() } else { format!("{name}y") };
        stage.set(Side::New, &other, "preferred_username", &held);
        stage.set(Side::Old, &old, "preferred_username", &name);
        let verdicts = stage.captured(Side::Old, &old);
        let there = stage.says(Side::New, &new, "preferred_username");
        assert_eq!(there, (!taken).then_some(name), "{verdicts:?}");
        let field = Field::from_name("preferred_username").unwrap();
        let obstacle = stage.entry(Side::Old, &old).obstacles.get(&field).map(|it| it.reason);
        assert_eq!(obstacle, taken.then_some(Reason::AddressTaken));
    }
}

#[test]
fn alias_that_cannot_be_searched_for_holds_no_other_field() {
    let mut stage = Stage::new(Provision::Lazy);
    know(&stage, &["preferred_username", "given_name"]);
    let (old, new) = stage.pair();
    let alias = BTreeSet::from([attribute("preferred_username")]);
    reshape(&stage, Side::New, |shape| shape.alias_attributes = alias);
    for number in 0..=limits::FOUND_ACCOUNTS_MAX {
        let human = 1_000 + u32::try_from(number).unwrap();
        let other = stage.account(Side::New, human, &format!("a{number}@example.com"), false);
        let name = format!("{}{number}", "x".repeat(300));
        stage.set(Side::New, &other, "preferred_username", &name);
    }
    stage.set(Side::Old, &old, "preferred_username", &"x".repeat(300));
    stage.set(Side::Old, &old, "given_name", "Ann");
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "given_name").as_deref(), Some("Ann"));
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::CannotBeSearched)));
    let field = Field::from_name("preferred_username").unwrap();
    let obstacle = stage.entry(Side::Old, &old).obstacles.get(&field).map(|it| it.reason);
    assert_eq!(obstacle, Some(Reason::CannotBeSearched));
    assert_eq!(stage.says(Side::New, &new, "preferred_username"), None);
}

#[test]
fn sign_up_that_no_listing_shows_yet_stays_pending() {
    let mut stage = Stage::new(Provision::Eager);
    let email = BTreeSet::from([attribute("email")]);
    reshape(&stage, Side::Old, |shape| shape.alias_attributes = email);
    stage.wait(limits::SETTLE * 12);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    let change = stage.change(Side::Old, &old, Proof::Confirmed);
    let ports = stage.world.ports(TaskId(0));
    assert!(finish(capture(ports.ledger(), ports.outbox(), &change)).survives());
    let behind = Climate { stale_one_in: 1, stale_max: 100, ..Climate::calm() };
    stage.world.lock().weather = Weather::new(behind);
    for _ in 0..4 {
        let verdict = stage.look(&change).verdict;
        assert!(matches!(verdict, Verdict::Later(_, Reason::Settling)), "{verdict:?}");
        assert_eq!(stage.world.lock().table.marks.len(), 1, "the captured sign-up is lost");
        stage.wait(limits::SETTLE);
    }
    stage.world.lock().weather = Weather::new(Climate::calm());
    stage.settle();
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
    assert_eq!(stage.living(Side::New), 1);
}

#[test]
fn change_of_a_missing_account_is_dropped_at_last() {
    let mut stage = Stage::new(Provision::Lazy);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    stage.edit(Side::Old, &old, |body| body.exists = false);
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::AlreadyTrue));
    let change = stage.change(Side::Old, &old, Proof::Deleted);
    stage.wait(limits::SETTLE);
    assert_eq!(stage.look(&change).verdict, Verdict::AlreadyTrue, "a deletion needs no listing");
}

#[test]
fn two_sign_ups_that_no_listing_shows_yet_find_one_another() {
    let mut stage = Stage::new(Provision::Lazy);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    stage.capture(Side::Old, &old);
    stage.wait(limits::SETTLE);
    let new = stage.account(Side::New, 1, "one@example.com", true);
    stage.capture(Side::New, &new);
    let behind = Climate { stale_one_in: 1, stale_max: 100, ..Climate::calm() };
    stage.world.lock().weather = Weather::new(behind);
    stage.settle();
    stage.world.lock().weather = Weather::new(Climate::calm());
    assert!(linked(&stage, &old, &new), "each search missed the other account");
}
