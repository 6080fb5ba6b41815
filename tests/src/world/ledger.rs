//! The state table as one task reaches it.

use std::future::Future;

use poolbridge_core::breaker::Breaker;
use poolbridge_core::change::{ChangeEvent, PendingChange};
use poolbridge_core::control::Control;
use poolbridge_core::error::PortError;
use poolbridge_core::names::{Owner, PersonId, Sub};
use poolbridge_core::ports::{Claim, Ledger};
use poolbridge_core::record::{Lease, PersonRecord, PersonState};
use poolbridge_core::rules::Rule;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::connection::{Call, Connection};
use super::fault_injection::Target;
use super::{passwords, record};

/// The table at the end of a task's line.
#[derive(Clone)]
pub struct SimulatedLedger {
    connection: Connection,
}

impl SimulatedLedger {
    /// The table at the end of that line.
    pub const fn new(connection: Connection) -> Self {
        Self { connection }
    }

    fn reading(&self, what: &'static str) -> Call {
        self.connection.call(Target::Table, what, false)
    }

    fn change(&self, what: &'static str) -> Call {
        self.connection.call(Target::Table, what, true)
    }
}

impl Ledger for SimulatedLedger {
    fn find(
        &self,
        side: Side,
        sub: &Sub,
    ) -> impl Future<Output = Result<Option<PersonRecord>, PortError>> + Send {
        let sub = sub.clone();
        self.connection.make(self.reading("find"), move |state| {
            if !state.rules.keeps(Rule::TombstoneStays) {
                state.table.expire_tombstones(state.now);
            }
            Ok(state.table.find(side, &sub).cloned())
        })
    }

    fn claim(
        &self,
        person: &PersonId,
        revision: u64,
        lease: &Lease,
        now: Time,
    ) -> impl Future<Output = Result<Claim, PortError>> + Send {
        let (person, lease) = (person.clone(), lease.clone());
        let call = self.change("claim");
        self.connection.make(call, move |state| {
            let claim = state.table.claim(&person, revision, &lease, now);
            match &claim {
                Claim::Taken(_) => {
                    state.watch.claimed(call.task, &person);
                    state.say(|| format!("{call}: taken at revision {revision}"));
                }
                Claim::Busy(until) => {
                    let until = *until;
                    state.say(|| {
                        format!("{call}: busy until {}", until.since(super::WORLD_START).as_secs())
                    });
                }
                Claim::Moved => state.say(|| format!("{call}: moved on from {revision}")),
            }
            Ok(claim)
        })
    }

    fn store(
        &self,
        record: &PersonRecord,
        owner: &Owner,
    ) -> impl Future<Output = Result<(), PortError>> + Send {
        let (record, owner) = (record.clone(), owner.clone());
        let call = self.change("store");
        self.connection.make(call, move |state| {
            let done = state.table.store(&record, &owner);
            record::stored(state, call, &record, done)
        })
    }

    fn begin(&self, record: &PersonRecord) -> impl Future<Output = Result<(), PortError>> + Send {
        let record = record.clone();
        let call = self.change("begin");
        self.connection.make(call, move |state| {
            let conditional = state.rules.keeps(Rule::LinkInOneTransaction);
            let done = state.table.begin(&record, conditional);
            if done.is_ok() {
                state.watch.claimed(call.task, &record.id);
            }
            record::stored(state, call, &record, done)
        })
    }

    fn join(
        &self,
        record: &PersonRecord,
        owner: &Owner,
        side: Side,
    ) -> impl Future<Output = Result<(), PortError>> + Send {
        let (record, owner) = (record.clone(), owner.clone());
        let call = self.change("join");
        self.connection.make(call, move |state| {
            let conditional = state.rules.keeps(Rule::LinkInOneTransaction);
            let done = state.table.join(&record, &owner, side, conditional);
            record::stored(state, call, &record, done)
        })
    }

