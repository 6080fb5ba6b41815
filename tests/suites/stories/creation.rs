//! What a person's new account is created with, and when none is created.

use std::collections::BTreeSet;
use std::time::Duration;

use poolbridge_core::account::{AttributeShape, Shape};
use poolbridge_core::change::Proof;
use poolbridge_core::entry::State as PersonState;
use poolbridge_core::facts::Field;
use poolbridge_core::fault::FaultKind;
use poolbridge_core::limits;
use poolbridge_core::mapping::{AttributeRule, Mapping};
use poolbridge_core::names::Sub;
use poolbridge_core::policy::{MatchBy, Provision};
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::accounts::attribute;
use poolbridge_tests::world::weather::Fate;

use super::{calls, trouble};

const ADDRESS: &str = "one@example.com";

fn field(name: &str) -> Field {
    Field::from_name(name).unwrap()
}

/// Changes the schema of the new pool.
fn reshape(stage: &Stage, change: impl FnOnce(&mut Shape)) {
    change(&mut stage.world.lock().pools.new.shape);
}

/// Lets these attributes travel too, with the same name in both pools.
fn map_too(stage: &mut Stage, names: &[&str]) {
    let rule = |name: &&str| AttributeRule::same(&attribute(name));
    let rules = names.iter().map(rule).collect();
    stage.policy.mapping = Mapping::new(rules, &BTreeSet::new(), false, true).unwrap();
    let mut world = stage.world.lock();
    for side in Side::BOTH {
        for name in names {
            let shape = &mut world.pools.get_mut(side).shape;
            shape.attributes.insert(attribute(name), AttributeShape::default());
        }
    }
}

/// A person of the old pool with a verified address and these attributes.
fn person(stage: &Stage, attributes: &[(&str, &str)]) -> Sub {
    let old = stage.account(Side::Old, 1, ADDRESS, true);
    for (name, value) in attributes {
        stage.set(Side::Old, &old, name, value);
    }
    old
}

fn named(stage: &Stage, old: &Sub, name: &str) -> Option<Reason> {
    stage.entry(Side::Old, old).obstacles.get(&field(name)).map(|obstacle| obstacle.reason)
}

/// The account that was created for this person.
fn created(stage: &Stage, old: &Sub) -> Sub {
    assert_eq!(stage.living(Side::New), 1, "no account was created");
    stage.entry(Side::Old, old).accounts.new.unwrap().sub
}

#[test]
fn one_attribute_that_the_pool_refuses_does_not_keep_a_person_from_being_created() {
    let mut stage = Stage::new(Provision::Eager);
    stage.world.lock().pools.new.unsaid =
        Some(|name, value| name.as_str() == "nickname" && value == "x");
    let old = person(&stage, &[("nickname", "x"), ("name", "fine")]);
    let verdicts = stage.captured(Side::Old, &old);
    let new = created(&stage, &old);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("fine"), "{verdicts:?}");
    assert_eq!(stage.says(Side::New, &new, "nickname"), None);
    assert_eq!(named(&stage, &old, "nickname"), Some(Reason::RefusedByPool), "{verdicts:?}");
    assert_eq!(verdicts.last(), Some(&Verdict::Refused(Reason::RefusedByPool)));
    // The same value is not tried again; another one is.
    let writes = calls(&stage.world, "AdminUpdateUserAttributes");
    stage.captured(Side::Old, &old);
    assert_eq!(calls(&stage.world, "AdminUpdateUserAttributes"), writes);
    stage.set(Side::Old, &old, "nickname", "xy");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "nickname").as_deref(), Some("xy"));
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn a_value_that_the_schema_forbids_is_left_out_and_named_before_the_creation() {
    let mut stage = Stage::new(Provision::Eager);
    map_too(&mut stage, &["custom:nick", "custom:level"]);
    reshape(&stage, |shape| {
        let nick = AttributeShape { shortest: Some(3), ..AttributeShape::default() };
        let level = AttributeShape { least: Some(0), most: Some(5), ..AttributeShape::default() };
        shape.attributes.insert(attribute("custom:nick"), nick);
        shape.attributes.insert(attribute("custom:level"), level);
    });
    let old = person(&stage, &[("custom:nick", "Al"), ("custom:level", "9"), ("name", "fine")]);
    let verdicts = stage.captured(Side::Old, &old);
    let new = created(&stage, &old);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("fine"));
    assert_eq!(named(&stage, &old, "custom:nick"), Some(Reason::TooShort), "{verdicts:?}");
    assert_eq!(named(&stage, &old, "custom:level"), Some(Reason::OutOfRange), "{verdicts:?}");
    // The first try succeeded: no call was wasted.
    assert_eq!(calls(&stage.world, " AdminCreateUser"), 1);
    stage.set(Side::Old, &old, "custom:nick", "Alex");
    stage.set(Side::Old, &old, "custom:level", "5");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "custom:nick").as_deref(), Some("Alex"));
    assert_eq!(stage.says(Side::New, &new, "custom:level").as_deref(), Some("5"));
}

