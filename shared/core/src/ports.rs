//! What core needs from the outside, in our own words. No SDK type, no page token, no text error
//! crosses these traits; `shared/aws` does them for real, `tests` simulates them.
//!
//! Every call may fail with a [`Fault`]; a fault whose `may_have_happened()` is true may have been
//! carried out all the same.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use crate::account::{Account, Handle, NewAccount, Shape};
use crate::breaker::Breaker;
use crate::change::{Change, Mark};
use crate::entry::{Entry, Lease, State};
use crate::fault::Fault;
use crate::names::{GroupName, Owner, PersonId, Sub, Username};
use crate::policy::Control;
use crate::side::Side;
use crate::step::Deed;
use crate::time::Time;

pub use crate::search::{Search, SearchAnswer};

/// One user pool.
pub trait Pool: Send + Sync {
    /// What the pool can hold. Cached and shared; a stale answer costs a refused or a held field, no more.
    fn shape(&self) -> impl Future<Output = Result<Arc<Shape>, Fault>> + Send;

    /// Reads one account, groups not included (`AdminGetUser`, by the username). `None`: the pool
    /// answers that there is none. The answer's `sub` may be another one, if the name was reused: the
    /// caller checks (R21). May be stale by D.
    ///
    /// Without the username a listing has to find the account: `AdminGetUser` takes the `sub` of a local
    /// account only, and in a pool of aliases not even that one for certain. Then `None` is as old as a
    /// listing (`limits::LISTING_LAG`).
    fn read(&self, account: &Handle)
    -> impl Future<Output = Result<Option<Account>, Fault>> + Send;

    /// Reads the account of exactly that username, as a creation would name it (R20). May be stale.
    fn read_name(
        &self,
        username: &Username,
    ) -> impl Future<Output = Result<Option<Account>, Fault>> + Send;

    /// Reads all groups of one account, or fails as a whole. May be stale by D.
    fn groups(
        &self,
        account: &Handle,
    ) -> impl Future<Output = Result<BTreeSet<GroupName>, Fault>> + Send;

    /// Whether the pool has this group now, read afresh (`GetGroup`) and never from a cache.
    fn has_group(&self, group: &GroupName) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// The groups that the pool has now, read afresh: unlike [`Pool::shape`] never from a cache. A
    /// group that was deleted has no members, which must not look as if they had left.
    fn every_group(&self) -> impl Future<Output = Result<BTreeSet<GroupName>, Fault>> + Send;

    /// Every account that the search finds (`ListUsers`), whatever the case of its letters: eventually
    /// consistent, a hint and no proof of absence. Staler than a read (`limits::LISTING_LAG`).
    fn find(&self, search: &Search) -> impl Future<Output = Result<SearchAnswer, Fault>> + Send;

    /// Whether some other account of this pool than `except`, found by a listing, still reads under its
    /// own `sub` (invariant 7): if so, "not there" is about one account and not about the pool. It is
    /// read the way a person is: with its list of groups, where groups travel. `false` where no other
    /// account is found. Costs one listing and one read as a rule, at most
    /// `limits::CANARY_ACCOUNTS_MAX` reads; that account's owner counts as a billed monthly user.
    fn canary(&self, except: &Sub) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// Creates an account, silently (no message to anyone), and answers how to ask for it. Never sent
    /// after `deadline`. `Exists` when the name or an alias is taken.
    fn create(
        &self,
        account: &NewAccount,
        deadline: Time,
    ) -> impl Future<Output = Result<Handle, Fault>> + Send;

    /// Does one deed to one account, addressed by `sub` where the pool allows. Never sent after
    /// `deadline`.
    fn write(
        &self,
        account: &Handle,
        deed: &Deed,
        deadline: Time,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// What came of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// The lease is ours; the entry as it stands with it.
    Taken(Box<Entry>),
    /// Somebody else holds it; it is free at this moment at the latest.
    Busy(Time),
    /// The entry is not of the revision that was seen (or is gone): look again.
    Moved,
}

/// The state table. Every read is consistent, every write conditional as said.
pub trait Ledger: Send + Sync {
    /// The person that an account belongs to, forwarding items followed.
    fn find(
        &self,
        side: Side,
        sub: &Sub,
    ) -> impl Future<Output = Result<Option<Entry>, Fault>> + Send;

