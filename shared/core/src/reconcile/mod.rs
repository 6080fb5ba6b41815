//! `reconcile`: processes one change event. Claim, observe, plan, store intent, write, record: the
//! order is written only here. The architecture page lists the protocol rules; each is named next
//! to the line that keeps it.

mod addresses;
mod carry;
mod conclude;
mod create;
mod deletion;
mod failing;
mod link;
mod observe;
mod membership;
mod creation_plan;
pub mod operator;
mod passwords;
mod perform;
mod proof;
mod read_back;
mod recovery;
mod restored;
mod search;

use std::time::Duration;

use crate::change::{ChangeEvent, Evidence, PendingChange};
use crate::control::{ConfigurationStamp, Control, Phase};
use crate::error::{ErrorKind, PortError};
use crate::fingerprint::Keyring;
use crate::limits;
use crate::names::{Owner, PersonId};
use crate::outcome::{Outcome, Reason};
use crate::plan::Observation;
use crate::policy::Policy;
use crate::ports::{Claim, Clock, Ledger, Ports};
use crate::record::{Decision, DecisionKind, KnownAccount, Lease, PersonRecord, PersonState};
use crate::rules::Rule;
use crate::side::{BySide, Side};
use crate::time::Time;

pub use observe::Explanation;

/// The bridge: everything that is the same for every change event.
#[derive(Debug)]
pub struct Bridge<'a, P> {
    /// Pools, table and clock.
    pub ports: &'a P,
    /// The team's choices.
    pub policy: &'a Policy,
    /// Fingerprint keys.
    pub keys: &'a Keyring,
    /// The configuration with which this process was started.
    pub configuration: &'a ConfigurationStamp,
}

impl<P> Clone for Bridge<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Bridge<'_, P> {}

/// The time limits of one piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Work on this person must stop by then.
    pub deadline: Time,
    /// The platform kills the process by then at the latest (`LeaseOutlastsProcess`). A plain
    /// process repeats the deadline here and sets `suspendable`.
    pub invocation_end: Time,
    /// The process can be stopped and resumed between a check and the call that follows it.
    pub suspendable: bool,
}

/// The result of one change event, for the log line and the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The outcome.
    pub outcome: Outcome,
    /// The person, once known.
    pub person: Option<PersonId>,
    /// The names of the fields that were written, with the pool.
    pub carried: Vec<(Side, String)>,
    /// Account reads. They make the person a billed monthly user of that pool.
    pub account_reads: u32,
    /// Writes to pools, including creations and failed attempts.
    pub pool_writes: u32,
    /// The decisions that were made.
    pub decisions: Vec<Decision>,
    /// For `retry`: whether a pending change stays, so that the message may be deleted.
    pub has_pending: bool,
}

/// The work on one change event.
struct Run<'a, P> {
    bridge: Bridge<'a, P>,
    change: &'a ChangeEvent,
    work: &'a Work,
    /// Unique for this claim (`UniqueLeaseOwner`).
    owner: Owner,
    /// The pending changes, each read before the first observation of its account
    /// (`PendingReadFirst`).
    pending_changes: BySide<Option<PendingChange>>,
    report: Report,
    /// Whether the record was, or may have been, written under this claim.
    touched: bool,
    /// An observation that the next round may use, because nothing was written since.
    carried_observation: Option<Observation>,
    /// From when on an observation can judge a password event that is still open.
    password_waits: Option<Time>,
    /// Whether the observed account confirms the password event of the message.
    supported: bool,
    /// The planted bug against `IntentChecksPhase`: the control item, read before the claim.
    read_early: Option<Control>,
}

/// How a round ended.
enum Round {
    Done(Outcome),
    Again,
}

