//! Mapping rules: two-way lenses between a pool's attributes and the bridge's fields.
//!
//! Each rule maps one attribute of the old pool to one field, and that field to one attribute of the
//! new pool, both ways. Two laws hold for every rule and are tested as properties: reading back what
//! was written gives the same fact; what was read needs no writing back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::account::{Account, Shape};
use crate::facts::{Factor, Facts, Family, Field, Reading, Value};
use crate::names::{AttributeName, GroupName};
use crate::normalise::{self, Country};
use crate::side::{BySide, Side};
use crate::verdict::Reason;

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

/// What counts as the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Normal {
    /// A phone number in E.164 form, national ones read as that country's.
    E164(Country),
    /// Lower case.
    Lowercase,
    /// Without blanks at the ends.
    Trim,
    /// A decimal number in its shortest form.
    Number,
    /// A date as `yyyy-mm-dd`.
    Date,
}

/// Which ways a rule carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ways {
    /// Both.
    Both,
    /// Only into that pool: what changes there stays there.
    Only(Side),
}

/// One mapping rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeRule {
    /// The field that it serves.
    pub field: Field,
    /// The attribute on each side; none where a constant stands in.
    pub attribute: BySide<Option<AttributeName>>,
    /// What counts as the same value, applied in this order to what is read.
    pub normal: Vec<Normal>,
    /// Text that stands before the value on that side only.
    pub prefix: BySide<String>,
    /// The new pool's word for each of the old pool's; anything else cannot be said.
    pub values: BTreeMap<String, String>,
    /// What an absent value means, on both sides; written out when an account is created.
    pub default: Option<String>,
    /// What the side without an attribute always says.
    pub constant: Option<String>,
}

/// A rule that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    /// `sub`, `identities`, `cognito:*` and verified flags belong to the pool or to their address.
    #[error("this attribute is the pool's own and never maps")]
    PoolsOwn,
    /// E-mail address and phone number carry a verified flag, which no other attribute has.
    #[error("email and phone_number map only to themselves")]
    AddressRenamed,
    /// A constant needs exactly one side without an attribute.
    #[error("a constant needs exactly one of `old` and `new`")]
    ConstantPlace,
    /// Without a constant both sides need an attribute.
    #[error("a rule needs `old` and `new`, or `field`")]
    MissingSide,
    /// Two rules write the same attribute.
    #[error("two rules name the same attribute of one pool")]
    Twice,
}

impl AttributeRule {
    /// The rule that maps an attribute of that name to itself.
    pub fn same(name: &AttributeName) -> Self {
        Self::between(Some(name.clone()), Some(name.clone()))
    }

    /// The rule that maps one attribute to another, unchanged. The field bears the new pool's name.
    pub fn between(old: Option<AttributeName>, new: Option<AttributeName>) -> Self {
        let named = new.as_ref().or(old.as_ref()).map_or("", AttributeName::as_str);
        let normal = match named {
            "updated_at" => vec![Normal::Number],
            "birthdate" => vec![Normal::Date],
            _ => Vec::new(),
        };
        let field = Field::from_name(named).unwrap_or(Field::Enabled);
        Self {
            field,
            attribute: BySide { old, new },
            normal,
            prefix: BySide::default(),
            values: BTreeMap::new(),
            default: None,
            constant: None,
        }
    }

    /// Which ways the rule carries: a value map that is not one-to-one, and a constant, only one.
    pub fn ways(&self) -> Ways {
        if self.constant.is_some() {
            return Ways::Only(if self.attribute.old.is_some() { Side::Old } else { Side::New });
        }
        let distinct: BTreeSet<&String> = self.values.values().collect();
        if distinct.len() < self.values.len() { Ways::Only(Side::New) } else { Ways::Both }
    }

    /// Whether nothing is lost on the way there and back. `preflight` names the rules that lose.
    pub fn reversible(&self) -> bool {
        self.ways() == Ways::Both
    }

    fn check(&self) -> Result<(), RuleError> {
        for name in [&self.attribute.old, &self.attribute.new].into_iter().flatten() {
            let text = name.as_str();
            let own = matches!(text, "sub" | "identities" | "email_verified")
                || text == "phone_number_verified"
                || text.starts_with("cognito:");
            if own {
                return Err(RuleError::PoolsOwn);
            }
            let address = matches!(text, "email" | "phone_number");
            if address && self.attribute.old != self.attribute.new {
                return Err(RuleError::AddressRenamed);
            }
        }
        let sides =
            usize::from(self.attribute.old.is_some()) + usize::from(self.attribute.new.is_some());
        match (&self.constant, sides) {
            (Some(_), 1) | (None, 2) => Ok(()),
            (Some(_), _) => Err(RuleError::ConstantPlace),
            (None, _) => Err(RuleError::MissingSide),
        }
    }

    /// What `side` says, given its raw value. `Err` where the value cannot be said in our words.
    fn read(&self, side: Side, raw: Option<&str>, fold: bool) -> Result<Option<String>, Reason> {
        if self.attribute.get(side).is_none() {
            return Ok(self.constant.clone());
        }
        // A blank value is how Cognito spells "none".
        let Some(raw) = raw.filter(|raw| !raw.is_empty()) else {
            return Ok(self.default.clone());
        };
        let prefix = self.prefix.get(side).as_str();
        let bare = raw.strip_prefix(prefix).ok_or(Reason::Unsayable)?;
        let word = if side == Side::New && !self.values.is_empty() {
            let mut words = self.values.iter().filter(|(_, new)| *new == bare);
            words.next().map(|(old, _)| old.clone()).ok_or(Reason::Unsayable)?
        } else {
            bare.to_owned()
        };
        let mut text = word;
        for normal in &self.normal {
            text = match normal {
                // A number or date that is none is kept as it stands: better carried than lost.
                Normal::E164(country) => normalise::e164(&text, *country).unwrap_or(text),
                Normal::Number => normalise::number(&text).unwrap_or(text),
                Normal::Date => normalise::date(&text).unwrap_or(text),
                Normal::Lowercase => text.to_lowercase(),
                Normal::Trim => text.trim().to_owned(),
            };
        }
        if fold {
            text = text.to_lowercase();
        }
        if side == Side::Old && !self.values.is_empty() && !self.values.contains_key(&text) {
            return Err(Reason::Unsayable);
        }
        Ok(if text.is_empty() { self.default.clone() } else { Some(text) })
    }

    /// The raw value that says `text` on `side`.
    fn write(&self, side: Side, text: &str) -> Result<String, Reason> {
        let word = if side == Side::New && !self.values.is_empty() {
            self.values.get(text).ok_or(Reason::Unsayable)?.as_str()
        } else {
            text
        };
        Ok(format!("{}{word}", self.prefix.get(side)))
    }

    /// A number that changes when the rule does, so that a base made under another rule is none.
    fn revision(&self, fold: bool) -> u32 {
        let country = self.normal.iter().map(|normal| format!("{normal:?}")).collect::<Vec<_>>();
        let said = format!(
            "{}|{:?}|{:?}|{country:?}|{:?}|{:?}|{:?}|{:?}|{fold}",
            self.field,
            self.attribute.old,
            self.attribute.new,
            self.prefix,
            self.values,
            self.default,
            self.constant,
        );
        revision_of(&said)
    }
}

fn revision_of(said: &str) -> u32 {
    let digest = Sha256::digest(said.as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

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
