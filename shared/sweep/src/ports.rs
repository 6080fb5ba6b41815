//! The interfaces of the sweep to pools, table, cursor and queue.

use std::future::Future;
use std::sync::Arc;

use poolbridge_core::account::{Account, PoolSchema};
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::control::Control;
use poolbridge_core::error::PortError;
use poolbridge_core::names::{GroupName, PersonId, Sub};
use poolbridge_core::ports::Clock;
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::pass::{Cursor, Partition, PartitionResult, Summary};
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
pub trait PageStream<T>: Send {
    /// The next page; `None` at the end. After a port error, the same page can be requested again.
    fn next(&mut self) -> impl Future<Output = Result<Option<Page<T>>, PortError>> + Send;
}

/// The listings of one pool. None of its calls reads a single account.
pub trait AccountLister: Send + Sync {
    /// A listing of accounts (`ListUsers`), without groups and factors. May be stale.
    type Accounts: PageStream<Account>;
    /// A listing of the accounts in a group (`ListUsersInGroup`). May be stale.
    type Members: PageStream<Sub>;

    /// The pool schema.
    fn schema(&self) -> impl Future<Output = Result<Arc<PoolSchema>, PortError>> + Send;

    /// How many accounts the pool has, by its own estimate; `None` if it gives none.
    fn estimate(&self) -> impl Future<Output = Result<Option<u64>, PortError>> + Send;

    /// Starts a listing of the accounts whose `sub` starts with this prefix.
    fn accounts(&self, prefix: &Prefix) -> Self::Accounts;

    /// Starts a listing of the accounts in that group.
    fn members(&self, group: &GroupName) -> Self::Members;
}

/// The owner of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RecordOwner {
    /// No known person owns it.
    Unknown,
    /// This person.
    Person(Box<PersonRecord>),
    /// A person whose item cannot be decoded, or is newer than this version.
    Unreadable,
}

/// The state table, as the sweep reads it.
pub trait RecordReader: Send + Sync {
    /// The owners of these accounts, in the order of `subs`: at most one page. May be stale.
    fn people(
        &self,
        side: Side,
        subs: &[Sub],
    ) -> impl Future<Output = Result<Vec<RecordOwner>, PortError>> + Send;

    /// The person with that id. The read is consistent and follows forwarding items.
    fn person(
        &self,
        id: &PersonId,
    ) -> impl Future<Output = Result<Option<PersonRecord>, PortError>> + Send;

    /// Whether the account has a pending change (a consistent read). apply then processes it.
    fn has_pending(
        &self,
        side: Side,
        sub: &Sub,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;

    /// The control item.
    fn control(&self) -> impl Future<Output = Result<Control, PortError>> + Send;
}

/// Stores the progress of the sweep.
pub trait CheckpointStore: Send + Sync {
    /// The cursor; a new one if none is stored.
    fn read(&self) -> impl Future<Output = Result<Cursor, PortError>> + Send;

    /// Writes the cursor, if the stored one has the previous revision; otherwise `Lost`, because
    /// another sweep is running.
    fn write(&self, cursor: &Cursor) -> impl Future<Output = Result<(), PortError>> + Send;

    /// When an operator last requested a pass, if no pass has begun since.
    fn wanted(&self) -> impl Future<Output = Result<Option<Time>, PortError>> + Send;

    /// Stores that a pass began at `at`. It answers every request from before.
    fn began(&self, at: Time) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Publishes the result of a pass. May be called again for the same pass.
    fn ended(&self, summary: &Summary) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// The queue of bulk work.
pub trait BulkQueue: Send + Sync {
    /// How many messages it holds, in any state, by the counters of the service.
    fn outstanding(&self) -> impl Future<Output = Result<u64, PortError>> + Send;

    /// Sends change events. If this fails, some of them may have been sent.
    fn send(&self, changes: &[ChangeEvent]) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Everything that a sweep needs.
pub trait SweepPorts: Send + Sync {
    /// The type of the pools, the same for both.
    type Lister: AccountLister;
    /// The type of the table.
    type Records: RecordReader;
    /// The type of the cursor's store.
    type Checkpoints: CheckpointStore;
    /// The type of the queue.
    type Bulk: BulkQueue;
    /// The type of the clock.
    type Clock: Clock;

    /// The pool of `side`.
    fn lister(&self, side: Side) -> &Self::Lister;
    /// The state table.
    fn records(&self) -> &Self::Records;
    /// The store of the cursor.
    fn checkpoints(&self) -> &Self::Checkpoints;
    /// The queue of bulk work.
    fn bulk(&self) -> &Self::Bulk;
    /// The clock.
    fn clock(&self) -> &Self::Clock;
    /// Waits until that time.
    fn rest_until(&self, moment: Time) -> impl Future<Output = ()> + Send;
    /// Reports that a partition is finished, and how many are left.
    fn progressed(&self, partition: &Partition, done: &PartitionResult, left: usize);
}
