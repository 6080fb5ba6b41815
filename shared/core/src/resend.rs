//! Which pending changes the schedule sends again: those whose message was lost, was acknowledged
//! because nothing could be done, or is in the dead-letter queue.

use std::time::Duration;

use crate::change::{ChangeEvent, PendingChange};
use crate::outcome::Reason;
use crate::time::Time;

/// A pending change with a newer change than this still has its live message on the way.
pub const LIVE_MESSAGE_TIME: Duration = Duration::from_mins(1);

/// How long the scheduled runs do not touch a pending change after it was sent again: longer than
/// the five minutes between two runs, so that no run repeats what the run before has sent.
pub const REST_AFTER: Duration = Duration::from_mins(9);

/// Those of `pending_changes` that are due at `now`, oldest first, at most `most`.
///
/// `stopped`: apply may write nothing except disables now
/// ([`crate::control::Control::only_disables`]). Then a pending change is due only if apply has not
/// processed it since its newest change, which may be a disable. If apply finds none, it stores the
/// reason, and the pending change waits until all writes are allowed.
pub fn due(
    mut pending_changes: Vec<PendingChange>,
    now: Time,
    stopped: bool,
    most: usize,
) -> Vec<PendingChange> {
    pending_changes.retain(|pending| due_at(pending, stopped).is_some_and(|at| at <= now));
    pending_changes.sort_by(|one, two| (one.first, &one.sub).cmp(&(two.first, &two.sub)));
    pending_changes.truncate(most);
    pending_changes
}

/// From when on a pending change is due; `None` while it waits until all writes are allowed.
pub fn due_at(pending: &PendingChange, stopped: bool) -> Option<Time> {
    let waits = stopped && may_not_write(pending);
    (!waits).then(|| pending.not_before.max(pending.last + LIVE_MESSAGE_TIME))
}

/// Whether apply has processed it since the newest change and found no write that is allowed now.
fn may_not_write(pending: &PendingChange) -> bool {
    let reason = pending.reason.as_deref().and_then(Reason::from_name);
    matches!(
        reason,
        Some(Reason::Paused | Reason::Restored | Reason::Closing | Reason::OtherConfiguration)
    )
}

/// The change event that a pending change stands for, as a message. apply reads the password times
/// from the pending change itself; the message repeats what the newest change did.
pub fn of_pending(pending: &PendingChange, id: u128) -> ChangeEvent {
    ChangeEvent {
        side: pending.side,
        sub: pending.sub.clone(),
        at: pending.last,
        evidence: pending.evidence,
        password: [pending.password_at, pending.administrator_at].contains(&Some(pending.last)),
        administrator: pending.administrator_at == Some(pending.last),
        claimed: true,
        id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Evidence;
    use crate::names::Sub;
    use crate::side::Side;

    const NOW: Time = Time(1_000_000);
    const MOST: usize = 500;

    fn pending(sub: &str, first: i64, last: i64, not_before: i64) -> PendingChange {
        PendingChange {
            side: Side::Old,
            sub: Sub::try_from(sub).unwrap(),
            token: 7,
            first: Time(first),
            last: Time(last),
            evidence: Evidence::Deleted,
            password_at: Some(Time(last)),
            administrator_at: None,
            claimed_at: None,
            not_before: Time(not_before),
            attempts: 0,
            reason: None,
        }
    }

    fn names(pending_changes: Vec<PendingChange>, stopped: bool) -> Vec<String> {
        due(pending_changes, NOW, stopped, MOST)
            .iter()
            .map(|pending| pending.sub.to_string())
            .collect()
    }

    #[test]
    fn only_due_pending_changes_are_sent_oldest_first() {
        let pending_changes = vec![
            pending("younger", 20, 20, 0),
            pending("put-off", 1, 1, NOW.0 + 1),
            pending("just-over", 10, 10, NOW.0),
            pending("live", 5, NOW.0 - 59_999, 0),
            pending("settled", 15, NOW.0 - 60_000, 0),
        ];
        assert_eq!(names(pending_changes, false), ["just-over", "settled", "younger"]);
    }

    #[test]
    fn while_only_disables_are_allowed_only_unprocessed_changes_are_sent() {
        let reasons = [
            None,
            Some("paused"),
            Some("other-configuration"),
            Some("closing"),
            Some("restored"),
            Some("throttled"),
            Some("settling"),
        ];
        let pending_changes: Vec<PendingChange> = reasons
            .iter()
            .zip(["lost", "paused", "other", "closing", "restored", "throttled", "settling"])
            .map(|(reason, sub)| PendingChange {
                attempts: 1,
                reason: reason.map(ToOwned::to_owned),
                ..pending(sub, 1, 1, 0)
            })
            .collect();
        assert_eq!(names(pending_changes.clone(), true), ["lost", "settling", "throttled"]);
        assert_eq!(names(pending_changes, false).len(), 7);
    }

    #[test]
    fn one_run_is_limited_and_sends_the_oldest() {
        let all = i64::try_from(MOST).unwrap() + 3;
        let pending_changes =
            (0..all).rev().map(|at| pending(&format!("s{at}"), at, at, 0)).collect();
        let due = due(pending_changes, NOW, false, MOST);
        assert_eq!(due.len(), MOST);
        assert_eq!((due[0].first, due[MOST - 1].first), (Time(0), Time(499)));
    }

    #[test]
    fn a_pending_change_is_sent_with_its_evidence() {
        let mut pending = pending("a", 1, 9, 0);
        let change = of_pending(&pending, 3);
        assert_eq!(
            (change.at, change.evidence, change.password),
            (Time(9), Evidence::Deleted, true)
        );
        assert_eq!(change.id, 3);
        pending.password_at = Some(Time(1));
        assert!(!of_pending(&pending, 4).password, "the newest change did not set that password");
    }
}
