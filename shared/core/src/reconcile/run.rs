//! The work on one change event: its rounds, and what happens between a claim and the plan.

use std::collections::BTreeMap;
use std::time::Duration;

use super::lease::{Claimed, Ended, Leased, Worker};
use super::{Bridge, Report};
use crate::change::{ChangeEvent, PendingChange};
use crate::control::Control;
use crate::error::PortError;
use crate::limits;
use crate::outcome::{Outcome, Reason};
use crate::plan::Observation;
use crate::ports::{Clock, Ledger, Ports};
use crate::profile::Field;
use crate::record::{BlockedField, Decision, DecisionKind, PersonRecord};
use crate::rules::Rule;
use crate::side::{BySide, Side};
use crate::time::Time;

/// The work on one change event.
pub(super) struct Run<'a, P> {
    pub(super) bridge: Bridge<'a, P>,
    pub(super) change: &'a ChangeEvent,
    /// Which worker this is, and what it needs to claim a person.
    pub(super) worker: Worker<'a, P>,
    /// The pending changes, each read before the first observation of its account
    /// (`PendingReadFirst`).
    pub(super) pending_changes: BySide<Option<PendingChange>>,
    pub(super) report: Report,
    /// An observation that the next round may use, because nothing was written since.
    pub(super) carried_observation: Option<Observation>,
    /// From when on an observation can judge a password event that is still open.
    pub(super) password_waits: Option<Time>,
    /// Whether the observed account confirms the password event of the message.
    pub(super) supported: bool,
    /// For tests: the control item, read before the claim.
    #[cfg(feature = "planted")]
    pub(super) read_early: Option<Control>,
}

/// How a round ended.
pub(super) enum Round {
    Done(Outcome),
    Again,
}

/// The work under a lease that was just taken.
pub(super) enum Task {
    /// The changed account was observed: compares it with the other one.
    Compare(Box<Observation>),
    /// An observation that began at this time did not find the changed account.
    Missing(Time),
    /// The person was deleted, and the tombstone owes something to the other account.
    Owed,
}

