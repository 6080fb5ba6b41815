//! A person's account is gone: the evidence (`AbsenceTwice`), the tombstone, and what the tombstone
//! owes to the other account (`TombstoneFirst`). After that, the person is never synchronised.

use super::link::join_halves;
use super::{Round, Run, known, later};
use crate::account::AccountRef;
use crate::breaker::Breaker;
use crate::change::Evidence;
use crate::control::Control;
use crate::error::{ErrorKind, PortError};
use crate::limits;
use crate::outcome::{Outcome, Reason};
use crate::plan::Observation;
use crate::ports::{Ledger, Pool, Ports};
use crate::record::{DecisionKind, KnownAccount, Passwords, PersonRecord, PersonState};
use crate::rules::Rule;
use crate::side::Side;
use crate::step::Action;
use crate::time::Time;
use crate::tombstone::{Owed, Tombstone};

impl<P: Ports> Run<'_, P> {
    /// The changed account was not found: claims the person, then see [`Self::absent`].
    pub(super) async fn gone(
        &mut self,
        record: PersonRecord,
        began: Time,
    ) -> Result<Round, PortError> {
        let record = match self.claim(&record).await? {
            Ok(record) => record,
            Err(round) => return Ok(round),
        };
        self.touched = false;
        let result = self.gone_under_lease(record.clone(), began).await;
        self.leave(&record, result).await
    }

    /// The same for a person who is claimed.
    pub(super) async fn gone_under_lease(
        &mut self,
        record: PersonRecord,
        began: Time,
    ) -> Result<Round, PortError> {
        let control = self.control().await?;
        if let Some(reason) = self.barred(&control) {
            self.release(&record).await?;
            return later(limits::RETRY_SLOWLY, reason);
        }
        self.absent(record, self.change.side, began, &control).await
    }

    /// An observation of `side` that began at `began` did not find the account. That alone proves
    /// nothing. A deletion needs [`Self::proved_gone`] and a canary account as well.
    pub(super) async fn absent(
        &mut self,
        mut record: PersonRecord,
        side: Side,
        began: Time,
        control: &Control,
    ) -> Result<Round, PortError> {
        if let Some(reason) = self.only_disables(control) {
            self.release(&record).await?;
            return later(limits::RETRY_SLOWLY, reason);
        }
        let Some(known) = record.accounts.get_mut(side) else { return Ok(Round::Again) };
        let seen = known.clone();
        known.gone.get_or_insert(began);
        if !self.proved_gone(side, &seen, began) {
            let before = record.state;
            if record.state != PersonState::Held {
                (record.state, record.reason) = (PersonState::Waiting, Some(Reason::Settling));
            }
            self.record(before, record).await?;
            return later(self.bound(), Reason::Settling);
        }
        let mut record = match self.adopt_created(record).await? {
            Ok(record) => record,
            Err(round) => return Ok(round),
        };
        if let Some(known) = record.accounts.get_mut(side) {
            known.gone.get_or_insert(began);
        }
        if !self.pool_still_reads(side, &seen).await? {
            return self.hold(record, side, Reason::AccountGone).await;
        }
        if self.taken_by_restore(side, &seen, control) {
            return self.hold(record, side, Reason::GoneByRestore).await;
        }
        if control.breaker.is_some() {
            return self.hold(record, side, Reason::Breaker).await;
        }
        self.store_tombstone(record, side).await
    }

    /// Whether an account that was not found is gone (`AbsenceTwice`). One way: an event
    /// reported its deletion, and an observation late enough to show that did not find it. The
    /// other way: two observations, far enough apart, did not find it. The event counts only
    /// against an account that existed before. Then the observation alone is proof already, as far
    /// as D can be relied on, so a false message deletes no person.
    fn proved_gone(&self, side: Side, account: &KnownAccount, began: Time) -> bool {
        if !self.keeps(Rule::AbsenceTwice) {
            return true;
        }
        let bound = self.bound();
        let twice = account.gone.is_some_and(|first| began >= first + bound);
        let reported = self.reported_deletion(side);
        twice || reported.is_some_and(|at| began >= at.max(account.seen) + bound)
    }

    /// When the account in `side` was deleted, by the pending change or the message.
    pub(super) fn reported_deletion(&self, side: Side) -> Option<Time> {
        let pending = self
            .pending_changes
            .get(side)
            .as_ref()
            .filter(|pending| pending.evidence == Evidence::Deleted);
        let here = self.change.side == side && self.change.evidence == Evidence::Deleted;
        pending.map(|pending| pending.last).max(here.then_some(self.change.at))
    }

    /// Invariant 7: if another account of that pool can be read, "not found" concerns the one
    /// account and not the pool, the Region or the permissions.
    async fn pool_still_reads(&self, side: Side, missed: &KnownAccount) -> Result<bool, PortError> {
        if !self.keeps(Rule::CanaryReads) {
            return Ok(true);
        }
        match self.bridge.ports.pool(side).canary(&missed.sub).await {
            Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Missing) => Ok(false),
            answer => answer,
        }
    }

    /// Holds a person whose account in `side` is gone: apply does nothing, and an operator must
    /// decide. The sweep sends such people again.
    async fn hold(
        &mut self,
        mut record: PersonRecord,
        side: Side,
        reason: Reason,
    ) -> Result<Round, PortError> {
        let before = record.state;
        if record.reason != Some(reason) {
            let decision = self.decision(DecisionKind::Held, Some(side), Some(reason));
            self.decide(&mut record, decision);
        }
        (record.state, record.reason) = (PersonState::Held, Some(reason));
        self.record(before, record).await?;
        let (changed, now) = (self.change.side, self.now());
        if self.newest_event(changed).is_some_and(|(at, _)| now < at + self.bound()) {
            return later(self.bound(), Reason::Settling);
        }
        self.clear(changed, &self.change.sub.clone()).await?;
        Ok(Round::Done(Outcome::Held(reason)))
    }

    /// `TombstoneFirst`: an open creation may have made the other account, so it is looked up
    /// before anything follows from the absence of the first. The creation can no longer land,
    /// because no observation begins before that (`ResolveCreationFirst`). The inner `Err`
    /// says how the round ends instead.
    async fn adopt_created(
        &mut self,
        mut record: PersonRecord,
    ) -> Result<Result<PersonRecord, Round>, PortError> {
        let Some(creation) = record.creation.clone().filter(|_| self.keeps(Rule::TombstoneFirst))
        else {
            return Ok(Ok(record));
        };
        let to = creation.side;
        let Some(observation) = self.look_up_creation(&record, &creation).await? else {
            record.creation = None;
            return Ok(Ok(record));
        };
        let Some(half) = self.ledger().find(to, &observation.account.sub).await? else {
            *record.accounts.get_mut(to) = Some(known(&observation));
            self.linked(&mut record, Some(creation.baseline()), to);
            record.revision += 1;
            self.touched = true;
            return match self.ledger().join(&record, &self.owner, to).await {
                Err(error) if error.kind == ErrorKind::Exists => Ok(Err(Round::Again)),
                Err(error) => Err(error),
                Ok(()) => Ok(Ok(record)),
            };
        };
        // The account belongs to a person with another account, or with an open creation of their
        // own. So it is not only poolbridge's creation, and poolbridge must not remove it.
        let only = half.only_side() == Some(to) && half.creation.is_none();
        if !only || half.tombstone.is_some() || half.id == record.id {
            record.creation = None;
            return Ok(Ok(record));
        }
        let wait = later(limits::RETRY_SOON, Reason::Busy)?;
        let Some((mut record, half)) = self.claim_both(record, half).await? else {
            return Ok(Err(wait));
        };
        // `IntentChecksPhase`: read with each claim, and two were made just now.
        if let Some(reason) = self.barred(&self.control().await?) {
            self.release(&half).await?;
            self.release(&record).await?;
            return Ok(Err(later(limits::RETRY_SLOWLY, reason)?));
        }
        join_halves(&mut record, &half);
        self.linked(&mut record, Some(creation.baseline()), to);
        record.revision = record.revision.max(half.revision) + 1;
        self.touched = true;
        self.ledger().merge(&record, &half, &self.owner).await?;
        let _ = self.ledger().count(Some(half.state), None).await;
        Ok(Ok(record))
    }

    /// `TombstoneFirst`: the tombstone is stored before the other account is touched.
    async fn store_tombstone(
        &mut self,
        mut record: PersonRecord,
        side: Side,
    ) -> Result<Round, PortError> {
        let before = record.state;
        let another = record.accounts.get(side.other()).is_some();
        let owed = Owed::by(self.bridge.policy.deletes).filter(|_| another);
        let now = self.now();
        if owed.is_some() && !self.ledger().allow_removal(now).await? {
            self.ledger().trip(&Breaker::removals(now)).await?;
            return self.hold(record, side, Reason::Breaker).await;
        }
        forget(&mut record);
        record.tombstone = Some(Tombstone { side, at: now, owed });
        (record.state, record.reason) = (PersonState::Deleted, None);
        let deleted = self.decision(DecisionKind::Deleted, Some(side), None);
        self.decide(&mut record, deleted);
        if owed.is_none() {
            self.record(before, record.clone()).await?;
            return self.end_deleted(&record, Outcome::Unchanged).await;
        }
        record.revision += 1;
        record.not_before = now + self.bound();
        record.updated = now;
        self.touched = true;
        self.ledger().store(&record, &self.owner).await?;
        // Best effort: after a crash at this point, the counters are off by one.
        let _ = self.ledger().count(Some(before), Some(PersonState::Deleted)).await;
        self.perform_owed(record).await
    }

    /// An event for a person with a tombstone: apply does what is still owed, and nothing else.
    pub(super) async fn reconcile_deleted(
        &mut self,
        record: PersonRecord,
    ) -> Result<Round, PortError> {
        self.read_pending(self.change.side).await?;
        if record.tombstone.as_ref().is_none_or(|tombstone| tombstone.owed.is_none()) {
            let outcome = self.outcome_on_return(&record).await?;
            return self.end_deleted(&record, outcome).await;
        }
        if let Some(wait) = self.too_early(&record, self.now()) {
            return Ok(Round::Done(wait));
        }
        let record = match self.claim(&record).await? {
            Ok(record) => record,
            Err(round) => return Ok(round),
        };
        self.touched = false;
        let result = self.owed_under_lease(record.clone()).await;
        self.leave(&record, result).await
    }

    async fn owed_under_lease(&mut self, record: PersonRecord) -> Result<Round, PortError> {
        let control = self.control().await?;
        let paused = control.stopped();
        let tripped = control.breaker.as_ref().map(|_| Reason::Breaker);
        if let Some(reason) = self.barred(&control).or(paused).or(tripped) {
            self.release(&record).await?;
            return later(limits::RETRY_SLOWLY, reason);
        }
        if self.came_back(&record, &control).await? {
            return self.hold_returned(record).await;
        }
        self.perform_owed(record).await
    }

    /// Does what is owed to the other account, under the lease. Each action is idempotent and
    /// repeated until its result is known. The account is read again under this claim, so that no
    /// other account with the same username is removed (`SameSub`).
    async fn perform_owed(&mut self, mut record: PersonRecord) -> Result<Round, PortError> {
        let Some(Tombstone { side, owed: Some(owed), .. }) = record.tombstone.clone() else {
            self.record(PersonState::Deleted, record.clone()).await?;
            return self.end_deleted(&record, Outcome::Unchanged).await;
        };
        let to = side.other();
        let Some(account) = record.accounts.get(to).clone() else { return Ok(Round::Again) };
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
                self.record(PersonState::Deleted, record).await?;
                return later(self.bound(), Reason::OutOfTime);
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
        mut record: PersonRecord,
        error: &PortError,
    ) -> Result<Round, PortError> {
        let until = record.lease.as_ref().map(|lease| lease.until + self.bound());
        if let Some(until) = until.filter(|_| error.may_have_happened()) {
            record.not_before = record.not_before.max(until);
        }
        let free = record.not_before.since(self.now());
        let hopeless = self.is_refused_again(&mut record, error);
        if hopeless {
            self.decide_failure(&mut record, self.change.side.other(), error);
        }
        self.record(PersonState::Deleted, record.clone()).await?;
        if hopeless {
            // It stays owed, and the sweep sends the person again.
            return self.end_deleted(&record, Outcome::Held(Reason::PortError(error.kind))).await;
        }
        let Outcome::Retry(after, reason) = Outcome::from_error(error) else {
            return Ok(Round::Again);
        };
        later(after.max(free), reason)
    }

    /// The other account was not found either. What is owed to it is dropped only on the evidence
    /// that removes an account; otherwise a pool's wrong answers would leave it enabled.
    async fn both_gone(
        &mut self,
        mut record: PersonRecord,
        to: Side,
        account: &KnownAccount,
        began: Time,
    ) -> Result<Round, PortError> {
        let proved = self.proved_gone(to, account, began);
        let reads = proved && self.pool_still_reads(to, account).await?;
        if let Some(known) = record.accounts.get_mut(to) {
            known.gone.get_or_insert(began);
        }
        if !proved {
            self.record(PersonState::Deleted, record).await?;
            return later(self.bound(), Reason::Settling);
        }
        if !reads {
            self.record(PersonState::Deleted, record.clone()).await?;
            return self.end_deleted(&record, Outcome::Held(Reason::AccountGone)).await;
        }
        self.owed_done(record, Outcome::Unchanged).await
    }

    /// Nothing is owed any more.
    async fn owed_done(
        &mut self,
        mut record: PersonRecord,
        outcome: Outcome,
    ) -> Result<Round, PortError> {
        if let Some(tombstone) = &mut record.tombstone {
            tombstone.owed = None;
        }
        record.failure = None;
        self.record(PersonState::Deleted, record.clone()).await?;
        self.end_deleted(&record, outcome).await
    }

    /// A later observation would change nothing: clears the pending changes, if no event was stored
    /// since they were read.
    pub(super) async fn end_deleted(
        &mut self,
        record: &PersonRecord,
        outcome: Outcome,
    ) -> Result<Round, PortError> {
        let changed = self.change.side;
        self.report.person = Some(record.id.clone());
        self.clear(changed, &self.change.sub.clone()).await?;
        let other = changed.other();
        if let Some(known) = record.accounts.get(other)
            && self.pending_changes.get(other).is_some()
        {
            self.clear(other, &known.sub.clone()).await?;
        }
        Ok(Round::Done(outcome))
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

/// Nothing of the person is compared or written any more, so nothing is kept for comparison.
fn forget(record: &mut PersonRecord) {
    record.baseline = None;
    record.intent = None;
    record.failure = None;
    record.creation = None;
    record.owes_password = None;
    record.blocked_fields.clear();
    record.passwords = Passwords::default();
    record.failed_lookup = None;
    record.direction_changes.clear();
}
