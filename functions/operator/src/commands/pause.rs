//! `pause` and `resume`.

use anyhow::Context as _;
use poolbridge_aws::wiring::Ground;
use poolbridge_core::policy::Control;
use poolbridge_core::ports::{Clock as _, Ledger as _};
use poolbridge_core::side::Side;

use super::Outcome;
use super::breaker;
use super::desk::{Desk, note};
use super::resend::Resent;
use super::restore;
use crate::cli;
use crate::failure::Failure;
use crate::render;
use crate::talk;

/// The longest reason that is kept: it is a line in `status`.
const REASON_CHARACTERS_MAX: usize = 200;

/// Stops writing.
pub(crate) async fn pause(
    desk: &Desk,
    arguments: &cli::Pause,
    yes: bool,
    json: bool,
) -> anyhow::Result<Outcome> {
    let ground = &desk.ground;
    let printable = arguments.reason.chars().filter(|letter| !letter.is_control());
    let reason: String = printable.take(REASON_CHARACTERS_MAX).collect();
    let plan = format!(
        "pause {}: changes are captured and marked, and wait; whoever is disabled is disabled all \
         the same",
        ground.configuration.name
    );
    if !talk::agreed(&plan, yes)? {
        return Ok(Outcome::Failed);
    }
    let stop = |control: &mut Control| control.paused = Some(reason.clone());
    let control = ground.ledger.change_control(stop).await.context("writing the pause")?;
    note(ground, "pause", &[("reason", reason.clone())]).await;
    render::done(json, "paused", &control)?;
    Ok(Outcome::Done)
}

/// Goes on, and puts the configuration at hand in force.
pub(crate) async fn resume(
    desk: &Desk,
    arguments: &cli::Resume,
    yes: bool,
    json: bool,
) -> anyhow::Result<Outcome> {
    let ground = &desk.ground;
    let stamp = ground.configuration.stamp(ground.clock.now());
    let found = ground.ledger.control().await.context("reading the control item")?;
    let changed = found.configuration.as_ref().is_some_and(|it| it.hash != stamp.hash);
    if let Some(side) = found.replaced_pool(&stamp) {
        return Err(other_pool(side).into());
    }
    let tripped = found.breaker.as_ref().filter(|_| arguments.breaker);
    let held = match tripped {
        Some(_) => Some(breaker::held(ground).await?),
        None => None,
    };
    let now = ground.clock.now();
    let closing = tripped.zip(held.as_ref()).map(|(it, held)| breaker::plan(it, held, now));
    let choice = arguments.after_restore.as_ref().map(|it| restore::choice(&found, it));
    let choice = choice.transpose()?;
    if let Some(choice) = choice {
        restore::check_ended(ground, choice).await?;
    }
    let plan = format!(
        "resume {}: put configuration {} in force{}{}{}, and look at every marked account",
        ground.configuration.name,
        render::short(&stamp.hash),
        if changed { " (another one is now: deploy this one everywhere first)" } else { "" },
        closing.unwrap_or_default(),
        choice.map(restore::plan).unwrap_or_default(),
    );
    if !talk::agreed(&plan, yes)? {
        return Ok(Outcome::Failed);
    }
    if let Some(held) = &held {
        breaker::allow(ground, held).await?;
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
    let control = ground.ledger.change_control(go_on).await.context("writing the resumption")?;
    let hash = stamp.hash.clone();
    let mut details = vec![("configuration", hash)];
    details.extend(tripped.map(|it| ("breaker", it.reason.clone())));
    details.extend(choice.map(|it| ("after-restore", format!("{}={:?}", it.side, it.answer))));
    note(ground, "resume", &details).await;
    if choice.is_some() {
        // Everybody is compared: what the restore changed is named by no event.
        for side in Side::BOTH {
            ground.ledger.want_sweep(side, now).await.context("asking for a sweep")?;
        }
    }
    if let Some(held) = held {
        breaker::look_again(ground, held).await?;
    } else if let Some(breaker) = control.breaker.as_ref() {
        talk::say(&breaker::still_open(breaker));
    }
    look_again(ground).await?;
    render::done(json, "resumed", &control)?;
    Ok(Outcome::Done)
}

fn other_pool(side: Side) -> Failure {
    let what = format!("the {side} pool of this bridge.toml is another one than this bridge keeps");
    let hint = "put the former `user_pool_id` back, or give the bridge of this pool another `name`: \
                here, everybody would count as deleted from it";
    Failure::new(what, hint)
}

/// While paused, messages were acknowledged and only their marks remember.
async fn look_again(ground: &Ground) -> anyhow::Result<()> {
    let mut resent = Resent::default();
    resent.round(ground).await?;
    talk::say(&format!("{} marked accounts are looked at again", resent.count));
    Ok(())
}
