//! Finds the person records of many accounts for the sweep: two requests per page of a listing.
//!
//! Reads are eventually consistent, at half the price. They decide only which people get a second,
//! consistent read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::{PersonId, Sub};
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::Side;
use poolbridge_sweep_core::ports::RecordOwner;

use super::DynamoLedger;
use super::attribute::{Item, ItemReader};
use super::key::ItemKey;
use super::listing::is_of_item;
use super::person::{self, Stored};
use crate::error::port_error;

/// The keys in one request (`BatchGetItem` quota).
const KEYS_MAX: usize = 100;

/// How many times the keys that an answer left out are requested again.
const ROUNDS_MAX: usize = 8;

/// The first wait before that. It doubles each time.
const FIRST_WAIT: Duration = Duration::from_millis(50);

impl DynamoLedger {
    /// The person records of these accounts, in their order. They may be stale.
    pub async fn people_of(&self, side: Side, subs: &[Sub]) -> Result<Vec<RecordOwner>, PortError> {
        const OPERATION: &str = "BatchGetItem";
        // A listing may show an account twice, and the table refuses a request with duplicate keys.
        let distinct: BTreeSet<&Sub> = subs.iter().collect();
        let keys = distinct.into_iter().map(|sub| ItemKey::account(side, sub)).collect();
        let pointers = self.many(keys).await?;
        let mut ids: BTreeMap<String, Result<PersonId, PortError>> = BTreeMap::new();
        for (pk, pointer) in &pointers {
            let id = person::read_pointer(pointer).map_err(|error| error.port_error(OPERATION));
            ids.insert(pk.clone(), id);
        }
        let known: BTreeSet<&PersonId> = ids.values().filter_map(|id| id.as_ref().ok()).collect();
        let items = self.many(known.into_iter().map(ItemKey::person).collect()).await?;
        let mut found = Vec::with_capacity(subs.len());
        for sub in subs {
            found.push(match ids.get(&ItemKey::account(side, sub).pk) {
                None => RecordOwner::Unknown,
                Some(Err(_)) => RecordOwner::Unreadable,
                Some(Ok(id)) => self.found(items.get(&ItemKey::person(id).pk), id).await?,
            });
        }
        Ok(found)
    }

    async fn found(&self, item: Option<&Item>, id: &PersonId) -> Result<RecordOwner, PortError> {
        let sealer = self.sealer("BatchGetItem")?;
        let record: Option<PersonRecord> = match item.map(|item| person::read(item, sealer)) {
            Some(Ok(Stored::Person(record))) => return Ok(RecordOwner::Person(record)),
            Some(Err(_)) => return Ok(RecordOwner::Unreadable),
            // The record was merged into another, or was created a moment ago, so it is read on its
            // own.
            Some(Ok(Stored::Forward(_))) | None => match self.person(id).await {
                Ok(record) => record,
                Err(error) if is_of_item(&error) => return Ok(RecordOwner::Unreadable),
                Err(error) => return Err(error),
            },
        };
        Ok(record.map_or(RecordOwner::Unreadable, |record| RecordOwner::Person(Box::new(record))))
    }

    /// Items by their partition keys; missing items are left out.
    async fn many(&self, keys: Vec<ItemKey>) -> Result<BTreeMap<String, Item>, PortError> {
        const OPERATION: &str = "BatchGetItem";
        let mut items = BTreeMap::new();
        for keys in keys.chunks(KEYS_MAX) {
            let mut asked: Vec<Item> = keys.iter().map(ItemKey::item).collect();
            let mut wait = FIRST_WAIT;
            for round in 0.. {
                let keys = KeysAndAttributes::builder().set_keys(Some(asked)).build();
                let keys = keys.map_err(|_| PortError::new(ErrorKind::Invalid, OPERATION))?;
                let request = self.client.batch_get_item().request_items(&self.table, keys);
                let answer = request.send().await.map_err(|error| port_error(OPERATION, &error))?;
                for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                    let pk = ItemReader(&item)
                        .text("pk")
                        .map_err(|it| it.port_error(OPERATION))?
                        .to_owned();
                    items.insert(pk, item);
                }
                let left = answer.unprocessed_keys.into_iter().flatten();
                asked = left.flat_map(|(_, keys)| keys.keys).collect();
                if asked.is_empty() {
                    break;
                }
                if round == ROUNDS_MAX {
                    return Err(PortError::new(ErrorKind::Throttled, OPERATION));
                }
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
        Ok(items)
    }
}
