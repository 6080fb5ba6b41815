//! The initial state of a world: two pools of different shapes, some humans, and what the table
//! knows about them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use poolbridge_core::account::PoolSchema;
use poolbridge_core::control::{ConfigurationStamp, Control, Phase};
use poolbridge_core::fingerprint::Keyring;
use poolbridge_core::limits;
use poolbridge_core::names::{AttributeName, PersonId, Username};
use poolbridge_core::policy::{MatchBy, Policy, Provision};
use poolbridge_core::profile::{Factor, Field, Profile, Value};
use poolbridge_core::record::{Baseline, BaselineField, KnownAccount, PersonRecord, PersonState};
use poolbridge_core::side::{BySide, Side};

use super::parameters::{InitialState, PoolLayout, WorldParameters};
use super::same_address_accounts;
use super::schemas::{attribute_of, mapping, schema, sign_in};
use crate::world::accounts::{Accounts, Body, SimulatedAccount, Version, attribute, group};
use crate::world::chance::Chooser;
use crate::world::edits::{EditId, Human};
use crate::world::{WORLD_START, WorldState};

/// Everything that stays the same during a run.
pub struct Setting {
    /// The team's policy.
    pub policy: Policy,
    /// Fingerprint keys.
    pub keys: Keyring,
    /// The active configuration.
    pub configuration: ConfigurationStamp,
    /// Whether workers can be suspended.
    pub suspendable: bool,
    /// The number of workers.
    pub workers: usize,
    /// The number of edits.
    pub edits: usize,
    /// The humans.
    pub humans: Vec<Human>,
}

impl Setting {
    /// The profile of an account.
    pub fn profile(
        &self,
        pools: &BySide<Accounts>,
        side: Side,
        account: &SimulatedAccount,
    ) -> Profile {
        let schemas = BySide::from_fn(|side| Arc::new(pools.get(side).schema.clone()));
        let whole = account.whole();
        whole.map_or_else(Profile::new, |whole| {
            self.policy.mapping.profile(side, &whole, &schemas).0
        })
    }
}

/// Chooses one of several. With only one option, it does not ask the chooser.
pub fn pick<T: Clone>(chooser: &mut dyn Chooser, among: &[T], what: &'static str) -> T {
    among[chooser.choose(among.len(), what)].clone()
}

/// Puts pools and people into an empty world.
pub fn create(state: &mut WorldState, parameters: &WorldParameters) -> Setting {
    let chooser = state.chooser.as_mut();
    let layout = pick(chooser, &parameters.layouts, "land");
    if matches!(layout, PoolLayout::Alias | PoolLayout::AliasToAddress) {
        state.fault_injection.count("pool of aliases");
    }
    let limited = parameters.limits && chooser.choose(4, "limits") == 0;
    let conflicts = pick(chooser, &parameters.conflicts, "conflicts");
    let provision = pick(chooser, &parameters.provision, "provision");
    let deletes = pick(chooser, &parameters.deletes, "deletes");
    let stale_passwords = pick(chooser, &parameters.stale_passwords, "stale passwords");
    let suspendable = pick(chooser, &parameters.suspendable, "suspendable");
    let phases = [Phase::Follow, Phase::Switched];
    let phase = pick(chooser, &phases, "phase");
    let at_most = parameters.people_max - parameters.people_min;
    let people = parameters.people_min + chooser.choose(at_most + 1, "people");
    let workers = parameters.workers_max;
    let edits = 1 + chooser.choose(parameters.edits_max, "edits");
    for side in Side::BOTH {
        let mut schema = schema(side, limited, parameters);
        sign_in(&mut schema, layout, side);
        state.pools.get_mut(side).schema = schema;
    }
    let fold = layout != PoolLayout::Plain;
    let policy = Policy {
        match_by: MatchBy::Email,
        provision: BySide { old: provision, new: provision },
        conflicts,
        deletes,
        groups: true,
        stale_passwords,
        settle: limits::SETTLE,
        clock_allowance: parameters.clock_allowance,
        mapping: mapping(parameters, fold),
        rules: parameters.rules,
    };
    let configuration = ConfigurationStamp {
        hash: "simulated".to_owned(),
        since: WORLD_START,
        pools: BySide::default(),
    };
    state.table.control =
        Control { phase, configuration: Some(configuration.clone()), ..Control::default() };
    let mut setting = Setting {
        policy,
        keys: Keyring::new(1, [7; 32]),
        configuration,
        suspendable,
        workers,
        edits,
        humans: Vec::new(),
    };
    for number in 0..people {
        let human = Human(u32::try_from(number).unwrap_or(u32::MAX));
        let start = pick(state.chooser.as_mut(), &parameters.starts, "start");
        add_human(state, &mut setting, human, start, parameters);
    }
    same_address_accounts::add_accounts(state, &mut setting, parameters);
    setting
}

