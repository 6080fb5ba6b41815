//! `status`: the state of the bridge, from one check.

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_core::drain::{DrainBlocker, Outstanding, SNAPSHOTS_APART, blockers};
use poolbridge_core::error::ErrorKind;
use poolbridge_core::outcome::Reason;
use poolbridge_core::ports::{Clock as _, Ledger as _};
use poolbridge_core::record::PersonState;
use poolbridge_core::rules::ProtocolRules;

use super::CommandResult;
use super::context::{Context, queues};
use crate::cli;
use crate::render::{self, status::StatusView};

/// The most pending changes whose reasons are counted.
const REASONS_MAX: usize = 1_000;

/// The most held people whose passwords are counted.
const HELD_MAX: usize = 1_000;

/// The most pending changes for which each person record is read. With more, the bridge is not
/// drained in any case.
const RECORDS_MAX: u64 = 1_000;

/// Shows the status once, or repeatedly.
pub(crate) async fn run(
    context: &Context,
    arguments: &cli::StatusArgs,
    json: bool,
) -> anyhow::Result<CommandResult> {
    loop {
        let status = view(&context.resources).await?;
        render::status::show(&status, json, arguments.watch)?;
        if !arguments.watch {
            return Ok(CommandResult::Done);
        }
        tokio::select! {
            () = tokio::time::sleep(arguments.every) => {}
            _ = tokio::signal::ctrl_c() => return Ok(CommandResult::Done),
        }
    }
}

/// Reads the table and the queues.
async fn view(resources: &BridgeResources) -> anyhow::Result<StatusView> {
    let ledger = &resources.ledger;
    let now = resources.clock.now();
    let control = ledger.control().await.context("reading the control item")?;
    let people = ledger.people_counts().await.context("reading the counters")?;
    let summary = ledger.pending_summary().await.context("counting the pending changes")?;
    let lost_captures = ledger.lost_captures().await.context("counting lost captures")?;
    let queues = queues(resources).await?;
    let dead = match &resources.dead_letters {
        Some(dead) => Some(dead.message_count().await.context("counting the dead letters")?),
        None => None,
    };
    let mut outstanding = Outstanding { pending_changes: summary.count, ..Outstanding::default() };
    if summary.count <= RECORDS_MAX {
        let read = ledger.outstanding(now, now).await;
        outstanding = read.context("reading pending changes and leases")?;
    }
    let snapshot = outstanding.snapshot(now, queues.total(), lost_captures);
    // `drain` makes the second check; this command makes one.
    let blockers = blockers(ProtocolRules::WHOLE, None, &snapshot, SNAPSHOTS_APART)
        .into_iter()
        .filter(|blocker| *blocker != DrainBlocker::SecondSnapshot)
        .collect();
    let reasons = count_reasons(resources).await?;
    let journal = ledger.journal_tail(1).await.context("reading the journal")?;
    Ok(StatusView {
        name: resources.configuration.name.clone(),
        at: now,
        hash: resources.configuration.hash.clone(),
        people: PersonState::ALL.map(|state| (state, people.of(state))),
        pending: summary.count,
        held_pending: outstanding.held,
        oldest: summary.lag(now),
        retried: summary.put_off,
        queues,
        dead,
        blockers,
        throttled: reasons.throttled,
        other_configuration: reasons.other_configuration,
        lost_captures,
        kept_open: kept_open(resources).await?,
        journal: journal.into_iter().next(),
        control,
    })
}

/// The number of held people whose outdated password stays usable, and whether there may be more.
async fn kept_open(resources: &BridgeResources) -> anyhow::Result<(u64, bool)> {
    let listed = resources.ledger.people(PersonState::Held, HELD_MAX).await;
    let held = listed.context("listing the held people")?;
    let open = held.people.iter().filter(|record| record.passwords.kept_open().is_some());
    Ok((open.count() as u64, held.more))
}

/// How many pending changes wait for a reason that an operator must know at once.
#[derive(Clone, Copy, Debug, Default)]
struct ReasonCounts {
    /// A service throttled a call.
    throttled: u64,
    /// A function runs another configuration than the active one.
    other_configuration: u64,
}

async fn count_reasons(resources: &BridgeResources) -> anyhow::Result<ReasonCounts> {
    let listed = resources.ledger.pending_changes(REASONS_MAX).await;
    let pending_changes = listed.context("listing the pending changes")?.pending_changes;
    let count = |reason: Reason| {
        let name = Some(reason.name());
        pending_changes.iter().filter(|pending| pending.reason.as_deref() == name).count() as u64
    };
    Ok(ReasonCounts {
        throttled: count(Reason::PortError(ErrorKind::Throttled)),
        other_configuration: count(Reason::OtherConfiguration),
    })
}
