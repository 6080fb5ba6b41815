//! Mapping rules: two-way lenses between a pool's attributes and the bridge's fields.
//!
//! Each rule maps one attribute of the old pool to one field, and that field to one attribute of the
//! new pool, both ways. Two laws hold for every rule and are tested as properties, on the raw values of
//! an account: reading back what was written gives the same fact; writing what was read changes nothing.

mod rule;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::account::{Account, Shape};
use crate::facts::{Factor, Facts, Family, Field, Reading, Value};
use crate::names::{AttributeName, GroupName};
use crate::side::{BySide, Side};
use crate::verdict::Reason;

use rule::revision_of;
pub use rule::{AttributeRule, Normal, RuleError, Ways};

/// Attributes that every pool has and that map to themselves unless a rule says otherwise (the
/// standard claims of `OpenID` Connect that Cognito knows).
pub const STANDARD: [&str; 17] = [
    "address",
    "birthdate",
    "email",
    "family_name",
    "gender",
    "given_name",
    "locale",
    "middle_name",
    "name",
    "nickname",
    "phone_number",
    "picture",
    "preferred_username",
    "profile",
    "updated_at",
    "website",
    "zoneinfo",
];

/// All rules together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    rules: BTreeMap<Field, (AttributeRule, u32)>,
    /// Addresses and preferred usernames are compared in lower case, because one of the pools is
    /// case-insensitive.
    fold: bool,
    groups: bool,
}

impl Mapping {
    /// Every standard attribute to itself, but for what `rules` say otherwise and `dropped` leaves
    /// out. `fold` where either pool is case-insensitive, `groups` where memberships travel.
    pub fn new(
        rules: Vec<AttributeRule>,
        dropped: &BTreeSet<AttributeName>,
        fold: bool,
        groups: bool,
    ) -> Result<Self, (usize, RuleError)> {
        let mut used = BySide { old: BTreeSet::new(), new: BTreeSet::new() };
        let mut kept = BTreeMap::new();
        let mut keep = |place: usize, rule: AttributeRule| {
            rule.check().map_err(|error| (place, error))?;
            for side in Side::BOTH {
                if let Some(name) = rule.attribute.get(side)
                    && !used.get_mut(side).insert(name.clone())
                {
                    return Err((place, RuleError::Twice));
                }
            }
            let revision = rule.revision(fold && folds(&rule.field));
            if kept.insert(rule.field.clone(), (rule, revision)).is_some() {
                return Err((place, RuleError::Twice));
            }
            Ok(())
        };
        let named: BTreeSet<AttributeName> = rules
            .iter()
            .flat_map(|rule| [rule.attribute.old.clone(), rule.attribute.new.clone()])
            .flatten()
            .chain(dropped.iter().cloned())
            .collect();
        for (place, rule) in rules.into_iter().enumerate() {
            keep(place, rule)?;
        }
        for standard in STANDARD {
            let name = AttributeName::try_from(standard).map_err(|_| (0, RuleError::PoolsOwn))?;
            if !named.contains(&name) {
                keep(usize::MAX, AttributeRule::same(&name))?;
            }
        }
        Ok(Self { rules: kept, fold, groups })
    }

    /// The same mapping for pools of which one is, or none is, case-insensitive.
    #[must_use]
    pub fn folding(mut self, fold: bool) -> Self {
        self.fold = fold;
        for (field, (rule, revision)) in &mut self.rules {
            *revision = rule.revision(fold && folds(field));
        }
        self
    }

    /// Whether names and addresses that differ by case only are one for the bridge: one of the pools does
    /// not tell them apart.
    pub const fn folds_case(&self) -> bool {
        self.fold
    }

    /// Every attribute rule.
    pub fn rules(&self) -> impl Iterator<Item = &AttributeRule> {
        self.rules.values().map(|(rule, _)| rule)
    }

    /// The revision of the rule that serves `field`; `None` if none does any more.
    pub fn revision(&self, field: &Field) -> Option<u32> {
        match field {
            Field::Enabled => Some(revision_of("enabled")),
            Field::Group(_) => self.groups.then(|| revision_of("groups")),
            Field::Factor(_) => Some(revision_of("factors")),
            Field::Email | Field::Phone | Field::Attribute(_) => {
                self.rules.get(field).map(|(_, revision)| *revision)
            }
        }
    }

    /// Every revision in force.
    pub fn revisions(&self) -> BTreeSet<u32> {
        let families = [
            Some(Field::Enabled),
            crate::names::GroupName::try_from("any").ok().map(Field::Group),
            Some(Field::Factor(Factor::Sms)),
        ];
        let families = families.iter().flatten().filter_map(|field| self.revision(field));
        self.rules.values().map(|(_, revision)| *revision).chain(families).collect()
    }

    /// Which ways `field` travels.
    pub fn ways(&self, field: &Field) -> Ways {
        self.rules.get(field).map_or(Ways::Both, |(rule, _)| rule.ways())
    }

    /// The account in our own words. What cannot be said is left unread and named besides.
    pub fn facts(
        &self,
        side: Side,
        account: &Account,
        shapes: &BySide<Arc<Shape>>,
    ) -> (Facts, BTreeMap<Field, Reason>) {
        let mut facts = Facts::new();
        let mut unsayable = BTreeMap::new();
        facts.hold(Field::Enabled, Value::Flag(account.enabled));
        for (field, (rule, _)) in &self.rules {
            let raw = rule.attribute.get(side).as_ref();
            let raw = raw.and_then(|name| account.attributes.get(name)).map(String::as_str);
            match rule.read(side, raw, self.fold && folds(field)) {
                Ok(Some(text)) => {
                    let value = if field.is_address() {
                        Value::Address { address: text, verified: verified(account, field) }
                    } else {
                        Value::Text(text)
                    };
                    facts.hold(field.clone(), value);
                }
                Ok(None) => {}
                Err(reason) => {
                    facts.leave_unread(field.clone());
                    unsayable.insert(field.clone(), reason);
                }
            }
        }
        self.read_groups(&mut facts, account, shapes);
        read_factors(&mut facts, side, account, shapes);
        (facts, unsayable)
    }

