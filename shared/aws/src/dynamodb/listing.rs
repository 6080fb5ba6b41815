//! Listings for the operator: marks by shard, people by state. Paged, bounded, several requests at
//! a time.

use std::collections::BTreeMap;

use poolbridge_core::change::Mark;
use poolbridge_core::entry::{Entry, State};
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::limits::MARK_SHARDS;
use poolbridge_core::names::PersonId;
use tokio::task::JoinSet;

use super::attribute::{Item, Mistake, Reader, text};
use super::key::{BY_STATE, STATE_SHARDS, listed_as, mark_partition, state_partition};
use super::mark::{self, MarkSummary};
use super::tally::Call;
use super::{DynamoLedger, PAGE_ITEMS_MAX, PAGES_MAX, REQUESTS_AT_ONCE};
use crate::fault::fault;

/// What a listing of one partition came to.
pub(super) struct Partition<T> {
    /// What could be read.
    pub(super) read: Vec<T>,
    /// Items that could not be read, or are newer than this poolbridge.
    pub(super) unreadable: u64,
    /// Whether there is more than was asked for.
    pub(super) more: bool,
}

/// Marked accounts.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Marks {
    /// The marks, in no particular order.
    pub marks: Vec<Mark>,
    /// Marks that cannot be read by this version. They stand, and nothing is drained.
    pub unreadable: u64,
    /// Whether there are more than asked for.
    pub more: bool,
}

/// People in one state.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct People {
    /// The people, those longest unchanged first.
    pub people: Vec<Entry>,
    /// People whose items cannot be read, and why.
    pub unreadable: Vec<(PersonId, Fault)>,
    /// Whether there are more than asked for.
    pub more: bool,
}

impl DynamoLedger {
    /// Up to `most` marks, consistently read. Which ones is left to chance when there are more: who
    /// asks again and again sees all of them in time.
    pub async fn marks(&self, most: usize) -> Result<Marks, Fault> {
        let start = u32::from_be_bytes(crate::secret::random()) % MARK_SHARDS;
        let shards: Vec<u32> = (0..MARK_SHARDS).map(|n| (start + n) % MARK_SHARDS).collect();
        let mut all = Marks::default();
        for group in shards.chunks(REQUESTS_AT_ONCE) {
            if all.marks.len() >= most {
                // Whether the rest is empty is not known, so it is not said.
                all.more = true;
                break;
            }
            let left = most - all.marks.len();
            let jobs = group.iter().map(|shard| {
                let (ledger, shard) = (self.clone(), *shard);
                async move { ledger.marks_in_shard(shard, left).await }
            });
            for shard in at_once(jobs).await {
                let shard = shard?;
                all.marks.extend(shard.marks);
                all.unreadable += shard.unreadable;
                all.more |= shard.more;
            }
        }
        all.more |= all.marks.len() > most;
        all.marks.truncate(most);
        Ok(all)
    }

    /// Up to `most` marks of one shard (of `limits::MARK_SHARDS`), consistently read.
    pub async fn marks_in_shard(&self, shard: u32, most: usize) -> Result<Marks, Fault> {
        let listed =
            self.partition(Call::ListMarks, mark_partition(shard), most, mark::read).await?;
        Ok(Marks { marks: listed.read, unreadable: listed.unreadable, more: listed.more })
    }

    /// All marks together, consistently read.
    pub async fn mark_summary(&self) -> Result<MarkSummary, Fault> {
        let jobs = (0..MARK_SHARDS).map(|shard| {
            let ledger = self.clone();
            async move {
                let mut summary = MarkSummary::default();
                let read = |item: &Item| mark::read(item).map(|mark| summary.add(&mark));
                let partition = mark_partition(shard);
                let listed = ledger.partition(Call::ListMarks, partition, usize::MAX, read).await?;
                // More marks than there can be accounts: the count is then a lower bound.
                summary.unreadable = listed.unreadable;
                summary.count += listed.unreadable;
                Ok(summary)
            }
        });
        let mut all = MarkSummary::default();
        for shard in at_once(jobs).await {
            all.join(&shard?);
        }
        Ok(all)
    }

