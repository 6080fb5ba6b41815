//! What a person's new account is created with, and when none is created.

use std::collections::BTreeSet;
use std::time::Duration;

use poolbridge_core::account::{AttributeSchema, PoolSchema};
use poolbridge_core::change::Evidence;
use poolbridge_core::error::ErrorKind;
use poolbridge_core::limits;
use poolbridge_core::mapping::{AttributeRule, Mapping};
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::{MatchBy, Provision};
use poolbridge_core::profile::Field;
use poolbridge_core::record::PersonState;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::accounts::attribute;
use poolbridge_tests::world::fault_injection::CallFate;

use super::{calls, inject_faults};

const ADDRESS: &str = "one@example.com";

fn field(name: &str) -> Field {
    Field::from_name(name).unwrap()
}

/// Changes the schema of the new pool.
fn change_schema(setup: &Setup, change: impl FnOnce(&mut PoolSchema)) {
    change(&mut setup.world.lock().pools.new.schema);
}

/// Lets these attributes travel too, with the same name in both pools.
fn map_too(setup: &mut Setup, names: &[&str]) {
    let rule = |name: &&str| AttributeRule::same(&attribute(name));
    let rules = names.iter().map(rule).collect();
    setup.policy.mapping = Mapping::new(rules, &BTreeSet::new(), false, true).unwrap();
    let mut world = setup.world.lock();
    for side in Side::BOTH {
        for name in names {
            let schema = &mut world.pools.get_mut(side).schema;
            schema.attributes.insert(attribute(name), AttributeSchema::default());
        }
    }
}

/// A person of the old pool with a verified address and these attributes.
fn person(setup: &Setup, attributes: &[(&str, &str)]) -> Sub {
    let old = setup.account(Side::Old, 1, ADDRESS, true);
    for (name, value) in attributes {
        setup.set(Side::Old, &old, name, value);
    }
    old
}

fn named(setup: &Setup, old: &Sub, name: &str) -> Option<Reason> {
    setup
        .record(Side::Old, old)
        .blocked_fields
        .get(&field(name))
        .map(|blocked_field| blocked_field.reason)
}

/// The account that was created for this person.
fn created(setup: &Setup, old: &Sub) -> Sub {
    assert_eq!(setup.living(Side::New), 1, "no account was created");
    setup.record(Side::Old, old).accounts.new.unwrap().sub
}

#[test]
fn one_attribute_that_the_pool_refuses_does_not_keep_a_person_from_being_created() {
    let mut setup = Setup::new(Provision::Eager);
    setup.world.lock().pools.new.unsaid =
        Some(|name, value| name.as_str() == "nickname" && value == "x");
    let old = person(&setup, &[("nickname", "x"), ("name", "fine")]);
    let outcomes = setup.captured(Side::Old, &old);
    let new = created(&setup, &old);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("fine"), "{outcomes:?}");
    assert_eq!(setup.attribute(Side::New, &new, "nickname"), None);
    assert_eq!(named(&setup, &old, "nickname"), Some(Reason::RefusedByPool), "{outcomes:?}");
    assert_eq!(outcomes.last(), Some(&Outcome::Rejected(Reason::RefusedByPool)));
    // The same value is not tried again; another one is.
    let writes = calls(&setup.world, "AdminUpdateUserAttributes");
    setup.captured(Side::Old, &old);
    assert_eq!(calls(&setup.world, "AdminUpdateUserAttributes"), writes);
    setup.set(Side::Old, &old, "nickname", "xy");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "nickname").as_deref(), Some("xy"));
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn a_value_that_the_schema_forbids_is_left_out_and_named_before_the_creation() {
    let mut setup = Setup::new(Provision::Eager);
    map_too(&mut setup, &["custom:nick", "custom:level"]);
    change_schema(&setup, |schema| {
        let nick = AttributeSchema { shortest: Some(3), ..AttributeSchema::default() };
        let level = AttributeSchema { least: Some(0), most: Some(5), ..AttributeSchema::default() };
        schema.attributes.insert(attribute("custom:nick"), nick);
        schema.attributes.insert(attribute("custom:level"), level);
    });
    let old = person(&setup, &[("custom:nick", "Al"), ("custom:level", "9"), ("name", "fine")]);
    let outcomes = setup.captured(Side::Old, &old);
    let new = created(&setup, &old);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("fine"));
    assert_eq!(named(&setup, &old, "custom:nick"), Some(Reason::TooShort), "{outcomes:?}");
    assert_eq!(named(&setup, &old, "custom:level"), Some(Reason::OutOfRange), "{outcomes:?}");
    // The first try succeeded: no call was wasted.
    assert_eq!(calls(&setup.world, " AdminCreateUser"), 1);
    setup.set(Side::Old, &old, "custom:nick", "Alex");
    setup.set(Side::Old, &old, "custom:level", "5");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "custom:nick").as_deref(), Some("Alex"));
    assert_eq!(setup.attribute(Side::New, &new, "custom:level").as_deref(), Some("5"));
}

