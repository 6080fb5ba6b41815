//! A user pool as core's [`Pool`]: Amazon Cognito through its SDK.
//!
//! Each module documents the calls that it sends. This one chooses the client and the name that
//! addresses an account: its stored username. If the pool's usernames are addresses, that name is
//! the `sub` for a local account and `<Provider>_<id>` for a federated one. If the username is not
//! known, the adapter looks it up and checks the `sub`.

mod account;
mod call;
mod canary;
mod action;
mod filter;
mod listing;
mod password;
pub mod settings;
mod schema;
mod throttle;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_cognitoidentityprovider as cognito;
use poolbridge_core::account::{Account, AccountRef, NewAccount, PoolSchema};
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::limits;
use poolbridge_core::names::{GroupName, Sub, Username};
use poolbridge_core::ports::{Clock, Pool, Search, SearchAnswer};
use poolbridge_core::side::Side;
use poolbridge_core::step::Action;
use poolbridge_core::time::Time;
use tokio::sync::Mutex;

use self::account::{of_listing, of_read, unreadable};
use self::schema::{Described, group_name};
use self::throttle::Throttle;
use crate::clock::SystemClock;
use poolbridge_config::PoolConfig;

pub use self::listing::{AccountListing, MemberListing, Overview, PoolLister};

/// The largest page of `ListUsers` and `AdminListGroupsForUser`.
const PAGE: i32 = 60;

/// What the adapter reads of a pool's schema beyond the attributes: only what the policy needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PoolOptions {
    /// Whether groups are copied. If not, the schema holds no groups, and the adapter does not call
    /// `ListGroups`.
    pub groups: bool,
    /// Whether an attribute that no app client may write counts as proof. If not, the schema does
    /// not show it, and the adapter does not read the app clients.
    pub client_attributes: bool,
    /// Reads the attributes only: for a function that only searches and has fewer permissions.
    pub schema_only: bool,
}

/// One user pool of Amazon Cognito.
pub struct CognitoPool {
    client: cognito::Client,
    id: String,
    side: Side,
    /// The pool is a local stack instead of AWS, which may lack operations.
    emulated: bool,
    options: PoolOptions,
    clock: Arc<SystemClock>,
    throttle: Throttle,
    described: Mutex<SchemaCache>,
    /// How often reading the schema failed. A caller that waited sees from it that the read failed
    /// meanwhile.
    failures: AtomicU64,
}

#[derive(Default)]
struct SchemaCache {
    described: Option<(Time, Arc<Described>)>,
    failed: Option<PortError>,
}

impl fmt::Debug for CognitoPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("CognitoPool");
        shown.field("side", &self.side).field("id", &self.id).finish_non_exhaustive()
    }
}

impl CognitoPool {
    /// The pool of `settings`, called through `client` (see [`crate::client::pool_client`]).
    /// Sends nothing.
    pub fn new(
        client: &cognito::Client,
        settings: &PoolConfig,
        side: Side,
        options: PoolOptions,
        clock: &Arc<SystemClock>,
    ) -> Self {
        Self {
            client: client.clone(),
            id: settings.user_pool_id.clone(),
            side,
            emulated: settings.endpoint_url.is_some(),
            options,
            clock: Arc::clone(clock),
            throttle: Throttle::default(),
            described: Mutex::default(),
            failures: AtomicU64::new(0),
        }
    }

    /// Which of the two pools this is.
    pub const fn side(&self) -> Side {
        self.side
    }

    /// Until when the pool asked poolbridge to pause; nothing if it did not. Callers check this
    /// before they begin work.
    pub fn throttled(&self) -> Option<Time> {
        self.throttle.until(self.clock.now())
    }

