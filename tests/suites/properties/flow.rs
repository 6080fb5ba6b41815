//! The flow without services: plan, apply to the accounts, record, until nothing is left to do.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::account::Account;
use poolbridge_core::control::Phase;
use poolbridge_core::fingerprint::Keyring;
use poolbridge_core::mapping::Ways;
use poolbridge_core::names::{PersonId, Sub, Username};
use poolbridge_core::plan::{self, Observation, Plan};
use poolbridge_core::policy::Policy;
use poolbridge_core::profile::{Field, FieldState};
use poolbridge_core::record::{Baseline, BaselineField, KnownAccount, PersonRecord};
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::step::Action;
use poolbridge_core::time::Time;

use super::people::schemas;

/// The effect of an action on the pool, as far as the account shows it.
fn apply(account: &mut Account, action: &Action) {
    let groups = account.groups.get_or_insert_default();
    match action {
        Action::Disable => account.enabled = false,
        Action::Enable => account.enabled = true,
        Action::SetAttributes { fields } => {
            for (name, value) in fields.values().flatten() {
                if value.is_empty() {
                    account.attributes.remove(name);
                } else {
                    account.attributes.insert(name.clone(), value.clone());
                }
            }
        }
        Action::AddToGroup(group) => {
            groups.insert(group.clone());
        }
        Action::RemoveFromGroup(group) => {
            groups.remove(group);
        }
        Action::SetFactors(factors) => {
            let held = account.factors.get_or_insert_default();
            for (factor, on) in factors {
                if *on {
                    held.insert(*factor)
                } else {
                    held.remove(factor)
                };
            }
        }
        Action::SetRandomPassword | Action::SignOut | Action::Delete => {}
    }
}

pub(super) fn record(baseline: Option<Baseline>) -> PersonRecord {
    let known = |side: Side| KnownAccount {
        sub: Sub::try_from(format!("{side}-sub").as_str()).unwrap(),
        username: Username::try_from("someone").unwrap(),
        seen: Time(0),
        written: None,
        gone: None,
    };
    let mut record =
        PersonRecord::new(PersonId::from_nonce(1), Side::Old, known(Side::Old), Time(0));
    record.accounts.new = Some(known(Side::New));
    record.baseline = baseline;
    record
}

fn keys() -> Keyring {
    Keyring::new(1, [7; 32])
}

pub(super) fn observations(policy: &Policy, accounts: &BySide<Account>) -> BySide<Observation> {
    // Long after the accounts were last modified.
    let began = Time(1_000_000);
    BySide::from_fn(|side| {
        Observation::new(policy, side, accounts.get(side).clone(), &schemas(), began)
    })
}

pub(super) fn ask(policy: &Policy, accounts: &BySide<Account>, record: &PersonRecord) -> Plan {
    plan::plan(&plan::PlanInput {
        policy,
        keys: &keys(),
        phase: Phase::Follow,
        schemas: &schemas(),
        observations: &observations(policy, accounts),
        record,
        captured: BySide { old: true, new: true },
        changed: BySide::default(),
        taken: &BTreeMap::new(),
        now: Time(0),
    })
}

/// Plans, applies and records until nothing is left to do, as the flow does.
pub(super) fn carry_out(
    policy: &Policy,
    accounts: &mut BySide<Account>,
    record: &mut PersonRecord,
) -> usize {
    for round in 0..6 {
        let plan = ask(policy, accounts, record);
        if plan.steps.is_empty() {
            return round;
        }
        for step in &plan.steps {
            apply(accounts.get_mut(step.side), &step.action);
        }
        let mut fields = plan.bases.clone();
        for (field, intended) in &plan.writes {
            match intended.wanted {
                Some(_) => {
                    let base = BaselineField { fingerprint: intended.wanted, rule: intended.rule };
                    fields.insert(field.clone(), base);
                }
                None => {
                    fields.remove(field);
                }
            }
        }
        record.baseline = Some(Baseline { fields, rules: plan.rules });
        record.blocked_fields = plan.blocked_fields;
    }
    6
}

/// Whether both sides hold the same value of every field that travels both ways and is not blocked.
pub(super) fn in_step(
    policy: &Policy,
    accounts: &BySide<Account>,
    record: &PersonRecord,
) -> Result<(), String> {
    let observations = observations(policy, accounts);
    let fields: BTreeSet<Field> = [&observations.old, &observations.new]
        .iter()
        .flat_map(|observation| observation.profile.present().map(|(field, _)| field.clone()))
        .collect();
    for field in fields {
        let (old, new) =
            (observations.old.profile.get(&field), observations.new.profile.get(&field));
        let excused = record.blocked_fields.contains_key(&field)
            || policy.mapping.ways(&field) != Ways::Both
            || old == FieldState::Unknown
            || new == FieldState::Unknown;
        if old != new && !excused {
            return Err(format!("{field} differs"));
        }
    }
    Ok(())
}
