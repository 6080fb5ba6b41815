//! An account in the bridge's own words: a flat ordered map of fields.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::names::{AttributeName, GroupName};

/// A second factor that can be carried over. Authenticator apps, passkeys and devices cannot: their
/// secrets never leave the pool, so they are no fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Factor {
    /// A code by SMS.
    Sms,
    /// A code by e-mail.
    Email,
    /// An authenticator app: seen and counted, never merged.
    Totp,
}

impl Factor {
    /// The factors that travel.
    pub const TRAVELLING: [Self; 2] = [Self::Sms, Self::Email];

    /// The word for it in a field's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Totp => "totp",
        }
    }
}

/// One thing that both pools can know of a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Whether the person may sign in.
    Enabled,
    /// The e-mail address together with its verified flag: one field, a pair.
    Email,
    /// The phone number together with its verified flag: one field, a pair.
    Phone,
    /// Any other attribute, by the name that its mapping rule gives it.
    Attribute(AttributeName),
    /// Membership of one group.
    Group(GroupName),
    /// One second factor.
    Factor(Factor),
}

impl Field {
    /// The field of that name, as [`fmt::Display`] writes it; the inverse of `to_string`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "enabled" => Some(Self::Enabled),
            "email" => Some(Self::Email),
            "phone_number" => Some(Self::Phone),
            "factor:sms" => Some(Self::Factor(Factor::Sms)),
            "factor:email" => Some(Self::Factor(Factor::Email)),
            "factor:totp" => Some(Self::Factor(Factor::Totp)),
            _ => match name.strip_prefix("group:") {
                Some(group) => GroupName::try_from(group).ok().map(Self::Group),
                None => AttributeName::try_from(name).ok().map(Self::Attribute),
            },
        }
    }

    /// Whether this is an address, which travels only together with its flag.
    pub const fn is_address(&self) -> bool {
        matches!(self, Self::Email | Self::Phone)
    }

    /// Whether the field has but two values, so that one that came back cannot be told from one that
    /// was never written (R4).
    pub const fn is_yes_or_no(&self) -> bool {
        matches!(self, Self::Enabled | Self::Group(_) | Self::Factor(_))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enabled => formatter.write_str("enabled"),
            Self::Email => formatter.write_str("email"),
            Self::Phone => formatter.write_str("phone_number"),
            Self::Attribute(name) => write!(formatter, "{name}"),
            Self::Group(name) => write!(formatter, "group:{name}"),
            Self::Factor(factor) => write!(formatter, "factor:{}", factor.name()),
        }
    }
}

/// What a field holds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Text, canonical for its rule.
    Text(String),
    /// An address and whether it was verified.
    Address {
        /// The address, canonical.
        address: String,
        /// Whether its owner proved it.
        verified: bool,
    },
    /// Yes or no: enabled, a member, switched on.
    Flag(bool),
}

impl Value {
    /// The canonical bytes that are fingerprinted. Two values of one field are equal exactly when
    /// these are.
    pub fn canonical(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Address { address, verified } => format!("{address}\u{1f}{verified}"),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => formatter.write_str("Text(…)"),
            Self::Address { verified, .. } => {
                write!(formatter, "Address(…, verified: {verified})")
            }
            Self::Flag(flag) => write!(formatter, "Flag({flag})"),
        }
    }
}

/// What one side says of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It has this value.
    Held(Value),
    /// It was looked at and has none; a blank counts as none, and so does "not a member".
    Absent,
    /// It was not looked at, or cannot be seen there: nothing follows from it.
    Unread,
}

impl Reading {
    /// The value, where there is one.
    pub const fn value(&self) -> Option<&Value> {
        match self {
            Self::Held(value) => Some(value),
            Self::Absent | Self::Unread => None,
        }
    }
}

/// A family of fields that is read, or not read, as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Every group membership.
    Groups,
    /// Every second factor.
    Factors,
}

/// What one account says, in the bridge's own words.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Facts {
    held: BTreeMap<Field, Value>,
    unread_families: BTreeSet<Family>,
    unread_fields: BTreeSet<Field>,
}

impl Facts {
    /// Nothing held, everything read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what a field holds.
    pub fn hold(&mut self, field: Field, value: Value) {
        self.held.insert(field, value);
    }

    /// Says that a whole family was not read.
    pub fn leave_family_unread(&mut self, family: Family) {
        self.unread_families.insert(family);
    }

    /// Says that one field was not read, or cannot be seen on this side.
    pub fn leave_unread(&mut self, field: Field) {
        self.held.remove(&field);
        self.unread_fields.insert(field);
    }

    /// What this account says of `field`.
    pub fn get(&self, field: &Field) -> Reading {
        let family = match field {
            Field::Group(_) => Some(Family::Groups),
            Field::Factor(_) => Some(Family::Factors),
            Field::Enabled | Field::Email | Field::Phone | Field::Attribute(_) => None,
        };
        if self.unread_fields.contains(field)
            || family.is_some_and(|family| self.unread_families.contains(&family))
        {
            return Reading::Unread;
        }
        self.held.get(field).map_or(Reading::Absent, |value| Reading::Held(value.clone()))
    }

    /// Every field that holds a value.
    pub fn held(&self) -> impl Iterator<Item = (&Field, &Value)> {
        self.held.iter()
    }

    /// Every single field that was named as unread.
    pub fn unread_fields(&self) -> impl Iterator<Item = &Field> {
        self.unread_fields.iter()
    }

    /// Whether a whole family was not read.
    pub fn family_unread(&self, family: Family) -> bool {
        self.unread_families.contains(&family)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_known_by_its_name() {
        let group = Field::Group(GroupName::try_from("admins").unwrap());
        let custom = Field::Attribute(AttributeName::try_from("custom:dept").unwrap());
        let factors = [Factor::Sms, Factor::Email, Factor::Totp].map(Field::Factor);
        let mut fields = vec![Field::Enabled, Field::Email, Field::Phone, group, custom];
        fields.extend(factors);
        for field in fields {
            assert_eq!(Field::from_name(&field.to_string()), Some(field));
        }
    }

    #[test]
    fn invariant_09_a_value_never_prints() {
        let text = Value::Text("Ada".to_owned());
        let address = Value::Address { address: "ada@example.com".to_owned(), verified: true };
        assert_eq!(format!("{text:?} {address:?}"), "Text(…) Address(…, verified: true)");
    }

    #[test]
    fn an_unread_family_is_not_an_empty_one() {
        let group = Field::Group(GroupName::try_from("admins").unwrap());
        let mut facts = Facts::new();
        assert_eq!(facts.get(&group), Reading::Absent);
        facts.leave_family_unread(Family::Groups);
        assert_eq!(facts.get(&group), Reading::Unread);
    }
}