#[test]
fn an_alias_that_repeats_the_username_is_left_out_and_named() {
    let mut stage = Stage::new(Provision::Eager);
    map_too(&mut stage, &["preferred_username"]);
    reshape(&stage, |shape| shape.alias_attributes = [attribute("preferred_username")].into());
    let old = person(&stage, &[("preferred_username", "old-1"), ("name", "fine")]);
    let verdicts = stage.captured(Side::Old, &old);
    let new = created(&stage, &old);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("fine"));
    let reason = named(&stage, &old, "preferred_username");
    assert_eq!(reason, Some(Reason::RefusedByPool), "{verdicts:?}");
    assert_eq!(calls(&stage.world, " AdminCreateUser"), 1);
}

#[test]
fn a_creation_that_answers_user_not_found_is_tried_with_fewer_fields() {
    let mut stage = Stage::new(Provision::Eager);
    map_too(&mut stage, &["preferred_username"]);
    reshape(&stage, |shape| shape.alias_attributes = [attribute("preferred_username")].into());
    // The schema is case-sensitive, but the pool is not where an alias equals a username.
    let old = person(&stage, &[("preferred_username", "OLD-1")]);
    let verdicts = stage.captured(Side::Old, &old);
    created(&stage, &old);
    assert_eq!(calls(&stage.world, " AdminCreateUser"), 2, "{verdicts:?}");
    assert!(stage.world.lock().table.marks.is_empty());
}

