//! The end of a plan after its steps: the new baseline, what stays open, and its decisions.

use std::collections::BTreeMap;

use super::Run;
use super::passwords::note_sign_outs;
use super::perform::Performed;
use crate::entry::{Agreed, Base, Decision, DecisionKind, Entry, Intended};
use crate::facts::Field;
use crate::fingerprint::Print;
use crate::law::Rule;
use crate::plan::Plan;
use crate::ports::Ports;
use crate::side::Side;

impl<P: Ports> Run<'_, P> {
    /// R3 (`RecordOnlyDone`): a completed write becomes the baseline. A write that certainly failed
    /// keeps the value that its target held. A write that may have happened stays open. `before`:
    /// the record before this plan.
    pub(super) fn conclude(
        &self,
        entry: &mut Entry,
        before: &Entry,
        plan: &Plan,
        performed: &Performed,
    ) {
        let all_done = !self.keeps(Rule::R3);
        let mut agreed = entry.agreed.take().unwrap_or_default();
        let mut open = BTreeMap::new();
        for (field, intended) in &plan.writes {
            if all_done || performed.done.contains(field) {
                let print = plan.agreed_as.get(field).copied().unwrap_or(intended.wanted);
                set_base(&mut agreed, field, print, intended.rule);
            } else if performed.unknown.contains(field) {
                let answered = performed.not_shown.contains(field);
                open.insert(field.clone(), Intended { answered, ..intended.clone() });
            } else if let Some(print) = performed.kept.get(field) {
                set_base(&mut agreed, field, *print, intended.rule);
            }
        }
        entry.agreed = Some(agreed);
        open.extend(plan.unsettled.clone());
        entry.intent = entry.intent.take().filter(|_| !open.is_empty());
        if let Some(intent) = &mut entry.intent {
            intent.fields = open;
        }
        let now = self.now();
        for (field, reason) in &performed.refused {
            if let Some(intended) = plan.writes.get(field) {
                let obstacle = crate::entry::Obstacle {
                    reason: *reason,
                    value: plan.depends_on.get(field).copied().unwrap_or(intended.wanted),
                    side: intended.side,
                    since: now,
                };
                entry.obstacles.insert(field.clone(), obstacle);
            }
        }
        for side in &performed.written {
            if let Some(known) = entry.accounts.get_mut(*side) {
                known.written = Some(now);
            }
        }
        for side in &performed.passwords {
            if entry.owes_password == Some(*side) {
                entry.owes_password = None;
            }
            let newest = *entry.passwords.set.get(side.other());
            *entry.passwords.closed.get_mut(*side) = newest.or(Some(now));
        }
        note_sign_outs(entry, before.passwords.owes_sign_out, plan, performed);
    }

    /// Records the completed writes as decisions, for `explain`.
    pub(super) fn tell(&mut self, entry: &mut Entry, plan: &Plan, performed: &Performed) {
        for side in Side::BOTH {
            let done = performed.done.iter().filter(|field| {
                plan.writes.get(*field).is_some_and(|intended| intended.side == side)
            });
            let fields: Vec<String> = done.map(ToString::to_string).collect();
            if !fields.is_empty() {
                let decision = self.decision(DecisionKind::Carried, Some(side), None);
                self.decide(entry, Decision { fields, ..decision });
            }
            if performed.passwords.contains(&side) {
                let closed = self.decision(DecisionKind::Closed, Some(side), None);
                self.decide(entry, closed);
            }
        }
    }
}

/// Sets the baseline of a field. An absent value under a covered rule is not stored.
fn set_base(agreed: &mut Agreed, field: &Field, print: Print, rule: u32) {
    if print.is_none() && agreed.rules.contains(&rule) {
        agreed.fields.remove(field);
    } else {
        agreed.fields.insert(field.clone(), Base { print, rule });
    }
}
