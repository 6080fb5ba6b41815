//! What people and administrators do to accounts while the bridge runs.

use std::collections::BTreeSet;

use poolbridge_core::account::Status;
use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::names::{AttributeName, Sub};
use poolbridge_core::profile::{Factor, Field};
use poolbridge_core::side::Side;

use super::deletions;
use super::initial_state::{Setting, eager};
use super::parameters::{Act, WorldParameters};
use super::same_address_accounts::CLAIMANT;
use super::schemas::attribute_of;
use crate::world::WorldState;
use crate::world::accounts::{Body, Password, SimulatedAccount, Version, attribute, group};
use crate::world::deletions::delete_account;
use crate::world::edits::Human;
use crate::world::passwords::PasswordSet;

/// The number of different words: so few that the two sides often hold the same value.
const WORDS: usize = 2;

/// A person does something. Returns the change that a trigger would receive.
pub fn edit(
    state: &mut WorldState,
    setting: &Setting,
    parameters: &WorldParameters,
) -> Option<(Human, ChangeEvent)> {
    let mut accounts: Vec<(Side, Sub, Human)> = Vec::new();
    for side in Side::BOTH {
        let living = state.pools.get(side).living();
        let known = living.filter(|one| one.human != Human(u32::MAX));
        accounts.extend(known.map(|one| (side, one.sub.clone(), one.human)));
    }
    if accounts.is_empty() {
        return None;
    }
    let at = state.chooser.choose(accounts.len(), "whose account");
    let (side, sub, human) = accounts.swap_remove(at);
    action(state, setting, parameters, (side, sub, human))
}

/// A person does something to that account of theirs. Returns the change that a trigger would
/// receive.
pub fn action(
    state: &mut WorldState,
    setting: &Setting,
    parameters: &WorldParameters,
    (side, sub, human): (Side, Sub, Human),
) -> Option<(Human, ChangeEvent)> {
    let weights: Vec<u32> = parameters.acts.iter().map(|(_, weight)| *weight).collect();
    let act = parameters.acts[state.chooser.weigh(&weights, "what is done")].0;
    match act {
        Act::Text | Act::Word | Act::Blank | Act::Restore => {
            let text = parameters.texts[state.chooser.choose(parameters.texts.len(), "which text")];
            set_text(state, setting, side, &sub, act, text)?;
            let kinds = [
                (Act::Word, "text that others have too"),
                (Act::Blank, "text blanked"),
                (Act::Restore, "former text restored"),
            ];
            for (_, what) in kinds.into_iter().filter(|(kind, _)| *kind == act) {
                state.fault_injection.count(what);
            }
        }
        // Otherwise nothing would connect the two unlinked accounts of one human any more.
        Act::Address if apart(state, setting, human) => {
            state.fault_injection.count("address kept, the accounts not linked");
            return None;
        }
        Act::Address | Act::Phone => set_address(state, setting, parameters, side, &sub, act),
        Act::Verify => {
            let phone = parameters.phones && state.chooser.choose(3, "which address") == 1;
            let kind = if phone { "phone_number" } else { "email" };
            if !can_prove(state, side, &sub, &attribute(kind)) {
                return None;
            }
            apply(state, setting, side, &sub, |body| {
                body.attributes.insert(attribute(&format!("{kind}_verified")), "true".to_owned());
            });
        }
        Act::Factor => switch_factor(state, setting, side, &sub)?,
        Act::Group | Act::Undo => {
            let groups: Vec<_> = state.pools.get(side).schema.groups.iter().cloned().collect();
            let which = if act == Act::Undo {
                group("staff")
            } else {
                groups[state.chooser.choose(groups.len(), "which group")].clone()
            };
            apply(state, setting, side, &sub, |body| {
                if !body.groups.remove(&which) {
                    body.groups.insert(which);
                }
            });
        }
        Act::Enabled => apply(state, setting, side, &sub, |body| body.enabled = !body.enabled),
        Act::Password => return choose_password(state, side, sub, human),
        Act::SignIn => {
            state.say(|| format!("{sub} signs in"));
            return Some((human, change(state, side, sub, Evidence::Hint, false)));
        }
        Act::Replace => return replace(state, setting, side, &sub),
        Act::Delete => return deletions::delete(state, side, &sub),
        Act::Return => return deletions::sign_up_again(state, setting),
        Act::Join => return deletions::join(state, setting, side, &sub),
    }
    Some((human, change(state, side, sub, Evidence::Changed, false)))
}

