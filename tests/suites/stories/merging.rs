//! What travels, what stays, and what is held.

use std::collections::BTreeSet;

use poolbridge_core::change::Evidence;
use poolbridge_core::limits;
use poolbridge_core::mapping::{AttributeRule, Mapping};
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::{ConflictRule, Provision};
use poolbridge_core::profile::Factor;
use poolbridge_core::record::{DecisionKind, PersonState};
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::accounts::{attribute, group};
use poolbridge_tests::world::fault_injection::CallFate;

use super::{calls, inject_faults};

#[test]
fn a_held_conflict_stays_held_until_the_values_agree() {
    let mut setup = Setup::new(Provision::Lazy);
    setup.policy.conflicts = ConflictRule::Hold;
    let (old, new) = setup.pair();
    setup.edit(Side::Old, &old, |body| body.groups = [group("staff")].into());
    inject_faults(&setup.world, "AdminAddUserToGroup", CallFate::AnswerLost, 1);
    setup.capture(Side::Old, &old);
    setup.wait(limits::SETTLE);
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    setup.process(&change);
    assert!(setup.body(Side::New, &new).groups.contains(&group("staff")), "it was written");
    assert!(setup.record(Side::Old, &old).intent.is_some(), "apply cannot know that it landed");
    // An administrator removes the membership in the other pool: that looks the same as "never
    // written".
    setup.edit(Side::New, &new, |body| body.groups.clear());
    let outcomes = setup.settle();
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::Conflict)), "{outcomes:?}");
    for _ in 0..2 {
        setup.captured(Side::Old, &old);
        setup.captured(Side::New, &new);
        assert_eq!(setup.record(Side::Old, &old).state, PersonState::Conflict);
        assert!(setup.body(Side::Old, &old).groups.contains(&group("staff")));
        assert!(setup.body(Side::New, &new).groups.is_empty());
    }
    setup.edit(Side::Old, &old, |body| body.groups.clear());
    setup.captured(Side::Old, &old);
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn a_person_who_settles_without_a_write_is_counted_in_the_new_state() {
    let mut setup = Setup::new(Provision::Lazy);
    setup.policy.conflicts = ConflictRule::Hold;
    let (old, new) = setup.pair();
    let counts = |setup: &Setup| {
        let world = setup.world.lock();
        let of = |state| world.table.counts.get(&state).copied().unwrap_or_default();
        (of(PersonState::Synced), of(PersonState::Conflict))
    };
    assert_eq!(counts(&setup), (1, 0));
    setup.set(Side::Old, &old, "name", "one");
    setup.set(Side::New, &new, "name", "two");
    assert_eq!(setup.captured(Side::Old, &old).last(), Some(&Outcome::Held(Reason::Conflict)));
    assert_eq!(counts(&setup), (0, 1));
    // The person sets the same value on both sides: nothing is to be written.
    setup.set(Side::New, &new, "name", "one");
    let writes = setup.writes();
    setup.captured(Side::New, &new);
    assert_eq!(setup.writes(), writes);
    assert_eq!(counts(&setup), (1, 0));
    let known = setup.record(Side::Old, &old);
    let age = setup.world.lock().now.since(known.updated);
    assert!(age <= limits::SETTLE * 2, "the record shows no change for {age:?}");
}

#[test]
fn a_record_names_the_fields_that_travelled_and_the_pool() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    let carried = |setup: &Setup| -> Vec<_> {
        let decisions = setup.record(Side::Old, &old).decisions;
        let carried = decisions.into_iter().filter(|it| it.kind == DecisionKind::Carried);
        carried.map(|it| (it.side, it.fields)).collect()
    };
    assert_eq!(carried(&setup), []);
    setup.set(Side::Old, &old, "name", "one");
    setup.edit(Side::Old, &old, |body| body.groups = [group("staff")].into());
    setup.captured(Side::Old, &old);
    setup.set(Side::New, &new, "nickname", "two");
    setup.captured(Side::New, &new);
    let fields = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let wanted = [
        (Some(Side::New), fields(&["name", "group:staff"])),
        (Some(Side::Old), fields(&["nickname"])),
    ];
    assert_eq!(carried(&setup), wanted);
}

#[test]
fn edits_known_only_from_messages_may_change_direction_any_number_of_times() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    for turn in 0..=u32::from(limits::DIRECTION_CHANGES_MAX) * 2 {
        let (side, sub) = if turn % 2 == 0 { (Side::Old, &old) } else { (Side::New, &new) };
        setup.wait(limits::SETTLE * 3);
        setup.set(side, sub, "name", &format!("value {turn}"));
        // The pending change could not be stored.
        let change = setup.change(side, sub, Evidence::Changed);
        setup.wait(limits::SETTLE * 2);
        assert_eq!(setup.process(&change).outcome, Outcome::Applied, "turn {turn}");
    }
}

