//! Finds the person records of many accounts for the sweep: two requests per page of a listing.
//!
//! Reads are eventually consistent, at half the price. They decide only which people get a second,
//! consistent read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use poolbridge_core::entry::Entry;
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::names::{PersonId, Sub};
use poolbridge_core::side::Side;
use poolbridge_core::sweep::ports::Found;

use super::DynamoLedger;
use super::attribute::{Item, Reader};
use super::key::Key;
use super::listing::is_of_item;
use super::person::{self, Stored};
use super::tally::Call;
use crate::fault::fault;

/// The keys in one request (`BatchGetItem` quota).
const KEYS_MAX: usize = 100;

/// How many times the keys that an answer left out are requested again.
const ROUNDS_MAX: usize = 8;

/// The first wait before that. It doubles each time.
const FIRST_WAIT: Duration = Duration::from_millis(50);

impl DynamoLedger {
    /// The person records of these accounts, in their order. They may be stale.
    pub async fn people_of(&self, side: Side, subs: &[Sub]) -> Result<Vec<Found>, Fault> {
        const OPERATION: &str = "BatchGetItem";
        // A listing may show an account twice, and the table refuses a request with duplicate keys.
        let distinct: BTreeSet<&Sub> = subs.iter().collect();
        let keys = distinct.into_iter().map(|sub| Key::account(side, sub)).collect();
        let pointers = self.many(keys).await?;
        let mut ids: BTreeMap<String, Result<PersonId, Fault>> = BTreeMap::new();
        for (pk, pointer) in &pointers {
            let id = person::read_pointer(pointer).map_err(|mistake| mistake.fault(OPERATION));
            ids.insert(pk.clone(), id);
        }
        let known: BTreeSet<&PersonId> = ids.values().filter_map(|id| id.as_ref().ok()).collect();
        let items = self.many(known.into_iter().map(Key::person).collect()).await?;
        let mut found = Vec::with_capacity(subs.len());
        for sub in subs {
            found.push(match ids.get(&Key::account(side, sub).pk) {
                None => Found::Nobody,
                Some(Err(_)) => Found::Unreadable,
                Some(Ok(id)) => self.found(items.get(&Key::person(id).pk), id).await?,
            });
        }
        Ok(found)
    }

    async fn found(&self, item: Option<&Item>, id: &PersonId) -> Result<Found, Fault> {
        let sealer = self.sealer("BatchGetItem")?;
        let entry: Option<Entry> = match item.map(|item| person::read(item, sealer)) {
            Some(Ok(Stored::Person(entry))) => return Ok(Found::Person(entry)),
            Some(Err(_)) => return Ok(Found::Unreadable),
            // The record was merged into another, or was created a moment ago, so it is read on its
            // own.
            Some(Ok(Stored::Forward(_))) | None => match self.person(id).await {
                Ok(entry) => entry,
                Err(fault) if is_of_item(&fault) => return Ok(Found::Unreadable),
                Err(fault) => return Err(fault),
            },
        };
        Ok(entry.map_or(Found::Unreadable, |entry| Found::Person(Box::new(entry))))
    }

    /// Items by their partition keys; missing items are left out.
    async fn many(&self, keys: Vec<Key>) -> Result<BTreeMap<String, Item>, Fault> {
        const OPERATION: &str = "BatchGetItem";
        let mut items = BTreeMap::new();
        for keys in keys.chunks(KEYS_MAX) {
            let mut asked: Vec<Item> = keys.iter().map(Key::item).collect();
            let mut wait = FIRST_WAIT;
            for round in 0.. {
                self.tally.add(Call::ReadMany);
                let keys = KeysAndAttributes::builder().set_keys(Some(asked)).build();
                let keys = keys.map_err(|_| Fault::new(FaultKind::Invalid, OPERATION))?;
                let request = self.client.batch_get_item().request_items(&self.table, keys);
                let answer = request.send().await.map_err(|error| fault(OPERATION, &error))?;
                for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                    let pk = Reader(&item).text("pk").map_err(|it| it.fault(OPERATION))?.to_owned();
                    items.insert(pk, item);
                }
                let left = answer.unprocessed_keys.into_iter().flatten();
                asked = left.flat_map(|(_, keys)| keys.keys).collect();
                if asked.is_empty() {
                    break;
                }
                if round == ROUNDS_MAX {
                    return Err(Fault::new(FaultKind::Throttled, OPERATION));
                }
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
        Ok(items)
    }
}
