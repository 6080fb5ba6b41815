//! Closing the breaker: who was held by it is looked at again.

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_core::breaker::Breaker;
use poolbridge_core::capture::capture;
use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::Reason;
use poolbridge_core::ports::Clock as _;
use poolbridge_core::record::{PersonRecord, PersonState};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use crate::render;
use crate::terminal;

/// Held people listed in one go; the sweep comes back to whoever is beyond.
const PEOPLE_MAX: usize = 20_000;

/// Whom the breaker held.
pub(crate) struct HeldPeople {
    /// The account of each that was missed.
    missed: Vec<(Side, Sub)>,
    /// Whether there are more.
    more: bool,
}

/// What closing it means, for the plan that is shown before it is done.
pub(crate) fn plan(breaker: &Breaker, held: &HeldPeople, now: Time) -> String {
    let (when, count) = (render::ago(breaker.since, now), held.missed.len());
    let reason = &breaker.reason;
    let people = render::people_count(count);
    format!(
        ", close the breaker (tripped {when}: {reason}) and let it go on about the {people} held"
    )
}

/// Whom the breaker holds. What is held for another reason is left alone.
pub(crate) async fn held(resources: &BridgeResources) -> anyhow::Result<HeldPeople> {
    let listed = resources.ledger.people(PersonState::Held, PEOPLE_MAX).await;
    let people = listed.context("listing the people held")?;
    let held = people.people.iter().filter(|record| record.reason == Some(Reason::Breaker));
    let missed = held.filter_map(missed).collect();
    Ok(HeldPeople { missed, more: people.more })
}

/// Lets as many be removed now as were held, besides what an hour may hold: else the first few
/// would open the breaker again.
pub(crate) async fn allow(resources: &BridgeResources, held: &HeldPeople) -> anyhow::Result<()> {
    let more = held.missed.len() as u64;
    let allowed = resources.ledger.allow_removals(resources.clock.now(), more).await;
    allowed.context("allowing removals")
}

/// What is said where it stays open.
pub(crate) fn still_open(breaker: &Breaker) -> String {
    let hint = "hint: find out who deletes, then `poolbridge resume --breaker`";
    format!("the breaker stays open: {}; {hint}", breaker.reason)
}

/// Marks and sends the account that was missed of everybody whom the breaker held.
pub(crate) async fn look_again(
    resources: &BridgeResources,
    held: HeldPeople,
) -> anyhow::Result<()> {
    let outbox = resources.queue.outbox();
    let count = held.missed.len();
    for (side, sub) in held.missed {
        let change = ChangeEvent {
            side,
            sub,
            at: resources.clock.now(),
            evidence: Evidence::Hint,
            password: false,
            administrator: false,
            claimed: false,
            id: resources.clock.nonce(),
        };
        let captured = Box::pin(capture(&resources.ledger, &outbox, &change)).await;
        captured.pending.context("marking the account")?;
        captured.message.context("sending the change")?;
    }
    terminal::say(&format!(
        "{} held by the breaker are looked at again",
        render::people_count(count)
    ));
    if held.more {
        terminal::say(&format!("more than {PEOPLE_MAX} are held; the sweep looks at the others"));
    }
    Ok(())
}

/// The person's account that was not there, or else the one whose password is to be closed.
fn missed(record: &PersonRecord) -> Option<(Side, Sub)> {
    let account = |held: &dyn Fn(Side) -> bool| {
        let side = Side::BOTH.into_iter().find(|side| held(*side))?;
        Some((side, record.accounts.get(side).as_ref()?.sub.clone()))
    };
    let gone = |side: Side| record.accounts.get(side).as_ref().is_some_and(|it| it.gone.is_some());
    let open = |side: Side| *record.passwords.open.get(side) == Some(Reason::Breaker);
    account(&gone).or_else(|| account(&open))
}
