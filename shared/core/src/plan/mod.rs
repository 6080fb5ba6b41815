//! `plan`: what to write so that both pools agree. Pure, total and deterministic: the same input
//! has the same plan, and `apply`, `explain` and the tests call the same function.

mod disable;
pub(crate) mod factors;
mod field;
#[cfg(feature = "planted")]
mod planted;
mod resolve;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::account::{Account, PoolSchema};
use crate::control::Phase;
use crate::error::PortError;
use crate::fingerprint::{Fingerprint, Keyring};
use crate::outcome::Reason;
use crate::policy::Policy;
use crate::profile::{Factor, Field, FieldKind, Profile};
use crate::record::{
    BaselineField, BlockedField, Decision, DirectionChanges, IntendedWrite, PersonRecord,
};
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
        let (profile, unsayable) = policy.mapping.profile(side, &account, schemas);
        #[cfg(feature = "planted")]
        let profile = planted::unread_as_empty(policy, side, &account, schemas, profile);
        let schema = schemas.get(side);
        let asks = |factor: &Factor| schema.requires_of_everyone(&account, *factor);
        let asked = Factor::TRAVELLING.into_iter().filter(asks).collect();
        let factors = schema.factors_in_force(&account);
        Self { account, profile, unsayable, began, missing: None, factors, asked }
    }

    /// Whether the field is a second factor that the pool asks of every user.
    pub(crate) fn requires_of_everyone(&self, field: &Field) -> bool {
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
        let decision = resolve::answer(input, &field, &merged);
        field::add(input, &mut plan, &mut wanted, &field, &merged, decision);
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
