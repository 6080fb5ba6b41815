//! A simulated user pool: Cognito's behaviour as far as the bridge depends on it.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use poolbridge_core::account::{Account, AccountRef, NewAccount, PoolSchema};
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::limits;
use poolbridge_core::names::{GroupName, Sub, Username};
use poolbridge_core::ports::{Pool, Search, SearchAnswer};
use poolbridge_core::side::Side;
use poolbridge_core::step::Action;
use poolbridge_core::time::Time;

use super::WorldState;
use super::connection::{Call, Connection};
use super::fault_injection::Target;
use super::pool_behaviour::{create, write};
use super::pool_reads::{
    LISTING_LAG, addressed, matches, moment_of_listing, moment_of_read, named, named_by_listing,
    too_many_matches,
};
use super::watch::ObservedVersion;

/// One pool, as one task reaches it.
#[derive(Clone)]
pub struct SimulatedPool {
    connection: Connection,
    side: Side,
}

impl SimulatedPool {
    /// The pool of that side, through that connection.
    pub const fn new(connection: Connection, side: Side) -> Self {
        Self { connection, side }
    }

    fn call(&self, operation: &'static str, changes: bool) -> Call {
        self.connection.call(Target::Pool(self.side), operation, changes)
    }
}

impl SimulatedPool {
    /// The handle of a listed account.
    fn account_ref_of(&self, sub: &Sub) -> AccountRef {
        let state = self.connection.world().lock();
        let username = state.account(self.side, sub).map(|account| account.username.clone());
        AccountRef { sub: sub.clone(), username }
    }

