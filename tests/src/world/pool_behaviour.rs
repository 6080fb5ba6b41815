//! How a simulated pool treats a write: what it accepts, refuses and changes.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::account::{AccountRef, NewAccount, Status};
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::{AttributeName, GroupName, Sub, Username};
use poolbridge_core::profile::{Factor, Field};
use poolbridge_core::side::Side;
use poolbridge_core::step::Action;
use poolbridge_core::time::Time;

use super::WorldState;
use super::accounts::{Accounts, Body, Password, SimulatedAccount, Version, attribute};
use super::connection::Call;
use super::pool_reads::addressed;
use super::watch::{self, Observations};

/// Creates an account.
pub(super) fn create(
    state: &mut WorldState,
    call: Call,
    side: Side,
    wanted: &NewAccount,
    observations: &Observations,
) -> Result<AccountRef, PortError> {
    let pool = state.pools.get(side);
    let exists = PortError::new(ErrorKind::Exists, call.operation);
    let by_address = pool.by_address();
    let attributes = match new_account_attributes(pool, wanted) {
        Ok(attributes) => attributes,
        Err(kind) => {
            state.say(|| format!("{call}: refused, {kind:?}"));
            return Err(PortError::new(kind, call.operation));
        }
    };
    let address = attributes.get(&attribute("email")).cloned().unwrap_or_default();
    let taken = (pool.taken(&address, None) && takes(pool, &attributes))
        || (!by_address
            && pool.living().any(|a| pool.same(a.username.reveal(), wanted.username.reveal())));
    if taken {
        state.say(|| format!("{call}: exists already"));
        return Err(exists);
    }
    let sub = pool.next_sub();
    let name = if by_address { sub.as_str() } else { wanted.username.reveal() };
    let username = Username::try_from(name).map_err(|_| exists)?;
    let human = state.watch.human_being_created(&state.table, &state.pools, call.task, side);
    let mut origins = observations.origins_at_creation(&state.pools, side, human);
    let groups: Vec<GroupName> = state.pools.get(side).schema.groups.iter().cloned().collect();
    for group in groups {
        let field = Field::Group(group);
        let (now, edits) = (state.now, &mut state.edits);
        let absent = edits.note(human, Some(side), field.clone(), now, None, None, true);
        origins.insert(field, absent);
    }
    let body = Body {
        attributes,
        enabled: true,
        groups: BTreeSet::new(),
        factors: BTreeSet::new(),
        status: Status::ForceChangePassword,
        password: Password::Unknown,
        modified: state.now,
        exists: true,
        origins,
    };
    let first = Version { at: state.now, body };
    let made = SimulatedAccount::new(sub.clone(), username.clone(), human, true, first);
    state.pools.get_mut(side).add(made);
    watch::created(state, call, side, &sub, observations);
    state.say(|| format!("{call} {sub}: created"));
    Ok(AccountRef { sub, username: Some(username) })
}

/// The state of the new account, or the reason why the pool would not create it. In a pool of
/// addresses the username is the address: the attribute may be missing, but must not differ.
fn new_account_attributes(
    pool: &Accounts,
    wanted: &NewAccount,
) -> Result<BTreeMap<AttributeName, String>, ErrorKind> {
    let held = wanted.attributes.iter().filter(|(_, value)| !value.is_empty());
    let mut attributes: BTreeMap<_, _> =
        held.map(|(name, value)| (name.clone(), value.clone())).collect();
    // "The preferred username must not be the username": a rule for an account that does not exist
    // yet.
    let preferred_username = attribute("preferred_username");
    let repeats = attributes
        .get(&preferred_username)
        .filter(|_| pool.schema.signs_in_by(&preferred_username));
    if repeats.is_some_and(|name| name.eq_ignore_ascii_case(wanted.username.reveal())) {
        return Err(ErrorKind::AccountGone);
    }
    let mut invalid = attributes.iter().any(|(name, value)| !pool.takes(name, value));
    if pool.by_address() {
        let name = wanted.username.reveal();
        let address = attributes.entry(attribute("email")).or_insert_with(|| name.to_owned());
        invalid |= !name.contains('@') || !pool.same(address, name);
    }
    fold(pool, &mut attributes);
    if invalid { Err(ErrorKind::Invalid) } else { Ok(attributes) }
}

