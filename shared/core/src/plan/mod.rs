//! `plan`: what to write so that both pools agree. Pure, total and deterministic: the same input
//! has the same plan, and `apply`, `explain` and the tests call the same function.

mod disable;
pub(crate) mod factors;
mod resolve;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::account::{Account, Shape};
use crate::entry::{Base, Decision, DecisionKind, Entry, Flips, Intended, Obstacle};
use crate::facts::{Factor, Facts, Family, Field, Reading, Value};
use crate::fault::Fault;
use crate::fingerprint::{Keyring, Print};
use crate::law::Rule;
use crate::limits;
use crate::mapping::Ways;
use crate::merge::{Answer, Conflict};
use crate::policy::{Phase, Policy};
use crate::side::{BySide, Side};
use crate::step::Step;
use crate::time::Time;
use crate::verdict::Reason;

use resolve::Merged;
pub(crate) use resolve::date_tells_from;

/// The observation of one account.
#[derive(Clone, Debug)]
pub struct View {
    /// The account.
    pub account: Account,
    /// Its profile.
    pub facts: Facts,
    /// Fields whose value the mapping cannot express.
    pub unsayable: BTreeMap<Field, Reason>,
    /// When the first call of this observation began.
    pub began: Time,
    /// The port error, if a part of the account could not be read.
    pub missing: Option<Fault>,
    /// The second factors that are in force ([`Shape::factors_in_force`]); `None`: not read.
    pub factors: Option<BTreeSet<Factor>>,
    /// Those of them that the pool asks of every user, whatever the account's own settings are.
    pub asked: BTreeSet<Factor>,
}

impl View {
    /// The observation of an account, with its profile.
    pub fn new(
        policy: &Policy,
        side: Side,
        account: Account,
        shapes: &BySide<Arc<Shape>>,
        began: Time,
    ) -> Self {
        let (mut facts, unsayable) = policy.mapping.facts(side, &account, shapes);
        if !policy.law.keeps(Rule::UnreadIsNotEmpty) && facts.family_unread(Family::Groups) {
            // The planted bug: an unread list counts as an empty one.
            let empty = Account { groups: Some(BTreeSet::new()), ..account.clone() };
            facts = policy.mapping.facts(side, &empty, shapes).0;
        }
        let shape = shapes.get(side);
        let asks = |factor: &Factor| shape.asks_everybody_for(&account, *factor);
        let asked = Factor::TRAVELLING.into_iter().filter(asks).collect();
        let factors = shape.factors_in_force(&account);
        Self { account, facts, unsayable, began, missing: None, factors, asked }
    }

    /// Whether the field is a second factor that the pool asks of every user.
    pub(crate) fn asks_everybody_for(&self, field: &Field) -> bool {
        matches!(field, Field::Factor(factor) if self.asked.contains(factor))
    }
}

/// The input of a plan.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The team's choices.
    pub policy: &'a Policy,
    /// Fingerprint keys.
    pub keys: &'a Keyring,
    /// The phase of the move.
    pub phase: Phase,
    /// The schema of each pool.
    pub shapes: &'a BySide<Arc<Shape>>,
    /// The observation of each pool's account.
    pub views: &'a BySide<View>,
    /// The person record.
    pub entry: &'a Entry,
    /// Whether evidence of a change in that pool was captured, so that its values are an edit.
    pub captured: BySide<bool>,
    /// The time of the newest change in that pool that an event reported, if there is one.
    pub changed: BySide<Option<Time>>,
    /// Addresses that a search found with another person, by the pool to be written.
    pub taken: &'a BTreeMap<(Side, Field), Reason>,
    /// The current time.
    pub now: Time,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps, in a safe order.
    pub steps: Vec<Step>,
    /// The baseline of every field before any write: the agreed value, or the value that the target
    /// of a write held (R1 `IntentKeepsSeenValue`, R2 `IntentReplacesBaseline`).
    pub bases: BTreeMap<Field, Base>,
    /// The rules that the baseline covers: their fields without a value were agreed absent.
    pub rules: BTreeSet<u32>,
    /// The intended result of each write.
    pub writes: BTreeMap<Field, Intended>,
    /// Fields whose open intent could not be settled, because the target was not read.
    pub unsettled: BTreeMap<Field, Intended>,
    /// The blocked fields: those that wait, are held, or were rejected.
    pub obstacles: BTreeMap<Field, Obstacle>,
    /// The conflicts that were decided.
    pub decisions: Vec<Decision>,
    /// The new baseline of a field once both pools hold the value, if it is not the value itself.
    pub agreed_as: BTreeMap<Field, Print>,
    /// What a rejection of a written field depends on, if it is more than the value.
    pub depends_on: BTreeMap<Field, Print>,
    /// Changes of direction, by field.
    pub flips: BTreeMap<Field, Flips>,
    /// Whether another plan must follow, such as after a disable, which goes first and alone.
    pub more: bool,
    /// From when on an observation can show whether both pools agree on a new value. Until then,
    /// two changes may have passed one another (`QuietAgreement`).
    pub quiet_from: Option<Time>,
}

