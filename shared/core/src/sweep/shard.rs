//! How a listing is cut into parts that are short enough to be listed again: by the first letters
//! of the `sub`, which is the only filter of `ListUsers` that never moves an account from one part
//! to another.
//!
//! A `sub` looks like a UUID and is not promised to be one. So the parts are by hexadecimal digits,
//! and now and then one unfiltered listing looks for a `sub` that begins otherwise (a *stranger*):
//! its first letters become a part of their own.

use std::collections::BTreeSet;

use crate::names::Sub;

/// Parts by the first three letters at the most: 4,096 of them hold the 40 million accounts that a
/// pool can have (quota) in listings of 163 pages.
pub const DEPTH_MAX: u8 = 3;

const DIGITS: &str = "0123456789abcdef";

/// The accounts whose `sub` begins with these letters; none: every account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Prefix(String);

impl Prefix {
    /// The part of those first letters.
    pub fn new(letters: impl Into<String>) -> Self {
        Self(letters.into())
    }

    /// The letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the whole pool.
    pub const fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an account belongs to this part, to the letter: a search that cares less for case
    /// than we do must not show an account twice.
    pub fn holds(&self, sub: &Sub) -> bool {
        sub.as_str().starts_with(&self.0)
    }
}

/// Every part of a pool, in order: those of that depth, and those of strangers that are in none.
pub fn prefixes(depth: u8, strangers: &BTreeSet<Prefix>) -> Vec<Prefix> {
    let mut all = vec![String::new()];
    for _ in 0..depth.min(DEPTH_MAX) {
        all = all
            .iter()
            .flat_map(|letters| DIGITS.chars().map(move |digit| format!("{letters}{digit}")))
            .collect();
    }
    let outside = strangers.iter().filter(|stranger| outside(depth, stranger.as_str()));
    all.into_iter().map(Prefix).chain(outside.cloned()).collect()
}

/// Whether no part of that depth holds a `sub` of these letters.
fn outside(depth: u8, letters: &str) -> bool {
    let digits = letters.chars().take_while(|letter| DIGITS.contains(*letter));
    digits.take(usize::from(depth)).count() < usize::from(depth)
}

/// What is to be done about the `sub` of somebody who is in none of the parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// It is in one of them.
    No,
    /// This part would hold it, and no account that another part holds.
    Add(Prefix),
    /// It is shorter than the parts' own letters: there is no such part.
    TooShort,
}

/// Whether a part of that depth, or of one of these strangers, holds this `sub`.
pub fn stranger(depth: u8, known: &BTreeSet<Prefix>, sub: &Sub) -> Stranger {
    let text = sub.as_str();
    if !outside(depth, text) || known.iter().any(|prefix| prefix.holds(sub)) {
        return Stranger::No;
    }
    let digits = text.chars().take_while(|letter| DIGITS.contains(*letter)).count();
    let letters: String = text.chars().take(digits + 1).collect();
    if letters.chars().count() <= digits {
        return Stranger::TooShort;
    }
    Stranger::Add(Prefix(letters))
}

/// How deep to cut a pool of so many accounts so that no part has more than `pages_max` pages of
/// `page` accounts, if they are spread evenly.
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
    fn every_sub_is_in_one_part_or_is_a_stranger() {
        let subs = ["0f-1", "ff", "a", "A1", "zz", "a-b", "9", "é", "0g00", "00g0", "000g"];
        for depth in 0..=DEPTH_MAX {
            let mut known = BTreeSet::new();
            for text in subs {
                if let Stranger::Add(prefix) = stranger(depth, &known, &sub(text)) {
                    known.insert(prefix);
                }
            }
            let parts = prefixes(depth, &known);
            for text in subs {
                let count = parts.iter().filter(|part| part.holds(&sub(text))).count();
                let short = stranger(depth, &known, &sub(text)) == Stranger::TooShort;
                assert_eq!(count, usize::from(!short), "{text} at depth {depth}");
            }
        }
    }

    #[test]
    fn a_pool_is_cut_as_deep_as_its_pages_ask_for() {
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
