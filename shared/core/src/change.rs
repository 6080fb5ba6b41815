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
    /// An administrator set that password, and not the person.
    pub administrator: bool,
    /// Only a message says so: no function of the bridge that may write the table saw it itself. The
    /// right to send a message is no right to claim that a password was set.
    pub claimed: bool,
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
    /// When the person last set the password, if one of these deeds did that and a function of the
    /// bridge saw it.
    pub password_at: Option<Time>,
    /// The same, where an administrator set it.
    pub administrator_at: Option<Time>,
    /// When the password was last set as a message alone says: to be supported by the account.
    pub claimed_at: Option<Time>,
    /// Nobody need look at it again before this moment: the back-off of a `later`.
    pub not_before: Time,
    /// How often it was answered `later` since it was made.
    pub attempts: u32,
    /// Why it was answered `later` last: a code, never a value.
    pub reason: Option<String>,
}

impl Mark {
    /// Whether this pending change holds what `change` says, so that the message of `change` may be
    /// acknowledged. A password event counts for itself: an older pending change of another kind does
    /// not hold it. A hint proves nothing, so any pending change holds one.
    pub fn holds(&self, change: &Change) -> bool {
        let hint = change.proof == Proof::Hint;
        let deed = hint || (self.proof != Proof::Hint && self.last >= change.at);
        let password = [self.password_at, self.administrator_at, self.claimed_at]
            .into_iter()
            .flatten()
            .any(|at| at >= change.at);
        deed && (password || !change.password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(proof: Proof, at: i64, password: bool) -> Change {
        let sub = Sub::try_from("s-1").unwrap();
        let (administrator, claimed) = (false, false);
        Change {
            side: Side::Old,
            sub,
            at: Time(at),
            proof,
            password,
            administrator,
            claimed,
            id: 1,
        }
    }

    fn mark(proof: Proof, last: i64, password_at: Option<i64>) -> Mark {
        Mark {
            side: Side::Old,
            sub: Sub::try_from("s-1").unwrap(),
            token: 1,
            first: Time(0),
            last: Time(last),
            proof,
            password_at: password_at.map(Time),
            administrator_at: None,
            claimed_at: None,
            not_before: Time::ZERO,
            attempts: 0,
            reason: None,
        }
    }

    #[test]
    fn a_pending_change_holds_only_what_it_was_told() {
        let edit = mark(Proof::Changed, 5, None);
        assert!(edit.holds(&change(Proof::Changed, 5, false)));
        assert!(edit.holds(&change(Proof::Hint, 9, false)), "a hint proves nothing");
        assert!(!edit.holds(&change(Proof::Changed, 6, false)), "a newer deed is not in it");
        assert!(!edit.holds(&change(Proof::Changed, 5, true)), "it holds no password event");
        assert!(!mark(Proof::Hint, 9, None).holds(&change(Proof::Changed, 5, false)));
    }

    #[test]
    fn a_pending_change_holds_a_password_event_of_its_own_time() {
        let older = mark(Proof::Changed, 9, Some(4));
        assert!(!older.holds(&change(Proof::Changed, 5, true)), "an older password event");
        assert!(mark(Proof::Changed, 9, Some(5)).holds(&change(Proof::Changed, 5, true)));
        let claimed = Mark { claimed_at: Some(Time(5)), ..mark(Proof::Changed, 9, None) };
        assert!(claimed.holds(&change(Proof::Changed, 5, true)));
        let administrator =
            Mark { administrator_at: Some(Time(5)), ..mark(Proof::Changed, 9, None) };
        assert!(administrator.holds(&change(Proof::Changed, 5, true)));
    }
}
