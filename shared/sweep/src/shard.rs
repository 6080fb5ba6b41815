//! Divides a listing into partitions that are short enough to be listed again: by the first
//! characters of the `sub`. That is the only filter of `ListUsers` that never moves an account from
//! one partition to another.
//!
//! A `sub` looks like a UUID, but Cognito does not promise that. So the partitions use hexadecimal
//! digits. Periodically one unfiltered listing looks for a `sub` with another start (an *unexpected
//! prefix*), which then gets a partition of its own.

use std::collections::BTreeSet;

use poolbridge_core::names::Sub;

/// Partitions use at most the first three characters: 4,096 partitions hold the 40 million accounts
/// that a pool can have (quota), in listings of 163 pages.
pub const DEPTH_MAX: u8 = 3;

const DIGITS: &str = "0123456789abcdef";

/// The accounts whose `sub` starts with this prefix. An empty prefix means every account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Prefix(String);

impl Prefix {
    /// The partition with this prefix.
    pub fn new(letters: impl Into<String>) -> Self {
        Self(letters.into())
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the whole pool.
    pub const fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an account belongs to this partition. The comparison is case-sensitive, so that a
    /// case-insensitive search does not show an account twice.
    pub fn holds(&self, sub: &Sub) -> bool {
        sub.as_str().starts_with(&self.0)
    }
}

/// Every partition of a pool, in order: those of `depth`, then those of unexpected prefixes.
pub fn prefixes(depth: u8, unexpected: &BTreeSet<Prefix>) -> Vec<Prefix> {
    let mut all = vec![String::new()];
    for _ in 0..depth.min(DEPTH_MAX) {
        all = all
            .iter()
            .flat_map(|letters| DIGITS.chars().map(move |digit| format!("{letters}{digit}")))
            .collect();
    }
    let outside = unexpected.iter().filter(|unexpected| outside(depth, unexpected.as_str()));
    all.into_iter().map(Prefix).chain(outside.cloned()).collect()
}

/// Whether no partition of that depth contains a `sub` that starts with `letters`.
fn outside(depth: u8, letters: &str) -> bool {
    let digits = letters.chars().take_while(|letter| DIGITS.contains(*letter));
    digits.take(usize::from(depth)).count() < usize::from(depth)
}

/// Whether a `sub` needs a further partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unexpected {
    /// No: a partition contains it.
    No,
    /// Yes: this partition would contain it, and no account of another partition.
    Add(Prefix),
    /// It is shorter than the prefix of a partition: there can be no partition for it.
    TooShort,
}

/// Whether a partition of that depth, or of one of the `known` prefixes, contains this `sub`.
pub fn unexpected(depth: u8, known: &BTreeSet<Prefix>, sub: &Sub) -> Unexpected {
    let text = sub.as_str();
    if !outside(depth, text) || known.iter().any(|prefix| prefix.holds(sub)) {
        return Unexpected::No;
    }
    let digits = text.chars().take_while(|letter| DIGITS.contains(*letter)).count();
    let letters: String = text.chars().take(digits + 1).collect();
    if letters.chars().count() <= digits {
        return Unexpected::TooShort;
    }
    Unexpected::Add(Prefix(letters))
}

/// The depth at which no partition has more than `pages_max` pages of `page` accounts, if the
/// accounts are evenly spread.
pub fn depth(accounts: u64, page: u64, pages_max: u64) -> u8 {
    let pages = accounts.div_ceil(page.max(1));
    (0..DEPTH_MAX).find(|depth| pages >> (4 * depth) <= pages_max).unwrap_or(DEPTH_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sub(text: &str) -> Sub {
        Sub::try_from(text).unwrap()
    }

    fn all(depth: u8, known: &[&str]) -> Vec<Prefix> {
        prefixes(depth, &known.iter().map(|text| Prefix::new(*text)).collect())
    }

    #[test]
    fn every_sub_is_in_one_partition_or_has_an_unexpected_prefix() {
        let subs = ["0f-1", "ff", "a", "A1", "zz", "a-b", "9", "é", "0g00", "00g0", "000g"];
        for depth in 0..=DEPTH_MAX {
            let mut known = BTreeSet::new();
            for text in subs {
                if let Unexpected::Add(prefix) = unexpected(depth, &known, &sub(text)) {
                    known.insert(prefix);
                }
            }
            let parts = prefixes(depth, &known);
            for text in subs {
                let count = parts.iter().filter(|part| part.holds(&sub(text))).count();
                let short = unexpected(depth, &known, &sub(text)) == Unexpected::TooShort;
                assert_eq!(count, usize::from(!short), "{text} at depth {depth}");
            }
        }
    }

    #[test]
    fn a_pool_is_divided_as_deep_as_its_pages_require() {
        assert_eq!(all(0, &["z"]), [Prefix::new("")]);
        assert_eq!(all(1, &["z", "a"]).len(), 17);
        assert_eq!(all(2, &["a-"]).len(), 257);
        assert_eq!(depth(0, 60, 3_000), 0);
        assert_eq!(depth(180_000, 60, 3_000), 0);
        assert_eq!(depth(180_001, 60, 3_000), 1);
        assert_eq!(depth(1_000_000, 60, 3_000), 1);
        assert_eq!(depth(40_000_000, 60, 3_000), 2);
        assert_eq!(depth(40_000_000, 60, 1), DEPTH_MAX);
    }
}