impl Plan {
    /// The pools that it writes.
    pub fn written(&self) -> BTreeSet<Side> {
        self.steps.iter().map(|step| step.side).collect()
    }
}

/// Makes the plan. See the module.
pub fn plan(question: &Question<'_>) -> Plan {
    let mut plan = Plan { rules: covered(question), ..Plan::default() };
    let mut wanted = BTreeMap::new();
    for field in fields(question) {
        let Some(mut merged) = resolve::resolve(question, &field) else { continue };
        factors::apart_from_rules(question, &field, &mut merged);
        let answer = resolve::answer(question, &field, &merged);
        settle(question, &mut plan, &mut wanted, &field, merged, answer);
    }
    steps::arrange(question, &mut plan, &wanted);
    // A field that cannot be read and is held for that reason does not keep its intent open.
    let Plan { unsettled, obstacles, .. } = &mut plan;
    unsettled.retain(|field, _| !obstacles.contains_key(field));
    plan
}

/// Every field that an observation, the baseline or an open intent contains.
fn fields(question: &Question<'_>) -> BTreeSet<Field> {
    let BySide { old, new } = question.views;
    let entry = question.entry;
    let said = [old, new].into_iter().flat_map(|view| {
        let unread = view.facts.unread_fields();
        view.facts.held().map(|(field, _)| field).chain(unread)
    });
    let agreed = entry.agreed.iter().flat_map(|agreed| agreed.fields.keys());
    let intended = entry.intent.iter().flat_map(|intent| intent.fields.keys());
    said.chain(agreed).chain(intended).cloned().collect()
}

/// The rules that the new baseline covers: all except those of a family that one pool did not show.
fn covered(question: &Question<'_>) -> BTreeSet<u32> {
    let before = question.entry.agreed.iter().flat_map(|agreed| agreed.rules.iter().copied());
    let in_force = question.policy.mapping.revisions();
    let unread = |family| {
        Side::BOTH.iter().any(|side| question.views.get(*side).facts.family_unread(family))
    };
    let mut rules: BTreeSet<u32> = in_force.clone();
    for (family, name) in [(Family::Groups, "group:any"), (Family::Factors, "factor:sms")] {
        let revision = Field::from_name(name).and_then(|it| question.policy.mapping.revision(&it));
        if unread(family)
            && let Some(revision) = revision
        {
            rules.remove(&revision);
        }
    }
    rules.extend(before.filter(|revision| in_force.contains(revision)));
    rules
}

/// Puts the answer for one field into the plan.
fn settle(
    question: &Question<'_>,
    plan: &mut Plan,
    wanted: &mut BTreeMap<(Side, Field), Reading>,
    field: &Field,
    merged: Merged,
    answer: Answer,
) {
    let quiet_from = resolve::quiet_from(question, field, &merged);
    let Merged { says, base, unsettled, not_kept, rule, .. } = merged;
    let entry = question.entry;
    match answer {
        Answer::Leave => {
            if let Some(intended) = unsettled {
                plan.unsettled.insert(field.clone(), intended);
            }
            // A group that one pool lacks has no members there. If it is created (again) there, it
            // gets the members of the other pool and takes none from it.
            let base = if lacking(question, field) { None } else { base };
            keep_base(plan, field, base, rule);
            unreadable(question, plan, field, &says);
        }
        Answer::Agree if quiet_from.is_some() => {
            plan.quiet_from = plan.quiet_from.max(quiet_from);
            keep_base(plan, field, base, rule);
        }
        Answer::Agree => {
            let print = entry.print(question.keys, field, &says.old);
            // A planted unread list reads as absent in one pool.
            let print = print.or_else(|| entry.print(question.keys, field, &says.new));
            let by_rule = print.is_some().then(|| factors::agreed(question, field)).flatten();
            set_base(plan, field, by_rule.unwrap_or(print), rule);
        }
        Answer::Hold(reason) => {
            keep_base(plan, field, base, rule);
            let side = question.phase.active().other();
            let value = entry.print(question.keys, field, says.get(side.other()));
            obstruct(question, plan, field, reason, side, value);
        }
        Answer::Carry { to, conflict } => {
            let value = says.get(to.other()).clone();
            let value = with_flag(question, field, value, says.get(to));
            let print = entry.print(question.keys, field, &value);
            let depends_on = match field {
                Field::Factor(factor) => factors::depends_on(question, *factor, to, &value),
                Field::Enabled
                | Field::Email
                | Field::Phone
                | Field::Attribute(_)
                | Field::Group(_) => print,
            };
            let refused = not_kept.then_some(Reason::NotKept);
            let refused =
                refused.or_else(|| steps::refusal(question, plan, field, to, &value, depends_on));
            if let Some(reason) = refused {
                keep_base(plan, field, base, rule);
                obstruct(question, plan, field, reason, to, depends_on);
                return;
            }
            if let Some(reason) = turn(question, plan, field, to) {
                keep_base(plan, field, base, rule);
                obstruct(question, plan, field, reason, to, print);
                return;
            }
            let was = entry.print(question.keys, field, says.get(to));
            set_base(plan, field, was, rule);
            let intended = Intended { side: to, wanted: print, was, rule, answered: false };
            plan.writes.insert(field.clone(), intended);
            if matches!(field, Field::Factor(_)) {
                plan.depends_on.insert(field.clone(), depends_on);
                if let Some(by_rule) = factors::agreed(question, field).filter(|_| print.is_some())
                {
                    plan.agreed_as.insert(field.clone(), by_rule);
                }
            }
            wanted.insert((to, field.clone()), value);
            record_conflict(question, plan, field, to, conflict);
        }
    }
}

