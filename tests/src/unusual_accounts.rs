//! Accounts with unusual values, generated from a seed. Each states the result that is required if
//! the new pool uses e-mail addresses as usernames and people are created there.

use std::collections::BTreeMap;

use crate::world::chance::{Chooser as _, Seeded};

/// A kind of unusual account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnusualKind {
    /// Letters beyond ASCII in names and in the username.
    Accents,
    /// Quotation marks of several kinds.
    Quotes,
    /// Backslashes, percent signs and control-like sequences.
    Backslashes,
    /// An address in mixed case, in a case-insensitive pool.
    MixedCase,
    /// A plus sign in the address.
    PlusSign,
    /// Attributes that are present and blank.
    Blank,
    /// No attribute but the address.
    Missing,
    /// Characters of several code units: emoji, right-to-left script, combining marks.
    Scripts,
    /// As long as the schema allows, in characters.
    Long,
    /// A verified phone number in a national form.
    VerifiedPhone,
    /// An unverified phone number.
    UnverifiedPhone,
    /// An account in both pools, with addresses that differ in case.
    InBothPools,
    /// Disabled before the bridge knew the account.
    Disabled,
    /// An unverified address.
    UnverifiedAddress,
    /// No address at all.
    NoAddress,
    /// Signed up, never confirmed.
    Unconfirmed,
}

/// The required result for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Both accounts are equal in every mapped field.
    Equal,
    /// No account in the new pool; the person is in that state for that reason.
    Alone(&'static str, Option<&'static str>),
}

/// An account with unusual values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusualAccount {
    /// Its kind.
    pub kind: UnusualKind,
    /// The username in the old pool.
    pub username: String,
    /// Attributes of the account in the old pool.
    pub attributes: BTreeMap<&'static str, String>,
    /// Attributes of the account in the new pool, if there is one from the start.
    pub in_new_pool: BTreeMap<&'static str, String>,
    /// The required result.
    pub expected: Expected,
}

impl UnusualKind {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::Accents,
        Self::Quotes,
        Self::Backslashes,
        Self::MixedCase,
        Self::PlusSign,
        Self::Blank,
        Self::Missing,
        Self::Scripts,
        Self::Long,
        Self::VerifiedPhone,
        Self::UnverifiedPhone,
        Self::InBothPools,
        Self::Disabled,
        Self::UnverifiedAddress,
        Self::NoAddress,
        Self::Unconfirmed,
    ];

    const fn expected(self) -> Expected {
        match self {
            Self::Disabled => Expected::Alone("only-old", Some("disabled")),
            Self::UnverifiedAddress | Self::NoAddress => Expected::Alone("held", Some("no-way-in")),
            Self::Unconfirmed => Expected::Alone("only-old", None),
            Self::Accents
            | Self::Quotes
            | Self::Backslashes
            | Self::MixedCase
            | Self::PlusSign
            | Self::Blank
            | Self::Missing
            | Self::Scripts
            | Self::Long
            | Self::VerifiedPhone
            | Self::UnverifiedPhone
            | Self::InBothPools => Expected::Equal,
        }
    }
}

/// That many people, of each kind in turn. The same seed generates the same people.
pub fn unusual_accounts(seed: u64, count: usize) -> Vec<UnusualAccount> {
    let mut chance = Seeded::new(seed);
    let kinds = UnusualKind::ALL.into_iter().cycle();
    kinds.take(count).enumerate().map(|(number, kind)| person(&mut chance, kind, number)).collect()
}

/// Parts of names, by kind. With its number, none is shorter than six bytes.
const ACCENTS: [&str; 6] = ["Zoë", "Łukasz", "Søren", "Þórdís", "Nuñez", "Ōtsuka"];
const QUOTES: [&str; 6] = ["O'Neill", "\"Nan\"", "“curly”", "‘single’", "`tick`", "«guille»"];
const BACKSLASHES: [&str; 6] =
    ["back\\slash", "two\\\\slashes", "\\\"both\\\"", "100%done", "\\n-\\t", "${x}{{y}}"];
const SCRIPTS: [&str; 6] =
    ["👩‍👩‍👧-team", "שלום-שם", "e\u{301}le\u{300}ve", "山田-太郎", "ไทย-ชื่อ", "🇩🇪🇫🇷-flag"];
const WORDS: [&str; 6] = ["Harbour", "Lantern", "Meadow", "Orchard", "Pebble", "Willow"];