    /// Up to `most` people who are in `state`, those longest unchanged first. The index that finds
    /// them is eventually consistent; each of them is then read consistently. As `waiting` counts
    /// besides whoever has an intent or a birth note open; nobody in step is listed.
    pub async fn people(&self, state: State, most: usize) -> Result<People, Fault> {
        let mut found = self.indexed(state, most).await?;
        let mut all = People { more: found.more || found.read.len() > most, ..People::default() };
        found.read.sort();
        found.read.truncate(most);
        let ids: Vec<PersonId> = found.read.into_iter().map(|(_, id)| id).collect();
        for (id, entry) in self.read_people(ids).await {
            match entry {
                // Gone on since the index was written.
                Ok(None) => {}
                Ok(Some(entry)) if listed_as(&entry) != Some(state) => {}
                Ok(Some(entry)) => all.people.push(entry),
                Err(fault) if is_of_item(&fault) => all.unreadable.push((id, fault)),
                Err(fault) => return Err(fault),
            }
        }
        Ok(all)
    }

    /// Who is listed under `state`, up to `most` of each shard, with the time of the last write.
    pub(super) async fn indexed(
        &self,
        state: State,
        most: usize,
    ) -> Result<Partition<(i64, PersonId)>, Fault> {
        let jobs = (0..STATE_SHARDS).map(|shard| {
            let ledger = self.clone();
            async move { ledger.indexed_in(state_partition(state, shard), most).await }
        });
        let mut all = Partition { read: Vec::new(), unreadable: 0, more: false };
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
    ) -> Result<Partition<(i64, PersonId)>, Fault> {
        let query = self
            .client
            .query()
            .index_name(BY_STATE)
            .key_condition_expression("#shard = :shard")
            .expression_attribute_names("#shard", "state_shard")
            .expression_attribute_values(":shard", text(shard));
        self.pages(Call::ListPeople, query, most, |item| {
            // The index holds keys; versions are looked at when the person is read.
            let reader = Reader(item);
            let id =
                reader.word("pk", |pk| PersonId::try_from(pk.strip_prefix("PERSON#")?).ok())?;
            Ok((reader.number("updated_at")?, id))
        })
        .await
    }

    /// People by id, several at a time, in the order asked for.
    pub(super) async fn read_people(
        &self,
        ids: Vec<PersonId>,
    ) -> Vec<(PersonId, Result<Option<Entry>, Fault>)> {
        let jobs = ids.into_iter().map(|id| {
            let ledger = self.clone();
            async move { Ok((id.clone(), ledger.person(&id).await)) }
        });
        at_once(jobs).await.into_iter().filter_map(Result::ok).collect()
    }

    /// Reads up to `most` items of one partition, consistently.
    pub(super) async fn partition<T>(
        &self,
        call: Call,
        partition: String,
        most: usize,
        read: impl FnMut(&Item) -> Result<T, Mistake>,
    ) -> Result<Partition<T>, Fault> {
        let query = self
            .client
            .query()
            .consistent_read(true)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", "pk")
            .expression_attribute_values(":pk", text(partition));
        self.pages(call, query, most, read).await
    }

    async fn pages<T>(
        &self,
        call: Call,
        query: aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder,
        most: usize,
        mut read: impl FnMut(&Item) -> Result<T, Mistake>,
    ) -> Result<Partition<T>, Fault> {
        let mut all = Partition { read: Vec::new(), unreadable: 0, more: false };
        let mut start = None;
        let mut seen = 0;
        for _ in 0..PAGES_MAX {
            self.tally.add(call);
            let limit = i32::try_from(most - seen).unwrap_or(PAGE_ITEMS_MAX).min(PAGE_ITEMS_MAX);
            let answer = query
                .clone()
                .table_name(&self.table)
                .limit(limit.max(1))
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(|error| fault("Query", &error))?;
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

/// Whether a fault is of one item, not of the table: others can still be listed.
pub(super) fn is_of_item(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Newer | FaultKind::Unreadable)
}

/// Runs jobs, [`REQUESTS_AT_ONCE`] at a time, and answers in their order. Dropped, it ends them.
pub(super) async fn at_once<T, Job>(jobs: impl IntoIterator<Item = Job>) -> Vec<Result<T, Fault>>
where
    T: Send + 'static,
    Job: Future<Output = Result<T, Fault>> + Send + 'static,
{
    let mut waiting = jobs.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut done = BTreeMap::new();
    let mut begun = 0;
    loop {
        while running.len() < REQUESTS_AT_ONCE
            && let Some((place, job)) = waiting.next()
        {
            begun += 1;
            running.spawn(async move { (place, job.await) });
        }
        match running.join_next().await {
            Some(Ok((place, outcome))) => {
                done.insert(place, outcome);
            }
            // A job that panicked has no answer; its place is found empty below.
            Some(Err(_)) => {}
            None => break,
        }
    }
    (0..begun)
        .map(|place| {
            let broken = || Err(Fault::new(FaultKind::Broken, "Query"));
            done.remove(&place).unwrap_or_else(broken)
        })
        .collect()
}

#[cfg(test)]
mod tests;