#[test]
fn an_attribute_that_the_target_requires_and_the_person_lacks_holds_the_person_by_its_name() {
    let mut stage = Stage::new(Provision::Eager);
    reshape(&stage, |shape| {
        let phone = shape.attributes.get_mut(&attribute("phone_number"));
        phone.unwrap().required = true;
    });
    let old = person(&stage, &[]);
    let held = Verdict::Held(Reason::RequiredMissing);
    assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
    assert_eq!(named(&stage, &old, "phone_number"), Some(Reason::RequiredMissing));
    assert_eq!((stage.living(Side::New), calls(&stage.world, "AdminCreateUser")), (0, 0));
    // The result is remembered: no search is made for it again.
    let searches = calls(&stage.world, "ListUsers");
    assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
    assert_eq!(calls(&stage.world, "ListUsers"), searches);
    stage.set(Side::Old, &old, "phone_number", "+15550100");
    let held = Verdict::Held(Reason::AddressUnverified);
    assert_eq!(
        stage.captured(Side::Old, &old).last(),
        Some(&held),
        "a creation carries no unverified address"
    );
    stage.set(Side::Old, &old, "phone_number_verified", "true");
    stage.captured(Side::Old, &old);
    let new = created(&stage, &old);
    assert_eq!(stage.says(Side::New, &new, "phone_number").as_deref(), Some("+15550100"));
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn a_required_attribute_of_no_mapping_rule_holds_the_person_by_its_name() {
    let mut stage = Stage::new(Provision::Eager);
    reshape(&stage, |shape| {
        let badge = AttributeShape { required: true, ..AttributeShape::default() };
        shape.attributes.insert(attribute("custom:badge"), badge);
    });
    let old = person(&stage, &[]);
    let held = Verdict::Held(Reason::RequiredMissing);
    assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
    assert_eq!(named(&stage, &old, "custom:badge"), Some(Reason::RequiredMissing));
    assert_eq!(stage.living(Side::New), 0);
}

#[test]
fn no_account_is_created_without_its_sign_in_address() {
    for match_by in [MatchBy::Email, MatchBy::Username] {
        let mut stage = Stage::new(Provision::Eager);
        stage.policy.match_by = match_by;
        reshape(&stage, |shape| {
            shape.attributes.remove(&attribute("email"));
        });
        let old = person(&stage, &[("name", "fine")]);
        let held = Verdict::Held(Reason::NotInSchema);
        assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
        assert_eq!(named(&stage, &old, "email"), Some(Reason::NotInSchema));
        assert_eq!((stage.living(Side::New), calls(&stage.world, "AdminCreateUser")), (0, 0));
    }
}

#[test]
fn a_creation_carries_verified_addresses_only() {
    let mut stage = Stage::new(Provision::Eager);
    let claimed = [("phone_number", "+15550100"), ("phone_number_verified", "false")];
    let old = person(&stage, &claimed);
    stage.captured(Side::Old, &old);
    let new = created(&stage, &old);
    let world = stage.world.lock();
    let first = &world.account(Side::New, &new).unwrap().versions()[0].body.attributes;
    assert_eq!(first.get(&attribute("email")).map(String::as_str), Some(ADDRESS));
    assert_eq!(first.get(&attribute("phone_number")), None, "an unverified address was created");
}

#[test]
fn an_immutable_attribute_that_is_refused_takes_no_other_with_it() {
    let mut stage = Stage::new(Provision::Eager);
    map_too(&mut stage, &["custom:hired", "custom:badge"]);
    reshape(&stage, |shape| {
        let fixed = AttributeShape { mutable: false, ..AttributeShape::default() };
        shape.attributes.insert(attribute("custom:hired"), fixed.clone());
        shape.attributes.insert(attribute("custom:badge"), fixed);
    });
    stage.world.lock().pools.new.unsaid = Some(|name, _| name.as_str() == "custom:badge");
    let old = person(&stage, &[("custom:hired", "2020"), ("custom:badge", "7"), ("name", "fine")]);
    let verdicts = stage.captured(Side::Old, &old);
    let new = created(&stage, &old);
    assert_eq!(stage.says(Side::New, &new, "custom:hired").as_deref(), Some("2020"));
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("fine"));
    assert_eq!(stage.says(Side::New, &new, "custom:badge"), None);
    assert!(named(&stage, &old, "custom:badge").is_some(), "{verdicts:?}");
    assert!(named(&stage, &old, "custom:hired").is_none(), "{verdicts:?}");
}

#[test]
fn a_creation_agrees_on_what_the_account_holds() {
    let mut stage = Stage::new(Provision::Eager);
    stage.world.lock().pools.new.unsaid = Some(|name, _| name.as_str() == "nickname");
    let old = person(&stage, &[("nickname", "x"), ("name", "fine")]);
    stage.capture(Side::Old, &old);
    stage.wait(poolbridge_core::limits::SETTLE);
    let change = stage.change(Side::Old, &old, poolbridge_core::change::Proof::Changed);
    stage.look(&change);
    let new = created(&stage, &old);
    let held = stage.body(Side::New, &new).attributes;
    let agreed = stage.entry(Side::Old, &old).agreed.unwrap().fields;
    for name in ["nickname", "name", "email"] {
        let holds = held.contains_key(&attribute(name));
        assert_eq!(agreed.contains_key(&field(name)), holds, "{name}");
    }
    assert!(!held.contains_key(&attribute("nickname")));
}

