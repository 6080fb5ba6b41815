//! What travels, what stays, and what is held.

use std::collections::BTreeSet;

use poolbridge_core::change::Proof;
use poolbridge_core::entry::{DecisionKind, State as PersonState};
use poolbridge_core::facts::Factor;
use poolbridge_core::limits;
use poolbridge_core::mapping::{AttributeRule, Mapping};
use poolbridge_core::names::Sub;
use poolbridge_core::policy::{ConflictRule, Provision};
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::accounts::{attribute, group};
use poolbridge_tests::world::weather::Fate;

use super::{calls, trouble};

#[test]
fn a_held_conflict_stays_held_until_the_values_agree() {
    let mut stage = Stage::new(Provision::Lazy);
    stage.policy.conflicts = ConflictRule::Hold;
    let (old, new) = stage.pair();
    stage.edit(Side::Old, &old, |body| body.groups = [group("staff")].into());
    trouble(&stage.world, "AdminAddUserToGroup", Fate::AnswerLost, 1);
    stage.capture(Side::Old, &old);
    stage.wait(limits::SETTLE);
    let change = stage.change(Side::Old, &old, Proof::Changed);
    stage.look(&change);
    assert!(stage.body(Side::New, &new).groups.contains(&group("staff")), "it was written");
    assert!(stage.entry(Side::Old, &old).intent.is_some(), "apply cannot know that it landed");
    // An administrator removes the membership in the other pool: that looks the same as "never
    // written".
    stage.edit(Side::New, &new, |body| body.groups.clear());
    let verdicts = stage.settle();
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::Conflict)), "{verdicts:?}");
    for _ in 0..2 {
        stage.captured(Side::Old, &old);
        stage.captured(Side::New, &new);
        assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Conflict);
        assert!(stage.body(Side::Old, &old).groups.contains(&group("staff")));
        assert!(stage.body(Side::New, &new).groups.is_empty());
    }
    stage.edit(Side::Old, &old, |body| body.groups.clear());
    stage.captured(Side::Old, &old);
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn a_person_who_settles_without_a_write_is_counted_in_the_new_state() {
    let mut stage = Stage::new(Provision::Lazy);
    stage.policy.conflicts = ConflictRule::Hold;
    let (old, new) = stage.pair();
    let counts = |stage: &Stage| {
        let world = stage.world.lock();
        let of = |state| world.table.counts.get(&state).copied().unwrap_or_default();
        (of(PersonState::Synced), of(PersonState::Conflict))
    };
    assert_eq!(counts(&stage), (1, 0));
    stage.set(Side::Old, &old, "name", "one");
    stage.set(Side::New, &new, "name", "two");
    assert_eq!(stage.captured(Side::Old, &old).last(), Some(&Verdict::Held(Reason::Conflict)));
    assert_eq!(counts(&stage), (0, 1));
    // The person sets the same value on both sides: nothing is to be written.
    stage.set(Side::New, &new, "name", "one");
    let writes = stage.writes();
    stage.captured(Side::New, &new);
    assert_eq!(stage.writes(), writes);
    assert_eq!(counts(&stage), (1, 0));
    let known = stage.entry(Side::Old, &old);
    let age = stage.world.lock().now.since(known.updated);
    assert!(age <= limits::SETTLE * 2, "the record shows no change for {age:?}");
}

#[test]
fn a_record_names_the_fields_that_travelled_and_the_pool() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    let carried = |stage: &Stage| -> Vec<_> {
        let decisions = stage.entry(Side::Old, &old).decisions;
        let carried = decisions.into_iter().filter(|it| it.kind == DecisionKind::Carried);
        carried.map(|it| (it.side, it.fields)).collect()
    };
    assert_eq!(carried(&stage), []);
    stage.set(Side::Old, &old, "name", "one");
    stage.edit(Side::Old, &old, |body| body.groups = [group("staff")].into());
    stage.captured(Side::Old, &old);
    stage.set(Side::New, &new, "nickname", "two");
    stage.captured(Side::New, &new);
    let fields = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let wanted = [
        (Some(Side::New), fields(&["name", "group:staff"])),
        (Some(Side::Old), fields(&["nickname"])),
    ];
    assert_eq!(carried(&stage), wanted);
}

#[test]
fn edits_known_only_from_messages_may_change_direction_any_number_of_times() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    for turn in 0..=u32::from(limits::FLIPS_MAX) * 2 {
        let (side, sub) = if turn % 2 == 0 { (Side::Old, &old) } else { (Side::New, &new) };
        stage.wait(limits::SETTLE * 3);
        stage.set(side, sub, "name", &format!("value {turn}"));
        // The pending change could not be stored.
        let change = stage.change(side, sub, Proof::Changed);
        stage.wait(limits::SETTLE * 2);
        assert_eq!(stage.look(&change).verdict, Verdict::Applied, "turn {turn}");
    }
}

