//! From "what goes where" to deeds, in a safe order; and what a pool cannot hold.

use std::collections::BTreeMap;

use super::{Plan, Question, factors};
use crate::entry::Obstacle;
use crate::facts::{Field, Reading, Value};
use crate::fingerprint::Print;
use crate::limits;
use crate::names::AttributeName;
use crate::side::Side;
use crate::step::{Deed, Step};
use crate::verdict::Reason;

/// Why `to` cannot be given this value, if it cannot.
pub(super) fn refusal(
    question: &Question<'_>,
    plan: &Plan,
    field: &Field,
    to: Side,
    value: &Reading,
    print: Print,
) -> Option<Reason> {
    let entry = question.entry;
    if let Field::Factor(factor) = field {
        return factors::refusal(question, plan, *factor, to, value, print);
    }
    if let Some(reason) = question.taken.get(&(to, field.clone())) {
        return Some(*reason);
    }
    // What the pool refused or did not keep is not written again, until the value changes or an
    // operator says so.
    let refused = |it: &&Obstacle| {
        let by_pool =
            matches!(it.reason, Reason::RefusedByPool | Reason::NotKept | Reason::Outside(_));
        by_pool && it.value == print && it.side == to
    };
    if let Some(obstacle) = entry.obstacles.get(field).filter(refused) {
        return Some(obstacle.reason);
    }
    let stale = entry.passwords.stale(entry.linked) == Some(to.other());
    match field {
        Field::Enabled | Field::Group(_) | Field::Factor(_) => None,
        Field::Email | Field::Phone if stale => Some(Reason::StaleSide),
        Field::Email | Field::Phone | Field::Attribute(_) => {
            let mapping = &question.policy.mapping;
            let account = &question.views.get(to).account;
            let attributes = match mapping.attributes_over(to, field, value, account) {
                Ok(attributes) => attributes,
                Err(reason) => return Some(reason),
            };
            attributes
                .iter()
                .find_map(|(name, text)| unholdable(question, to, name, text))
                .or_else(|| sends_code(question, field, to, value))
        }
    }
}

/// Why that attribute cannot be changed to that text there.
fn unholdable(
    question: &Question<'_>,
    side: Side,
    name: &AttributeName,
    text: &str,
) -> Option<Reason> {
    let schema = &question.shapes.get(side).attributes;
    // A pool that shows no schema at all is asked and answers by itself.
    if schema.is_empty() {
        return None;
    }
    let Some(shape) = schema.get(name) else { return Some(Reason::NotInSchema) };
    if !shape.mutable {
        return Some(Reason::Immutable);
    }
    shape.refusal(text)
}

/// An unverified address waits where the pool would answer the write by sending a code, or where it
/// signs people in (nobody could use either address then).
fn sends_code(question: &Question<'_>, field: &Field, to: Side, value: &Reading) -> Option<Reason> {
    let name = question.policy.mapping.attribute(to, field)?;
    let shape = question.shapes.get(to);
    let unproved = matches!(value, Reading::Held(Value::Address { verified: false, .. }));
    let speaks = shape.verified_by_code.contains(name) || shape.signs_in_by(name);
    (unproved && speaks).then_some(Reason::AddressUnverified)
}

/// Makes the deeds and puts them in order: a disable first and alone; then memberships, which do not
/// move the account's last-modified; then, each in a plan of its own, an enable, the attributes, and the
/// factors, which do. So a crash before a field was written leaves last-modified alone, and what moved it
/// was the person's own undo (R4). Factors come last, since a pool takes no SMS factor before the phone
/// number is there. They wait as well where we still owe the account a password, without which it is not
/// confirmed.
pub(super) fn arrange(
    question: &Question<'_>,
    plan: &mut Plan,
    wanted: &BTreeMap<(Side, Field), Reading>,
) {
    let disables: Vec<Step> = wanted
        .iter()
        .filter(|((_, field), value)| *field == Field::Enabled && **value == no())
        .map(|((side, _), _)| Step { side: *side, deed: Deed::Disable })
        .collect();
    if !disables.is_empty() {
        plan.more = plan.writes.len() > disables.len();
        plan.writes.retain(|field, _| *field == Field::Enabled);
        plan.steps = disables;
        return;
    }
    let mut steps = Vec::new();
    for side in Side::BOTH {
        let of_side = || wanted.iter().filter(move |((to, _), _)| *to == side);
        for ((_, field), value) in of_side() {
            if let Field::Group(group) = field {
                let group = group.clone();
                let deed = match value.value() {
                    Some(_) => Deed::AddToGroup(group),
                    None => Deed::RemoveFromGroup(group),
                };
                steps.push(Step { side, deed });
            }
        }
        let mut fields = BTreeMap::new();
        let mut factors = BTreeMap::new();
        for ((_, field), value) in of_side() {
            let account = &question.views.get(side).account;
            let mapping = &question.policy.mapping;
            if let Ok(attributes) = mapping.attributes_over(side, field, value, account) {
                fields.insert(field.clone(), attributes);
            } else if let Field::Factor(factor) = field {
                factors.insert(*factor, value.value().is_some());
            }
        }
        let enable = wanted.contains_key(&(side, Field::Enabled));
        let owed = question.entry.owes_password == Some(side);
        if enable && !fields.is_empty() {
            plan.more = true;
            plan.writes.retain(|field, _| !fields.contains_key(field));
        }
        if !factors.is_empty() && (enable || owed || !fields.is_empty()) {
            plan.more = true;
            plan.writes.retain(|field, _| !matches!(field, Field::Factor(_)));
        } else if !factors.is_empty() {
            steps.push(Step { side, deed: Deed::SetFactors(factors) });
        }
        if enable {
            steps.push(Step { side, deed: Deed::Enable });
        } else if !fields.is_empty() {
            steps.push(Step { side, deed: Deed::SetAttributes { fields } });
        }
    }
    if plan.writes.len() < wanted.len() {
        // What waits for the next plan is not done in this one on either side.
        steps.retain(|step| step.deed.fields().iter().all(|field| plan.writes.contains_key(field)));
    }
    if steps.len() > limits::STEPS_MAX {
        plan.more = true;
        steps.truncate(limits::STEPS_MAX);
        let fields: Vec<Field> = steps.iter().flat_map(|step| step.deed.fields()).collect();
        plan.writes.retain(|field, _| fields.contains(field));
    }
    plan.steps = steps;
}

const fn no() -> Reading {
    Reading::Held(Value::Flag(false))
}