    fn merge(
        &self,
        kept: &PersonRecord,
        absorbed: &PersonRecord,
        owner: &Owner,
    ) -> impl Future<Output = Result<(), PortError>> + Send {
        let (kept, absorbed, owner) = (kept.clone(), absorbed.clone(), owner.clone());
        let call = self.change("merge");
        self.connection.make(call, move |state| {
            let conditional = state.rules.keeps(Rule::JoinUnderLease);
            let done = state.table.merge(&kept, &absorbed, &owner, conditional);
            record::stored(state, call, &kept, done)
        })
    }

    fn separate(
        &self,
        kept: &PersonRecord,
        parted: &PersonRecord,
        owner: &Owner,
    ) -> impl Future<Output = Result<(), PortError>> + Send {
        let (kept, parted, owner) = (kept.clone(), parted.clone(), owner.clone());
        let call = self.change("separate");
        self.connection.make(call, move |state| {
            let done = state.table.separate(&kept, &parted, &owner);
            record::stored(state, call, &kept, done)
        })
    }

    fn store_pending(
        &self,
        change: &ChangeEvent,
    ) -> impl Future<Output = Result<(), PortError>> + Send {
        let change = change.clone();
        let call = self.change("mark");
        self.connection.make(call, move |state| {
            let fresh = if state.rules.keeps(Rule::TokenNeverRepeats) { state.nonce() } else { 0 };
            state.table.store_pending(&change, fresh);
            if !change.claimed {
                passwords::has_pending(state, change.id);
            }
            state.say(|| format!("{call} {}", change.sub));
            Ok(())
        })
    }

    fn read_pending(
        &self,
        side: Side,
        sub: &Sub,
    ) -> impl Future<Output = Result<Option<PendingChange>, PortError>> + Send {
        let key = (side, sub.clone());
        let call = self.reading("read mark");
        self.connection.make(call, move |state| {
            let pending = state.table.pending_changes.get(&key).cloned();
            let now = state.now;
            state.watch.read_pending(call.task, key.0, &key.1, now);
            let there = if pending.is_some() { "there" } else { "none" };
            state.say(|| format!("{call} {}: {there}", key.1));
            Ok(pending)
        })
    }

    fn clear_pending(
        &self,
        side: Side,
        sub: &Sub,
        token: u128,
    ) -> impl Future<Output = Result<bool, PortError>> + Send {
        let sub = sub.clone();
        let call = self.change("clear mark");
        self.connection.make(call, move |state| {
            let cleared = state.table.clear_pending(side, &sub, token);
            state.say(|| format!("{call} {sub}: {cleared}"));
            Ok(cleared)
        })
    }

    fn control(&self) -> impl Future<Output = Result<Control, PortError>> + Send {
        self.connection.make(self.reading("control"), move |state| Ok(state.table.control.clone()))
    }

    fn allow_removal(&self, now: Time) -> impl Future<Output = Result<bool, PortError>> + Send {
        let call = self.change("allow removal");
        self.connection.make(call, move |state| {
            let allowed = state.table.allow_removal(now);
            state.say(|| format!("{call}: {allowed}"));
            Ok(allowed)
        })
    }

    fn trip(&self, breaker: &Breaker) -> impl Future<Output = Result<(), PortError>> + Send {
        let breaker = breaker.clone();
        let call = self.change("trip");
        self.connection.make(call, move |state| {
            state.table.trip(breaker);
            state.say(|| format!("{call}: the breaker is open"));
            Ok(())
        })
    }

    fn count(
        &self,
        before: Option<PersonState>,
        after: Option<PersonState>,
    ) -> impl Future<Output = Result<(), PortError>> + Send {
        // The write is best effort by contract, and the protocol does not depend on it: no turn, no
        // fault.
        let mut state = self.connection.world().lock();
        for (which, by) in [(before, -1), (after, 1)] {
            if let Some(which) = which {
                *state.table.counts.entry(which).or_default() += by;
            }
        }
        std::future::ready(Ok(()))
    }
}
