//! Accounts that only claim an address: they block no owner who verified it (invariant 13).

use std::collections::BTreeSet;

use poolbridge_core::account::Status;
use poolbridge_core::policy::Provision;
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::accounts::attribute;

use super::{linked, reshape};

const PAT: &str = "pat@example.com";

fn with_alias(stage: &Stage, side: Side) {
    reshape(stage, side, |shape| shape.alias_attributes = BTreeSet::from([attribute("email")]));
}

#[test]
fn claim_makes_no_owner_ambiguous() {
    for claim_side in Side::BOTH {
        for alias in [false, true] {
            let mut stage = Stage::new(Provision::Lazy);
            if alias {
                with_alias(&stage, claim_side);
            }
            let old = stage.account(Side::Old, 1, PAT, true);
            let new = stage.account(Side::New, 1, PAT, true);
            stage.account(claim_side, 2, PAT, false);
            let verdicts = stage.captured(Side::Old, &old);
            assert!(linked(&stage, &old, &new), "claim in the {claim_side} pool: {verdicts:?}");
        }
    }
}

#[test]
fn claim_stops_no_creation() {
    for alias in [false, true] {
        let mut stage = Stage::new(Provision::Eager);
        if alias {
            with_alias(&stage, Side::New);
        }
        let old = stage.account(Side::Old, 1, PAT, true);
        let claim = stage.account(Side::New, 2, PAT, false);
        let verdicts = stage.captured(Side::Old, &old);
        let there = stage.entry(Side::Old, &old).accounts.new.map(|known| known.sub);
        assert!(there.is_some_and(|it| it != claim), "alias: {alias}: {verdicts:?}");
        assert_eq!(stage.living(Side::New), 2);
    }
}

#[test]
fn claim_takes_the_name_where_usernames_are_addresses() {
    let mut stage = Stage::new(Provision::Eager);
    let email = || BTreeSet::from([attribute("email")]);
    reshape(&stage, Side::New, |shape| shape.username_attributes = email());
    let old = stage.account(Side::Old, 1, PAT, true);
    stage.account(Side::New, 2, PAT, false);
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::Unproven)));
    assert_eq!(stage.living(Side::New), 1);
}

#[test]
fn claim_finds_no_owner_by_itself() {
    let mut stage = Stage::new(Provision::Eager);
    let claim = stage.account(Side::Old, 2, PAT, false);
    stage.account(Side::New, 1, PAT, true);
    let verdicts = stage.captured(Side::Old, &claim);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::Unproven)));
    assert_eq!(stage.entry(Side::Old, &claim).accounts.new, None);
}

#[test]
fn claim_holds_no_address_change() {
    for status in [Status::Confirmed, Status::Unconfirmed] {
        let mut stage = Stage::new(Provision::Lazy);
        with_alias(&stage, Side::New);
        let (old, new) = stage.pair();
        let claim = stage.account(Side::New, 2, PAT, false);
        stage.edit(Side::New, &claim, |body| body.status = status);
        stage.set(Side::Old, &old, "email", PAT);
        let verdicts = stage.captured(Side::Old, &old);
        assert_eq!(stage.says(Side::New, &new, "email").as_deref(), Some(PAT), "{verdicts:?}");
    }
}

#[test]
fn address_that_is_a_username_is_held_by_a_claim() {
    let mut stage = Stage::new(Provision::Lazy);
    let email = || BTreeSet::from([attribute("email")]);
    reshape(&stage, Side::New, |shape| shape.username_attributes = email());
    let (old, new) = stage.pair();
    stage.account(Side::New, 2, PAT, false);
    stage.set(Side::Old, &old, "email", PAT);
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::AddressTaken)));
    assert_eq!(stage.says(Side::New, &new, "email").as_deref(), Some("one@example.com"));
}
