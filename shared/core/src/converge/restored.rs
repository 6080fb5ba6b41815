//! The effect of a restore to a point in time on one person (invariant 7). The restored pool shows
//! old values, lacks accounts that were created later, and shows deleted accounts again. None of
//! that is a person's edit.

use std::collections::BTreeSet;

use super::{Round, Run};
use crate::change::Proof;
use crate::entry::{Base, Decision, DecisionKind, Entry, Known};
use crate::facts::{Field, Reading};
use crate::fault::Fault;
use crate::plan::View;
use crate::policy::Control;
use crate::ports::{Ledger, Ports};
use crate::side::{BySide, Side};
use crate::step::{Deed, Step};
use crate::time::Time;
use crate::verdict::{Reason, Verdict};

impl<P: Ports> Run<'_, P> {
    /// Whether a step is written although the bridge is stopped: a disable is, unless the restore
    /// itself may have caused it. A restored pool shows accounts as disabled that were enabled
    /// since. So a disable there counts only if an event since the restore reported it.
    pub(super) fn may_pass(&self, step: &Step, control: &Control) -> bool {
        let source = step.side.other();
        let restore = control.restores.get(source).filter(|_| control.is_undecided(source));
        let trusted =
            restore.is_none_or(|it| self.told_of(source).is_some_and(|told| told > it.since));
        step.deed == Deed::Disable && trusted
    }

    /// The time of the newest change in `side` that a captured event, not a hint, reported.
    fn told_of(&self, side: Side) -> Option<Time> {
        let deed = |proof: Proof| proof != Proof::Hint;
        let mark = self.marks.get(side).as_ref().filter(|mark| deed(mark.proof));
        let here = self.change.side == side && deed(self.change.proof);
        mark.map(|mark| mark.last).max(here.then_some(self.change.at))
    }

    /// After the operator decided to heal a pool: makes its state the baseline, so that the merge
    /// treats it as unchanged and the other pool's value wins. An open intent is dropped with the
    /// old baseline, because the restore came after its writes.
    ///
    /// Exceptions: an account that was modified or reported after the decision (that is its
    /// person's edit), and two accounts that were linked after the restore began.
    pub(super) fn give_way(&mut self, entry: &mut Entry, views: &BySide<View>, control: &Control) {
        for side in Side::BOTH {
            let Some((restore, decided)) = control.heals(side, self.now()) else { continue };
            let view = views.get(side);
            let before = entry.linked.is_some_and(|linked| linked < restore.since);
            let edited = view.account.modified > decided
                || self.told_of(side).is_some_and(|told| told > decided);
            if !before || edited {
                continue;
            }
            let overruled = self.take_for_unchanged(entry, view);
            if overruled.is_empty() {
                continue;
            }
            entry.intent = None;
            let fields = overruled.iter().map(ToString::to_string).collect();
            let decision =
                self.decision(DecisionKind::Conflict, Some(side), Some(Reason::Restored));
            self.decide(entry, Decision { fields, ..decision });
        }
    }

    /// Makes the state in `view` the baseline of every field that could be read. Returns the fields
    /// that had another baseline.
    fn take_for_unchanged(&self, entry: &mut Entry, view: &View) -> BTreeSet<Field> {
        let mut overruled = BTreeSet::new();
        let Some(mut agreed) = entry.agreed.clone() else { return overruled };
        let held = view.facts.held().map(|(field, _)| field.clone());
        let fields: BTreeSet<Field> = held.chain(agreed.fields.keys().cloned()).collect();
        for field in fields {
            let reading = view.facts.get(&field);
            let Some(rule) = self.bridge.policy.mapping.revision(&field) else { continue };
            if reading == Reading::Unread {
                continue;
            }
            let base = agreed.fields.get(&field).filter(|base| base.rule == rule);
            let known = base.is_some() || agreed.rules.contains(&rule);
            let print = base.and_then(|base| base.print);
            if !known || self.bridge.keys.is(&entry.salt, &field, &reading, print) {
                continue;
            }
            let print = entry.print(self.bridge.keys, &field, &reading);
            agreed.fields.insert(field.clone(), Base { print, rule });
            overruled.insert(field);
        }
        entry.agreed = Some(agreed);
        overruled
    }

    /// Whether a restore that the operator heals may have removed this account: it was last seen
    /// before the decision, and no event reported its deletion. Then nothing is removed.
    pub(super) fn taken_by_restore(&self, side: Side, seen: &Known, control: &Control) -> bool {
        let restore = control.restores.get(side);
        let healed = restore.and_then(|it| {
            let decided = it.decided?;
            (decided.what == crate::restore::AfterRestore::Heal).then_some((it.since, decided.at))
        });
        healed.is_some_and(|(since, decided)| {
            let told = self.told_deleted(side).is_some_and(|at| at > since);
            seen.seen <= decided && !told
        })
    }

    /// Whether a person who was deleted before a restore exists again because of it.
    pub(super) async fn came_back(
        &mut self,
        entry: &Entry,
        control: &Control,
    ) -> Result<bool, Fault> {
        let Some(tombstone) = &entry.tombstone else { return Ok(false) };
        let restore = control.restores.get(tombstone.side).as_ref();
        if restore.is_none_or(|restore| restore.since <= tombstone.at) {
            return Ok(false);
        }
        let Some(known) = entry.accounts.get(tombstone.side).clone() else { return Ok(false) };
        Ok(self.observe(tombstone.side, &known).await?.is_some())
    }

    /// The outcome of an event for a tombstoned person with nothing owed. apply does nothing, but
    /// it reports a person who exists again because of a restore.
    pub(super) async fn verdict_on_return(&mut self, entry: &Entry) -> Result<Verdict, Fault> {
        let side = entry.tombstone.as_ref().map(|tombstone| tombstone.side);
        let hint = self.change.proof != Proof::Deleted && side == Some(self.change.side);
        if hint {
            let control = self.ledger().control().await?;
            if self.came_back(entry, &control).await? {
                return Ok(Verdict::Held(Reason::BackByRestore));
            }
        }
        Ok(Verdict::AlreadyTrue)
    }

    /// Leaves the other account of a returned person as it is. What the tombstone owes stays
    /// recorded, and an operator decides.
    pub(super) async fn hold_returned(&mut self, mut entry: Entry) -> Result<Round, Fault> {
        let reason = Some(Reason::BackByRestore);
        let side = entry.tombstone.as_ref().map(|tombstone| tombstone.side.other());
        if entry.reason != reason {
            let decision = self.decision(DecisionKind::Held, side, reason);
            self.decide(&mut entry, decision);
            entry.reason = reason;
        }
        self.record(entry.state, entry.clone()).await?;
        self.laid_to_rest(&entry, Verdict::Held(Reason::BackByRestore)).await
    }
}
