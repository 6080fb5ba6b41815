//! Puts the decision about one field into the plan: its baseline, its write, or why it is blocked.

use std::collections::BTreeMap;

use super::resolve::Merged;
use super::{Plan, PlanInput, factors, resolve, steps};
use crate::fingerprint::Fingerprint;
use crate::limits;
use crate::mapping::Ways;
use crate::merge::{Conflict, MergeDecision};
use crate::outcome::Reason;
use crate::profile::{Field, FieldKind, FieldState};
use crate::record::{
    BaselineField, BlockedField, Decision, DecisionKind, DirectionChanges, IntendedWrite,
};
use crate::side::{BySide, Side};

/// Puts the decision about one field into the plan.
pub(super) fn add(
    input: &PlanInput<'_>,
    plan: &mut Plan,
    wanted: &mut BTreeMap<(Side, Field), FieldState>,
    field: &Field,
    merged: &Merged,
    decision: MergeDecision,
) {
    let quiet_from = resolve::quiet_from(input, field, merged);
    let Merged { says, base, unsettled, rule, .. } = merged;
    let (base, rule, record) = (base.as_ref(), *rule, input.record);
    match decision {
        MergeDecision::Leave => {
            if let Some(intended) = unsettled {
                plan.unsettled.insert(field.clone(), intended.clone());
            }
            // A group that one pool lacks has no members there. If it is created (again) there, it
            // gets the members of the other pool and takes none from it.
            let base = if is_group_missing(input, field) { None } else { base };
            keep_base(plan, field, base, rule);
            block_unreadable(input, plan, field, says);
        }
        MergeDecision::Agree if quiet_from.is_some() => {
            plan.quiet_from = plan.quiet_from.max(quiet_from);
            keep_base(plan, field, base, rule);
        }
        MergeDecision::Agree => {
            let fingerprint = record.fingerprint(input.keys, field, &says.old);
            // In a test, an unread list may read as absent in one pool.
            #[cfg(feature = "planted")]
            let fingerprint =
                fingerprint.or_else(|| record.fingerprint(input.keys, field, &says.new));
            let by_rule = fingerprint.and_then(|_| factors::baseline(input, field));
            set_base(plan, field, by_rule.or(fingerprint), rule);
        }
        MergeDecision::Hold(reason) => {
            keep_base(plan, field, base, rule);
            let side = input.phase.active().other();
            let value = record.fingerprint(input.keys, field, says.get(side.other()));
            block(input, plan, field, reason, side, value);
        }
        MergeDecision::Carry { to, conflict } => {
            carry(input, plan, wanted, field, merged, to, conflict);
        }
    }
}

/// Plans the write of the value in the pool `to`, or blocks the field if it cannot be written.
fn carry(
    input: &PlanInput<'_>,
    plan: &mut Plan,
    wanted: &mut BTreeMap<(Side, Field), FieldState>,
    field: &Field,
    merged: &Merged,
    to: Side,
    conflict: Option<Conflict>,
) {
    let Merged { says, base, not_kept, rule, .. } = merged;
    let (base, rule, record) = (base.as_ref(), *rule, input.record);
    let value = says.get(to.other()).clone();
    #[cfg(feature = "planted")]
    let value = super::planted::without_flag(input, field, value, says.get(to));
    let fingerprint = record.fingerprint(input.keys, field, &value);
    let depends_on = match field {
        Field::Factor(factor) => factors::depends_on(input, *factor, to, &value),
        Field::Enabled | Field::Email | Field::Phone | Field::Attribute(_) | Field::Group(_) => {
            fingerprint
        }
    };
    let refused = not_kept.then_some(Reason::NotKept);
    let refused = refused.or_else(|| steps::refusal(input, plan, field, to, &value, depends_on));
    if let Some(reason) = refused {
        keep_base(plan, field, base, rule);
        block(input, plan, field, reason, to, depends_on);
        return;
    }
    if let Some(reason) = count_direction(input, plan, field, to) {
        keep_base(plan, field, base, rule);
        block(input, plan, field, reason, to, fingerprint);
        return;
    }
    let was = record.fingerprint(input.keys, field, says.get(to));
    set_base(plan, field, was, rule);
    let intended = IntendedWrite { side: to, wanted: fingerprint, was, rule, answered: false };
    plan.writes.insert(field.clone(), intended);
    if matches!(field, Field::Factor(_)) {
        plan.depends_on.insert(field.clone(), depends_on);
        let by_rule = fingerprint.and_then(|_| factors::baseline(input, field));
        if by_rule.is_some() {
            plan.baseline_as.insert(field.clone(), by_rule);
        }
    }
    wanted.insert((to, field.clone()), value);
    record_conflict(input, plan, field, to, conflict);
}

