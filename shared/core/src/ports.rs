//! The interfaces of core to pools, table, queue and clock. No SDK type, no page token and no text
//! error crosses these traits. `shared/aws` implements them; `tests` simulates them.
//!
//! Every call may fail with a [`PortError`]. If its `may_have_happened()` is true, the service may
//! have carried out the call although it failed.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use crate::account::{Account, AccountRef, NewAccount, PoolSchema};
use crate::breaker::Breaker;
use crate::change::{ChangeEvent, PendingChange};
use crate::control::Control;
use crate::error::PortError;
use crate::names::{GroupName, Owner, PersonId, Sub, Username};
use crate::record::{Lease, PersonRecord, PersonState};
use crate::side::Side;
use crate::step::Action;
use crate::time::Time;

pub use crate::search::{Search, SearchAnswer};

/// One user pool.
pub trait Pool: Send + Sync {
    /// The pool schema. Cached and shared. A stale schema only leads to a rejected or a held field.
    fn schema(&self) -> impl Future<Output = Result<Arc<PoolSchema>, PortError>> + Send;

    /// Reads one account without its groups (`AdminGetUser`, by the username). `None`: the pool
    /// answers that the account does not exist. The `sub` of the answer may differ, if the username
    /// was reused: the caller checks that (`SameSub`). May be stale by D.
    ///
    /// Without the username, a listing has to find the account: `AdminGetUser` accepts the `sub` of
    /// local accounts only, and in a pool with aliases not even that for certain. Then `None` is as
    /// stale as a listing (`limits::LISTING_LAG`).
    fn read(
        &self,
        account: &AccountRef,
    ) -> impl Future<Output = Result<Option<Account>, PortError>> + Send;

    /// Reads the account with exactly that username, as a creation would use it
    /// (`ResolveCreationFirst`). May be stale.
    fn read_name(
        &self,
        username: &Username,
    ) -> impl Future<Output = Result<Option<Account>, PortError>> + Send;

    /// Reads all groups of one account, or fails as a whole. May be stale by D.
    fn groups(
        &self,
        account: &AccountRef,
    ) -> impl Future<Output = Result<BTreeSet<GroupName>, PortError>> + Send;

    /// Whether the pool has this group now, read from the pool (`GetGroup`) and never from a cache.
    fn has_group(&self, group: &GroupName) -> impl Future<Output = Result<bool, PortError>> + Send;

    /// The groups that the pool has now, never from a cache, unlike [`Pool::schema`]. A deleted
    /// group has no members, and that must not look as if the members had left.
    fn every_group(&self) -> impl Future<Output = Result<BTreeSet<GroupName>, PortError>> + Send;

    /// Every account that the search finds (`ListUsers`), regardless of case. Eventually
    /// consistent: a hint, and no proof of absence. Staler than a read (`limits::LISTING_LAG`).
    fn find(&self, search: &Search)
    -> impl Future<Output = Result<SearchAnswer, PortError>> + Send;

    /// Whether a canary account reads: an account of this pool other than `except`, found by a
    /// listing and read under its own `sub` (invariant 7). If so, "not found" concerns one account
    /// and not the whole pool. It is read like a person: with its groups, if groups travel. `false`
    /// if none is found. Usually costs one listing and one read, at most
    /// `limits::CANARY_ACCOUNTS_MAX` reads. Its owner counts as a billed monthly user.
    fn canary(&self, except: &Sub) -> impl Future<Output = Result<bool, PortError>> + Send;

    /// Creates an account without any message to a person, and returns how to read it. Never sent
    /// after `deadline`. `Exists` if the username or an alias is taken.
    fn create(
        &self,
        account: &NewAccount,
        deadline: Time,
    ) -> impl Future<Output = Result<AccountRef, PortError>> + Send;

    /// Performs one action on one account, addressed by `sub` if the pool allows it. Never sent
    /// after `deadline`.
    fn write(
        &self,
        account: &AccountRef,
        action: &Action,
        deadline: Time,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// The result of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// The caller has the lease. Contains the record with that lease.
    Taken(Box<PersonRecord>),
    /// Another worker holds the lease. It is free at this time at the latest.
    Busy(Time),
    /// The record has another revision than expected, or no longer exists: read it again.
    Moved,
}

/// The state table. Every read is consistent, and every write is conditional as documented.
pub trait Ledger: Send + Sync {
    /// The person who owns an account. Follows forwarding items.
    fn find(
        &self,
        side: Side,
        sub: &Sub,
    ) -> impl Future<Output = Result<Option<PersonRecord>, PortError>> + Send;

