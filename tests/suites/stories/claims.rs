//! Accounts that only claim an address: they block no owner who verified it (invariant 13).

use std::collections::BTreeSet;

use poolbridge_core::account::Status;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::Provision;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::accounts::attribute;

use super::{change_schema, linked};

const PAT: &str = "pat@example.com";

fn with_alias(setup: &Setup, side: Side) {
    change_schema(setup, side, |schema| {
        schema.alias_attributes = BTreeSet::from([attribute("email")]);
    });
}

#[test]
fn claim_makes_no_owner_ambiguous() {
    for claim_side in Side::BOTH {
        for alias in [false, true] {
            let mut setup = Setup::new(Provision::Lazy);
            if alias {
                with_alias(&setup, claim_side);
            }
            let old = setup.account(Side::Old, 1, PAT, true);
            let new = setup.account(Side::New, 1, PAT, true);
            setup.account(claim_side, 2, PAT, false);
            let outcomes = setup.captured(Side::Old, &old);
            assert!(linked(&setup, &old, &new), "claim in the {claim_side} pool: {outcomes:?}");
        }
    }
}

#[test]
fn claim_stops_no_creation() {
    for alias in [false, true] {
        let mut setup = Setup::new(Provision::Eager);
        if alias {
            with_alias(&setup, Side::New);
        }
        let old = setup.account(Side::Old, 1, PAT, true);
        let claim = setup.account(Side::New, 2, PAT, false);
        let outcomes = setup.captured(Side::Old, &old);
        let there = setup.record(Side::Old, &old).accounts.new.map(|known| known.sub);
        assert!(there.is_some_and(|it| it != claim), "alias: {alias}: {outcomes:?}");
        assert_eq!(setup.living(Side::New), 2);
    }
}

#[test]
fn claim_takes_the_name_where_usernames_are_addresses() {
    let mut setup = Setup::new(Provision::Eager);
    let email = || BTreeSet::from([attribute("email")]);
    change_schema(&setup, Side::New, |schema| schema.username_attributes = email());
    let old = setup.account(Side::Old, 1, PAT, true);
    setup.account(Side::New, 2, PAT, false);
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::Unproven)));
    assert_eq!(setup.living(Side::New), 1);
}

#[test]
fn claim_finds_no_owner_by_itself() {
    let mut setup = Setup::new(Provision::Eager);
    let claim = setup.account(Side::Old, 2, PAT, false);
    setup.account(Side::New, 1, PAT, true);
    let outcomes = setup.captured(Side::Old, &claim);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::Unproven)));
    assert_eq!(setup.record(Side::Old, &claim).accounts.new, None);
}

#[test]
fn claim_holds_no_address_change() {
    for status in [Status::Confirmed, Status::Unconfirmed] {
        let mut setup = Setup::new(Provision::Lazy);
        with_alias(&setup, Side::New);
        let (old, new) = setup.pair();
        let claim = setup.account(Side::New, 2, PAT, false);
        setup.edit(Side::New, &claim, |body| body.status = status);
        setup.set(Side::Old, &old, "email", PAT);
        let outcomes = setup.captured(Side::Old, &old);
        assert_eq!(setup.attribute(Side::New, &new, "email").as_deref(), Some(PAT), "{outcomes:?}");
    }
}

#[test]
fn address_that_is_a_username_is_held_by_a_claim() {
    let mut setup = Setup::new(Provision::Lazy);
    let email = || BTreeSet::from([attribute("email")]);
    change_schema(&setup, Side::New, |schema| schema.username_attributes = email());
    let (old, new) = setup.pair();
    setup.account(Side::New, 2, PAT, false);
    setup.set(Side::Old, &old, "email", PAT);
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::AddressTaken)));
    assert_eq!(setup.attribute(Side::New, &new, "email").as_deref(), Some("one@example.com"));
}
