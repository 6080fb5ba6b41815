//! Waiting for what happens by itself: bounded looks in a row, never one long sleep.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::bail;

/// Between two looks. Short beside anything that is waited for, long beside what a look costs.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until it sees what it waits for, `Break`; each `Continue` says what is seen instead. When
/// `limit` is up, the error says what was waited for and what was seen last.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<ControlFlow<T, String>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let seen = match look().await? {
            ControlFlow::Break(value) => return Ok(value),
            ControlFlow::Continue(seen) => seen,
        };
        if Instant::now() > deadline {
            bail!("waited {limit:?} for {what}, and saw instead: {seen}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
