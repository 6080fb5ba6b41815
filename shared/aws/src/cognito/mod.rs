//! A user pool, as core's [`Pool`]: Amazon Cognito through its SDK.
//!
//! Each call says in its own module what it sends; here is only who is asked, and how an account is
//! addressed: by its stored username. In a pool whose usernames are addresses, that is the `sub` for a
//! local account and `<Provider>_<id>` for a federated one. Where the username is not known it is looked
//! up, and checked by the `sub`.

mod account;
mod call;
mod canary;
mod deed;
mod filter;
mod listing;
mod password;
pub mod settings;
mod shape;
pub mod tally;
mod throttle;

#[cfg(test)]
pub(crate) mod loopback;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_cognitoidentityprovider as cognito;
use poolbridge_core::account::{Account, Handle, NewAccount, Shape};
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::limits;
use poolbridge_core::names::{GroupName, Sub, Username};
use poolbridge_core::ports::{Clock, Pool, Search, SearchAnswer};
use poolbridge_core::side::Side;
use poolbridge_core::step::Deed;
use poolbridge_core::time::Time;
use tokio::sync::Mutex;

use self::account::{of_listing, of_read, unreadable};
use self::shape::{Described, group_name};
use self::tally::Tally;
use self::throttle::Throttle;
use crate::client::PoolSettings;
use crate::clock::SystemClock;

pub use self::listing::{AccountListing, MemberListing, Overview, PoolRoster};

/// The largest page of `ListUsers` and `AdminListGroupsForUser`.
const PAGE: i32 = 60;

/// What is read of a pool's shape beyond the schema: what the policy needs, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PoolOptions {
    /// Whether groups travel: without it the shape holds none, and `ListGroups` is not called.
    pub groups: bool,
    /// Whether an attribute that no app client may write counts as a proof: without it the shape
    /// does not tell, and the app clients are not looked at.
    pub client_attributes: bool,
    /// Nothing beyond the schema is read: for who merely searches, under less of a grant.
    pub schema_only: bool,
}

/// One user pool of Amazon Cognito.
pub struct CognitoPool {
    client: cognito::Client,
    id: String,
    side: Side,
    /// A local stack instead of AWS: it may lack operations.
    emulated: bool,
    options: PoolOptions,
    clock: Arc<SystemClock>,
    throttle: Throttle,
    described: Mutex<Known>,
    /// How often the shape could not be read: who waited for it sees that it failed meanwhile.
    failures: AtomicU64,
}

/// What is known of the pool's shape.
#[derive(Default)]
struct Known {
    described: Option<(Time, Arc<Described>)>,
    failed: Option<Fault>,
}

impl fmt::Debug for CognitoPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("CognitoPool");
        shown.field("side", &self.side).field("id", &self.id).finish_non_exhaustive()
    }
}