    /// A few accounts of a listing; they may have been deleted since.
    fn list_some(
        &self,
        except: &Sub,
    ) -> impl Future<Output = Result<Vec<Sub>, PortError>> + Send + use<> {
        let (side, except) = (self.side, except.clone());
        let connection = self.connection.clone();
        let call = self.call("ListUsers", false);
        async move {
            let listed = connection.make(call, move |state| {
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
    fn still_reads(
        &self,
        sub: Sub,
    ) -> impl Future<Output = Result<bool, PortError>> + Send + use<> {
        let side = self.side;
        let connection = self.connection.clone();
        let call = self.call("AdminGetUser", false);
        async move {
            let read = connection.make(call, move |state| {
                let username = state.account(side, &sub).map(|account| account.username.clone());
                let account_ref = AccountRef { sub: sub.clone(), username };
                let moment = moment_of_read(state, side, &account_ref);
                state.watch.reads += 1;
                let pool = state.pools.get(side);
                let reads =
                    addressed(pool, &account_ref, moment).is_some_and(|(found, version)| {
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
    fn schema(&self) -> impl Future<Output = Result<Arc<PoolSchema>, PortError>> + Send {
        // The adapter reads it once and caches it, so it neither fails nor takes a turn here.
        let state = self.connection.world().lock();
        let pool = state.pools.get(self.side);
        let schema = pool.cached.as_ref().unwrap_or(&pool.schema).clone();
        std::future::ready(Ok(Arc::new(schema)))
    }

    fn has_group(&self, group: &GroupName) -> impl Future<Output = Result<bool, PortError>> + Send {
        let (side, group) = (self.side, group.clone());
        let call = self.call("GetGroup", false);
        self.connection.make(call, move |state| {
            let there = state.pools.get(side).schema.groups.contains(&group);
            state.say(|| format!("{call}: {there}"));
            Ok(there)
        })
    }

    fn every_group(&self) -> impl Future<Output = Result<BTreeSet<GroupName>, PortError>> + Send {
        let side = self.side;
        let call = self.call("ListGroups", false);
        self.connection.make(call, move |state| {
            let groups = state.pools.get(side).schema.groups.clone();
            state.say(|| format!("{call}: {} groups", groups.len()));
            Ok(groups)
        })
    }

    fn read(
        &self,
        account: &AccountRef,
    ) -> impl Future<Output = Result<Option<Account>, PortError>> + Send {
        let (side, account) = (self.side, account.clone());
        let call = self.call("AdminGetUser", false);
        self.connection.make(call, move |state| {
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
    ) -> impl Future<Output = Result<Option<Account>, PortError>> + Send {
        let (side, username) = (self.side, username.clone());
        let call = self.call("AdminGetUser", false);
        self.connection.make(call, move |state| {
            let moment = moment_of_listing(state, side, 1);
            let found = named(state.pools.get(side), &username, moment);
            Ok(observe(state, call, side, moment, found.as_ref()))
        })
    }

    fn groups(
        &self,
        account: &AccountRef,
    ) -> impl Future<Output = Result<BTreeSet<GroupName>, PortError>> + Send {
        let (side, account) = (self.side, account.clone());
        let call = self.call("AdminListGroupsForUser", false);
        self.connection.make(call, move |state| {
            let gone = PortError::new(ErrorKind::AccountGone, call.operation);
            let WorldState { fault_injection, chooser, .. } = state;
            if fault_injection.groups_gone(chooser.as_mut()) {
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
            let seen = ObservedVersion { version, moment, at: state.now };
            state.watch.saw_groups(call.task, side, &sub, seen);
            state.say(|| format!("{call} {sub}: {} groups, version {version}", groups.len()));
            Ok(groups)
        })
    }

    fn find(
        &self,
        search: &Search,
    ) -> impl Future<Output = Result<SearchAnswer, PortError>> + Send {
        let (side, search) = (self.side, search.clone());
        let call = self.call("ListUsers", false);
        self.connection.make(call, move |state| {
            let moment = moment_of_listing(state, side, LISTING_LAG);
            if too_many_matches(state.pools.get(side), moment, &search) {
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
                state.say(|| format!("{call}: no account"));
            }
            let mut answer = Vec::new();
            for (sub, version) in found {
                let seen = ObservedVersion { version, moment, at: state.now };
                state.watch.found(call.task, side, &sub, seen);
                state.say(|| format!("{call}: {sub}, version {version}"));
                let account = state.account(side, &sub).and_then(|one| one.answer(version));
                // A listing shows no second factors.
                answer.extend(account.map(|account| Account { factors: None, ..account }));
            }
            Ok(SearchAnswer::Accounts(answer))
        })
    }

    fn canary(&self, except: &Sub) -> impl Future<Output = Result<bool, PortError>> + Send {
        let (pool, except) = (self.clone(), except.clone());
        async move {
            for account in pool.list_some(&except).await? {
                let account_ref = pool.account_ref_of(&account);
                if !pool.still_reads(account).await? {
                    continue;
                }
                // A canary account is read as a person is, with its groups.
                match pool.groups(&account_ref).await {
                    Ok(_) => return Ok(true),
                    Err(error) if error.kind == ErrorKind::AccountGone => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(false)
        }
    }

    fn create(
        &self,
        account: &NewAccount,
        deadline: Time,
    ) -> impl Future<Output = Result<AccountRef, PortError>> + Send {
        let (side, account) = (self.side, account.clone());
        let call = Call { deadline: Some(deadline), ..self.call("AdminCreateUser", true) };
        let observations = self.connection.world().lock().watch.observations(call.task);
        self.connection.make(call, move |state| create(state, call, side, &account, &observations))
    }

    fn write(
        &self,
        account: &AccountRef,
        action: &Action,
        deadline: Time,
    ) -> impl Future<Output = Result<(), PortError>> + Send {
        let (side, account, action) = (self.side, account.clone(), action.clone());
        let call = Call { deadline: Some(deadline), ..self.call(action.operation(), true) };
        let observations = self.connection.world().lock().watch.observations(call.task);
        self.connection
            .make(call, move |state| write(state, call, side, &account, &action, &observations))
    }
}

/// Answers the task, and records that it saw the account.
fn observe(
    state: &mut WorldState,
    call: Call,
    side: Side,
    moment: Time,
    found: Option<&(Sub, usize)>,
) -> Option<Account> {
    let Some((sub, version)) = found else {
        state.say(|| format!("{call}: no account"));
        return None;
    };
    let answer = state.account(side, sub)?.answer(*version);
    let latest = state.account(side, sub)?.versions().len() - 1;
    let seen = ObservedVersion { version: *version, moment, at: state.now };
    state.watch.saw(call.task, side, sub, seen);
    let there = if answer.is_some() { "" } else { ", gone" };
    state.say(|| format!("{call} {sub}: version {version} of {latest}{there}"));
    answer
}
