//! The state table, as core's [`Ledger`] and for the operator's commands.
//!
//! One table holds person records, pointers from accounts to person records, pending changes,
//! counters, removals by the hour, the control item and the journal. Every read that decides
//! something is consistent. Only the index that lists people by state is not, and no decision
//! depends on it alone. Every item has a version. A newer item is refused, an unreadable one is a
//! port error, and neither is interpreted.

mod attribute;
mod detection_route;
mod key;
mod part;
mod person;
mod lease;
mod link;
mod pending;
mod rest;
mod route;
mod removal;
mod control;
mod cursor;
mod batch_get;
mod records;
mod counter;
mod dump;
mod journal;
mod listing;
mod outstanding;

use std::fmt;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder as Update;
use poolbridge_core::breaker::Breaker;
use poolbridge_core::change::{ChangeEvent, PendingChange};
use poolbridge_core::control::Control;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::{Owner, PersonId, Sub};
use poolbridge_core::ports::{Claim, Ledger};
use poolbridge_core::record::{Lease, PersonRecord, PersonState};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use self::attribute::Item;
use self::key::ItemKey;
use crate::error::port_error;
use crate::secret::Sealer;

pub use self::counter::PeopleCounts;
pub use self::detection_route::DetectionRoute;
pub use self::dump::SettingsBackup;
pub use self::journal::JournalEntry;
pub use self::listing::{PendingChanges, PeopleInState};
pub use self::pending::PendingSummary;
pub use self::route::RouteHeartbeat;

/// An item may have 400 KB (`DynamoDB` quota). A person record has a few. The service would refuse
/// one of this size with a less useful error.
const ITEM_BYTES_MAX: usize = 400 * 1024;

/// How many forwarding items are followed in a row. A person record is merged into another once,
/// and that one perhaps once more.
const FORWARDS_MAX: usize = 3;

/// How many requests one listing runs in parallel: more would gain little and could throttle the
/// table's other users.
const REQUESTS_AT_ONCE: usize = 16;

/// The items per page of a listing. A page has at most 1 MB (quota), which is several thousand
/// pending changes. This limit keeps the memory of a listing small.
const PAGE_ITEMS_MAX: i32 = 1_000;

/// The pages read of one partition. With [`PAGE_ITEMS_MAX`] and 64 shards, that is more pending
/// changes than two pools can have accounts (40 million each, by quota), even if the bridge
/// stopped.
const PAGES_MAX: usize = 1_250;

/// How many pending changes one [`DynamoLedger::outstanding`] checks with their people, at two
/// reads each. With more than this the bridge is not drained, whatever the person records show.
const LOOKED_AT_MAX: usize = 10_000;

/// The state table. Cheap to clone.
#[derive(Clone)]
pub struct DynamoLedger {
    client: Client,
    table: String,
    sealer: Option<Sealer>,
    /// A sealer that opens nothing. Person records read with it can be shown and never written.
    blind: Option<Sealer>,
}

impl fmt::Debug for DynamoLedger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DynamoLedger({})", self.table)
    }
}

impl DynamoLedger {
    /// The table of that name, without a key. It can store and read pending changes and read the
    /// control item, but no person record. capture needs no more.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), sealer: None, blind: None }
    }

    /// The same table, with the key that seals usernames.
    #[must_use]
    pub fn with_sealer(mut self, sealer: Sealer) -> Self {
        self.sealer = Some(sealer);
        self
    }

    /// The same table for a caller without a key who only shows people. A word replaces the
    /// usernames, and no person record can be written.
    #[must_use]
    pub fn without_usernames(mut self) -> Self {
        self.blind = Some(Sealer::blind());
        self
    }

    fn sealer(&self, operation: &'static str) -> Result<&Sealer, PortError> {
        let code = Some("NoKey".to_owned());
        self.sealer.as_ref().ok_or(PortError { kind: ErrorKind::Denied, operation, code })
    }

    /// Reads one item consistently.
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, PortError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.item()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error("GetItem", &error))?;
        Ok(answer.item)
    }

    /// Starts an update of one item, which the caller completes.
    fn update(&self, key: &ItemKey) -> Update {
        self.client.update_item().table_name(&self.table).set_key(Some(key.item()))
    }

    /// Whether the table knows an account. It does not read the person record, so it needs no key.
    pub async fn is_known(&self, side: Side, sub: &Sub) -> Result<bool, PortError> {
        let pointer = self.get(&ItemKey::account(side, sub)).await?;
        let read = pointer.map(|pointer| person::read_pointer(&pointer)).transpose();
        read.map(|id| id.is_some()).map_err(|error| error.port_error("GetItem"))
    }

    /// The person record with that id, after following forwarding items.
    pub async fn person(&self, id: &PersonId) -> Result<Option<PersonRecord>, PortError> {
        const OPERATION: &str = "GetItem";
        let sealer = match &self.blind {
            Some(blind) if self.sealer.is_none() => blind,
            _ => self.sealer(OPERATION)?,
        };
        let mut id = id.clone();
        for _ in 0..=FORWARDS_MAX {
            let Some(item) = self.get(&ItemKey::person(&id)).await? else {
                return Ok(None);
            };
            match person::read(&item, sealer).map_err(|error| error.port_error(OPERATION))? {
                person::Stored::Person(record) => return Ok(Some(*record)),
                person::Stored::Forward(other) => id = other,
            }
        }
        Err(unreadable(OPERATION, "ForwardedTooOften"))
    }
}

