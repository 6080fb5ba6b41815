//! What the sweep needs from the outside, in our own words.

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

/// One page of a listing. It may be short, or empty, though more follow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Page<T> {
    /// What it shows.
    pub read: Vec<T>,
    /// How much of it cannot be understood.
    pub unreadable: u64,
}

/// A listing under way. Whatever joins its pages together stays inside, and dies with it.
pub trait Chain<T>: Send {
    /// The next page; `None`: that was all. After a fault the same page can be asked for again.
    fn next(&mut self) -> impl Future<Output = Result<Option<Page<T>>, Fault>> + Send;
}

/// One pool, as it can be listed. No call of it reads a single account.
pub trait Roster: Send + Sync {
    /// A listing of accounts (`ListUsers`): without groups and factors, and perhaps old.
    type Accounts: Chain<Account>;
    /// A listing of the accounts in a group (`ListUsersInGroup`), perhaps old.
    type Members: Chain<Sub>;

    /// What the pool can hold.
    fn shape(&self) -> impl Future<Output = Result<Arc<Shape>, Fault>> + Send;

    /// How many accounts the pool says that it has, about; `None` if it does not say.
    fn estimate(&self) -> impl Future<Output = Result<Option<u64>, Fault>> + Send;

    /// Begins to list the accounts whose `sub` begins with these letters.
    fn accounts(&self, prefix: &Prefix) -> Self::Accounts;

    /// Begins to list the accounts in that group.
    fn members(&self, group: &GroupName) -> Self::Members;
}

/// Whose an account is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    /// Nobody's that is known.
    Nobody,
    /// This person's.
    Person(Box<Entry>),
    /// Somebody's whose item cannot be read, or is newer than this version.
    Unreadable,
}

/// The state table, as the sweep asks it.
pub trait Register: Send + Sync {
    /// Whose these accounts are, in their order: a page of them at the most. May be old.
    fn people(
        &self,
        side: Side,
        subs: &[Sub],
    ) -> impl Future<Output = Result<Vec<Found>, Fault>> + Send;

    /// The person of that id, consistently read, forwarding items followed.
    fn person(&self, id: &PersonId) -> impl Future<Output = Result<Option<Entry>, Fault>> + Send;

    /// Whether the account is marked, consistently read: then apply is told of it already.
    fn marked(&self, side: Side, sub: &Sub) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// The control item.
    fn control(&self) -> impl Future<Output = Result<Control, Fault>> + Send;
}

/// Where the sweep notes how far it is.
pub trait Notebook: Send + Sync {
    /// The cursor; a new one if there is none yet.
    fn read(&self) -> impl Future<Output = Result<Cursor, Fault>> + Send;

    /// Writes the cursor, if the one that is there is of the revision before. `Lost` if not:
    /// another sweep is at work.
    fn write(&self, cursor: &Cursor) -> impl Future<Output = Result<(), Fault>> + Send;

    /// When somebody asked for a pass, if a pass has not begun since.
    fn wanted(&self) -> impl Future<Output = Result<Option<Time>, Fault>> + Send;

    /// A pass that began then answers whoever asked for one before.
    fn began(&self, at: Time) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Publishes what a pass came to. May be told again of the same one.
    fn ended(&self, summary: &Summary) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// The queue of bulk work.
pub trait Bulk: Send + Sync {
    /// How many messages are in it, whatever their state, as far as the service tells.
    fn outstanding(&self) -> impl Future<Output = Result<u64, Fault>> + Send;

    /// Sends changes. If it fails, some of them may have been sent.
    fn send(&self, changes: &[Change]) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Everything that a sweep needs.
pub trait Outside: Send + Sync {
    /// The pools' type: one for both.
    type Roster: Roster;
    /// The table's type.
    type Register: Register;
    /// The notebook's type.
    type Notebook: Notebook;
    /// The queue's type.
    type Bulk: Bulk;
    /// The clock's type.
    type Clock: Clock;

    /// The pool of that side.
    fn roster(&self, side: Side) -> &Self::Roster;
    /// The state table.
    fn register(&self) -> &Self::Register;
    /// The notebook.
    fn notebook(&self) -> &Self::Notebook;
    /// The queue of bulk work.
    fn bulk(&self) -> &Self::Bulk;
    /// The clock.
    fn clock(&self) -> &Self::Clock;
    /// Waits until that moment.
    fn rest_until(&self, moment: Time) -> impl Future<Output = ()> + Send;
    /// Says that a part is finished, and how many are left.
    fn progressed(&self, unit: &Unit, done: &Done, left: usize);
}