/// Sets a text attribute according to the edit. `None` if the attribute does not allow it.
fn set_text(
    state: &mut WorldState,
    setting: &Setting,
    side: Side,
    sub: &Sub,
    act: Act,
    text: &str,
) -> Option<()> {
    let name = attribute_of(side, text);
    let schema = &state.pools.get(side).schema;
    if schema.attributes.get(&name).is_some_and(|schema| !schema.mutable) {
        return None;
    }
    let value = if act == Act::Restore {
        former(state, side, sub, &name)?.attributes.get(&name).cloned()
    } else if act == Act::Blank {
        None
    } else if act == Act::Word {
        Some(format!("word-{}", state.chooser.choose(WORDS, "which word")))
    } else {
        Some(format!("text-{}", state.edits.all().len()))
    };
    apply(state, setting, side, sub, |body| {
        match value {
            Some(value) => body.attributes.insert(name, value),
            None => body.attributes.remove(&name),
        };
    });
    Some(())
}

/// Sets a new e-mail address or phone number that no account had before.
fn set_address(
    state: &mut WorldState,
    setting: &Setting,
    parameters: &WorldParameters,
    side: Side,
    sub: &Sub,
    act: Act,
) {
    let proved = state.chooser.choose(2, "proved at once") == 1;
    let number = state.edits.all().len();
    let (kind, address) = if act == Act::Phone {
        state.fault_injection.count("phone number edited");
        ("phone_number", format!("+1555{number:07}"))
    } else {
        let spelled = parameters.spellings && state.pools.get(side).schema.case_sensitive;
        let capital = spelled && state.chooser.choose(2, "a capital") == 1;
        let name = if capital { "Edit" } else { "edit" };
        ("email", format!("{name}{number}@example.com"))
    };
    apply(state, setting, side, sub, |body| {
        body.attributes.insert(attribute(kind), address);
        body.attributes.insert(attribute(&format!("{kind}_verified")), proved.to_string());
    });
}

/// Switches a second factor on or off. `None` if the pool would refuse it.
fn switch_factor(state: &mut WorldState, setting: &Setting, side: Side, sub: &Sub) -> Option<()> {
    let factor = Factor::TRAVELLING[state.chooser.choose(2, "which factor")];
    let body = state.account(side, sub)?.body();
    let phone = body.attributes.contains_key(&attribute("phone_number"));
    if body.status == Status::ExternalProvider || (factor == Factor::Sms && !phone) {
        return None;
    }
    state.fault_injection.count("second factor switched");
    apply(state, setting, side, sub, |body| {
        if !body.factors.remove(&factor) {
            body.factors.insert(factor);
        }
    });
    Some(())
}

/// Sets a password. Impossible for a person without one, or with a temporary one that was never
/// sent.
fn choose_password(
    state: &mut WorldState,
    side: Side,
    sub: Sub,
    human: Human,
) -> Option<(Human, ChangeEvent)> {
    let (at, account) = (state.now, state.pools.get_mut(side).get_mut(&sub)?);
    if account.body().status != Status::Confirmed {
        return None;
    }
    account.change(at, |body| (body.modified, body.password) = (at, Password::Chosen(at)));
    state.say(|| format!("{sub} sets a password"));
    let reported = change(state, side, sub.clone(), Evidence::Changed, true);
    let (change, has_pending) = (reported.id, None);
    let set = PasswordSet { human, side, sub, at, reported: reported.at, change, has_pending };
    state.watch.passwords.push(set);
    Some((human, reported))
}

/// Whether the person can verify that address: the account has it, it is the person's own, and no
/// other account has it as an alias.
fn can_prove(state: &WorldState, side: Side, sub: &Sub, kind: &AttributeName) -> bool {
    let Some(account) = state.account(side, sub) else { return false };
    let Some(address) = account.body().attributes.get(kind) else { return false };
    let theirs = account.human < CLAIMANT || !address.starts_with('h');
    theirs && (kind.as_str() != "email" || !state.pools.get(side).taken(address, Some(sub)))
}

