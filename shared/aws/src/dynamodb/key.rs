//! Partition and sort keys: the layout of the table.

use std::fmt::Display;

use poolbridge_core::limits::{COUNTER_SHARDS, PENDING_SHARDS};
use poolbridge_core::names::{PersonId, Sub};
use poolbridge_core::record::{PersonRecord, PersonState};
use poolbridge_core::side::Side;
use sha2::{Digest, Sha256};

use super::attribute::{Item, text};
use super::detection_route::DetectionRoute;

/// Shards of each state in the index. One partition of it accepts 1,000 writes a second ("Best
/// practices for designing partition keys"), and a backfill changes the state of more people than
/// that.
pub(super) const STATE_SHARDS: u32 = 16;

/// The sparse index of the people who are not in step.
pub(super) const BY_STATE: &str = "by_state";

/// The key of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ItemKey {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl ItemKey {
    pub(super) fn person(id: &PersonId) -> Self {
        Self { pk: format!("PERSON#{id}"), sk: "PERSON".to_owned() }
    }

    pub(super) fn account(side: Side, sub: &Sub) -> Self {
        Self { pk: format!("ACCOUNT#{side}#{sub}"), sk: "ACCOUNT".to_owned() }
    }

    pub(super) fn pending(side: Side, sub: &Sub) -> Self {
        let sk = format!("{side}#{sub}");
        Self { pk: pending_partition(shard(&sk, PENDING_SHARDS)), sk }
    }

    pub(super) fn counter(shard: u32, name: &str) -> Self {
        Self { pk: counter_partition(shard), sk: name.to_owned() }
    }

    pub(super) fn sweep_cursor() -> Self {
        Self { pk: "CURSOR#sweep".to_owned(), sk: "pass".to_owned() }
    }

    pub(super) fn control() -> Self {
        Self { pk: "CONTROL".to_owned(), sk: "CONTROL".to_owned() }
    }

    pub(super) fn route(route: DetectionRoute, side: Side) -> Self {
        Self { pk: route_partition(route), sk: side.name().to_owned() }
    }

    pub(super) fn sweep_wanted(side: Side) -> Self {
        Self { pk: route_partition(DetectionRoute::Sweep), sk: format!("wanted#{side}") }
    }

    /// The removal counter of one hour since the epoch.
    pub(super) fn removals(window: i64) -> Self {
        Self { pk: format!("BREAKER#{window}"), sk: "BREAKER".to_owned() }
    }

    /// The key as an item's first two attributes.
    pub(super) fn item(&self) -> Item {
        Item::from([
            ("pk".to_owned(), text(self.pk.clone())),
            ("sk".to_owned(), text(self.sk.clone())),
        ])
    }
}

/// The partition of the journal, in order of time.
pub(super) const JOURNAL: &str = "JOURNAL";

pub(super) fn pending_partition(shard: impl Display) -> String {
    format!("PENDING#{shard}")
}

pub(super) fn counter_partition(shard: impl Display) -> String {
    format!("COUNTER#{shard}")
}

fn route_partition(route: DetectionRoute) -> String {
    format!("ROUTE#{}", route.name())
}

/// A random shard of a counter, so that busy writers rarely use the same one.
pub(super) fn random_counter_shard() -> u32 {
    u32::from_be_bytes(crate::secret::random()) % COUNTER_SHARDS
}

/// The state under which the index lists a person, if it does. A person with an open write intent
/// or creation intent is listed as `waiting`, whatever the state is. So `drained` finds that person
/// after a crash even if nothing else refers to the person any more.
pub(super) const fn listed_as(record: &PersonRecord) -> Option<PersonState> {
    if record.intent.is_some() || record.creation.is_some() {
        return Some(PersonState::Waiting);
    }
    if matches!(record.state, PersonState::Synced) { None } else { Some(record.state) }
}

pub(super) fn state_shard(state: PersonState, id: &PersonId) -> String {
    state_partition(state, shard(id.as_str(), STATE_SHARDS))
}

pub(super) fn state_partition(state: PersonState, shard: u32) -> String {
    format!("{}#{shard}", state.name())
}

/// The same text always gets the same shard.
fn shard(text: &str, shards: u32) -> u32 {
    let digest = Sha256::digest(text.as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % shards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_match_the_documented_layout() {
        let sub = Sub::try_from("s-1").unwrap();
        let id = PersonId::from_nonce(10);
        assert_eq!(ItemKey::person(&id).pk, "PERSON#0000000000000000000000000000000a");
        assert_eq!(ItemKey::account(Side::Old, &sub).pk, "ACCOUNT#old#s-1");
        assert_eq!(ItemKey::account(Side::Old, &sub).sk, "ACCOUNT");
        // Fixed: if a pending change moved to another shard, its reader would lose it.
        let pending = ItemKey::pending(Side::New, &sub);
        assert_eq!((pending.pk.as_str(), pending.sk.as_str()), ("PENDING#38", "new#s-1"));
        assert_eq!(ItemKey::counter(3, "synced").pk, "COUNTER#3");
        assert_eq!(ItemKey::removals(500_000).pk, "BREAKER#500000");
        assert_eq!(state_partition(PersonState::OnlyOld, 15), "only-old#15");
    }

    #[test]
    fn every_shard_is_used() {
        let mut seen = [0u32; PENDING_SHARDS as usize];
        for nonce in 0..2_000 {
            seen[shard(PersonId::from_nonce(nonce).as_str(), PENDING_SHARDS) as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count > 5), "{seen:?}");
    }
}
