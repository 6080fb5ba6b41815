//! A simulated user pool: Cognito's behaviour as far as the bridge can meet it.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use poolbridge_core::account::{Account, Handle, NewAccount, Shape, Status};
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::limits;
use poolbridge_core::names::{GroupName, Sub, Username};
use poolbridge_core::ports::{Pool, Search, SearchAnswer};
use poolbridge_core::side::Side;
use poolbridge_core::step::Deed;
use poolbridge_core::time::Time;

use super::State;
use super::accounts::{Accounts, SimulatedAccount, attribute};
use super::line::{Call, Line};
use super::manners::{create, write};
use super::watch::Seen;
use super::weather::Place;

/// Listings are staler than reads by this factor: `ListUsers` is only eventually consistent.
pub(crate) const LISTING_LAG: u32 = 10;

/// One pool, as one task reaches it.
#[derive(Clone)]
pub struct SimulatedPool {
    line: Line,
    side: Side,
}

impl SimulatedPool {
    /// The pool of that side, through that connection.
    pub const fn new(line: Line, side: Side) -> Self {
        Self { line, side }
    }

    fn call(&self, operation: &'static str, changes: bool) -> Call {
        self.line.call(Place::Pool(self.side), operation, changes)
    }
}

impl SimulatedPool {
    /// The handle of a listed account.
    fn handle_of(&self, sub: &Sub) -> Handle {
        let state = self.line.world().lock();
        let username = state.account(self.side, sub).map(|account| account.username.clone());
        Handle { sub: sub.clone(), username }
    }

    /// A few accounts of a listing; they may have been deleted since.
    fn list_some(
        &self,
        except: &Sub,
    ) -> impl Future<Output = Result<Vec<Sub>, Fault>> + Send + use<> {
        let (side, except) = (self.side, except.clone());
        let line = self.line.clone();
        let call = self.call("ListUsers", false);
        async move {
            let listed = line.make(call, move |state| {
                let moment = moment_of_listing(state, side, LISTING_LAG);
                let listed = state.pools.get(side).all().iter().filter(|account| {
                    let version = account.version_at(moment);
                    let there = version.is_some_and(|it| account.versions()[it].body.exists);
                    there && account.sub != except
                });
                let subs = listed.map(|account| account.sub.clone());
                Ok(subs.take(limits::CANARY_ACCOUNTS_MAX).collect::<Vec<Sub>>())
            });
            listed.await
        }
    }

    /// Whether an account can be read. No write depends on the result.
    fn still_reads(&self, sub: Sub) -> impl Future<Output = Result<bool, Fault>> + Send + use<> {
        let side = self.side;
        let line = self.line.clone();
        let call = self.call("AdminGetUser", false);
        async move {
            let read = line.make(call, move |state| {
                let username = state.account(side, &sub).map(|account| account.username.clone());
                let handle = Handle { sub: sub.clone(), username };
                let moment = moment_of_read(state, side, &handle);
                state.watch.reads += 1;
                let pool = state.pools.get(side);
                let reads = addressed(pool, &handle, moment).is_some_and(|(found, version)| {
                    let account = pool.get(&found);
                    let there = account.is_some_and(|it| it.versions()[version].body.exists);
                    there && found == sub
                });
                state.say(|| format!("{call} {sub}: a canary that reads: {reads}"));
                Ok(reads)
            });
            read.await
        }
    }
}

impl Pool for SimulatedPool {
    fn shape(&self) -> impl Future<Output = Result<Arc<Shape>, Fault>> + Send {
        // The adapter reads it once and caches it, so it neither fails nor takes a turn here.
        let state = self.line.world().lock();
        let pool = state.pools.get(self.side);
        let shape = pool.cached.as_ref().unwrap_or(&pool.shape).clone();
        std::future::ready(Ok(Arc::new(shape)))
    }

