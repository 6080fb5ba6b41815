//! `drain`: waits until every change from before its start is applied.

use std::time::Duration;

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_config as config;
use poolbridge_core::drain::{
    DrainBlocker, DrainSnapshot, DrainWatch, Outstanding, SNAPSHOTS_APART,
};
use poolbridge_core::ports::{Clock as _, Ledger as _};
use poolbridge_core::rules::ProtocolRules;
use poolbridge_core::time::Time;

use super::CommandResult;
use super::context::{Context, journal, queues};
use super::resend::Resender;
use crate::cli;
use crate::failure::Failure;
use crate::render::drain::{Blocker, DrainReport, Queues};
use crate::{render, terminal};

/// The longest time between two checks.
const EVERY_MAX: Duration = Duration::from_secs(3);

/// The shortest time between two checks: each one reads every pending change and both queues.
const EVERY_MIN: Duration = Duration::from_millis(200);

/// Sends every pending change again and waits.
pub(crate) async fn run(
    context: &Context,
    arguments: &cli::DrainArgs,
    yes: bool,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let resources = &context.resources;
    if arguments.waive_lost_captures && !waived(resources, yes).await? {
        return Ok(CommandResult::Failed);
    }
    let apart = checks_apart(resources)?;
    let every = (apart / 4).clamp(EVERY_MIN, EVERY_MAX);
    let asked = resources.clock.now();
    let end = asked + arguments.timeout;
    let progress = terminal::progress();
    let mut resender = Resender::default();
    let mut watch = DrainWatch::new(ProtocolRules::WHOLE, apart);
    let (result, check) = loop {
        resender.round(resources).await?;
        let check = check(resources, asked).await?;
        let result = watch.snapshot(&check.snapshot);
        match &result {
            Err(blockers) if check.snapshot.at < end => {
                progress.set_message(render::drain::line(blockers, &check.queues));
                tokio::time::sleep(every.min(end.since(check.snapshot.at))).await;
            }
            Ok(_) | Err(_) => break (result, check),
        }
    };
    progress.finish_and_clear();
    let drained = result.as_ref().ok().copied();
    let blockers = blockers(resources, &result.err().unwrap_or_default(), &check).await?;
    let report = DrainReport {
        drained,
        blockers,
        held: check.outstanding.held,
        resent: resender.count,
        waited: check.snapshot.at.since(asked),
        at: asked,
    };
    render::drain::show(&report, json)?;
    let outcome = render::drain::outcome(drained).to_owned();
    let waited = report.waited.as_millis().to_string();
    journal(resources, "drain", &[("outcome", outcome), ("milliseconds", waited)]).await;
    Ok(if drained.is_some() { CommandResult::Done } else { CommandResult::NotYet })
}

/// Resets the count of captures without a pending change, if the operator confirms it.
async fn waived(resources: &BridgeResources, yes: bool) -> anyhow::Result<bool> {
    let count = resources.ledger.lost_captures().await.context("counting lost captures")?;
    if count == 0 {
        terminal::message("no capture was lost: there is nothing to waive");
        return Ok(true);
    }
    let plan = format!(
        "waive {count} captures that stored no pending change and sent no message: `drained` then \
         ignores them, although their changes may be missing in the other pool"
    );
    if !terminal::confirm(&plan, yes)? {
        return Ok(false);
    }
    let captures = u32::try_from(count).unwrap_or(u32::MAX);
    let waived = resources.ledger.forget_lost_captures(captures).await;
    waived.context("resetting the count of lost captures")?;
    journal(resources, "waive-lost-captures", &[("captures", captures.to_string())]).await;
    Ok(true)
}

/// One check of everything that may hold a change.
struct Check {
    snapshot: DrainSnapshot,
    outstanding: Outstanding,
    queues: Queues,
}

async fn check(resources: &BridgeResources, asked: Time) -> anyhow::Result<Check> {
    // The snapshot is as old as its first read.
    let at = resources.clock.now();
    // The queues first: a change that leaves a queue during the check shows in the table.
    let queues = queues(resources).await?;
    let outstanding = resources.ledger.outstanding(asked, at).await;
    let outstanding = outstanding.context("reading pending changes and leases")?;
    let lost_captures = resources.ledger.lost_captures().await.context("counting lost captures")?;
    let snapshot = outstanding.snapshot(at, queues.total(), lost_captures);
    Ok(Check { snapshot, outstanding, queues })
}

/// Each blocker with its next step. First the states of the bridge that stop all writes.
async fn blockers(
    resources: &BridgeResources,
    found: &[DrainBlocker],
    check: &Check,
) -> anyhow::Result<Vec<Blocker>> {
    let mut blockers = Vec::new();
    if !found.is_empty() {
        let control = resources.ledger.control().await.context("reading the control item")?;
        blockers = render::drain::stops(&control, &resources.configuration.hash);
    }
    let now = resources.clock.now();
    let oldest = check.outstanding.oldest.map(|oldest| now.since(oldest));
    let found = found.iter().map(|it| render::drain::blocker(it, &check.queues, oldest));
    blockers.extend(found);
    Ok(blockers)
}

/// The time between two checks that must agree. SQS counters may lag by a minute; the counters of a
/// local stack do not.
fn checks_apart(resources: &BridgeResources) -> Result<Duration, Failure> {
    match std::env::var("POOLBRIDGE_DRAIN_LOOKS_APART") {
        Ok(text) if resources.environment.local => config::duration(&text).ok_or_else(|| {
            let hint = "write a whole number and ms, s, m or h: 500ms";
            Failure::new("POOLBRIDGE_DRAIN_LOOKS_APART is not a duration", hint)
        }),
        Ok(_) => {
            let warning =
                "warning: POOLBRIDGE_DRAIN_LOOKS_APART has an effect on a local stack only";
            terminal::message(warning);
            Ok(SNAPSHOTS_APART)
        }
        Err(_) => Ok(SNAPSHOTS_APART),
    }
}
