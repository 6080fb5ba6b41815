//! Makes steps of the wanted values, in a safe order, and finds values that a pool cannot hold.

use std::collections::BTreeMap;

use super::{Plan, PlanInput, factors};
use crate::fingerprint::Fingerprint;
use crate::limits;
use crate::names::AttributeName;
use crate::outcome::Reason;
use crate::profile::{Field, FieldState, Value};
use crate::record::BlockedField;
use crate::side::Side;
use crate::step::{Action, Step};

/// Why `to` cannot get this value, if that is so.
pub(super) fn refusal(
    input: &PlanInput<'_>,
    plan: &Plan,
    field: &Field,
    to: Side,
    value: &FieldState,
    fingerprint: Option<Fingerprint>,
) -> Option<Reason> {
    let record = input.record;
    if let Field::Factor(factor) = field {
        return factors::refusal(input, plan, *factor, to, value, fingerprint);
    }
    if let Some(reason) = input.taken.get(&(to, field.clone())) {
        return Some(*reason);
    }
    // A value that the pool rejected or did not keep is not written again until it changes or an
    // operator runs `retry`.
    let refused = |it: &&BlockedField| {
        let by_pool =
            matches!(it.reason, Reason::RefusedByPool | Reason::NotKept | Reason::PortError(_));
        by_pool && it.value == fingerprint && it.side == to
    };
    if let Some(blocked_field) = record.blocked_fields.get(field).filter(refused) {
        return Some(blocked_field.reason);
    }
    let stale = record.passwords.stale(record.linked) == Some(to.other());
    match field {
        Field::Enabled | Field::Group(_) | Field::Factor(_) => None,
        Field::Email | Field::Phone if stale => Some(Reason::StaleSide),
        Field::Email | Field::Phone | Field::Attribute(_) => {
            let mapping = &input.policy.mapping;
            let account = &input.observations.get(to).account;
            let attributes = match mapping.attributes_over(to, field, value, account) {
                Ok(attributes) => attributes,
                Err(reason) => return Some(reason),
            };
            attributes
                .iter()
                .find_map(|(name, text)| unholdable(input, to, name, text))
                .or_else(|| sends_code(input, field, to, value))
        }
    }
}

/// Why that attribute cannot get that text in that pool.
fn unholdable(
    input: &PlanInput<'_>,
    side: Side,
    name: &AttributeName,
    text: &str,
) -> Option<Reason> {
    let schema = &input.schemas.get(side).attributes;
    // If the pool shows no schema at all, the write itself gives the answer.
    if schema.is_empty() {
        return None;
    }
    let Some(schema) = schema.get(name) else { return Some(Reason::NotInSchema) };
    if !schema.mutable {
        return Some(Reason::Immutable);
    }
    schema.refusal(text)
}

/// An unverified address waits if the pool would send a code because of the write. It also waits if
/// users sign in with it: then neither address would work.
fn sends_code(
    input: &PlanInput<'_>,
    field: &Field,
    to: Side,
    value: &FieldState,
) -> Option<Reason> {
    let name = input.policy.mapping.attribute(to, field)?;
    let schema = input.schemas.get(to);
    let unproved = matches!(value, FieldState::Present(Value::Address { verified: false, .. }));
    let speaks = schema.verified_by_code.contains(name) || schema.signs_in_by(name);
    (unproved && speaks).then_some(Reason::AddressUnverified)
}

/// Makes the steps and puts them in order. A disable comes first and alone. Then come memberships,
/// which do not move the account's last-modified time. Then, each in a plan of its own, come an
/// enable, the attributes, and the factors, which do move it. So a crash before a field was written
/// does not move the time, and if it moved, the person undid the write
/// (`AmbiguousRevertIsConflict`). Factors come last, because a pool accepts no SMS factor before it
/// has the phone number. They also wait if poolbridge still owes the account a first password,
/// without which it is not confirmed.
pub(super) fn arrange(
    input: &PlanInput<'_>,
    plan: &mut Plan,
    wanted: &BTreeMap<(Side, Field), FieldState>,
) {
    let disables: Vec<Step> = wanted
        .iter()
        .filter(|((_, field), value)| *field == Field::Enabled && **value == no())
        .map(|((side, _), _)| Step { side: *side, action: Action::Disable })
        .collect();
    if !disables.is_empty() {
        plan.more = plan.writes.len() > disables.len();
        plan.writes.retain(|field, _| *field == Field::Enabled);
        plan.steps = disables;
        return;
    }
    let mut steps = Vec::new();
    for side in Side::BOTH {
        arrange_side(input, plan, wanted, side, &mut steps);
    }
    if plan.writes.len() < wanted.len() {
        // A field that waits for the next plan is not written in this one, in either pool.
        steps.retain(|step| {
            step.action.fields().iter().all(|field| plan.writes.contains_key(field))
        });
    }
    if steps.len() > limits::STEPS_MAX {
        plan.more = true;
        steps.truncate(limits::STEPS_MAX);
        let fields: Vec<Field> = steps.iter().flat_map(|step| step.action.fields()).collect();
        plan.writes.retain(|field, _| fields.contains(field));
    }
    plan.steps = steps;
}

/// Adds the steps in one pool. Fields that wait for the next plan are removed from `plan.writes`.
fn arrange_side(
    input: &PlanInput<'_>,
    plan: &mut Plan,
    wanted: &BTreeMap<(Side, Field), FieldState>,
    side: Side,
    steps: &mut Vec<Step>,
) {
    let of_side = || wanted.iter().filter(move |((to, _), _)| *to == side);
    for ((_, field), value) in of_side() {
        if let Field::Group(group) = field {
            let group = group.clone();
            let action = match value.value() {
                Some(_) => Action::AddToGroup(group),
                None => Action::RemoveFromGroup(group),
            };
            steps.push(Step { side, action });
        }
    }
    let mut fields = BTreeMap::new();
    let mut factors = BTreeMap::new();
    for ((_, field), value) in of_side() {
        let account = &input.observations.get(side).account;
        let mapping = &input.policy.mapping;
        if let Ok(attributes) = mapping.attributes_over(side, field, value, account) {
            fields.insert(field.clone(), attributes);
        } else if let Field::Factor(factor) = field {
            factors.insert(*factor, value.value().is_some());
        }
    }
    let enable = wanted.contains_key(&(side, Field::Enabled));
    let owed = input.record.owes_password == Some(side);
    if enable && !fields.is_empty() {
        plan.more = true;
        plan.writes.retain(|field, _| !fields.contains_key(field));
    }
    if !factors.is_empty() && (enable || owed || !fields.is_empty()) {
        plan.more = true;
        plan.writes.retain(|field, _| !matches!(field, Field::Factor(_)));
    } else if !factors.is_empty() {
        steps.push(Step { side, action: Action::SetFactors(factors) });
    }
    if enable {
        steps.push(Step { side, action: Action::Enable });
    } else if !fields.is_empty() {
        steps.push(Step { side, action: Action::SetAttributes { fields } });
    }
}

const fn no() -> FieldState {
    FieldState::Present(Value::Flag(false))
}
