//! A person's account is gone: the evidence (`AbsenceTwice`), and the tombstone (`TombstoneFirst`).
//! After that, the person is never synchronised.

use std::ops::ControlFlow;

use super::Run;
use super::lease::{Ended, Leased};
use super::merge_records::join_halves;
use super::observe::known;
use crate::breaker::Breaker;
use crate::change::Evidence;
use crate::control::Control;
use crate::error::{ErrorKind, PortError};
use crate::limits;
use crate::outcome::{Outcome, Reason};
use crate::ports::{Ledger, Pool, Ports};
use crate::record::{DecisionKind, KnownAccount, Passwords, PersonRecord, PersonState};
use crate::rules::Rule;
use crate::side::Side;
use crate::time::Time;
use crate::tombstone::{Owed, Tombstone};

impl<P: Ports> Run<'_, P> {
    /// The changed account was not found, and the person is claimed: see [`Self::absent`].
    pub(super) async fn missing_under_lease(
        &mut self,
        record: Leased,
        began: Time,
    ) -> Result<Ended, PortError> {
        let control = self.control().await?;
        if let Some(reason) = self.barred(&control) {
            return Ok(self.release(record).await?.later(limits::RETRY_SLOWLY, reason));
        }
        self.absent(record, self.change.side, began, &control).await
    }

    /// An observation of `side` that began at `began` did not find the account. That alone proves
    /// nothing. A deletion needs [`Self::proved_gone`] and a canary account as well.
    pub(super) async fn absent(
        &mut self,
        mut record: Leased,
        side: Side,
        began: Time,
        control: &Control,
    ) -> Result<Ended, PortError> {
        if let Some(reason) = self.only_disables(control) {
            return Ok(self.release(record).await?.later(limits::RETRY_SLOWLY, reason));
        }
        let Some(known) = record.accounts.get_mut(side) else {
            return Ok(record.keep_for_next_round());
        };
        let seen = known.clone();
        known.gone.get_or_insert(began);
        if !self.proved_gone(side, &seen, began) {
            let before = record.state;
            if record.state != PersonState::Held {
                (record.state, record.reason) = (PersonState::Waiting, Some(Reason::Settling));
            }
            let released = self.record(before, record).await?;
            return Ok(released.later(self.bound(), Reason::Settling));
        }
        let mut record = match self.adopt_created(record).await? {
            ControlFlow::Continue(record) => record,
            ControlFlow::Break(ended) => return Ok(ended),
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
    pub(super) fn proved_gone(&self, side: Side, account: &KnownAccount, began: Time) -> bool {
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
    pub(super) async fn pool_still_reads(
        &self,
        side: Side,
        missed: &KnownAccount,
    ) -> Result<bool, PortError> {
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
        mut record: Leased,
        side: Side,
        reason: Reason,
    ) -> Result<Ended, PortError> {
        let before = record.state;
        if record.reason != Some(reason) {
            let decision = self.decision(DecisionKind::Held, Some(side), Some(reason));
            self.decide(&mut record, decision);
        }
        (record.state, record.reason) = (PersonState::Held, Some(reason));
        let released = self.record(before, record).await?;
        let (changed, now) = (self.change.side, self.now());
        if self.newest_event(changed).is_some_and(|(at, _)| now < at + self.bound()) {
            return Ok(released.later(self.bound(), Reason::Settling));
        }
        self.clear(changed, &self.change.sub.clone()).await?;
        Ok(released.done(Outcome::Held(reason)))
    }

    /// `TombstoneFirst`: an open creation may have made the other account, so it is looked up
    /// before anything follows from the absence of the first. The creation can no longer land,
    /// because no observation begins before that (`ResolveCreationFirst`). `Break`: the
    /// round ends instead.
    async fn adopt_created(
        &mut self,
        mut record: Leased,
    ) -> Result<ControlFlow<Ended, Leased>, PortError> {
        let Some(creation) = record.creation.clone().filter(|_| self.keeps(Rule::TombstoneFirst))
        else {
            return Ok(ControlFlow::Continue(record));
        };
        let to = creation.side;
        let Some(observation) = self.look_up_creation(&record, &creation).await? else {
            record.creation = None;
            return Ok(ControlFlow::Continue(record));
        };
        let Some(half) = self.ledger().find(to, &observation.account.sub).await? else {
            *record.accounts.get_mut(to) = Some(known(&observation));
            self.linked(&mut record, Some(creation.baseline()), to);
            return self.join(record, to).await;
        };
        // The account belongs to a person with another account, or with an open creation of their
        // own. So it is not only poolbridge's creation, and poolbridge must not remove it.
        let only = half.only_side() == Some(to) && half.creation.is_none();
        if !only || half.tombstone.is_some() || half.id == record.id {
            record.creation = None;
            return Ok(ControlFlow::Continue(record));
        }
        let mut pair = match self.claim_both(record, half).await? {
            ControlFlow::Continue(pair) => pair,
            ControlFlow::Break(released) => {
                return Ok(ControlFlow::Break(released.later(limits::RETRY_SOON, Reason::Busy)));
            }
        };
        // `IntentChecksPhase`: read with each claim, and two were made just now.
        if let Some(reason) = self.barred(&self.control().await?) {
            let released = self.worker.release_both(pair).await?;
            return Ok(ControlFlow::Break(released.later(limits::RETRY_SLOWLY, reason)));
        }
        let (record, half) = pair.kept_and_absorbed();
        join_halves(record, half);
        self.linked(record, Some(creation.baseline()), to);
        Ok(ControlFlow::Continue(self.merge(pair).await?))
    }

    /// `TombstoneFirst`: the tombstone is stored before the other account is touched.
    async fn store_tombstone(
        &mut self,
        mut record: Leased,
        side: Side,
    ) -> Result<Ended, PortError> {
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
            let released = self.record(before, record).await?;
            return self.end_deleted(released, Outcome::Unchanged).await;
        }
        record.not_before = now + self.bound();
        record.updated = now;
        self.store(&mut record).await?;
        // Best effort: after a crash at this point, the counters are off by one.
        let _ = self.ledger().count(Some(before), Some(PersonState::Deleted)).await;
        self.perform_owed(record).await
    }
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