#[test]
fn an_alias_that_repeats_the_username_is_left_out_and_named() {
    let mut setup = Setup::new(Provision::Eager);
    map_too(&mut setup, &["preferred_username"]);
    change_schema(&setup, |schema| {
        schema.alias_attributes = [attribute("preferred_username")].into();
    });
    let old = person(&setup, &[("preferred_username", "old-1"), ("name", "fine")]);
    let outcomes = setup.captured(Side::Old, &old);
    let new = created(&setup, &old);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("fine"));
    let reason = named(&setup, &old, "preferred_username");
    assert_eq!(reason, Some(Reason::RefusedByPool), "{outcomes:?}");
    assert_eq!(calls(&setup.world, " AdminCreateUser"), 1);
}

#[test]
fn a_creation_that_answers_user_not_found_is_tried_with_fewer_fields() {
    let mut setup = Setup::new(Provision::Eager);
    map_too(&mut setup, &["preferred_username"]);
    change_schema(&setup, |schema| {
        schema.alias_attributes = [attribute("preferred_username")].into();
    });
    // The schema is case-sensitive, but the pool is not where an alias equals a username.
    let old = person(&setup, &[("preferred_username", "OLD-1")]);
    let outcomes = setup.captured(Side::Old, &old);
    created(&setup, &old);
    assert_eq!(calls(&setup.world, " AdminCreateUser"), 2, "{outcomes:?}");
    assert!(setup.world.lock().table.pending_changes.is_empty());
}

