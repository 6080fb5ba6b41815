//! The state table, as core's [`Ledger`] and as the operator's view of it.
//!
//! One table: people, pointers from accounts to people, marks, counters, removals by the hour, the
//! control item and the journal. Every read that decides anything is consistent; only the index that lists people by
//! state is not, and nothing is decided by it alone. Every item bears a version: a newer one is
//! refused, an unreadable one is a fault, and neither is ever guessed at.

pub mod tally;
mod attribute;
mod key;
mod part;
mod person;
mod lease;
mod link;
mod mark;
mod rest;
mod route;
mod removal;
mod control;
mod cursor;
mod roll;
mod counter;
mod dump;
mod journal;
mod listing;
mod outstanding;

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder as Update;
use poolbridge_core::breaker::Breaker;
use poolbridge_core::change::{Change, Mark};
use poolbridge_core::entry::{Entry, Lease, State};
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::names::{Owner, PersonId, Sub};
use poolbridge_core::policy::Control;
use poolbridge_core::ports::{Claim, Ledger};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use self::attribute::Item;
use self::key::Key;
use self::tally::{Call, Tally};
use crate::fault::fault;
use crate::secret::Sealer;

pub use self::counter::PeopleCounts;
pub use self::dump::Dump;
pub use self::journal::JournalEntry;
pub use self::listing::{Marks, People};
pub use self::mark::MarkSummary;
pub use self::route::{Route, RouteNote};

/// An item may have 400 KB (`DynamoDB` quota). A person's has a few; one that grew this large would
/// be refused by the service with less to go by.
const ITEM_BYTES_MAX: usize = 400 * 1024;

/// Forwarding items followed in a row. A person is absorbed once, its keeper perhaps once more.
const FORWARDS_MAX: usize = 3;

/// How many requests one listing has under way at a time: more would gain little and could throttle
/// the table's other users.
const REQUESTS_AT_ONCE: usize = 16;

/// Items asked for in one page of a listing. A page has 1 MB at most (quota), which is several
/// thousand marks; this keeps the memory of a listing small.
const PAGE_ITEMS_MAX: i32 = 1_000;

/// Pages read of one partition: with [`PAGE_ITEMS_MAX`] and 64 shards, more marks than there can be
/// accounts in two pools (40 million each, by quota, in a bridge that has stood still).
const PAGES_MAX: usize = 1_250;

/// Marks whose people are looked at by one [`DynamoLedger::outstanding`]; two reads each. With more
/// marks than this nothing is drained whatever the people's items say.
const LOOKED_AT_MAX: usize = 10_000;

/// The state table. Cheap to clone.
#[derive(Clone)]
pub struct DynamoLedger {
    client: Client,
    table: String,
    sealer: Option<Sealer>,
    /// Opens nothing; people are shown with it and never written.
    blind: Option<Sealer>,
    tally: Arc<Tally>,
}

impl fmt::Debug for DynamoLedger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DynamoLedger({})", self.table)
    }
}

impl DynamoLedger {
    /// The table of that name, without a key: it can leave and read marks, and read the control
    /// item, but no person. All that capture needs.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), sealer: None, blind: None, tally: Arc::default() }
    }

    /// The same table, with the key that usernames are sealed with.
    #[must_use]
    pub fn with_sealer(mut self, sealer: Sealer) -> Self {
        self.sealer = Some(sealer);
        self
    }

    /// The same table, for somebody who has no key and only shows people: the usernames are
    /// replaced by a word, and no person can be written.
    #[must_use]
    pub fn without_usernames(mut self) -> Self {
        self.blind = Some(Sealer::blind());
        self
    }

    /// How often the table was called, by this value and all its clones.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    fn sealer(&self, operation: &'static str) -> Result<&Sealer, Fault> {
        let code = Some("NoKey".to_owned());
        self.sealer.as_ref().ok_or(Fault { kind: FaultKind::Denied, operation, code })
    }

    /// One item, read consistently.
    async fn get(&self, call: Call, key: &Key) -> Result<Option<Item>, Fault> {
        self.tally.add(call);
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.item()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| fault("GetItem", &error))?;
        Ok(answer.item)
    }

    /// An update of one item, to be completed.
    fn update(&self, call: Call, key: &Key) -> Update {
        self.tally.add(call);
        self.client.update_item().table_name(&self.table).set_key(Some(key.item()))
    }

    /// Whether an account is known, without looking at whose it is: that needs no key.
    pub async fn is_known(&self, side: Side, sub: &Sub) -> Result<bool, Fault> {
        let pointer = self.get(Call::Find, &Key::account(side, sub)).await?;
        let read = pointer.map(|pointer| person::read_pointer(&pointer)).transpose();
        read.map(|id| id.is_some()).map_err(|mistake| mistake.fault("GetItem"))
    }

    /// The person of that id, forwarding items followed.
    pub async fn person(&self, id: &PersonId) -> Result<Option<Entry>, Fault> {
        const OPERATION: &str = "GetItem";
        let sealer = match &self.blind {
            Some(blind) if self.sealer.is_none() => blind,
            _ => self.sealer(OPERATION)?,
        };
        let mut id = id.clone();
        for _ in 0..=FORWARDS_MAX {
            let Some(item) = self.get(Call::Find, &Key::person(&id)).await? else {
                return Ok(None);
            };
            match person::read(&item, sealer).map_err(|mistake| mistake.fault(OPERATION))? {
                person::Stored::Person(entry) => return Ok(Some(*entry)),
                person::Stored::Forward(other) => id = other,
            }
        }
        Err(unreadable(OPERATION, "ForwardedTooOften"))
    }
}

