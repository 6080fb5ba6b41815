//! `converge`: processes one change event. Claim, observe, plan, store intent, write, record: the
//! order is written only here. The architecture page lists the protocol rules; each is named next
//! to the line that keeps it.

mod addresses;
mod carry;
mod conclude;
mod create;
mod depart;
mod failing;
mod link;
mod look;
mod membership;
mod newborn;
pub mod operator;
mod passwords;
mod perform;
mod proof;
mod read_back;
mod recovery;
mod restored;
mod search;

use std::time::Duration;

use crate::change::{Change, Mark, Proof};
use crate::entry::{Decision, DecisionKind, Entry, Known, Lease, State};
use crate::fault::{Fault, FaultKind};
use crate::fingerprint::Keyring;
use crate::law::Rule;
use crate::limits;
use crate::names::{Owner, PersonId};
use crate::plan::View;
use crate::policy::{ConfigurationStamp, Control, Phase, Policy};
use crate::ports::{Claim, Clock, Ledger, Ports};
use crate::side::{BySide, Side};
use crate::time::Time;
use crate::verdict::{Reason, Verdict};

pub use look::Explanation;

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
    /// The platform kills the process by then at the latest (R7, `LeaseOutlastsProcess`). A plain
    /// process repeats the deadline here and sets `suspendable`.
    pub invocation_end: Time,
    /// The process can be stopped and resumed between a check and the call that follows it.
    pub suspendable: bool,
}

/// The result of one change event, for the log line and the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The outcome.
    pub verdict: Verdict,
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
    /// For `later`: whether a pending change stays, so that the message may be deleted.
    pub marked: bool,
}

/// The work on one change event.
struct Run<'a, P> {
    bridge: Bridge<'a, P>,
    change: &'a Change,
    work: &'a Work,
    /// Unique for this claim (R6, `UniqueLeaseOwner`).
    owner: Owner,
    /// The pending changes, each read before the first observation of its account (R11,
    /// `PendingReadFirst`).
    marks: BySide<Option<Mark>>,
    report: Report,
    /// Whether the record was, or may have been, written under this claim.
    touched: bool,
    /// An observation that the next round may use, because nothing was written since.
    carried_view: Option<View>,
    /// From when on an observation can judge a password event that is still open.
    password_waits: Option<Time>,
    /// Whether the observed account confirms the password event of the message.
    supported: bool,
    /// The planted bug against R27 (`IntentChecksPhase`): the control item, read before the claim.
    read_early: Option<Control>,
}

/// How a round ended.
enum Round {
    Done(Verdict),
    Again,
}

