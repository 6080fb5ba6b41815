//! Searches that cannot be asked, and listings that show too little too late.

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

#[test]
fn address_too_long_to_search_holds_its_person_once() {
    for provision in [Provision::Lazy, Provision::Eager] {
        let mut stage = Stage::new(provision);
        know(&stage, &["email"]);
        for side in Side::BOTH {
            let email = BTreeSet::from([attribute("email")]);
            reshape(&stage, side, |shape| shape.username_attributes = email);
        }
        let old = stage.account(Side::Old, 1, &long_address(), true);
        let held = Verdict::Held(Reason::CannotBeSearched);
        assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
        assert_eq!(stage.living(Side::New), 0, "nothing is known of who is there");
        let before = calls(&stage.world, "ListUsers");
        assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
        assert_eq!(calls(&stage.world, "ListUsers"), before, "it is asked again");
        // Another address can be searched for.
        stage.set(Side::Old, &old, "email", "pat@example.com");
        stage.captured(Side::Old, &old);
        assert_ne!(stage.entry(Side::Old, &old).reason, Some(Reason::CannotBeSearched));
    }
}

#[test]
fn value_longer_than_the_other_schema_allows_is_found_by_no_account() {
    let mut stage = Stage::new(Provision::Lazy);
    // The new pool takes addresses of 20 characters: no account there can match.
    know(&stage, &["name"]);
    let old = stage.account(Side::Old, 1, &long_address(), true);
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::OnlyOld, "{verdicts:?}");
}

#[test]
fn alias_too_long_to_search_holds_no_other_field() {
    let mut stage = Stage::new(Provision::Lazy);
    know(&stage, &["preferred_username", "given_name"]);
    let (old, new) = stage.pair();
    let alias = BTreeSet::from([attribute("preferred_username")]);
    reshape(&stage, Side::New, |shape| shape.alias_attributes = alias);
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
fn change_of_an_account_that_is_nowhere_is_dropped_in_the_end() {
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
