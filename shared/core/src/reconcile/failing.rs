//! The same certain failure, run after run: counted in the person record, and held in the end.
//!
//! Some calls about one account never succeed: a pool rejects the account's values without a
//! reason, answers "no such account" to a write, or sends an answer that cannot be decoded. With
//! endless retries, such a person would keep `drain` from ending. So the person is held with the
//! failure as the reason, and the pending change is cleared. The next change event, the next sweep
//! and `retry` try again. The count stays, so one more failure holds the person at once.

use super::Run;
use super::lease::{Claimed, Ended, Leased};
use crate::error::PortError;
use crate::limits;
use crate::outcome::{Outcome, Reason};
use crate::ports::{Ledger, Ports};
use crate::record::{Decision, DecisionKind, PersonRecord, PersonState, RepeatedFailure};
use crate::side::Side;

impl<P: Ports> Run<'_, P> {
    /// Counts a failure of a call about this person. Returns whether the person is now held.
    /// Failures less than D apart count once.
    pub(super) fn fails_again(&self, record: &mut PersonRecord, error: &PortError) -> bool {
        let next = self.counted(record, error);
        let hopeless = next.is_hopeless();
        record.failure = Some(next);
        hopeless
    }

    /// The same for a certain rejection. Others pass by themselves and do not count.
    pub(super) fn is_refused_again(&self, record: &mut PersonRecord, error: &PortError) -> bool {
        error.is_refusal_of_account() && self.fails_again(record, error)
    }

    /// Whether a rejection would hold the person now. Changes nothing.
    pub(super) fn is_hopeless(&self, record: &PersonRecord, error: &PortError) -> bool {
        error.is_refusal_of_account() && self.counted(record, error).is_hopeless()
    }

    fn counted(&self, record: &PersonRecord, error: &PortError) -> RepeatedFailure {
        let now = self.now();
        let same = record.failure.as_ref().filter(|before| {
            // A call that succeeded since may have left no trace: long past is not "in a row".
            let recent = now.since(before.last) <= limits::SAME_FAILURE_GAP || before.is_hopeless();
            recent && before.operation == error.operation && before.kind == error.kind
        });
        match same {
            Some(before) if now < before.last + self.bound() => before.clone(),
            Some(before) => RepeatedFailure {
                count: before.count.saturating_add(1).min(limits::SAME_FAILURES_MAX),
                last: now,
                ..before.clone()
            },
            None => RepeatedFailure {
                operation: error.operation.to_owned(),
                kind: error.kind,
                count: 1,
                first: now,
                last: now,
            },
        }
    }

    /// Records once, for `explain`, that this failure of this operation holds the person.
    pub(super) fn decide_failure(
        &mut self,
        record: &mut PersonRecord,
        side: Side,
        error: &PortError,
    ) {
        let reason = Some(Reason::PortError(error.kind));
        if record.state != PersonState::Held || record.reason != reason {
            let fields = vec![error.operation.to_owned()];
            let held = self.decision(DecisionKind::Held, Some(side), reason);
            self.decide(record, Decision { fields, ..held });
        }
    }

    /// The outcome after a port error that ended a round. A certain rejection is counted.
    pub(super) async fn after_error(&mut self, error: &PortError) -> Outcome {
        if error.is_refusal_of_account()
            && let Ok(Some(held)) = self.hold_if_hopeless(error).await
        {
            return held;
        }
        Outcome::from_error(error)
    }

    /// Counts a rejection that ended a round. `None`: not held, or another worker holds the person.
    async fn hold_if_hopeless(&mut self, error: &PortError) -> Result<Option<Outcome>, PortError> {
        let (side, sub) = (self.change.side, self.change.sub.clone());
        // The failed call may not have seen a change that is younger than D
        // (`SettleBeforeClearing`).
        let young = self.newest_event(side).is_some_and(|(at, _)| self.now() < at + self.bound());
        let Some(record) = self.ledger().find(side, &sub).await? else {
            // There is no record of this person, so only the pending change can count.
            let pending = self.pending_changes.get(side).as_ref();
            let last = pending.and_then(|pending| pending.reason.as_deref());
            let same = last == Some(Reason::PortError(error.kind).name());
            let often =
                pending.is_some_and(|it| it.attempts >= u32::from(limits::SAME_FAILURES_MAX));
            if young || !same || !often {
                return Ok(None);
            }
            self.clear(side, &sub).await?;
            return Ok(Some(Outcome::Held(Reason::PortError(error.kind))));
        };
        let Claimed::Leased(record) = self.worker.claim(&record).await? else { return Ok(None) };
        Ok(self.count_under_lease(record, error, young).await?.result())
    }

    /// The same for a person who is claimed. `young`: the failed call may not have seen the newest
    /// change, so the person is not held.
    async fn count_under_lease(
        &mut self,
        mut record: Leased,
        error: &PortError,
        young: bool,
    ) -> Result<Ended<Option<Outcome>>, PortError> {
        let (side, sub) = (self.change.side, self.change.sub.clone());
        if !self.fails_again(&mut record, error) || young {
            return Ok(self.release(record).await?.with(None));
        }
        self.note_passwords_unread(&mut record, side);
        self.decide_failure(&mut record, side, error);
        let before = record.state;
        if record.tombstone.is_none() {
            (record.state, record.reason) =
                (PersonState::Held, Some(Reason::PortError(error.kind)));
        }
        let released = self.record(before, record).await?;
        self.clear(side, &sub).await?;
        Ok(released.with(Some(Outcome::Held(Reason::PortError(error.kind)))))
    }
}