impl<P: Ports> Bridge<'_, P> {
    /// Processes one change event. Never fails: a port error leads to an outcome too, and an event
    /// that is not finished keeps its pending change.
    pub async fn reconcile(&self, change: &ChangeEvent, work: &Work) -> Report {
        let rules = self.policy.rules;
        let nonce = if rules.keeps(Rule::UniqueLeaseOwner) {
            self.ports.clock().nonce()
        } else {
            change.id
        };
        let mut run = self.run_of(change, work, Owner::from_nonce(nonce));
        let mut outcome = Outcome::Retry(limits::RETRY_SOON, Reason::Contended);
        for _ in 0..limits::ROUNDS_MAX {
            match run.round().await {
                Ok(Round::Done(done)) => {
                    outcome = done;
                    break;
                }
                Ok(Round::Again) => {}
                Err(error) => {
                    outcome = run.after_error(&error).await;
                    if error.kind != ErrorKind::Lost {
                        break;
                    }
                }
            }
        }
        if let Outcome::Retry(..) = outcome {
            run.report.has_pending = run.keep_pending().await;
        }
        run.report.outcome = outcome;
        run.report
    }

    /// The work on one change event, before it begins.
    const fn run_of<'a>(
        &'a self,
        change: &'a ChangeEvent,
        work: &'a Work,
        owner: Owner,
    ) -> Run<'a, P> {
        Run {
            bridge: *self,
            change,
            work,
            owner,
            pending_changes: BySide { old: None, new: None },
            report: Report {
                outcome: Outcome::Unchanged,
                person: None,
                carried: Vec::new(),
                account_reads: 0,
                pool_writes: 0,
                decisions: Vec::new(),
                has_pending: false,
            },
            touched: false,
            carried_observation: None,
            password_waits: None,
            supported: false,
            read_early: None,
        }
    }
}

