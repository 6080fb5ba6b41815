//! Names and addresses that differ only in case are equal if one of the pools is case-insensitive.

use std::collections::BTreeSet;

use poolbridge_core::limits;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::{MatchBy, Provision};
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::accounts::attribute;

use super::{change_schema, folding, linked, named};

/// A bridge whose pool on that side is case-insensitive.
fn bridge(provision: Provision, folding_side: Side) -> Setup {
    let mut setup = Setup::new(provision);
    setup.policy.mapping = folding();
    change_schema(&setup, folding_side, |schema| schema.case_sensitive = false);
    setup
}

#[test]
fn two_spellings_are_linked_from_either_side() {
    for folding_side in Side::BOTH {
        for captured_side in Side::BOTH {
            for (old, new) in
                [("Pat@example.com", "pat@example.com"), ("pat@example.com", "PAT@example.com")]
            {
                let mut setup = bridge(Provision::Lazy, folding_side);
                let (here, there) = if folding_side == Side::New { (old, new) } else { (new, old) };
                let old = setup.account(Side::Old, 1, here, true);
                let new = setup.account(Side::New, 1, there, true);
                setup.wait(limits::SETTLE * 12);
                let changed = if captured_side == Side::Old { &old } else { &new };
                let outcomes = setup.captured(captured_side, changed);
                let record = setup.record(captured_side, changed);
                let both = Side::BOTH.iter().all(|side| record.accounts.get(*side).is_some());
                assert!(both, "{here} and {there}, {captured_side} changed: {outcomes:?}");
            }
        }
    }
}

#[test]
fn two_spellings_make_no_second_account() {
    for created_in in Side::BOTH {
        let mut setup = bridge(Provision::Eager, created_in.other());
        for side in Side::BOTH {
            let email = BTreeSet::from([attribute("email")]);
            change_schema(&setup, side, |schema| schema.username_attributes = email);
        }
        let there = setup.account(created_in, 1, "Pat@example.com", true);
        let here = setup.account(created_in.other(), 1, "pat@example.com", true);
        setup.wait(limits::SETTLE * 12);
        let outcomes = setup.captured(created_in.other(), &here);
        assert_eq!(setup.living(created_in), 1, "a second account for one human: {outcomes:?}");
        let record = setup.record(created_in.other(), &here);
        assert!(record.accounts.get(created_in).as_ref().is_some_and(|it| it.sub == there));
    }
}

#[test]
fn two_spellings_are_two_people_where_both_pools_are_case_sensitive() {
    let mut setup = Setup::new(Provision::Lazy);
    let old = setup.account(Side::Old, 1, "Pat@example.com", true);
    let new = setup.account(Side::New, 2, "pat@example.com", true);
    setup.wait(limits::SETTLE * 12);
    setup.captured(Side::Old, &old);
    assert!(!linked(&setup, &old, &new));
}

#[test]
fn username_is_found_in_the_other_spelling() {
    for folding_side in Side::BOTH {
        let mut setup = bridge(Provision::Eager, folding_side);
        setup.policy.match_by = MatchBy::Username;
        let other = folding_side.other();
        let here = named(&setup, other, 1, "Alpha", "one@example.com");
        named(&setup, folding_side, 1, "alpha", "two@example.com");
        setup.wait(limits::SETTLE * 12);
        let outcomes = setup.captured(other, &here);
        assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::Unproven)), "{outcomes:?}");
        let trace = setup.world.lock().trace.lines().join("\n");
        assert!(!trace.contains("AdminCreateUser"), "a creation was tried that cannot succeed");
    }
}

#[test]
fn address_in_another_spelling_is_taken() {
    let mut setup = bridge(Provision::Lazy, Side::Old);
    let alias = BTreeSet::from([attribute("email")]);
    change_schema(&setup, Side::New, |schema| schema.alias_attributes = alias);
    let (old, new) = setup.pair();
    setup.account(Side::New, 2, "Two@example.com", true);
    setup.set(Side::Old, &old, "email", "two@example.com");
    let outcomes = setup.captured(Side::Old, &old);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::AddressTaken)));
    assert_eq!(setup.attribute(Side::New, &new, "email").as_deref(), Some("one@example.com"));
}
