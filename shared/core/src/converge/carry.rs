//! Both accounts are known: observe the other one, plan, store the intent, write, record.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::look::worst;
use super::perform::Performed;
use super::{Round, Run, later};
use crate::account::Shape;
use crate::entry::{Agreed, Decision, DecisionKind, Entry, Intent, Known, State};
use crate::facts::Field;
use crate::fault::Fault;
use crate::law::Rule;
use crate::limits;
use crate::plan::{self, Plan, View};
use crate::policy::Control;
use crate::ports::{Ledger, Ports};
use crate::side::{BySide, Side};
use crate::step::Deed;
use crate::verdict::{Reason, Verdict};

/// Addresses that belong to another person, by the pool that they would be written to.
pub(super) type Taken = BTreeMap<(Side, Field), Reason>;

impl<P: Ports> Run<'_, P> {
    /// Works under the lease on a person with two known accounts, after `first` was observed.
    pub(super) async fn carry(
        &mut self,
        entry: Entry,
        side: Side,
        first: View,
        control: &Control,
    ) -> Result<Round, Fault> {
        let other = side.other();
        let Some(known) = entry.accounts.get(other).clone() else { return Ok(Round::Again) };
        self.read_mark_of(other, &known.sub).await?;
        let began = self.now();
        let Some(second) = self.observe(other, &known).await? else {
            return self.absent(entry, other, began, control).await;
        };
        self.carry_seen(entry, side, first, second, control).await
    }

    /// The same after `second` was observed too, later than `first` and its pending change.
    pub(super) async fn carry_seen(
        &mut self,
        entry: Entry,
        side: Side,
        first: View,
        second: View,
        control: &Control,
    ) -> Result<Round, Fault> {
        let other = side.other();
        let mut views = match side {
            Side::Old => BySide { old: first, new: second },
            Side::New => BySide { old: second, new: first },
        };
        let mut entry = entry;
        // After a restore that the operator heals, what the restore changed is no person's edit.
        self.give_way(&mut entry, &views, control);
        // Before any plan: an account with an outdated password cannot change addresses or factors.
        self.note_passwords(&mut entry, &views, control.phase.active());
        if !self.keeps(Rule::ReadAfresh) {
            self.trust_message(&mut entry, views.get(other));
        }
        let mut shapes = self.bridge.shapes().await?;
        let mut taken = Taken::new();
        let mut plan = self.plan(&entry, &views, control, &shapes, &taken);
        // The account that is written is read last: a person's edit between read and write is
        // overwritten unseen, so the window must be short. That read can reverse the plan.
        for (again, look) in [side, other, side].into_iter().enumerate() {
            let written = plan.written();
            let late_enough = again > 0 && written.contains(&look.other());
            if !written.contains(&look) || late_enough {
                break;
            }
            let Some(known) = entry.accounts.get(look).clone() else { return Ok(Round::Again) };
            let began = self.now();
            match self.observe(look, &known).await? {
                Some(view) => *views.get_mut(look) = view,
                None => return self.absent(entry, look, began, control).await,
            }
            plan = self.plan(&entry, &views, control, &shapes, &taken);
        }
        self.look_up_addresses(&entry, &views, &shapes, &plan, &mut taken).await?;
        if !taken.is_empty() {
            plan = self.plan(&entry, &views, control, &shapes, &taken);
        }
        if self.lost_groups(&plan, &mut shapes, &mut views).await? {
            plan = self.plan(&entry, &views, control, &shapes, &taken);
        }
        if plan.disables() {
            plan.keep_obstacles(&entry);
        }
        if let Some(reason) = self.only_disables(control) {
            // After a restore, a disable may come from the restore itself.
            if !plan.steps.iter().any(|step| self.may_pass(step, control)) {
                return self.wait_for_leave(&entry, &views, reason).await;
            }
            plan.more = true;
            if reason != Reason::Paused {
                plan.keep_only_the_disable(&entry);
            }
        }
        self.do_plan(entry, &views, control, plan).await
    }

    /// Ends the work if only disables are allowed and there is none. If the observation may be too
    /// old to show a disable, apply repeats it as soon as it cannot be (R8,
    /// `SettleBeforeClearing`), instead of waiting until all writes are allowed again.
    async fn wait_for_leave(
        &self,
        entry: &Entry,
        views: &BySide<View>,
        reason: Reason,
    ) -> Result<Round, Fault> {
        self.release(entry).await?;
        let side = self.change.side;
        match self.unsettled(side, views.get(side)) {
            Some(shows) => later(shows.since(self.now()), Reason::Settling),
            None => later(limits::RETRY_SLOWLY, reason),
        }
    }

    /// The planted bug: apply trusts the message about which account changed, so the other account
    /// counts as the baseline, whatever that was.
    fn trust_message(&self, entry: &mut Entry, other: &View) {
        let mut agreed =
            Agreed { rules: self.bridge.policy.mapping.revisions(), ..Agreed::default() };
        for (field, value) in other.facts.held() {
            if let Some(rule) = self.bridge.policy.mapping.revision(field) {
                let print = Some(self.bridge.keys.print(&entry.salt, field, value));
                agreed.fields.insert(field.clone(), crate::entry::Base { print, rule });
            }
        }
        entry.agreed = Some(agreed);
    }

    fn plan(
        &self,
        entry: &Entry,
        views: &BySide<View>,
        control: &Control,
        shapes: &BySide<Arc<Shape>>,
        taken: &Taken,
    ) -> Plan {
        let captured = BySide::from_fn(|side| self.captured(side));
        let changed = BySide::from_fn(|side| self.newest_event(side).map(|(at, _)| at));
        plan::plan(&plan::Question {
            policy: self.bridge.policy,
            keys: self.bridge.keys,
            phase: control.phase,
            shapes,
            views,
            entry,
            captured,
            changed,
            taken,
            now: self.now(),
        })
    }

    /// Stores, performs and records a plan, and clears the pending changes that it settles.
    async fn do_plan(
        &mut self,
        mut entry: Entry,
        views: &BySide<View>,
        control: &Control,
        mut plan: Plan,
    ) -> Result<Round, Fault> {
        let (before, now) = (entry.clone(), self.now());
        Self::note_observations(&mut entry, views);
        self.add_password_steps(&mut entry, views, control, &mut plan).await?;
        if !self.keeps(Rule::R2) {
            forget_resolved(&before, &mut plan);
        }
        for decision in std::mem::take(&mut plan.decisions) {
            self.decide(&mut entry, decision);
        }
        entry.agreed = Some(Agreed { fields: plan.bases.clone(), rules: plan.rules.clone() });
        entry.flips.append(&mut plan.flips);
        // A count whose window is over says nothing about the next change of its field.
        entry.flips.retain(|_, flips| now.since(flips.since) < limits::FLIPS_WINDOW);
        self.note_obstacles(&mut entry, &plan);
        entry.obstacles.clone_from(&plan.obstacles);
        entry.intent = self.intent(&before, views, &plan);
        let mut performed = Performed::default();
        if !plan.steps.is_empty() {
            entry.revision += 1;
            entry.not_before = self.now() + self.bound();
            self.touched = true;
            self.ledger().store(&entry, &self.owner).await?;
            performed = self.perform(&entry, &plan).await;
        }
        self.conclude(&mut entry, &before, &plan, &performed);
        self.tell(&mut entry, &plan, &performed);
        for (side, operation) in &performed.undoable {
            let reason = Some(Reason::RefusedByPool);
            let decision = self.decision(DecisionKind::Refused, Some(*side), reason);
            let fields = vec![(*operation).to_owned()];
            self.decide(&mut entry, Decision { fields, ..decision });
        }
        let verdict = self.verdict(views, &plan, &performed, &mut entry);
        stand(&mut entry, &verdict);
        let next = if plan.steps.is_empty() && same(&before, &entry) {
            self.release(&entry).await?;
            entry.not_before
        } else {
            let next = self.now() + self.bound();
            self.record(before.state, entry).await?;
            next
        };
        let verdict = match verdict {
            // The next observation is useful only when the record allows one.
            Verdict::Later(after, reason) => {
                Verdict::Later(after.max(next.since(self.now())), reason)
            }
            Verdict::Applied | Verdict::AlreadyTrue | Verdict::Held(_) | Verdict::Refused(_) => {
                let BySide { old, new } = views;
                let observed = [(Side::Old, old), (Side::New, new)];
                match self.clear_marks(&observed, next).await? {
                    Some(wait) => Verdict::Later(wait, Reason::Settling),
                    None => verdict,
                }
            }
        };
        Ok(Round::Done(verdict))
    }

    fn note_observations(entry: &mut Entry, views: &BySide<View>) {
        for side in Side::BOTH {
            let view = views.get(side);
            if let Some(known) = entry.accounts.get_mut(side) {
                known.seen = view.began;
                known.gone = None;
                known.username = view.account.username.clone();
            }
            let totp = crate::facts::Factor::Totp;
            let factors = view.account.factors.as_ref();
            *entry.local_factors.get_mut(side) = factors.is_some_and(|it| it.contains(&totp));
        }
    }

    /// The write intent before the first call: the planned writes, and what was not resolved.
    fn intent(&self, before: &Entry, views: &BySide<View>, plan: &Plan) -> Option<Intent> {
        let now = self.now();
        let mut fields = plan.writes.clone();
        fields.extend(plan.unsettled.clone());
        let open = before.intent.as_ref();
        let lease_end = before.lease.as_ref().map_or(now, |lease| lease.until);
        let modified = BySide::from_fn(|side| {
            let kept = plan.unsettled.values().any(|intended| intended.side == side);
            let view = views.get(side);
            let tells_from = plan::date_tells_from(view.account.modified, self.bound());
            let seen = (tells_from <= view.began).then_some(view.account.modified);
            if kept { open.and_then(|open| *open.modified.get(side)) } else { seen }
        });
        (!fields.is_empty()).then_some(Intent { fields, modified, at: now, until: lease_end })
    }

    fn verdict(
        &mut self,
        views: &BySide<View>,
        plan: &Plan,
        performed: &Performed,
        entry: &mut Entry,
    ) -> Verdict {
        let missing = Side::BOTH.iter().find_map(|side| views.get(*side).missing.as_ref());
        if let Some(fault) = performed.fault.as_ref().or(missing) {
            if !self.is_refused_again(entry, fault) {
                return Verdict::from_fault(fault);
            }
            self.decide_failure(entry, self.change.side, fault);
            return Verdict::Held(Reason::Outside(fault.kind));
        }
        entry.failure = None;
        if performed.out_of_time {
            return Verdict::Later(limits::RETRY_SOON, Reason::OutOfTime);
        }
        let password = Deed::SetRandomPassword.operation();
        if performed.undoable.iter().any(|(_, operation)| *operation == password) {
            return Verdict::Held(Reason::RefusedByPool);
        }
        if let Some(wait) = self.password_wait() {
            return Verdict::Later(wait, Reason::Settling);
        }
        let open = !plan.unsettled.is_empty() || !performed.not_shown.is_empty();
        if plan.more || open || entry.owes_password.is_some() {
            return Verdict::Later(self.bound(), Reason::Settling);
        }
        if let Some(quiet) = plan.quiet_from {
            // A pool with a fast clock must not make this wait long.
            let wait = quiet.since(self.now()).min(self.bound() * 2);
            let wait = wait.max(limits::DATE_RESOLUTION);
            return Verdict::Later(wait, Reason::Settling);
        }
        let waits = |field: &Field| {
            entry.obstacles.get(field).is_some_and(|it| it.reason == Reason::AddressWaits)
        };
        if entry.obstacles.keys().any(waits) {
            return Verdict::Later(limits::RETRY_SOON, Reason::AddressWaits);
        }
        let kept_open = entry.passwords.kept_open().map(|(_, reason)| reason);
        match kept_open.or_else(|| worst(&entry.obstacles)) {
            Some(reason) if reason.refuses_value() => Verdict::Refused(reason),
            Some(reason) => Verdict::Held(reason),
            None if performed.written.is_empty() => Verdict::AlreadyTrue,
            None => Verdict::Applied,
        }
    }

    /// Newly blocked fields are decisions that `explain` shows.
    fn note_obstacles(&mut self, entry: &mut Entry, plan: &Plan) {
        let mut news: BTreeMap<(Reason, Side), Vec<String>> = BTreeMap::new();
        for (field, obstacle) in &plan.obstacles {
            let known = entry.obstacles.get(field).map(|it| it.reason);
            if known != Some(obstacle.reason) {
                let names = news.entry((obstacle.reason, obstacle.side)).or_default();
                names.push(field.to_string());
            }
        }
        let at = self.now();
        for ((reason, side), fields) in news {
            let kind = DecisionKind::Held;
            let (side, reason) = (Some(side), Some(reason));
            self.decide(entry, Decision { at, kind, fields, side, reason });
        }
    }
}