    fn read_groups(&self, facts: &mut Facts, account: &Account, shapes: &BySide<Arc<Shape>>) {
        let Some(groups) = account.groups.as_ref().filter(|_| self.groups) else {
            facts.leave_family_unread(Family::Groups);
            return;
        };
        // Cognito keeps the members of a provider's group by itself, in either pool.
        let travels = |group: &&GroupName| {
            Side::BOTH.iter().all(|side| !shapes.get(*side).is_provider_group(group))
        };
        for group in groups.iter().filter(travels) {
            facts.hold(Field::Group(group.clone()), Value::Flag(true));
        }
        // A group that one pool lacks says nothing about who would be in it there. It is left unread
        // on the side that lacks it; the side that has it may say so.
        let lacking = shapes.old.groups.symmetric_difference(&shapes.new.groups);
        for group in lacking.filter(|group| !groups.contains(*group)).filter(travels) {
            facts.leave_unread(Field::Group(group.clone()));
        }
    }

    /// The attributes that make `side` say `reading` of `field`.
    pub fn attributes(
        &self,
        side: Side,
        field: &Field,
        reading: &Reading,
    ) -> Result<BTreeMap<AttributeName, String>, Reason> {
        let (rule, _) = self.rules.get(field).ok_or(Reason::NotInSchema)?;
        let name = rule.attribute.get(side).as_ref().ok_or(Reason::NotInSchema)?;
        let mut attributes = BTreeMap::new();
        match reading {
            Reading::Unread => return Err(Reason::Unsayable),
            Reading::Absent | Reading::Held(Value::Flag(_)) => {
                attributes.insert(name.clone(), String::new());
            }
            Reading::Held(Value::Text(text)) => {
                attributes.insert(name.clone(), rule.write(side, text)?);
            }
            Reading::Held(Value::Address { address, verified }) => {
                attributes.insert(name.clone(), rule.write(side, address)?);
                if let Some(flag) = verified_flag(field) {
                    attributes.insert(flag, verified.to_string());
                }
            }
        }
        Ok(attributes)
    }

    /// The attributes that make that account of `side` say `reading` of `field`. What it says already
    /// keeps its own spelling: an address of which the flag alone is new, say.
    pub fn attributes_over(
        &self,
        side: Side,
        field: &Field,
        reading: &Reading,
        account: &Account,
    ) -> Result<BTreeMap<AttributeName, String>, Reason> {
        let mut attributes = self.attributes(side, field, reading)?;
        let (text, flag) = match reading {
            Reading::Held(Value::Text(text)) => (text, None),
            Reading::Held(Value::Address { address, verified }) => (address, Some(*verified)),
            Reading::Held(Value::Flag(_)) | Reading::Absent | Reading::Unread => {
                return Ok(attributes);
            }
        };
        let Some((rule, _)) = self.rules.get(field) else { return Ok(attributes) };
        let Some(name) = rule.attribute.get(side) else { return Ok(attributes) };
        let raw = account.attributes.get(name);
        let says = rule.read(side, raw.map(String::as_str), self.fold && folds(field));
        if says.as_ref() != Ok(&Some(text.clone())) {
            return Ok(attributes);
        }
        match raw {
            Some(raw) => attributes.insert(name.clone(), raw.clone()),
            // A default says it.
            None => attributes.remove(name),
        };
        if flag == Some(verified(account, field))
            && let Some(name) = verified_flag(field)
        {
            match account.attributes.get(&name) {
                Some(raw) => attributes.insert(name, raw.clone()),
                None => attributes.remove(&name),
            };
        }
        Ok(attributes)
    }

    /// The attribute of `side` that serves `field`.
    pub fn attribute(&self, side: Side, field: &Field) -> Option<&AttributeName> {
        self.rules.get(field).and_then(|(rule, _)| rule.attribute.get(side).as_ref())
    }
}

/// Whether case does not count for `field` where a pool is case-insensitive.
fn folds(field: &Field) -> bool {
    match field {
        Field::Email => true,
        Field::Attribute(name) => name.as_str() == "preferred_username",
        Field::Phone | Field::Enabled | Field::Group(_) | Field::Factor(_) => false,
    }
}

/// The attribute that says whether an address was proved.
pub fn verified_flag(field: &Field) -> Option<AttributeName> {
    let name = match field {
        Field::Email => "email_verified",
        Field::Phone => "phone_number_verified",
        Field::Enabled | Field::Attribute(_) | Field::Group(_) | Field::Factor(_) => return None,
    };
    AttributeName::try_from(name).ok()
}

/// Whether the account's address in `field` was proved.
pub fn verified(account: &Account, field: &Field) -> bool {
    verified_flag(field)
        .and_then(|flag| account.attributes.get(&flag))
        .is_some_and(|flag| flag.eq_ignore_ascii_case("true"))
}

fn read_factors(facts: &mut Facts, side: Side, account: &Account, shapes: &BySide<Arc<Shape>>) {
    if account.factors.is_none() {
        facts.leave_family_unread(Family::Factors);
        return;
    }
    for factor in Factor::TRAVELLING {
        match shapes.get(side).factor_of(account, factor) {
            Some(true) => facts.hold(Field::Factor(factor), Value::Flag(true)),
            Some(false) => {}
            // The pool does not offer it, or does not tell: that is no decision of the person.
            None => facts.leave_unread(Field::Factor(factor)),
        }
    }
}
