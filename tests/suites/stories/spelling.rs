//! Names and addresses that differ only in case are equal if one of the pools is case-insensitive.

use std::collections::BTreeSet;

use poolbridge_core::limits;
use poolbridge_core::policy::{MatchBy, Provision};
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::accounts::attribute;

use super::{folding, linked, named, reshape};

/// A bridge whose pool on that side is case-insensitive.
fn bridge(provision: Provision, folding_side: Side) -> Stage {
    let mut stage = Stage::new(provision);
    stage.policy.mapping = folding();
    reshape(&stage, folding_side, |shape| shape.case_sensitive = false);
    stage
}

#[test]
fn two_spellings_are_linked_from_either_side() {
    for folding_side in Side::BOTH {
        for captured_side in Side::BOTH {
            for (old, new) in
                [("Pat@example.com", "pat@example.com"), ("pat@example.com", "PAT@example.com")]
            {
                let mut stage = bridge(Provision::Lazy, folding_side);
                let (here, there) = if folding_side == Side::New { (old, new) } else { (new, old) };
                let old = stage.account(Side::Old, 1, here, true);
                let new = stage.account(Side::New, 1, there, true);
                stage.wait(limits::SETTLE * 12);
                let changed = if captured_side == Side::Old { &old } else { &new };
                let verdicts = stage.captured(captured_side, changed);
                let entry = stage.entry(captured_side, changed);
                let both = Side::BOTH.iter().all(|side| entry.accounts.get(*side).is_some());
                assert!(both, "{here} and {there}, {captured_side} changed: {verdicts:?}");
            }
        }
    }
}

#[test]
fn two_spellings_make_no_second_account() {
    for created_in in Side::BOTH {
        let mut stage = bridge(Provision::Eager, created_in.other());
        for side in Side::BOTH {
            let email = BTreeSet::from([attribute("email")]);
            reshape(&stage, side, |shape| shape.username_attributes = email);
        }
        let there = stage.account(created_in, 1, "Pat@example.com", true);
        let here = stage.account(created_in.other(), 1, "pat@example.com", true);
        stage.wait(limits::SETTLE * 12);
        let verdicts = stage.captured(created_in.other(), &here);
        assert_eq!(stage.living(created_in), 1, "a second account for one human: {verdicts:?}");
        let entry = stage.entry(created_in.other(), &here);
        assert!(entry.accounts.get(created_in).as_ref().is_some_and(|it| it.sub == there));
    }
}

#[test]
fn two_spellings_are_two_people_where_both_pools_are_case_sensitive() {
    let mut stage = Stage::new(Provision::Lazy);
    let old = stage.account(Side::Old, 1, "Pat@example.com", true);
    let new = stage.account(Side::New, 2, "pat@example.com", true);
    stage.wait(limits::SETTLE * 12);
    stage.captured(Side::Old, &old);
    assert!(!linked(&stage, &old, &new));
}

#[test]
fn username_is_found_in_the_other_spelling() {
    for folding_side in Side::BOTH {
        let mut stage = bridge(Provision::Eager, folding_side);
        stage.policy.match_by = MatchBy::Username;
        let other = folding_side.other();
        let here = named(&stage, other, 1, "Alpha", "one@example.com");
        named(&stage, folding_side, 1, "alpha", "two@example.com");
        stage.wait(limits::SETTLE * 12);
        let verdicts = stage.captured(other, &here);
        assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::Unproven)), "{verdicts:?}");
        let trace = stage.world.lock().trace.lines().join("\n");
        assert!(!trace.contains("AdminCreateUser"), "a creation was tried that cannot succeed");
    }
}

#[test]
fn address_in_another_spelling_is_taken() {
    let mut stage = bridge(Provision::Lazy, Side::Old);
    let alias = BTreeSet::from([attribute("email")]);
    reshape(&stage, Side::New, |shape| shape.alias_attributes = alias);
    let (old, new) = stage.pair();
    stage.account(Side::New, 2, "Two@example.com", true);
    stage.set(Side::Old, &old, "email", "two@example.com");
    let verdicts = stage.captured(Side::Old, &old);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::AddressTaken)));
    assert_eq!(stage.says(Side::New, &new, "email").as_deref(), Some("one@example.com"));
}