fn add_human(
    state: &mut WorldState,
    setting: &mut Setting,
    human: Human,
    start: InitialState,
    parameters: &WorldParameters,
) {
    setting.humans.push(human);
    let agreed = start == InitialState::Agreed;
    // The value that both sides hold if they agree; otherwise a side sometimes has a value of its
    // own.
    let mut shared = BTreeMap::new();
    for side in Side::BOTH {
        let there = match start {
            InitialState::OldOnly => side == Side::Old,
            InitialState::NewOnly => side == Side::New,
            InitialState::Agreed | InitialState::Unlinked | InitialState::Halves => true,
        };
        if !there {
            continue;
        }
        let mut values = BTreeMap::new();
        for text in &parameters.texts {
            let own = format!("{side}-{}-{text}", human.0);
            let value = if agreed {
                shared.entry(*text).or_insert(own).clone()
            } else {
                // The same value on both sides, a different one, or none on this side.
                match state.chooser.choose(3, "first value") {
                    0 => format!("both-{}-{text}", human.0),
                    1 => own,
                    _ => continue,
                }
            };
            values.insert(attribute_of(side, text), value);
        }
        let enabled = agreed || state.chooser.choose(8, "disabled at first") != 1;
        let member = if agreed {
            *shared
                .entry("member")
                .or_insert_with(|| state.chooser.choose(2, "member at first").to_string())
                == "1"
        } else {
            state.chooser.choose(2, "member at first") == 1
        };
        let groups = if member { BTreeSet::from([group("staff")]) } else { BTreeSet::new() };
        add(state, human, side, values, enabled, groups);
        let spelled = parameters.spellings && state.pools.get(side).schema.case_sensitive;
        if spelled && setting.policy.mapping.folds_case() {
            capitalise_address(state, human, side);
        }
        if parameters.phones {
            let same = agreed && side == Side::New;
            give_phone(state, human, side, same);
        }
    }
    store_initial_records(state, setting, human, start);
    origins(state, setting, human);
}

/// Writes a human's address with a capital, or leaves it.
fn capitalise_address(state: &mut WorldState, human: Human, side: Side) {
    if state.chooser.choose(2, "a capital") == 0 {
        return;
    }
    state.fault_injection.count("address with a capital");
    set_initial(state, human, side, |body| {
        body.attributes.insert(attribute("email"), format!("H{}@example.com", human.0));
    });
}

/// Gives a human a phone number and second factors: those of the other side, or new ones.
fn give_phone(state: &mut WorldState, human: Human, side: Side, same: bool) {
    if same {
        let Some(other) = state.pools.get(side.other()).of(human) else { return };
        let Body { attributes, factors, .. } = other.body().clone();
        let phones = attributes.into_iter().filter(|(name, _)| name.as_str().starts_with("phone"));
        let phones: Vec<_> = phones.collect();
        set_initial(state, human, side, |body| {
            body.attributes.extend(phones);
            body.factors = factors;
        });
        return;
    }
    let (number, factor) =
        (state.chooser.choose(4, "first number"), state.chooser.choose(4, "first factor"));
    set_initial(state, human, side, |body| {
        if number > 0 {
            body.attributes.insert(attribute("phone_number"), format!("+1555000{:04}", human.0));
            body.attributes.insert(attribute("phone_number_verified"), (number > 1).to_string());
        }
        match factor {
            1 if number > 0 => drop(body.factors.insert(Factor::Sms)),
            2 => drop(body.factors.insert(Factor::Email)),
            _ => {}
        }
    });
}

/// Changes the first version of an account.
pub(super) fn set_initial(
    state: &mut WorldState,
    human: Human,
    side: Side,
    change: impl FnOnce(&mut Body),
) {
    let pool = state.pools.get_mut(side);
    let Some(sub) = pool.of(human).map(|account| account.sub.clone()) else { return };
    if let Some(account) = pool.get_mut(&sub) {
        account.set_initial(change);
    }
}

/// Adds an account of that human, with a verified address of theirs.
pub(super) fn add(
    state: &mut WorldState,
    human: Human,
    side: Side,
    mut attributes: BTreeMap<AttributeName, String>,
    enabled: bool,
    groups: BTreeSet<poolbridge_core::names::GroupName>,
) {
    attributes.insert(attribute("email"), format!("h{}@example.com", human.0));
    attributes.insert(attribute("email_verified"), "true".to_owned());
    let long_ago = WORLD_START - std::time::Duration::from_hours(24);
    let pool = state.pools.get_mut(side);
    let sub = pool.next_sub();
    let name =
        if pool.by_address() { sub.as_str().to_owned() } else { format!("user-{}", human.0) };
    let username = Username::try_from(name.as_str()).expect("it is short and printable");
    let body = Body { enabled, groups, ..Body::confirmed(attributes, long_ago) };
    let first = Version { at: long_ago, body };
    pool.add(SimulatedAccount::new(sub, username, human, false, first));
}

