//! The effect of a restore to a point in time on one person (invariant 7). The restored pool shows
//! old values, lacks accounts that were created later, and shows deleted accounts again. None of
//! that is a person's edit.

use std::collections::BTreeSet;

use super::Run;
use super::lease::{Ended, Leased};
use crate::change::Evidence;
use crate::control::Control;
use crate::error::PortError;
use crate::outcome::{Outcome, Reason};
use crate::plan::Observation;
use crate::ports::{Ledger, Ports};
use crate::profile::{Field, FieldState};
use crate::record::{BaselineField, Decision, DecisionKind, KnownAccount, PersonRecord};
use crate::side::{BySide, Side};
use crate::step::{Action, Step};
use crate::time::Time;

impl<P: Ports> Run<'_, P> {
    /// Whether a step is written although the bridge is stopped: a disable is, unless the restore
    /// itself may have caused it. A restored pool shows accounts as disabled that were enabled
    /// since. So a disable there counts only if an event since the restore reported it.
    pub(super) fn may_pass(&self, step: &Step, control: &Control) -> bool {
        let source = step.side.other();
        let restore = control.restores.get(source).filter(|_| control.is_undecided(source));
        let trusted = restore.is_none_or(|it| {
            self.reported_change(source).is_some_and(|reported| reported > it.since)
        });
        step.action == Action::Disable && trusted
    }

    /// The time of the newest change in `side` that a captured event, not a hint, reported.
    fn reported_change(&self, side: Side) -> Option<Time> {
        let action = |evidence: Evidence| evidence != Evidence::Hint;
        let pending =
            self.pending_changes.get(side).as_ref().filter(|pending| action(pending.evidence));
        let here = self.change.side == side && action(self.change.evidence);
        pending.map(|pending| pending.last).max(here.then_some(self.change.at))
    }

    /// After the operator decided to heal a pool: makes its state the baseline, so that the merge
    /// treats it as unchanged and the other pool's value wins. An open intent is dropped with the
    /// old baseline, because the restore came after its writes.
    ///
    /// Exceptions: an account that was modified or reported after the decision (that is its
    /// person's edit), and two accounts that were linked after the restore began.
    pub(super) fn give_way(
        &mut self,
        record: &mut PersonRecord,
        observations: &BySide<Observation>,
        control: &Control,
    ) {
        for side in Side::BOTH {
            let Some((restore, decided)) = control.heals(side, self.now()) else { continue };
            let observation = observations.get(side);
            let before = record.linked.is_some_and(|linked| linked < restore.since);
            let edited = observation.account.modified > decided
                || self.reported_change(side).is_some_and(|reported| reported > decided);
            if !before || edited {
                continue;
            }
            let overruled = self.take_for_unchanged(record, observation);
            if overruled.is_empty() {
                continue;
            }
            record.intent = None;
            let fields = overruled.iter().map(ToString::to_string).collect();
            let decision =
                self.decision(DecisionKind::Conflict, Some(side), Some(Reason::Restored));
            self.decide(record, Decision { fields, ..decision });
        }
    }

    /// Makes the state in `observation` the baseline of every field that could be read. Returns the
    /// fields that had another baseline.
    fn take_for_unchanged(
        &self,
        record: &mut PersonRecord,
        observation: &Observation,
    ) -> BTreeSet<Field> {
        let mut overruled = BTreeSet::new();
        let Some(mut baseline) = record.baseline.clone() else { return overruled };
        let held = observation.profile.present().map(|(field, _)| field.clone());
        let fields: BTreeSet<Field> = held.chain(baseline.fields.keys().cloned()).collect();
        for field in fields {
            let reading = observation.profile.get(&field);
            let Some(rule) = self.bridge.policy.mapping.revision(&field) else { continue };
            if reading == FieldState::Unknown {
                continue;
            }
            let base = baseline.fields.get(&field).filter(|base| base.rule == rule);
            let known = base.is_some() || baseline.rules.contains(&rule);
            let fingerprint = base.and_then(|base| base.fingerprint);
            if !known || self.bridge.keys.is(&record.salt, &field, &reading, fingerprint) {
                continue;
            }
            let fingerprint = record.fingerprint(self.bridge.keys, &field, &reading);
            baseline.fields.insert(field.clone(), BaselineField { fingerprint, rule });
            overruled.insert(field);
        }
        record.baseline = Some(baseline);
        overruled
    }

    /// Whether a restore that the operator heals may have removed this account: it was last seen
    /// before the decision, and no event reported its deletion. Then nothing is removed.
    pub(super) fn taken_by_restore(
        &self,
        side: Side,
        seen: &KnownAccount,
        control: &Control,
    ) -> bool {
        let restore = control.restores.get(side);
        let healed = restore.and_then(|it| {
            let decided = it.decided?;
            (decided.what == crate::restore::AfterRestore::Heal).then_some((it.since, decided.at))
        });
        healed.is_some_and(|(since, decided)| {
            let reported = self.reported_deletion(side).is_some_and(|at| at > since);
            seen.seen <= decided && !reported
        })
    }

    /// Whether a person who was deleted before a restore exists again because of it.
    pub(super) async fn came_back(
        &mut self,
        record: &PersonRecord,
        control: &Control,
    ) -> Result<bool, PortError> {
        let Some(tombstone) = &record.tombstone else { return Ok(false) };
        let restore = control.restores.get(tombstone.side).as_ref();
        if restore.is_none_or(|restore| restore.since <= tombstone.at) {
            return Ok(false);
        }
        let Some(known) = record.accounts.get(tombstone.side).clone() else { return Ok(false) };
        Ok(self.observe(tombstone.side, &known).await?.is_some())
    }

    /// The outcome of an event for a tombstoned person with nothing owed. apply does nothing, but
    /// it reports a person who exists again because of a restore.
    pub(super) async fn outcome_on_return(
        &mut self,
        record: &PersonRecord,
    ) -> Result<Outcome, PortError> {
        let side = record.tombstone.as_ref().map(|tombstone| tombstone.side);
        let hint = self.change.evidence != Evidence::Deleted && side == Some(self.change.side);
        if hint {
            let control = self.ledger().control().await?;
            if self.came_back(record, &control).await? {
                return Ok(Outcome::Held(Reason::BackByRestore));
            }
        }
        Ok(Outcome::Unchanged)
    }

    /// Leaves the other account of a returned person as it is. What the tombstone owes stays
    /// recorded, and an operator decides.
    pub(super) async fn hold_returned(&mut self, mut record: Leased) -> Result<Ended, PortError> {
        let reason = Some(Reason::BackByRestore);
        let side = record.tombstone.as_ref().map(|tombstone| tombstone.side.other());
        if record.reason != reason {
            let decision = self.decision(DecisionKind::Held, side, reason);
            self.decide(&mut record, decision);
            record.reason = reason;
        }
        let released = self.record(record.state, record).await?;
        self.end_deleted(released, Outcome::Held(Reason::BackByRestore)).await
    }
}
