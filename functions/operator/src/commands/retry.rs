//! `retry`: forgets what was refused or held, and looks at people again at once.

use anyhow::Context as _;
use poolbridge_aws::wiring::Wired;
use poolbridge_core::account::Handle;
use poolbridge_core::capture::capture;
use poolbridge_core::change::{Change, Proof};
use poolbridge_core::converge::Work;
use poolbridge_core::entry::{Entry, State};
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::{Clock as _, Ledger as _, Pool as _, Ports as _};
use poolbridge_core::side::Side;

use super::Outcome;
use super::desk::{Desk, note};
use super::explain::unknown;
use crate::cli::{self, Who};
use crate::render::{self, retry::Retried};
use crate::talk;

/// People retried in one go, for each state.
const PEOPLE_MAX: usize = 1_000;

/// Whom somebody who names nobody means.
const TROUBLED: [State; 3] = [State::Waiting, State::Conflict, State::Held];

/// Somebody to look at again.
enum Target {
    /// Somebody known.
    Person(Box<Entry>),
    /// An account that nobody is known by, on a side that was named.
    Account(Side, Sub),
}

/// Looks at people again.
pub(crate) async fn run(
    desk: Desk,
    arguments: &cli::Retry,
    yes: bool,
    json: bool,
) -> anyhow::Result<Outcome> {
    let wired = desk.wired().await?;
    let targets = if arguments.who.is_empty() {
        let states = arguments.state.map_or_else(|| TROUBLED.to_vec(), |state| vec![state]);
        listed(&wired, &states).await?
    } else {
        named(&wired, &arguments.who).await?
    };
    let plan = format!(
        "retry {}: forget what was refused or held, mark and look at both accounts of each again",
        render::people_count(targets.len())
    );
    if !targets.is_empty() && !talk::agreed(&plan, yes)? {
        return Ok(Outcome::Failed);
    }
    let mut retried = Retried::default();
    let mut outcome = Ok(());
    for target in &targets {
        outcome = retry(&wired, target, &mut retried).await;
        if outcome.is_err() {
            break;
        }
    }
    let count = retried.sent.to_string();
    if !targets.is_empty() {
        note(&wired.ground, "retry", &[("messages", count)]).await;
    }
    // What was done before a fault was done, and is journalled.
    outcome?;
    render::retry::show(&retried, json)?;
    if retried.busy > 0 {
        talk::say("hint: run it again in a minute for people who were locked");
        return Ok(Outcome::NotYet);
    }
    Ok(Outcome::Done)
}

async fn listed(wired: &Wired, states: &[State]) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    for state in states {
        let listed = wired.ground.ledger.people(*state, PEOPLE_MAX).await;
        let people = listed.context("listing the people")?;
        targets.extend(people.people.into_iter().map(|entry| Target::Person(Box::new(entry))));
        if people.more {
            let hint = "hint: run it again when these are done";
            talk::say(&format!("more than {PEOPLE_MAX} are {}; {hint}", state.name()));
        }
    }
    Ok(targets)
}

async fn named(wired: &Wired, people: &[Who]) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    for who in people {
        targets.push(find(wired, who).await?);
    }
    Ok(targets)
}

async fn find(wired: &Wired, who: &Who) -> anyhow::Result<Target> {
    for side in who.sides() {
        let found = wired.ground.ledger.find(side, &who.sub).await;
        if let Some(entry) = found.context("looking for the person")? {
            return Ok(Target::Person(Box::new(entry)));
        }
    }
    let side = match who.side {
        Some(side) => side,
        None => side_of(wired, &who.sub).await?.ok_or_else(|| unknown(who, false))?,
    };
    Ok(Target::Account(side, who.sub.clone()))
}

/// The pool that has an account of that `sub`, as the pools themselves say.
async fn side_of(wired: &Wired, sub: &Sub) -> anyhow::Result<Option<Side>> {
    let handle = Handle { sub: sub.clone(), username: None };
    for side in Side::BOTH {
        let account = Box::pin(wired.pool(side).read(&handle)).await;
        let account = account.with_context(|| format!("looking for it in the {side} pool"))?;
        // A name that was used again may be somebody else's by now (R21).
        if account.is_some_and(|account| account.sub == *sub) {
            return Ok(Some(side));
        }
    }
    Ok(None)
}

async fn retry(wired: &Wired, target: &Target, retried: &mut Retried) -> anyhow::Result<()> {
    match target {
        Target::Account(side, sub) => {
            send(wired, *side, sub).await?;
            retried.sent += 1;
            Ok(())
        }
        Target::Person(entry) => {
            let now = wired.ground.clock.now();
            let deadline = now + limits::PERSON_TIME_MAX;
            let work = Work { deadline, invocation_end: deadline, suspendable: true };
            let free = Box::pin(wired.bridge().forget_obstacles(entry, &work)).await;
            // Whoever is being worked on is looked at afresh anyhow, only not with a clean slate.
            let free = free.context("forgetting what was held or refused")?;
            retried.busy += usize::from(!free);
            retried.people += 1;
            for side in Side::BOTH {
                if let Some(known) = entry.accounts.get(side) {
                    send(wired, side, &known.sub).await?;
                    retried.sent += 1;
                }
            }
            Ok(())
        }
    }
}

/// Notes a pending change of an account and sends it, so that the consumer looks at it at once.
pub(super) async fn send(wired: &Wired, side: Side, sub: &Sub) -> anyhow::Result<()> {
    let clock = &wired.ground.clock;
    let change = Change {
        side,
        sub: sub.clone(),
        at: clock.now(),
        proof: Proof::Hint,
        password: false,
        administrator: false,
        claimed: false,
        id: clock.nonce(),
    };
    let outbox = wired.ground.queue.outbox();
    let captured = Box::pin(capture(&wired.ground.ledger, &outbox, &change)).await;
    captured.mark.context("marking the account")?;
    captured.message.context("sending the change")?;
    Ok(())
}