/// An item that contradicts another one.
fn unreadable(operation: &'static str, code: &str) -> Fault {
    Fault { kind: FaultKind::Unreadable, operation, code: Some(code.to_owned()) }
}

/// Refuses an item that the service would refuse, by name.
fn check_size(item: &Item, operation: &'static str) -> Result<(), Fault> {
    if attribute::size_bytes(item) <= ITEM_BYTES_MAX {
        return Ok(());
    }
    Err(Fault { kind: FaultKind::Invalid, operation, code: Some("ItemTooLarge".to_owned()) })
}

impl Ledger for DynamoLedger {
    async fn find(&self, side: Side, sub: &Sub) -> Result<Option<Entry>, Fault> {
        const OPERATION: &str = "GetItem";
        let Some(pointer) = self.get(Call::Find, &Key::account(side, sub)).await? else {
            return Ok(None);
        };
        let id = person::read_pointer(&pointer).map_err(|mistake| mistake.fault(OPERATION))?;
        // Both were written in one transaction, and people's items are never deleted.
        let person = self.person(&id).await?;
        person.map(Some).ok_or_else(|| unreadable(OPERATION, "DanglingPointer"))
    }

    async fn claim(
        &self,
        person: &PersonId,
        revision: u64,
        lease: &Lease,
        now: Time,
    ) -> Result<Claim, Fault> {
        self.take_lease(person, revision, lease, now).await
    }

    async fn store(&self, entry: &Entry, owner: &Owner) -> Result<(), Fault> {
        self.put_person(entry, owner).await
    }

    async fn begin(&self, entry: &Entry) -> Result<(), Fault> {
        self.begin_person(entry).await
    }

    async fn join(&self, entry: &Entry, owner: &Owner, side: Side) -> Result<(), Fault> {
        self.join_account(entry, owner, side).await
    }

    async fn merge(&self, kept: &Entry, absorbed: &Entry, owner: &Owner) -> Result<(), Fault> {
        self.merge_people(kept, absorbed, owner).await
    }

    async fn separate(&self, kept: &Entry, parted: &Entry, owner: &Owner) -> Result<(), Fault> {
        self.separate_people(kept, parted, owner).await
    }

    async fn mark(&self, change: &Change) -> Result<(), Fault> {
        self.leave_mark(change).await
    }

    async fn read_mark(&self, side: Side, sub: &Sub) -> Result<Option<Mark>, Fault> {
        self.mark_of(side, sub).await
    }

    async fn clear_mark(&self, side: Side, sub: &Sub, token: u128) -> Result<bool, Fault> {
        self.take_mark_away(side, sub, token).await
    }

    async fn control(&self) -> Result<Control, Fault> {
        self.read_control().await
    }

    async fn allow_removal(&self, now: Time) -> Result<bool, Fault> {
        self.count_removal(now).await
    }

    async fn trip(&self, breaker: &Breaker) -> Result<(), Fault> {
        self.open_breaker(breaker).await
    }

    async fn count(&self, before: Option<State>, after: Option<State>) -> Result<(), Fault> {
        self.count_person(before, after).await
    }
}
