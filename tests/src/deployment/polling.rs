//! Waits for what happens by itself: repeated checks up to a limit, never one long sleep.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::bail;

/// The pause between two checks. Short compared with any wait, long compared with the cost of a
/// check.
const PAUSE: Duration = Duration::from_millis(50);

/// Calls `check` until it returns `Break`. Each `Continue` states what it sees instead. After
/// `limit`, the error states what was awaited and what was seen last.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut check: impl AsyncFnMut() -> anyhow::Result<ControlFlow<T, String>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let seen = match check().await? {
            ControlFlow::Break(value) => return Ok(value),
            ControlFlow::Continue(seen) => seen,
        };
        if Instant::now() > deadline {
            bail!("waited {limit:?} for {what}, and saw instead: {seen}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
