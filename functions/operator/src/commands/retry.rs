//! `retry`: forgets what was refused or held, and looks at people again at once.

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgePorts;
use poolbridge_core::account::AccountRef;
use poolbridge_core::capture::capture;
use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::{Clock as _, Ledger as _, Pool as _, Ports as _};
use poolbridge_core::reconcile::Work;
use poolbridge_core::record::{PersonRecord, PersonState};
use poolbridge_core::side::Side;

use super::CommandResult;
use super::context::{Context, note};
use super::explain::unknown;
use crate::cli::{self, AccountArgs};
use crate::render::{self, retry::Retried};
use crate::terminal;

/// People retried in one go, for each state.
const PEOPLE_MAX: usize = 1_000;

/// Whom somebody who names nobody means.
const TROUBLED: [PersonState; 3] = [PersonState::Waiting, PersonState::Conflict, PersonState::Held];

/// Somebody to look at again.
enum RetryTarget {
    /// Somebody known.
    Person(Box<PersonRecord>),
    /// An account that nobody is known by, on a side that was named.
    Account(Side, Sub),
}

/// Looks at people again.
pub(crate) async fn run(
    context: Context,
    arguments: &cli::RetryArgs,
    yes: bool,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let ports = context.ports().await?;
    let targets = if arguments.who.is_empty() {
        let states = arguments.state.map_or_else(|| TROUBLED.to_vec(), |state| vec![state]);
        listed(&ports, &states).await?
    } else {
        named(&ports, &arguments.who).await?
    };
    let plan = format!(
        "retry {}: forget what was refused or held, mark and look at both accounts of each again",
        render::people_count(targets.len())
    );
    if !targets.is_empty() && !terminal::baseline(&plan, yes)? {
        return Ok(CommandResult::Failed);
    }
    let mut retried = Retried::default();
    let mut command_result = Ok(());
    for target in &targets {
        command_result = retry(&ports, target, &mut retried).await;
        if command_result.is_err() {
            break;
        }
    }
    let count = retried.sent.to_string();
    if !targets.is_empty() {
        note(&ports.resources, "retry", &[("messages", count)]).await;
    }
    // What was done before a fault was done, and is journalled.
    command_result?;
    render::retry::show(&retried, json)?;
    if retried.busy > 0 {
        terminal::say("hint: run it again in a minute for people who were locked");
        return Ok(CommandResult::NotYet);
    }
    Ok(CommandResult::Done)
}

async fn listed(ports: &BridgePorts, states: &[PersonState]) -> anyhow::Result<Vec<RetryTarget>> {
    let mut targets = Vec::new();
    for state in states {
        let listed = ports.resources.ledger.people(*state, PEOPLE_MAX).await;
        let people = listed.context("listing the people")?;
        targets
            .extend(people.people.into_iter().map(|record| RetryTarget::Person(Box::new(record))));
        if people.more {
            let hint = "hint: run it again when these are done";
            terminal::say(&format!("more than {PEOPLE_MAX} are {}; {hint}", state.name()));
        }
    }
    Ok(targets)
}

async fn named(ports: &BridgePorts, people: &[AccountArgs]) -> anyhow::Result<Vec<RetryTarget>> {
    let mut targets = Vec::new();
    for who in people {
        targets.push(find(ports, who).await?);
    }
    Ok(targets)
}

async fn find(ports: &BridgePorts, who: &AccountArgs) -> anyhow::Result<RetryTarget> {
    for side in who.sides() {
        let found = ports.resources.ledger.find(side, &who.sub).await;
        if let Some(record) = found.context("looking for the person")? {
            return Ok(RetryTarget::Person(Box::new(record)));
        }
    }
    let side = match who.side {
        Some(side) => side,
        None => side_of(ports, &who.sub).await?.ok_or_else(|| unknown(who, false))?,
    };
    Ok(RetryTarget::Account(side, who.sub.clone()))
}

/// The pool that has an account of that `sub`, as the pools themselves say.
async fn side_of(ports: &BridgePorts, sub: &Sub) -> anyhow::Result<Option<Side>> {
    let account_ref = AccountRef { sub: sub.clone(), username: None };
    for side in Side::BOTH {
        let account = Box::pin(ports.pool(side).read(&account_ref)).await;
        let account = account.with_context(|| format!("looking for it in the {side} pool"))?;
        // A name that was used again may be somebody else's by now (`SameSub`).
        if account.is_some_and(|account| account.sub == *sub) {
            return Ok(Some(side));
        }
    }
    Ok(None)
}

async fn retry(
    ports: &BridgePorts,
    target: &RetryTarget,
    retried: &mut Retried,
) -> anyhow::Result<()> {
    match target {
        RetryTarget::Account(side, sub) => {
            send(ports, *side, sub).await?;
            retried.sent += 1;
            Ok(())
        }
        RetryTarget::Person(record) => {
            let now = ports.resources.clock.now();
            let deadline = now + limits::PERSON_TIME_MAX;
            let work = Work { deadline, invocation_end: deadline, suspendable: true };
            let free = Box::pin(ports.bridge().forget_blocked(record, &work)).await;
            // Whoever is being worked on is looked at afresh anyhow, only not with a clean slate.
            let free = free.context("forgetting what was held or refused")?;
            retried.busy += usize::from(!free);
            retried.people += 1;
            for side in Side::BOTH {
                if let Some(known) = record.accounts.get(side) {
                    send(ports, side, &known.sub).await?;
                    retried.sent += 1;
                }
            }
            Ok(())
        }
    }
}

/// Notes a pending change of an account and sends it, so that the consumer looks at it at once.
pub(super) async fn send(ports: &BridgePorts, side: Side, sub: &Sub) -> anyhow::Result<()> {
    let clock = &ports.resources.clock;
    let change = ChangeEvent {
        side,
        sub: sub.clone(),
        at: clock.now(),
        evidence: Evidence::Hint,
        password: false,
        administrator: false,
        claimed: false,
        id: clock.nonce(),
    };
    let outbox = ports.resources.queue.outbox();
    let captured = Box::pin(capture(&ports.resources.ledger, &outbox, &change)).await;
    captured.pending.context("marking the account")?;
    captured.message.context("sending the change")?;
    Ok(())
}
