//! Listings for the operator: pending changes by shard, people by state. Paged, bounded, and with
//! several requests in parallel.

use futures_util::stream::{self, StreamExt};
use poolbridge_core::change::PendingChange;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::limits::PENDING_SHARDS;
use poolbridge_core::names::PersonId;
use poolbridge_core::record::{PersonRecord, PersonState};

use super::attribute::{Item, ItemError, ItemReader, text};
use super::key::{BY_STATE, STATE_SHARDS, listed_as, pending_partition, state_partition};
use super::pending::{self, PendingSummary};
use super::{DynamoLedger, PAGE_ITEMS_MAX, PAGES_MAX, REQUESTS_AT_ONCE};
use crate::error::port_error;

pub(super) struct ListedItems<T> {
    pub(super) read: Vec<T>,
    /// The number of items that could not be read, or that a newer version wrote.
    pub(super) unreadable: u64,
    /// Whether there are more items than requested.
    pub(super) more: bool,
}

/// Accounts with pending changes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PendingChanges {
    /// The pending changes, in no particular order.
    pub pending_changes: Vec<PendingChange>,
    /// The number of pending changes that this version cannot read. They stay, and the bridge is
    /// not drained.
    pub unreadable: u64,
    /// Whether there are more than requested.
    pub more: bool,
}

/// People in one state.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PeopleInState {
    /// The people, those longest unchanged first.
    pub people: Vec<PersonRecord>,
    /// People whose records cannot be read, and why.
    pub unreadable: Vec<(PersonId, PortError)>,
    /// Whether there are more than requested.
    pub more: bool,
}

impl DynamoLedger {
    /// Up to `most` pending changes, read consistently. If there are more, the start shard is
    /// random, so repeated calls eventually return all of them.
    pub async fn pending_changes(&self, most: usize) -> Result<PendingChanges, PortError> {
        let start = u32::from_be_bytes(crate::secret::random()) % PENDING_SHARDS;
        let shards: Vec<u32> = (0..PENDING_SHARDS).map(|n| (start + n) % PENDING_SHARDS).collect();
        let mut all = PendingChanges::default();
        for group in shards.chunks(REQUESTS_AT_ONCE) {
            if all.pending_changes.len() >= most {
                // Whether the remaining shards are empty is not known, so the result says that
                // there may be more.
                all.more = true;
                break;
            }
            let left = most - all.pending_changes.len();
            let jobs = group.iter().map(|shard| {
                let (ledger, shard) = (self.clone(), *shard);
                async move { ledger.pending_in_shard(shard, left).await }
            });
            for shard in at_once(jobs).await {
                let shard = shard?;
                all.pending_changes.extend(shard.pending_changes);
                all.unreadable += shard.unreadable;
                all.more |= shard.more;
            }
        }
        all.more |= all.pending_changes.len() > most;
        all.pending_changes.truncate(most);
        Ok(all)
    }

    /// Up to `most` pending changes of one shard (of `limits::PENDING_SHARDS`), read consistently.
    pub async fn pending_in_shard(
        &self,
        shard: u32,
        most: usize,
    ) -> Result<PendingChanges, PortError> {
        let listed = self.partition(pending_partition(shard), most, pending::read).await?;
        Ok(PendingChanges {
            pending_changes: listed.read,
            unreadable: listed.unreadable,
            more: listed.more,
        })
    }

    /// A summary of all pending changes, read consistently.
    pub async fn pending_summary(&self) -> Result<PendingSummary, PortError> {
        let jobs = (0..PENDING_SHARDS).map(|shard| {
            let ledger = self.clone();
            async move {
                let mut summary = PendingSummary::default();
                let read = |item: &Item| pending::read(item).map(|pending| summary.add(&pending));
                let partition = pending_partition(shard);
                let listed = ledger.partition(partition, usize::MAX, read).await?;
                // If the shard has more pending changes than there can be accounts, the count is a
                // lower bound.
                summary.unreadable = listed.unreadable;
                summary.count += listed.unreadable;
                Ok(summary)
            }
        });
        let mut all = PendingSummary::default();
        for shard in at_once(jobs).await {
            all.join(&shard?);
        }
        Ok(all)
    }