    /// The pool's schema. Callers that arrive while it is being read wait for that one answer,
    /// whether it is a schema or a port error.
    async fn described(&self) -> Result<Arc<Described>, PortError> {
        let asked = self.clock.now();
        let failures = self.failures.load(Ordering::Acquire);
        let mut known = self.described.lock().await;
        if let Some((read, described)) = &known.described
            && asked.since(*read) < limits::SCHEMA_LIFE
        {
            return Ok(Arc::clone(described));
        }
        // The read failed while this caller waited. If every waiting caller tried again at once,
        // this would hardly end.
        if let Some(error) = &known.failed
            && self.failures.load(Ordering::Acquire) > failures
        {
            return Err(error.clone());
        }
        // Boxed: it makes three calls and runs rarely.
        match Box::pin(self.describe()).await {
            Ok(described) => {
                let described = Arc::new(described);
                *known =
                    SchemaCache { described: Some((asked, Arc::clone(&described))), failed: None };
                Ok(described)
            }
            Err(error) => {
                known.failed = Some(error.clone());
                self.failures.fetch_add(1, Ordering::Release);
                Err(error)
            }
        }
    }

    /// `AdminGetUser` by any name that the pool accepts.
    async fn get(&self, name: &str) -> Result<Option<Account>, PortError> {
        let request = self.client.admin_get_user().user_pool_id(&self.id).username(name);
        match self.read_once("AdminGetUser", request.send()).await {
            Ok(answer) => of_read(answer).map(Some),
            Err(error) if error.kind == ErrorKind::AccountGone => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The account with that `sub`, if its username is not known.
    ///
    /// In a pool without aliases, `AdminGetUser` accepts the `sub` of a *local* account as a name,
    /// says its page. But a person can choose a username that looks like another account's `sub`,
    /// so only an account with this `sub` counts. Every pool finds a federated account by its
    /// username only. A listing finds it too, but late, so `None` is as stale as a listing.
    async fn get_by_sub(
        &self,
        sub: &Sub,
        schema: &PoolSchema,
    ) -> Result<Option<Account>, PortError> {
        let ours = |found: &Account| found.sub == *sub;
        let direct_first = schema.alias_attributes.is_empty();
        if direct_first && let Some(found) = self.get(sub.as_str()).await?.filter(ours) {
            return Ok(Some(found));
        }
        let listed = self.list(&filter::of_sub(sub)).await?.unwrap_or_default();
        match listed.into_iter().find(ours) {
            // The listing shows neither factors nor the latest state; it only gives the username.
            Some(listed) => self.get(listed.username.reveal()).await,
            None if direct_first => Ok(None),
            None => Ok(self.get(sub.as_str()).await?.filter(ours)),
        }
    }

    /// The name that addresses an account in calls: the stored username, or the result of a lookup
    /// if that is not known.
    async fn name_of(
        &self,
        account: &AccountRef,
        operation: &'static str,
    ) -> Result<String, PortError> {
        let described = self.described().await?;
        if let Some(name) = stored_name(account, &described) {
            return Ok(name.to_owned());
        }
        let found = self.get_by_sub(&account.sub, &described.schema).await?;
        let found = found.filter(|found| found.sub == account.sub);
        let found = found.ok_or(PortError::new(ErrorKind::AccountGone, operation))?;
        Ok(found.username.reveal().to_owned())
    }

    /// Every account that a filter finds; `None` if more match than the adapter reads. A page may
    /// be empty although more pages follow.
    async fn list(&self, filter: &str) -> Result<Option<Vec<Account>>, PortError> {
        const OPERATION: &str = "ListUsers";
        let mut found = Vec::new();
        let mut token = None;
        for _ in 0..limits::FIND_PAGES_MAX {
            let request = self.client.list_users().user_pool_id(&self.id).filter(filter);
            let request = request.limit(PAGE).set_pagination_token(token.take());
            let page = self.read_once(OPERATION, request.send()).await?;
            for listed in page.users.unwrap_or_default() {
                found.push(of_listing(listed)?);
            }
            token = page.pagination_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(Some(found));
            }
        }
        // The accounts found may not be all, and a part cannot prove "exactly one".
        Ok(None)
    }
}

/// The stored name, if it is known. In a pool whose usernames are addresses, that is the `sub`
/// (`SameSub`), but `<Provider>_<id>` for a federated account: such a pool accepts the `sub`
/// of local accounts only.
fn stored_name<'a>(account: &'a AccountRef, described: &Described) -> Option<&'a str> {
    let username = account.username.as_ref()?.reveal();
    // An address has its `@`, and a number its `+`, before any underscore. A provider's name has
    // neither.
    let provider = username.split_once('_').map(|(provider, _)| provider);
    let federated = provider.is_some_and(|it| !it.is_empty() && !it.contains(['@', '+']));
    let by_name = federated || !described.addressed_by_sub();
    Some(if by_name { username } else { account.sub.as_str() })
}