#[test]
fn an_attribute_that_the_target_requires_and_the_person_lacks_holds_the_person_by_its_name() {
    let mut setup = Setup::new(Provision::Eager);
    change_schema(&setup, |schema| {
        let phone = schema.attributes.get_mut(&attribute("phone_number"));
        phone.unwrap().required = true;
    });
    let old = person(&setup, &[]);
    let held = Outcome::Held(Reason::RequiredMissing);
    assert_eq!(setup.captured(Side::Old, &old).last(), Some(&held));
    assert_eq!(named(&setup, &old, "phone_number"), Some(Reason::RequiredMissing));
    assert_eq!((setup.living(Side::New), calls(&setup.world, "AdminCreateUser")), (0, 0));
    // The result is remembered: no search is made for it again.
    let searches = calls(&setup.world, "ListUsers");
    assert_eq!(setup.captured(Side::Old, &old).last(), Some(&held));
    assert_eq!(calls(&setup.world, "ListUsers"), searches);
    setup.set(Side::Old, &old, "phone_number", "+15550100");
    let held = Outcome::Held(Reason::AddressUnverified);
    assert_eq!(
        setup.captured(Side::Old, &old).last(),
        Some(&held),
        "a creation carries no unverified address"
    );
    setup.set(Side::Old, &old, "phone_number_verified", "true");
    setup.captured(Side::Old, &old);
    let new = created(&setup, &old);
    assert_eq!(setup.attribute(Side::New, &new, "phone_number").as_deref(), Some("+15550100"));
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn a_required_attribute_of_no_mapping_rule_holds_the_person_by_its_name() {
    let mut setup = Setup::new(Provision::Eager);
    change_schema(&setup, |schema| {
        let badge = AttributeSchema { required: true, ..AttributeSchema::default() };
        schema.attributes.insert(attribute("custom:badge"), badge);
    });
    let old = person(&setup, &[]);
    let held = Outcome::Held(Reason::RequiredMissing);
    assert_eq!(setup.captured(Side::Old, &old).last(), Some(&held));
    assert_eq!(named(&setup, &old, "custom:badge"), Some(Reason::RequiredMissing));
    assert_eq!(setup.living(Side::New), 0);
}

#[test]
fn no_account_is_created_without_its_sign_in_address() {
    for match_by in [MatchBy::Email, MatchBy::Username] {
        let mut setup = Setup::new(Provision::Eager);
        setup.policy.match_by = match_by;
        change_schema(&setup, |schema| {
            schema.attributes.remove(&attribute("email"));
        });
        let old = person(&setup, &[("name", "fine")]);
        let held = Outcome::Held(Reason::NotInSchema);
        assert_eq!(setup.captured(Side::Old, &old).last(), Some(&held));
        assert_eq!(named(&setup, &old, "email"), Some(Reason::NotInSchema));
        assert_eq!((setup.living(Side::New), calls(&setup.world, "AdminCreateUser")), (0, 0));
    }
}

#[test]
fn a_creation_carries_verified_addresses_only() {
    let mut setup = Setup::new(Provision::Eager);
    let claimed = [("phone_number", "+15550100"), ("phone_number_verified", "false")];
    let old = person(&setup, &claimed);
    setup.captured(Side::Old, &old);
    let new = created(&setup, &old);
    let world = setup.world.lock();
    let first = &world.account(Side::New, &new).unwrap().versions()[0].body.attributes;
    assert_eq!(first.get(&attribute("email")).map(String::as_str), Some(ADDRESS));
    assert_eq!(first.get(&attribute("phone_number")), None, "an unverified address was created");
}

#[test]
fn an_immutable_attribute_that_is_refused_takes_no_other_with_it() {
    let mut setup = Setup::new(Provision::Eager);
    map_too(&mut setup, &["custom:hired", "custom:badge"]);
    change_schema(&setup, |schema| {
        let fixed = AttributeSchema { mutable: false, ..AttributeSchema::default() };
        schema.attributes.insert(attribute("custom:hired"), fixed.clone());
        schema.attributes.insert(attribute("custom:badge"), fixed);
    });
    setup.world.lock().pools.new.unsaid = Some(|name, _| name.as_str() == "custom:badge");
    let old = person(&setup, &[("custom:hired", "2020"), ("custom:badge", "7"), ("name", "fine")]);
    let outcomes = setup.captured(Side::Old, &old);
    let new = created(&setup, &old);
    assert_eq!(setup.attribute(Side::New, &new, "custom:hired").as_deref(), Some("2020"));
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("fine"));
    assert_eq!(setup.attribute(Side::New, &new, "custom:badge"), None);
    assert!(named(&setup, &old, "custom:badge").is_some(), "{outcomes:?}");
    assert!(named(&setup, &old, "custom:hired").is_none(), "{outcomes:?}");
}

#[test]
fn a_creation_agrees_on_what_the_account_holds() {
    let mut setup = Setup::new(Provision::Eager);
    setup.world.lock().pools.new.unsaid = Some(|name, _| name.as_str() == "nickname");
    let old = person(&setup, &[("nickname", "x"), ("name", "fine")]);
    setup.capture(Side::Old, &old);
    setup.wait(poolbridge_core::limits::SETTLE);
    let change = setup.change(Side::Old, &old, poolbridge_core::change::Evidence::Changed);
    setup.process(&change);
    let new = created(&setup, &old);
    let held = setup.body(Side::New, &new).attributes;
    let baseline = setup.record(Side::Old, &old).baseline.unwrap().fields;
    for name in ["nickname", "name", "email"] {
        let holds = held.contains_key(&attribute(name));
        assert_eq!(baseline.contains_key(&field(name)), holds, "{name}");
    }
    assert!(!held.contains_key(&attribute("nickname")));
}