/// The account before the last change of an attribute; `None` if it never changed.
fn former<'a>(
    state: &'a WorldState,
    side: Side,
    sub: &Sub,
    name: &AttributeName,
) -> Option<&'a Body> {
    let account = state.pools.get(side).get(sub)?;
    let now = account.body().attributes.get(name);
    let mut former = account.versions().iter().rev().map(|version| &version.body);
    former.find(|body| body.attributes.get(name) != now)
}

/// Whether that human has two accounts that no person record connects yet, or may get them: a
/// creation may be in progress. After a change of address at that moment, nothing would connect the
/// two.
fn apart(state: &WorldState, setting: &Setting, human: Human) -> bool {
    let person = |side| {
        let account = state.pools.get(side).of(human)?;
        Some(state.table.find(side, &account.sub).map(|record| record.id.clone()))
    };
    match (person(Side::Old), person(Side::New)) {
        (Some(old), Some(new)) => old.is_none() || old != new,
        (_, _) => eager(&setting.policy),
    }
}

/// The change that a trigger reports for an edit made now.
pub fn change(
    state: &mut WorldState,
    side: Side,
    sub: Sub,
    evidence: Evidence,
    password: bool,
) -> ChangeEvent {
    let (at, id) = (state.clock_with_error(), state.nonce());
    ChangeEvent { side, sub, at, evidence, password, administrator: false, claimed: false, id }
}

/// Changes an account and records every field that differs afterwards.
fn apply(
    state: &mut WorldState,
    setting: &Setting,
    side: Side,
    sub: &Sub,
    change: impl FnOnce(&mut Body),
) {
    let now = state.now;
    let Some(account) = state.pools.get(side).get(sub) else { return };
    let human = account.human;
    let before = setting.profile(&state.pools, side, account);
    let groups = account.body().groups.clone();
    let case_sensitive = state.pools.get(side).schema.case_sensitive;
    let Some(account) = state.pools.get_mut(side).get_mut(sub) else { return };
    account.change(now, |body| {
        change(body);
        if !case_sensitive && let Some(address) = body.attributes.get_mut(&attribute("email")) {
            address.make_ascii_lowercase();
        }
        // `AdminGetUser`'s date does not cover memberships.
        if body.groups == groups {
            body.modified = now;
        }
    });
    let Some(account) = state.pools.get(side).get(sub) else { return };
    let after = setting.profile(&state.pools, side, account);
    let held = before.present().chain(after.present()).map(|(field, _)| field.clone());
    let fields: BTreeSet<Field> = held.collect();
    let mut reported = Vec::new();
    for field in fields.into_iter().filter(|field| before.get(field) != after.get(field)) {
        let over = state.pools.get(side).get(sub);
        let over = over.and_then(|account| account.body().origins.get(&field).copied());
        let value = after.get(&field).value().map(poolbridge_core::profile::Value::canonical);
        let id = state.edits.note(human, Some(side), field.clone(), now, value, over, false);
        if let Some(account) = state.pools.get_mut(side).get_mut(sub) {
            account.relabel(field.clone(), id);
        }
        reported.push(format!("{field} (edit {})", id.0));
    }
    state.say(|| format!("{sub} is edited: {}", reported.join(", ")));
}

/// Deletes the account, and another person signs up with its username.
fn replace(
    state: &mut WorldState,
    setting: &Setting,
    side: Side,
    sub: &Sub,
) -> Option<(Human, ChangeEvent)> {
    let now = state.now;
    let gone = state.pools.get(side).get(sub)?.clone();
    if state.pools.get(side).by_address() || gone.human.0 >= 500 {
        return None;
    }
    delete_account(state, side, sub);
    let human = Human(500 + gone.human.0);
    let mut body = gone.body().clone();
    body.attributes.insert(attribute("email"), format!("stranger{}@example.com", human.0));
    body.attributes.insert(attribute("name"), format!("stranger-{}", human.0));
    body.status = Status::Confirmed;
    body.modified = now;
    body.origins.clear();
    body.groups.clear();
    let pool = state.pools.get_mut(side);
    let replacement = pool.next_sub();
    let first = Version { at: now, body };
    pool.add(SimulatedAccount::new(
        replacement.clone(),
        gone.username.clone(),
        human,
        false,
        first,
    ));
    deletions::label(state, setting, side, &replacement, human);
    state.say(|| format!("{sub} is deleted, and {replacement} signs up under its name"));
    Some((human, change(state, side, replacement, Evidence::Confirmed, false)))
}
