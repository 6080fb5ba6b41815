//! A simulated user pool: Cognito's manners as far as the bridge can meet them.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use poolbridge_core::account::{Account, Handle, NewAccount, Shape, Status};
use poolbridge_core::facts::Field;
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::names::{AttributeName, GroupName, Sub, Username};
use poolbridge_core::ports::{Pool, Search};
use poolbridge_core::side::Side;
use poolbridge_core::step::Deed;
use poolbridge_core::time::Time;

use super::State;
use super::accounts::{Accounts, Body, SimulatedAccount, Version, attribute};
use super::line::{Call, Line};
use super::watch::Seen;
use super::weather::Place;

/// Listings are staler than reads by this factor: `ListUsers` promises only that it catches up.
const LISTING_LAG: u32 = 10;

/// One pool, as one task reaches it.
#[derive(Clone)]
pub struct SimulatedPool {
    line: Line,
    side: Side,
}

impl SimulatedPool {
    /// The pool of that side at the end of that line.
    pub const fn new(line: Line, side: Side) -> Self {
        Self { line, side }
    }

    fn call(&self, operation: &'static str, changes: bool) -> Call {
        self.line.call(Place::Pool(self.side), operation, changes)
    }
}

impl Pool for SimulatedPool {
    fn shape(&self) -> impl Future<Output = Result<Shape, Fault>> + Send {
        // The adapter reads it once and caches it, so it neither fails nor takes a turn here.
        let shape = self.line.world().lock().pools.get(self.side).shape.clone();
        std::future::ready(Ok(shape))
    }

    fn read(
        &self,
        account: &Handle,
    ) -> impl Future<Output = Result<Option<Account>, Fault>> + Send {
        let (side, account) = (self.side, account.clone());
        let call = self.call("AdminGetUser", false);
        self.line.make(call, move |state| {
            let moment = moment_of_read(state, side, &account);
            let found = addressed(state.pools.get(side), &account, moment);
            Ok(observe(state, call, side, moment, found.as_ref()))
        })
    }

    fn read_name(
        &self,
        username: &Username,
    ) -> impl Future<Output = Result<Option<Account>, Fault>> + Send {
        let (side, username) = (self.side, username.clone());
        let call = self.call("AdminGetUser", false);
        self.line.make(call, move |state| {
            let moment = moment_of_listing(state, side, 1);
            let found = named(state.pools.get(side), &username, moment);
            Ok(observe(state, call, side, moment, found.as_ref()))
        })
    }

    fn groups(
        &self,
        account: &Handle,
    ) -> impl Future<Output = Result<BTreeSet<GroupName>, Fault>> + Send {
        let (side, account) = (self.side, account.clone());
        let call = self.call("AdminListGroupsForUser", false);
        self.line.make(call, move |state| {
            let moment = moment_of_read(state, side, &account);
            let found = addressed(state.pools.get(side), &account, moment);
            let gone = Fault::new(FaultKind::AccountGone, call.operation);
            let (sub, version) = found.ok_or_else(|| gone.clone())?;
            let simulated = state.pools.get(side).get(&sub).ok_or_else(|| gone.clone())?;
            let body = &simulated.versions()[version].body;
            let groups = body.groups.clone();
            if !body.exists {
                return Err(gone);
            }
            let seen = Seen { version, moment, at: state.now };
            state.watch.saw_groups(call.task, side, &sub, seen);
            state.say(|| format!("{call} {sub}: {} groups, version {version}", groups.len()));
            Ok(groups)
        })
    }

