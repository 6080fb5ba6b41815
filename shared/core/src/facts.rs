//! A profile: an account in normalised form, as a flat ordered map of fields.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::names::{AttributeName, GroupName};

/// A second factor. Authenticator apps, passkeys and devices cannot be carried over, because their
/// secrets never leave the pool. So they are no fields.
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
    /// The factors that apply carries over.
    pub const TRAVELLING: [Self; 2] = [Self::Sms, Self::Email];

    /// Its name within a field's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Totp => "totp",
        }
    }
}

/// One property of a person that both pools can hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Whether the person may sign in.
    Enabled,
    /// The e-mail address together with its verified flag: one field.
    Email,
    /// The phone number together with its verified flag: one field.
    Phone,
    /// Any other attribute, under the name that its mapping rule gives it.
    Attribute(AttributeName),
    /// Membership of one group.
    Group(GroupName),
    /// One second factor.
    Factor(Factor),
}

impl Field {
    /// The field with that name, as [`fmt::Display`] writes it; the inverse of `to_string`.
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

    /// Whether this is an address, which travels only together with its verified flag.
    pub const fn is_address(&self) -> bool {
        matches!(self, Self::Email | Self::Phone)
    }

    /// Whether the field has only two values. Then a value that came back cannot be told from a
    /// value that was never written (R4, `AmbiguousRevertIsConflict`).
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

/// The value of a field.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Text, canonical for its rule.
    Text(String),
    /// An address and whether it was verified.
    Address {
        /// The address, canonical.
        address: String,
        /// Whether its owner verified it.
        verified: bool,
    },
    /// Yes or no: enabled, a member, switched on.
    Flag(bool),
}

impl Value {
    /// The canonical bytes for the fingerprint. Two values of one field are equal exactly when
    /// these bytes are equal.
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

/// The field state: what one pool says about one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The field has this value.
    Held(Value),
    /// The field was read and has no value. A blank counts as no value, and so does "not a member".
    Absent,
    /// The field was not read, or cannot be seen in that pool. Nothing follows from it.
    Unread,
}

impl Reading {
    /// The value, if there is one.
    pub const fn value(&self) -> Option<&Value> {
        match self {
            Self::Held(value) => Some(value),
            Self::Absent | Self::Unread => None,
        }
    }
}

/// A family of fields that are all read or all unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Every group membership.
    Groups,
    /// Every second factor.
    Factors,
}

/// The profile of one account.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Facts {
    held: BTreeMap<Field, Value>,
    unread_families: BTreeSet<Family>,
    unread_fields: BTreeSet<Field>,
}

impl Facts {
    /// A profile without values, in which every field was read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value of a field.
    pub fn hold(&mut self, field: Field, value: Value) {
        self.held.insert(field, value);
    }

    /// States that a whole family was not read.
    pub fn leave_family_unread(&mut self, family: Family) {
        self.unread_families.insert(family);
    }

    /// States that one field was not read, or cannot be seen in this pool.
    pub fn leave_unread(&mut self, field: Field) {
        self.held.remove(&field);
        self.unread_fields.insert(field);
    }

    /// The state of `field` in this account.
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

    /// Every single field that was stated to be unread.
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
    fn every_field_is_found_by_its_name() {
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
