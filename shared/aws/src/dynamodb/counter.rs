//! Counters: people by state, and captures that were neither stored nor sent. They are plain
//! additions: a repeated write counts twice, and the sweep counts people again.

use std::collections::BTreeMap;

use poolbridge_core::error::PortError;
use poolbridge_core::limits::COUNTER_SHARDS;
use poolbridge_core::record::PersonState;

use super::DynamoLedger;
use super::attribute::{ItemError, ItemReader, VERSION, check_version, number};
use super::key::{ItemKey, counter_partition, random_counter_shard};
use crate::error::port_error;

/// The counter of captures that were neither stored nor sent.
const LOST_CAPTURES: &str = "lost_captures";

/// People by state, as counted so far. A state without people is left out.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PeopleCounts {
    /// The number of people by state.
    pub by_state: BTreeMap<PersonState, u64>,
}

impl PeopleCounts {
    /// The number of people in that state.
    pub fn of(&self, state: PersonState) -> u64 {
        self.by_state.get(&state).copied().unwrap_or(0)
    }

    /// The number of all people.
    pub fn total(&self) -> u64 {
        self.by_state.values().sum()
    }
}

impl DynamoLedger {
    pub(super) async fn count_person(
        &self,
        before: Option<PersonState>,
        after: Option<PersonState>,
    ) -> Result<(), PortError> {
        if before == after {
            return Ok(());
        }
        let shard = random_counter_shard();
        if let Some(state) = after {
            self.add(&ItemKey::counter(shard, state.name()), 1).await?;
        }
        if let Some(state) = before {
            self.add(&ItemKey::counter(shard, state.name()), -1).await?;
        }
        Ok(())
    }

    /// People by state, summed over all shards.
    pub async fn people_counts(&self) -> Result<PeopleCounts, PortError> {
        let mut sums: BTreeMap<PersonState, i64> = BTreeMap::new();
        for shard in 0..COUNTER_SHARDS {
            let counters = self
                .partition(counter_partition(shard), usize::MAX, |item| {
                    check_version(item)?;
                    let reader = ItemReader(item);
                    // Other counters share this partition. Only states count people.
                    let state = PersonState::from_name(reader.text("sk")?);
                    state.map(|state| Ok((state, reader.number::<i64>("count")?))).transpose()
                })
                .await?;
            for (state, count) in counters.read.into_iter().flatten() {
                *sums.entry(state).or_default() += count;
            }
        }
        // Repeated writes may have subtracted a person twice. A negative sum means none.
        let by_state = sums
            .into_iter()
            .filter_map(|(state, sum)| Some((state, u64::try_from(sum).ok()?)))
            .filter(|(_, sum)| *sum > 0)
            .collect();
        Ok(PeopleCounts { by_state })
    }

    /// Counts captures that were neither stored nor sent (`DrainedMeansEmpty`): the bridge is
    /// not drained while there are any.
    pub async fn add_lost_captures(&self, captures: u32) -> Result<(), PortError> {
        if captures == 0 {
            return Ok(());
        }
        self.add(&ItemKey::counter(0, LOST_CAPTURES), i64::from(captures)).await
    }

    /// Subtracts captures from that count, after a later verification has compared every person.
    pub async fn forget_lost_captures(&self, captures: u32) -> Result<(), PortError> {
        if captures == 0 {
            return Ok(());
        }
        self.add(&ItemKey::counter(0, LOST_CAPTURES), -i64::from(captures)).await
    }

    /// The captures that were neither stored nor sent since the last full verification.
    pub async fn lost_captures(&self) -> Result<u64, PortError> {
        let item = self.get(&ItemKey::counter(0, LOST_CAPTURES)).await?;
        let count = item.map_or(Ok(0), |item| {
            check_version(&item)?;
            ItemReader(&item).number::<i64>("count")
        });
        let count = count.map_err(|error: ItemError| error.port_error("GetItem"))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn add(&self, key: &ItemKey, change: i64) -> Result<(), PortError> {
        self.update(key)
            .update_expression("SET #v = :v ADD #count :change")
            .expression_attribute_names("#v", "v")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":v", number(VERSION))
            .expression_attribute_values(":change", number(change))
            .send()
            .await
            .map(drop)
            .map_err(|error| port_error("UpdateItem", &error))
    }
}