impl<P: Ports> Run<'_, P> {
    fn ledger(&self) -> &P::Ledger {
        self.bridge.ports.ledger()
    }

    fn now(&self) -> Time {
        self.bridge.ports.clock().now()
    }

    fn keeps(&self, rule: Rule) -> bool {
        self.bridge.policy.rules.keeps(rule)
    }

    /// The upper bound on how stale a read may be.
    fn bound(&self) -> Duration {
        self.bridge.policy.bound()
    }

    /// One attempt from the start.
    async fn round(&mut self) -> Result<Round, PortError> {
        let now = self.now();
        if now >= self.work.deadline {
            return later(limits::RETRY_SOON, Reason::OutOfTime);
        }
        if !self.keeps(Rule::IntentChecksPhase) {
            self.read_early = Some(self.ledger().control().await?);
        }
        let ChangeEvent { side, sub, .. } = self.change;
        let Some(record) = self.ledger().find(*side, sub).await? else {
            return self.meet().await;
        };
        self.report.person = Some(record.id.clone());
        if record.tombstone.is_some() {
            return self.reconcile_deleted(record).await;
        }
        if let Some(wait) = self.too_early(&record, self.now()) {
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
                None => return self.gone(record, began).await,
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
        self.claimed(record, observation).await
    }

    /// Why no observation of this person may begin yet, if that is so.
    fn too_early(&self, record: &PersonRecord, now: Time) -> Option<Outcome> {
        if let Some(lease) = record.lease.as_ref().filter(|lease| lease.free_at > now)
            && lease.owner != self.owner
        {
            return Some(Outcome::Retry(lease.free_at.since(now), Reason::Busy));
        }
        let mut earliest = Time::ZERO;
        if self.keeps(Rule::NotBefore) {
            earliest = earliest.max(record.not_before);
        }
        if let Some(intent) = &record.intent
            && self.keeps(Rule::IntentSettlesFirst)
        {
            earliest = earliest.max(intent.until + self.bound());
        }
        if let Some(creation) = &record.creation
            && self.keeps(Rule::ResolveCreationFirst)
        {
            earliest = earliest.max(creation.until + self.bound());
        }
        (earliest > now).then(|| Outcome::Retry(earliest.since(now), Reason::Settling))
    }

    /// Claims the person, and works under the lease.
    async fn claimed(
        &mut self,
        record: PersonRecord,
        observation: Observation,
    ) -> Result<Round, PortError> {
        let record = match self.claim(&record).await? {
            Ok(record) => record,
            Err(round) => return Ok(round),
        };
        self.touched = false;
        let result = self.with_fresh_observation(record.clone(), observation).await;
        self.leave(&record, result).await
    }

    /// Ends the work under a lease. Releases the lease if the work failed and the record was not
    /// written since the claim. If that fails too, or the record was written, the lease expires.
    async fn leave(
        &self,
        record: &PersonRecord,
        result: Result<Round, PortError>,
    ) -> Result<Round, PortError> {
        if result.is_err() && !self.touched {
            let _ = self.release(record).await;
        }
        result
    }

    /// Takes the lease. The inner `Err` says how the round ends, because another worker has the
    /// lease or wrote the record since it was read.
    async fn claim(&self, record: &PersonRecord) -> Result<Result<PersonRecord, Round>, PortError> {
        let now = self.now();
        let lease = self.lease();
        Ok(match self.ledger().claim(&record.id, record.revision, &lease, now).await? {
            Claim::Taken(record) => Ok(*record),
            Claim::Busy(free_at) => {
                let wait = free_at.since(now).max(Duration::from_secs(1));
                Err(Round::Done(Outcome::Retry(wait, Reason::Busy)))
            }
            Claim::Moved => Err(Round::Again),
        })
    }

    /// A lease that outlasts every call that this process can still send (`LeaseOutlastsWrite`),
    /// and its process (`LeaseOutlastsProcess`).
    fn lease(&self) -> Lease {
        let end = self.work.deadline.max(self.work.invocation_end);
        let until = end + limits::LANDING_TIME + self.bridge.policy.clock_allowance;
        let suspended = self.work.suspendable && self.keeps(Rule::LeaseOutlastsProcess);
        let free_at = if suspended { until + limits::SIGNATURE_LIFE } else { until };
        Lease { owner: self.owner.clone(), until, free_at }
    }

    async fn under_lease(
        &mut self,
        record: PersonRecord,
        observation: Observation,
    ) -> Result<Round, PortError> {
        let control = self.control().await?;
        let only_disables = self.only_disables(&control);
        let one_sided = record.only_side();
        let nothing = if only_disables.is_none() { self.barred(&control) } else { None };
        // If only one account is known, there is nothing to disable.
        if let Some(reason) = nothing.or(only_disables.filter(|_| one_sided.is_some())) {
            self.release(&record).await?;
            return later(limits::RETRY_SLOWLY, reason);
        }
        if let Some(side) = one_sided {
            return self.alone(record, side, observation, &control).await;
        }
        self.carry(record, self.change.side, observation, &control).await
    }

    /// The control item, read after each claim (`IntentChecksPhase`). A switch announces
    /// itself and then waits for every lease, so also for this one. A worker that claims later sees
    /// the announcement and begins nothing (`AnnounceThenFlip`).
    async fn control(&self) -> Result<Control, PortError> {
        let mut control = match &self.read_early {
            Some(early) => early.clone(),
            None => self.ledger().control().await?,
        };
        control.closing &= self.keeps(Rule::AnnounceThenFlip);
        Ok(control)
    }

    /// Why apply may write nothing except disables now, if that is so (invariant 10).
    fn only_disables(&self, control: &Control) -> Option<Reason> {
        control.only_disables(&self.bridge.configuration.hash)
    }

    /// Why apply may write nothing now, if that is so; but see [`Self::only_disables`].
    fn barred(&self, control: &Control) -> Option<Reason> {
        let other = control.is_other_configuration(&self.bridge.configuration.hash);
        match control.phase {
            Phase::Complete => Some(Reason::Complete),
            Phase::Prepare => Some(Reason::Paused),
            Phase::Follow | Phase::Switched if control.closing => Some(Reason::Closing),
            Phase::Follow | Phase::Switched if other => Some(Reason::OtherConfiguration),
            Phase::Follow | Phase::Switched => None,
        }
    }

    /// Releases the lease and changes nothing else.
    async fn release(&self, record: &PersonRecord) -> Result<(), PortError> {
        let record = PersonRecord { lease: None, revision: record.revision + 1, ..record.clone() };
        self.ledger().store(&record, &self.owner).await
    }

    /// Writes the record and releases the lease: `record`. `NotBefore`: no observation for D.
    async fn record(
        &mut self,
        before: PersonState,
        mut record: PersonRecord,
    ) -> Result<(), PortError> {
        let now = self.now();
        record.lease = None;
        record.revision += 1;
        record.not_before = record.not_before.max(now + self.bound());
        record.updated = now;
        self.touched = true;
        self.ledger().store(&record, &self.owner).await?;
        self.report.person = Some(record.id.clone());
        if before != record.state {
            // Best effort: after a crash at this point, the counters are off by one.
            let _ = self.ledger().count(Some(before), Some(record.state)).await;
        }
        Ok(())
    }

    fn decide(&mut self, record: &mut PersonRecord, decision: Decision) {
        self.report.decisions.push(decision.clone());
        record.decide(decision);
    }

    fn decision(&self, kind: DecisionKind, side: Option<Side>, reason: Option<Reason>) -> Decision {
        Decision { at: self.now(), kind, fields: Vec::new(), side, reason }
    }

    async fn read_pending(&mut self, side: Side) -> Result<(), PortError> {
        let sub = self.change.sub.clone();
        self.read_pending_of(side, &sub).await
    }

    async fn read_pending_of(
        &mut self,
        side: Side,
        sub: &crate::names::Sub,
    ) -> Result<(), PortError> {
        *self.pending_changes.get_mut(side) = self.ledger().read_pending(side, sub).await?;
        Ok(())
    }

    /// The newest change of `side` by its pending change: its time and its evidence.
    fn has_pending(&self, side: Side) -> Option<(Time, Evidence)> {
        self.pending_changes.get(side).as_ref().map(|pending| (pending.last, pending.evidence))
    }

    /// The same by the message.
    fn reported(&self, side: Side) -> Option<(Time, Evidence)> {
        (side == self.change.side).then_some((self.change.at, self.change.evidence))
    }

    /// The newest change that an observation of `side` must show: its time and its evidence.
    fn newest_event(&self, side: Side) -> Option<(Time, Evidence)> {
        match (self.has_pending(side), self.reported(side)) {
            (Some(pending), Some(reported)) if pending.0 >= reported.0 => Some(pending),
            (pending, reported) => reported.or(pending),
        }
    }

    /// From when on a listing of the other pool shows its state at the time of the newest change in
    /// `side`. A hint does not count as a change.
    fn listing_shows(&self, side: Side) -> Time {
        let action = self.newest_event(side).filter(|(_, evidence)| *evidence != Evidence::Hint);
        action.map_or(Time::ZERO, |(at, _)| at + self.bridge.policy.listing_bound())
    }

    /// Whether evidence of a change in that pool was captured, and not only a hint.
    fn captured(&self, side: Side) -> bool {
        self.has_pending(side)
            .into_iter()
            .chain(self.reported(side))
            .any(|(_, evidence)| evidence != Evidence::Hint)
    }

    /// From when on an observation of `side` shows the newest change; `None` if this one does
    /// (`SettleBeforeClearing`). The evidence of the pending change counts alone for it: the owner
    /// of another account could have sent the message.
    fn unsettled(&self, side: Side, observation: &Observation) -> Option<Time> {
        if !self.keeps(Rule::SettleBeforeClearing) {
            return None;
        }
        let (pending, reported) = (self.has_pending(side), self.reported(side));
        let reported = reported.filter(|(at, _)| pending.is_none_or(|(last, _)| *at > last));
        // An account leaves UNCONFIRMED once: an observation after that shows all before it.
        let confirmed = observation.account.status != crate::account::Status::Unconfirmed;
        let open = |(at, evidence): &(Time, Evidence)| {
            let shows = *at + self.bound();
            let seen = *evidence == Evidence::Confirmed && confirmed;
            (!seen && observation.began < shows).then_some(shows)
        };
        pending.iter().chain(&reported).filter_map(open).max()
    }

    /// How long a hint waits. No change is proved, and an observation that cannot settle the hint
    /// would only cost a second read, which makes the person a billed user of that pool. Any other
    /// event of its pending change has its own message, or is found later by this one.
    fn hint_waits(&self) -> Option<Duration> {
        let (now, shows) = (self.now(), self.change.at + self.bound());
        let hint = self.change.evidence == Evidence::Hint;
        (hint && now < shows && self.keeps(Rule::SettleBeforeClearing)).then(|| shows.since(now))
    }

    /// Clears the pending changes that these observations settle, if no event was stored since
    /// (`PendingReadFirst`, `ClearOnlyObservedSides`). Returns how long to wait if one of the
    /// observations may still be too old.
    async fn clear_pending_changes(
        &mut self,
        observations: &[(Side, &Observation)],
        next: Time,
    ) -> Result<Option<Duration>, PortError> {
        let mut wait = None;
        for (side, observation) in observations {
            if let Some(shows) = self.unsettled(*side, observation) {
                // The pending change of the other pool has a message of its own, or the sweep's.
                if *side == self.change.side {
                    wait = Some(shows.max(next).since(self.now()));
                }
                continue;
            }
            self.clear(*side, &observation.account.sub).await?;
        }
        Ok(wait)
    }

    async fn clear(&mut self, side: Side, sub: &crate::names::Sub) -> Result<(), PortError> {
        if !self.keeps(Rule::PendingReadFirst) {
            // The planted bug: the pending change is read only now, and may be a newer one.
            self.read_pending_of(side, sub).await?;
        }
        if let Some(pending) = self.pending_changes.get_mut(side).take() {
            self.ledger().clear_pending(side, sub, pending.token).await?;
        }
        Ok(())
    }
}

/// The known account of an observation.
fn known(observation: &Observation) -> KnownAccount {
    KnownAccount {
        sub: observation.account.sub.clone(),
        username: observation.account.username.clone(),
        seen: observation.began,
        written: None,
        gone: None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it ends rounds, which may fail")]
const fn later(after: Duration, reason: Reason) -> Result<Round, PortError> {
    Ok(Round::Done(Outcome::Retry(after, reason)))
}
