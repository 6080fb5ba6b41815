//! The services as the sweep reaches them: listings in pages, which may be old and, by fault
//! injection, wrong; the table; the checkpoint store; and the queue.

use std::sync::Arc;

use poolbridge_core::account::{Account, Shape};
use poolbridge_core::change::Change;
use poolbridge_core::entry::Entry;
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::names::{GroupName, PersonId, Sub};
use poolbridge_core::policy::Control;
use poolbridge_core::side::Side;
use poolbridge_core::sweep::pass::{Cursor, Summary};
use poolbridge_core::sweep::ports::{Bulk, Chain, Found, Notebook, Page, Register, Roster};
use poolbridge_core::sweep::shard::Prefix;
use poolbridge_core::time::Time;

use super::State;
use super::accounts::SimulatedAccount;
use super::line::Line;
use super::pool::{LISTING_LAG, moment_of_listing};
use super::weather::Place;

/// Accounts per page: so few that a few people fill several pages.
const PAGE: usize = 2;

/// One pool, for listings.
#[derive(Clone)]
pub struct SimulatedRoster {
    line: Line,
    side: Side,
}

impl SimulatedRoster {
    /// The pool of that side, through that connection.
    pub const fn new(line: Line, side: Side) -> Self {
        Self { line, side }
    }
}

/// The accounts that a listing shows.
#[derive(Clone)]
enum Filter {
    Prefix(Prefix),
    Group(GroupName),
}

/// A listing in progress, in the order of creation.
pub struct SimulatedChain {
    line: Line,
    side: Side,
    filter: Filter,
    next: Option<usize>,
}

impl Roster for SimulatedRoster {
    type Accounts = SimulatedChain;
    type Members = SimulatedChain;

    async fn shape(&self) -> Result<Arc<Shape>, Fault> {
        Ok(Arc::new(self.line.world().lock().pools.get(self.side).shape.clone()))
    }

    async fn estimate(&self) -> Result<Option<u64>, Fault> {
        let side = self.side;
        let call = self.line.call(Place::Pool(side), "DescribeUserPool", false);
        let count = move |state: &mut State| Ok(state.pools.get(side).living().count() as u64);
        self.line.make(call, count).await.map(Some)
    }

    fn accounts(&self, prefix: &Prefix) -> SimulatedChain {
        let filter = Filter::Prefix(prefix.clone());
        SimulatedChain { line: self.line.clone(), side: self.side, filter, next: Some(0) }
    }

    fn members(&self, group: &GroupName) -> SimulatedChain {
        let filter = Filter::Group(group.clone());
        SimulatedChain { line: self.line.clone(), side: self.side, filter, next: Some(0) }
    }
}

impl SimulatedChain {
    /// One page: the accounts from `next` on, as of a moment that the service chooses.
    async fn page<T: Clone + std::hash::Hash + Send + 'static>(
        &mut self,
        operation: &'static str,
        show: impl Fn(&SimulatedAccount, usize) -> Option<T> + Send + 'static,
    ) -> Result<Option<Page<T>>, Fault> {
        let Some(first) = self.next else { return Ok(None) };
        let (side, filter) = (self.side, self.filter.clone());
        let call = self.line.call(Place::Pool(side), operation, false);
        let (page, next) = self
            .line
            .make(call, move |state| {
                if let Filter::Group(group) = &filter
                    && !state.pools.get(side).shape.groups.contains(group)
                {
                    return Err(Fault::new(FaultKind::Missing, operation));
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
                lie(state, &mut read, &mut next);
                let count = read.len();
                state.say(|| format!("{call}: {count} shown"));
                Ok((Page { read, unreadable: 0 }, next))
            })
            .await?;
        self.next = next;
        Ok(Some(page))
    }
}

/// Makes a page wrong, if the climate asks for it.
fn lie<T: Clone>(state: &mut State, read: &mut Vec<T>, next: &mut Option<usize>) {
    let State { weather, chooser, .. } = state;
    let one_in = weather.climate.lies_one_in;
    if one_in == 0 || !chooser.happens(one_in, "lies") {
        return;
    }
    weather.count("lie");
    match chooser.choose(4, "which lie") {
        0 => *next = None,
        1 => drop(read.pop()),
        2 => read.extend(read.clone()),
        _ => read.clear(),
    }
}

