//! `plan`: what must be done so that both pools agree. Pure, total, deterministic: the same question
//! has the same answer, whoever asks — `apply`, `explain` and the tests ask the very same function.

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

/// One account, as it was observed.
#[derive(Clone, Debug)]
pub struct View {
    /// The account.
    pub account: Account,
    /// The same in our own words.
    pub facts: Facts,
    /// Fields whose value our words cannot say.
    pub unsayable: BTreeMap<Field, Reason>,
    /// When the first call of this observation began.
    pub began: Time,
    /// What could not be read of it, if something could not.
    pub missing: Option<Fault>,
    /// The second factors that are in force ([`Shape::factors_in_force`]); `None`: not read.
    pub factors: Option<BTreeSet<Factor>>,
    /// Those of them that its pool asks of everybody, whatever the account's own settings say.
    pub asked: BTreeSet<Factor>,
}

impl View {
    /// An observation in our own words.
    pub fn new(
        policy: &Policy,
        side: Side,
        account: Account,
        shapes: &BySide<Arc<Shape>>,
        began: Time,
    ) -> Self {
        let (mut facts, unsayable) = policy.mapping.facts(side, &account, shapes);
        if !policy.law.keeps(Rule::UnreadIsNotEmpty) && facts.family_unread(Family::Groups) {
            // The planted bug: a list that was not read is taken for an empty one.
            let empty = Account { groups: Some(BTreeSet::new()), ..account.clone() };
            facts = policy.mapping.facts(side, &empty, shapes).0;
        }
        let shape = shapes.get(side);
        let asks = |factor: &Factor| shape.asks_everybody_for(&account, *factor);
        let asked = Factor::TRAVELLING.into_iter().filter(asks).collect();
        let factors = shape.factors_in_force(&account);
        Self { account, facts, unsayable, began, missing: None, factors, asked }
    }

    /// Whether the field is a second factor that the pool asks of everybody.
    pub(crate) fn asks_everybody_for(&self, field: &Field) -> bool {
        matches!(field, Field::Factor(factor) if self.asked.contains(factor))
    }
}

/// Everything that a plan follows from.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The team's choices.
    pub policy: &'a Policy,
    /// Fingerprint keys.
    pub keys: &'a Keyring,
    /// Where the move stands.
    pub phase: Phase,
    /// What each pool can hold.
    pub shapes: &'a BySide<Arc<Shape>>,
    /// What each side says.
    pub views: &'a BySide<View>,
    /// What the ledger knows.
    pub entry: &'a Entry,
    /// Whether a deed on that side was captured, so that its values are somebody's wish.
    pub captured: BySide<bool>,
    /// When the newest change was made there that a change event tells of, if one does.
    pub changed: BySide<Option<Time>>,
    /// Addresses that were looked up and belong to somebody else, by the side they would go to.
    pub taken: &'a BTreeMap<(Side, Field), Reason>,
    /// Now.
    pub now: Time,
}

/// What must be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The deeds, in a safe order.
    pub steps: Vec<Step>,
    /// The base of every field from now on, before any write: what both sides agree on, and for a
    /// field that is written what its target was seen to hold (R1, R2).
    pub bases: BTreeMap<Field, Base>,
    /// Rules that the bases cover: under them an absent base means "agreed absent".
    pub rules: BTreeSet<u32>,
    /// What each write is to bring about.
    pub writes: BTreeMap<Field, Intended>,
    /// Fields whose open intent could not be settled, because their side was not read.
    pub unsettled: BTreeMap<Field, Intended>,
    /// Fields that wait, are held or were refused.
    pub obstacles: BTreeMap<Field, Obstacle>,
    /// Conflicts that were decided.
    pub decisions: Vec<Decision>,
    /// What becomes the base of a field once both sides hold it, where that is not the value itself.
    pub agreed_as: BTreeMap<Field, Print>,
    /// What a refusal of a written field depends on, where that is more than its value.
    pub depends_on: BTreeMap<Field, Print>,
    /// Directions of travel.
    pub flips: BTreeMap<Field, Flips>,
    /// A disable goes first and alone: the rest is planned again after it.
    pub more: bool,
    /// From when on an observation can show whether both sides agree on a new value: two changes may
    /// have passed one another (`QuietAgreement`).
    pub quiet_from: Option<Time>,
}

impl Plan {
    /// The sides that it writes.
    pub fn written(&self) -> BTreeSet<Side> {
        self.steps.iter().map(|step| step.side).collect()
    }
}

/// Plans. See the module.
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
    // What cannot be read and is held for it by name does not keep its intent open for ever.
    let Plan { unsettled, obstacles, .. } = &mut plan;
    unsettled.retain(|field, _| !obstacles.contains_key(field));
    plan
}

/// Every field that anybody says anything about.
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

/// Which rules the new agreement covers: all but those of a family that one side did not show.
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

/// Puts one field's answer into the plan.
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
            // A group that one pool lacks has no members there: made (again) there, it gets those that
            // the other pool has, and takes none from it.
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
            // A planted unread list reads as absent on one side.
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

/// The planted bug "merge an address apart from its flag" lets the target's flag stand beside the
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

/// The base stays what it was; with an intent that was open, what that was resolved to (R2).
fn keep_base(plan: &mut Plan, field: &Field, base: Option<Base>, rule: u32) {
    match base {
        Some(base) => set_base(plan, field, base.print, rule),
        // Never agreed stays never agreed. A rule that serves one field only is then not covered.
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

/// A field that one side shows and the other cannot is named, so that somebody may mend it.
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

/// Counts a change of direction; one that nobody captured, again and again, is held.
fn turn(question: &Question<'_>, plan: &mut Plan, field: &Field, to: Side) -> Option<Reason> {
    if *field == Field::Enabled {
        // A disable is never held, so neither is what undoes it.
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
    // The first travel of a field is no turn: nothing is kept for fields that never turn.
    if flips.count > 0 || matches!(question.policy.mapping.ways(field), Ways::Both) {
        plan.flips.insert(field.clone(), flips);
    }
    held.then_some(Reason::Oscillating)
}
