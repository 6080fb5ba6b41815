//! The schemas of the two pools, and the mapping between them.

use std::collections::BTreeSet;

use poolbridge_core::account::{AttributeSchema, PoolSchema};
use poolbridge_core::mapping::{AttributeRule, Mapping, STANDARD};
use poolbridge_core::names::AttributeName;
use poolbridge_core::profile::Factor;
use poolbridge_core::side::Side;

use super::parameters::{PoolLayout, WorldParameters};
use crate::world::accounts::{attribute, group};

/// The attribute that holds a text on that side.
pub fn attribute_of(side: Side, text: &str) -> AttributeName {
    match (side, text) {
        (Side::Old, "department") => attribute("custom:dept"),
        (Side::New, "department") => attribute("custom:department"),
        (Side::Old | Side::New, text) => attribute(text),
    }
}

/// Sets what people sign in with on that side.
pub(super) fn sign_in(schema: &mut PoolSchema, layout: PoolLayout, side: Side) {
    let email = BTreeSet::from([attribute("email")]);
    match (layout, side) {
        (PoolLayout::Plain, _) | (PoolLayout::Mixed, Side::Old) => schema.case_sensitive = true,
        (PoolLayout::ByAddress, _)
        | (PoolLayout::Mixed | PoolLayout::AliasToAddress, Side::New) => {
            schema.username_attributes = email;
        }
        (PoolLayout::Alias, _) | (PoolLayout::AliasToAddress, Side::Old) => {
            schema.alias_attributes = email;
        }
    }
}

/// The schema of the pool on that side.
pub(super) fn schema(side: Side, limited: bool, parameters: &WorldParameters) -> PoolSchema {
    let fixed = limited && side == Side::New;
    let texts = parameters.texts.iter().map(|text| {
        let mutable = !(fixed && *text == "nickname");
        (attribute_of(side, text), AttributeSchema { mutable, ..AttributeSchema::default() })
    });
    let phones = ["phone_number", "phone_number_verified"];
    let phones = phones.iter().filter(|_| parameters.phones);
    let addresses = ["email", "email_verified"]
        .iter()
        .chain(phones)
        .map(|name| (attribute(name), AttributeSchema::default()));
    let mut groups = BTreeSet::from([group("staff")]);
    if !fixed {
        groups.insert(group("admins"));
    }
    let factors = if parameters.phones { Factor::TRAVELLING.into() } else { BTreeSet::new() };
    PoolSchema {
        attributes: texts.chain(addresses).collect(),
        groups,
        factors,
        ..PoolSchema::default()
    }
}

/// The mapping between the two pools.
pub(super) fn mapping(parameters: &WorldParameters, fold: bool) -> Mapping {
    let texts = &parameters.texts;
    let department = AttributeRule::between(
        Some(attribute_of(Side::Old, "department")),
        Some(attribute_of(Side::New, "department")),
    );
    let rules = if texts.contains(&"department") { vec![department] } else { Vec::new() };
    let phone = |name: &str| parameters.phones && name == "phone_number";
    let kept = |name: &&str| *name == "email" || phone(name) || texts.contains(name);
    let dropped = STANDARD.iter().filter(|name| !kept(name)).map(|name| attribute(name)).collect();
    Mapping::new(rules, &dropped, fold, true).expect("the worlds' rules are rules")
}