#[test]
fn a_one_way_field_never_changes_direction_and_keeps_no_count() {
    let mut stage = Stage::new(Provision::Lazy);
    // Two values of the old pool map to one: only the new pool is written.
    let values = [("gold", "paying"), ("silver", "paying")];
    let rule = AttributeRule {
        values: values.map(|(old, new)| (old.to_owned(), new.to_owned())).into(),
        ..AttributeRule::same(&attribute("nickname"))
    };
    stage.policy.mapping = Mapping::new(vec![rule], &BTreeSet::new(), false, true).unwrap();
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, "nickname", "gold");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "nickname").as_deref(), Some("paying"));
    assert!(stage.entry(Side::Old, &old).flips.is_empty());
    // A field that travels both ways may change direction.
    stage.set(Side::Old, &old, "name", "one");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.entry(Side::Old, &old).flips.len(), 1);
}

/// Both accounts, members of both groups, in step.
fn members(stage: &mut Stage) -> (Sub, Sub) {
    let (old, new) = stage.pair();
    stage.edit(Side::Old, &old, |body| body.groups = [group("staff"), group("admins")].into());
    stage.captured(Side::Old, &old);
    assert_eq!(stage.body(Side::New, &new).groups.len(), 2);
    (old, new)
}

#[test]
fn a_recreated_group_gets_its_members_from_the_other_pool_and_loses_none() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = members(&mut stage);
    stage.world.lock().pools.new.shape.groups.remove(&group("admins"));
    stage.edit(Side::New, &new, |body| {
        body.groups.remove(&group("admins"));
    });
    let verdicts = stage.captured(Side::New, &new);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::GroupMissing)));
    assert!(stage.body(Side::Old, &old).groups.contains(&group("admins")));
    // The group is created again, and has no members yet.
    stage.world.lock().pools.new.shape.groups.insert(group("admins"));
    stage.captured(Side::New, &new);
    for (side, sub) in [(Side::Old, &old), (Side::New, &new)] {
        assert!(stage.body(side, sub).groups.contains(&group("admins")), "{side} lost a member");
    }
}

#[test]
fn invariant_07_a_just_deleted_group_removes_no_member() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = members(&mut stage);
    {
        let mut world = stage.world.lock();
        let pool = &mut world.pools.new;
        // The worker read the pool's groups minutes ago.
        pool.cached = Some(pool.shape.clone());
        pool.shape.groups.remove(&group("admins"));
    }
    stage.edit(Side::New, &new, |body| {
        body.groups.remove(&group("admins"));
    });
    let verdicts = stage.captured(Side::New, &new);
    assert_eq!(verdicts.last(), Some(&Verdict::Held(Reason::GroupMissing)), "{verdicts:?}");
    assert!(stage.body(Side::Old, &old).groups.contains(&group("admins")));
    // A member who left a group that still exists is removed, at the cost of one read of that
    // group.
    stage.edit(Side::New, &new, |body| {
        body.groups.remove(&group("staff"));
    });
    let before = calls(&stage.world, " GetGroup:");
    stage.captured(Side::New, &new);
    assert!(!stage.body(Side::Old, &old).groups.contains(&group("staff")));
    assert_eq!(calls(&stage.world, " GetGroup:"), before + 1);
    assert_eq!(calls(&stage.world, " ListGroups:"), 0, "the whole list was read");
}

#[test]
fn a_factor_is_written_after_the_phone_number_that_it_needs() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.edit(Side::Old, &old, |body| {
        body.attributes.insert(attribute("phone_number"), "+15550100".to_owned());
        body.attributes.insert(attribute("phone_number_verified"), "true".to_owned());
        body.factors = [Factor::Sms].into();
    });
    // A pool refuses the factor while there is no such number.
    trouble(&stage.world, "AdminUpdateUserAttributes", Fate::Throttled, 1);
    let change = stage.change(Side::Old, &old, Proof::Changed);
    stage.wait(limits::SETTLE);
    stage.look(&change);
    assert_eq!(stage.says(Side::New, &new, "phone_number"), None);
    assert_eq!(calls(&stage.world, "AdminSetUserMFAPreference"), 0, "too early");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "phone_number").as_deref(), Some("+15550100"));
    assert_eq!(stage.body(Side::New, &new).factors, [Factor::Sms].into());
    let world = stage.world.lock();
    let at = |deed: &str| {
        let lines = world.trace.lines();
        lines.iter().rposition(|line| line.contains(deed) && line.ends_with("done")).unwrap()
    };
    assert!(at("AdminUpdateUserAttributes") < at("AdminSetUserMFAPreference"));
}