    fn find(&self, search: &Search) -> impl Future<Output = Result<Vec<Account>, Fault>> + Send {
        let (side, search) = (self.side, search.clone());
        let call = self.call("ListUsers", false);
        self.line.make(call, move |state| {
            let moment = moment_of_listing(state, side, LISTING_LAG);
            let found: Vec<(Sub, usize)> = (state.pools.get(side).all().iter())
                .filter_map(|account| Some((account, account.version_at(moment)?)))
                .filter(|(account, version)| {
                    matches(state.pools.get(side), account, *version, &search)
                })
                .map(|(account, version)| (account.sub.clone(), version))
                .collect();
            let mut answer = Vec::new();
            for (sub, version) in found {
                let seen = Seen { version, moment, at: state.now };
                state.watch.found(call.task, side, &sub, seen);
                state.say(|| format!("{call}: {sub}, version {version}"));
                let account = state.account(side, &sub).and_then(|one| one.answer(version));
                // A listing has no second factors.
                answer.extend(account.map(|account| Account { factors: None, ..account }));
            }
            Ok(answer)
        })
    }

    fn create(
        &self,
        account: &NewAccount,
        deadline: Time,
    ) -> impl Future<Output = Result<Handle, Fault>> + Send {
        let (side, account) = (self.side, account.clone());
        let call = Call { deadline: Some(deadline), ..self.call("AdminCreateUser", true) };
        let basis = self.line.world().lock().watch.basis(call.task);
        self.line.make(call, move |state| create(state, call, side, &account, &basis))
    }

    fn write(
        &self,
        account: &Handle,
        deed: &Deed,
        deadline: Time,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        let (side, account, deed) = (self.side, account.clone(), deed.clone());
        let call = Call { deadline: Some(deadline), ..self.call(deed.operation(), true) };
        let basis = self.line.world().lock().watch.basis(call.task);
        self.line.make(call, move |state| write(state, call, side, &account, &deed, &basis))
    }
}

/// The moment that a read of one account shows: now, or, if stale, one of those that could make a
/// difference: just before its last change, or as long ago as the bound allows.
fn moment_of_read(state: &mut State, side: Side, account: &Handle) -> Time {
    let now = state.now;
    let oldest = now - state.settle;
    let State { weather, chooser, pools, .. } = state;
    let Some(found) = pools.get(side).get(&account.sub) else { return now };
    let last = found.versions().last().map_or(oldest, |version| version.at);
    // Nothing of it changed within the bound: no read can be stale in any way that shows.
    if last <= oldest || !weather.stale(chooser.as_mut()) {
        return now;
    }
    let before = Time(last.0 - 1);
    let candidates = if found.versions().len() > 2 && before > oldest {
        vec![before, oldest]
    } else {
        vec![before.max(oldest)]
    };
    candidates[chooser.choose(candidates.len(), "how stale")]
}

fn moment_of_listing(state: &mut State, side: Side, lag: u32) -> Time {
    let now = state.now;
    let oldest = now - state.settle * lag;
    let State { weather, chooser, pools, .. } = state;
    let last = pools.get(side).changed_before(now).filter(|&last| last > oldest);
    let Some(last) = last.filter(|_| weather.stale(chooser.as_mut())) else { return now };
    let candidates = [Time(last.0 - 1).max(oldest), oldest];
    candidates[chooser.choose(candidates.len(), "how stale")]
}

/// The account that a handle reaches, and which version of it a read of that moment shows. A pool of
/// addresses is asked by `sub`, a plain one by name: whoever bears it then (R21).
fn addressed(accounts: &Accounts, handle: &Handle, moment: Time) -> Option<(Sub, usize)> {
    match handle.username.as_ref().filter(|_| !accounts.by_address()) {
        Some(username) => named(accounts, username, moment),
        None => {
            let found = accounts.get(&handle.sub)?;
            Some((found.sub.clone(), found.version_at(moment)?))
        }
    }
}

fn named(accounts: &Accounts, username: &Username, moment: Time) -> Option<(Sub, usize)> {
    let email = attribute("email");
    let bears = |account: &&SimulatedAccount, version: usize| {
        let body = &account.versions()[version].body;
        let by_address = accounts.by_address()
            && body
                .attributes
                .get(&email)
                .is_some_and(|held| accounts.same(held, username.reveal()));
        body.exists && (by_address || accounts.same(account.username.reveal(), username.reveal()))
    };
    accounts.all().iter().find_map(|account| {
        let version = account.version_at(moment)?;
        bears(&account, version).then(|| (account.sub.clone(), version))
    })
}