impl<P: Ports> Bridge<'_, P> {
    /// Processes one change event. Never fails: a port error leads to an outcome too, and an event
    /// that is not finished keeps its pending change.
    pub async fn converge(&self, change: &Change, work: &Work) -> Report {
        let law = self.policy.law;
        let nonce = if law.keeps(Rule::R6) { self.ports.clock().nonce() } else { change.id };
        let mut run = self.run_of(change, work, Owner::from_nonce(nonce));
        let mut verdict = Verdict::Later(limits::RETRY_SOON, Reason::Contended);
        for _ in 0..limits::ROUNDS_MAX {
            match run.round().await {
                Ok(Round::Done(done)) => {
                    verdict = done;
                    break;
                }
                Ok(Round::Again) => {}
                Err(fault) => {
                    verdict = run.after_fault(&fault).await;
                    if fault.kind != FaultKind::Lost {
                        break;
                    }
                }
            }
        }
        if let Verdict::Later(..) = verdict {
            run.report.marked = run.keep_marked().await;
        }
        run.report.verdict = verdict;
        run.report
    }

    /// The work on one change event, before it begins.
    const fn run_of<'a>(&'a self, change: &'a Change, work: &'a Work, owner: Owner) -> Run<'a, P> {
        Run {
            bridge: *self,
            change,
            work,
            owner,
            marks: BySide { old: None, new: None },
            report: Report {
                verdict: Verdict::AlreadyTrue,
                person: None,
                carried: Vec::new(),
                account_reads: 0,
                pool_writes: 0,
                decisions: Vec::new(),
                marked: false,
            },
            touched: false,
            carried_view: None,
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
        self.bridge.policy.law.keeps(rule)
    }

    /// The upper bound on how stale a read may be.
    fn bound(&self) -> Duration {
        self.bridge.policy.bound()
    }

    /// One attempt from the start.
    async fn round(&mut self) -> Result<Round, Fault> {
        let now = self.now();
        if now >= self.work.deadline {
            return later(limits::RETRY_SOON, Reason::OutOfTime);
        }
        if !self.keeps(Rule::R27) {
            self.read_early = Some(self.ledger().control().await?);
        }
        let Change { side, sub, .. } = self.change;
        let Some(entry) = self.ledger().find(*side, sub).await? else {
            return self.meet().await;
        };
        self.report.person = Some(entry.id.clone());
        if entry.tombstone.is_some() {
            return self.deceased(entry).await;
        }
        if let Some(wait) = self.too_early(&entry, self.now()) {
            return Ok(Round::Done(wait));
        }
        let view = if let Some(view) = self.carried_view.take().filter(|_| entry.revision == 1) {
            view
        } else {
            // R11 (`PendingReadFirst`): read the pending change before the first observation.
            self.read_mark(*side).await?;
            if let Some(wait) = self.hint_waits() {
                return later(wait, Reason::Settling);
            }
            let Some(known) = entry.accounts.get(*side).clone() else {
                return Ok(Round::Again);
            };
            let began = self.now();
            match self.observe(*side, &known).await? {
                Some(view) => view,
                None => return self.gone(entry, began).await,
            }
        };
        self.note_support(&view);
        if self.is_echo(&entry, &view) {
            // R8 (`SettleBeforeClearing`): another worker may have written since the record was
            // read. So the observation counts as one from the time when the record was read.
            return self.end_echo(&View { began: view.began.min(now), ..view }).await;
        }
        self.claimed(entry, view).await
    }

    /// Why no observation of this person may begin yet, if that is so.
    fn too_early(&self, entry: &Entry, now: Time) -> Option<Verdict> {
        if let Some(lease) = entry.lease.as_ref().filter(|lease| lease.free_at > now)
            && lease.owner != self.owner
        {
            return Some(Verdict::Later(lease.free_at.since(now), Reason::Busy));
        }
        let mut earliest = Time::ZERO;
        if self.keeps(Rule::R10) {
            earliest = earliest.max(entry.not_before);
        }
        if let Some(intent) = &entry.intent
            && self.keeps(Rule::R9)
        {
            earliest = earliest.max(intent.until + self.bound());
        }
        if let Some(birth) = &entry.birth
            && self.keeps(Rule::R20)
        {
            earliest = earliest.max(birth.until + self.bound());
        }
        (earliest > now).then(|| Verdict::Later(earliest.since(now), Reason::Settling))
    }

    /// Claims the person, and works under the lease.
    async fn claimed(&mut self, entry: Entry, view: View) -> Result<Round, Fault> {
        let entry = match self.claim(&entry).await? {
            Ok(entry) => entry,
            Err(round) => return Ok(round),
        };
        self.touched = false;
        let result = self.with_fresh_look(entry.clone(), view).await;
        self.leave(&entry, result).await
    }

    /// Ends the work under a lease. Releases the lease if the work failed and the record was not
    /// written since the claim. If that fails too, or the record was written, the lease expires.
    async fn leave(&self, entry: &Entry, result: Result<Round, Fault>) -> Result<Round, Fault> {
        if result.is_err() && !self.touched {
            let _ = self.release(entry).await;
        }
        result
    }

    /// Takes the lease. The inner `Err` says how the round ends, because another worker has the
    /// lease or wrote the record since it was read.
    async fn claim(&self, entry: &Entry) -> Result<Result<Entry, Round>, Fault> {
        let now = self.now();
        let lease = self.lease();
        Ok(match self.ledger().claim(&entry.id, entry.revision, &lease, now).await? {
            Claim::Taken(entry) => Ok(*entry),
            Claim::Busy(free_at) => {
                let wait = free_at.since(now).max(Duration::from_secs(1));
                Err(Round::Done(Verdict::Later(wait, Reason::Busy)))
            }
            Claim::Moved => Err(Round::Again),
        })
    }

    /// A lease that outlasts every call that this process can still send (R5,
    /// `LeaseOutlastsWrite`), and its process (R7, `LeaseOutlastsProcess`).
    fn lease(&self) -> Lease {
        let end = self.work.deadline.max(self.work.invocation_end);
        let until = end + limits::LANDING_TIME + self.bridge.policy.clock_allowance;
        let suspended = self.work.suspendable && self.keeps(Rule::R7);
        let free_at = if suspended { until + limits::SIGNATURE_LIFE } else { until };
        Lease { owner: self.owner.clone(), until, free_at }
    }

    async fn under_lease(&mut self, entry: Entry, view: View) -> Result<Round, Fault> {
        let control = self.control().await?;
        let only_disables = self.only_disables(&control);
        let one_sided = entry.only_side();
        let nothing = if only_disables.is_none() { self.barred(&control) } else { None };
        // If only one account is known, there is nothing to disable.
        if let Some(reason) = nothing.or(only_disables.filter(|_| one_sided.is_some())) {
            self.release(&entry).await?;
            return later(limits::RETRY_SLOWLY, reason);
        }
        if let Some(side) = one_sided {
            return self.alone(entry, side, view, &control).await;
        }
        self.carry(entry, self.change.side, view, &control).await
    }

    /// The control item, read after each claim (R27, `IntentChecksPhase`). A switch announces
    /// itself and then waits for every lease, so also for this one. A worker that claims later sees
    /// the announcement and begins nothing (R28, `AnnounceThenFlip`).
    async fn control(&self) -> Result<Control, Fault> {
        let mut control = match &self.read_early {
            Some(early) => early.clone(),
            None => self.ledger().control().await?,
        };
        control.closing &= self.keeps(Rule::R28);
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
    async fn release(&self, entry: &Entry) -> Result<(), Fault> {
        let entry = Entry { lease: None, revision: entry.revision + 1, ..entry.clone() };
        self.ledger().store(&entry, &self.owner).await
    }

    /// Writes the record and releases the lease: `record`. R10 (`NotBefore`): no observation for D.
    async fn record(&mut self, before: State, mut entry: Entry) -> Result<(), Fault> {
        let now = self.now();
        entry.lease = None;
        entry.revision += 1;
        entry.not_before = entry.not_before.max(now + self.bound());
        entry.updated = now;
        self.touched = true;
        self.ledger().store(&entry, &self.owner).await?;
        self.report.person = Some(entry.id.clone());
        if before != entry.state {
            // Best effort: after a crash at this point, the counters are off by one.
            let _ = self.ledger().count(Some(before), Some(entry.state)).await;
        }
        Ok(())
    }

    fn decide(&mut self, entry: &mut Entry, decision: Decision) {
        self.report.decisions.push(decision.clone());
        entry.decide(decision);
    }

    fn decision(&self, kind: DecisionKind, side: Option<Side>, reason: Option<Reason>) -> Decision {
        Decision { at: self.now(), kind, fields: Vec::new(), side, reason }
    }

    async fn read_mark(&mut self, side: Side) -> Result<(), Fault> {
        let sub = self.change.sub.clone();
        self.read_mark_of(side, &sub).await
    }

    async fn read_mark_of(&mut self, side: Side, sub: &crate::names::Sub) -> Result<(), Fault> {
        *self.marks.get_mut(side) = self.ledger().read_mark(side, sub).await?;
        Ok(())
    }

    /// The newest change of `side` by its pending change: its time and its evidence.
    fn marked(&self, side: Side) -> Option<(Time, Proof)> {
        self.marks.get(side).as_ref().map(|mark| (mark.last, mark.proof))
    }

    /// The same by the message.
    fn told(&self, side: Side) -> Option<(Time, Proof)> {
        (side == self.change.side).then_some((self.change.at, self.change.proof))
    }

    /// The newest change that an observation of `side` must show: its time and its evidence.
    fn newest_event(&self, side: Side) -> Option<(Time, Proof)> {
        match (self.marked(side), self.told(side)) {
            (Some(mark), Some(told)) if mark.0 >= told.0 => Some(mark),
            (mark, told) => told.or(mark),
        }
    }

    /// From when on a listing of the other pool shows its state at the time of the newest change in
    /// `side`. A hint does not count as a change.
    fn listing_shows(&self, side: Side) -> Time {
        let deed = self.newest_event(side).filter(|(_, proof)| *proof != Proof::Hint);
        deed.map_or(Time::ZERO, |(at, _)| at + self.bridge.policy.listing_bound())
    }

    /// Whether evidence of a change in that pool was captured, and not only a hint.
    fn captured(&self, side: Side) -> bool {
        self.marked(side).into_iter().chain(self.told(side)).any(|(_, proof)| proof != Proof::Hint)
    }

    /// From when on an observation of `side` shows the newest change; `None` if this one does (R8,
    /// `SettleBeforeClearing`). The evidence of the pending change counts alone for it: the owner
    /// of another account could have sent the message.
    fn unsettled(&self, side: Side, view: &View) -> Option<Time> {
        if !self.keeps(Rule::R8) {
            return None;
        }
        let (mark, told) = (self.marked(side), self.told(side));
        let told = told.filter(|(at, _)| mark.is_none_or(|(last, _)| *at > last));
        // An account leaves UNCONFIRMED once: an observation after that shows all before it.
        let confirmed = view.account.status != crate::account::Status::Unconfirmed;
        let open = |(at, proof): &(Time, Proof)| {
            let shows = *at + self.bound();
            let seen = *proof == Proof::Confirmed && confirmed;
            (!seen && view.began < shows).then_some(shows)
        };
        mark.iter().chain(&told).filter_map(open).max()
    }

    /// How long a hint waits. No change is proved, and an observation that cannot settle the hint
    /// would only cost a second read, which makes the person a billed user of that pool. Any other
    /// event of its pending change has its own message, or is found later by this one.
    fn hint_waits(&self) -> Option<Duration> {
        let (now, shows) = (self.now(), self.change.at + self.bound());
        let hint = self.change.proof == Proof::Hint;
        (hint && now < shows && self.keeps(Rule::R8)).then(|| shows.since(now))
    }

    /// Clears the pending changes that these observations settle, if no event was stored since (R11
    /// `PendingReadFirst`, R15 `ClearOnlyObservedSides`). Returns how long to wait if one of the
    /// observations may still be too old.
    async fn clear_marks(
        &mut self,
        views: &[(Side, &View)],
        next: Time,
    ) -> Result<Option<Duration>, Fault> {
        let mut wait = None;
        for (side, view) in views {
            if let Some(shows) = self.unsettled(*side, view) {
                // The pending change of the other pool has a message of its own, or the sweep's.
                if *side == self.change.side {
                    wait = Some(shows.max(next).since(self.now()));
                }
                continue;
            }
            self.clear(*side, &view.account.sub).await?;
        }
        Ok(wait)
    }

    async fn clear(&mut self, side: Side, sub: &crate::names::Sub) -> Result<(), Fault> {
        if !self.keeps(Rule::R11) {
            // The planted bug: the pending change is read only now, and may be a newer one.
            self.read_mark_of(side, sub).await?;
        }
        if let Some(mark) = self.marks.get_mut(side).take() {
            self.ledger().clear_mark(side, sub, mark.token).await?;
        }
        Ok(())
    }
}

/// The known account of an observation.
fn known(view: &View) -> Known {
    Known {
        sub: view.account.sub.clone(),
        username: view.account.username.clone(),
        seen: view.began,
        written: None,
        gone: None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it ends rounds, which may fail")]
const fn later(after: Duration, reason: Reason) -> Result<Round, Fault> {
    Ok(Round::Done(Verdict::Later(after, reason)))
}