#[test]
fn a_pool_that_refuses_the_smallest_account_is_asked_once_and_names_the_fields() {
    let mut setup = Setup::new(Provision::Eager);
    setup.world.lock().pools.new.fails.insert("AdminCreateUser", ErrorKind::Invalid);
    let old = person(&setup, &[("name", "fine")]);
    let held = Outcome::Held(Reason::RefusedByPool);
    assert_eq!(setup.captured(Side::Old, &old).last(), Some(&held));
    assert_eq!(named(&setup, &old, "email"), Some(Reason::RefusedByPool));
    let tried = calls(&setup.world, " AdminCreateUser");
    setup.captured(Side::Old, &old);
    assert_eq!(calls(&setup.world, " AdminCreateUser"), tried, "the same values were tried again");
    setup.world.lock().pools.new.fails.clear();
    setup.set(Side::Old, &old, "email", "two@example.com");
    setup.captured(Side::Old, &old);
    created(&setup, &old);
}

#[test]
fn creation_intent_first_a_lost_answer_to_a_creation_still_ends_in_a_random_password() {
    let mut setup = Setup::new(Provision::Eager);
    let old = person(&setup, &[]);
    inject_faults(&setup.world, "AdminCreateUser", CallFate::AnswerLost, 1);
    setup.captured(Side::Old, &old);
    let new = created(&setup, &old);
    let set = format!("{new}: AdminSetUserPassword() done");
    assert_eq!(calls(&setup.world, &set), 1, "the temporary password stays and expires");
    assert_eq!(setup.record(Side::Old, &old).owes_password, None);
}

#[test]
fn a_field_that_blocks_a_creation_keeps_its_first_time() {
    let mut setup = Setup::new(Provision::Eager);
    change_schema(&setup, |schema| {
        schema.attributes.get_mut(&attribute("phone_number")).unwrap().required = true;
    });
    let old = person(&setup, &[]);
    setup.captured(Side::Old, &old);
    let since = |setup: &Setup| {
        let held = setup.record(Side::Old, &old).blocked_fields;
        held.values().map(|it| (it.reason, it.since)).collect::<Vec<_>>()
    };
    let first = since(&setup);
    assert_eq!(first.len(), 1, "{first:?}");
    setup.wait(Duration::from_hours(1));
    setup.captured(Side::Old, &old);
    assert_eq!(since(&setup), first, "the first time was not kept");
    // Another reason gets a new time.
    setup.set(Side::Old, &old, "phone_number", "+15550100");
    setup.captured(Side::Old, &old);
    let now = since(&setup);
    assert_eq!(now.len(), 1, "{now:?}");
    assert!(now[0].0 != first[0].0 && now[0].1 > first[0].1, "{now:?} after {first:?}");
}

/// The read may be as old as D. An account that an event reported as deleted is no source of
/// another one.
#[test]
fn no_account_is_created_or_linked_from_a_read_that_may_predate_the_deletion() {
    for provision in [Provision::Eager, Provision::Lazy] {
        let mut setup = Setup::new(provision);
        let old = setup.account(Side::Old, 1, ADDRESS, true);
        if provision == Provision::Lazy {
            setup.account(Side::New, 1, ADDRESS, true);
        }
        let there = setup.living(Side::New);
        setup.wait(Duration::from_hours(1));
        // An event reports the deletion, and the read shows the account as it was before.
        let deleted = setup.change(Side::Old, &old, Evidence::Deleted);
        let outcome = setup.process(&deleted).outcome;
        assert!(matches!(outcome, Outcome::Retry(_, Reason::Settling)), "{outcome:?}");
        assert_eq!(setup.living(Side::New), there, "{provision:?}");
        assert_eq!(setup.record(Side::Old, &old).accounts.new, None, "{provision:?}");
        // A read that cannot be stale finds the account: it exists after all.
        setup.wait(limits::SETTLE);
        setup.process(&deleted);
        assert!(setup.record(Side::Old, &old).accounts.new.is_some(), "{provision:?}");
    }
}
