//! The services as the sweep reaches them: listings in pages, which may be old and, by fault
//! injection, wrong; the table; the checkpoint store; and the queue.

use std::sync::Arc;

use poolbridge_core::account::{Account, PoolSchema};
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::control::Control;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::{GroupName, PersonId, Sub};
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_sweep_core::pass::{Cursor, Summary};
use poolbridge_sweep_core::ports::{
    AccountLister, BulkQueue, CheckpointStore, Page, PageStream, RecordOwner, RecordReader,
};
use poolbridge_sweep_core::shard::Prefix;

use super::WorldState;
use super::accounts::SimulatedAccount;
use super::connection::Connection;
use super::fault_injection::Target;
use super::pool_reads::{LISTING_LAG, moment_of_listing};

/// Accounts per page: so few that a few people fill several pages.
const PAGE: usize = 2;

/// One pool, for listings.
#[derive(Clone)]
pub struct SimulatedLister {
    connection: Connection,
    side: Side,
}

impl SimulatedLister {
    /// The pool of that side, through that connection.
    pub const fn new(connection: Connection, side: Side) -> Self {
        Self { connection, side }
    }
}

/// The accounts that a listing shows.
#[derive(Clone)]
enum Filter {
    Prefix(Prefix),
    Group(GroupName),
}

/// A listing in progress, in the order of creation.
pub struct SimulatedPages {
    connection: Connection,
    side: Side,
    filter: Filter,
    next: Option<usize>,
}

impl AccountLister for SimulatedLister {
    type Accounts = SimulatedPages;
    type Members = SimulatedPages;

    async fn schema(&self) -> Result<Arc<PoolSchema>, PortError> {
        Ok(Arc::new(self.connection.world().lock().pools.get(self.side).schema.clone()))
    }

    async fn estimate(&self) -> Result<Option<u64>, PortError> {
        let side = self.side;
        let call = self.connection.call(Target::Pool(side), "DescribeUserPool", false);
        let count = move |state: &mut WorldState| Ok(state.pools.get(side).living().count() as u64);
        self.connection.make(call, count).await.map(Some)
    }

    fn accounts(&self, prefix: &Prefix) -> SimulatedPages {
        let filter = Filter::Prefix(prefix.clone());
        SimulatedPages {
            connection: self.connection.clone(),
            side: self.side,
            filter,
            next: Some(0),
        }
    }

    fn members(&self, group: &GroupName) -> SimulatedPages {
        let filter = Filter::Group(group.clone());
        SimulatedPages {
            connection: self.connection.clone(),
            side: self.side,
            filter,
            next: Some(0),
        }
    }
}

impl SimulatedPages {
    /// One page: the accounts from `next` on, as of a moment that the service chooses.
    async fn page<T: Clone + std::hash::Hash + Send + 'static>(
        &mut self,
        operation: &'static str,
        show: impl Fn(&SimulatedAccount, usize) -> Option<T> + Send + 'static,
    ) -> Result<Option<Page<T>>, PortError> {
        let Some(first) = self.next else { return Ok(None) };
        let (side, filter) = (self.side, self.filter.clone());
        let call = self.connection.call(Target::Pool(side), operation, false);
        let (page, next) = self
            .connection
            .make(call, move |state| {
                if let Filter::Group(group) = &filter
                    && !state.pools.get(side).schema.groups.contains(group)
                {
                    return Err(PortError::new(ErrorKind::Missing, operation));
                }
                let moment = moment_of_listing(state, side, LISTING_LAG);
                let pool = state.pools.get(side);
                let mut read = Vec::new();
                let mut next = None;
                for (at, account) in pool.all().iter().enumerate().skip(first) {
                    if read.len() == PAGE {
                        next = Some(at);
                        break;
                    }
                    let Some(version) = account.version_at(moment) else { continue };
                    let body = &account.versions()[version].body;
                    let shown = match &filter {
                        Filter::Prefix(prefix) => prefix.holds(&account.sub),
                        Filter::Group(group) => body.groups.contains(group),
                    };
                    if shown && body.exists {
                        read.extend(show(account, version));
                    }
                }
                corrupt_page(state, &mut read, &mut next);
                let count = read.len();
                state.say(|| format!("{call}: {count} shown"));
                Ok((Page { read, unreadable: 0 }, next))
            })
            .await?;
        self.next = next;
        Ok(Some(page))
    }
}

/// Makes a page wrong, if the fault rates ask for it.
fn corrupt_page<T: Clone>(state: &mut WorldState, read: &mut Vec<T>, next: &mut Option<usize>) {
    let WorldState { fault_injection, chooser, .. } = state;
    let one_in = fault_injection.rates.wrong_page_one_in;
    if one_in == 0 || !chooser.happens(one_in, "lies") {
        return;
    }
    fault_injection.count("wrong page");
    match chooser.choose(4, "which lie") {
        0 => *next = None,
        1 => drop(read.pop()),
        2 => read.extend(read.clone()),
        _ => read.clear(),
    }
}

