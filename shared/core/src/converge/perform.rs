//! The steps of a plan, in order, each only if the lease outlasts it (R5, `LeaseOutlastsWrite`).

use std::collections::{BTreeMap, BTreeSet};

use super::Run;
use super::look::handle;
use crate::entry::Entry;
use crate::facts::Field;
use crate::fault::{Fault, FaultKind};
use crate::fingerprint::Print;
use crate::law::Rule;
use crate::limits;
use crate::plan::Plan;
use crate::ports::{Pool, Ports};
use crate::side::Side;
use crate::step::Deed;
use crate::time::Time;
use crate::verdict::Reason;

/// The results of a plan's steps. A field that is in none of these was certainly not written.
#[derive(Debug, Default)]
pub(super) struct Performed {
    /// Fields that were written.
    pub(super) done: BTreeSet<Field>,
    /// Fields that may have been written.
    pub(super) unknown: BTreeSet<Field>,
    /// Fields that the pool rejected.
    pub(super) refused: BTreeMap<Field, Reason>,
    /// What the target holds instead, for fields whose write the pool accepted and did not keep.
    pub(super) kept: BTreeMap<Field, Print>,
    /// Fields whose write the pool accepted, but that no read has shown yet. They stay open.
    pub(super) not_shown: BTreeSet<Field>,
    /// Pools in which the password was replaced.
    pub(super) passwords: BTreeSet<Side>,
    /// Pools in which the password may have been replaced: the answer was lost.
    pub(super) maybe_passwords: BTreeSet<Side>,
    /// Pools in which the sessions were ended.
    pub(super) signed_out: BTreeSet<Side>,
    /// Actions without a field that the pool rejected.
    pub(super) undoable: BTreeSet<(Side, &'static str)>,
    /// Pools that were written.
    pub(super) written: BTreeSet<Side>,
    /// The port error that stopped the steps, if there was one.
    pub(super) fault: Option<Fault>,
    /// The lease would not have outlasted the next step.
    pub(super) out_of_time: bool,
}

impl<P: Ports> Run<'_, P> {
    /// Until when a write may be sent under this lease, if there is time for one (R5,
    /// `LeaseOutlastsWrite`).
    pub(super) fn send_until(&self, entry: &Entry) -> Option<Time> {
        let now = self.now();
        if !self.keeps(Rule::R5) {
            return Some(now + limits::SIGNATURE_LIFE);
        }
        let until = entry.lease.as_ref()?.until;
        let landing = limits::LANDING_TIME + self.bridge.policy.clock_allowance;
        let last = until - landing;
        let enough = now + limits::CALL_TIME_MAX <= last;
        (enough && now < self.work.deadline).then_some(last)
    }

    /// Performs the steps until one of them shows that the others would fail too.
    pub(super) async fn perform(&mut self, entry: &Entry, plan: &Plan) -> Performed {
        let mut performed = Performed::default();
        for step in &plan.steps {
            if !self.step(entry, step.side, &step.deed, &mut performed).await {
                break;
            }
        }
        performed
    }

    /// Performs one step. Returns whether the next may follow.
    async fn step(
        &mut self,
        entry: &Entry,
        side: Side,
        deed: &Deed,
        performed: &mut Performed,
    ) -> bool {
        let Some(fault) = self.write(entry, side, deed, performed).await else {
            return !performed.out_of_time;
        };
        let hopeless = self.is_hopeless(entry, &fault);
        let culprit = hopeless || matches!(fault.kind, FaultKind::Invalid | FaultKind::Exists);
        let alone = if culprit { one_by_one(deed) } else { Vec::new() };
        if alone.len() > 1 {
            // The pool rejects one of the fields: write them one by one, to find which.
            for deed in alone {
                let Some(fault) = self.write(entry, side, &deed, performed).await else {
                    if performed.out_of_time {
                        return false;
                    }
                    continue;
                };
                let hopeless = self.is_hopeless(entry, &fault);
                if !refuse(side, &deed, fault, hopeless, performed) {
                    return false;
                }
            }
            return true;
        }
        refuse(side, deed, fault, hopeless, performed)
    }

