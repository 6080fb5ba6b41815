//! Removals per hour, the circuit breaker, and tombstones (invariants 6 and 7).

use std::time::Duration;

use poolbridge_core::breaker::{Breaker, removals_max};
use poolbridge_core::error::PortError;
use poolbridge_core::limits;
use poolbridge_core::ports::Ledger;
use poolbridge_core::record::{PersonRecord, PersonState};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_core::tombstone::{Owed, Tombstone};
use tokio::task::JoinSet;

use super::{NOON, TableFixture, account, found, held, next};
use crate::contract::{Case, cases};

/// How many removals are requested beyond the hourly limit.
const TOO_MANY: u64 = 9;

pub(super) fn cases<S: TableFixture>() -> Vec<Case<S>> {
    cases![
        an_hour_allows_so_many_removals_and_no_more,
        an_open_breaker_stays_unchanged_until_it_is_closed,
        a_tombstone_is_kept_with_what_it_owes,
    ]
}

/// A time in an hour in which no other case has counted.
fn fresh_hour(fixture: &impl TableFixture) -> Time {
    let hour = u32::try_from(fixture.nonce() % 100_000).unwrap_or(0);
    NOON + limits::REMOVALS_WINDOW * (hour + 1)
}

async fn an_hour_allows_so_many_removals_and_no_more<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let now = fresh_hour(&fixture);
    let people: i64 = fixture.counted().await?.values().sum();
    let most = removals_max(u64::try_from(people).unwrap_or(0));
    let mut asked = JoinSet::new();
    for at in 0..most + TOO_MANY {
        let fixture = fixture.clone();
        let moment = now + Duration::from_millis(at);
        asked.spawn(async move { fixture.ledger().allow_removal(moment).await });
    }
    let mut allowed = 0;
    while let Some(answer) = asked.join_next().await {
        allowed += u64::from(answer??);
    }
    assert_eq!(allowed, most, "all at once, exactly as many as the bound allows");
    assert!(!fixture.ledger().allow_removal(now).await?);
    let later = now + limits::REMOVALS_WINDOW;
    assert!(fixture.ledger().allow_removal(later).await?, "the next hour has room of its own");
    // An operator confirms that these were on purpose.
    fixture.allow_removals(now, TOO_MANY).await?;
    let mut again = 0;
    while fixture.ledger().allow_removal(now).await? {
        again += 1;
    }
    assert_eq!(again, most + TOO_MANY, "counted again, with room for those");
    Ok(())
}

async fn an_open_breaker_stays_unchanged_until_it_is_closed<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let first = Breaker::removals(NOON);
    let later = Breaker::removals(NOON + Duration::from_secs(1));
    fixture.ledger().trip(&first).await?;
    fixture.ledger().trip(&later).await?;
    let tripped = fixture.ledger().control().await?;
    assert_eq!(tripped.breaker.as_ref(), Some(&first));
    fixture.close_breaker().await?;
    let closed = fixture.ledger().control().await?;
    assert_eq!(closed.breaker, None);
    assert!(closed.revision > tripped.revision, "the revision did not grow");
    assert_eq!((closed.phase, closed.paused), (tripped.phase, tripped.paused));
    Ok(())
}

async fn a_tombstone_is_kept_with_what_it_owes<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    for owed in [None, Some(Owed::Disable), Some(Owed::Delete)] {
        let (record, lease) = held(&fixture, Side::Old).await?;
        let tombstone = Some(Tombstone { side: Side::Old, at: NOON, owed });
        let with_tombstone =
            PersonRecord { tombstone, state: PersonState::Deleted, ..next(&record) };
        fixture.ledger().store(&with_tombstone, &lease.owner).await?;
        let sub = account(&with_tombstone, Side::Old);
        let kept: Result<_, PortError> = found(&fixture, Side::Old, &sub).await;
        assert_eq!(kept?, Some(with_tombstone), "the person of that account is still found");
    }
    Ok(())
}
