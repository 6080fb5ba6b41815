//! A pool that is restored to a point in time, or deleted: a change of many people that no captured
//! change event reports (invariant 7).
//!
//! - A point-in-time recovery blocks all writes to its pool for up to 24 hours. Then it deletes,
//!   creates and reverts accounts in bulk. What the pool shows afterwards is no person's edit. So
//!   an operator decides: heal the restored pool from the other one, or propagate what the restore
//!   brought back. Until then apply writes nothing in either pool; see
//!   [`crate::control::Control::stopped`] for the exception.
//! - In a deleted pool every account is missing. Nothing follows from that.

use strum::{IntoStaticStr, VariantArray};

use crate::time::Time;
use crate::variants::named;

/// How far the restore of a pool has come, as far as the trail reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum RestoreStage {
    /// `InitiatePointInTimeRecovery`: AWS prepares a preview, and the pool takes no writes for 24
    /// hours at most. Nothing is changed yet.
    Prepared,
    /// `CancelPointInTimeRecovery`: the pool takes writes again, and nothing was changed. The note
    /// stays, so that an event that arrives late does not count as a new recovery.
    Cancelled,
    /// `StartPointInTimeRecovery`: the pool deletes, creates and reverts accounts in bulk.
    Started,
    /// `DeleteUserPool`: the pool no longer exists.
    #[strum(serialize = "pool-deleted")]
    Deleted,
}

named!(
    RestoreStage,
    ALL: "Every stage.",
    name: "Its name in the table and on the command line."
);

impl RestoreStage {
    /// Whether it opens the circuit breaker: many people were changed at once, or may have been.
    pub const fn opens_breaker(self) -> bool {
        matches!(self, Self::Started | Self::Deleted)
    }
}

/// What an operator decides after a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum AfterRestore {
    /// The other pool is right: it overwrites what the restore changed in this pool.
    Heal,
    /// The restored pool is right: what the restore changed travels like any other change.
    Propagate,
}

named!(
    AfterRestore,
    ALL: "Both decisions.",
    name: "Its name in the table and on the command line."
);

/// A decision, and its time. The operator decides after the restore has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimedDecision {
    /// The decision.
    pub what: AfterRestore,
    /// When it was made.
    pub at: Time,
}

/// The note that one pool was restored or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Restore {
    /// How far it has come.
    pub stage: RestoreStage,
    /// When it began. What the pool shows from then on may come from the restore.
    pub since: Time,
    /// The operator's decision, if there is one.
    pub decided: Option<TimedDecision>,
}

impl Restore {
    /// The note after an event reported `stage` at `at`, if the event changes the note.
    /// `CloudTrail` delivers events late, twice and in any order. So an event that is older than
    /// the end of the restore changes nothing.
    pub fn after_event(before: Option<&Self>, stage: RestoreStage, at: Time) -> Option<Self> {
        let new = Self { stage, since: at, decided: None };
        let Some(before) = before else { return Some(new) };
        let over = match (before.decided, before.stage) {
            (Some(decided), _) => Some(decided.at),
            (None, RestoreStage::Cancelled) => Some(before.since),
            (None, RestoreStage::Prepared | RestoreStage::Started | RestoreStage::Deleted) => None,
        };
        match (over, before.stage, stage) {
            (_, RestoreStage::Deleted, _) => None,
            (_, _, RestoreStage::Deleted) => Some(new),
            (Some(over), _, _) => (at > over).then_some(new),
            // The pool is not trusted from the time of the preparation on.
            (None, RestoreStage::Prepared, RestoreStage::Started) => {
                Some(Self { since: before.since.min(at), ..new })
            }
            (None, RestoreStage::Prepared, RestoreStage::Cancelled) => {
                (at >= before.since).then_some(new)
            }
            (None, _, _) => None,
        }
    }

    /// Whether the operator has to decide before apply writes anything.
    pub const fn is_undecided(&self) -> bool {
        self.decided.is_none() && !matches!(self.stage, RestoreStage::Cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(stage: RestoreStage, since: i64) -> Restore {
        Restore { stage, since: Time(since), decided: None }
    }

    #[test]
    fn events_in_any_order_give_the_same_note() {
        let events = [(RestoreStage::Prepared, 10), (RestoreStage::Started, 20)];
        let after = |events: &[(RestoreStage, i64)]| {
            events.iter().fold(None, |note, (stage, at)| {
                Restore::after_event(note.as_ref(), *stage, Time(*at)).or(note)
            })
        };
        let wanted = Some(note(RestoreStage::Started, 10));
        assert_eq!(after(&events), wanted);
        assert_eq!(after(&[events[0], events[1], events[1], events[0]]), wanted);
        assert_eq!(after(&[events[1], events[0]]).map(|it| it.stage), Some(RestoreStage::Started));
        let cancelled = [(RestoreStage::Prepared, 10), (RestoreStage::Cancelled, 15)];
        assert_eq!(after(&cancelled), Some(note(RestoreStage::Cancelled, 15)));
        assert_eq!(after(&[cancelled[1], cancelled[0]]), Some(note(RestoreStage::Cancelled, 15)));
        // A second recovery counts, although the first was cancelled.
        let second = [cancelled[0], cancelled[1], (RestoreStage::Prepared, 30)];
        assert_eq!(after(&second), Some(note(RestoreStage::Prepared, 30)));
        assert_eq!(
            after(&[events[1], (RestoreStage::Deleted, 30), events[1]]).map(|it| it.stage),
            Some(RestoreStage::Deleted)
        );
    }

    #[test]
    fn a_late_event_does_not_undo_a_decision() {
        let decided = Some(TimedDecision { what: AfterRestore::Heal, at: Time(50) });
        let before = Restore { decided, ..note(RestoreStage::Started, 10) };
        for (stage, at) in
            [(RestoreStage::Started, 20), (RestoreStage::Prepared, 10), (RestoreStage::Started, 50)]
        {
            assert_eq!(Restore::after_event(Some(&before), stage, Time(at)), None);
        }
        assert_eq!(
            Restore::after_event(Some(&before), RestoreStage::Started, Time(60)),
            Some(note(RestoreStage::Started, 60))
        );
    }

    #[test]
    fn a_stage_opens_the_breaker_only_if_people_were_changed_in_bulk() {
        let opening = RestoreStage::ALL.into_iter().filter(|stage| stage.opens_breaker());
        assert_eq!(opening.collect::<Vec<_>>(), [RestoreStage::Started, RestoreStage::Deleted]);
    }
}