fn matches(pool: &Accounts, account: &SimulatedAccount, version: usize, search: &Search) -> bool {
    let body = &account.versions()[version].body;
    let holds = |name: &str, text: &String| {
        body.attributes.get(&attribute(name)).is_some_and(|held| pool.same(held, text))
    };
    body.exists
        && match search {
            Search::Email(text) => holds("email", text),
            Search::Phone(text) => holds("phone_number", text),
            Search::PreferredUsername(text) => holds("preferred_username", text),
            Search::Username(name) => pool.same(account.username.reveal(), name.reveal()),
        }
}

/// What the task is answered, and the note that it saw it.
fn observe(
    state: &mut State,
    call: Call,
    side: Side,
    moment: Time,
    found: Option<&(Sub, usize)>,
) -> Option<Account> {
    let Some((sub, version)) = found else {
        state.say(|| format!("{call}: nobody"));
        return None;
    };
    let answer = state.account(side, sub)?.answer(*version);
    let latest = state.account(side, sub)?.versions().len() - 1;
    let seen = Seen { version: *version, moment, at: state.now };
    state.watch.saw(call.task, side, sub, seen);
    let there = if answer.is_some() { "" } else { ", gone" };
    state.say(|| format!("{call} {sub}: version {version} of {latest}{there}"));
    answer
}

fn create(
    state: &mut State,
    call: Call,
    side: Side,
    wanted: &NewAccount,
    basis: &super::watch::Basis,
) -> Result<Handle, Fault> {
    let pool = state.pools.get(side);
    let exists = Fault::new(FaultKind::Exists, call.operation);
    let by_address = pool.by_address();
    let attributes = newborn(pool, wanted).map_err(|kind| Fault::new(kind, call.operation))?;
    let address = attributes.get(&attribute("email")).cloned().unwrap_or_default();
    let taken = pool.taken(&address, None)
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
    let mut origins = basis.origins_at_birth(&state.pools, side, human);
    let groups: Vec<GroupName> = state.pools.get(side).shape.groups.iter().cloned().collect();
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
        modified: state.now,
        exists: true,
        origins,
    };
    let first = Version { at: state.now, body };
    let made = SimulatedAccount::new(sub.clone(), username.clone(), human, true, first);
    state.pools.get_mut(side).add(made);
    super::watch::created(state, call, side, &sub, basis);
    state.say(|| format!("{call} {sub}: created"));
    Ok(Handle { sub, username: Some(username) })
}

/// What an account is born with, or why the pool would not make it. In a pool of addresses the name
/// is the address: it need not be said twice, and must not be said in two ways.
fn newborn(
    pool: &Accounts,
    wanted: &NewAccount,
) -> Result<BTreeMap<AttributeName, String>, FaultKind> {
    let held = wanted.attributes.iter().filter(|(_, value)| !value.is_empty());
    let mut attributes: BTreeMap<_, _> =
        held.map(|(name, value)| (name.clone(), value.clone())).collect();
    let unknown = attributes.keys().any(|name| !pool.shape.attributes.contains_key(name));
    let mut invalid = unknown;
    if pool.by_address() {
        let name = wanted.username.reveal();
        let address = attributes.entry(attribute("email")).or_insert_with(|| name.to_owned());
        invalid |= !name.contains('@') || !pool.same(address, name);
    }
    if invalid { Err(FaultKind::Invalid) } else { Ok(attributes) }
}