impl Chain<Account> for SimulatedChain {
    async fn next(&mut self) -> Result<Option<Page<Account>>, Fault> {
        self.page("ListUsers", |account, version| {
            let answer = account.answer(version)?;
            Some(Account { factors: None, ..answer })
        })
        .await
    }
}

impl Chain<Sub> for SimulatedChain {
    async fn next(&mut self) -> Result<Option<Page<Sub>>, Fault> {
        self.page("ListUsersInGroup", |account, _| Some(account.sub.clone())).await
    }
}

/// The table, as the sweep reads it.
#[derive(Clone)]
pub struct SimulatedRegister {
    line: Line,
}

impl SimulatedRegister {
    /// The table, through that connection.
    pub const fn new(line: Line) -> Self {
        Self { line }
    }
}

impl Register for SimulatedRegister {
    async fn people(&self, side: Side, subs: &[Sub]) -> Result<Vec<Found>, Fault> {
        let subs = subs.to_vec();
        let call = self.line.call(Place::Table, "people", false);
        let found = move |state: &mut State| {
            let find = |sub: &Sub| match state.table.find(side, sub) {
                Some(entry) => Found::Person(Box::new(entry.clone())),
                None => Found::Nobody,
            };
            Ok(subs.iter().map(find).collect())
        };
        self.line.make(call, found).await
    }

    async fn person(&self, id: &PersonId) -> Result<Option<Entry>, Fault> {
        let id = id.clone();
        let call = self.line.call(Place::Table, "person", false);
        self.line.make(call, move |state| Ok(state.table.person(&id).cloned())).await
    }

    async fn marked(&self, side: Side, sub: &Sub) -> Result<bool, Fault> {
        let key = (side, sub.clone());
        let call = self.line.call(Place::Table, "read mark", false);
        self.line.make(call, move |state| Ok(state.table.marks.contains_key(&key))).await
    }

    async fn control(&self) -> Result<Control, Fault> {
        let call = self.line.call(Place::Table, "control", false);
        self.line.make(call, |state| Ok(state.table.control.clone())).await
    }
}

/// Where the sweep stores its progress.
#[derive(Clone)]
pub struct SimulatedNotebook {
    line: Line,
}

impl SimulatedNotebook {
    /// The table, through that connection.
    pub const fn new(line: Line) -> Self {
        Self { line }
    }
}

impl Notebook for SimulatedNotebook {
    async fn read(&self) -> Result<Cursor, Fault> {
        let call = self.line.call(Place::Table, "read cursor", false);
        self.line.make(call, |state| Ok(state.cursor.clone())).await
    }

    async fn write(&self, cursor: &Cursor) -> Result<(), Fault> {
        let cursor = cursor.clone();
        let call = self.line.call(Place::Table, "write cursor", true);
        let write = move |state: &mut State| {
            if state.cursor.revision + 1 != cursor.revision {
                return Err(Fault::new(FaultKind::Lost, "write cursor"));
            }
            state.cursor = cursor;
            Ok(())
        };
        self.line.make(call, write).await
    }

    async fn wanted(&self) -> Result<Option<Time>, Fault> {
        Ok(None)
    }

    async fn began(&self, _at: Time) -> Result<(), Fault> {
        Ok(())
    }

    async fn ended(&self, summary: &Summary) -> Result<(), Fault> {
        self.line.world().lock().say(|| format!("a pass ends: {summary:?}"));
        Ok(())
    }
}

/// The queue of bulk work. The simulated world has only one queue.
#[derive(Clone)]
pub struct SimulatedBulk {
    line: Line,
}

impl SimulatedBulk {
    /// The queue, through that connection.
    pub const fn new(line: Line) -> Self {
        Self { line }
    }

    /// Adds a line to the trace.
    pub fn say(&self, line: impl FnOnce() -> String) {
        self.line.world().lock().say(line);
    }
}

impl Bulk for SimulatedBulk {
    async fn outstanding(&self) -> Result<u64, Fault> {
        let call = self.line.call(Place::Queue, "GetQueueAttributes", false);
        self.line.make(call, |state| Ok(state.queue.messages().len() as u64)).await
    }

    async fn send(&self, changes: &[Change]) -> Result<(), Fault> {
        let changes = changes.to_vec();
        let call = self.line.call(Place::Queue, "SendMessageBatch", true);
        let send = move |state: &mut State| {
            for change in &changes {
                super::queue::send(state, change);
            }
            Ok(())
        };
        self.line.make(call, send).await
    }
}
