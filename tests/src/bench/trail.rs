//! Does what the trail function does for an edit: stores the pending change and sends the change,
//! through core's own `capture` and the real adapters.
//!
//! The adapters take their settings from the environment, as every AWS SDK does, and a process
//! cannot safely change its own environment. So this program starts itself once more and passes the
//! changes on standard input.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, anyhow, ensure};
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_aws::wire;
use poolbridge_config::{self as config, Component};
use poolbridge_core::capture::capture;
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::ports::Clock as _;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::process::EnvVars;

/// The argument that makes this program act as the trail.
pub(super) const ARGUMENT: &str = "trail";

/// Captures changes in a second process of this program.
pub(super) async fn send_events(
    environment: &EnvVars,
    changes: &[ChangeEvent],
) -> anyhow::Result<()> {
    let own = std::env::current_exe().context("the path of this program")?;
    let mut child = Command::new(&own)
        .arg(ARGUMENT)
        .env_clear()
        .envs(environment)
        .current_dir(own.parent().unwrap_or(Path::new("/")))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run this program once more")?;
    let mut input = child.stdin.take().context("no standard input")?;
    for change in changes {
        input.write_all(wire::encode(change).as_bytes()).await?;
        input.write_all(b"\n").await?;
    }
    drop(input);
    let ended = child.wait_with_output().await?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(ended.status.success(), "capturing edits ended with {}: {said}", ended.status);
    Ok(())
}

/// Captures each change from standard input.
pub(super) async fn run() -> anyhow::Result<()> {
    let (configuration, environment) = config::load(Component::Apply)?;
    let resources = BridgeResources::lay(configuration, environment).await?;
    let outbox = resources.queue.outbox();
    for line in std::io::read_to_string(std::io::stdin().lock())?.lines() {
        let change = wire::decode(line, resources.clock.now())?;
        let captured = Box::pin(capture(&resources.ledger, &outbox, &change)).await;
        for part in [captured.pending, captured.message] {
            part.map_err(|error| anyhow!("capturing a change: {error}"))?;
        }
    }
    Ok(())
}
