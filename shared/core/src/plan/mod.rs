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

use crate::account::{Account, PoolSchema};
use crate::error::PortError;
use crate::fingerprint::{Fingerprint, Keyring};
use crate::limits;
use crate::mapping::Ways;
use crate::merge::{Conflict, MergeDecision};
use crate::outcome::Reason;
use crate::policy::{Phase, Policy};
use crate::profile::{Factor, Field, FieldKind, FieldState, Profile, Value};
use crate::record::{
    BaselineField, BlockedField, Decision, DecisionKind, DirectionChanges, IntendedWrite,
    PersonRecord,
};
use crate::rules::Rule;
use crate::side::{BySide, Side};
use crate::step::Step;
use crate::time::Time;

use resolve::Merged;
pub(crate) use resolve::date_tells_from;

/// The observation of one account.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The account.
    pub account: Account,
    /// Its profile.
    pub profile: Profile,
    /// Fields whose value the mapping cannot express.
    pub unsayable: BTreeMap<Field, Reason>,
    /// When the first call of this observation began.
    pub began: Time,
    /// The port error, if a part of the account could not be read.
    pub missing: Option<PortError>,
    /// The second factors that are in force ([`PoolSchema::factors_in_force`]); `None`: not read.
    pub factors: Option<BTreeSet<Factor>>,
    /// Those of them that the pool asks of every user, whatever the account's own settings are.
    pub asked: BTreeSet<Factor>,
}

impl Observation {
    /// The observation of an account, with its profile.
    pub fn new(
        policy: &Policy,
        side: Side,
        account: Account,
        schemas: &BySide<Arc<PoolSchema>>,
        began: Time,
    ) -> Self {
        let (mut profile, unsayable) = policy.mapping.profile(side, &account, schemas);
        if !policy.rules.keeps(Rule::UnknownIsNotAbsent) && profile.kind_unknown(FieldKind::Groups)
        {
            // The planted bug: an unread list counts as an empty one.
            let empty = Account { groups: Some(BTreeSet::new()), ..account.clone() };
            profile = policy.mapping.profile(side, &empty, schemas).0;
        }
        let schema = schemas.get(side);
        let asks = |factor: &Factor| schema.asks_everybody_for(&account, *factor);
        let asked = Factor::TRAVELLING.into_iter().filter(asks).collect();
        let factors = schema.factors_in_force(&account);
        Self { account, profile, unsayable, began, missing: None, factors, asked }
    }

    /// Whether the field is a second factor that the pool asks of every user.
    pub(crate) fn asks_everybody_for(&self, field: &Field) -> bool {
        matches!(field, Field::Factor(factor) if self.asked.contains(factor))
    }
}

/// The input of a plan.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// The team's choices.
    pub policy: &'a Policy,
    /// Fingerprint keys.
    pub keys: &'a Keyring,
    /// The phase of the move.
    pub phase: Phase,
    /// The schema of each pool.
    pub schemas: &'a BySide<Arc<PoolSchema>>,
    /// The observation of each pool's account.
    pub observations: &'a BySide<Observation>,
    /// The person record.
    pub record: &'a PersonRecord,
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
    /// of a write held (`IntentKeepsSeenValue`, `IntentReplacesBaseline`).
    pub bases: BTreeMap<Field, BaselineField>,
    /// The rules that the baseline covers: their fields without a value were agreed absent.
    pub rules: BTreeSet<u32>,
    /// The intended result of each write.
    pub writes: BTreeMap<Field, IntendedWrite>,
    /// Fields whose open intent could not be settled, because the target was not read.
    pub unsettled: BTreeMap<Field, IntendedWrite>,
    /// The blocked fields: those that wait, are held, or were rejected.
    pub blocked_fields: BTreeMap<Field, BlockedField>,
    /// The conflicts that were decided.
    pub decisions: Vec<Decision>,
    /// The new baseline of a field once both pools hold the value, if it is not the value itself.
    pub baseline_as: BTreeMap<Field, Option<Fingerprint>>,
    /// What a rejection of a written field depends on, if it is more than the value.
    pub depends_on: BTreeMap<Field, Option<Fingerprint>>,
    /// Changes of direction, by field.
    pub direction_changes: BTreeMap<Field, DirectionChanges>,
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
pub fn plan(input: &PlanInput<'_>) -> Plan {
    let mut plan = Plan { rules: covered(input), ..Plan::default() };
    let mut wanted = BTreeMap::new();
    for field in fields(input) {
        let Some(mut merged) = resolve::resolve(input, &field) else { continue };
        factors::apart_from_rules(input, &field, &mut merged);
        let answer = resolve::answer(input, &field, &merged);
        settle(input, &mut plan, &mut wanted, &field, merged, answer);
    }
    steps::arrange(input, &mut plan, &wanted);
    // A field that cannot be read and is held for that reason does not keep its intent open.
    let Plan { unsettled, blocked_fields, .. } = &mut plan;
    unsettled.retain(|field, _| !blocked_fields.contains_key(field));
    plan
}

