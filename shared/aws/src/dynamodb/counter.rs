//! Counters: people by state, and captures that were neither stored nor sent. They are plain
//! additions: a repeated write counts twice, and the sweep counts people again.

use std::collections::BTreeMap;

use poolbridge_core::entry::State;
use poolbridge_core::fault::Fault;
use poolbridge_core::limits::COUNTER_SHARDS;

use super::DynamoLedger;
use super::attribute::{Mistake, Reader, VERSION, check_version, number};
use super::key::{Key, counter_partition, random_counter_shard};
use super::tally::Call;
use crate::fault::fault;

/// The counter of captures that were neither stored nor sent.
const UNMARKED: &str = "unmarked";

/// People by state, as counted so far. A state without people is left out.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PeopleCounts {
    /// The number of people by state.
    pub by_state: BTreeMap<State, u64>,
}

impl PeopleCounts {
    /// The number of people in that state.
    pub fn of(&self, state: State) -> u64 {
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
        before: Option<State>,
        after: Option<State>,
    ) -> Result<(), Fault> {
        if before == after {
            return Ok(());
        }
        let shard = random_counter_shard();
        if let Some(state) = after {
            self.add(&Key::counter(shard, state.name()), 1).await?;
        }
        if let Some(state) = before {
            self.add(&Key::counter(shard, state.name()), -1).await?;
        }
        Ok(())
    }

    /// People by state, summed over all shards.
    pub async fn people_counts(&self) -> Result<PeopleCounts, Fault> {
        let mut sums: BTreeMap<State, i64> = BTreeMap::new();
        for shard in 0..COUNTER_SHARDS {
            let counters = self
                .partition(Call::ReadCounts, counter_partition(shard), usize::MAX, |item| {
                    check_version(item)?;
                    let reader = Reader(item);
                    // Other counters share this partition. Only states count people.
                    let state = State::from_name(reader.text("sk")?);
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

    /// Counts captures that were neither stored nor sent (R14, `DrainedMeansEmpty`): the bridge is
    /// not drained while there are any.
    pub async fn add_unmarked(&self, captures: u32) -> Result<(), Fault> {
        if captures == 0 {
            return Ok(());
        }
        self.add(&Key::counter(0, UNMARKED), i64::from(captures)).await
    }

    /// Subtracts captures from that count, after a later verification has compared every person.
    pub async fn forget_unmarked(&self, captures: u32) -> Result<(), Fault> {
        if captures == 0 {
            return Ok(());
        }
        self.add(&Key::counter(0, UNMARKED), -i64::from(captures)).await
    }

    /// The captures that were neither stored nor sent since the last full verification.
    pub async fn unmarked(&self) -> Result<u64, Fault> {
        let item = self.get(Call::ReadCounts, &Key::counter(0, UNMARKED)).await?;
        let count = item.map_or(Ok(0), |item| {
            check_version(&item)?;
            Reader(&item).number::<i64>("count")
        });
        let count = count.map_err(|mistake: Mistake| mistake.fault("GetItem"))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn add(&self, key: &Key, change: i64) -> Result<(), Fault> {
        self.update(Call::Count, key)
            .update_expression("SET #v = :v ADD #count :change")
            .expression_attribute_names("#v", "v")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":v", number(VERSION))
            .expression_attribute_values(":change", number(change))
            .send()
            .await
            .map(drop)
            .map_err(|error| fault("UpdateItem", &error))
    }
}
