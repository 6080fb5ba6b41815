//! Both accounts are known: observe the other one, plan, store the intent, write, record.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Run;
use super::lease::{Ended, Leased};
use super::observe::worst;
use super::perform::Performed;
use crate::account::PoolSchema;
use crate::control::Control;
use crate::error::PortError;
use crate::limits;
use crate::outcome::{Outcome, Reason};
use crate::plan::{self, Observation, Plan};
use crate::ports::Ports;
use crate::profile::Field;
use crate::record::{
    Baseline, Decision, DecisionKind, KnownAccount, PersonRecord, PersonState, WriteIntent,
};
use crate::side::{BySide, Side};
use crate::step::Action;

/// Addresses that belong to another person, by the pool that they would be written to.
pub(super) type Taken = BTreeMap<(Side, Field), Reason>;

impl<P: Ports> Run<'_, P> {
    /// Works under the lease on a person with two known accounts, after `first` was observed.
    pub(super) async fn carry(
        &mut self,
        record: Leased,
        side: Side,
        first: Observation,
        control: &Control,
    ) -> Result<Ended, PortError> {
        let other = side.other();
        let Some(known) = record.accounts.get(other).clone() else {
            return Ok(record.keep_for_next_round());
        };
        self.read_pending_of(other, &known.sub).await?;
        let began = self.now();
        let Some(second) = self.observe(other, &known).await? else {
            return self.absent(record, other, began, control).await;
        };
        self.carry_seen(record, side, first, second, control).await
    }

    /// The same after `second` was observed too, later than `first` and its pending change.
    pub(super) async fn carry_seen(
        &mut self,
        mut record: Leased,
        side: Side,
        first: Observation,
        second: Observation,
        control: &Control,
    ) -> Result<Ended, PortError> {
        let other = side.other();
        let mut observations = match side {
            Side::Old => BySide { old: first, new: second },
            Side::New => BySide { old: second, new: first },
        };
        // After a restore that the operator heals, what the restore changed is no person's edit.
        self.give_way(&mut record, &observations, control);
        // Before any plan: an account with an outdated password cannot change addresses or factors.
        self.note_passwords(&mut record, &observations, control.phase.active());
        #[cfg(feature = "planted")]
        self.trust_message(&mut record, observations.get(other));
        let mut schemas = self.bridge.schemas().await?;
        let mut taken = Taken::new();
        let mut plan = self.plan(&record, &observations, control, &schemas, &taken);
        // The account that is written is read last: a person's edit between read and write is
        // overwritten unseen, so the window must be short. That read can reverse the plan.
        for (again, observe) in [side, other, side].into_iter().enumerate() {
            let written = plan.written();
            let late_enough = again > 0 && written.contains(&observe.other());
            if !written.contains(&observe) || late_enough {
                break;
            }
            let Some(known) = record.accounts.get(observe).clone() else {
                return Ok(record.keep_for_next_round());
            };
            let began = self.now();
            match self.observe(observe, &known).await? {
                Some(observation) => *observations.get_mut(observe) = observation,
                None => return self.absent(record, observe, began, control).await,
            }
            plan = self.plan(&record, &observations, control, &schemas, &taken);
        }
        self.find_address_owners(&record, &observations, &schemas, &plan, &mut taken).await?;
        if !taken.is_empty() {
            plan = self.plan(&record, &observations, control, &schemas, &taken);
        }
        if self.lost_groups(&plan, &mut schemas, &mut observations).await? {
            plan = self.plan(&record, &observations, control, &schemas, &taken);
        }
        if plan.disables() {
            plan.keep_blocked(&record);
        }
        if let Some(reason) = self.only_disables(control) {
            // After a restore, a disable may come from the restore itself.
            if !plan.steps.iter().any(|step| self.may_pass(step, control)) {
                return self.wait_for_writes(record, &observations, reason).await;
            }
            plan.more = true;
            if reason != Reason::Paused {
                plan.keep_only_the_disable(&record);
            }
        }
        self.do_plan(record, &observations, control, plan).await
    }

    /// Ends the work if only disables are allowed and there is none. If the observation may be too
    /// old to show a disable, apply repeats it as soon as it cannot be (`SettleBeforeClearing`),
    /// instead of waiting until all writes are allowed again.
    async fn wait_for_writes(
        &self,
        record: Leased,
        observations: &BySide<Observation>,
        reason: Reason,
    ) -> Result<Ended, PortError> {
        let released = self.release(record).await?;
        let side = self.change.side;
        Ok(match self.unsettled(side, observations.get(side)) {
            Some(shows) => released.later(shows.since(self.now()), Reason::Settling),
            None => released.later(limits::RETRY_SLOWLY, reason),
        })
    }

    fn plan(
        &self,
        record: &PersonRecord,
        observations: &BySide<Observation>,
        control: &Control,
        schemas: &BySide<Arc<PoolSchema>>,
        taken: &Taken,
    ) -> Plan {
        let captured = BySide::from_fn(|side| self.captured(side));
        let changed = BySide::from_fn(|side| self.newest_event(side).map(|(at, _)| at));
        plan::plan(&plan::PlanInput {
            policy: self.bridge.policy,
            keys: self.bridge.keys,
            phase: control.phase,
            schemas,
            observations,
            record,
            captured,
            changed,
            taken,
            now: self.now(),
        })
    }

    /// Stores, performs and records a plan, and clears the pending changes that it settles.
    async fn do_plan(
        &mut self,
        mut record: Leased,
        observations: &BySide<Observation>,
        control: &Control,
        mut plan: Plan,
    ) -> Result<Ended, PortError> {
        let (before, now) = (record.clone(), self.now());
        Self::note_observations(&mut record, observations);
        self.add_password_steps(&mut record, observations, control, &mut plan).await?;
        #[cfg(feature = "planted")]
        self.keep_old_baseline(&before, &mut plan);
        for decision in std::mem::take(&mut plan.decisions) {
            self.decide(&mut record, decision);
        }
        record.baseline = Some(Baseline { fields: plan.bases.clone(), rules: plan.rules.clone() });
        record.direction_changes.append(&mut plan.direction_changes);
        // A count whose window is over says nothing about the next change of its field.
        record.direction_changes.retain(|_, direction_changes| {
            now.since(direction_changes.since) < limits::DIRECTION_CHANGES_WINDOW
        });
        self.note_blocked(&mut record, &plan);
        record.blocked_fields.clone_from(&plan.blocked_fields);
        record.intent = self.intent(&before, observations, &plan);
        let mut performed = Performed::default();
        if !plan.steps.is_empty() {
            record.not_before = self.now() + self.bound();
            self.store(&mut record).await?;
            performed = self.perform(&record, &plan).await;
        }
        self.conclude(&mut record, &before, &plan, &performed);
        self.note_done(&mut record, &plan, &performed);
        for (side, operation) in &performed.undoable {
            let reason = Some(Reason::RefusedByPool);
            let decision = self.decision(DecisionKind::Rejected, Some(*side), reason);
            let fields = vec![(*operation).to_owned()];
            self.decide(&mut record, Decision { fields, ..decision });
        }
        let outcome = self.outcome(observations, &plan, &performed, &mut record);
        note_outcome(&mut record, &outcome);
        let (released, next) = if plan.steps.is_empty() && same(&before, &record) {
            let next = record.not_before;
            (self.release(record).await?, next)
        } else {
            let next = self.now() + self.bound();
            (self.record(before.state, record).await?, next)
        };
        let outcome = match outcome {
            // The next observation is useful only when the record allows one.
            Outcome::Retry(after, reason) => {
                Outcome::Retry(after.max(next.since(self.now())), reason)
            }
            Outcome::Applied | Outcome::Unchanged | Outcome::Held(_) | Outcome::Rejected(_) => {
                let BySide { old, new } = observations;
                let observed = [(Side::Old, old), (Side::New, new)];
                match self.clear_pending_changes(&observed, next).await? {
                    Some(wait) => Outcome::Retry(wait, Reason::Settling),
                    None => outcome,
                }
            }
        };
        Ok(released.done(outcome))
    }

    fn note_observations(record: &mut PersonRecord, observations: &BySide<Observation>) {
        for side in Side::BOTH {
            let observation = observations.get(side);
            if let Some(known) = record.accounts.get_mut(side) {
                known.seen = observation.began;
                known.gone = None;
                known.username = observation.account.username.clone();
            }
            let totp = crate::profile::Factor::Totp;
            let factors = observation.account.factors.as_ref();
            *record.local_factors.get_mut(side) = factors.is_some_and(|it| it.contains(&totp));
        }
    }

    /// The write intent before the first call: the planned writes, and what was not resolved.
    fn intent(
        &self,
        before: &PersonRecord,
        observations: &BySide<Observation>,
        plan: &Plan,
    ) -> Option<WriteIntent> {
        let now = self.now();
        let mut fields = plan.writes.clone();
        fields.extend(plan.unsettled.clone());
        let open = before.intent.as_ref();
        let lease_end = before.lease.as_ref().map_or(now, |lease| lease.until);
        let modified = BySide::from_fn(|side| {
            let kept = plan.unsettled.values().any(|intended| intended.side == side);
            let observation = observations.get(side);
            let shown_from = plan::date_tells_from(observation.account.modified, self.bound());
            let seen = (shown_from <= observation.began).then_some(observation.account.modified);
            if kept { open.and_then(|open| *open.modified.get(side)) } else { seen }
        });
        (!fields.is_empty()).then_some(WriteIntent { fields, modified, at: now, until: lease_end })
    }

    fn outcome(
        &mut self,
        observations: &BySide<Observation>,
        plan: &Plan,
        performed: &Performed,
        record: &mut PersonRecord,
    ) -> Outcome {
        let missing = Side::BOTH.iter().find_map(|side| observations.get(*side).missing.as_ref());
        if let Some(error) = performed.error.as_ref().or(missing) {
            if !self.is_refused_again(record, error) {
                return Outcome::from_error(error);
            }
            self.decide_failure(record, self.change.side, error);
            return Outcome::Held(Reason::PortError(error.kind));
        }
        record.failure = None;
        if performed.out_of_time {
            return Outcome::Retry(limits::RETRY_SOON, Reason::OutOfTime);
        }
        let password = Action::SetRandomPassword.operation();
        if performed.undoable.iter().any(|(_, operation)| *operation == password) {
            return Outcome::Held(Reason::RefusedByPool);
        }
        if let Some(wait) = self.password_wait() {
            return Outcome::Retry(wait, Reason::Settling);
        }
        let open = !plan.unsettled.is_empty() || !performed.not_shown.is_empty();
        if plan.more || open || record.owes_password.is_some() {
            return Outcome::Retry(self.bound(), Reason::Settling);
        }
        if let Some(quiet) = plan.quiet_from {
            // A pool with a fast clock must not make this wait long.
            let wait = quiet.since(self.now()).min(self.bound() * 2);
            let wait = wait.max(limits::DATE_RESOLUTION);
            return Outcome::Retry(wait, Reason::Settling);
        }
        let waits = |field: &Field| {
            record.blocked_fields.get(field).is_some_and(|it| it.reason == Reason::AddressWaits)
        };
        if record.blocked_fields.keys().any(waits) {
            return Outcome::Retry(limits::RETRY_SOON, Reason::AddressWaits);
        }
        let kept_open = record.passwords.kept_open().map(|(_, reason)| reason);
        match kept_open.or_else(|| worst(&record.blocked_fields)) {
            Some(reason) if reason.refuses_value() => Outcome::Rejected(reason),
            Some(reason) => Outcome::Held(reason),
            None if performed.written.is_empty() => Outcome::Unchanged,
            None => Outcome::Applied,
        }
    }

    /// Newly blocked fields are decisions that `explain` shows.
    fn note_blocked(&mut self, record: &mut PersonRecord, plan: &Plan) {
        let mut news: BTreeMap<(Reason, Side), Vec<String>> = BTreeMap::new();
        for (field, blocked_field) in &plan.blocked_fields {
            let known = record.blocked_fields.get(field).map(|it| it.reason);
            if known != Some(blocked_field.reason) {
                let names = news.entry((blocked_field.reason, blocked_field.side)).or_default();
                names.push(field.to_string());
            }
        }
        let at = self.now();
        for ((reason, side), fields) in news {
            let kind = DecisionKind::Held;
            let (side, reason) = (Some(side), Some(reason));
            self.decide(record, Decision { at, kind, fields, side, reason });
        }
    }
}

/// Sets the state of a person after an outcome.
fn note_outcome(record: &mut PersonRecord, outcome: &Outcome) {
    (record.state, record.reason) = match outcome {
        Outcome::Applied | Outcome::Unchanged => (PersonState::Synced, None),
        Outcome::Retry(_, reason) => (PersonState::Waiting, Some(*reason)),
        Outcome::Held(Reason::Conflict) => (PersonState::Conflict, Some(Reason::Conflict)),
        Outcome::Held(reason) | Outcome::Rejected(reason) => (PersonState::Held, Some(*reason)),
    };
}

/// Whether two records are equal except for times of observation. Then nothing must be recorded.
fn same(before: &PersonRecord, after: &PersonRecord) -> bool {
    let plain = |record: &PersonRecord| {
        let mut record = record.clone();
        for side in Side::BOTH {
            if let Some(KnownAccount { seen, .. }) = record.accounts.get_mut(side) {
                *seen = crate::time::Time::ZERO;
            }
        }
        record.direction_changes = BTreeMap::new();
        record
    };
    plain(before) == plain(after)
}