    /// Takes the lease of a person whose revision is still `revision` and whose lease is free at
    /// `now` (`free_at <= now`). A claim whose answer was lost and that is repeated succeeds.
    fn claim(
        &self,
        person: &PersonId,
        revision: u64,
        lease: &Lease,
        now: Time,
    ) -> impl Future<Output = Result<Claim, Fault>> + Send;

    /// Writes the whole entry, if its lease is still `owner`'s. `entry.revision` has been counted up
    /// by the caller. `Lost` if not. Serves `intend` (lease kept) and `record` (lease released).
    fn store(&self, entry: &Entry, owner: &Owner)
    -> impl Future<Output = Result<(), Fault>> + Send;

    /// Writes a new person and the pointer of each account in it, in one transaction, each only if
    /// absent (R16). `Exists` if one was there.
    fn begin(&self, entry: &Entry) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Writes the entry, if its lease is still `owner`'s, and the pointer of its account on `side`,
    /// if absent, in one transaction. `Exists` if the pointer was there, `Lost` if the lease is not.
    fn join(
        &self,
        entry: &Entry,
        owner: &Owner,
        side: Side,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Writes `kept`, turns `absorbed` into a forwarding item and re-points its accounts, in one
    /// transaction, if both leases are still `owner`'s (R17).
    fn merge(
        &self,
        kept: &Entry,
        absorbed: &Entry,
        owner: &Owner,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Makes two people of one whose accounts an operator separates, in one transaction: writes `kept`, if
    /// its lease is still `owner`'s, writes `parted` as a new person, only if there is none of its id, and
    /// points the accounts of `parted` to it, each only if it still pointed to `kept`. `Lost` if not.
    fn separate(
        &self,
        kept: &Entry,
        parted: &Entry,
        owner: &Owner,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Marks an account: counts the token on (R12), keeps `first`, takes `last` and what it proves only
    /// if they are not older. A hint overrules no deed, and any deed overrules hints, whatever their
    /// times: somebody who signs in again and again must not keep their last edit from settling. So
    /// the order in which changes are marked makes no difference.
    fn mark(&self, change: &Change) -> impl Future<Output = Result<(), Fault>> + Send;

    /// The mark of an account, if it has one.
    fn read_mark(
        &self,
        side: Side,
        sub: &Sub,
    ) -> impl Future<Output = Result<Option<Mark>, Fault>> + Send;

    /// Takes the mark away if its token is still `token` (R11). Answers whether it was.
    fn clear_mark(
        &self,
        side: Side,
        sub: &Sub,
        token: u128,
    ) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// The control item.
    fn control(&self) -> impl Future<Output = Result<Control, Fault>> + Send;

    /// Counts one removal, or one password to be closed, in the window of `now`, if it has room for it
    /// (`breaker::removals_max`), in one conditional write: `false` if it has none, and then nothing
    /// is counted. A call that is repeated after a lost answer counts twice: the bound errs on the
    /// side of stopping early.
    fn allow_removal(&self, now: Time) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// Writes into the control item that the breaker has tripped. One that tripped before stays as
    /// it is.
    fn trip(&self, breaker: &Breaker) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Counts a person from one state to another. Best effort: what fails here, or dies before it, is
    /// not counted again.
    fn count(
        &self,
        before: Option<State>,
        after: Option<State>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// The queue, as a sender sees it.
pub trait Outbox: Send + Sync {
    /// Sends a change; its `id` is the deduplication id (R13).
    fn send(&self, change: &Change) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Time and chance, handed in.
pub trait Clock: Send + Sync {
    /// Now, corrected by what the service's `Date` told.
    fn now(&self) -> Time;

    /// A number that was never handed out before.
    fn nonce(&self) -> u128;
}

/// Everything that `converge` needs.
pub trait Ports: Send + Sync {
    /// The pools' type: one for both.
    type Pool: Pool;
    /// The state table's type.
    type Ledger: Ledger;
    /// The clock's type.
    type Clock: Clock;

    /// The pool of that side.
    fn pool(&self, side: Side) -> &Self::Pool;
    /// The state table.
    fn ledger(&self) -> &Self::Ledger;
    /// The clock.
    fn clock(&self) -> &Self::Clock;
}
