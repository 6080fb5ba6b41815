//! Keyed fingerprints: how the state table remembers values that it must not hold.
//!
//! A fingerprint is the first 16 bytes of HMAC-SHA256 over a version, a salt that belongs to one
//! person, the field and the canonical value. Equal values of two people or two fields differ in
//! it.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::names::PersonId;
use crate::profile::{Field, FieldState, Value};

/// Increase this when the layout of the hashed bytes changes.
const VERSION: u8 = 1;

/// The fingerprint of a value, with the id of the key that made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint {
    /// The id of the key.
    pub key: u8,
    /// 128 bits of the HMAC.
    pub bytes: [u8; 16],
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{:02x}{:02x}…", self.key, self.bytes[0], self.bytes[1])
    }
}

/// The fingerprint keys: the newest makes fingerprints, the older ones only compare them.
#[derive(Clone)]
pub struct Keyring {
    keys: BTreeMap<u8, [u8; 32]>,
    current: u8,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keyring(current {}, {} keys)", self.current, self.keys.len())
    }
}

impl Keyring {
    /// A keyring with one key, which is in use.
    pub fn new(id: u8, key: [u8; 32]) -> Self {
        Self { keys: BTreeMap::from([(id, key)]), current: id }
    }

    /// Adds an older key. It compares fingerprints and never makes one.
    #[must_use]
    pub fn with_older(mut self, id: u8, key: [u8; 32]) -> Self {
        self.keys.entry(id).or_insert(key);
        self
    }

    /// The fingerprint of `value` under the key in use.
    pub fn fingerprint(&self, salt: &PersonId, field: &Field, value: &Value) -> Fingerprint {
        self.fingerprint_with(self.current, salt, field, &value.canonical())
            .expect("the key in use is in the ring: both constructors put it there")
    }

    /// The fingerprint of `reading` under the key in use. Unread gives `None` like absent, so the
    /// caller must check for it first.
    pub fn reading(
        &self,
        salt: &PersonId,
        field: &Field,
        reading: &FieldState,
    ) -> Option<Fingerprint> {
        reading.value().map(|value| self.fingerprint(salt, field, value))
    }

    /// Whether `reading` is the value that `fingerprint` remembers. An unread field never is. A
    /// fingerprint whose key is gone never matches: the field then counts as changed, which costs a
    /// conflict and loses nothing silently.
    pub fn is(
        &self,
        salt: &PersonId,
        field: &Field,
        reading: &FieldState,
        fingerprint: Option<Fingerprint>,
    ) -> bool {
        match (reading, fingerprint) {
            (FieldState::Unknown, _)
            | (FieldState::Present(_), None)
            | (FieldState::Absent, Some(_)) => false,
            (FieldState::Absent, None) => true,
            (FieldState::Present(value), Some(fingerprint)) => {
                self.fingerprint_with(fingerprint.key, salt, field, &value.canonical())
                    == Some(fingerprint)
            }
        }
    }

    fn fingerprint_with(
        &self,
        key: u8,
        salt: &PersonId,
        field: &Field,
        canonical: &str,
    ) -> Option<Fingerprint> {
        let secret = self.keys.get(&key)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
        let field = field.to_string();
        // Each part is preceded by its length, so that no two triples give the same bytes.
        for part in [salt.as_str(), &field, canonical] {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(&[VERSION]);
        let digest = mac.finalize().into_bytes();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Some(Fingerprint { key, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> Keyring {
        Keyring::new(1, [7; 32])
    }

    fn held(text: &str) -> FieldState {
        FieldState::Present(Value::Text(text.to_owned()))
    }

    #[test]
    fn equal_values_of_two_people_or_two_fields_have_different_fingerprints() {
        let value = Value::Text("x".to_owned());
        let (one, two) = (PersonId::from_nonce(1), PersonId::from_nonce(2));
        let fingerprint = ring().fingerprint(&one, &Field::Email, &value);
        assert_ne!(fingerprint, ring().fingerprint(&two, &Field::Email, &value));
        assert_ne!(fingerprint, ring().fingerprint(&one, &Field::Phone, &value));
        assert_eq!(fingerprint, ring().fingerprint(&one, &Field::Email, &value));
    }

    #[test]
    fn fingerprints_of_an_older_key_match_and_those_of_a_lost_key_never_do() {
        let person = PersonId::from_nonce(1);
        let old = ring();
        let fingerprint = old.reading(&person, &Field::Email, &held("x"));
        let newer = Keyring::new(2, [9; 32]);
        assert!(!newer.is(&person, &Field::Email, &held("x"), fingerprint));
        let both = newer.with_older(1, [7; 32]);
        assert!(both.is(&person, &Field::Email, &held("x"), fingerprint));
        assert!(!both.is(&person, &Field::Email, &held("y"), fingerprint));
    }

    #[test]
    fn an_unread_field_matches_no_fingerprint() {
        let person = PersonId::from_nonce(1);
        assert!(!ring().is(&person, &Field::Email, &FieldState::Unknown, None));
        assert!(ring().is(&person, &Field::Email, &FieldState::Absent, None));
    }
}