/// The old pool's values for a plan. The new pool has fewer.
fn fewer_words(stage: &mut Stage) {
    let words = [("gold", "paying"), ("silver", "paying"), ("none", "free")];
    let values = words.map(|(old, new)| (old.to_owned(), new.to_owned())).into();
    let rule = AttributeRule { values, ..AttributeRule::same(&attribute("name")) };
    stage.policy.mapping = Mapping::new(vec![rule], &[].into(), false, true).unwrap();
}

#[test]
fn a_value_that_the_mapping_lacks_is_held_by_name_and_read_once() {
    let mut stage = Stage::new(Provision::Lazy);
    fewer_words(&mut stage);
    let (old, _) = stage.pair();
    stage.set(Side::Old, &old, "name", "gold");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
    stage.set(Side::Old, &old, "name", "platinum");
    stage.captured(Side::Old, &old);
    let entry = stage.entry(Side::Old, &old);
    assert_eq!(entry.state, PersonState::Held);
    let obstacle = entry.obstacles.values().next().map(|obstacle| obstacle.reason);
    assert_eq!(obstacle, Some(Reason::Unsayable));
    // From then on it is an echo, and already recorded.
    let change = stage.change(Side::Old, &old, Proof::Changed);
    stage.wait(limits::SETTLE);
    let report = stage.look(&change);
    assert!(report.account_reads <= 2, "{report:?}");
}

#[test]
fn a_one_way_rule_takes_nothing_away_at_a_first_link() {
    let mut stage = Stage::new(Provision::Lazy);
    fewer_words(&mut stage);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    let new = stage.account(Side::New, 1, "one@example.com", true);
    stage.set(Side::New, &new, "name", "free");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("free"));
    // From now on, edits in the rule's source travel, and edits in its target stay there.
    stage.set(Side::Old, &old, "name", "silver");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("paying"));
    stage.set(Side::New, &new, "name", "free");
    stage.captured(Side::New, &new);
    assert_eq!(stage.says(Side::Old, &old, "name").as_deref(), Some("silver"));
}

#[test]
fn a_one_way_rule_records_what_its_source_overrules_at_a_first_link() {
    let mut stage = Stage::new(Provision::Lazy);
    fewer_words(&mut stage);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    let new = stage.account(Side::New, 1, "one@example.com", true);
    stage.set(Side::Old, &old, "name", "gold");
    stage.set(Side::New, &new, "name", "free");
    stage.captured(Side::New, &new);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("paying"));
    let entry = stage.entry(Side::Old, &old);
    let told = entry.decisions.iter().any(|decision| {
        decision.kind == DecisionKind::FirstLinkConflict && decision.fields == ["name"]
    });
    assert!(told, "{:?}", entry.decisions);
}

#[test]
fn groups_that_cognito_creates_for_a_provider_never_travel_and_hold_no_person() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    let made = group("eu-west-1_Old_Google");
    {
        let pools = &mut stage.world.lock().pools;
        pools.old.shape.provider_groups = "eu-west-1_Old_".to_owned();
        pools.old.shape.groups.insert(made.clone());
    }
    stage.edit(Side::Old, &old, |body| body.groups = [made.clone(), group("staff")].into());
    let verdicts = stage.captured(Side::Old, &old);
    let entry = stage.entry(Side::Old, &old);
    assert_eq!(entry.state, PersonState::Synced, "{verdicts:?}, {:?}", entry.obstacles);
    assert_eq!(stage.body(Side::New, &new).groups, [group("staff")].into());
    // Not even if the other pool has a group with that name.
    stage.world.lock().pools.new.shape.groups.insert(made.clone());
    stage.set(Side::Old, &old, "name", "n");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.body(Side::New, &new).groups, [group("staff")].into());
    assert!(stage.body(Side::Old, &old).groups.contains(&made), "a member lost it");
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Synced);
}

#[test]
fn expired_count_of_direction_changes_is_not_kept() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, "name", "one");
    stage.captured(Side::Old, &old);
    stage.set(Side::New, &new, "name", "two");
    stage.captured(Side::New, &new);
    let counted = |stage: &Stage| stage.entry(Side::Old, &old).flips.len();
    assert_eq!(counted(&stage), 1, "the name changed direction");
    stage.wait(limits::FLIPS_WINDOW / 2);
    stage.set(Side::Old, &old, "nickname", "pat");
    stage.captured(Side::Old, &old);
    assert_eq!(counted(&stage), 2, "both counts are still open");
    stage.wait(limits::FLIPS_WINDOW / 2);
    stage.set(Side::Old, &old, "nickname", "patty");
    stage.captured(Side::Old, &old);
    assert_eq!(counted(&stage), 1, "the count of the name is over");
}