#[test]
fn a_pool_that_refuses_the_smallest_account_is_asked_once_and_names_the_fields() {
    let mut stage = Stage::new(Provision::Eager);
    stage.world.lock().pools.new.fails.insert("AdminCreateUser", FaultKind::Invalid);
    let old = person(&stage, &[("name", "fine")]);
    let held = Verdict::Held(Reason::RefusedByPool);
    assert_eq!(stage.captured(Side::Old, &old).last(), Some(&held));
    assert_eq!(named(&stage, &old, "email"), Some(Reason::RefusedByPool));
    let tried = calls(&stage.world, " AdminCreateUser");
    stage.captured(Side::Old, &old);
    assert_eq!(calls(&stage.world, " AdminCreateUser"), tried, "the same values were tried again");
    stage.world.lock().pools.new.fails.clear();
    stage.set(Side::Old, &old, "email", "two@example.com");
    stage.captured(Side::Old, &old);
    created(&stage, &old);
}

#[test]
fn creation_intent_first_a_lost_answer_to_a_creation_still_ends_in_a_random_password() {
    let mut stage = Stage::new(Provision::Eager);
    let old = person(&stage, &[]);
    trouble(&stage.world, "AdminCreateUser", Fate::AnswerLost, 1);
    stage.captured(Side::Old, &old);
    let new = created(&stage, &old);
    let set = format!("{new}: AdminSetUserPassword() done");
    assert_eq!(calls(&stage.world, &set), 1, "the temporary password stays and expires");
    assert_eq!(stage.entry(Side::Old, &old).owes_password, None);
}

#[test]
fn a_field_that_blocks_a_creation_keeps_its_first_time() {
    let mut stage = Stage::new(Provision::Eager);
    reshape(&stage, |shape| {
        shape.attributes.get_mut(&attribute("phone_number")).unwrap().required = true;
    });
    let old = person(&stage, &[]);
    stage.captured(Side::Old, &old);
    let since = |stage: &Stage| {
        let held = stage.entry(Side::Old, &old).obstacles;
        held.values().map(|it| (it.reason, it.since)).collect::<Vec<_>>()
    };
    let first = since(&stage);
    assert_eq!(first.len(), 1, "{first:?}");
    stage.wait(Duration::from_hours(1));
    stage.captured(Side::Old, &old);
    assert_eq!(since(&stage), first, "the first time was not kept");
    // Another reason gets a new time.
    stage.set(Side::Old, &old, "phone_number", "+15550100");
    stage.captured(Side::Old, &old);
    let now = since(&stage);
    assert_eq!(now.len(), 1, "{now:?}");
    assert!(now[0].0 != first[0].0 && now[0].1 > first[0].1, "{now:?} after {first:?}");
}

/// The read may be as old as D. An account that an event reported as deleted is no source of
/// another one.
#[test]
fn no_account_is_created_or_linked_from_a_read_that_may_predate_the_deletion() {
    for provision in [Provision::Eager, Provision::Lazy] {
        let mut stage = Stage::new(provision);
        let old = stage.account(Side::Old, 1, ADDRESS, true);
        if provision == Provision::Lazy {
            stage.account(Side::New, 1, ADDRESS, true);
        }
        let there = stage.living(Side::New);
        stage.wait(Duration::from_hours(1));
        // An event reports the deletion, and the read shows the account as it was before.
        let deleted = stage.change(Side::Old, &old, Proof::Deleted);
        let verdict = stage.look(&deleted).verdict;
        assert!(matches!(verdict, Verdict::Later(_, Reason::Settling)), "{verdict:?}");
        assert_eq!(stage.living(Side::New), there, "{provision:?}");
        assert_eq!(stage.entry(Side::Old, &old).accounts.new, None, "{provision:?}");
        // A read that cannot be stale finds the account: it exists after all.
        stage.wait(limits::SETTLE);
        stage.look(&deleted);
        assert!(stage.entry(Side::Old, &old).accounts.new.is_some(), "{provision:?}");
    }
}
