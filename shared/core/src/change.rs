//! A change: a hint that one account in one pool may differ now. Never data: no value travels in it.

use crate::names::Sub;
use crate::side::Side;
use crate::time::Time;

/// What the sender of a change knows for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// Something of this account was changed.
    Changed,
    /// The account left UNCONFIRMED, which happens once in its life.
    Confirmed,
    /// The account was deleted, and its `sub` was named.
    Deleted,
    /// Nothing: it may be worth a look (a sign-in, a sweep, a trigger that fires before the deed).
    Hint,
}

impl Proof {
    /// Every proof.
    pub const ALL: [Self; 4] = [Self::Changed, Self::Confirmed, Self::Deleted, Self::Hint];

    /// The word for it in messages and in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Confirmed => "confirmed",
            Self::Deleted => "deleted",
            Self::Hint => "hint",
        }
    }

    /// The proof of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|proof| proof.name() == name)
    }
}

/// Who may differ, in which pool, since when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// The pool in which it was done.
    pub side: Side,
    /// Whose account.
    pub sub: Sub,
    /// When the deed was done, at the latest: a time that is cut to seconds is rounded up (R8).
    pub at: Time,
    /// What is certain.
    pub proof: Proof,
    /// The account's password was set by this deed.
    pub password: bool,
    /// Unique for each capture and each re-send: the queue's deduplication id (R13).
    pub id: u128,
}

/// The durable note that an account has a change not yet applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The account's pool.
    pub side: Side,
    /// Whose account.
    pub sub: Sub,
    /// Made by the table and never the same twice, not even after the mark was cleared (R12).
    pub token: u128,
    /// When the oldest deed was done that this mark stands for.
    pub first: Time,
    /// When the newest deed was done that this mark stands for. A mere hint is no deed: it neither
    /// moves this nor the proof, and a mark of nothing but hints says when the oldest of them came.
    pub last: Time,
    /// What the newest deed proves.
    pub proof: Proof,
    /// When the password was last set, if one of these deeds did that.
    pub password_at: Option<Time>,
    /// Nobody need look at it again before this moment: the back-off of a `later`.
    pub not_before: Time,
    /// How often it was answered `later` since it was made.
    pub attempts: u32,
    /// Why it was answered `later` last: a code, never a value.
    pub reason: Option<String>,
}