/// Whether an account with these attributes owns its address as a name: always where usernames are
/// addresses; otherwise where the address is an alias and verified.
fn takes(pool: &Accounts, attributes: &BTreeMap<AttributeName, String>) -> bool {
    let verified = attributes.get(&attribute("email_verified")).is_some_and(|flag| flag == "true");
    pool.by_address() || verified
}

/// A case-insensitive pool shows addresses in lower case.
fn fold(pool: &Accounts, attributes: &mut BTreeMap<AttributeName, String>) {
    if !pool.schema.case_sensitive
        && let Some(address) = attributes.get_mut(&attribute("email"))
    {
        address.make_ascii_lowercase();
    }
}

/// Does one action to one account.
pub(super) fn write(
    state: &mut WorldState,
    call: Call,
    side: Side,
    account: &AccountRef,
    action: &Action,
    observations: &Observations,
) -> Result<(), PortError> {
    let now = state.now;
    let pool = state.pools.get(side);
    let target = addressed(pool, account, now)
        .filter(|(sub, version)| pool.get(sub).is_some_and(|a| a.versions()[*version].body.exists));
    let Some((sub, _)) = target else {
        if *action == Action::Delete {
            state.say(|| format!("{call} {}: deleted already", account.sub));
            return Ok(());
        }
        return Err(PortError::new(ErrorKind::AccountGone, call.operation));
    };
    if let Err(kind) = refuse(pool, &sub, action) {
        let hidden = hidden_refusals(pool, &sub, action);
        state.watch.refused.extend(hidden.into_iter().map(|field| (side, sub.clone(), field)));
        state.say(|| format!("{call} {sub}: {action:?} refused, {}", kind.name()));
        return Err(PortError::new(kind, call.operation));
    }
    let WorldState { fault_injection, chooser, watch, .. } = &mut *state;
    if let Some(kind) = fault_injection.refusal(call.operation, chooser.as_mut()) {
        watch.refused.extend(action.fields().into_iter().map(|field| (side, sub.clone(), field)));
        state.say(|| format!("{call} {sub}: {action:?} refused"));
        return Err(PortError::new(kind, call.operation));
    }
    let kept = what_is_kept(state.pools.get(side), action);
    let after = after(state.pools.get(side), &sub, &kept, now);
    watch::written(state, call, side, &sub, action, after.as_ref(), observations);
    let origins = observations.origins(&state.pools, side, &sub, &kept);
    if let (Some(simulated), Some(after)) = (state.pools.get_mut(side).get_mut(&sub), after) {
        simulated.change(now, |body| {
            *body = after;
            for (field, origin) in origins {
                match origin {
                    Some(origin) => body.origins.insert(field, origin),
                    None => body.origins.remove(&field),
                };
            }
        });
    }
    state.say(|| format!("{call} {sub}: {action:?} done"));
    Ok(())
}

/// The state of an account after that action.
fn after(pool: &Accounts, sub: &Sub, action: &Action, now: Time) -> Option<Body> {
    let mut after = pool.get(sub)?.body().clone();
    act(&mut after, action, now);
    fold(pool, &mut after.attributes);
    Some(after)
}

/// The effect of an action that the pool answers with success: some attributes keep their value.
fn what_is_kept(pool: &Accounts, action: &Action) -> Action {
    let mut kept = action.clone();
    if let Action::SetAttributes { fields } = &mut kept {
        fields.retain(|_, values| !values.keys().any(|name| pool.keeps.contains(name)));
    }
    kept
}

/// The reason why the pool would refuse the action.
fn refuse(pool: &Accounts, sub: &Sub, action: &Action) -> Result<(), ErrorKind> {
    match action {
        Action::SetAttributes { fields } => {
            for (name, value) in fields.values().flatten() {
                let schema = pool.schema.attributes.get(name).ok_or(ErrorKind::Invalid)?;
                if !schema.mutable || (!value.is_empty() && !pool.takes(name, value)) {
                    return Err(ErrorKind::Invalid);
                }
            }
            let wanted = after(pool, sub, action, Time::ZERO).map(|body| body.attributes);
            let address = wanted.as_ref().filter(|all| takes(pool, all));
            let address = address.and_then(|all| all.get(&attribute("email")));
            let taken = fields.contains_key(&Field::Email)
                && address.is_some_and(|address| pool.taken(address, Some(sub)));
            if taken { Err(ErrorKind::Exists) } else { Ok(()) }
        }
        Action::AddToGroup(group) | Action::RemoveFromGroup(group) => {
            pool.schema.groups.contains(group).then_some(()).ok_or(ErrorKind::Missing)
        }
        Action::SetFactors(factors) => {
            let offered = factors.keys().all(|factor| pool.schema.factors.contains(factor));
            // Where the pool requires a code by text message from every account, SMS stays on.
            let required = pool.schema.mfa_required && factors.get(&Factor::Sms) == Some(&false);
            let ready = undeliverable(pool, sub, factors).is_empty() && !required;
            (offered && ready).then_some(()).ok_or(ErrorKind::Invalid)
        }
        Action::Disable
        | Action::Enable
        | Action::SetRandomPassword
        | Action::SignOut
        | Action::Delete => Ok(()),
    }
}

