//! The state table as one task reaches it.

use std::future::Future;

use poolbridge_core::breaker::Breaker;
use poolbridge_core::change::{Change, Mark};
use poolbridge_core::entry::{Entry, Lease, State as PersonState};
use poolbridge_core::fault::Fault;
use poolbridge_core::law::Rule;
use poolbridge_core::names::{Owner, PersonId, Sub};
use poolbridge_core::policy::Control;
use poolbridge_core::ports::{Claim, Ledger};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::line::{Call, Line};
use super::weather::Place;
use super::{passwords, record};

/// The table at the end of a task's line.
#[derive(Clone)]
pub struct SimulatedLedger {
    line: Line,
}

impl SimulatedLedger {
    /// The table at the end of that line.
    pub const fn new(line: Line) -> Self {
        Self { line }
    }

    fn look(&self, what: &'static str) -> Call {
        self.line.call(Place::Table, what, false)
    }

    fn change(&self, what: &'static str) -> Call {
        self.line.call(Place::Table, what, true)
    }
}

impl Ledger for SimulatedLedger {
    fn find(
        &self,
        side: Side,
        sub: &Sub,
    ) -> impl Future<Output = Result<Option<Entry>, Fault>> + Send {
        let sub = sub.clone();
        self.line.make(self.look("find"), move |state| {
            if !state.law.keeps(Rule::R24) {
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
    ) -> impl Future<Output = Result<Claim, Fault>> + Send {
        let (person, lease) = (person.clone(), lease.clone());
        let call = self.change("claim");
        self.line.make(call, move |state| {
            let claim = state.table.claim(&person, revision, &lease, now);
            match &claim {
                Claim::Taken(_) => {
                    state.watch.claimed(call.task, &person);
                    state.say(|| format!("{call}: taken at revision {revision}"));
                }
                Claim::Busy(until) => {
                    let until = *until;
                    state.say(|| {
                        format!("{call}: busy until {}", until.since(super::BEGINNING).as_secs())
                    });
                }
                Claim::Moved => state.say(|| format!("{call}: moved on from {revision}")),
            }
            Ok(claim)
        })
    }

    fn store(
        &self,
        entry: &Entry,
        owner: &Owner,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        let (entry, owner) = (entry.clone(), owner.clone());
        let call = self.change("store");
        self.line.make(call, move |state| {
            let done = state.table.store(&entry, &owner);
            record::stored(state, call, &entry, done)
        })
    }

    fn begin(&self, entry: &Entry) -> impl Future<Output = Result<(), Fault>> + Send {
        let entry = entry.clone();
        let call = self.change("begin");
        self.line.make(call, move |state| {
            let conditional = state.law.keeps(Rule::R16);
            let done = state.table.begin(&entry, conditional);
            if done.is_ok() {
                state.watch.claimed(call.task, &entry.id);
            }
            record::stored(state, call, &entry, done)
        })
    }

    fn join(
        &self,
        entry: &Entry,
        owner: &Owner,
        side: Side,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        let (entry, owner) = (entry.clone(), owner.clone());
        let call = self.change("join");
        self.line.make(call, move |state| {
            let conditional = state.law.keeps(Rule::R16);
            let done = state.table.join(&entry, &owner, side, conditional);
            record::stored(state, call, &entry, done)
        })
    }

    fn merge(
        &self,
        kept: &Entry,
        absorbed: &Entry,
        owner: &Owner,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        let (kept, absorbed, owner) = (kept.clone(), absorbed.clone(), owner.clone());
        let call = self.change("merge");
        self.line.make(call, move |state| {
            let conditional = state.law.keeps(Rule::R18);
            let done = state.table.merge(&kept, &absorbed, &owner, conditional);
            record::stored(state, call, &kept, done)
        })
    }

    fn separate(
        &self,
        kept: &Entry,
        parted: &Entry,
        owner: &Owner,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        let (kept, parted, owner) = (kept.clone(), parted.clone(), owner.clone());
        let call = self.change("separate");
        self.line.make(call, move |state| {
            let done = state.table.separate(&kept, &parted, &owner);
            record::stored(state, call, &kept, done)
        })
    }

    fn mark(&self, change: &Change) -> impl Future<Output = Result<(), Fault>> + Send {
        let change = change.clone();
        let call = self.change("mark");
        self.line.make(call, move |state| {
            let fresh = if state.law.keeps(Rule::R12) { state.nonce() } else { 0 };
            state.table.mark(&change, fresh);
            if !change.claimed {
                passwords::marked(state, change.id);
            }
            state.say(|| format!("{call} {}", change.sub));
            Ok(())
        })
    }

    fn read_mark(
        &self,
        side: Side,
        sub: &Sub,
    ) -> impl Future<Output = Result<Option<Mark>, Fault>> + Send {
        let key = (side, sub.clone());
        let call = self.look("read mark");
        self.line.make(call, move |state| {
            let mark = state.table.marks.get(&key).cloned();
            let now = state.now;
            state.watch.read_mark(call.task, key.0, &key.1, now);
            let there = if mark.is_some() { "there" } else { "none" };
            state.say(|| format!("{call} {}: {there}", key.1));
            Ok(mark)
        })
    }

    fn clear_mark(
        &self,
        side: Side,
        sub: &Sub,
        token: u128,
    ) -> impl Future<Output = Result<bool, Fault>> + Send {
        let sub = sub.clone();
        let call = self.change("clear mark");
        self.line.make(call, move |state| {
            let cleared = state.table.clear_mark(side, &sub, token);
            state.say(|| format!("{call} {sub}: {cleared}"));
            Ok(cleared)
        })
    }

    fn control(&self) -> impl Future<Output = Result<Control, Fault>> + Send {
        self.line.make(self.look("control"), move |state| Ok(state.table.control.clone()))
    }

    fn allow_removal(&self, now: Time) -> impl Future<Output = Result<bool, Fault>> + Send {
        let call = self.change("allow removal");
        self.line.make(call, move |state| {
            let allowed = state.table.allow_removal(now);
            state.say(|| format!("{call}: {allowed}"));
            Ok(allowed)
        })
    }

    fn trip(&self, breaker: &Breaker) -> impl Future<Output = Result<(), Fault>> + Send {
        let breaker = breaker.clone();
        let call = self.change("trip");
        self.line.make(call, move |state| {
            state.table.trip(breaker);
            state.say(|| format!("{call}: the breaker is open"));
            Ok(())
        })
    }

    fn count(
        &self,
        before: Option<PersonState>,
        after: Option<PersonState>,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        // The write is best effort by contract, and the protocol does not depend on it: no turn, no
        // fault.
        let mut state = self.line.world().lock();
        for (which, by) in [(before, -1), (after, 1)] {
            if let Some(which) = which {
                *state.table.counts.entry(which).or_default() += by;
            }
        }
        std::future::ready(Ok(()))
    }
}
