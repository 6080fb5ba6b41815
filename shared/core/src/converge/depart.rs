//! A person's account is gone: the evidence (R22, `AbsenceTwice`), the tombstone, and what the
//! tombstone owes to the other account (R23, `TombstoneFirst`). After that, the person is never
//! synchronised.

use super::link::join_halves;
use super::{Round, Run, known, later};
use crate::account::Handle;
use crate::breaker::Breaker;
use crate::change::Proof;
use crate::entry::{DecisionKind, Entry, Known, Passwords, State};
use crate::fault::{Fault, FaultKind};
use crate::law::Rule;
use crate::limits;
use crate::plan::View;
use crate::policy::Control;
use crate::ports::{Ledger, Pool, Ports};
use crate::side::Side;
use crate::step::Deed;
use crate::time::Time;
use crate::tombstone::{Owed, Tombstone};
use crate::verdict::{Reason, Verdict};

impl<P: Ports> Run<'_, P> {
    /// The changed account was not found: claims the person, then see [`Self::absent`].
    pub(super) async fn gone(&mut self, entry: Entry, began: Time) -> Result<Round, Fault> {
        let entry = match self.claim(&entry).await? {
            Ok(entry) => entry,
            Err(round) => return Ok(round),
        };
        self.touched = false;
        let result = self.gone_under_lease(entry.clone(), began).await;
        self.leave(&entry, result).await
    }

    /// The same for a person who is claimed.
    pub(super) async fn gone_under_lease(
        &mut self,
        entry: Entry,
        began: Time,
    ) -> Result<Round, Fault> {
        let control = self.control().await?;
        if let Some(reason) = self.barred(&control) {
            self.release(&entry).await?;
            return later(limits::RETRY_SLOWLY, reason);
        }
        self.absent(entry, self.change.side, began, &control).await
    }

    /// An observation of `side` that began at `began` did not find the account. That alone proves
    /// nothing. A deletion needs [`Self::proved_gone`] and a canary account as well.
    pub(super) async fn absent(
        &mut self,
        mut entry: Entry,
        side: Side,
        began: Time,
        control: &Control,
    ) -> Result<Round, Fault> {
        if let Some(reason) = self.only_disables(control) {
            self.release(&entry).await?;
            return later(limits::RETRY_SLOWLY, reason);
        }
        let Some(known) = entry.accounts.get_mut(side) else { return Ok(Round::Again) };
        let seen = known.clone();
        known.gone.get_or_insert(began);
        if !self.proved_gone(side, &seen, began) {
            let before = entry.state;
            if entry.state != State::Held {
                (entry.state, entry.reason) = (State::Waiting, Some(Reason::Settling));
            }
            self.record(before, entry).await?;
            return later(self.bound(), Reason::Settling);
        }
        let mut entry = match self.adopt_born(entry).await? {
            Ok(entry) => entry,
            Err(round) => return Ok(round),
        };
        if let Some(known) = entry.accounts.get_mut(side) {
            known.gone.get_or_insert(began);
        }
        if !self.pool_still_reads(side, &seen).await? {
            return self.hold(entry, side, Reason::AccountGone).await;
        }
        if self.taken_by_restore(side, &seen, control) {
            return self.hold(entry, side, Reason::GoneByRestore).await;
        }
        if control.breaker.is_some() {
            return self.hold(entry, side, Reason::Breaker).await;
        }
        self.bury(entry, side).await
    }

    /// Whether an account that was not found is gone (R22, `AbsenceTwice`). One way: an event
    /// reported its deletion, and an observation late enough to show that did not find it. The
    /// other way: two observations, far enough apart, did not find it. The event counts only
    /// against an account that existed before. Then the observation alone is proof already, as far
    /// as D can be relied on, so a false message deletes no person.
    fn proved_gone(&self, side: Side, account: &Known, began: Time) -> bool {
        if !self.keeps(Rule::R22) {
            return true;
        }
        let bound = self.bound();
        let twice = account.gone.is_some_and(|first| began >= first + bound);
        let told = self.told_deleted(side);
        twice || told.is_some_and(|at| began >= at.max(account.seen) + bound)
    }

    /// When the account in `side` was deleted, by the pending change or the message.
    pub(super) fn told_deleted(&self, side: Side) -> Option<Time> {
        let mark = self.marks.get(side).as_ref().filter(|mark| mark.proof == Proof::Deleted);
        let here = self.change.side == side && self.change.proof == Proof::Deleted;
        mark.map(|mark| mark.last).max(here.then_some(self.change.at))
    }

    /// Invariant 7: if another account of that pool can be read, "not found" concerns the one
    /// account and not the pool, the Region or the permissions.
    async fn pool_still_reads(&self, side: Side, missed: &Known) -> Result<bool, Fault> {
        if !self.keeps(Rule::Canary) {
            return Ok(true);
        }
        match self.bridge.ports.pool(side).canary(&missed.sub).await {
            Err(fault) if matches!(fault.kind, FaultKind::Denied | FaultKind::Missing) => Ok(false),
            answer => answer,
        }
    }

    /// Holds a person whose account in `side` is gone: apply does nothing, and an operator must
    /// decide. The sweep sends such people again.
    async fn hold(&mut self, mut entry: Entry, side: Side, reason: Reason) -> Result<Round, Fault> {
        let before = entry.state;
        if entry.reason != Some(reason) {
            let decision = self.decision(DecisionKind::Held, Some(side), Some(reason));
            self.decide(&mut entry, decision);
        }
        (entry.state, entry.reason) = (State::Held, Some(reason));
        self.record(before, entry).await?;
        let (changed, now) = (self.change.side, self.now());
        if self.newest_event(changed).is_some_and(|(at, _)| now < at + self.bound()) {
            return later(self.bound(), Reason::Settling);
        }
        self.clear(changed, &self.change.sub.clone()).await?;
        Ok(Round::Done(Verdict::Held(reason)))
    }

    /// R23 (`TombstoneFirst`): an open creation may have made the other account, so it is looked up
    /// before anything follows from the absence of the first. The creation can no longer land,
    /// because no observation begins before that (R20, `ResolveCreationFirst`). The inner `Err`
    /// says how the round ends instead.
    async fn adopt_born(&mut self, mut entry: Entry) -> Result<Result<Entry, Round>, Fault> {
        let Some(birth) = entry.birth.clone().filter(|_| self.keeps(Rule::R23)) else {
            return Ok(Ok(entry));
        };
        let to = birth.side;
        let Some(view) = self.look_up_birth(&entry, &birth).await? else {
            entry.birth = None;
            return Ok(Ok(entry));
        };
        let Some(half) = self.ledger().find(to, &view.account.sub).await? else {
            *entry.accounts.get_mut(to) = Some(known(&view));
            self.linked(&mut entry, Some(birth.agreed()), to);
            entry.revision += 1;
            self.touched = true;
            return match self.ledger().join(&entry, &self.owner, to).await {
                Err(fault) if fault.kind == FaultKind::Exists => Ok(Err(Round::Again)),
                Err(fault) => Err(fault),
                Ok(()) => Ok(Ok(entry)),
            };
        };
        // The account belongs to a person with another account, or with an open creation of their
        // own. So it is not only poolbridge's creation, and poolbridge must not remove it.
        let only = half.only_side() == Some(to) && half.birth.is_none();
        if !only || half.tombstone.is_some() || half.id == entry.id {
            entry.birth = None;
            return Ok(Ok(entry));
        }
        let wait = later(limits::RETRY_SOON, Reason::Busy)?;
        let Some((mut entry, half)) = self.claim_both(entry, half).await? else {
            return Ok(Err(wait));
        };
        // R27 (`IntentChecksPhase`): read with each claim, and two were made just now.
        if let Some(reason) = self.barred(&self.control().await?) {
            self.release(&half).await?;
            self.release(&entry).await?;
            return Ok(Err(later(limits::RETRY_SLOWLY, reason)?));
        }
        join_halves(&mut entry, &half);
        self.linked(&mut entry, Some(birth.agreed()), to);
        entry.revision = entry.revision.max(half.revision) + 1;
        self.touched = true;
        self.ledger().merge(&entry, &half, &self.owner).await?;
        let _ = self.ledger().count(Some(half.state), None).await;
        Ok(Ok(entry))
    }

    /// R23 (`TombstoneFirst`): the tombstone is stored before the other account is touched.
    async fn bury(&mut self, mut entry: Entry, side: Side) -> Result<Round, Fault> {
        let before = entry.state;
        let another = entry.accounts.get(side.other()).is_some();
        let owed = Owed::by(self.bridge.policy.deletes).filter(|_| another);
        let now = self.now();
        if owed.is_some() && !self.ledger().allow_removal(now).await? {
            self.ledger().trip(&Breaker::removals(now)).await?;
            return self.hold(entry, side, Reason::Breaker).await;
        }
        forget(&mut entry);
        entry.tombstone = Some(Tombstone { side, at: now, owed });
        (entry.state, entry.reason) = (State::Deleted, None);
        let deleted = self.decision(DecisionKind::Deleted, Some(side), None);
        self.decide(&mut entry, deleted);
        if owed.is_none() {
            self.record(before, entry.clone()).await?;
            return self.laid_to_rest(&entry, Verdict::AlreadyTrue).await;
        }
        entry.revision += 1;
        entry.not_before = now + self.bound();
        entry.updated = now;
        self.touched = true;
        self.ledger().store(&entry, &self.owner).await?;
        // Best effort: after a crash at this point, the counters are off by one.
        let _ = self.ledger().count(Some(before), Some(State::Deleted)).await;
        self.pay(entry).await
    }

    /// An event for a person with a tombstone: apply does what is still owed, and nothing else.
    pub(super) async fn deceased(&mut self, entry: Entry) -> Result<Round, Fault> {
        self.read_mark(self.change.side).await?;
        if entry.tombstone.as_ref().is_none_or(|tombstone| tombstone.owed.is_none()) {
            let verdict = self.verdict_on_return(&entry).await?;
            return self.laid_to_rest(&entry, verdict).await;
        }
        if let Some(wait) = self.too_early(&entry, self.now()) {
            return Ok(Round::Done(wait));
        }
        let entry = match self.claim(&entry).await? {
            Ok(entry) => entry,
            Err(round) => return Ok(round),
        };
        self.touched = false;
        let result = self.owed_under_lease(entry.clone()).await;
        self.leave(&entry, result).await
    }

    async fn owed_under_lease(&mut self, entry: Entry) -> Result<Round, Fault> {
        let control = self.control().await?;
        let paused = control.stopped();
        let tripped = control.breaker.as_ref().map(|_| Reason::Breaker);
        if let Some(reason) = self.barred(&control).or(paused).or(tripped) {
            self.release(&entry).await?;
            return later(limits::RETRY_SLOWLY, reason);
        }
        if self.came_back(&entry, &control).await? {
            return self.hold_returned(entry).await;
        }
        self.pay(entry).await
    }

    /// Does what is owed to the other account, under the lease. Each action is idempotent and
    /// repeated until its result is known. The account is read again under this claim, so that no
    /// other account with the same username is removed (R21, `SameSub`).
    async fn pay(&mut self, mut entry: Entry) -> Result<Round, Fault> {
        let Some(Tombstone { side, owed: Some(owed), .. }) = entry.tombstone.clone() else {
            self.record(State::Deleted, entry.clone()).await?;
            return self.laid_to_rest(&entry, Verdict::AlreadyTrue).await;
        };
        let to = side.other();
        let Some(account) = entry.accounts.get(to).clone() else { return Ok(Round::Again) };
        let began = self.now();
        let Some(view) = self.observe(to, &account).await? else {
            return self.both_gone(entry, to, &account, began).await;
        };
        if let Some(known) = entry.accounts.get_mut(to) {
            known.gone = None;
            known.seen = view.began;
        }
        for deed in deeds(owed, &view) {
            let Some(deadline) = self.send_until(&entry) else {
                self.record(State::Deleted, entry).await?;
                return later(self.bound(), Reason::OutOfTime);
            };
            if let Err(fault) = self.remove(to, &view.account.handle(), &deed, deadline).await {
                return self.still_owed(entry, &fault).await;
            }
            let now = self.now();
            if let Some(known) = entry.accounts.get_mut(to) {
                known.written = Some(now);
            }
        }
        let kind = match owed {
            Owed::Disable => DecisionKind::Disabled,
            Owed::Delete => DecisionKind::Removed,
        };
        let decision = self.decision(kind, Some(to), None);
        self.decide(&mut entry, decision);
        self.paid(entry, Verdict::Applied).await
    }

    async fn remove(
        &mut self,
        side: Side,
        account: &Handle,
        deed: &Deed,
        deadline: Time,
    ) -> Result<(), Fault> {
        self.report.pool_writes += 1;
        match self.bridge.ports.pool(side).write(account, deed, deadline).await {
            // Another party deleted it in the meantime.
            Err(fault) if fault.kind == FaultKind::AccountGone && *deed == Deed::Delete => Ok(()),
            Err(fault) => Err(fault),
            Ok(()) => {
                let fields = deed.fields();
                self.report.carried.extend(fields.iter().map(|field| (side, field.to_string())));
                Ok(())
            }
        }
    }

    /// The action failed, or its result is not known: it stays owed. If it may still land, wait for
    /// that (R9, `IntentSettlesFirst`).
    async fn still_owed(&mut self, mut entry: Entry, fault: &Fault) -> Result<Round, Fault> {
        let until = entry.lease.as_ref().map(|lease| lease.until + self.bound());
        if let Some(until) = until.filter(|_| fault.may_have_happened()) {
            entry.not_before = entry.not_before.max(until);
        }
        let free = entry.not_before.since(self.now());
        let hopeless = self.is_refused_again(&mut entry, fault);
        if hopeless {
            self.decide_failure(&mut entry, self.change.side.other(), fault);
        }
        self.record(State::Deleted, entry.clone()).await?;
        if hopeless {
            // It stays owed, and the sweep sends the person again.
            return self.laid_to_rest(&entry, Verdict::Held(Reason::Outside(fault.kind))).await;
        }
        let Verdict::Later(after, reason) = Verdict::from_fault(fault) else {
            return Ok(Round::Again);
        };
        later(after.max(free), reason)
    }

    /// The other account was not found either. What is owed to it is dropped only on the evidence
    /// that removes an account; otherwise a pool's wrong answers would leave it enabled.
    async fn both_gone(
        &mut self,
        mut entry: Entry,
        to: Side,
        account: &Known,
        began: Time,
    ) -> Result<Round, Fault> {
        let proved = self.proved_gone(to, account, began);
        let reads = proved && self.pool_still_reads(to, account).await?;
        if let Some(known) = entry.accounts.get_mut(to) {
            known.gone.get_or_insert(began);
        }
        if !proved {
            self.record(State::Deleted, entry).await?;
            return later(self.bound(), Reason::Settling);
        }
        if !reads {
            self.record(State::Deleted, entry.clone()).await?;
            return self.laid_to_rest(&entry, Verdict::Held(Reason::AccountGone)).await;
        }
        self.paid(entry, Verdict::AlreadyTrue).await
    }

    /// Nothing is owed any more.
    async fn paid(&mut self, mut entry: Entry, verdict: Verdict) -> Result<Round, Fault> {
        if let Some(tombstone) = &mut entry.tombstone {
            tombstone.owed = None;
        }
        entry.failure = None;
        self.record(State::Deleted, entry.clone()).await?;
        self.laid_to_rest(&entry, verdict).await
    }

    /// A later observation would change nothing: clears the pending changes, if no event was stored
    /// since they were read.
    pub(super) async fn laid_to_rest(
        &mut self,
        entry: &Entry,
        verdict: Verdict,
    ) -> Result<Round, Fault> {
        let changed = self.change.side;
        self.report.person = Some(entry.id.clone());
        self.clear(changed, &self.change.sub.clone()).await?;
        let other = changed.other();
        if let Some(known) = entry.accounts.get(other)
            && self.marks.get(other).is_some()
        {
            self.clear(other, &known.sub.clone()).await?;
        }
        Ok(Round::Done(verdict))
    }
}

/// The actions on the other account. It is disabled before it is deleted: that closes it at once,
/// and Cognito's guide states it as a rule ("Managing users"), although the page of the operation
/// does not require it.
fn deeds(owed: Owed, view: &View) -> Vec<Deed> {
    let disable = view.account.enabled.then_some(Deed::Disable);
    let delete = (owed == Owed::Delete).then_some(Deed::Delete);
    disable.into_iter().chain(delete).collect()
}

/// Nothing of the person is compared or written any more, so nothing is kept for comparison.
fn forget(entry: &mut Entry) {
    entry.agreed = None;
    entry.intent = None;
    entry.failure = None;
    entry.birth = None;
    entry.owes_password = None;
    entry.obstacles.clear();
    entry.passwords = Passwords::default();
    entry.miss = None;
    entry.flips.clear();
}
