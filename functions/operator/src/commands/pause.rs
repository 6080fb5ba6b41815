//! `pause` and `resume`.

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_core::policy::Control;
use poolbridge_core::ports::{Clock as _, Ledger as _};
use poolbridge_core::side::Side;

use super::CommandResult;
use super::breaker;
use super::context::{Context, note};
use super::resend::SentBefore;
use super::restore;
use crate::cli;
use crate::failure::Failure;
use crate::render;
use crate::terminal;

/// The longest reason that is kept: it is a line in `status`.
const REASON_CHARACTERS_MAX: usize = 200;

/// Stops writing.
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
        "pause {}: changes are captured and marked, and wait; whoever is disabled is disabled all \
         the same",
        resources.configuration.name
    );
    if !terminal::baseline(&plan, yes)? {
        return Ok(CommandResult::Failed);
    }
    let stop = |control: &mut Control| control.paused = Some(reason.clone());
    let control = resources.ledger.change_control(stop).await.context("writing the pause")?;
    note(resources, "pause", &[("reason", reason.clone())]).await;
    render::done(json, "paused", &control)?;
    Ok(CommandResult::Done)
}

/// Goes on, and puts the configuration at hand in force.
pub(crate) async fn resume(
    context: &Context,
    arguments: &cli::ResumeArgs,
    yes: bool,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let resources = &context.resources;
    let stamp = resources.configuration.stamp(resources.clock.now());
    let found = resources.ledger.control().await.context("reading the control item")?;
    let changed = found.configuration.as_ref().is_some_and(|it| it.hash != stamp.hash);
    if let Some(side) = found.replaced_pool(&stamp) {
        return Err(other_pool(side).into());
    }
    let tripped = found.breaker.as_ref().filter(|_| arguments.breaker);
    let held = match tripped {
        Some(_) => Some(breaker::held(resources).await?),
        None => None,
    };
    let now = resources.clock.now();
    let closing = tripped.zip(held.as_ref()).map(|(it, held)| breaker::plan(it, held, now));
    let choice = arguments.after_restore.as_ref().map(|it| restore::choice(&found, it));
    let choice = choice.transpose()?;
    if let Some(choice) = choice {
        restore::check_ended(resources, choice).await?;
    }
    let plan = format!(
        "resume {}: put configuration {} in force{}{}{}, and look at every marked account",
        resources.configuration.name,
        render::short(&stamp.hash),
        if changed { " (another one is now: deploy this one everywhere first)" } else { "" },
        closing.unwrap_or_default(),
        choice.map(restore::plan).unwrap_or_default(),
    );
    if !terminal::baseline(&plan, yes)? {
        return Ok(CommandResult::Failed);
    }
    if let Some(held) = &held {
        breaker::allow(resources, held).await?;
    }
    let go_on = |control: &mut Control| {
        control.paused = None;
        if arguments.breaker {
            control.breaker = None;
        }
        if let Some(choice) = choice {
            restore::decide(control, choice, now);
        }
        // The moment is kept while the configuration stays the same.
        if control.configuration.as_ref().is_none_or(|it| it.hash != stamp.hash) {
            control.configuration = Some(stamp.clone());
        }
    };
    let control = resources.ledger.change_control(go_on).await.context("writing the resumption")?;
    let hash = stamp.hash.clone();
    let mut details = vec![("configuration", hash)];
    details.extend(tripped.map(|it| ("breaker", it.reason.clone())));
    details.extend(choice.map(|it| ("after-restore", format!("{}={:?}", it.side, it.answer))));
    note(resources, "resume", &details).await;
    if choice.is_some() {
        // Everybody is compared: what the restore changed is named by no event.
        for side in Side::BOTH {
            resources.ledger.want_sweep(side, now).await.context("asking for a sweep")?;
        }
    }
    if let Some(held) = held {
        breaker::look_again(resources, held).await?;
    } else if let Some(breaker) = control.breaker.as_ref() {
        terminal::say(&breaker::still_open(breaker));
    }
    look_again(resources).await?;
    render::done(json, "resumed", &control)?;
    Ok(CommandResult::Done)
}

fn other_pool(side: Side) -> Failure {
    let what = format!("the {side} pool of this bridge.toml is another one than this bridge keeps");
    let hint = "put the former `user_pool_id` back, or give the bridge of this pool another `name`: \
                here, everybody would count as deleted from it";
    Failure::new(what, hint)
}

/// While paused, messages were acknowledged and only their marks remember.
async fn look_again(resources: &BridgeResources) -> anyhow::Result<()> {
    let mut resent = SentBefore::default();
    resent.round(resources).await?;
    terminal::say(&format!("{} marked accounts are looked at again", resent.count));
    Ok(())
}
