//! The end of a plan after its steps: the new baseline, what stays open, and its decisions.

use std::collections::BTreeMap;

use super::Run;
use super::perform::Performed;
use crate::fingerprint::Fingerprint;
use crate::plan::Plan;
use crate::ports::Ports;
use crate::profile::Field;
use crate::record::{Baseline, BaselineField, Decision, DecisionKind, IntendedWrite, PersonRecord};
use crate::rules::Rule;
use crate::side::{BySide, Side};
use crate::step::Action;

impl<P: Ports> Run<'_, P> {
    /// `RecordOnlyDone`: a completed write becomes the baseline. A write that certainly failed
    /// keeps the value that its target held. A write that may have happened stays open. `before`:
    /// the record before this plan.
    pub(super) fn conclude(
        &self,
        record: &mut PersonRecord,
        before: &PersonRecord,
        plan: &Plan,
        performed: &Performed,
    ) {
        let all_done = !self.keeps(Rule::RecordOnlyDone);
        let mut baseline = record.baseline.take().unwrap_or_default();
        let mut open = BTreeMap::new();
        for (field, intended) in &plan.writes {
            if all_done || performed.done.contains(field) {
                let fingerprint = plan.baseline_as.get(field).copied().unwrap_or(intended.wanted);
                set_base(&mut baseline, field, fingerprint, intended.rule);
            } else if performed.unknown.contains(field) {
                let answered = performed.not_shown.contains(field);
                open.insert(field.clone(), IntendedWrite { answered, ..intended.clone() });
            } else if let Some(fingerprint) = performed.kept.get(field) {
                set_base(&mut baseline, field, *fingerprint, intended.rule);
            }
        }
        record.baseline = Some(baseline);
        open.extend(plan.unsettled.clone());
        record.intent = record.intent.take().filter(|_| !open.is_empty());
        if let Some(intent) = &mut record.intent {
            intent.fields = open;
        }
        let now = self.now();
        for (field, reason) in &performed.refused {
            if let Some(intended) = plan.writes.get(field) {
                let blocked_field = crate::record::BlockedField {
                    reason: *reason,
                    value: plan.depends_on.get(field).copied().unwrap_or(intended.wanted),
                    side: intended.side,
                    since: now,
                };
                record.blocked_fields.insert(field.clone(), blocked_field);
            }
        }
        for side in &performed.written {
            if let Some(known) = record.accounts.get_mut(*side) {
                known.written = Some(now);
            }
        }
        for side in &performed.passwords {
            if record.owes_password == Some(*side) {
                record.owes_password = None;
            }
            let newest = *record.passwords.set.get(side.other());
            *record.passwords.closed.get_mut(*side) = newest.or(Some(now));
        }
        note_sign_outs(record, before.passwords.owes_sign_out, plan, performed);
    }

    /// Records the completed writes as decisions, for `explain`.
    pub(super) fn note_done(
        &mut self,
        record: &mut PersonRecord,
        plan: &Plan,
        performed: &Performed,
    ) {
        for side in Side::BOTH {
            let done = performed.done.iter().filter(|field| {
                plan.writes.get(*field).is_some_and(|intended| intended.side == side)
            });
            let fields: Vec<String> = done.map(ToString::to_string).collect();
            if !fields.is_empty() {
                let decision = self.decision(DecisionKind::Carried, Some(side), None);
                self.decide(record, Decision { fields, ..decision });
            }
            if performed.passwords.contains(&side) {
                let closed = self.decision(DecisionKind::Closed, Some(side), None);
                self.decide(record, closed);
            }
        }
    }
}

/// Sets the baseline of a field. An absent value under a covered rule is not stored.
fn set_base(baseline: &mut Baseline, field: &Field, fingerprint: Option<Fingerprint>, rule: u32) {
    if fingerprint.is_none() && baseline.rules.contains(&rule) {
        baseline.fields.remove(field);
    } else {
        baseline.fields.insert(field.clone(), BaselineField { fingerprint, rule });
    }
}

/// If a sign-out failed after its password was set, only the sign-out is still owed: another random
/// password could replace one that the person has chosen there since. A sign-out that the pool
/// rejects holds no person. `before`: what was owed before this plan.
fn note_sign_outs(
    record: &mut PersonRecord,
    before: BySide<bool>,
    plan: &Plan,
    performed: &Performed,
) {
    let sign_out = Action::SignOut.operation();
    for side in Side::BOTH {
        let asked =
            plan.steps.iter().any(|step| step.side == side && step.action == Action::SignOut);
        let done = performed.signed_out.contains(&side);
        let undoable = performed.undoable.contains(&(side, sign_out));
        let owed = record.passwords.owes_sign_out.get_mut(side);
        if asked && (done || undoable) {
            *owed = false;
        } else if asked {
            let replaced = performed.passwords.contains(&side);
            *owed = *before.get(side) || replaced || performed.maybe_passwords.contains(&side);
        }
    }
}
