//! What a tombstone owes to the other account of a deleted person: apply disables or deletes it
//! (`TombstoneFirst`), and repeats that until the result is known.

use super::lease::{Ended, Leased, Released};
use super::run::Task;
use super::{Round, Run};
use crate::account::AccountRef;
use crate::error::{ErrorKind, PortError};
use crate::limits;
use crate::outcome::{Outcome, Reason};
use crate::plan::Observation;
use crate::ports::{Pool, Ports};
use crate::record::{DecisionKind, KnownAccount, PersonRecord, PersonState};
use crate::side::Side;
use crate::step::Action;
use crate::time::Time;
use crate::tombstone::{Owed, Tombstone};

impl<P: Ports> Run<'_, P> {
    /// An event for a person with a tombstone: apply does what is still owed, and nothing else.
    pub(super) async fn reconcile_deleted(
        &mut self,
        record: PersonRecord,
    ) -> Result<Round, PortError> {
        self.read_pending(self.change.side).await?;
        if record.tombstone.as_ref().is_none_or(|tombstone| tombstone.owed.is_none()) {
            let outcome = self.outcome_on_return(&record).await?;
            self.clear_deleted(&record).await?;
            return Ok(Round::Done(outcome));
        }
        if let Some(wait) = self.worker.too_early(&record, self.now()) {
            return Ok(Round::Done(wait));
        }
        self.claimed(&record, Task::Owed).await
    }

    /// The person is claimed: does what is owed, unless writes are stopped.
    pub(super) async fn owed_under_lease(&mut self, record: Leased) -> Result<Ended, PortError> {
        let control = self.control().await?;
        let paused = control.stopped();
        let tripped = control.breaker.as_ref().map(|_| Reason::Breaker);
        if let Some(reason) = self.barred(&control).or(paused).or(tripped) {
            return Ok(self.release(record).await?.later(limits::RETRY_SLOWLY, reason));
        }
        if self.came_back(&record, &control).await? {
            return self.hold_returned(record).await;
        }
        self.perform_owed(record).await
    }

    /// Does what is owed to the other account, under the lease. Each action is idempotent and
    /// repeated until its result is known. The account is read again under this claim, so that no
    /// other account with the same username is removed (`SameSub`).
    pub(super) async fn perform_owed(&mut self, mut record: Leased) -> Result<Ended, PortError> {
        let Some(Tombstone { side, owed: Some(owed), .. }) = record.tombstone.clone() else {
            let released = self.record(PersonState::Deleted, record).await?;
            return self.end_deleted(released, Outcome::Unchanged).await;
        };
        let to = side.other();
        let Some(account) = record.accounts.get(to).clone() else {
            return Ok(record.keep_for_next_round());
        };
        let began = self.now();
        let Some(observation) = self.observe(to, &account).await? else {
            return self.both_gone(record, to, &account, began).await;
        };
        if let Some(known) = record.accounts.get_mut(to) {
            known.gone = None;
            known.seen = observation.began;
        }
        for action in actions(owed, &observation) {
            let Some(deadline) = self.send_until(&record) else {
                let released = self.record(PersonState::Deleted, record).await?;
                return Ok(released.later(self.bound(), Reason::OutOfTime));
            };
            if let Err(error) =
                self.remove(to, &observation.account.account_ref(), &action, deadline).await
            {
                return self.still_owed(record, &error).await;
            }
            let now = self.now();
            if let Some(known) = record.accounts.get_mut(to) {
                known.written = Some(now);
            }
        }
        let kind = match owed {
            Owed::Disable => DecisionKind::Disabled,
            Owed::Delete => DecisionKind::Removed,
        };
        let decision = self.decision(kind, Some(to), None);
        self.decide(&mut record, decision);
        self.owed_done(record, Outcome::Applied).await
    }

    async fn remove(
        &mut self,
        side: Side,
        account: &AccountRef,
        action: &Action,
        deadline: Time,
    ) -> Result<(), PortError> {
        self.report.pool_writes += 1;
        match self.bridge.ports.pool(side).write(account, action, deadline).await {
            // Another party deleted it in the meantime.
            Err(error) if error.kind == ErrorKind::AccountGone && *action == Action::Delete => {
                Ok(())
            }
            Err(error) => Err(error),
            Ok(()) => {
                let fields = action.fields();
                self.report.carried.extend(fields.iter().map(|field| (side, field.to_string())));
                Ok(())
            }
        }
    }

    /// The action failed, or its result is not known: it stays owed. If it may still land, wait for
    /// that (`IntentSettlesFirst`).
    async fn still_owed(
        &mut self,
        mut record: Leased,
        error: &PortError,
    ) -> Result<Ended, PortError> {
        let until = record.lease.as_ref().map(|lease| lease.until + self.bound());
        if let Some(until) = until.filter(|_| error.may_have_happened()) {
            record.not_before = record.not_before.max(until);
        }
        let wait = record.not_before.since(self.now());
        let hopeless = self.is_refused_again(&mut record, error);
        if hopeless {
            self.decide_failure(&mut record, self.change.side.other(), error);
        }
        let released = self.record(PersonState::Deleted, record).await?;
        if hopeless {
            // It stays owed, and the sweep sends the person again.
            return self.end_deleted(released, Outcome::Held(Reason::PortError(error.kind))).await;
        }
        Ok(match Outcome::from_error(error) {
            Outcome::Retry(after, reason) => released.later(after.max(wait), reason),
            Outcome::Applied | Outcome::Unchanged | Outcome::Held(_) | Outcome::Rejected(_) => {
                released.again()
            }
        })
    }

    /// The other account was not found either. What is owed to it is dropped only on the evidence
    /// that removes an account; otherwise a pool's wrong answers would leave it enabled.
    async fn both_gone(
        &mut self,
        mut record: Leased,
        to: Side,
        account: &KnownAccount,
        began: Time,
    ) -> Result<Ended, PortError> {
        let proved = self.proved_gone(to, account, began);
        let reads = proved && self.pool_still_reads(to, account).await?;
        if let Some(known) = record.accounts.get_mut(to) {
            known.gone.get_or_insert(began);
        }
        if !proved {
            let released = self.record(PersonState::Deleted, record).await?;
            return Ok(released.later(self.bound(), Reason::Settling));
        }
        if !reads {
            let released = self.record(PersonState::Deleted, record).await?;
            return self.end_deleted(released, Outcome::Held(Reason::AccountGone)).await;
        }
        self.owed_done(record, Outcome::Unchanged).await
    }

    /// Nothing is owed any more.
    async fn owed_done(
        &mut self,
        mut record: Leased,
        outcome: Outcome,
    ) -> Result<Ended, PortError> {
        if let Some(tombstone) = &mut record.tombstone {
            tombstone.owed = None;
        }
        record.failure = None;
        let released = self.record(PersonState::Deleted, record).await?;
        self.end_deleted(released, outcome).await
    }

    /// Ends the work under the lease of a deleted person.
    pub(super) async fn end_deleted(
        &mut self,
        record: Released,
        outcome: Outcome,
    ) -> Result<Ended, PortError> {
        self.clear_deleted(&record).await?;
        Ok(record.done(outcome))
    }

    /// A later observation would change nothing: clears the pending changes, if no event was stored
    /// since they were read.
    async fn clear_deleted(&mut self, record: &PersonRecord) -> Result<(), PortError> {
        let changed = self.change.side;
        self.report.person = Some(record.id.clone());
        self.clear(changed, &self.change.sub.clone()).await?;
        let other = changed.other();
        if let Some(known) = record.accounts.get(other)
            && self.pending_changes.get(other).is_some()
        {
            self.clear(other, &known.sub.clone()).await?;
        }
        Ok(())
    }
}

/// The actions on the other account. It is disabled before it is deleted: that closes it at once,
/// and Cognito's guide states it as a rule ("Managing users"), although the page of the operation
/// does not require it.
fn actions(owed: Owed, observation: &Observation) -> Vec<Action> {
    let disable = observation.account.enabled.then_some(Action::Disable);
    let delete = (owed == Owed::Delete).then_some(Action::Delete);
    disable.into_iter().chain(delete).collect()
}