/// The planted bug: an address is merged without its flag, so the target's flag stays with the
/// source's address.
fn with_flag(question: &Question<'_>, field: &Field, value: Reading, target: &Reading) -> Reading {
    if question.policy.law.keeps(Rule::AddressWithFlag) || !field.is_address() {
        return value;
    }
    match (value, target) {
        (
            Reading::Held(Value::Address { address, verified }),
            Reading::Held(Value::Address { verified: stands, .. }),
        ) => Reading::Held(Value::Address { address, verified: verified || *stands }),
        (value, _) => value,
    }
}

fn set_base(plan: &mut Plan, field: &Field, print: Print, rule: u32) {
    if print.is_some() || !plan.rules.contains(&rule) {
        plan.bases.insert(field.clone(), Base { print, rule });
    }
}

/// Keeps the baseline. If an intent was open, this is the value to which it was resolved (R2,
/// `IntentReplacesBaseline`).
fn keep_base(plan: &mut Plan, field: &Field, base: Option<Base>, rule: u32) {
    match base {
        Some(base) => set_base(plan, field, base.print, rule),
        // The field still has no baseline. So a rule that serves one field only is not covered.
        None if matches!(field, Field::Group(_) | Field::Factor(_)) => {}
        None => {
            plan.rules.remove(&rule);
        }
    }
}

fn record_conflict(
    question: &Question<'_>,
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
        at: question.now,
        kind,
        fields: vec![field.to_string()],
        side: Some(to),
        reason: None,
    });
}

fn obstruct(
    question: &Question<'_>,
    plan: &mut Plan,
    field: &Field,
    reason: Reason,
    side: Side,
    value: Print,
) {
    let before = question.entry.obstacles.get(field);
    let since = before.filter(|it| it.reason == reason).map_or(question.now, |it| it.since);
    plan.obstacles.insert(field.clone(), Obstacle { reason, value, side, since });
}

/// Whether the field is a group that one of the pools does not have.
fn lacking(question: &Question<'_>, field: &Field) -> bool {
    let Field::Group(group) = field else { return false };
    Side::BOTH.iter().any(|side| !question.shapes.get(*side).groups.contains(group))
}

/// Blocks a field that one pool shows and the other cannot, so that a person can repair it.
fn unreadable(question: &Question<'_>, plan: &mut Plan, field: &Field, says: &BySide<Reading>) {
    for side in Side::BOTH {
        let view = question.views.get(side);
        let other = says.get(side.other());
        let value = question.entry.print(question.keys, field, other);
        if let Some(reason) = view.unsayable.get(field) {
            obstruct(question, plan, field, *reason, side, value);
        } else if let Field::Group(group) = field
            && matches!(other, Reading::Held(_))
            && !view.facts.family_unread(Family::Groups)
            && !question.shapes.get(side).groups.contains(group)
        {
            obstruct(question, plan, field, Reason::GroupMissing, side, value);
        }
    }
}

/// Counts a change of direction. A field that changes repeatedly without a captured event is held.
fn turn(question: &Question<'_>, plan: &mut Plan, field: &Field, to: Side) -> Option<Reason> {
    if *field == Field::Enabled {
        // A disable is never held, so neither is an enable that undoes it.
        return None;
    }
    let now = question.now;
    let fresh = Flips { to, count: 0, since: now };
    let before = question.entry.flips.get(field).copied();
    let before = before.filter(|flips| now.since(flips.since) < limits::FLIPS_WINDOW);
    let flips = match before {
        _ if *question.captured.get(to.other()) => fresh,
        Some(flips) if flips.to != to => {
            Flips { to, count: flips.count.saturating_add(1), since: flips.since }
        }
        Some(flips) => flips,
        None => fresh,
    };
    let held = flips.count >= limits::FLIPS_MAX;
    // The first write of a field is no change of direction. Nothing is kept for fields without one.
    if flips.count > 0 || matches!(question.policy.mapping.ways(field), Ways::Both) {
        plan.flips.insert(field.clone(), flips);
    }
    held.then_some(Reason::Oscillating)
}