    /// Takes the lease of a person whose revision is still `revision` and whose lease is free at
    /// `now` (`free_at <= now`). A repeated claim succeeds if the answer to the first one was lost.
    fn claim(
        &self,
        person: &PersonId,
        revision: u64,
        lease: &Lease,
        now: Time,
    ) -> impl Future<Output = Result<Claim, PortError>> + Send;

    /// Writes the whole record, if its lease still belongs to `owner`; otherwise `Lost`. The caller
    /// has increased `record.revision`. Serves `intend` (lease kept) and `record` (lease released).
    fn store(
        &self,
        record: &PersonRecord,
        owner: &Owner,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Writes a new person and the pointer of each of its accounts, in one transaction, each only
    /// if absent (`LinkInOneTransaction`). `Exists` if one of them existed.
    fn begin(&self, record: &PersonRecord) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Writes the record, if its lease still belongs to `owner`, and the pointer of its account in
    /// `side`, if absent, in one transaction. `Exists`: the pointer existed. `Lost`: the lease is
    /// lost.
    fn join(
        &self,
        record: &PersonRecord,
        owner: &Owner,
        side: Side,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Writes `kept`, turns `absorbed` into a forwarding item and changes the pointers of its
    /// accounts, in one transaction, if both leases still belong to `owner` (`MergeHalves`).
    fn merge(
        &self,
        kept: &PersonRecord,
        absorbed: &PersonRecord,
        owner: &Owner,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Splits a person into two, in one transaction. Writes `kept`, if its lease still belongs to
    /// `owner`. Writes `parted` as a new person, if no person has its id, and points each of its
    /// accounts to it, if the account still pointed to `kept`. Otherwise `Lost`.
    fn separate(
        &self,
        kept: &PersonRecord,
        parted: &PersonRecord,
        owner: &Owner,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Stores a pending change for an account. Increases the token (`TokenNeverRepeats`),
    /// keeps `first`, and takes over `last` and its evidence only if they are not older. A hint
    /// never replaces evidence, and evidence replaces hints whatever their times: a person who
    /// signs in repeatedly must not keep their last edit from settling. So the order in which
    /// change events arrive makes no difference.
    fn store_pending(
        &self,
        change: &ChangeEvent,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// The pending change of an account, if it has one.
    fn read_pending(
        &self,
        side: Side,
        sub: &Sub,
    ) -> impl Future<Output = Result<Option<PendingChange>, PortError>> + Send;

    /// Clears the pending change if its token is still `token` (`PendingReadFirst`). Returns
    /// whether it did.
    fn clear_pending(
        &self,
        side: Side,
        sub: &Sub,
        token: u128,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;

    /// The control item.
    fn control(&self) -> impl Future<Output = Result<Control, PortError>> + Send;

    /// Counts one removal, or one password to be closed, in the window of `now`, if the window has
    /// room for it (`breaker::removals_max`), in one conditional write. `false` if there is no
    /// room; then nothing is counted. A call that is repeated after a lost answer counts twice, so
    /// the breaker opens rather too early than too late.
    fn allow_removal(&self, now: Time) -> impl Future<Output = Result<bool, PortError>> + Send;

    /// Writes to the control item that the circuit breaker is open. If it was open before, the item
    /// stays as it is.
    fn trip(&self, breaker: &Breaker) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Counts a person from one state to another. Best effort: if this fails, or the worker dies
    /// before it, the count is not repeated.
    fn count(
        &self,
        before: Option<PersonState>,
        after: Option<PersonState>,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// The queue, as a sender sees it.
pub trait Outbox: Send + Sync {
    /// Sends a change event. Its `id` is the deduplication id (`UniqueDeduplicationId`).
    fn send(&self, change: &ChangeEvent) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Time and randomness, provided by the caller.
pub trait Clock: Send + Sync {
    /// The current time, corrected by the `Date` of the services' answers.
    fn now(&self) -> Time;

    /// A number that was never returned before.
    fn nonce(&self) -> u128;
}

/// Everything that `reconcile` needs.
pub trait Ports: Send + Sync {
    /// The type of the pools, the same for both.
    type Pool: Pool;
    /// The type of the state table.
    type Ledger: Ledger;
    /// The type of the clock.
    type Clock: Clock;

    /// The pool of `side`.
    fn pool(&self, side: Side) -> &Self::Pool;
    /// The state table.
    fn ledger(&self) -> &Self::Ledger;
    /// The clock.
    fn clock(&self) -> &Self::Clock;
}