    /// Up to `most` people in `state`, those longest unchanged first. An eventually consistent
    /// index finds them, then each person record is read consistently. `waiting` includes every
    /// person with an open write intent or creation intent. No listing shows a person who is in
    /// step.
    pub async fn people(
        &self,
        state: PersonState,
        most: usize,
    ) -> Result<PeopleInState, PortError> {
        let mut found = self.indexed(state, most).await?;
        let mut all = PeopleInState {
            more: found.more || found.read.len() > most,
            ..PeopleInState::default()
        };
        found.read.sort();
        found.read.truncate(most);
        let ids: Vec<PersonId> = found.read.into_iter().map(|(_, id)| id).collect();
        for (id, record) in self.read_people(ids).await {
            match record {
                // The person changed state since the index was written.
                Ok(None) => {}
                Ok(Some(record)) if listed_as(&record) != Some(state) => {}
                Ok(Some(record)) => all.people.push(record),
                Err(error) if is_of_item(&error) => all.unreadable.push((id, error)),
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// The people listed under `state`, up to `most` of each shard, with the time of the last
    /// write.
    pub(super) async fn indexed(
        &self,
        state: PersonState,
        most: usize,
    ) -> Result<ListedItems<(i64, PersonId)>, PortError> {
        let jobs = (0..STATE_SHARDS).map(|shard| {
            let ledger = self.clone();
            async move { ledger.indexed_in(state_partition(state, shard), most).await }
        });
        let mut all = ListedItems { read: Vec::new(), unreadable: 0, more: false };
        for shard in at_once(jobs).await {
            let shard = shard?;
            all.read.extend(shard.read);
            all.unreadable += shard.unreadable;
            all.more |= shard.more;
        }
        Ok(all)
    }

    async fn indexed_in(
        &self,
        shard: String,
        most: usize,
    ) -> Result<ListedItems<(i64, PersonId)>, PortError> {
        let query = self
            .client
            .query()
            .index_name(BY_STATE)
            .key_condition_expression("#shard = :shard")
            .expression_attribute_names("#shard", "state_shard")
            .expression_attribute_values(":shard", text(shard));
        self.pages(query, most, |item| {
            // The index holds keys only. The version is checked when the person record is read.
            let reader = ItemReader(item);
            let id =
                reader.word("pk", |pk| PersonId::try_from(pk.strip_prefix("PERSON#")?).ok())?;
            Ok((reader.number("updated_at")?, id))
        })
        .await
    }

    /// People by id, several in parallel, in the requested order.
    pub(super) async fn read_people(
        &self,
        ids: Vec<PersonId>,
    ) -> Vec<(PersonId, Result<Option<PersonRecord>, PortError>)> {
        let jobs = ids.into_iter().map(|id| {
            let ledger = self.clone();
            async move { Ok((id.clone(), ledger.person(&id).await)) }
        });
        at_once(jobs).await.into_iter().filter_map(Result::ok).collect()
    }

    /// Reads up to `most` items of one partition, consistently.
    pub(super) async fn partition<T>(
        &self,
        partition: String,
        most: usize,
        read: impl FnMut(&Item) -> Result<T, ItemError>,
    ) -> Result<ListedItems<T>, PortError> {
        let query = self
            .client
            .query()
            .consistent_read(true)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", "pk")
            .expression_attribute_values(":pk", text(partition));
        self.pages(query, most, read).await
    }

    async fn pages<T>(
        &self,
        query: aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder,
        most: usize,
        mut read: impl FnMut(&Item) -> Result<T, ItemError>,
    ) -> Result<ListedItems<T>, PortError> {
        let mut all = ListedItems { read: Vec::new(), unreadable: 0, more: false };
        let mut start = None;
        let mut seen = 0;
        for _ in 0..PAGES_MAX {
            let limit = i32::try_from(most - seen).unwrap_or(PAGE_ITEMS_MAX).min(PAGE_ITEMS_MAX);
            let answer = query
                .clone()
                .table_name(&self.table)
                .limit(limit.max(1))
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(|error| port_error("Query", &error))?;
            for item in answer.items() {
                match read(item) {
                    Ok(value) => all.read.push(value),
                    Err(_) => all.unreadable += 1,
                }
            }
            seen += answer.items().len();
            start = answer.last_evaluated_key;
            if start.is_none() || seen >= most {
                break;
            }
        }
        all.more = start.is_some();
        Ok(all)
    }
}

/// Whether a port error concerns one item and not the table, so that other items can still be
/// listed.
pub(super) fn is_of_item(error: &PortError) -> bool {
    matches!(error.kind, ErrorKind::Newer | ErrorKind::Unreadable)
}

/// Runs jobs, [`REQUESTS_AT_ONCE`] at a time, and returns their results in order. A job that panics
/// fails alone.
pub(super) async fn at_once<T, Job>(
    jobs: impl IntoIterator<Item = Job>,
) -> Vec<Result<T, PortError>>
where
    T: Send + 'static,
    Job: Future<Output = Result<T, PortError>> + Send + 'static,
{
    let broken = |_| Err(PortError::new(ErrorKind::Broken, "Query"));
    let running = stream::iter(jobs).map(tokio::spawn).buffered(REQUESTS_AT_ONCE);
    running.map(|result| result.unwrap_or_else(broken)).collect().await
}

#[cfg(test)]
mod tests;