/// The error for an item that contradicts another one.
fn unreadable(operation: &'static str, code: &str) -> PortError {
    PortError { kind: ErrorKind::Unreadable, operation, code: Some(code.to_owned()) }
}

/// Refuses an item that the service would refuse as too large, with a clear code.
fn check_size(item: &Item, operation: &'static str) -> Result<(), PortError> {
    if attribute::size_bytes(item) <= ITEM_BYTES_MAX {
        return Ok(());
    }
    Err(PortError { kind: ErrorKind::Invalid, operation, code: Some("ItemTooLarge".to_owned()) })
}

impl Ledger for DynamoLedger {
    async fn find(&self, side: Side, sub: &Sub) -> Result<Option<PersonRecord>, PortError> {
        const OPERATION: &str = "GetItem";
        let Some(pointer) = self.get(&ItemKey::account(side, sub)).await? else {
            return Ok(None);
        };
        let id = person::read_pointer(&pointer).map_err(|error| error.port_error(OPERATION))?;
        // One transaction writes both, and person records are never deleted.
        let person = self.person(&id).await?;
        person.map(Some).ok_or_else(|| unreadable(OPERATION, "DanglingPointer"))
    }

    async fn claim(
        &self,
        person: &PersonId,
        revision: u64,
        lease: &Lease,
        now: Time,
    ) -> Result<Claim, PortError> {
        self.take_lease(person, revision, lease, now).await
    }

    async fn store(&self, record: &PersonRecord, owner: &Owner) -> Result<(), PortError> {
        self.put_person(record, owner).await
    }

    async fn begin(&self, record: &PersonRecord) -> Result<(), PortError> {
        self.begin_person(record).await
    }

    async fn join(
        &self,
        record: &PersonRecord,
        owner: &Owner,
        side: Side,
    ) -> Result<(), PortError> {
        self.join_account(record, owner, side).await
    }

    async fn merge(
        &self,
        kept: &PersonRecord,
        absorbed: &PersonRecord,
        owner: &Owner,
    ) -> Result<(), PortError> {
        self.merge_people(kept, absorbed, owner).await
    }

    async fn separate(
        &self,
        kept: &PersonRecord,
        parted: &PersonRecord,
        owner: &Owner,
    ) -> Result<(), PortError> {
        self.separate_people(kept, parted, owner).await
    }

    async fn store_pending(&self, change: &ChangeEvent) -> Result<(), PortError> {
        self.leave_pending(change).await
    }

    async fn read_pending(
        &self,
        side: Side,
        sub: &Sub,
    ) -> Result<Option<PendingChange>, PortError> {
        self.pending_of(side, sub).await
    }

    async fn clear_pending(&self, side: Side, sub: &Sub, token: u128) -> Result<bool, PortError> {
        self.take_pending_away(side, sub, token).await
    }

    async fn control(&self) -> Result<Control, PortError> {
        self.read_control().await
    }

    async fn allow_removal(&self, now: Time) -> Result<bool, PortError> {
        self.count_removal(now).await
    }

    async fn trip(&self, breaker: &Breaker) -> Result<(), PortError> {
        self.open_breaker(breaker).await
    }

    async fn count(
        &self,
        before: Option<PersonState>,
        after: Option<PersonState>,
    ) -> Result<(), PortError> {
        self.count_person(before, after).await
    }
}
