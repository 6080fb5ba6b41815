//! `retry`: clears blocked fields and failures, and makes apply process the people again.

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgePorts;
use poolbridge_core::account::AccountRef;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::{Ledger as _, Pool as _, Ports as _};
use poolbridge_core::record::{PersonRecord, PersonState};
use poolbridge_core::side::Side;

use super::CommandResult;
use super::context::{Context, journal, work};
use super::explain::unknown;
use super::hint;
use crate::cli::{self, NamedAccount};
use crate::render::{self, retry::RetryReport};
use crate::terminal;

/// The most people of one state that one command retries.
const PEOPLE_MAX: usize = 1_000;

/// The states that a command without arguments selects.
const UNFINISHED: [PersonState; 3] =
    [PersonState::Waiting, PersonState::Conflict, PersonState::Held];

/// One person or account to process.
enum RetryTarget {
    /// A person with a record.
    Person(Box<PersonRecord>),
    /// An account that no person record holds.
    Account(Side, Sub),
}

/// Finds the people, asks, and processes them.
pub(crate) async fn run(
    context: Context,
    arguments: &cli::RetryArgs,
    yes: bool,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let ports = context.ports().await?;
    let targets = if arguments.accounts.is_empty() {
        let states = arguments.state.map_or_else(|| UNFINISHED.to_vec(), |state| vec![state]);
        listed(&ports, &states).await?
    } else {
        named(&ports, &arguments.accounts).await?
    };
    let plan = format!(
        "retry {}: clear their blocked fields and failures, then store a pending change for each \
         account and send it",
        render::people_count(targets.len())
    );
    if !targets.is_empty() && !terminal::confirm(&plan, yes)? {
        return Ok(CommandResult::Failed);
    }
    let mut report = RetryReport::default();
    let mut result = Ok(());
    for target in &targets {
        result = retry(&ports, target, &mut report).await;
        if result.is_err() {
            break;
        }
    }
    let count = report.sent.to_string();
    if !targets.is_empty() {
        journal(&ports.resources, "retry", &[("messages", count)]).await;
    }
    // The journal also holds what was done before a failure.
    result?;
    render::retry::show(&report, json)?;
    if report.locked > 0 {
        terminal::message("hint: run it again in a minute for people who were locked");
        return Ok(CommandResult::NotYet);
    }
    Ok(CommandResult::Done)
}

async fn listed(ports: &BridgePorts, states: &[PersonState]) -> anyhow::Result<Vec<RetryTarget>> {
    let mut targets = Vec::new();
    for state in states {
        let listed = ports.resources.ledger.people(*state, PEOPLE_MAX).await;
        let people = listed.context("listing the people")?;
        let records = people.people.into_iter();
        targets.extend(records.map(|record| RetryTarget::Person(Box::new(record))));
        if people.more {
            let hint = "hint: run it again when these are processed";
            let state = state.name();
            terminal::message(&format!("more than {PEOPLE_MAX} people are {state}; {hint}"));
        }
    }
    Ok(targets)
}

async fn named(ports: &BridgePorts, accounts: &[NamedAccount]) -> anyhow::Result<Vec<RetryTarget>> {
    let mut targets = Vec::new();
    for account in accounts {
        targets.push(find(ports, account).await?);
    }
    Ok(targets)
}

async fn find(ports: &BridgePorts, account: &NamedAccount) -> anyhow::Result<RetryTarget> {
    for side in account.sides() {
        let found = ports.resources.ledger.find(side, &account.sub).await;
        if let Some(record) = found.context("reading the person record")? {
            return Ok(RetryTarget::Person(Box::new(record)));
        }
    }
    let side = match account.side {
        Some(side) => side,
        None => side_of(ports, &account.sub).await?.ok_or_else(|| unknown(account, false))?,
    };
    Ok(RetryTarget::Account(side, account.sub.clone()))
}

/// The pool that has an account with that `sub`, according to the pools.
async fn side_of(ports: &BridgePorts, sub: &Sub) -> anyhow::Result<Option<Side>> {
    let account_ref = AccountRef { sub: sub.clone(), username: None };
    for side in Side::BOTH {
        let account = Box::pin(ports.pool(side).read(&account_ref)).await;
        let account = account.with_context(|| format!("reading it in the {side} pool"))?;
        // A reused username may belong to another person by now (`SameSub`).
        if account.is_some_and(|account| account.sub == *sub) {
            return Ok(Some(side));
        }
    }
    Ok(None)
}

async fn retry(
    ports: &BridgePorts,
    target: &RetryTarget,
    report: &mut RetryReport,
) -> anyhow::Result<()> {
    let accounts = match target {
        RetryTarget::Account(side, sub) => vec![(*side, sub)],
        RetryTarget::Person(record) => {
            let cleared = Box::pin(ports.bridge().forget_blocked(record, &work(ports))).await;
            // A locked person is processed again too, but keeps the blocked fields.
            let cleared = cleared.context("clearing blocked fields and failures")?;
            report.locked += usize::from(!cleared);
            report.people += 1;
            let sub = |side: Side| record.accounts.get(side).as_ref().map(|it| (side, &it.sub));
            Side::BOTH.into_iter().filter_map(sub).collect()
        }
    };
    for (side, sub) in accounts {
        hint::send(&ports.resources, side, sub).await?;
        report.sent += 1;
    }
    Ok(())
}
