//! Names. Each is checked once, when it is built. A name that could identify a human prints as `…`.

use std::fmt;

use thiserror::Error;

/// A text that is not a valid name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{what} must have {least} to {most} printable characters and no blank at an end")]
pub struct NameError {
    what: &'static str,
    least: usize,
    most: usize,
}

fn checked(what: &'static str, text: &str, most: usize) -> Result<String, NameError> {
    let length = text.chars().count();
    let printable = text.chars().all(|letter| !letter.is_control());
    if length == 0 || length > most || !printable || text.trim() != text {
        return Err(NameError { what, least: 1, most });
    }
    Ok(text.to_owned())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $most:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;
            fn try_from(text: &str) -> Result<Self, NameError> {
                checked($what, text, $most).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The identifier that Cognito gave an account, unique in its pool and never reused. Cognito
    /// does not promise a UUID, so its format is not checked.
    Sub, "a sub", 128
}
name! {
    /// The name of a user attribute, with the prefix `custom:` or `dev:`. The API allows 32
    /// characters for a schema name, plus the prefixes.
    AttributeName, "an attribute name", 64
}
name! {
    /// The name of a group: up to 128 characters, as `CreateGroup` says.
    GroupName, "a group name", 128
}
name! {
    /// poolbridge's own identifier of one human: 32 hexadecimal digits.
    PersonId, "a person id", 32
}
name! {
    /// The owner of a lease: unique for each claim (`UniqueLeaseOwner`), never a message's id.
    Owner, "a lease owner", 64
}

impl PersonId {
    /// The id made from a number that was never used before.
    pub fn from_nonce(nonce: u128) -> Self {
        Self(format!("{nonce:032x}"))
    }
}

impl Owner {
    /// The owner made from a number that was never used before.
    pub fn from_nonce(nonce: u128) -> Self {
        Self(format!("{nonce:032x}"))
    }
}

/// A username. It may be an e-mail address, so it is never printed or stored in clear.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(String);

impl Username {
    /// The name in clear, for a call to the pool and for encryption. Never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for Username {
    type Error = NameError;
    fn try_from(text: &str) -> Result<Self, NameError> {
        checked("a username", text, 128).map(Self)
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Username(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invariant_09_a_username_never_prints() {
        let name = Username::try_from("someone").unwrap();
        assert_eq!(format!("{name:?}"), "Username(…)");
    }

    #[test]
    fn a_name_is_rejected_if_empty_too_long_padded_or_with_control_characters() {
        for text in ["", " a", "a ", "a\u{7}b", &"x".repeat(129)] {
            assert!(Sub::try_from(text).is_err(), "{text:?} was accepted as a sub");
        }
        assert!(Sub::try_from("not-a-uuid").is_ok());
    }
}