/// Factors to be switched on for an account without the address that their codes go to. Cognito
/// refuses the whole call: "User does not have delivery config set to turn on `SMS_MFA`".
fn undeliverable(pool: &Accounts, sub: &Sub, factors: &BTreeMap<Factor, bool>) -> Vec<Factor> {
    let holds = |name: &str| {
        let account = pool.get(sub);
        account.is_some_and(|account| account.body().attributes.contains_key(&attribute(name)))
    };
    let lacks = |factor: &Factor| match factor {
        Factor::Sms => !holds("phone_number"),
        Factor::Email => !holds("email"),
        Factor::Totp => false,
    };
    let wanted = factors.iter().filter(|(_, on)| **on).map(|(factor, _)| *factor);
    wanted.filter(lacks).collect()
}

/// The fields of a refused action that only the refusal shows.
fn hidden_refusals(pool: &Accounts, sub: &Sub, action: &Action) -> Vec<Field> {
    match action {
        Action::SetAttributes { fields } => {
            let refused = |(field, values): (&Field, &BTreeMap<AttributeName, String>)| {
                let refused = values.iter().any(|(name, value)| pool.refuses(name, value));
                refused.then(|| field.clone())
            };
            fields.iter().filter_map(refused).collect()
        }
        Action::SetFactors(factors) => {
            undeliverable(pool, sub, factors).into_iter().map(Field::Factor).collect()
        }
        Action::Disable
        | Action::Enable
        | Action::AddToGroup(_)
        | Action::RemoveFromGroup(_)
        | Action::SetRandomPassword
        | Action::SignOut
        | Action::Delete => Vec::new(),
    }
}

/// The flag of an address, which is cleared when the address changes without it.
fn flag_of(name: &AttributeName) -> Option<AttributeName> {
    let is_address = matches!(name.as_str(), "email" | "phone_number");
    is_address.then(|| attribute(&format!("{name}_verified")))
}

/// The effect of an action on an account. Memberships do not move `modified`.
fn act(body: &mut Body, action: &Action, now: Time) {
    match action {
        Action::Disable => body.enabled = false,
        Action::Enable => body.enabled = true,
        Action::SetAttributes { fields } => {
            for (name, value) in fields.values().flatten() {
                let before = body.attributes.get(name).map_or("", String::as_str);
                let is_set =
                    |flag: &AttributeName| fields.values().any(|all| all.contains_key(flag));
                let lost = flag_of(name).filter(|flag| before != value && !is_set(flag));
                body.attributes.extend(lost.map(|flag| (flag, false.to_string())));
                if value.is_empty() {
                    body.attributes.remove(name);
                } else {
                    body.attributes.insert(name.clone(), value.clone());
                }
            }
        }
        Action::AddToGroup(group) => {
            body.groups.insert(group.clone());
            return;
        }
        Action::RemoveFromGroup(group) => {
            body.groups.remove(group);
            return;
        }
        Action::SetFactors(factors) => {
            for (factor, on) in factors {
                if *on {
                    body.factors.insert(*factor);
                } else {
                    body.factors.remove(factor);
                }
            }
        }
        // AWS's pages do not say what happens to an account that was never confirmed.
        Action::SetRandomPassword if body.status == Status::Unconfirmed => {}
        Action::SetRandomPassword => {
            (body.status, body.password) = (Status::Confirmed, Password::Unknown);
        }
        Action::SignOut => return,
        Action::Delete => body.exists = false,
    }
    body.modified = now;
}
