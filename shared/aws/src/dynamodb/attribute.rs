//! Reads and writes the attributes of an item. A value that is not exactly as expected is a
//! [`ItemError`] and never interpreted.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

use aws_sdk_dynamodb::types::AttributeValue;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::fingerprint::Fingerprint;
use poolbridge_core::profile::Field;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;

/// An item, or a map inside it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The version that poolbridge writes on every item, and the newest that it reads.
pub(super) const VERSION: u64 = 1;

/// The text for "agreed absent" in place of a fingerprint.
const ABSENT: &str = "absent";

/// Why an item cannot be read. It names attributes, never their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemError {
    /// A newer version of poolbridge wrote the item.
    Newer,
    /// An attribute is missing.
    Missing(&'static str),
    /// An attribute has another type, or an unknown word as its value.
    Wrong(&'static str),
}

impl ItemError {
    /// The port error that the reader of the item gets.
    pub(super) fn port_error(self, operation: &'static str) -> PortError {
        let (kind, code) = match self {
            Self::Newer => (ErrorKind::Newer, "NewerItem".to_owned()),
            Self::Missing(name) => (ErrorKind::Unreadable, format!("Missing:{name}")),
            Self::Wrong(name) => (ErrorKind::Unreadable, format!("Wrong:{name}")),
        };
        PortError { kind, operation, code: Some(code) }
    }
}

/// Refuses an item of a newer version before reading anything else in it.
pub(super) fn check_version(item: &Item) -> Result<(), ItemError> {
    match ItemReader(item).number::<u64>("v")? {
        VERSION => Ok(()),
        version if version > VERSION => Err(ItemError::Newer),
        _ => Err(ItemError::Wrong("v")),
    }
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) const fn flag(value: bool) -> AttributeValue {
    AttributeValue::Bool(value)
}

pub(super) fn time(value: Time) -> AttributeValue {
    number(value.0)
}

/// A fingerprint as `<key>:<32 hexadecimal digits>`, or `absent`.
pub(super) fn fingerprint(value: Option<Fingerprint>) -> AttributeValue {
    text(value.map_or_else(
        || ABSENT.to_owned(),
        |Fingerprint { key, bytes }| format!("{key}:{:032x}", u128::from_be_bytes(bytes)),
    ))
}

pub(super) fn map<const N: usize>(values: [(&str, AttributeValue); N]) -> AttributeValue {
    AttributeValue::M(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A map by field name.
pub(super) fn by_field<T>(
    values: &BTreeMap<Field, T>,
    write: impl Fn(&T) -> AttributeValue,
) -> AttributeValue {
    let values = values.iter().map(|(field, value)| (field.to_string(), write(value)));
    AttributeValue::M(values.collect())
}

/// A map by side; a side without a value is left out.
pub(super) fn by_side<T>(
    values: &BySide<Option<T>>,
    write: impl Fn(&T) -> AttributeValue,
) -> AttributeValue {
    let values = Side::BOTH.into_iter().filter_map(|side| {
        values.get(side).as_ref().map(|value| (side.name().to_owned(), write(value)))
    });
    AttributeValue::M(values.collect())
}

/// Adds an optional value to a map.
pub(super) fn with_some(
    value: AttributeValue,
    name: &str,
    some: Option<AttributeValue>,
) -> AttributeValue {
    match (value, some) {
        (AttributeValue::M(mut values), Some(some)) => {
            values.insert(name.to_owned(), some);
            AttributeValue::M(values)
        }
        (value, _) => value,
    }
}

/// Reads one item, or one map inside it.
#[derive(Clone, Copy)]
pub(super) struct ItemReader<'a>(pub(super) &'a Item);

impl<'a> ItemReader<'a> {
    pub(super) fn has(self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The result of `read` for an attribute, if the attribute exists.
    pub(super) fn optional<T>(
        self,
        name: &'static str,
        read: impl FnOnce(Self, &'static str) -> Result<T, ItemError>,
    ) -> Result<Option<T>, ItemError> {
        if self.has(name) { read(self, name).map(Some) } else { Ok(None) }
    }

    pub(super) fn text(self, name: &'static str) -> Result<&'a str, ItemError> {
        self.value(name)?.as_s().map(String::as_str).map_err(|_| ItemError::Wrong(name))
    }

    /// A word of a closed list, or a name that its constructor checks.
    pub(super) fn word<T>(
        self,
        name: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ItemError> {
        read(self.text(name)?).ok_or(ItemError::Wrong(name))
    }

    pub(super) fn name<T>(self, name: &'static str) -> Result<T, ItemError>
    where
        T: for<'t> TryFrom<&'t str>,
    {
        self.word(name, |text| T::try_from(text).ok())
    }

    pub(super) fn number<T: std::str::FromStr>(self, name: &'static str) -> Result<T, ItemError> {
        let digits = self.value(name)?.as_n().map_err(|_| ItemError::Wrong(name))?;
        digits.parse().map_err(|_| ItemError::Wrong(name))
    }

    pub(super) fn time(self, name: &'static str) -> Result<Time, ItemError> {
        self.number(name).map(Time)
    }

    pub(super) fn flag(self, name: &'static str) -> Result<bool, ItemError> {
        self.value(name)?.as_bool().copied().map_err(|_| ItemError::Wrong(name))
    }

    pub(super) fn side(self, name: &'static str) -> Result<Side, ItemError> {
        self.word(name, Side::from_name)
    }

    pub(super) fn fingerprint(self, name: &'static str) -> Result<Option<Fingerprint>, ItemError> {
        match self.text(name)? {
            ABSENT => Ok(None),
            _ => self.word(name, fingerprint_of).map(Some),
        }
    }

    pub(super) fn map(self, name: &'static str) -> Result<Self, ItemError> {
        self.value(name)?.as_m().map(Self).map_err(|_| ItemError::Wrong(name))
    }

    pub(super) fn list(self, name: &'static str) -> Result<&'a [AttributeValue], ItemError> {
        self.value(name)?.as_l().map(Vec::as_slice).map_err(|_| ItemError::Wrong(name))
    }

    pub(super) fn bytes(self, name: &'static str) -> Result<&'a [u8], ItemError> {
        let bytes = self.value(name)?.as_b().map_err(|_| ItemError::Wrong(name))?;
        Ok(bytes.as_ref())
    }

    /// A list of whole numbers.
    pub(super) fn numbers<T: std::str::FromStr, C: FromIterator<T>>(
        self,
        name: &'static str,
    ) -> Result<C, ItemError> {
        let number = |value: &AttributeValue| value.as_n().ok().and_then(|n| n.parse().ok());
        let numbers = self.list(name)?.iter();
        numbers.map(|value| number(value).ok_or(ItemError::Wrong(name))).collect()
    }

    /// A list of maps.
    pub(super) fn maps<T>(
        self,
        name: &'static str,
        read: impl Fn(Self) -> Result<T, ItemError>,
    ) -> Result<Vec<T>, ItemError> {
        let values = self.list(name)?.iter();
        values.map(|value| read(Self(value.as_m().map_err(|_| ItemError::Wrong(name))?))).collect()
    }

    /// A map by field name.
    pub(super) fn by_field<T>(
        self,
        name: &'static str,
        read: impl Fn(Self) -> Result<T, ItemError>,
    ) -> Result<BTreeMap<Field, T>, ItemError> {
        let values = self.map(name)?.0.iter();
        values
            .map(|(field, value)| {
                let field = Field::from_name(field).ok_or(ItemError::Wrong(name))?;
                let value = value.as_m().map_err(|_| ItemError::Wrong(name))?;
                Ok((field, read(Self(value))?))
            })
            .collect()
    }

    /// A map by side, whose values may have any type.
    pub(super) fn by_side<T>(
        self,
        name: &'static str,
        read: impl Fn(Self, &'static str) -> Result<T, ItemError>,
    ) -> Result<BySide<Option<T>>, ItemError> {
        let sides = self.map(name)?;
        if sides.0.keys().any(|side| Side::from_name(side).is_none()) {
            return Err(ItemError::Wrong(name));
        }
        Ok(BySide {
            old: sides.optional(Side::Old.name(), &read)?,
            new: sides.optional(Side::New.name(), &read)?,
        })
    }

    fn value(self, name: &'static str) -> Result<&'a AttributeValue, ItemError> {
        self.0.get(name).ok_or(ItemError::Missing(name))
    }
}

fn fingerprint_of(text: &str) -> Option<Fingerprint> {
    let (key, digits) = text.split_once(':')?;
    let hexadecimal = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let bytes = hexadecimal.then(|| u128::from_str_radix(digits, 16).ok()).flatten()?;
    Some(Fingerprint { key: key.parse().ok()?, bytes: bytes.to_be_bytes() })
}

/// The size of an item as the service computes it, rounded up ("Item sizes and formats" in the
/// `DynamoDB` guide): names and texts by their bytes, a number by half its digits and one, a map or
/// list by three and one more for each element.
pub(super) fn size_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &AttributeValue) -> usize {
    if let AttributeValue::S(text) = value {
        text.len()
    } else if let AttributeValue::N(digits) = value {
        digits.len() / 2 + 2
    } else if let AttributeValue::M(values) = value {
        3 + values.len() + size_bytes(values)
    } else if let AttributeValue::L(values) = value {
        3 + values.len() + values.iter().map(value_bytes).sum::<usize>()
    } else if let AttributeValue::B(bytes) = value {
        bytes.as_ref().len()
    } else {
        // The only other type that poolbridge writes is boolean.
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_back_unchanged() {
        let fingerprints = [None, Some(Fingerprint { key: 255, bytes: [0xab; 16] })];
        for value in fingerprints {
            let item = Item::from([("value".to_owned(), fingerprint(value))]);
            assert_eq!(ItemReader(&item).fingerprint("value"), Ok(value));
        }
        let written = fingerprint(Some(Fingerprint { key: 1, bytes: [1; 16] }));
        assert_eq!(written.as_s().unwrap(), &format!("1:{}", "01".repeat(16)));
        for text in ["", "1", "1:", "1:ab", &format!("256:{}", "0".repeat(32)), "Absent"] {
            assert_eq!(fingerprint_of(text), None, "{text}");
        }
    }

    #[test]
    fn an_unknown_version_is_refused() {
        let versions = [
            (number(1), Ok(())),
            (number(2), Err(ItemError::Newer)),
            (number(0), Err(ItemError::Wrong("v"))),
            (text("1"), Err(ItemError::Wrong("v"))),
        ];
        for (version, expected) in versions {
            assert_eq!(check_version(&Item::from([("v".to_owned(), version)])), expected);
        }
        assert_eq!(check_version(&Item::new()), Err(ItemError::Missing("v")));
    }

    #[test]
    fn an_error_names_only_the_attribute() {
        let error = ItemError::Wrong("state").port_error("GetItem");
        assert_eq!(error.to_string(), "GetItem failed: unreadable (Wrong:state)");
        assert_eq!(ItemError::Newer.port_error("GetItem").kind, ErrorKind::Newer);
    }
}