/// Every field that an observation, the baseline or an open intent contains.
fn fields(input: &PlanInput<'_>) -> BTreeSet<Field> {
    let BySide { old, new } = input.observations;
    let record = input.record;
    let said = [old, new].into_iter().flat_map(|observation| {
        let unread = observation.profile.unknown_fields();
        observation.profile.present().map(|(field, _)| field).chain(unread)
    });
    let baseline = record.baseline.iter().flat_map(|baseline| baseline.fields.keys());
    let intended = record.intent.iter().flat_map(|intent| intent.fields.keys());
    said.chain(baseline).chain(intended).cloned().collect()
}

/// The rules that the new baseline covers: all except those of a family that one pool did not show.
fn covered(input: &PlanInput<'_>) -> BTreeSet<u32> {
    let before = input.record.baseline.iter().flat_map(|baseline| baseline.rules.iter().copied());
    let in_force = input.policy.mapping.revisions();
    let unread = |family| {
        Side::BOTH.iter().any(|side| input.observations.get(*side).profile.kind_unknown(family))
    };
    let mut rules: BTreeSet<u32> = in_force.clone();
    for (family, name) in [(FieldKind::Groups, "group:any"), (FieldKind::Factors, "factor:sms")] {
        let revision = Field::from_name(name).and_then(|it| input.policy.mapping.revision(&it));
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
    input: &PlanInput<'_>,
    plan: &mut Plan,
    wanted: &mut BTreeMap<(Side, Field), FieldState>,
    field: &Field,
    merged: Merged,
    answer: MergeDecision,
) {
    let quiet_from = resolve::quiet_from(input, field, &merged);
    let Merged { says, base, unsettled, not_kept, rule, .. } = merged;
    let record = input.record;
    match answer {
        MergeDecision::Leave => {
            if let Some(intended) = unsettled {
                plan.unsettled.insert(field.clone(), intended);
            }
            // A group that one pool lacks has no members there. If it is created (again) there, it
            // gets the members of the other pool and takes none from it.
            let base = if lacking(input, field) { None } else { base };
            keep_base(plan, field, base, rule);
            unreadable(input, plan, field, &says);
        }
        MergeDecision::Agree if quiet_from.is_some() => {
            plan.quiet_from = plan.quiet_from.max(quiet_from);
            keep_base(plan, field, base, rule);
        }
        MergeDecision::Agree => {
            let fingerprint = record.fingerprint(input.keys, field, &says.old);
            // A planted unread list reads as absent in one pool.
            let fingerprint =
                fingerprint.or_else(|| record.fingerprint(input.keys, field, &says.new));
            let by_rule = fingerprint.and_then(|_| factors::baseline(input, field));
            set_base(plan, field, by_rule.or(fingerprint), rule);
        }
        MergeDecision::Hold(reason) => {
            keep_base(plan, field, base, rule);
            let side = input.phase.active().other();
            let value = record.fingerprint(input.keys, field, says.get(side.other()));
            obstruct(input, plan, field, reason, side, value);
        }
        MergeDecision::Carry { to, conflict } => {
            let value = says.get(to.other()).clone();
            let value = with_flag(input, field, value, says.get(to));
            let fingerprint = record.fingerprint(input.keys, field, &value);
            let depends_on = match field {
                Field::Factor(factor) => factors::depends_on(input, *factor, to, &value),
                Field::Enabled
                | Field::Email
                | Field::Phone
                | Field::Attribute(_)
                | Field::Group(_) => fingerprint,
            };
            let refused = not_kept.then_some(Reason::NotKept);
            let refused =
                refused.or_else(|| steps::refusal(input, plan, field, to, &value, depends_on));
            if let Some(reason) = refused {
                keep_base(plan, field, base, rule);
                obstruct(input, plan, field, reason, to, depends_on);
                return;
            }
            if let Some(reason) = turn(input, plan, field, to) {
                keep_base(plan, field, base, rule);
                obstruct(input, plan, field, reason, to, fingerprint);
                return;
            }
            let was = record.fingerprint(input.keys, field, says.get(to));
            set_base(plan, field, was, rule);
            let intended =
                IntendedWrite { side: to, wanted: fingerprint, was, rule, answered: false };
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
    }
}

/// The planted bug: an address is merged without its flag, so the target's flag stays with the
/// source's address.
fn with_flag(
    input: &PlanInput<'_>,
    field: &Field,
    value: FieldState,
    target: &FieldState,
) -> FieldState {
    if input.policy.rules.keeps(Rule::AddressWithFlag) || !field.is_address() {
        return value;
    }
    match (value, target) {
        (
            FieldState::Present(Value::Address { address, verified }),
            FieldState::Present(Value::Address { verified: stands, .. }),
        ) => FieldState::Present(Value::Address { address, verified: verified || *stands }),
        (value, _) => value,
    }
}

fn set_base(plan: &mut Plan, field: &Field, fingerprint: Option<Fingerprint>, rule: u32) {
    if fingerprint.is_some() || !plan.rules.contains(&rule) {
        plan.bases.insert(field.clone(), BaselineField { fingerprint, rule });
    }
}

/// Keeps the baseline. If an intent was open, this is the value to which it was resolved
/// (`IntentReplacesBaseline`).
fn keep_base(plan: &mut Plan, field: &Field, base: Option<BaselineField>, rule: u32) {
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

fn obstruct(
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
fn lacking(input: &PlanInput<'_>, field: &Field) -> bool {
    let Field::Group(group) = field else { return false };
    Side::BOTH.iter().any(|side| !input.schemas.get(*side).groups.contains(group))
}

/// Blocks a field that one pool shows and the other cannot, so that a person can repair it.
fn unreadable(input: &PlanInput<'_>, plan: &mut Plan, field: &Field, says: &BySide<FieldState>) {
    for side in Side::BOTH {
        let observation = input.observations.get(side);
        let other = says.get(side.other());
        let value = input.record.fingerprint(input.keys, field, other);
        if let Some(reason) = observation.unsayable.get(field) {
            obstruct(input, plan, field, *reason, side, value);
        } else if let Field::Group(group) = field
            && matches!(other, FieldState::Present(_))
            && !observation.profile.kind_unknown(FieldKind::Groups)
            && !input.schemas.get(side).groups.contains(group)
        {
            obstruct(input, plan, field, Reason::GroupMissing, side, value);
        }
    }
}

/// Counts a change of direction. A field that changes repeatedly without a captured event is held.
fn turn(input: &PlanInput<'_>, plan: &mut Plan, field: &Field, to: Side) -> Option<Reason> {
    if *field == Field::Enabled {
        // A disable is never held, so neither is an enable that undoes it.
        return None;
    }
    let now = input.now;
    let fresh = DirectionChanges { to, count: 0, since: now };
    let before = input.record.direction_changes.get(field).copied();
    let before = before
        .filter(|direction_changes| now.since(direction_changes.since) < limits::FLIPS_WINDOW);
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
    let held = direction_changes.count >= limits::FLIPS_MAX;
    // The first write of a field is no change of direction. Nothing is kept for fields without one.
    if direction_changes.count > 0 || matches!(input.policy.mapping.ways(field), Ways::Both) {
        plan.direction_changes.insert(field.clone(), direction_changes);
    }
    held.then_some(Reason::Oscillating)
}
