//! What a pass is counted to have come to.

use crate::side::BySide;
use crate::time::Time;

/// What was counted on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Counts {
    /// Calls that list, those that were throttled included.
    pub pages: u64,
    /// Accounts that were listed.
    pub accounts: u64,
    /// Memberships that were listed.
    pub memberships: u64,
    /// Accounts that differ from what was agreed.
    pub differing: u64,
    /// Accounts of nobody known, made or changed since the bridge began.
    pub news: u64,
    /// Accounts of nobody known, older than the bridge: not looked at.
    pub unknown: u64,
    /// Accounts and people that cannot be read.
    pub unreadable: u64,
    /// Accounts that differ and are marked already.
    pub marked: u64,
    /// Messages sent.
    pub sent: u64,
    /// Accounts in none of the parts.
    pub strangers: u64,
    /// Accounts in none of the parts for which there can be no part.
    pub uncovered: u64,
}

/// Why nothing is concluded from what was not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doubt {
    /// A pool showed far fewer accounts than in the pass before.
    Shrunk,
    /// More people are without one of their accounts than is likely.
    TooMany,
    /// What is left over is too much to be told: the next pass asks for half as many people.
    Undecoded,
}

impl Doubt {
    /// The code for logs and figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shrunk => "shrunk",
            Self::TooMany => "too-many",
            Self::Undecoded => "undecoded",
        }
    }
}

/// What a whole pass came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Summary {
    /// Its number.
    pub number: u64,
    /// When it began.
    pub began: Time,
    /// When it ended.
    pub ended: Time,
    /// What was counted.
    pub counts: BySide<Counts>,
    /// How many accounts each pool said that it has.
    pub estimate: BySide<Option<u64>>,
    /// Accounts that a known person should have and no listing showed.
    pub missing: BySide<u64>,
    /// Memberships that were agreed upon and no listing showed.
    pub departed: BySide<u64>,
    /// Parts of the groups that could not be listed.
    pub groups_unread: u64,
    /// Why nothing is concluded from accounts that were not listed, if so.
    pub doubt: Option<Doubt>,
    /// The same of memberships.
    pub members_doubt: Option<Doubt>,
}

impl Counts {
    /// Every figure with its name, as the table and the log have it.
    pub const fn named(&self) -> [(&'static str, u64); 11] {
        [
            ("pages", self.pages),
            ("accounts", self.accounts),
            ("memberships", self.memberships),
            ("differing", self.differing),
            ("news", self.news),
            ("unknown", self.unknown),
            ("unreadable", self.unreadable),
            ("marked", self.marked),
            ("sent", self.sent),
            ("strangers", self.strangers),
            ("uncovered", self.uncovered),
        ]
    }

    /// The figures of those names; the inverse of [`Counts::named`].
    pub fn of_named<E>(mut value: impl FnMut(&'static str) -> Result<u64, E>) -> Result<Self, E> {
        Ok(Self {
            pages: value("pages")?,
            accounts: value("accounts")?,
            memberships: value("memberships")?,
            differing: value("differing")?,
            news: value("news")?,
            unknown: value("unknown")?,
            unreadable: value("unreadable")?,
            marked: value("marked")?,
            sent: value("sent")?,
            strangers: value("strangers")?,
            uncovered: value("uncovered")?,
        })
    }

    /// Adds another part's.
    pub const fn add(&mut self, other: &Self) {
        self.pages += other.pages;
        self.accounts += other.accounts;
        self.memberships += other.memberships;
        self.differing += other.differing;
        self.news += other.news;
        self.unknown += other.unknown;
        self.unreadable += other.unreadable;
        self.marked += other.marked;
        self.sent += other.sent;
        self.strangers += other.strangers;
        self.uncovered += other.uncovered;
    }
}
