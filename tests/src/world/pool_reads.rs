//! What a read, a listing or a search of a pool shows: which account, and as of which moment.

use poolbridge_core::account::{AccountRef, Status};
use poolbridge_core::limits;
use poolbridge_core::names::{Sub, Username};
use poolbridge_core::ports::Search;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::WorldState;
use super::accounts::{Accounts, SimulatedAccount, attribute};
use super::connection::Call;

/// Listings are staler than reads by this factor: `ListUsers` is only eventually consistent.
pub(crate) const LISTING_LAG: u32 = 10;

/// The moment that a read of one account shows: now; or, if stale, a moment that can make a
/// difference: just before the account's last change, or as long ago as the bound allows.
pub(super) fn moment_of_read(state: &mut WorldState, side: Side, account: &AccountRef) -> Time {
    let now = state.now;
    let oldest = now - state.settle;
    let WorldState { fault_injection, chooser, pools, .. } = state;
    let Some(found) = pools.get(side).get(&account.sub) else { return now };
    let last = found.versions().last().map_or(oldest, |version| version.at);
    // Nothing of it changed within the bound, so a stale read would show the same.
    if last <= oldest || !fault_injection.stale(chooser.as_mut()) {
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

pub(super) fn moment_of_listing(state: &mut WorldState, side: Side, lag: u32) -> Time {
    let now = state.now;
    let oldest = now - state.settle * lag;
    let WorldState { fault_injection, chooser, pools, .. } = state;
    let last = pools.get(side).changed_before(now).filter(|&last| last > oldest);
    let Some(last) = last.filter(|_| fault_injection.stale(chooser.as_mut())) else { return now };
    let candidates = [Time(last.0 - 1).max(oldest), oldest];
    candidates[chooser.choose(candidates.len(), "how stale")]
}

/// The handle for the call, with the username that a listing shows where a call by `sub` finds no
/// account: every account of a pool with aliases, and a federated account of any pool
/// (`AdminGetUser` accepts the `sub` of local users only). `None` if the listing does not show the
/// account: it lags, so that proves no absence.
pub(super) fn named_by_listing(
    state: &mut WorldState,
    call: Call,
    side: Side,
    account_ref: AccountRef,
) -> Option<AccountRef> {
    let pool = state.pools.get(side);
    let alias = !pool.schema.alias_attributes.is_empty();
    let federated = pool.get(&account_ref.sub).is_some_and(is_federated);
    if account_ref.username.is_some() || !(alias || federated) {
        return Some(account_ref);
    }
    let moment = moment_of_listing(state, side, LISTING_LAG);
    let listed = state.account(side, &account_ref.sub).filter(|account| {
        let version = account.version_at(moment);
        version.is_some_and(|version| account.versions()[version].body.exists)
    });
    let username = listed.map(|account| account.username.clone());
    if username.is_none() {
        state.say(|| format!("{call} {}: the listing shows no account", account_ref.sub));
    }
    Some(AccountRef { username: Some(username?), ..account_ref })
}

/// Whether an account comes from an identity provider: then its username is not its `sub` in any
/// pool.
fn is_federated(account: &SimulatedAccount) -> bool {
    account.body().status == Status::ExternalProvider
}

/// The account that a handle reaches, and the version that a read of that moment shows. A pool of
/// addresses is asked by `sub`, and by username for a federated account. A plain pool is asked by
/// username and answers with the account that has it at that moment (`SameSub`). If the
/// username is not known, the call goes by `sub`, which reaches local users.
pub(super) fn addressed(
    accounts: &Accounts,
    account_ref: &AccountRef,
    moment: Time,
) -> Option<(Sub, usize)> {
    let found = accounts.get(&account_ref.sub);
    let federated = found.is_some_and(is_federated);
    if let Some(username) = &account_ref.username
        && (federated || !accounts.by_address())
    {
        return named(accounts, username, moment);
    }
    let found = found.filter(|_| !federated)?;
    Some((found.sub.clone(), found.version_at(moment)?))
}

/// The account with that username. An address is a name for local accounts only: a federated
/// account signs in through its provider.
pub(super) fn named(
    accounts: &Accounts,
    username: &Username,
    moment: Time,
) -> Option<(Sub, usize)> {
    let email = attribute("email");
    let has_name = |account: &&SimulatedAccount, version: usize| {
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
        has_name(&account, version).then(|| (account.sub.clone(), version))
    })
}

/// Whether more accounts begin like a value that no filter holds than the adapter reads.
pub(super) fn too_many_matches(pool: &Accounts, moment: Time, search: &Search) -> bool {
    let (name, prefix) = (attribute(search.attribute()), search.beginning());
    let alike = |account: &&SimulatedAccount| {
        let held = account.version_at(moment).map(|version| &account.versions()[version].body);
        let held = held.filter(|body| body.exists).and_then(|body| body.attributes.get(&name));
        let called = matches!(search, Search::Username(_)).then(|| account.username.reveal());
        held.map(String::as_str).or(called).is_some_and(|value| value.starts_with(prefix))
    };
    !search.fits_filter() && pool.all().iter().filter(alike).count() > limits::FOUND_ACCOUNTS_MAX
}

pub(super) fn matches(
    pool: &Accounts,
    account: &SimulatedAccount,
    version: usize,
    search: &Search,
) -> bool {
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
