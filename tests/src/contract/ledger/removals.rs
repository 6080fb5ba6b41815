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

use super::{NOON, TableStand, account, found, held, next};
use crate::contract::{Case, cases};

/// How many removals are requested beyond the hourly limit.
const TOO_MANY: u64 = 9;

pub(super) fn cases<S: TableStand>() -> Vec<Case<S>> {
    cases![
        an_hour_allows_so_many_removals_and_no_more,
        an_open_breaker_stays_unchanged_until_it_is_closed,
        a_tombstone_is_kept_with_what_it_owes,
    ]
}

/// A time in an hour in which no other case has counted.
fn fresh_hour(stand: &impl TableStand) -> Time {
    let hour = u32::try_from(stand.nonce() % 100_000).unwrap_or(0);
    NOON + limits::REMOVALS_WINDOW * (hour + 1)
}

async fn an_hour_allows_so_many_removals_and_no_more<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    let now = fresh_hour(&stand);
    let people: i64 = stand.counted().await?.values().sum();
    let most = removals_max(u64::try_from(people).unwrap_or(0));
    let mut asked = JoinSet::new();
    for at in 0..most + TOO_MANY {
        let stand = stand.clone();
        let moment = now + Duration::from_millis(at);
        asked.spawn(async move { stand.ledger().allow_removal(moment).await });
    }
    let mut allowed = 0;
    while let Some(answer) = asked.join_next().await {
        allowed += u64::from(answer??);
    }
    assert_eq!(allowed, most, "all at once, exactly as many as the bound says");
    assert!(!stand.ledger().allow_removal(now).await?);
    let later = now + limits::REMOVALS_WINDOW;
    assert!(stand.ledger().allow_removal(later).await?, "the next hour has room of its own");
    // An operator confirms that these were on purpose.
    stand.allow_removals(now, TOO_MANY).await?;
    let mut again = 0;
    while stand.ledger().allow_removal(now).await? {
        again += 1;
    }
    assert_eq!(again, most + TOO_MANY, "counted anew, with room for those");
    Ok(())
}

async fn an_open_breaker_stays_unchanged_until_it_is_closed<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    let first = Breaker::removals(NOON);
    let later = Breaker::removals(NOON + Duration::from_secs(1));
    stand.ledger().trip(&first).await?;
    stand.ledger().trip(&later).await?;
    let tripped = stand.ledger().control().await?;
    assert_eq!(tripped.breaker.as_ref(), Some(&first));
    stand.close_breaker().await?;
    let closed = stand.ledger().control().await?;
    assert_eq!(closed.breaker, None);
    assert!(closed.revision > tripped.revision, "the revision did not grow");
    assert_eq!((closed.phase, closed.paused), (tripped.phase, tripped.paused));
    Ok(())
}

async fn a_tombstone_is_kept_with_what_it_owes<S: TableStand>(stand: S) -> anyhow::Result<()> {
    for owed in [None, Some(Owed::Disable), Some(Owed::Delete)] {
        let (record, lease) = held(&stand, Side::Old).await?;
        let tombstone = Some(Tombstone { side: Side::Old, at: NOON, owed });
        let buried = PersonRecord { tombstone, state: PersonState::Deleted, ..next(&record) };
        stand.ledger().store(&buried, &lease.owner).await?;
        let sub = account(&buried, Side::Old);
        let kept: Result<_, PortError> = found(&stand, Side::Old, &sub).await;
        assert_eq!(kept?, Some(buried), "the person of that account is still found");
    }
    Ok(())
}
