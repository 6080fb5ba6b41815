//! `drain`: waits until nothing that was captured before it began is still on its way.

use std::time::Duration;

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_config as config;
use poolbridge_core::drain::{DrainBlocker, DrainSnapshot, DrainWatch, LOOKS_APART, Outstanding};
use poolbridge_core::outcome::Reason;
use poolbridge_core::ports::{Clock as _, Ledger as _};
use poolbridge_core::rules::ProtocolRules;
use poolbridge_core::time::Time;

use super::CommandResult;
use super::context::{Context, note};
use super::resend::SentBefore;
use crate::cli;
use crate::failure::Failure;
use crate::render::{self, drain::Blocker, drain::DrainReport};
use crate::terminal;

/// How often to look, at the most.
const EVERY_MAX: Duration = Duration::from_secs(3);

/// How often to look, at the least: each look reads every mark and asks the queue.
const EVERY_MIN: Duration = Duration::from_millis(200);

/// Sends every mark again and waits.
pub(crate) async fn run(
    context: &Context,
    arguments: &cli::DrainArgs,
    yes: bool,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let resources = &context.resources;
    if arguments.waive_without_pending && !waived(resources, yes).await? {
        return Ok(CommandResult::Failed);
    }
    let apart = looks_apart(resources)?;
    let every = (apart / 4).clamp(EVERY_MIN, EVERY_MAX);
    let asked = resources.clock.now();
    let end = asked + arguments.timeout;
    let progress = terminal::progress();
    let mut resent = SentBefore::default();
    let mut watch = DrainWatch::new(ProtocolRules::WHOLE, apart);
    let (ended, seen, at) = loop {
        resent.round(resources).await?;
        let (snapshot, seen) = snapshot(resources, asked).await?;
        let ended = watch.snapshot(&snapshot);
        match &ended {
            Err(reasons) if snapshot.at < end => {
                progress.set_message(render::drain::words(reasons));
                tokio::time::sleep(every.min(end.since(snapshot.at))).await;
            }
            Ok(_) | Err(_) => break (ended, seen, snapshot.at),
        }
    };
    progress.finish_and_clear();
    let drained = ended.as_ref().ok().copied();
    let reasons = blockers(resources, ended.err().unwrap_or_default(), &seen).await?;
    let drained = DrainReport {
        drained,
        reasons,
        held: seen.held,
        resent: resent.count,
        waited: at.since(asked),
        at: asked,
    };
    render::drain::show(&drained, json)?;
    let command_result = render::drain::command_result(drained.drained);
    let waited = drained.waited.as_millis().to_string();
    note(resources, "drain", &[("outcome", command_result.to_owned()), ("milliseconds", waited)])
        .await;
    Ok(if drained.drained.is_some() { CommandResult::Done } else { CommandResult::NotYet })
}

/// Forgets the captures that were neither marked nor sent, if that is agreed to.
async fn waived(resources: &BridgeResources, yes: bool) -> anyhow::Result<bool> {
    let count = resources.ledger.without_pending().await.context("counting lost captures")?;
    if count == 0 {
        terminal::say("no capture was lost: there is nothing to waive");
        return Ok(true);
    }
    let plan = format!(
        "waive {count} captures that were neither marked nor sent: what was changed then is not \
         known to be on both sides, and `drained` no longer speaks for it"
    );
    if !terminal::baseline(&plan, yes)? {
        return Ok(false);
    }
    let forgotten = u32::try_from(count).unwrap_or(u32::MAX);
    let waived = resources.ledger.forget_without_pending(forgotten).await;
    waived.context("forgetting lost captures")?;
    note(resources, "waive-unmarked", &[("captures", forgotten.to_string())]).await;
    Ok(true)
}

/// One look at everything that may hold a change, and what it found in the table.
async fn snapshot(
    resources: &BridgeResources,
    asked: Time,
) -> anyhow::Result<(DrainSnapshot, Outstanding)> {
    // The look is as old as its first question.
    let at = resources.clock.now();
    // The queue first: what leaves it while the table is read is seen there.
    let mut queue = resources.queue.counts().await.context("asking the queue for its counters")?;
    if let Some(bulk) = &resources.bulk {
        let counts = bulk.counts().await;
        queue = queue.with(&counts.context("asking the queue of bulk work for its counters")?);
    }
    let seen = resources.ledger.outstanding(asked, at).await;
    let seen = seen.context("looking at marks and at who is under way")?;
    let without_pending =
        resources.ledger.without_pending().await.context("counting lost marks")?;
    Ok((seen.snapshot(at, queue, without_pending), seen))
}

/// Each blocker with the next step, and before them what explains most: nothing may be written now.
async fn blockers(
    resources: &BridgeResources,
    reasons: Vec<DrainBlocker>,
    seen: &Outstanding,
) -> anyhow::Result<Vec<Blocker>> {
    let mut blockers = Vec::new();
    if !reasons.is_empty() {
        let control = resources.ledger.control().await.context("reading the control item")?;
        if control.paused.is_some() {
            blockers.push(Blocker::new("the bridge is paused", "poolbridge resume"));
        }
        if control.stopped() == Some(Reason::Restored) {
            let what = "a pool was restored or deleted, and nothing is written until you decide";
            blockers.push(Blocker::new(what, "poolbridge resume --after-restore"));
        }
        let in_force = control.configuration.as_ref();
        if in_force.is_some_and(|it| it.hash != resources.configuration.hash) {
            let what = "another bridge.toml is in force than the one here";
            blockers.push(Blocker::new(what, "deploy this one, then poolbridge resume"));
        }
        if control.breaker.is_some() {
            blockers.push(Blocker::new("the breaker is open", "poolbridge resume --breaker"));
        }
    }
    let now = resources.clock.now();
    let oldest = seen.oldest.map(|oldest| now.since(oldest));
    blockers.extend(reasons.iter().map(|reason| render::drain::blocker(reason, oldest)));
    Ok(blockers)
}

/// SQS says that its counters may need a minute; a local stack's need none.
fn looks_apart(resources: &BridgeResources) -> Result<Duration, Failure> {
    match std::env::var("POOLBRIDGE_DRAIN_LOOKS_APART") {
        Ok(text) if resources.environment.local => config::duration(&text).ok_or_else(|| {
            let hint = "write a whole number and ms, s, m or h: 500ms";
            Failure::new("POOLBRIDGE_DRAIN_LOOKS_APART is no span of time", hint)
        }),
        Ok(_) => {
            terminal::say(
                "POOLBRIDGE_DRAIN_LOOKS_APART is for a local stack and counts for nothing",
            );
            Ok(LOOKS_APART)
        }
        Err(_) => Ok(LOOKS_APART),
    }
}