impl CognitoPool {
    /// The pool of `settings`, asked through `client` (see [`crate::client::pool_client`]), every
    /// request counted in `tally`. Nothing is sent yet.
    pub fn new(
        client: &cognito::Client,
        settings: &PoolSettings,
        side: Side,
        options: PoolOptions,
        clock: &Arc<SystemClock>,
        tally: &Arc<Tally>,
    ) -> Self {
        let config = client.config().to_builder().interceptor(tally.counter(Some(side)));
        Self {
            client: cognito::Client::from_conf(config.build()),
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

    /// Until when the pool asked to be left alone; nothing if it did not. Whoever is about to begin
    /// work asks first.
    pub fn throttled(&self) -> Option<Time> {
        self.throttle.until(self.clock.now())
    }

    /// The pool's shape. Whoever comes while it is being read waits for that one answer, be it a
    /// shape or a fault.
    async fn described(&self) -> Result<Arc<Described>, Fault> {
        let asked = self.clock.now();
        let failures = self.failures.load(Ordering::Acquire);
        let mut known = self.described.lock().await;
        if let Some((read, described)) = &known.described
            && asked.since(*read) < limits::SHAPE_LIFE
        {
            return Ok(Arc::clone(described));
        }
        // It failed while we waited for it: asking again at once would hardly end otherwise.
        if let Some(fault) = &known.failed
            && self.failures.load(Ordering::Acquire) > failures
        {
            return Err(fault.clone());
        }
        // On the heap: it is three calls at once, and hardly ever made.
        match Box::pin(self.describe()).await {
            Ok(described) => {
                let described = Arc::new(described);
                *known = Known { described: Some((asked, Arc::clone(&described))), failed: None };
                Ok(described)
            }
            Err(fault) => {
                known.failed = Some(fault.clone());
                self.failures.fetch_add(1, Ordering::Release);
                Err(fault)
            }
        }
    }

    /// `AdminGetUser` by any name that the pool takes.
    async fn get(&self, name: &str) -> Result<Option<Account>, Fault> {
        let request = self.client.admin_get_user().user_pool_id(&self.id).username(name);
        match self.read_once("AdminGetUser", request.send()).await {
            Ok(answer) => of_read(answer).map(Some),
            Err(fault) if fault.kind == FaultKind::AccountGone => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// The account of that `sub`, when its username is not known.
    ///
    /// `AdminGetUser` takes the `sub` of a *local* account for a name in a pool without aliases, says its
    /// page; but so can a username be chosen to look like another account's `sub`, so only a match counts.
    /// A federated account is asked for by its username in every pool. A listing finds it, but late:
    /// `None` is as old as a listing.
    async fn get_by_sub(&self, sub: &Sub, shape: &Shape) -> Result<Option<Account>, Fault> {
        let ours = |found: &Account| found.sub == *sub;
        let direct_first = shape.alias_attributes.is_empty();
        if direct_first && let Some(found) = self.get(sub.as_str()).await?.filter(ours) {
            return Ok(Some(found));
        }
        let listed = self.list(&filter::of_sub(sub)).await?.unwrap_or_default();
        match listed.into_iter().find(ours) {
            // The listing has neither factors nor the latest state: it only tells the name.
            Some(listed) => self.get(listed.username.reveal()).await,
            None if direct_first => Ok(None),
            None => Ok(self.get(sub.as_str()).await?.filter(ours)),
        }
    }

    /// How the pool is asked to do something to an account: by the stored name, looked up where it is not
    /// known.
    async fn name_of(&self, account: &Handle, operation: &'static str) -> Result<String, Fault> {
        let described = self.described().await?;
        if let Some(name) = stored_name(account, &described) {
            return Ok(name.to_owned());
        }
        let found = self.get_by_sub(&account.sub, &described.shape).await?;
        let found = found.filter(|found| found.sub == account.sub);
        let found = found.ok_or(Fault::new(FaultKind::AccountGone, operation))?;
        Ok(found.username.reveal().to_owned())
    }

    /// Every account that a filter finds; `None` if more match than are read. A page may be empty though
    /// more follow.
    async fn list(&self, filter: &str) -> Result<Option<Vec<Account>>, Fault> {
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
        // What was found may not be all, and "exactly one" must not be said of a part.
        Ok(None)
    }
}

/// The stored name, where it is known. In a pool whose usernames are addresses that is the `sub` (R21), but
/// `<Provider>_<id>` for a federated account: such a pool takes the `sub` of local accounts only.
fn stored_name<'a>(account: &'a Handle, described: &Described) -> Option<&'a str> {
    let username = account.username.as_ref()?.reveal();
    // An address has its `@`, a number its `+`, before any underscore; a provider's name has neither.
    let provider = username.split_once('_').map(|(provider, _)| provider);
    let federated = provider.is_some_and(|it| !it.is_empty() && !it.contains(['@', '+']));
    let by_name = federated || !described.addressed_by_sub();
    Some(if by_name { username } else { account.sub.as_str() })
}

impl Pool for CognitoPool {
    async fn shape(&self) -> Result<Arc<Shape>, Fault> {
        Ok(Arc::clone(&self.described().await?.shape))
    }

    async fn read(&self, account: &Handle) -> Result<Option<Account>, Fault> {
        let described = self.described().await?;
        match stored_name(account, &described) {
            Some(name) => self.get(name).await,
            None => self.get_by_sub(&account.sub, &described.shape).await,
        }
    }

    async fn read_name(&self, username: &Username) -> Result<Option<Account>, Fault> {
        let described = self.described().await?;
        let found = self.get(username.reveal()).await?;
        if described.addressed_by_sub() {
            return Ok(found);
        }
        // The pool answers to aliases as well: an account that merely bears the name as an alias is
        // not the one of that username.
        let exact = described.shape.case_sensitive;
        let named =
            |found: &Account| filter::same(found.username.reveal(), username.reveal(), exact);
        Ok(found.filter(named))
    }

    async fn groups(&self, account: &Handle) -> Result<BTreeSet<GroupName>, Fault> {
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
                if !described.shape.is_provider_group(&group) {
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

    async fn has_group(&self, group: &GroupName) -> Result<bool, Fault> {
        let request = self.client.get_group().user_pool_id(&self.id).group_name(group.as_str());
        match self.read_once("GetGroup", request.send()).await {
            Ok(_) => return Ok(true),
            Err(fault) if fault.kind == FaultKind::Missing => {}
            Err(fault) => return Err(fault),
        }
        // Whoever asks for the shape from now on need not be told what is known to be old.
        if let Some((_, described)) = &mut self.described.lock().await.described {
            let described = Arc::make_mut(described);
            Arc::make_mut(&mut described.shape).groups.remove(group);
        }
        Ok(false)
    }

    async fn every_group(&self) -> Result<BTreeSet<GroupName>, Fault> {
        let groups = self.list_groups().await?;
        // Whoever asks for the shape from now on need not be told what is known to be old.
        if let Some((_, described)) = &mut self.described.lock().await.described {
            let described = Arc::make_mut(described);
            Arc::make_mut(&mut described.shape).groups.clone_from(&groups);
        }
        Ok(groups)
    }

    async fn find(&self, search: &Search) -> Result<SearchAnswer, Fault> {
        match self.list(&search.filter()).await {
            // The pages of Cognito do not agree on whether a search folds case: the caller decides.
            Ok(Some(listed)) => {
                let holds = |found: &Account| search.finds(found, false);
                Ok(SearchAnswer::Accounts(listed.into_iter().filter(holds).collect()))
            }
            Ok(None) => Ok(SearchAnswer::CannotBeSearched),
            // The pool refuses the filter itself, and would again.
            Err(fault) if fault.kind == FaultKind::Invalid => Ok(SearchAnswer::CannotBeSearched),
            Err(fault) => Err(fault),
        }
    }

    async fn canary(&self, except: &Sub) -> Result<bool, Fault> {
        self.somebody_reads(except).await
    }

    async fn create(&self, account: &NewAccount, deadline: Time) -> Result<Handle, Fault> {
        self.bear(account, deadline).await
    }

    async fn write(&self, account: &Handle, deed: &Deed, deadline: Time) -> Result<(), Fault> {
        self.carry_out(account, deed, deadline).await
    }
}