fn set_base(plan: &mut Plan, field: &Field, fingerprint: Option<Fingerprint>, rule: u32) {
    if fingerprint.is_some() || !plan.rules.contains(&rule) {
        plan.bases.insert(field.clone(), BaselineField { fingerprint, rule });
    }
}

/// Keeps the baseline. If an intent was open, this is the value to which it was resolved
/// (`IntentReplacesBaseline`).
fn keep_base(plan: &mut Plan, field: &Field, base: Option<&BaselineField>, rule: u32) {
    match base {
        Some(base) => set_base(plan, field, base.fingerprint, rule),
        // The field still has no baseline. So a rule that serves one field only is not covered.
        None if matches!(field, Field::Group(_) | Field::Factor(_)) => {}
        None => {
            plan.rules.remove(&rule);
        }
    }
}

fn record_conflict(
    input: &PlanInput<'_>,
    plan: &mut Plan,
    field: &Field,
    to: Side,
    conflict: Option<Conflict>,
) {
    let kind = match conflict {
        Some(Conflict::BothChanged) => DecisionKind::Conflict,
        Some(Conflict::FirstLink) => DecisionKind::FirstLinkConflict,
        Some(Conflict::CameBack) => DecisionKind::CameBack,
        Some(Conflict::EditedMeanwhile) => DecisionKind::EditedMeanwhile,
        None => return,
    };
    plan.decisions.push(Decision {
        at: input.now,
        kind,
        fields: vec![field.to_string()],
        side: Some(to),
        reason: None,
    });
}

fn block(
    input: &PlanInput<'_>,
    plan: &mut Plan,
    field: &Field,
    reason: Reason,
    side: Side,
    value: Option<Fingerprint>,
) {
    let before = input.record.blocked_fields.get(field);
    let since = before.filter(|it| it.reason == reason).map_or(input.now, |it| it.since);
    plan.blocked_fields.insert(field.clone(), BlockedField { reason, value, side, since });
}

/// Whether the field is a group that one of the pools does not have.
fn is_group_missing(input: &PlanInput<'_>, field: &Field) -> bool {
    let Field::Group(group) = field else { return false };
    Side::BOTH.iter().any(|side| !input.schemas.get(*side).groups.contains(group))
}

/// Blocks a field that one pool shows and the other cannot, so that a person can repair it.
fn block_unreadable(
    input: &PlanInput<'_>,
    plan: &mut Plan,
    field: &Field,
    says: &BySide<FieldState>,
) {
    for side in Side::BOTH {
        let observation = input.observations.get(side);
        let other = says.get(side.other());
        let value = input.record.fingerprint(input.keys, field, other);
        if let Some(reason) = observation.unsayable.get(field) {
            block(input, plan, field, *reason, side, value);
        } else if let Field::Group(group) = field
            && matches!(other, FieldState::Present(_))
            && !observation.profile.kind_unknown(FieldKind::Groups)
            && !input.schemas.get(side).groups.contains(group)
        {
            block(input, plan, field, Reason::GroupMissing, side, value);
        }
    }
}

/// Counts a change of direction. A field that changes repeatedly without a captured event is held.
fn count_direction(
    input: &PlanInput<'_>,
    plan: &mut Plan,
    field: &Field,
    to: Side,
) -> Option<Reason> {
    if *field == Field::Enabled {
        // A disable is never held, so neither is an enable that undoes it.
        return None;
    }
    let now = input.now;
    let fresh = DirectionChanges { to, count: 0, since: now };
    let before = input.record.direction_changes.get(field).copied();
    let before = before.filter(|direction_changes| {
        now.since(direction_changes.since) < limits::DIRECTION_CHANGES_WINDOW
    });
    let direction_changes = match before {
        _ if *input.captured.get(to.other()) => fresh,
        Some(direction_changes) if direction_changes.to != to => DirectionChanges {
            to,
            count: direction_changes.count.saturating_add(1),
            since: direction_changes.since,
        },
        Some(direction_changes) => direction_changes,
        None => fresh,
    };
    let held = direction_changes.count >= limits::DIRECTION_CHANGES_MAX;
    // The first write of a field is no change of direction. Nothing is kept for fields without one.
    if direction_changes.count > 0 || matches!(input.policy.mapping.ways(field), Ways::Both) {
        plan.direction_changes.insert(field.clone(), direction_changes);
    }
    held.then_some(Reason::Oscillating)
}
