//! A change event: notice that an account in one pool may differ now. It carries no values.

use strum::{IntoStaticStr, VariantArray};

use crate::names::Sub;
use crate::side::Side;
use crate::time::Time;
use crate::variants::named;

/// The evidence of a change event: what its sender knows for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Evidence {
    /// Something about this account was changed.
    Changed,
    /// The account left UNCONFIRMED, which happens once in its life.
    Confirmed,
    /// The account was deleted, and the event named its `sub`.
    Deleted,
    /// No evidence: the account may have changed (a sign-in, a difference that the sweep found, a
    /// trigger that fires before the change).
    Hint,
}

named!(
    Evidence,
    ALL: "Every kind of evidence.",
    name: "Its name in messages and in the table."
);

/// A change event: which account may differ, in which pool, since when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChangeEvent {
    /// The pool in which the change happened.
    pub side: Side,
    /// The `sub` of the account.
    pub sub: Sub,
    /// The latest time at which the change can have happened. A time that is cut to seconds is
    /// rounded up (`SettleBeforeClearing`).
    pub at: Time,
    /// What the event proves.
    pub evidence: Evidence,
    /// The change set the account's password.
    pub password: bool,
    /// An administrator set that password, not the person.
    pub administrator: bool,
    /// Only a message says so: no function of the bridge that may write the table saw the change.
    /// The right to send a message does not include the right to claim that a password was set.
    pub claimed: bool,
    /// Unique for each capture and each resend: the queue's deduplication id
    /// (`UniqueDeduplicationId`).
    pub id: u128,
}

/// A pending change: the stored note that an account has a change which is not applied yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PendingChange {
    /// The account's pool.
    pub side: Side,
    /// The `sub` of the account.
    pub sub: Sub,
    /// Made by the table. It never repeats, not even after the pending change was cleared
    /// (`TokenNeverRepeats`).
    pub token: u128,
    /// When the oldest change happened that this pending change stands for.
    pub first: Time,
    /// When the newest change happened that this pending change stands for. A hint moves neither
    /// this time nor the evidence. If it stands for hints only, it is the time of the oldest.
    pub last: Time,
    /// The evidence of the newest change.
    pub evidence: Evidence,
    /// When the person last set the password, if one of these changes did that and a function of
    /// the bridge saw it.
    pub password_at: Option<Time>,
    /// The same for a password that an administrator set.
    pub administrator_at: Option<Time>,
    /// When a password was last set by a message alone. The account must confirm it.
    pub claimed_at: Option<Time>,
    /// apply need not process it before this time: the back-off after the outcome `retry`.
    pub not_before: Time,
    /// How many times the outcome was `retry` since the pending change was stored.
    pub attempts: u32,
    /// The reason of the last `retry`: a code, never a value.
    pub reason: Option<String>,
}

impl PendingChange {
    /// Whether it holds an event that is newer than `change`. That event has a message of its own,
    /// so a back-off because of `change` must not delay it.
    pub fn is_newer_than(&self, change: &ChangeEvent) -> bool {
        self.last > change.at
    }

    /// Whether this pending change covers `change`, so that the message of `change` may be
    /// acknowledged. A password event counts separately: an older pending change of another kind
    /// does not cover it. A hint proves nothing, so any pending change covers one.
    pub fn holds(&self, change: &ChangeEvent) -> bool {
        let hint = change.evidence == Evidence::Hint;
        let action = hint || (self.evidence != Evidence::Hint && self.last >= change.at);
        let password = [self.password_at, self.administrator_at, self.claimed_at]
            .into_iter()
            .flatten()
            .any(|at| at >= change.at);
        action && (password || !change.password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(evidence: Evidence, at: i64, password: bool) -> ChangeEvent {
        let sub = Sub::try_from("s-1").unwrap();
        let (administrator, claimed) = (false, false);
        ChangeEvent {
            side: Side::Old,
            sub,
            at: Time(at),
            evidence,
            password,
            administrator,
            claimed,
            id: 1,
        }
    }

    fn pending(evidence: Evidence, last: i64, password_at: Option<i64>) -> PendingChange {
        PendingChange {
            side: Side::Old,
            sub: Sub::try_from("s-1").unwrap(),
            token: 1,
            first: Time(0),
            last: Time(last),
            evidence,
            password_at: password_at.map(Time),
            administrator_at: None,
            claimed_at: None,
            not_before: Time::ZERO,
            attempts: 0,
            reason: None,
        }
    }

    #[test]
    fn a_pending_change_covers_no_newer_or_stronger_event() {
        let edit = pending(Evidence::Changed, 5, None);
        assert!(edit.holds(&change(Evidence::Changed, 5, false)));
        assert!(edit.holds(&change(Evidence::Hint, 9, false)), "a hint proves nothing");
        assert!(
            !edit.holds(&change(Evidence::Changed, 6, false)),
            "it does not cover a newer change"
        );
        assert!(!edit.holds(&change(Evidence::Changed, 5, true)), "it covers no password event");
        assert!(!pending(Evidence::Hint, 9, None).holds(&change(Evidence::Changed, 5, false)));
    }

    #[test]
    fn a_pending_change_is_newer_only_than_events_from_before_its_last_one() {
        let at = |at| change(Evidence::Changed, at, false);
        let stored = pending(Evidence::Changed, 5, None);
        assert!(stored.is_newer_than(&at(4)));
        assert!(!stored.is_newer_than(&at(5)) && !stored.is_newer_than(&at(6)));
    }

    #[test]
    fn a_pending_change_covers_a_password_event_only_up_to_its_own_password_time() {
        let older = pending(Evidence::Changed, 9, Some(4));
        assert!(!older.holds(&change(Evidence::Changed, 5, true)), "an older password event");
        assert!(pending(Evidence::Changed, 9, Some(5)).holds(&change(Evidence::Changed, 5, true)));
        let claimed =
            PendingChange { claimed_at: Some(Time(5)), ..pending(Evidence::Changed, 9, None) };
        assert!(claimed.holds(&change(Evidence::Changed, 5, true)));
        let administrator = PendingChange {
            administrator_at: Some(Time(5)),
            ..pending(Evidence::Changed, 9, None)
        };
        assert!(administrator.holds(&change(Evidence::Changed, 5, true)));
    }
}
