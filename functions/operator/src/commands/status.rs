//! `status`: how the bridge stands, as far as one look tells.

use anyhow::Context as _;
use poolbridge_aws::wiring::Ground;
use poolbridge_core::drain::{Outstanding, Undrained, undrained};
use poolbridge_core::entry::State;
use poolbridge_core::fault::FaultKind;
use poolbridge_core::law::Law;
use poolbridge_core::ports::{Clock as _, Ledger as _};
use poolbridge_core::verdict::Reason;

use super::Outcome;
use super::desk::Desk;
use crate::cli;
use crate::render::{self, status::Status};

/// Marks that are looked at for their reasons.
const REASONS_MAX: usize = 1_000;

/// Held people whose passwords are counted.
const HELD_MAX: usize = 1_000;

/// With more marks than this, looking at each person behind them tells nothing new: it is not
/// drained.
const LOOKED_AT_MAX: u64 = 1_000;

/// Tells once, or again and again.
pub(crate) async fn run(
    desk: &Desk,
    arguments: &cli::Status,
    json: bool,
) -> anyhow::Result<Outcome> {
    loop {
        let status = look(&desk.ground).await?;
        render::status::show(&status, json, arguments.watch)?;
        if !arguments.watch {
            return Ok(Outcome::Done);
        }
        tokio::select! {
            () = tokio::time::sleep(arguments.every) => {}
            _ = tokio::signal::ctrl_c() => return Ok(Outcome::Done),
        }
    }
}

/// Asks the table and the queues.
async fn look(ground: &Ground) -> anyhow::Result<Status> {
    let ledger = &ground.ledger;
    let now = ground.clock.now();
    let control = ledger.control().await.context("reading the control item")?;
    let people = ledger.people_counts().await.context("reading the counters")?;
    let summary = ledger.mark_summary().await.context("counting the marks")?;
    let unmarked = ledger.unmarked().await.context("counting lost marks")?;
    let queue = ground.queue.counts().await.context("asking the queue for its counters")?;
    let bulk = match &ground.bulk {
        Some(bulk) => {
            let counts = bulk.counts().await;
            Some(counts.context("asking the queue of bulk work for its counters")?)
        }
        None => None,
    };
    let dead = match &ground.dead_letters {
        Some(dead) => Some(dead.message_count().await.context("counting the dead letters")?),
        None => None,
    };
    let both = bulk.as_ref().map_or(queue, |bulk| queue.with(bulk));
    let mut seen = Outstanding { marks: summary.count, ..Outstanding::default() };
    if summary.count <= LOOKED_AT_MAX {
        seen = ledger.outstanding(now, now).await.context("looking at who is under way")?;
    }
    let (look, held_marks) = (seen.look(now, both, unmarked), seen.held);
    // One look cannot be two: that the queue has to be empty twice is for `drain` to see.
    let undrained = undrained(Law::WHOLE, None, &look, poolbridge_core::drain::LOOKS_APART)
        .into_iter()
        .filter(|reason| *reason != Undrained::LookAgain)
        .collect();
    let reasons = reasons(ground).await?;
    let journal = ledger.journal_tail(1).await.context("reading the journal")?;
    Ok(Status {
        name: ground.configuration.name.clone(),
        at: now,
        hash: ground.configuration.hash.clone(),
        people: State::ALL.map(|state| (state, people.of(state))),
        pending: summary.count,
        held_marks,
        lag: summary.lag(now),
        put_off: summary.put_off,
        queue,
        bulk,
        dead,
        undrained,
        throttled: reasons.throttled(),
        other_configuration: reasons.other_configuration,
        unmarked,
        kept_open: kept_open(ground).await?,
        journal: journal.into_iter().next(),
        control,
    })
}

/// Of how many held people an outdated password stays usable, and whether there may be more.
async fn kept_open(ground: &Ground) -> anyhow::Result<(u64, bool)> {
    let held =
        ground.ledger.people(State::Held, HELD_MAX).await.context("listing the people held")?;
    let open = held.people.iter().filter(|entry| entry.passwords.kept_open().is_some());
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

async fn reasons(ground: &Ground) -> anyhow::Result<Reasons> {
    let marks = ground.ledger.marks(REASONS_MAX).await.context("listing the marks")?.marks;
    let of = |name: &str| {
        marks.iter().filter(|mark| mark.reason.as_deref() == Some(name)).count() as u64
    };
    Ok(Reasons {
        throttled: of(Reason::Outside(FaultKind::Throttled).name()),
        other_configuration: of(Reason::OtherConfiguration.name()),
    })
}
