//! The steps of a plan, in order, each only if the lease outlasts it (`LeaseOutlastsWrite`).

use std::collections::{BTreeMap, BTreeSet};

use super::Run;
use super::observe::account_ref;
use crate::error::{ErrorKind, PortError};
use crate::fingerprint::Fingerprint;
use crate::limits;
use crate::outcome::Reason;
use crate::plan::Plan;
use crate::ports::{Pool, Ports};
use crate::profile::Field;
use crate::record::PersonRecord;
use crate::rules::Rule;
use crate::side::Side;
use crate::step::Action;
use crate::time::Time;

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
    pub(super) kept: BTreeMap<Field, Option<Fingerprint>>,
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
    pub(super) error: Option<PortError>,
    /// The lease would not have outlasted the next step.
    pub(super) out_of_time: bool,
}

impl<P: Ports> Run<'_, P> {
    /// Until when a write may be sent under this lease, if there is time for one
    /// (`LeaseOutlastsWrite`).
    pub(super) fn send_until(&self, record: &PersonRecord) -> Option<Time> {
        let now = self.now();
        if !self.keeps(Rule::LeaseOutlastsWrite) {
            return Some(now + limits::SIGNATURE_LIFE);
        }
        let until = record.lease.as_ref()?.until;
        let landing = limits::LANDING_TIME + self.bridge.policy.clock_allowance;
        let last = until - landing;
        let enough = now + limits::CALL_TIME_MAX <= last;
        (enough && now < self.worker.work.deadline).then_some(last)
    }

    /// Performs the steps until one of them shows that the others would fail too.
    pub(super) async fn perform(&mut self, record: &PersonRecord, plan: &Plan) -> Performed {
        let mut performed = Performed::default();
        for step in &plan.steps {
            if !self.step(record, step.side, &step.action, &mut performed).await {
                break;
            }
        }
        performed
    }

    /// Performs one step. Returns whether the next may follow.
    async fn step(
        &mut self,
        record: &PersonRecord,
        side: Side,
        action: &Action,
        performed: &mut Performed,
    ) -> bool {
        let Some(error) = self.write(record, side, action, performed).await else {
            return !performed.out_of_time;
        };
        let hopeless = self.is_hopeless(record, &error);
        let culprit = hopeless || matches!(error.kind, ErrorKind::Invalid | ErrorKind::Exists);
        let alone = if culprit { one_by_one(action) } else { Vec::new() };
        if alone.len() > 1 {
            // The pool rejects one of the fields: write them one by one, to find which.
            for action in alone {
                let Some(error) = self.write(record, side, &action, performed).await else {
                    if performed.out_of_time {
                        return false;
                    }
                    continue;
                };
                let hopeless = self.is_hopeless(record, &error);
                if !refuse(side, &action, error, hopeless, performed) {
                    return false;
                }
            }
            return true;
        }
        refuse(side, action, error, hopeless, performed)
    }

    /// Writes once. `None`: it is done, or the time is up.
    async fn write(
        &mut self,
        record: &PersonRecord,
        side: Side,
        action: &Action,
        performed: &mut Performed,
    ) -> Option<PortError> {
        let Some(deadline) = self.send_until(record) else {
            performed.out_of_time = true;
            return None;
        };
        let known = record.accounts.get(side).as_ref()?;
        self.report.pool_writes += 1;
        let pool = self.bridge.ports.pool(side);
        match pool.write(&account_ref(known), action, deadline).await {
            Ok(()) => {
                performed.written.insert(side);
                if *action == Action::SetRandomPassword {
                    performed.passwords.insert(side);
                }
                if *action == Action::SignOut {
                    performed.signed_out.insert(side);
                }
                for field in action.fields() {
                    self.report.carried.push((side, field.to_string()));
                    performed.unknown.remove(&field);
                    performed.done.insert(field);
                }
                if let Action::SetAttributes { fields } = action {
                    self.read_back(record, side, fields, performed).await;
                }
                None
            }
            Err(error) => {
                if error.may_have_happened() {
                    performed.unknown.extend(action.fields());
                    if *action == Action::SetRandomPassword {
                        performed.maybe_passwords.insert(side);
                    }
                }
                Some(error)
            }
        }
    }
}

/// The same action for each of its fields alone; empty if it cannot be divided.
fn one_by_one(action: &Action) -> Vec<Action> {
    match action {
        Action::SetAttributes { fields } => fields
            .iter()
            .map(|(field, attributes)| {
                let fields = BTreeMap::from([(field.clone(), attributes.clone())]);
                Action::SetAttributes { fields }
            })
            .collect(),
        Action::SetFactors(factors) => factors
            .iter()
            .map(|(factor, on)| Action::SetFactors(BTreeMap::from([(*factor, *on)])))
            .collect(),
        Action::Disable
        | Action::Enable
        | Action::AddToGroup(_)
        | Action::RemoveFromGroup(_)
        | Action::SetRandomPassword
        | Action::SignOut
        | Action::Delete => Vec::new(),
    }
}

/// Sorts a failed action by its port error. Returns whether the next step may follow. `hopeless`:
/// it has failed in this way so many times that its fields are held and the others need not wait. A
/// disable is never held like that: each run tries it again.
fn refuse(
    side: Side,
    action: &Action,
    error: PortError,
    hopeless: bool,
    performed: &mut Performed,
) -> bool {
    let reason = match error.kind {
        ErrorKind::Invalid => Reason::RefusedByPool,
        ErrorKind::Exists => Reason::AddressTaken,
        ErrorKind::Missing if matches!(action, Action::AddToGroup(_)) => Reason::GroupMissing,
        // Cognito sets no factor before the person has a password of their own there. The rest of
        // the account must not wait for that.
        ErrorKind::Missing if matches!(action, Action::SetFactors(_)) => Reason::NotReady,
        kind if hopeless && *action != Action::Disable && !action.fields().is_empty() => {
            Reason::PortError(kind)
        }
        ErrorKind::Throttled
        | ErrorKind::WritesPaused
        | ErrorKind::NoAnswer
        | ErrorKind::NotSent
        | ErrorKind::Broken
        | ErrorKind::Denied
        | ErrorKind::AccountGone
        | ErrorKind::Missing
        | ErrorKind::Lost
        | ErrorKind::Newer
        | ErrorKind::Unreadable => {
            performed.error = Some(error);
            return false;
        }
    };
    let fields = action.fields();
    if fields.is_empty() {
        performed.undoable.insert((side, action.operation()));
        return true;
    }
    for field in fields {
        performed.refused.insert(field, reason);
    }
    true
}