impl Pool for CognitoPool {
    async fn schema(&self) -> Result<Arc<PoolSchema>, PortError> {
        Ok(Arc::clone(&self.described().await?.schema))
    }

    async fn read(&self, account: &AccountRef) -> Result<Option<Account>, PortError> {
        let described = self.described().await?;
        match stored_name(account, &described) {
            Some(name) => self.get(name).await,
            None => self.get_by_sub(&account.sub, &described.schema).await,
        }
    }

    async fn read_name(&self, username: &Username) -> Result<Option<Account>, PortError> {
        let described = self.described().await?;
        let found = self.get(username.reveal()).await?;
        if described.addressed_by_sub() {
            return Ok(found);
        }
        // The pool also accepts aliases. An account that has the name only as an alias is not the
        // account with that username.
        let exact = described.schema.case_sensitive;
        let named =
            |found: &Account| filter::same(found.username.reveal(), username.reveal(), exact);
        Ok(found.filter(named))
    }

    async fn groups(&self, account: &AccountRef) -> Result<BTreeSet<GroupName>, PortError> {
        const OPERATION: &str = "AdminListGroupsForUser";
        let described = self.described().await?;
        let name = self.name_of(account, OPERATION).await?;
        let mut found = BTreeSet::new();
        let mut token = None;
        for _ in 0..limits::ACCOUNT_GROUP_PAGES_MAX {
            let request = self.client.admin_list_groups_for_user().user_pool_id(&self.id);
            let request = request.username(&name).limit(PAGE).set_next_token(token.take());
            let page = self.read_once(OPERATION, request.send()).await?;
            for group in page.groups() {
                let group = group_name(group.group_name(), OPERATION)?;
                if !described.schema.is_provider_group(&group) {
                    found.insert(group);
                }
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(found);
            }
        }
        Err(unreadable(OPERATION))
    }

    async fn has_group(&self, group: &GroupName) -> Result<bool, PortError> {
        let request = self.client.get_group().user_pool_id(&self.id).group_name(group.as_str());
        match self.read_once("GetGroup", request.send()).await {
            Ok(_) => return Ok(true),
            Err(error) if error.kind == ErrorKind::Missing => {}
            Err(error) => return Err(error),
        }
        // The cached schema drops the group, so later callers do not see it.
        if let Some((_, described)) = &mut self.described.lock().await.described {
            let described = Arc::make_mut(described);
            Arc::make_mut(&mut described.schema).groups.remove(group);
        }
        Ok(false)
    }

    async fn every_group(&self) -> Result<BTreeSet<GroupName>, PortError> {
        let groups = self.list_groups().await?;
        // The cached schema takes the new list, so later callers do not see the old one.
        if let Some((_, described)) = &mut self.described.lock().await.described {
            let described = Arc::make_mut(described);
            Arc::make_mut(&mut described.schema).groups.clone_from(&groups);
        }
        Ok(groups)
    }

    async fn find(&self, search: &Search) -> Result<SearchAnswer, PortError> {
        match self.list(&search.filter()).await {
            // Cognito's pages disagree on whether a search ignores case, so the caller decides.
            Ok(Some(listed)) => {
                let holds = |found: &Account| search.finds(found, false);
                Ok(SearchAnswer::Accounts(listed.into_iter().filter(holds).collect()))
            }
            Ok(None) => Ok(SearchAnswer::CannotBeSearched),
            // The pool refuses the filter itself, and would refuse it again.
            Err(error) if error.kind == ErrorKind::Invalid => Ok(SearchAnswer::CannotBeSearched),
            Err(error) => Err(error),
        }
    }

    async fn canary(&self, except: &Sub) -> Result<bool, PortError> {
        self.someone_reads(except).await
    }

    async fn create(&self, account: &NewAccount, deadline: Time) -> Result<AccountRef, PortError> {
        self.bear(account, deadline).await
    }

    async fn write(
        &self,
        account: &AccountRef,
        action: &Action,
        deadline: Time,
    ) -> Result<(), PortError> {
        self.carry_out(account, action, deadline).await
    }
}
