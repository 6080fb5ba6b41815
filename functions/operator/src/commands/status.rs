//! `status`: how the bridge stands, as far as one look tells.

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_core::drain::{DrainBlocker, Outstanding, blockers};
use poolbridge_core::error::ErrorKind;
use poolbridge_core::outcome::Reason;
use poolbridge_core::ports::{Clock as _, Ledger as _};
use poolbridge_core::record::PersonState;
use poolbridge_core::rules::ProtocolRules;

use super::CommandResult;
use super::context::Context;
use crate::cli;
use crate::render::{self, status::StatusView};

/// Marks that are looked at for their reasons.
const REASONS_MAX: usize = 1_000;

/// Held people whose passwords are counted.
const HELD_MAX: usize = 1_000;

/// With more marks than this, looking at each person behind them tells nothing new: it is not
/// drained.
const LOOKED_AT_MAX: u64 = 1_000;

/// Tells once, or again and again.
pub(crate) async fn run(
    context: &Context,
    arguments: &cli::StatusArgs,
    json: bool,
) -> anyhow::Result<CommandResult> {
    loop {
        let status = snapshot(&context.resources).await?;
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

/// Asks the table and the queues.
async fn snapshot(resources: &BridgeResources) -> anyhow::Result<StatusView> {
    let ledger = &resources.ledger;
    let now = resources.clock.now();
    let control = ledger.control().await.context("reading the control item")?;
    let people = ledger.people_counts().await.context("reading the counters")?;
    let summary = ledger.pending_summary().await.context("counting the marks")?;
    let without_pending = ledger.without_pending().await.context("counting lost marks")?;
    let queue = resources.queue.counts().await.context("asking the queue for its counters")?;
    let bulk = match &resources.bulk {
        Some(bulk) => {
            let counts = bulk.counts().await;
            Some(counts.context("asking the queue of bulk work for its counters")?)
        }
        None => None,
    };
    let dead = match &resources.dead_letters {
        Some(dead) => Some(dead.message_count().await.context("counting the dead letters")?),
        None => None,
    };
    let both = bulk.as_ref().map_or(queue, |bulk| queue.with(bulk));
    let mut seen = Outstanding { pending_changes: summary.count, ..Outstanding::default() };
    if summary.count <= LOOKED_AT_MAX {
        seen = ledger.outstanding(now, now).await.context("looking at who is under way")?;
    }
    let (snapshot, held_pending) = (seen.snapshot(now, both, without_pending), seen.held);
    // One look cannot be two: that the queue has to be empty twice is for `drain` to see.
    let blockers =
        blockers(ProtocolRules::WHOLE, None, &snapshot, poolbridge_core::drain::LOOKS_APART)
            .into_iter()
            .filter(|reason| *reason != DrainBlocker::LookAgain)
            .collect();
    let reasons = reasons(resources).await?;
    let journal = ledger.journal_tail(1).await.context("reading the journal")?;
    Ok(StatusView {
        name: resources.configuration.name.clone(),
        at: now,
        hash: resources.configuration.hash.clone(),
        people: PersonState::ALL.map(|state| (state, people.of(state))),
        pending: summary.count,
        held_pending,
        lag: summary.lag(now),
        put_off: summary.put_off,
        queue,
        bulk,
        dead,
        blockers,
        throttled: reasons.throttled(),
        other_configuration: reasons.other_configuration,
        without_pending,
        kept_open: kept_open(resources).await?,
        journal: journal.into_iter().next(),
        control,
    })
}

/// Of how many held people an outdated password stays usable, and whether there may be more.
async fn kept_open(resources: &BridgeResources) -> anyhow::Result<(u64, bool)> {
    let held = resources
        .ledger
        .people(PersonState::Held, HELD_MAX)
        .await
        .context("listing the people held")?;
    let open = held.people.iter().filter(|record| record.passwords.kept_open().is_some());
    Ok((open.count() as u64, held.more))
}

/// Why pending changes were put off, of those reasons that an operator has to know at once.
#[derive(Clone, Copy, Debug, Default)]
struct Reasons {
    /// A service asked to slow down.
    throttled: u64,
    /// The function that looked runs another configuration than the one in force.
    other_configuration: u64,
}

impl Reasons {
    fn throttled(self) -> Option<String> {
        let plural = if self.throttled == 1 { "" } else { "s" };
        (self.throttled > 0).then(|| {
            format!("{} change{plural} put off: a service asked to slow down", self.throttled)
        })
    }
}

async fn reasons(resources: &BridgeResources) -> anyhow::Result<Reasons> {
    let pending_changes = resources
        .ledger
        .pending_changes(REASONS_MAX)
        .await
        .context("listing the marks")?
        .pending_changes;
    let of = |name: &str| {
        pending_changes.iter().filter(|pending| pending.reason.as_deref() == Some(name)).count()
            as u64
    };
    Ok(Reasons {
        throttled: of(Reason::PortError(ErrorKind::Throttled).name()),
        other_configuration: of(Reason::OtherConfiguration.name()),
    })
}
