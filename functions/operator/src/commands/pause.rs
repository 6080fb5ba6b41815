//! `pause` and `resume`.

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_core::control::Control;
use poolbridge_core::ports::{Clock as _, Ledger as _};
use poolbridge_core::side::Side;

use super::CommandResult;
use super::breaker;
use super::context::{Context, journal};
use super::resend::Resender;
use super::restore;
use crate::cli;
use crate::failure::Failure;
use crate::render;
use crate::terminal;

/// The most characters of a reason that are kept: it is one line of `status`.
const REASON_CHARACTERS_MAX: usize = 200;

/// Stops writes to both pools.
pub(crate) async fn pause(
    context: &Context,
    arguments: &cli::PauseArgs,
    yes: bool,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let resources = &context.resources;
    let printable = arguments.reason.chars().filter(|letter| !letter.is_control());
    let reason: String = printable.take(REASON_CHARACTERS_MAX).collect();
    let plan = format!(
        "pause {}: apply writes only disables; changes are captured and stay pending",
        resources.configuration.name
    );
    if !terminal::confirm(&plan, yes)? {
        return Ok(CommandResult::Failed);
    }
    let stop = |control: &mut Control| control.paused = Some(reason.clone());
    let control = resources.ledger.change_control(stop).await.context("writing the pause")?;
    journal(resources, "pause", &[("reason", reason.clone())]).await;
    render::done(json, "paused", &control)?;
    Ok(CommandResult::Done)
}

/// Ends the pause and activates the local configuration.
pub(crate) async fn resume(
    context: &Context,
    arguments: &cli::ResumeArgs,
    yes: bool,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let resources = &context.resources;
    let stamp = resources.configuration.stamp(resources.clock.now());
    let found = resources.ledger.control().await.context("reading the control item")?;
    if let Some(side) = found.replaced_pool(&stamp) {
        return Err(other_pool(side).into());
    }
    let open = found.breaker.as_ref().filter(|_| arguments.breaker);
    let held = match open {
        Some(_) => Some(breaker::held(resources).await?),
        None => None,
    };
    let now = resources.clock.now();
    let choice = arguments.after_restore.as_ref().map(|it| restore::choice(&found, it));
    let choice = choice.transpose()?;
    if let Some(choice) = choice {
        restore::check_ended(resources, choice).await?;
    }
    let other = if found.is_other_configuration(&stamp.hash) {
        " (another one is active: deploy this one everywhere first)"
    } else {
        ""
    };
    let closing = open.zip(held.as_ref()).map(|(it, held)| breaker::plan(it, held, now));
    let steps = [
        found.paused.as_ref().map(|reason| format!("end the pause ({reason})")),
        Some(format!("activate configuration {}{other}", render::short(&stamp.hash))),
        closing,
        choice.map(restore::plan),
        Some("process every account with a pending change".to_owned()),
    ];
    let steps: Vec<String> = steps.into_iter().flatten().collect();
    let plan = format!("resume {}:\n  {}", resources.configuration.name, steps.join("\n  "));
    if !terminal::confirm(&plan, yes)? {
        return Ok(CommandResult::Failed);
    }
    if let Some(held) = &held {
        breaker::allow(resources, held).await?;
    }
    let start = |control: &mut Control| {
        control.paused = None;
        if arguments.breaker {
            control.breaker = None;
        }
        if let Some(choice) = choice {
            restore::decide(control, choice, now);
        }
        // The same configuration keeps the time at which it became active.
        if control.configuration.as_ref().is_none_or(|it| it.hash != stamp.hash) {
            control.configuration = Some(stamp.clone());
        }
    };
    let control = resources.ledger.change_control(start).await.context("writing the resumption")?;
    let mut details = vec![("configuration", stamp.hash.clone())];
    details.extend(open.map(|it| ("breaker", it.reason.clone())));
    details.extend(choice.map(|it| ("after-restore", format!("{}={:?}", it.side, it.choice))));
    journal(resources, "resume", &details).await;
    if choice.is_some() {
        // No event names what the restore changed, so the sweep compares all people.
        for side in Side::BOTH {
            resources.ledger.want_sweep(side, now).await.context("asking for a sweep")?;
        }
    }
    if let Some(held) = &held {
        breaker::process(resources, held).await?;
    } else if let Some(breaker) = control.breaker.as_ref() {
        terminal::message(&breaker::still_open(breaker, &control));
    }
    process_pending(resources).await?;
    render::done(json, "resumed", &control)?;
    Ok(CommandResult::Done)
}

fn other_pool(side: Side) -> Failure {
    let what = format!("bridge.toml names another {side} pool than the active configuration");
    let hint = "put the former `user_pool_id` back, or give the bridge of this pool another \
                `name`: in this bridge, all people would count as deleted from that pool";
    Failure::new(what, hint)
}

/// During a pause, apply acknowledges messages and only the pending changes remain. So they are
/// sent again.
async fn process_pending(resources: &BridgeResources) -> anyhow::Result<()> {
    let mut resender = Resender::default();
    resender.round(resources).await?;
    let count = resender.count;
    terminal::message(&format!("sent for processing: {count} accounts with pending changes"));
    Ok(())
}
