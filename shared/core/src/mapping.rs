//! Mapping rules: two-way lenses between a pool's attributes and the fields of a profile.
//!
//! Each rule maps one attribute of the old pool to one field, and that field to one attribute of
//! the new pool, in both directions. Two laws hold for every rule, and properties test them on the
//! raw values of an account: reading back a written value gives the same field state, and writing a
//! value that was read changes nothing.

mod rule;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::account::{Account, PoolSchema};
use crate::names::{AttributeName, GroupName};
use crate::outcome::Reason;
use crate::profile::{Factor, Field, FieldKind, FieldState, Profile, Value};
use crate::side::{BySide, Side};

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

/// All mapping rules together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    rules: BTreeMap<Field, (AttributeRule, u32)>,
    /// Addresses and preferred usernames are compared in lower case, because one of the pools is
    /// case-insensitive.
    fold: bool,
    groups: bool,
}

impl Mapping {
    /// Maps every standard attribute to itself, except where `rules` say otherwise and for those in
    /// `dropped`. `fold`: one of the pools is case-insensitive. `groups`: memberships travel.
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

    /// The same mapping for other pools. `fold`: one of them is case-insensitive.
    #[must_use]
    pub fn folding(mut self, fold: bool) -> Self {
        self.fold = fold;
        for (field, (rule, revision)) in &mut self.rules {
            *revision = rule.revision(fold && folds(field));
        }
        self
    }

    /// Whether usernames and addresses that differ only by case count as one, because one of the
    /// pools is case-insensitive.
    pub const fn folds_case(&self) -> bool {
        self.fold
    }

    /// Every attribute rule.
    pub fn rules(&self) -> impl Iterator<Item = &AttributeRule> {
        self.rules.values().map(|(rule, _)| rule)
    }

    /// The revision of the rule for `field`; `None` if no rule serves it any more.
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

    /// In which directions `field` travels.
    pub fn ways(&self, field: &Field) -> Ways {
        self.rules.get(field).map_or(Ways::Both, |(rule, _)| rule.ways())
    }

    /// The profile of the account. A field whose value a rule cannot express stays unread; the
    /// second result gives the reason.
    pub fn profile(
        &self,
        side: Side,
        account: &Account,
        schemas: &BySide<Arc<PoolSchema>>,
    ) -> (Profile, BTreeMap<Field, Reason>) {
        let mut profile = Profile::new();
        let mut unsayable = BTreeMap::new();
        profile.set(Field::Enabled, Value::Flag(account.enabled));
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
                    profile.set(field.clone(), value);
                }
                Ok(None) => {}
                Err(reason) => {
                    profile.set_unknown(field.clone());
                    unsayable.insert(field.clone(), reason);
                }
            }
        }
        self.read_groups(&mut profile, account, schemas);
        read_factors(&mut profile, side, account, schemas);
        (profile, unsayable)
    }

    fn read_groups(
        &self,
        profile: &mut Profile,
        account: &Account,
        schemas: &BySide<Arc<PoolSchema>>,
    ) {
        let Some(groups) = account.groups.as_ref().filter(|_| self.groups) else {
            profile.set_kind_unknown(FieldKind::Groups);
            return;
        };
        // Cognito itself manages the members of a provider's group, in each pool.
        let travels = |group: &&GroupName| {
            Side::BOTH.iter().all(|side| !schemas.get(*side).is_provider_group(group))
        };
        for group in groups.iter().filter(travels) {
            profile.set(Field::Group(group.clone()), Value::Flag(true));
        }
        // A group that one pool lacks has no members there to compare. So the field stays unread in
        // the pool that lacks the group. The other pool may report a membership.
        let lacking = schemas.old.groups.symmetric_difference(&schemas.new.groups);
        for group in lacking.filter(|group| !groups.contains(*group)).filter(travels) {
            profile.set_unknown(Field::Group(group.clone()));
        }
    }

    /// The attributes that give `field` the state `reading` in the pool `side`.
    pub fn attributes(
        &self,
        side: Side,
        field: &Field,
        reading: &FieldState,
    ) -> Result<BTreeMap<AttributeName, String>, Reason> {
        let (rule, _) = self.rules.get(field).ok_or(Reason::NotInSchema)?;
        let name = rule.attribute.get(side).as_ref().ok_or(Reason::NotInSchema)?;
        let mut attributes = BTreeMap::new();
        match reading {
            FieldState::Unknown => return Err(Reason::Unsayable),
            FieldState::Absent | FieldState::Present(Value::Flag(_)) => {
                attributes.insert(name.clone(), String::new());
            }
            FieldState::Present(Value::Text(text)) => {
                attributes.insert(name.clone(), rule.write(side, text)?);
            }
            FieldState::Present(Value::Address { address, verified }) => {
                attributes.insert(name.clone(), rule.write(side, address)?);
                if let Some(flag) = verified_flag(field) {
                    attributes.insert(flag, verified.to_string());
                }
            }
        }
        Ok(attributes)
    }

    /// The attributes that give `field` the state `reading` in that account of `side`. A value that
    /// the account has already keeps its spelling, such as an address with a new flag.
    pub fn attributes_over(
        &self,
        side: Side,
        field: &Field,
        reading: &FieldState,
        account: &Account,
    ) -> Result<BTreeMap<AttributeName, String>, Reason> {
        let mut attributes = self.attributes(side, field, reading)?;
        let (text, flag) = match reading {
            FieldState::Present(Value::Text(text)) => (text, None),
            FieldState::Present(Value::Address { address, verified }) => (address, Some(*verified)),
            FieldState::Present(Value::Flag(_)) | FieldState::Absent | FieldState::Unknown => {
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
            // The account has no attribute, and the default of the rule has this value.
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

    /// The attribute of `side` for `field`.
    pub fn attribute(&self, side: Side, field: &Field) -> Option<&AttributeName> {
        self.rules.get(field).and_then(|(rule, _)| rule.attribute.get(side).as_ref())
    }
}

/// Whether `field` is compared without regard to case if a pool is case-insensitive.
fn folds(field: &Field) -> bool {
    match field {
        Field::Email => true,
        Field::Attribute(name) => name.as_str() == "preferred_username",
        Field::Phone | Field::Enabled | Field::Group(_) | Field::Factor(_) => false,
    }
}

/// The attribute that says whether an address was verified.
pub fn verified_flag(field: &Field) -> Option<AttributeName> {
    let name = match field {
        Field::Email => "email_verified",
        Field::Phone => "phone_number_verified",
        Field::Enabled | Field::Attribute(_) | Field::Group(_) | Field::Factor(_) => return None,
    };
    AttributeName::try_from(name).ok()
}

/// Whether the account's address in `field` was verified.
pub fn verified(account: &Account, field: &Field) -> bool {
    verified_flag(field)
        .and_then(|flag| account.attributes.get(&flag))
        .is_some_and(|flag| flag.eq_ignore_ascii_case("true"))
}

fn read_factors(
    profile: &mut Profile,
    side: Side,
    account: &Account,
    schemas: &BySide<Arc<PoolSchema>>,
) {
    if account.factors.is_none() {
        profile.set_kind_unknown(FieldKind::Factors);
        return;
    }
    for factor in Factor::TRAVELLING {
        match schemas.get(side).factor_of(account, factor) {
            Some(true) => profile.set(Field::Factor(factor), Value::Flag(true)),
            Some(false) => {}
            // The pool does not offer the factor, or hides its state: no decision of the person.
            None => profile.set_unknown(Field::Factor(factor)),
        }
    }
}