    fn has_group(&self, group: &GroupName) -> impl Future<Output = Result<bool, Fault>> + Send {
        let (side, group) = (self.side, group.clone());
        let call = self.call("GetGroup", false);
        self.line.make(call, move |state| {
            let there = state.pools.get(side).shape.groups.contains(&group);
            state.say(|| format!("{call}: {there}"));
            Ok(there)
        })
    }

    fn every_group(&self) -> impl Future<Output = Result<BTreeSet<GroupName>, Fault>> + Send {
        let side = self.side;
        let call = self.call("ListGroups", false);
        self.line.make(call, move |state| {
            let groups = state.pools.get(side).shape.groups.clone();
            state.say(|| format!("{call}: {} groups", groups.len()));
            Ok(groups)
        })
    }

    fn read(
        &self,
        account: &Handle,
    ) -> impl Future<Output = Result<Option<Account>, Fault>> + Send {
        let (side, account) = (self.side, account.clone());
        let call = self.call("AdminGetUser", false);
        self.line.make(call, move |state| {
            let Some(account) = named_by_listing(state, call, side, account) else {
                return Ok(None);
            };
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
            let gone = Fault::new(FaultKind::AccountGone, call.operation);
            let State { weather, chooser, .. } = state;
            if weather.groups_gone(chooser.as_mut()) {
                state.say(|| format!("{call} {}: answers that it is not there", account.sub));
                return Err(gone);
            }
            let account = named_by_listing(state, call, side, account).ok_or(gone.clone())?;
            let moment = moment_of_read(state, side, &account);
            let found = addressed(state.pools.get(side), &account, moment);
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

    fn find(&self, search: &Search) -> impl Future<Output = Result<SearchAnswer, Fault>> + Send {
        let (side, search) = (self.side, search.clone());
        let call = self.call("ListUsers", false);
        self.line.make(call, move |state| {
            let moment = moment_of_listing(state, side, LISTING_LAG);
            if crowded(state.pools.get(side), moment, &search) {
                state.say(|| format!("{call}: too many accounts begin like that"));
                return Ok(SearchAnswer::CannotBeSearched);
            }
            let found: Vec<(Sub, usize)> = (state.pools.get(side).all().iter())
                .filter_map(|account| Some((account, account.version_at(moment)?)))
                .filter(|(account, version)| {
                    matches(state.pools.get(side), account, *version, &search)
                })
                .map(|(account, version)| (account.sub.clone(), version))
                .collect();
            if found.is_empty() {
                state.say(|| format!("{call}: nobody"));
            }
            let mut answer = Vec::new();
            for (sub, version) in found {
                let seen = Seen { version, moment, at: state.now };
                state.watch.found(call.task, side, &sub, seen);
                state.say(|| format!("{call}: {sub}, version {version}"));
                let account = state.account(side, &sub).and_then(|one| one.answer(version));
                // A listing shows no second factors.
                answer.extend(account.map(|account| Account { factors: None, ..account }));
            }
            Ok(SearchAnswer::Accounts(answer))
        })
    }

    fn canary(&self, except: &Sub) -> impl Future<Output = Result<bool, Fault>> + Send {
        let (pool, except) = (self.clone(), except.clone());
        async move {
            for account in pool.list_some(&except).await? {
                let handle = pool.handle_of(&account);
                if !pool.still_reads(account).await? {
                    continue;
                }
                // A canary account is read as a person is, with its groups.
                match pool.groups(&handle).await {
                    Ok(_) => return Ok(true),
                    Err(fault) if fault.kind == FaultKind::AccountGone => {}
                    Err(fault) => return Err(fault),
                }
            }
            Ok(false)
        }
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

/// The moment that a read of one account shows: now; or, if stale, a moment that can make a
/// difference: just before the account's last change, or as long ago as the bound allows.
fn moment_of_read(state: &mut State, side: Side, account: &Handle) -> Time {
    let now = state.now;
    let oldest = now - state.settle;
    let State { weather, chooser, pools, .. } = state;
    let Some(found) = pools.get(side).get(&account.sub) else { return now };
    let last = found.versions().last().map_or(oldest, |version| version.at);
    // Nothing of it changed within the bound, so a stale read would show the same.
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

pub(super) fn moment_of_listing(state: &mut State, side: Side, lag: u32) -> Time {
    let now = state.now;
    let oldest = now - state.settle * lag;
    let State { weather, chooser, pools, .. } = state;
    let last = pools.get(side).changed_before(now).filter(|&last| last > oldest);
    let Some(last) = last.filter(|_| weather.stale(chooser.as_mut())) else { return now };
    let candidates = [Time(last.0 - 1).max(oldest), oldest];
    candidates[chooser.choose(candidates.len(), "how stale")]
}

/// The handle for the call, with the username that a listing shows where a call by `sub` finds no
/// account: every account of a pool with aliases, and a federated account of any pool
/// (`AdminGetUser` accepts the `sub` of local users only). `None` if the listing does not show the
/// account: it lags, so that proves no absence.
fn named_by_listing(state: &mut State, call: Call, side: Side, handle: Handle) -> Option<Handle> {
    let pool = state.pools.get(side);
    let alias = !pool.shape.alias_attributes.is_empty();
    let federated = pool.get(&handle.sub).is_some_and(is_federated);
    if handle.username.is_some() || !(alias || federated) {
        return Some(handle);
    }
    let moment = moment_of_listing(state, side, LISTING_LAG);
    let listed = state.account(side, &handle.sub).filter(|account| {
        let version = account.version_at(moment);
        version.is_some_and(|version| account.versions()[version].body.exists)
    });
    let username = listed.map(|account| account.username.clone());
    if username.is_none() {
        state.say(|| format!("{call} {}: the listing shows nobody", handle.sub));
    }
    Some(Handle { username: Some(username?), ..handle })
}

/// Whether an account comes from an identity provider: then its username is not its `sub` in any
/// pool.
fn is_federated(account: &SimulatedAccount) -> bool {
    account.body().status == Status::ExternalProvider
}

/// The account that a handle reaches, and the version that a read of that moment shows. A pool of
/// addresses is asked by `sub`, and by username for a federated account. A plain pool is asked by
/// username and answers with the account that has it at that moment (`SameSub`, R21). If the
/// username is not known, the call goes by `sub`, which reaches local users.
pub(super) fn addressed(
    accounts: &Accounts,
    handle: &Handle,
    moment: Time,
) -> Option<(Sub, usize)> {
    let found = accounts.get(&handle.sub);
    let federated = found.is_some_and(is_federated);
    if let Some(username) = &handle.username
        && (federated || !accounts.by_address())
    {
        return named(accounts, username, moment);
    }
    let found = found.filter(|_| !federated)?;
    Some((found.sub.clone(), found.version_at(moment)?))
}

/// The account with that username. An address is a name for local accounts only: a federated
/// account signs in through its provider.
fn named(accounts: &Accounts, username: &Username, moment: Time) -> Option<(Sub, usize)> {
    let email = attribute("email");
    let bears = |account: &&SimulatedAccount, version: usize| {
        let body = &account.versions()[version].body;
        let by_address = accounts.by_address()
            && body.status != Status::ExternalProvider
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

/// Whether more accounts begin like a value that no filter holds than the adapter reads.
fn crowded(pool: &Accounts, moment: Time, search: &Search) -> bool {
    let (name, beginning) = (attribute(search.attribute()), search.beginning());
    let alike = |account: &&SimulatedAccount| {
        let held = account.version_at(moment).map(|version| &account.versions()[version].body);
        let held = held.filter(|body| body.exists).and_then(|body| body.attributes.get(&name));
        let called = matches!(search, Search::Username(_)).then(|| account.username.reveal());
        held.map(String::as_str).or(called).is_some_and(|value| value.starts_with(beginning))
    };
    !search.fits_filter() && pool.all().iter().filter(alike).count() > limits::FOUND_ACCOUNTS_MAX
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
            // The page of `ListUsers` says that usernames are case-sensitive in the filter, in
            // every pool.
            Search::Username(name) => account.username == *name,
        }
}

/// Answers the task, and records that it saw the account.
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
