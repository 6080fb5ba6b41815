//! A profile: an account in normalised form, as a flat ordered map of fields.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use strum::{IntoStaticStr, VariantArray};

use crate::names::{AttributeName, GroupName};
use crate::variants::named;

/// A second factor. Authenticator apps, passkeys and devices cannot be carried over, because their
/// secrets never leave the pool. So they are no fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Factor {
    /// A code by SMS.
    Sms,
    /// A code by e-mail.
    Email,
    /// An authenticator app: seen and counted, never merged.
    Totp,
}

named!(
    Factor,
    ALL: "Every factor.",
    name: "Its name within a field's name."
);

impl Factor {
    /// The factors that apply carries over.
    pub const TRAVELLING: [Self; 2] = [Self::Sms, Self::Email];
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
            _ => {
                if let Some(group) = name.strip_prefix("group:") {
                    return GroupName::try_from(group).ok().map(Self::Group);
                }
                let factor = name.strip_prefix("factor:").and_then(Factor::from_name);
                let attribute = || AttributeName::try_from(name).ok().map(Self::Attribute);
                factor.map(Self::Factor).or_else(attribute)
            }
        }
    }

    /// Whether this is an address, which travels only together with its verified flag.
    pub const fn is_address(&self) -> bool {
        matches!(self, Self::Email | Self::Phone)
    }

    /// Whether the field has only two values. Then a value that came back cannot be told from a
    /// value that was never written (`AmbiguousRevertIsConflict`).
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
pub enum FieldState {
    /// The field has this value.
    Present(Value),
    /// The field was read and has no value. A blank counts as no value, and so does "not a member".
    Absent,
    /// The field was not read, or cannot be seen in that pool. Nothing follows from it.
    Unknown,
}

impl FieldState {
    /// The value, if there is one.
    pub const fn value(&self) -> Option<&Value> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Unknown => None,
        }
    }
}

/// A family of fields that are all read or all unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldKind {
    /// Every group membership.
    Groups,
    /// Every second factor.
    Factors,
}

/// The profile of one account.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Profile {
    present: BTreeMap<Field, Value>,
    unknown_kinds: BTreeSet<FieldKind>,
    unknown_fields: BTreeSet<Field>,
}

impl Profile {
    /// A profile without values, in which every field was read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value of a field.
    pub fn set(&mut self, field: Field, value: Value) {
        self.present.insert(field, value);
    }

    /// States that a whole family was not read.
    pub fn set_kind_unknown(&mut self, kind: FieldKind) {
        self.unknown_kinds.insert(kind);
    }

    /// States that one field was not read, or cannot be seen in this pool.
    pub fn set_unknown(&mut self, field: Field) {
        self.present.remove(&field);
        self.unknown_fields.insert(field);
    }

    /// The state of `field` in this account.
    pub fn get(&self, field: &Field) -> FieldState {
        let kind = match field {
            Field::Group(_) => Some(FieldKind::Groups),
            Field::Factor(_) => Some(FieldKind::Factors),
            Field::Enabled | Field::Email | Field::Phone | Field::Attribute(_) => None,
        };
        if self.unknown_fields.contains(field)
            || kind.is_some_and(|kind| self.unknown_kinds.contains(&kind))
        {
            return FieldState::Unknown;
        }
        self.present
            .get(field)
            .map_or(FieldState::Absent, |value| FieldState::Present(value.clone()))
    }

    /// Every field that holds a value.
    pub fn present(&self) -> impl Iterator<Item = (&Field, &Value)> {
        self.present.iter()
    }

    /// Every single field that was stated to be unread.
    pub fn unknown_fields(&self) -> impl Iterator<Item = &Field> {
        self.unknown_fields.iter()
    }

    /// Whether a whole family was not read.
    pub fn kind_unknown(&self, kind: FieldKind) -> bool {
        self.unknown_kinds.contains(&kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name() {
        let group = Field::Group(GroupName::try_from("admins").unwrap());
        let custom = Field::Attribute(AttributeName::try_from("custom:dept").unwrap());
        let factors = Factor::ALL.map(Field::Factor);
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
        let mut profile = Profile::new();
        assert_eq!(profile.get(&group), FieldState::Absent);
        profile.set_kind_unknown(FieldKind::Groups);
        assert_eq!(profile.get(&group), FieldState::Unknown);
    }
}