/// The planted bug against R2 (`IntentReplacesBaseline`): fields of an open intent without a
/// planned write keep their old baseline.
fn forget_resolved(before: &Entry, plan: &mut Plan) {
    let Some(intent) = &before.intent else { return };
    for field in intent.fields.keys().filter(|field| !plan.writes.contains_key(*field)) {
        let base = before.agreed.as_ref().and_then(|agreed| agreed.fields.get(field));
        match base {
            Some(base) => plan.bases.insert(field.clone(), base.clone()),
            None => plan.bases.remove(field),
        };
    }
}

/// Sets the state of a person after an outcome.
fn stand(entry: &mut Entry, verdict: &Verdict) {
    (entry.state, entry.reason) = match verdict {
        Verdict::Applied | Verdict::AlreadyTrue => (State::Synced, None),
        Verdict::Later(_, reason) => (State::Waiting, Some(*reason)),
        Verdict::Held(Reason::Conflict) => (State::Conflict, Some(Reason::Conflict)),
        Verdict::Held(reason) | Verdict::Refused(reason) => (State::Held, Some(*reason)),
    };
}

/// Whether two records are equal except for times of observation. Then nothing must be recorded.
fn same(before: &Entry, after: &Entry) -> bool {
    let plain = |entry: &Entry| {
        let mut entry = entry.clone();
        for side in Side::BOTH {
            if let Some(Known { seen, .. }) = entry.accounts.get_mut(side) {
                *seen = crate::time::Time::ZERO;
            }
        }
        entry.flips = BTreeMap::new();
        entry
    };
    plain(before) == plain(after)
}