fn write(
    state: &mut State,
    call: Call,
    side: Side,
    account: &Handle,
    deed: &Deed,
    basis: &super::watch::Basis,
) -> Result<(), Fault> {
    let now = state.now;
    let pool = state.pools.get(side);
    let target = addressed(pool, account, now)
        .filter(|(sub, version)| pool.get(sub).is_some_and(|a| a.versions()[*version].body.exists));
    let Some((sub, _)) = target else {
        return Err(Fault::new(FaultKind::AccountGone, call.operation));
    };
    refuse(pool, &sub, deed).map_err(|kind| Fault::new(kind, call.operation))?;
    super::watch::written(state, call, side, &sub, deed, basis);
    let origins = basis.origins(&state.pools, side, &sub, deed);
    if let Some(simulated) = state.pools.get_mut(side).get_mut(&sub) {
        simulated.change(now, |body| {
            act(body, deed, now);
            for (field, origin) in origins {
                match origin {
                    Some(origin) => body.origins.insert(field, origin),
                    None => body.origins.remove(&field),
                };
            }
        });
    }
    state.say(|| format!("{call} {sub}: {deed:?} done"));
    Ok(())
}

/// Why the pool would not do that.
fn refuse(pool: &Accounts, sub: &Sub, deed: &Deed) -> Result<(), FaultKind> {
    match deed {
        Deed::SetAttributes { fields } => {
            for (name, value) in fields.values().flatten() {
                let shape = pool.shape.attributes.get(name).ok_or(FaultKind::Invalid)?;
                let too_long = shape.longest.is_some_and(|most| value.chars().count() > most);
                if !shape.mutable || too_long {
                    return Err(FaultKind::Invalid);
                }
                if name.as_str() == "email" && pool.taken(value, Some(sub)) {
                    return Err(FaultKind::Exists);
                }
            }
            Ok(())
        }
        Deed::AddToGroup(group) | Deed::RemoveFromGroup(group) => {
            pool.shape.groups.contains(group).then_some(()).ok_or(FaultKind::Missing)
        }
        Deed::SetFactors(factors) => {
            let offered = factors.keys().all(|factor| pool.shape.factors.contains(factor));
            offered.then_some(()).ok_or(FaultKind::Invalid)
        }
        Deed::Disable | Deed::Enable | Deed::SetRandomPassword | Deed::SignOut => Ok(()),
    }
}

/// The flag that an address loses when it changes and nobody says that it was verified.
fn flag_of(name: &AttributeName) -> Option<AttributeName> {
    let is_address = matches!(name.as_str(), "email" | "phone_number");
    is_address.then(|| attribute(&format!("{name}_verified")))
}

/// What a deed does to an account. Memberships do not move `modified`.
fn act(body: &mut Body, deed: &Deed, now: Time) {
    match deed {
        Deed::Disable => body.enabled = false,
        Deed::Enable => body.enabled = true,
        Deed::SetAttributes { fields } => {
            for (name, value) in fields.values().flatten() {
                let before = body.attributes.get(name).map_or("", String::as_str);
                let told = |flag: &AttributeName| fields.values().any(|all| all.contains_key(flag));
                let lost = flag_of(name).filter(|flag| before != value && !told(flag));
                body.attributes.extend(lost.map(|flag| (flag, false.to_string())));
                if value.is_empty() {
                    body.attributes.remove(name);
                } else {
                    body.attributes.insert(name.clone(), value.clone());
                }
            }
        }
        Deed::AddToGroup(group) => {
            body.groups.insert(group.clone());
            return;
        }
        Deed::RemoveFromGroup(group) => {
            body.groups.remove(group);
            return;
        }
        Deed::SetFactors(factors) => {
            for (factor, on) in factors {
                if *on {
                    body.factors.insert(*factor);
                } else {
                    body.factors.remove(factor);
                }
            }
        }
        // Of somebody who never confirmed, the pages do not say what becomes of them.
        Deed::SetRandomPassword if body.status == Status::Unconfirmed => {}
        Deed::SetRandomPassword => body.status = Status::Confirmed,
        Deed::SignOut => return,
    }
    body.modified = now;
}