#[test]
fn a_one_way_field_never_changes_direction_and_keeps_no_count() {
    let mut setup = Setup::new(Provision::Lazy);
    // Two values of the old pool map to one: only the new pool is written.
    let values = [("gold", "paying"), ("silver", "paying")];
    let rule = AttributeRule {
        values: values.map(|(old, new)| (old.to_owned(), new.to_owned())).into(),
        ..AttributeRule::same(&attribute("nickname"))
    };
    setup.policy.mapping = Mapping::new(vec![rule], &BTreeSet::new(), false, true).unwrap();
    let (old, new) = setup.pair();
    setup.set(Side::Old, &old, "nickname", "gold");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "nickname").as_deref(), Some("paying"));
    assert!(setup.record(Side::Old, &old).direction_changes.is_empty());
    // A field that travels both ways may change direction.
    setup.set(Side::Old, &old, "name", "one");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.record(Side::Old, &old).direction_changes.len(), 1);
}

/// Both accounts, members of both groups, in step.
fn members(setup: &mut Setup) -> (Sub, Sub) {
    let (old, new) = setup.pair();
    setup.edit(Side::Old, &old, |body| body.groups = [group("staff"), group("admins")].into());
    setup.captured(Side::Old, &old);
    assert_eq!(setup.body(Side::New, &new).groups.len(), 2);
    (old, new)
}

#[test]
fn a_recreated_group_gets_its_members_from_the_other_pool_and_loses_none() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = members(&mut setup);
    setup.world.lock().pools.new.schema.groups.remove(&group("admins"));
    setup.edit(Side::New, &new, |body| {
        body.groups.remove(&group("admins"));
    });
    let outcomes = setup.captured(Side::New, &new);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::GroupMissing)));
    assert!(setup.body(Side::Old, &old).groups.contains(&group("admins")));
    // The group is created again, and has no members yet.
    setup.world.lock().pools.new.schema.groups.insert(group("admins"));
    setup.captured(Side::New, &new);
    for (side, sub) in [(Side::Old, &old), (Side::New, &new)] {
        assert!(setup.body(side, sub).groups.contains(&group("admins")), "{side} lost a member");
    }
}

#[test]
fn invariant_07_a_just_deleted_group_removes_no_member() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = members(&mut setup);
    {
        let mut world = setup.world.lock();
        let pool = &mut world.pools.new;
        // The worker read the pool's groups minutes ago.
        pool.cached = Some(pool.schema.clone());
        pool.schema.groups.remove(&group("admins"));
    }
    setup.edit(Side::New, &new, |body| {
        body.groups.remove(&group("admins"));
    });
    let outcomes = setup.captured(Side::New, &new);
    assert_eq!(outcomes.last(), Some(&Outcome::Held(Reason::GroupMissing)), "{outcomes:?}");
    assert!(setup.body(Side::Old, &old).groups.contains(&group("admins")));
    // A member who left a group that still exists is removed, at the cost of one read of that
    // group.
    setup.edit(Side::New, &new, |body| {
        body.groups.remove(&group("staff"));
    });
    let before = calls(&setup.world, " GetGroup:");
    setup.captured(Side::New, &new);
    assert!(!setup.body(Side::Old, &old).groups.contains(&group("staff")));
    assert_eq!(calls(&setup.world, " GetGroup:"), before + 1);
    assert_eq!(calls(&setup.world, " ListGroups:"), 0, "the whole list was read");
}

#[test]
fn a_factor_is_written_after_the_phone_number_that_it_needs() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.edit(Side::Old, &old, |body| {
        body.attributes.insert(attribute("phone_number"), "+15550100".to_owned());
        body.attributes.insert(attribute("phone_number_verified"), "true".to_owned());
        body.factors = [Factor::Sms].into();
    });
    // A pool refuses the factor while there is no such number.
    inject_faults(&setup.world, "AdminUpdateUserAttributes", CallFate::Throttled, 1);
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    setup.wait(limits::SETTLE);
    setup.process(&change);
    assert_eq!(setup.attribute(Side::New, &new, "phone_number"), None);
    assert_eq!(calls(&setup.world, "AdminSetUserMFAPreference"), 0, "too early");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "phone_number").as_deref(), Some("+15550100"));
    assert_eq!(setup.body(Side::New, &new).factors, [Factor::Sms].into());
    let world = setup.world.lock();
    let at = |action: &str| {
        let lines = world.trace.lines();
        lines.iter().rposition(|line| line.contains(action) && line.ends_with("done")).unwrap()
    };
    assert!(at("AdminUpdateUserAttributes") < at("AdminSetUserMFAPreference"));
}