impl PageStream<Account> for SimulatedPages {
    async fn next(&mut self) -> Result<Option<Page<Account>>, PortError> {
        self.page("ListUsers", |account, version| {
            let answer = account.answer(version)?;
            Some(Account { factors: None, ..answer })
        })
        .await
    }
}

impl PageStream<Sub> for SimulatedPages {
    async fn next(&mut self) -> Result<Option<Page<Sub>>, PortError> {
        self.page("ListUsersInGroup", |account, _| Some(account.sub.clone())).await
    }
}

/// The table, as the sweep reads it.
#[derive(Clone)]
pub struct SimulatedRecords {
    connection: Connection,
}

impl SimulatedRecords {
    /// The table, through that connection.
    pub const fn new(connection: Connection) -> Self {
        Self { connection }
    }
}

impl RecordReader for SimulatedRecords {
    async fn people(&self, side: Side, subs: &[Sub]) -> Result<Vec<RecordOwner>, PortError> {
        let subs = subs.to_vec();
        let call = self.connection.call(Target::Table, "people", false);
        let found = move |state: &mut WorldState| {
            let find = |sub: &Sub| match state.table.find(side, sub) {
                Some(record) => RecordOwner::Person(Box::new(record.clone())),
                None => RecordOwner::Unknown,
            };
            Ok(subs.iter().map(find).collect())
        };
        self.connection.make(call, found).await
    }

    async fn person(&self, id: &PersonId) -> Result<Option<PersonRecord>, PortError> {
        let id = id.clone();
        let call = self.connection.call(Target::Table, "person", false);
        self.connection.make(call, move |state| Ok(state.table.person(&id).cloned())).await
    }

    async fn has_pending(&self, side: Side, sub: &Sub) -> Result<bool, PortError> {
        let key = (side, sub.clone());
        let call = self.connection.call(Target::Table, "read mark", false);
        self.connection
            .make(call, move |state| Ok(state.table.pending_changes.contains_key(&key)))
            .await
    }

    async fn control(&self) -> Result<Control, PortError> {
        let call = self.connection.call(Target::Table, "control", false);
        self.connection.make(call, |state| Ok(state.table.control.clone())).await
    }
}

/// Where the sweep stores its progress.
#[derive(Clone)]
pub struct SimulatedCheckpoints {
    connection: Connection,
}

impl SimulatedCheckpoints {
    /// The table, through that connection.
    pub const fn new(connection: Connection) -> Self {
        Self { connection }
    }
}

impl CheckpointStore for SimulatedCheckpoints {
    async fn read(&self) -> Result<Cursor, PortError> {
        let call = self.connection.call(Target::Table, "read cursor", false);
        self.connection.make(call, |state| Ok(state.cursor.clone())).await
    }

    async fn write(&self, cursor: &Cursor) -> Result<(), PortError> {
        let cursor = cursor.clone();
        let call = self.connection.call(Target::Table, "write cursor", true);
        let write = move |state: &mut WorldState| {
            if state.cursor.revision + 1 != cursor.revision {
                return Err(PortError::new(ErrorKind::Lost, "write cursor"));
            }
            state.cursor = cursor;
            Ok(())
        };
        self.connection.make(call, write).await
    }

    async fn wanted(&self) -> Result<Option<Time>, PortError> {
        Ok(None)
    }

    async fn began(&self, _at: Time) -> Result<(), PortError> {
        Ok(())
    }

    async fn ended(&self, summary: &Summary) -> Result<(), PortError> {
        self.connection.world().lock().say(|| format!("a pass ends: {summary:?}"));
        Ok(())
    }
}

/// The queue of bulk work. The simulated world has only one queue.
#[derive(Clone)]
pub struct SimulatedBulkQueue {
    connection: Connection,
}

impl SimulatedBulkQueue {
    /// The queue, through that connection.
    pub const fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Adds a line to the trace.
    pub fn say(&self, line: impl FnOnce() -> String) {
        self.connection.world().lock().say(line);
    }
}

impl BulkQueue for SimulatedBulkQueue {
    async fn outstanding(&self) -> Result<u64, PortError> {
        let call = self.connection.call(Target::Queue, "GetQueueAttributes", false);
        self.connection.make(call, |state| Ok(state.queue.messages().len() as u64)).await
    }

    async fn send(&self, changes: &[ChangeEvent]) -> Result<(), PortError> {
        let changes = changes.to_vec();
        let call = self.connection.call(Target::Queue, "SendMessageBatch", true);
        let send = move |state: &mut WorldState| {
            for change in &changes {
                super::queue::send(state, change);
            }
            Ok(())
        };
        self.connection.make(call, send).await
    }
}