/// What the table knows about a human at the beginning.
fn store_initial_records(
    state: &mut WorldState,
    setting: &Setting,
    human: Human,
    start: InitialState,
) {
    let known = |account: &SimulatedAccount| KnownAccount {
        sub: account.sub.clone(),
        username: account.username.clone(),
        seen: WORLD_START,
        written: None,
        gone: None,
    };
    let accounts = BySide::from_fn(|side| state.pools.get(side).of(human).map(known));
    match start {
        InitialState::Unlinked | InitialState::OldOnly | InitialState::NewOnly => {}
        InitialState::Halves => {
            for side in Side::BOTH {
                let Some(account) = accounts.get(side).clone() else { continue };
                let id = PersonId::from_nonce(state.nonce());
                let record = PersonRecord::new(id, side, account, WORLD_START);
                state.table.begin(&record, true).expect("the person was not in the table before");
            }
        }
        InitialState::Agreed => {
            let BySide { old: Some(old), new: Some(new) } = accounts else { return };
            let id = PersonId::from_nonce(state.nonce());
            let mut record = PersonRecord::new(id, Side::Old, old, WORLD_START);
            record.accounts.new = Some(new);
            record.state = PersonState::Synced;
            record.linked = Some(WORLD_START);
            record.baseline = Some(initial_baseline(state, setting, &record, human));
            state.table.begin(&record, true).expect("the person was not in the table before");
            state.watch.baseline.insert(record.id, WORLD_START);
        }
    }
}

fn initial_baseline(
    state: &WorldState,
    setting: &Setting,
    record: &PersonRecord,
    human: Human,
) -> Baseline {
    let mapping = &setting.policy.mapping;
    let Some(account) = state.pools.old.of(human) else { return Baseline::default() };
    let profile = setting.profile(&state.pools, Side::Old, account);
    let base = |(field, value): (&Field, &Value)| {
        let rule = mapping.revision(field)?;
        let fingerprint = Some(setting.keys.fingerprint(&record.salt, field, value));
        Some((field.clone(), BaselineField { fingerprint, rule }))
    };
    Baseline { fields: profile.present().filter_map(base).collect(), rules: mapping.revisions() }
}

/// The first values count as edits, and so do absences. Equal values on both sides count as one
/// edit.
pub(super) fn origins(state: &mut WorldState, setting: &Setting, human: Human) {
    let mut shared: BTreeMap<(Field, Option<String>), EditId> = BTreeMap::new();
    let accounts = BySide::from_fn(|side| {
        let account = state.pools.get(side).of(human)?;
        let profile = setting.profile(&state.pools, side, account);
        Some((account.sub.clone(), account.created, profile))
    });
    for side in Side::BOTH {
        let Some((sub, created, profile)) = accounts.get(side) else { continue };
        let mut origins = BTreeMap::new();
        for field in fields(state, setting) {
            let value = profile.get(&field).value().map(Value::canonical);
            let says = |side: Side| {
                accounts.get(side).as_ref().map(|it| it.2.get(&field).value().map(Value::canonical))
            };
            let made = (says(Side::Old) != says(Side::New)).then_some(side);
            let key = (field.clone(), value.clone());
            let id = if let Some(id) = shared.get(&key) {
                *id
            } else {
                state.edits.note(human, made, field.clone(), *created, value, None, true)
            };
            shared.insert(key, id);
            origins.insert(field, id);
        }
        let listed: Vec<String> =
            origins.iter().map(|(field, id)| format!("{field} {}", id.0)).collect();
        state.say(|| format!("{sub} is human {}'s: {}", human.0, listed.join(", ")));
        if let Some(account) = state.pools.get_mut(side).get_mut(sub) {
            account.begin_with(&origins);
        }
    }
}

/// Every field that travels.
pub(super) fn fields(state: &WorldState, setting: &Setting) -> Vec<Field> {
    let rules = setting.policy.mapping.rules().map(|rule| rule.field.clone());
    let PoolSchema { groups, factors, .. } = &state.pools.old.schema;
    let groups = groups.iter().cloned().map(Field::Group);
    let factors = factors.iter().copied().map(Field::Factor);
    rules.chain(groups).chain(factors).chain([Field::Enabled]).collect()
}

/// Whether people are created in the other pool.
pub const fn eager(policy: &Policy) -> bool {
    matches!(policy.provision.new, Provision::Eager)
}
