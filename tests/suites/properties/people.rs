//! Generated accounts, and a mapping with one rule of every kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use poolbridge_core::account::{Account, AttributeSchema, PoolSchema, Status};
use poolbridge_core::mapping::{AttributeRule, Mapping, Normal};
use poolbridge_core::names::{AttributeName, GroupName, Sub, Username};
use poolbridge_core::normalise::Country;
use poolbridge_core::policy::{ConflictRule, Deletes, MatchBy, Policy, Provision, StalePasswords};
use poolbridge_core::profile::Factor;
use poolbridge_core::rules::ProtocolRules;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use proptest::prelude::*;

pub(super) fn attribute(name: &str) -> AttributeName {
    AttributeName::try_from(name).unwrap()
}

fn group(name: &str) -> GroupName {
    GroupName::try_from(name).unwrap()
}

fn between(old: &str, new: &str) -> AttributeRule {
    AttributeRule::between(Some(attribute(old)), Some(attribute(new)))
}

/// One rule of every kind that a team can configure.
fn rules() -> Vec<AttributeRule> {
    let states = Country::from_code("US").unwrap();
    let words = [("a", "alpha"), ("b", "beta"), ("c", "gamma")];
    let words = words.map(|(old, new)| (old.to_owned(), new.to_owned()));
    let many = [("x", "same"), ("y", "same")].map(|(old, new)| (old.to_owned(), new.to_owned()));
    let constant = AttributeRule::between(None, Some(attribute("custom:origin")));
    vec![
        between("custom:dept", "custom:department"),
        AttributeRule {
            prefix: BySide { old: String::new(), new: "acme-".to_owned() },
            ..between("custom:number", "custom:staff")
        },
        AttributeRule { values: BTreeMap::from(words), ..between("custom:grade", "custom:level") },
        AttributeRule { values: BTreeMap::from(many), ..between("custom:many", "custom:one") },
        AttributeRule {
            normal: vec![Normal::E164(states)],
            ..between("phone_number", "phone_number")
        },
        AttributeRule {
            normal: vec![Normal::Trim, Normal::Lowercase],
            ..between("nickname", "nickname")
        },
        AttributeRule { normal: vec![Normal::Number], ..between("custom:size", "custom:size") },
        AttributeRule { normal: vec![Normal::Date], ..between("birthdate", "birthdate") },
        AttributeRule { default: Some("en".to_owned()), ..between("locale", "locale") },
        AttributeRule { constant: Some("old".to_owned()), ..constant },
    ]
}

pub(super) fn mapping() -> Mapping {
    Mapping::new(rules(), &BTreeSet::from([attribute("website")]), true, true).unwrap()
}

pub(super) fn policy(conflicts: ConflictRule) -> Policy {
    Policy {
        match_by: MatchBy::Email,
        provision: BySide { old: Provision::Lazy, new: Provision::Lazy },
        conflicts,
        deletes: Deletes::Disable,
        groups: true,
        stale_passwords: StalePasswords::Close,
        settle: std::time::Duration::from_secs(10),
        clock_allowance: std::time::Duration::ZERO,
        mapping: mapping(),
        rules: ProtocolRules::WHOLE,
    }
}

pub(super) fn schema() -> PoolSchema {
    let mut attributes = BTreeMap::new();
    for rule in mapping().rules() {
        for name in [&rule.attribute.old, &rule.attribute.new].into_iter().flatten() {
            attributes.insert(name.clone(), AttributeSchema::default());
        }
    }
    for name in ["email_verified", "phone_number_verified"] {
        attributes.insert(attribute(name), AttributeSchema::default());
    }
    PoolSchema {
        attributes,
        groups: ["admins", "staff", "guests"].map(group).into(),
        factors: Factor::TRAVELLING.into(),
        ..PoolSchema::default()
    }
}

pub(super) fn schemas() -> BySide<Arc<PoolSchema>> {
    BySide::from_fn(|_| Arc::new(schema()))
}

/// What a person might type, including blanks, mixed case and other alphabets.
fn free_text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[A-Za-z0-9 .äß中-]{1,12}"]
}

fn phone() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "\\+1206555[0-9]{4}",
        "206-555-[0-9]{4}",
        "\\(206\\) 555 [0-9]{4}",
    ]
}

fn raw_value(name: &str) -> BoxedStrategy<String> {
    match name {
        "phone_number" => phone().boxed(),
        "email" => prop_oneof![Just(String::new()), "[A-Za-z]{1,5}@Example\\.com"].boxed(),
        "custom:grade" => prop_oneof!["[abc]", Just(String::new())].boxed(),
        "custom:level" => {
            prop_oneof![Just("alpha".to_owned()), Just("beta".to_owned()), Just(String::new())]
                .boxed()
        }
        "custom:many" => "[xy]".boxed(),
        "custom:one" => Just("same".to_owned()).boxed(),
        "custom:staff" => "acme-[0-9]{1,4}".boxed(),
        "custom:size" => prop_oneof!["-?0{0,2}[0-9]{1,4}(\\.[0-9]{1,3})?", free_text()].boxed(),
        "birthdate" => {
            prop_oneof!["19[0-9]{2}-0[1-9]-[0-2][0-9]", "[1-9]/1[0-9]/19[0-9]{2}"].boxed()
        }
        _ => free_text().boxed(),
    }
}

/// An account without values.
pub(super) fn blank(side: Side) -> Account {
    Account {
        sub: Sub::try_from(format!("{side}-sub").as_str()).unwrap(),
        username: Username::try_from("someone").unwrap(),
        attributes: BTreeMap::new(),
        enabled: true,
        status: Status::Confirmed,
        groups: Some(BTreeSet::new()),
        factors: Some(BTreeSet::new()),
        created: Time(0),
        modified: Time(0),
    }
}

pub(super) fn account(side: Side) -> impl Strategy<Value = Account> {
    let names: Vec<AttributeName> =
        mapping().rules().filter_map(|rule| rule.attribute.get(side).clone()).collect();
    let values: Vec<_> =
        names.iter().map(|name| proptest::option::of(raw_value(name.as_str()))).collect();
    let groups = proptest::sample::subsequence(vec!["admins", "staff", "guests"], 0..=3);
    let factors =
        proptest::sample::subsequence(vec![Factor::Sms, Factor::Email, Factor::Totp], 0..=3);
    (values, any::<[bool; 2]>(), any::<bool>(), groups, factors).prop_map(
        move |(values, flags, enabled, groups, factors)| {
            let mut attributes: BTreeMap<AttributeName, String> = names
                .iter()
                .zip(values)
                .filter_map(|(name, value)| value.map(|value| (name.clone(), value)))
                .collect();
            for (name, flag) in ["email_verified", "phone_number_verified"].iter().zip(flags) {
                attributes.insert(attribute(name), flag.to_string());
            }
            Account {
                attributes,
                enabled,
                groups: Some(groups.into_iter().map(group).collect()),
                factors: Some(factors.into_iter().collect()),
                ..blank(side)
            }
        },
    )
}
