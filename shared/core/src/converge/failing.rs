//! The same certain failure, run after run: counted in the person record, and held in the end.
//!
//! Some calls about one account never succeed: a pool rejects the account's values without a
//! reason, answers "no such account" to a write, or sends an answer that cannot be decoded. With
//! endless retries, such a person would keep `drain` from ending. So the person is held with the
//! failure as the reason, and the pending change is cleared. The next change event, the next sweep
//! and `retry` try again. The count stays, so one more failure holds the person at once.

use super::Run;
use crate::entry::{Decision, DecisionKind, Entry, RepeatedFailure, State};
use crate::fault::Fault;
use crate::limits;
use crate::ports::{Ledger, Ports};
use crate::side::Side;
use crate::verdict::{Reason, Verdict};

impl<P: Ports> Run<'_, P> {
    /// Counts a failure of a call about this person. Returns whether the person is now held.
    /// Failures less than D apart count once.
    pub(super) fn fails_again(&self, entry: &mut Entry, fault: &Fault) -> bool {
        let next = self.counted(entry, fault);
        let hopeless = next.is_hopeless();
        entry.failure = Some(next);
        hopeless
    }

    /// The same for a certain rejection. Others pass by themselves and do not count.
    pub(super) fn is_refused_again(&self, entry: &mut Entry, fault: &Fault) -> bool {
        fault.is_refusal_of_account() && self.fails_again(entry, fault)
    }

    /// Whether a rejection would hold the person now. Changes nothing.
    pub(super) fn is_hopeless(&self, entry: &Entry, fault: &Fault) -> bool {
        fault.is_refusal_of_account() && self.counted(entry, fault).is_hopeless()
    }

    fn counted(&self, entry: &Entry, fault: &Fault) -> RepeatedFailure {
        let now = self.now();
        let same = entry.failure.as_ref().filter(|before| {
            // A call that succeeded since may have left no trace: long past is not "in a row".
            let recent = now.since(before.last) <= limits::SAME_FAILURE_GAP || before.is_hopeless();
            recent && before.operation == fault.operation && before.kind == fault.kind
        });
        match same {
            Some(before) if now < before.last + self.bound() => before.clone(),
            Some(before) => RepeatedFailure {
                count: before.count.saturating_add(1).min(limits::SAME_FAILURES_MAX),
                last: now,
                ..before.clone()
            },
            None => RepeatedFailure {
                operation: fault.operation.to_owned(),
                kind: fault.kind,
                count: 1,
                first: now,
                last: now,
            },
        }
    }

    /// Records once, for `explain`, that this failure of this operation holds the person.
    pub(super) fn decide_failure(&mut self, entry: &mut Entry, side: Side, fault: &Fault) {
        let reason = Some(Reason::Outside(fault.kind));
        if entry.state != State::Held || entry.reason != reason {
            let fields = vec![fault.operation.to_owned()];
            let held = self.decision(DecisionKind::Held, Some(side), reason);
            self.decide(entry, Decision { fields, ..held });
        }
    }

    /// The outcome after a port error that ended a round. A certain rejection is counted.
    pub(super) async fn after_fault(&mut self, fault: &Fault) -> Verdict {
        if fault.is_refusal_of_account()
            && let Ok(Some(held)) = self.hold_if_hopeless(fault).await
        {
            return held;
        }
        Verdict::from_fault(fault)
    }

    /// Counts a rejection that ended a round. `None`: not held, or another worker holds the person.
    async fn hold_if_hopeless(&mut self, fault: &Fault) -> Result<Option<Verdict>, Fault> {
        let (side, sub) = (self.change.side, self.change.sub.clone());
        let held = Verdict::Held(Reason::Outside(fault.kind));
        // The failed call may not have seen a change that is younger than D (R8,
        // `SettleBeforeClearing`).
        let young = self.newest_event(side).is_some_and(|(at, _)| self.now() < at + self.bound());
        let Some(entry) = self.ledger().find(side, &sub).await? else {
            // There is no record of this person, so only the pending change can count.
            let mark = self.marks.get(side).as_ref();
            let last = mark.and_then(|mark| mark.reason.as_deref());
            let same = last == Some(Reason::Outside(fault.kind).name());
            let often = mark.is_some_and(|it| it.attempts >= u32::from(limits::SAME_FAILURES_MAX));
            if young || !same || !often {
                return Ok(None);
            }
            self.clear(side, &sub).await?;
            return Ok(Some(held));
        };
        let Ok(mut entry) = self.claim(&entry).await? else { return Ok(None) };
        if !self.fails_again(&mut entry, fault) || young {
            self.release(&entry).await?;
            return Ok(None);
        }
        self.note_passwords_unread(&mut entry, side);
        self.decide_failure(&mut entry, side, fault);
        let before = entry.state;
        if entry.tombstone.is_none() {
            (entry.state, entry.reason) = (State::Held, Some(Reason::Outside(fault.kind)));
        }
        self.record(before, entry).await?;
        self.clear(side, &sub).await?;
        Ok(Some(held))
    }
}
