//! The interfaces of the sweep to pools, table, cursor and queue.

use std::future::Future;
use std::sync::Arc;

use crate::account::{Account, Shape};
use crate::change::Change;
use crate::entry::Entry;
use crate::fault::Fault;
use crate::names::{GroupName, PersonId, Sub};
use crate::policy::Control;
use crate::ports::Clock;
use crate::side::Side;
use crate::time::Time;

use super::pass::{Cursor, Done, Summary, Unit};
use super::shard::Prefix;

/// One page of a listing. It may be short, or empty, although more pages follow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Page<T> {
    /// The items of the page.
    pub read: Vec<T>,
    /// How many items cannot be decoded.
    pub unreadable: u64,
}

/// A listing in progress. It keeps its page token to itself.
pub trait Chain<T>: Send {
    /// The next page; `None` at the end. After a port error, the same page can be requested again.
    fn next(&mut self) -> impl Future<Output = Result<Option<Page<T>>, Fault>> + Send;
}

/// The listings of one pool. None of its calls reads a single account.
pub trait Roster: Send + Sync {
    /// A listing of accounts (`ListUsers`), without groups and factors. May be stale.
    type Accounts: Chain<Account>;
    /// A listing of the accounts in a group (`ListUsersInGroup`). May be stale.
    type Members: Chain<Sub>;

    /// The pool schema.
    fn shape(&self) -> impl Future<Output = Result<Arc<Shape>, Fault>> + Send;

    /// How many accounts the pool has, by its own estimate; `None` if it gives none.
    fn estimate(&self) -> impl Future<Output = Result<Option<u64>, Fault>> + Send;

    /// Starts a listing of the accounts whose `sub` starts with this prefix.
    fn accounts(&self, prefix: &Prefix) -> Self::Accounts;

    /// Starts a listing of the accounts in that group.
    fn members(&self, group: &GroupName) -> Self::Members;
}

/// The owner of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    /// No known person.
    Nobody,
    /// This person.
    Person(Box<Entry>),
    /// A person whose item cannot be decoded, or is newer than this version.
    Unreadable,
}

/// The state table, as the sweep reads it.
pub trait Register: Send + Sync {
    /// The owners of these accounts, in the order of `subs`: at most one page. May be stale.
    fn people(
        &self,
        side: Side,
        subs: &[Sub],
    ) -> impl Future<Output = Result<Vec<Found>, Fault>> + Send;

    /// The person with that id. The read is consistent and follows forwarding items.
    fn person(&self, id: &PersonId) -> impl Future<Output = Result<Option<Entry>, Fault>> + Send;

    /// Whether the account has a pending change (a consistent read). apply then processes it.
    fn marked(&self, side: Side, sub: &Sub) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// The control item.
    fn control(&self) -> impl Future<Output = Result<Control, Fault>> + Send;
}

/// Stores the progress of the sweep.
pub trait Notebook: Send + Sync {
    /// The cursor; a new one if none is stored.
    fn read(&self) -> impl Future<Output = Result<Cursor, Fault>> + Send;

    /// Writes the cursor, if the stored one has the previous revision; otherwise `Lost`, because
    /// another sweep is running.
    fn write(&self, cursor: &Cursor) -> impl Future<Output = Result<(), Fault>> + Send;

    /// When an operator last requested a pass, if no pass has begun since.
    fn wanted(&self) -> impl Future<Output = Result<Option<Time>, Fault>> + Send;

    /// Stores that a pass began at `at`. It answers every request from before.
    fn began(&self, at: Time) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Publishes the result of a pass. May be called again for the same pass.
    fn ended(&self, summary: &Summary) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// The queue of bulk work.
pub trait Bulk: Send + Sync {
    /// How many messages it holds, in any state, by the counters of the service.
    fn outstanding(&self) -> impl Future<Output = Result<u64, Fault>> + Send;

    /// Sends change events. If this fails, some of them may have been sent.
    fn send(&self, changes: &[Change]) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Everything that a sweep needs.
pub trait Outside: Send + Sync {
    /// The type of the pools, the same for both.
    type Roster: Roster;
    /// The type of the table.
    type Register: Register;
    /// The type of the cursor's store.
    type Notebook: Notebook;
    /// The type of the queue.
    type Bulk: Bulk;
    /// The type of the clock.
    type Clock: Clock;

    /// The pool of `side`.
    fn roster(&self, side: Side) -> &Self::Roster;
    /// The state table.
    fn register(&self) -> &Self::Register;
    /// The store of the cursor.
    fn notebook(&self) -> &Self::Notebook;
    /// The queue of bulk work.
    fn bulk(&self) -> &Self::Bulk;
    /// The clock.
    fn clock(&self) -> &Self::Clock;
    /// Waits until that time.
    fn rest_until(&self, moment: Time) -> impl Future<Output = ()> + Send;
    /// Reports that a partition is finished, and how many are left.
    fn progressed(&self, unit: &Unit, done: &Done, left: usize);
}