/// The old pool's values for a plan. The new pool has fewer.
fn fewer_words(setup: &mut Setup) {
    let words = [("gold", "paying"), ("silver", "paying"), ("none", "free")];
    let values = words.map(|(old, new)| (old.to_owned(), new.to_owned())).into();
    let rule = AttributeRule { values, ..AttributeRule::same(&attribute("name")) };
    setup.policy.mapping = Mapping::new(vec![rule], &[].into(), false, true).unwrap();
}

#[test]
fn a_value_that_the_mapping_lacks_is_held_by_name_and_read_once() {
    let mut setup = Setup::new(Provision::Lazy);
    fewer_words(&mut setup);
    let (old, _) = setup.pair();
    setup.set(Side::Old, &old, "name", "gold");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
    setup.set(Side::Old, &old, "name", "platinum");
    setup.captured(Side::Old, &old);
    let record = setup.record(Side::Old, &old);
    assert_eq!(record.state, PersonState::Held);
    let blocked_field =
        record.blocked_fields.values().next().map(|blocked_field| blocked_field.reason);
    assert_eq!(blocked_field, Some(Reason::Unsayable));
    // From then on it is an echo, and already recorded.
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    setup.wait(limits::SETTLE);
    let report = setup.process(&change);
    assert!(report.account_reads <= 2, "{report:?}");
}

#[test]
fn a_one_way_rule_takes_nothing_away_at_a_first_link() {
    let mut setup = Setup::new(Provision::Lazy);
    fewer_words(&mut setup);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    let new = setup.account(Side::New, 1, "one@example.com", true);
    setup.set(Side::New, &new, "name", "free");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("free"));
    // From now on, edits in the rule's source travel, and edits in its target stay there.
    setup.set(Side::Old, &old, "name", "silver");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("paying"));
    setup.set(Side::New, &new, "name", "free");
    setup.captured(Side::New, &new);
    assert_eq!(setup.attribute(Side::Old, &old, "name").as_deref(), Some("silver"));
}

#[test]
fn a_one_way_rule_records_what_its_source_overrules_at_a_first_link() {
    let mut setup = Setup::new(Provision::Lazy);
    fewer_words(&mut setup);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    let new = setup.account(Side::New, 1, "one@example.com", true);
    setup.set(Side::Old, &old, "name", "gold");
    setup.set(Side::New, &new, "name", "free");
    setup.captured(Side::New, &new);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("paying"));
    let record = setup.record(Side::Old, &old);
    let recorded = record.decisions.iter().any(|decision| {
        decision.kind == DecisionKind::FirstLinkConflict && decision.fields == ["name"]
    });
    assert!(recorded, "{:?}", record.decisions);
}

#[test]
fn groups_that_cognito_creates_for_a_provider_never_travel_and_hold_no_person() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    let made = group("eu-west-1_Old_Google");
    {
        let pools = &mut setup.world.lock().pools;
        pools.old.schema.provider_groups = "eu-west-1_Old_".to_owned();
        pools.old.schema.groups.insert(made.clone());
    }
    setup.edit(Side::Old, &old, |body| body.groups = [made.clone(), group("staff")].into());
    let outcomes = setup.captured(Side::Old, &old);
    let record = setup.record(Side::Old, &old);
    assert_eq!(record.state, PersonState::Synced, "{outcomes:?}, {:?}", record.blocked_fields);
    assert_eq!(setup.body(Side::New, &new).groups, [group("staff")].into());
    // Not even if the other pool has a group with that name.
    setup.world.lock().pools.new.schema.groups.insert(made.clone());
    setup.set(Side::Old, &old, "name", "n");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.body(Side::New, &new).groups, [group("staff")].into());
    assert!(setup.body(Side::Old, &old).groups.contains(&made), "a member lost it");
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn expired_count_of_direction_changes_is_not_kept() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.set(Side::Old, &old, "name", "one");
    setup.captured(Side::Old, &old);
    setup.set(Side::New, &new, "name", "two");
    setup.captured(Side::New, &new);
    let counted = |setup: &Setup| setup.record(Side::Old, &old).direction_changes.len();
    assert_eq!(counted(&setup), 1, "the name changed direction");
    setup.wait(limits::DIRECTION_CHANGES_WINDOW / 2);
    setup.set(Side::Old, &old, "nickname", "pat");
    setup.captured(Side::Old, &old);
    assert_eq!(counted(&setup), 2, "both counts are still open");
    setup.wait(limits::DIRECTION_CHANGES_WINDOW / 2);
    setup.set(Side::Old, &old, "nickname", "patty");
    setup.captured(Side::Old, &old);
    assert_eq!(counted(&setup), 1, "the count of the name is over");
}