#[expect(clippy::wildcard_enum_match_arm, reason = "most kinds have usual names")]
fn person(chance: &mut Seeded, kind: UnusualKind, number: usize) -> UnusualAccount {
    let mut pick = |from: &[&str; 6]| {
        let tail = chance.choose(9_000, "a number") + 1_000;
        format!("{}-{tail}", from[chance.choose(from.len(), "a part")])
    };
    let parts = match kind {
        UnusualKind::Accents => &ACCENTS,
        UnusualKind::Quotes => &QUOTES,
        UnusualKind::Backslashes => &BACKSLASHES,
        UnusualKind::Scripts => &SCRIPTS,
        _ => &WORDS,
    };
    let local = format!("odd.{number:02}.{}", pick(&WORDS));
    let local = if kind == UnusualKind::MixedCase { local } else { local.to_lowercase() };
    let address = match kind {
        UnusualKind::PlusSign => format!("{local}+tag+more@example.com"),
        UnusualKind::MixedCase => format!("{local}@Example.COM"),
        UnusualKind::Quotes => format!("{local}'s@example.com"),
        _ => format!("{local}@example.com"),
    };
    let username = match kind {
        UnusualKind::Accents | UnusualKind::Quotes | UnusualKind::Backslashes => {
            format!("{}.{number:02}", pick(parts).replace(' ', ""))
        }
        _ => format!("user.{number:02}.{}", pick(&WORDS)),
    };
    let mut attributes = BTreeMap::from([
        ("email", address.clone()),
        ("email_verified", "true".to_owned()),
        ("given_name", pick(parts)),
        ("family_name", format!("{} {}", pick(parts), pick(parts))),
        ("nickname", format!(" {} ", pick(parts))),
        ("custom:dept", pick(parts)),
        ("locale", "de-DE-u-co-phonebk".to_owned()),
        ("address", format!("{{\"formatted\":\"{} 7\\n12345\"}}", pick(&WORDS))),
    ]);
    add_unusual_attributes(chance, kind, &mut attributes);
    let in_new_pool = if kind == UnusualKind::InBothPools {
        BTreeMap::from([("email", address), ("email_verified", "true".to_owned())])
    } else {
        BTreeMap::new()
    };
    UnusualAccount { kind, username, attributes, in_new_pool, expected: kind.expected() }
}

/// The attributes in which that kind differs, beyond the characters in its values.
#[expect(clippy::wildcard_enum_match_arm, reason = "most kinds have the usual attributes")]
fn add_unusual_attributes(
    chance: &mut Seeded,
    kind: UnusualKind,
    attributes: &mut BTreeMap<&'static str, String>,
) {
    match kind {
        UnusualKind::Blank => {
            attributes.insert("given_name", String::new());
            attributes.insert("custom:dept", String::new());
        }
        UnusualKind::Missing => attributes.retain(|name, _| name.starts_with("email")),
        UnusualKind::Long => {
            let long = "ä".repeat(2_048 - "dept-".len());
            attributes.insert("custom:dept", long);
            attributes.insert("family_name", "é".repeat(2_048));
        }
        UnusualKind::VerifiedPhone | UnusualKind::UnverifiedPhone => {
            let digits = 1_000_000 + chance.choose(8_999_999, "a subscriber");
            attributes.insert("phone_number", format!("030 {digits}"));
            let verified = kind == UnusualKind::VerifiedPhone;
            attributes.insert("phone_number_verified", verified.to_string());
        }
        UnusualKind::UnverifiedAddress => {
            attributes.insert("email_verified", "false".to_owned());
        }
        UnusualKind::NoAddress => attributes.retain(|name, _| !name.starts_with("email")),
        _ => {}
    }
}

impl UnusualAccount {
    /// What the new pool must hold of this person, by the deployment's rules. An attribute that is
    /// not named is absent or blank there.
    pub fn mapped(&self) -> BTreeMap<String, String> {
        let mut mapped = BTreeMap::new();
        for (name, value) in self.attributes.iter().filter(|(_, value)| !value.is_empty()) {
            let (name, value) = match *name {
                "custom:dept" => ("custom:department", format!("dept-{value}")),
                "nickname" => ("nickname", value.trim().to_lowercase()),
                "email" => ("email", value.to_lowercase()),
                "phone_number" => ("phone_number", value.replace("030 ", "+4930")),
                name => (name, value.clone()),
            };
            mapped.insert(name.to_owned(), value);
        }
        mapped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_people_and_all_differ() {
        let people = unusual_accounts(1, 60);
        assert_eq!(people, unusual_accounts(1, 60));
        assert_ne!(people, unusual_accounts(2, 60));
        let mut names: Vec<&str> = people.iter().map(|person| person.username.as_str()).collect();
        let mut addresses: Vec<String> = people
            .iter()
            .filter_map(|person| person.attributes.get("email"))
            .map(|address| address.to_lowercase())
            .collect();
        for list in [names.len(), addresses.len()] {
            assert!(list >= 56, "{list}");
        }
        names.sort_unstable();
        names.dedup();
        addresses.sort();
        let all = addresses.len();
        addresses.dedup();
        assert_eq!((names.len(), addresses.len()), (60, all));
        for kind in UnusualKind::ALL {
            assert!(people.iter().any(|person| person.kind == kind), "{kind:?}");
        }
    }

    #[test]
    fn every_username_and_value_is_accepted_by_a_pool() {
        for person in unusual_accounts(3, 160) {
            let length = person.username.chars().count();
            assert!((1..=128).contains(&length) && !person.username.contains(' '));
            for (name, value) in &person.attributes {
                assert!(value.chars().count() <= 2_048, "{name}");
            }
        }
    }
}
