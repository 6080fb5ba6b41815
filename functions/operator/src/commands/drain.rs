//! `drain`: waits until nothing that was captured is still on its way.

use std::time::Duration;

use anyhow::Context as _;
use poolbridge_aws::config;
use poolbridge_aws::wiring::Ground;
use poolbridge_core::drain::{LOOKS_APART, Look, Undrained, undrained};
use poolbridge_core::law::Law;
use poolbridge_core::ports::{Clock as _, Ledger as _};
use poolbridge_core::time::Time;

use super::Outcome;
use super::desk::{Desk, note};
use super::resend::Resent;
use crate::cli;
use crate::failure::Failure;
use crate::render::{self, drain::Drained};
use crate::talk;

/// How often to look, at the most.
const EVERY_MAX: Duration = Duration::from_secs(3);

/// How often to look, at the least: each look reads every mark and asks the queue.
const EVERY_MIN: Duration = Duration::from_millis(200);

/// Sends every mark again and waits.
pub(crate) async fn run(
    desk: &Desk,
    arguments: &cli::Drain,
    yes: bool,
    json: bool,
) -> anyhow::Result<Outcome> {
    let ground = &desk.ground;
    if arguments.waive_unmarked && !waived(ground, yes).await? {
        return Ok(Outcome::Failed);
    }
    let apart = looks_apart(ground)?;
    let every = (apart / 4).clamp(EVERY_MIN, EVERY_MAX);
    let asked = ground.clock.now();
    let end = asked + arguments.timeout;
    let progress = talk::progress();
    let mut resent = Resent::default();
    let mut before: Option<Look> = None;
    let drained = loop {
        resent.round(ground).await?;
        let (look, held) = look(ground, asked).await?;
        let reasons = undrained(Law::WHOLE, before.as_ref(), &look, apart);
        let waited = look.at.since(asked);
        if reasons.is_empty() || look.at >= end {
            let reasons = explained(ground, reasons).await?;
            break Drained { reasons, held, resent: resent.count, waited, at: asked };
        }
        progress.set_message(render::drain::words(&reasons));
        // Two looks count only if the queue was empty at every one between them.
        before = if look.queue.empty() { before.or(Some(look)) } else { None };
        tokio::time::sleep(every.min(end.since(look.at))).await;
    };
    progress.finish_and_clear();
    render::drain::show(&drained, json)?;
    let outcome = if drained.reasons.is_empty() { "drained" } else { "not-drained" };
    let waited = drained.waited.as_millis().to_string();
    note(ground, "drain", &[("outcome", outcome.to_owned()), ("milliseconds", waited)]).await;
    Ok(if drained.reasons.is_empty() { Outcome::Done } else { Outcome::NotYet })
}

/// Forgets the captures that were neither marked nor sent, if that is agreed to.
async fn waived(ground: &Ground, yes: bool) -> anyhow::Result<bool> {
    let count = ground.ledger.unmarked().await.context("counting lost captures")?;
    if count == 0 {
        talk::say("no capture was lost: there is nothing to waive");
        return Ok(true);
    }
    let plan = format!(
        "waive {count} captures that were neither marked nor sent: what was changed then is not \
         known to be on both sides, and `drained` no longer speaks for it"
    );
    if !talk::agreed(&plan, yes)? {
        return Ok(false);
    }
    let forgotten = u32::try_from(count).unwrap_or(u32::MAX);
    let waived = ground.ledger.forget_unmarked(forgotten).await;
    waived.context("forgetting lost captures")?;
    note(ground, "waive-unmarked", &[("captures", forgotten.to_string())]).await;
    Ok(true)
}

/// One look at everything that may hold a change, and how many marks of people held are left out.
async fn look(ground: &Ground, asked: Time) -> anyhow::Result<(Look, u64)> {
    // The look is as old as its first question.
    let at = ground.clock.now();
    // The queue first: what leaves it while the table is read is seen there.
    let mut queue = ground.queue.counts().await.context("asking the queue for its counters")?;
    if let Some(bulk) = &ground.bulk {
        let counts = bulk.counts().await;
        queue = queue.with(&counts.context("asking the queue of bulk work for its counters")?);
    }
    let seen = ground.ledger.outstanding(asked, at).await;
    let seen = seen.context("looking at marks and at who is under way")?;
    let unmarked = ground.ledger.unmarked().await.context("counting lost marks")?;
    let look = Look { at, marks: seen.marks, under_way: seen.under_way, queue, unmarked };
    Ok((look, seen.held))
}

/// The reasons in words, with the one that explains most: a pause.
async fn explained(ground: &Ground, reasons: Vec<Undrained>) -> anyhow::Result<Vec<String>> {
    let mut words: Vec<String> = reasons.iter().map(render::drain::reason).collect();
    if !words.is_empty() {
        let control = ground.ledger.control().await.context("reading the control item")?;
        if control.paused.is_some() {
            words.push("the bridge is paused: run `poolbridge resume`".to_owned());
        }
    }
    Ok(words)
}

/// SQS says that its counters may need a minute; a local stack's need none.
fn looks_apart(ground: &Ground) -> Result<Duration, Failure> {
    match std::env::var("POOLBRIDGE_DRAIN_LOOKS_APART") {
        Ok(text) if ground.environment.local => config::duration(&text).ok_or_else(|| {
            let hint = "write a whole number and ms, s, m or h: 500ms";
            Failure::new("POOLBRIDGE_DRAIN_LOOKS_APART is no span of time", hint)
        }),
        Ok(_) => {
            talk::say("POOLBRIDGE_DRAIN_LOOKS_APART is for a local stack and counts for nothing");
            Ok(LOOKS_APART)
        }
        Err(_) => Ok(LOOKS_APART),
    }
}