impl<P: Ports> Run<'_, P> {
    pub(super) fn ledger(&self) -> &P::Ledger {
        self.bridge.ports.ledger()
    }

    pub(super) fn now(&self) -> Time {
        self.bridge.ports.clock().now()
    }

    pub(super) fn keeps(&self, rule: Rule) -> bool {
        self.bridge.policy.rules.keeps(rule)
    }

    /// The upper bound on how stale a read may be.
    pub(super) fn bound(&self) -> Duration {
        self.bridge.policy.bound()
    }

    /// One attempt from the start.
    pub(super) async fn round(&mut self) -> Result<Round, PortError> {
        let now = self.now();
        if now >= self.worker.work.deadline {
            return later(limits::RETRY_SOON, Reason::OutOfTime);
        }
        #[cfg(feature = "planted")]
        self.read_control_early().await?;
        let ChangeEvent { side, sub, .. } = self.change;
        let Some(record) = self.ledger().find(*side, sub).await? else {
            return self.meet().await;
        };
        self.report.person = Some(record.id.clone());
        if record.tombstone.is_some() {
            return self.reconcile_deleted(record).await;
        }
        if let Some(wait) = self.worker.too_early(&record, self.now()) {
            return Ok(Round::Done(wait));
        }
        let observation = if let Some(observation) =
            self.carried_observation.take().filter(|_| record.revision == 1)
        {
            observation
        } else {
            // `PendingReadFirst`: read the pending change before the first observation.
            self.read_pending(*side).await?;
            if let Some(wait) = self.hint_waits() {
                return later(wait, Reason::Settling);
            }
            let Some(known) = record.accounts.get(*side).clone() else {
                return Ok(Round::Again);
            };
            let began = self.now();
            match self.observe(*side, &known).await? {
                Some(observation) => observation,
                None => return self.claimed(&record, Task::Missing(began)).await,
            }
        };
        self.note_support(&observation);
        if self.is_echo(&record, &observation) {
            // `SettleBeforeClearing`: another worker may have written since the record was
            // read. So the observation counts as one from the time when the record was read.
            return self
                .end_echo(&Observation { began: observation.began.min(now), ..observation })
                .await;
        }
        self.claimed(&record, Task::Compare(Box::new(observation))).await
    }

    /// Claims the person, and works under the lease.
    pub(super) async fn claimed(
        &mut self,
        record: &PersonRecord,
        task: Task,
    ) -> Result<Round, PortError> {
        let record = match self.claim(record).await? {
            Claimed::Leased(record) => record,
            Claimed::Refused(round) => return Ok(round),
        };
        let result = match task {
            Task::Compare(observation) => self.with_fresh_observation(record, *observation).await,
            Task::Missing(began) => self.missing_under_lease(record, began).await,
            Task::Owed => self.owed_under_lease(record).await,
        };
        self.leave(result).await
    }

    /// Works on the person after an observation that is fresh enough.
    pub(super) async fn under_lease(
        &mut self,
        record: Leased,
        observation: Observation,
    ) -> Result<Ended, PortError> {
        let control = self.control().await?;
        let only_disables = self.only_disables(&control);
        let one_sided = record.only_side();
        let nothing = if only_disables.is_none() { self.barred(&control) } else { None };
        // If only one account is known, there is nothing to disable.
        if let Some(reason) = nothing.or(only_disables.filter(|_| one_sided.is_some())) {
            return Ok(self.release(record).await?.later(limits::RETRY_SLOWLY, reason));
        }
        if let Some(side) = one_sided {
            return self.alone(record, side, observation, &control).await;
        }
        self.carry(record, self.change.side, observation, &control).await
    }

    /// The control item, read after each claim (`IntentChecksPhase`). A switch announces
    /// itself and then waits for every lease, so also for this one. A worker that claims later sees
    /// the announcement and begins nothing (`AnnounceThenFlip`).
    pub(super) async fn control(&self) -> Result<Control, PortError> {
        let control = self.ledger().control().await?;
        #[cfg(feature = "planted")]
        let control = self.control_from_before(control);
        let closing = control.closing && self.keeps(Rule::AnnounceThenFlip);
        Ok(Control { closing, ..control })
    }

    /// Why apply may write nothing except disables now, if that is so (invariant 10).
    pub(super) fn only_disables(&self, control: &Control) -> Option<Reason> {
        control.only_disables(&self.bridge.configuration.hash)
    }

    /// Why apply may write nothing now, if that is so; but see [`Self::only_disables`].
    pub(super) fn barred(&self, control: &Control) -> Option<Reason> {
        control.barred(&self.bridge.configuration.hash)
    }

    pub(super) fn decide(&mut self, record: &mut PersonRecord, decision: Decision) {
        self.report.decisions.push(decision.clone());
        record.decide(decision);
    }

    pub(super) fn decision(
        &self,
        kind: DecisionKind,
        side: Option<Side>,
        reason: Option<Reason>,
    ) -> Decision {
        Decision { at: self.now(), kind, fields: Vec::new(), side, reason }
    }

    /// Makes these the blocked fields, and records a decision about the new ones.
    pub(super) fn block_fields(
        &mut self,
        record: &mut PersonRecord,
        blocked_fields: BTreeMap<Field, BlockedField>,
    ) {
        let mut news: BTreeMap<(Reason, Side), Vec<String>> = BTreeMap::new();
        for (field, blocked_field) in &blocked_fields {
            if record.blocked_fields.get(field).map(|it| it.reason) != Some(blocked_field.reason) {
                let names = news.entry((blocked_field.reason, blocked_field.side)).or_default();
                names.push(field.to_string());
            }
        }
        for ((reason, side), fields) in news {
            let held = self.decision(DecisionKind::Held, Some(side), Some(reason));
            self.decide(record, Decision { fields, ..held });
        }
        record.blocked_fields = blocked_fields;
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it ends rounds, which may fail")]
pub(super) const fn later(after: Duration, reason: Reason) -> Result<Round, PortError> {
    Ok(Round::Done(Outcome::Retry(after, reason)))
}
