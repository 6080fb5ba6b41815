//! The results of a pass.

use strum::IntoStaticStr;

use poolbridge_core::side::BySide;
use poolbridge_core::time::Time;

/// The counters of one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Counts {
    /// Listing calls that were answered, without throttled and failed calls.
    pub pages: u64,
    /// Accounts that were listed.
    pub accounts: u64,
    /// Memberships that were listed.
    pub memberships: u64,
    /// Accounts that differ from the baseline.
    pub differing: u64,
    /// Unknown accounts that were created or changed since the bridge exists.
    pub news: u64,
    /// Unknown accounts that are older than the bridge. The sweep sends no hint about them.
    pub unknown: u64,
    /// Accounts and people that cannot be decoded.
    pub unreadable: u64,
    /// Accounts that differ and already have a pending change.
    pub has_pending: u64,
    /// Messages sent.
    pub sent: u64,
    /// Accounts with an unexpected prefix, which no partition contained.
    pub unexpected: u64,
    /// Accounts outside all partitions for which there can be no partition.
    pub uncovered: u64,
}

/// Why the sweep concludes nothing from missing accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Doubt {
    /// A pool showed far fewer accounts than in the pass before.
    Shrunk,
    /// More people miss one of their accounts than is plausible.
    TooMany,
    /// Too many keys are left to be decoded: the next pass compares half as many people.
    Undecoded,
}

impl Doubt {
    /// Its code in logs and metrics.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The result of a whole pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Summary {
    /// Its number.
    pub number: u64,
    /// When it began.
    pub began: Time,
    /// When it ended.
    pub ended: Time,
    /// The counters of each pool.
    pub counts: BySide<Counts>,
    /// How many accounts each pool has, by its own estimate.
    pub estimate: BySide<Option<u64>>,
    /// Accounts of known people that no listing showed.
    pub missing: BySide<u64>,
    /// Agreed memberships that no listing showed.
    pub missing_memberships: BySide<u64>,
    /// Group buckets and groups that could not be listed.
    pub groups_unread: u64,
    /// Why the sweep concludes nothing from missing accounts, if that is so.
    pub doubt: Option<Doubt>,
    /// The same for memberships.
    pub members_doubt: Option<Doubt>,
}

impl Counts {
    /// Every counter with its name in the table and in the log.
    pub const fn named(&self) -> [(&'static str, u64); 11] {
        [
            ("pages", self.pages),
            ("accounts", self.accounts),
            ("memberships", self.memberships),
            ("differing", self.differing),
            ("news", self.news),
            ("unknown", self.unknown),
            ("unreadable", self.unreadable),
            ("pending", self.has_pending),
            ("sent", self.sent),
            ("unexpected", self.unexpected),
            ("uncovered", self.uncovered),
        ]
    }

    /// The counters from those names; the inverse of [`Counts::named`].
    pub fn of_named<E>(mut value: impl FnMut(&'static str) -> Result<u64, E>) -> Result<Self, E> {
        Ok(Self {
            pages: value("pages")?,
            accounts: value("accounts")?,
            memberships: value("memberships")?,
            differing: value("differing")?,
            news: value("news")?,
            unknown: value("unknown")?,
            unreadable: value("unreadable")?,
            has_pending: value("pending")?,
            sent: value("sent")?,
            unexpected: value("unexpected")?,
            uncovered: value("uncovered")?,
        })
    }

    /// Adds the counters of another partition.
    pub const fn add(&mut self, other: &Self) {
        self.pages += other.pages;
        self.accounts += other.accounts;
        self.memberships += other.memberships;
        self.differing += other.differing;
        self.news += other.news;
        self.unknown += other.unknown;
        self.unreadable += other.unreadable;
        self.has_pending += other.has_pending;
        self.sent += other.sent;
        self.unexpected += other.unexpected;
        self.uncovered += other.uncovered;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_doubts_are_pinned() {
        let doubts = [Doubt::Shrunk, Doubt::TooMany, Doubt::Undecoded].map(Doubt::name);
        assert_eq!(doubts, ["shrunk", "too-many", "undecoded"]);
    }
}