    /// Writes once. `None`: it is done, or the time is up.
    async fn write(
        &mut self,
        entry: &Entry,
        side: Side,
        deed: &Deed,
        performed: &mut Performed,
    ) -> Option<Fault> {
        let Some(deadline) = self.send_until(entry) else {
            performed.out_of_time = true;
            return None;
        };
        let known = entry.accounts.get(side).as_ref()?;
        self.report.pool_writes += 1;
        let pool = self.bridge.ports.pool(side);
        match pool.write(&handle(known), deed, deadline).await {
            Ok(()) => {
                performed.written.insert(side);
                if *deed == Deed::SetRandomPassword {
                    performed.passwords.insert(side);
                }
                if *deed == Deed::SignOut {
                    performed.signed_out.insert(side);
                }
                for field in deed.fields() {
                    self.report.carried.push((side, field.to_string()));
                    performed.unknown.remove(&field);
                    performed.done.insert(field);
                }
                if let Deed::SetAttributes { fields } = deed {
                    self.read_back(entry, side, fields, performed).await;
                }
                None
            }
            Err(fault) => {
                if fault.may_have_happened() {
                    performed.unknown.extend(deed.fields());
                    if *deed == Deed::SetRandomPassword {
                        performed.maybe_passwords.insert(side);
                    }
                }
                Some(fault)
            }
        }
    }
}

/// The same action for each of its fields alone; empty if it cannot be divided.
fn one_by_one(deed: &Deed) -> Vec<Deed> {
    match deed {
        Deed::SetAttributes { fields } => fields
            .iter()
            .map(|(field, attributes)| {
                let fields = BTreeMap::from([(field.clone(), attributes.clone())]);
                Deed::SetAttributes { fields }
            })
            .collect(),
        Deed::SetFactors(factors) => factors
            .iter()
            .map(|(factor, on)| Deed::SetFactors(BTreeMap::from([(*factor, *on)])))
            .collect(),
        Deed::Disable
        | Deed::Enable
        | Deed::AddToGroup(_)
        | Deed::RemoveFromGroup(_)
        | Deed::SetRandomPassword
        | Deed::SignOut
        | Deed::Delete => Vec::new(),
    }
}

/// Sorts a failed action by its port error. Returns whether the next step may follow. `hopeless`:
/// it has failed in this way so many times that its fields are held and the others need not wait. A
/// disable is never held like that: each run tries it again.
fn refuse(
    side: Side,
    deed: &Deed,
    fault: Fault,
    hopeless: bool,
    performed: &mut Performed,
) -> bool {
    let reason = match fault.kind {
        FaultKind::Invalid => Reason::RefusedByPool,
        FaultKind::Exists => Reason::AddressTaken,
        FaultKind::Missing if matches!(deed, Deed::AddToGroup(_)) => Reason::GroupMissing,
        // Cognito sets no factor before the person has a password of their own there. The rest of
        // the account must not wait for that.
        FaultKind::Missing if matches!(deed, Deed::SetFactors(_)) => Reason::NotReady,
        kind if hopeless && *deed != Deed::Disable && !deed.fields().is_empty() => {
            Reason::Outside(kind)
        }
        FaultKind::Throttled
        | FaultKind::WritesPaused
        | FaultKind::NoAnswer
        | FaultKind::NotSent
        | FaultKind::Broken
        | FaultKind::Denied
        | FaultKind::AccountGone
        | FaultKind::Missing
        | FaultKind::Lost
        | FaultKind::Newer
        | FaultKind::Unreadable => {
            performed.fault = Some(fault);
            return false;
        }
    };
    let fields = deed.fields();
    if fields.is_empty() {
        performed.undoable.insert((side, deed.operation()));
        return true;
    }
    for field in fields {
        performed.refused.insert(field, reason);
    }
    true
}
