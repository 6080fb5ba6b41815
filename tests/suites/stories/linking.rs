//! How apply finds that two accounts belong to one person, and how often it searches.

use std::time::Duration;

use poolbridge_core::change::Proof;
use poolbridge_core::entry::State as PersonState;
use poolbridge_core::limits;
use poolbridge_core::mapping::Mapping;
use poolbridge_core::policy::{MatchBy, Provision};
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::accounts::attribute;
use poolbridge_tests::world::weather::{Climate, Weather};

use super::calls;

#[test]
fn a_search_that_was_too_early_is_repeated() {
    let mut stage = Stage::new(Provision::Lazy);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    let sign_up = stage.change(Side::Old, &old, Proof::Confirmed);
    let verdict = stage.look(&sign_up).verdict;
    assert!(matches!(verdict, Verdict::Later(_, Reason::Settling)), "{verdict:?}");
    // The person signed up on the other side too, a moment ago, and the listing did not show it
    // yet.
    let new = stage.account(Side::New, 1, "one@example.com", true);
    stage.wait(limits::SETTLE);
    stage.look(&sign_up);
    stage.settle();
    assert_eq!(stage.entry(Side::Old, &old).id, stage.entry(Side::New, &new).id);
}

#[test]
fn a_failed_search_is_not_repeated_at_every_sign_in() {
    let mut stage = Stage::new(Provision::Lazy);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    stage.captured(Side::Old, &old);
    let before = calls(&stage.world, "ListUsers");
    assert!(before > 0);
    for _ in 0..3 {
        stage.captured(Side::Old, &old);
    }
    assert_eq!(calls(&stage.world, "ListUsers"), before);
    stage.wait(limits::MISS_REMEMBERED);
    stage.captured(Side::Old, &old);
    assert!(calls(&stage.world, "ListUsers") > before, "it is never tried again");
}

#[test]
fn an_ambiguous_search_is_remembered_until_the_searched_value_changes() {
    for provision in [Provision::Lazy, Provision::Eager] {
        let mut stage = Stage::new(provision);
        let old = stage.account(Side::Old, 1, "one@example.com", false);
        let new = stage.account(Side::New, 1, "one@example.com", true);
        let held = Verdict::Held(Reason::Unproven);
        assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
        let before = calls(&stage.world, "ListUsers");
        assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
        assert_eq!(calls(&stage.world, "ListUsers"), before, "{provision:?}");
        stage.set(Side::Old, &old, "email_verified", "true");
        stage.captured(Side::Old, &old);
        assert_eq!(stage.entry(Side::Old, &old).id, stage.entry(Side::New, &new).id);
    }
}

#[test]
fn a_momentary_doubt_is_not_remembered() {
    let mut stage = Stage::new(Provision::Lazy);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    let new = stage.account(Side::New, 1, "one@example.com", true);
    stage.account(Side::New, 2, "one@example.com", true);
    let sign_up = stage.change(Side::Old, &old, Proof::Confirmed);
    assert_eq!(stage.look(&sign_up).verdict, Verdict::Held(Reason::Ambiguous));
    // The listing was behind: the other account had another address already.
    let other = poolbridge_core::names::Sub::try_from("new-2").unwrap();
    stage.set(Side::New, &other, "email", "two@example.com");
    stage.wait(limits::SETTLE);
    stage.look(&sign_up);
    stage.settle();
    assert_eq!(stage.entry(Side::Old, &old).id, stage.entry(Side::New, &new).id);
}

#[test]
fn a_person_without_a_way_in_is_not_searched_for_at_every_observation() {
    let mut stage = Stage::new(Provision::Eager);
    let old = stage.account(Side::Old, 1, "one@example.com", false);
    let held = Verdict::Held(Reason::NoWayIn);
    assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
    let before = calls(&stage.world, "ListUsers");
    assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
    assert_eq!(calls(&stage.world, "ListUsers"), before);
    // A sign-in name of another kind than the search uses: the account would not be found again.
    stage.set(Side::Old, &old, "phone_number", "+15550100");
    stage.set(Side::Old, &old, "phone_number_verified", "true");
    let held = Verdict::Held(Reason::AddressUnverified);
    assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
    assert_eq!((calls(&stage.world, "ListUsers"), stage.living(Side::New)), (before, 0));
    // The value by which people are matched.
    stage.set(Side::Old, &old, "email_verified", "true");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.living(Side::New), 1);
}

#[test]
fn invariant_16_a_verified_address_that_only_a_listing_shows_proves_nothing() {
    let mut stage = Stage::new(Provision::Lazy);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    let new = stage.account(Side::New, 2, "one@example.com", true);
    stage.wait(limits::SETTLE * 12);
    // The address moves to another account. Listings show the old holder for longer than reads do.
    stage.set(Side::New, &new, "email", "two@example.com");
    stage.wait(limits::SETTLE * 2);
    let change = stage.change(Side::Old, &old, Proof::Changed);
    stage.wait(limits::SETTLE);
    let behind = Climate { stale_one_in: 1, stale_max: 20, ..Climate::calm() };
    stage.world.lock().weather = Weather::new(behind);
    let verdict = stage.look(&change).verdict;
    assert!(matches!(verdict, Verdict::Later(_, Reason::Settling)), "{verdict:?}");
    assert_eq!(stage.entry(Side::Old, &old).accounts.new, None, "linked to a stranger");
    stage.world.lock().weather = Weather::new(Climate::calm());
    stage.wait(limits::SETTLE * 20);
    stage.captured(Side::Old, &old);
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::OnlyOld);
}

#[test]
fn a_failed_search_by_the_old_sub_is_repeated_when_that_attribute_is_set() {
    let mut stage = Stage::new(Provision::Lazy);
    let name = attribute("custom:old_sub");
    stage.policy.match_by = MatchBy::OldSub(name.clone());
    let dropped = [name.clone()].into();
    stage.policy.mapping = Mapping::new(Vec::new(), &dropped, false, true).unwrap();
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    let new = stage.account(Side::New, 1, "one@example.com", true);
    stage.captured(Side::New, &new);
    assert_eq!(stage.entry(Side::New, &new).state, PersonState::OnlyNew);
    stage.set(Side::New, &new, name.as_str(), old.as_str());
    stage.wait(Duration::from_secs(1));
    stage.captured(Side::New, &new);
    assert_eq!(stage.entry(Side::New, &new).state, PersonState::Synced);
    assert_eq!(stage.entry(Side::Old, &old).id, stage.entry(Side::New, &new).id);
}
