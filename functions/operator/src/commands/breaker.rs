//! `resume --breaker`: closes the circuit breaker and processes the people that it holds.

use anyhow::Context as _;
use poolbridge_aws::bridge::BridgeResources;
use poolbridge_core::breaker::Breaker;
use poolbridge_core::control::Control;
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::Reason;
use poolbridge_core::ports::Clock as _;
use poolbridge_core::record::{PersonRecord, PersonState};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::hint;
use crate::render;
use crate::terminal;

/// The most held people that one command lists. The sweep returns to the others.
const PEOPLE_MAX: usize = 20_000;

/// The people that the breaker holds.
pub(crate) struct HeldPeople {
    /// For each person, the account that apply must process.
    accounts: Vec<(Side, Sub)>,
    /// Whether there are more than [`PEOPLE_MAX`].
    more: bool,
}

/// What closing it does, for the plan.
pub(crate) fn plan(breaker: &Breaker, held: &HeldPeople, now: Time) -> String {
    let (when, people) = (render::ago(breaker.since, now), held.accounts.len());
    format!(
        "close the circuit breaker, which opened {when} ({}), and process the {} that it holds",
        breaker.reason,
        render::people_count(people)
    )
}

/// Lists the people that the breaker holds. People who are held for another reason are not touched.
pub(crate) async fn held(resources: &BridgeResources) -> anyhow::Result<HeldPeople> {
    let listed = resources.ledger.people(PersonState::Held, PEOPLE_MAX).await;
    let people = listed.context("listing the held people")?;
    let held = people.people.iter().filter(|record| record.reason == Some(Reason::Breaker));
    let accounts = held.filter_map(account).collect();
    Ok(HeldPeople { accounts, more: people.more })
}

/// Adds the number of held people to the limit of this hour. Otherwise the first of them would open
/// the breaker again.
pub(crate) async fn allow(resources: &BridgeResources, held: &HeldPeople) -> anyhow::Result<()> {
    let more = held.accounts.len() as u64;
    let allowed = resources.ledger.allow_removals(resources.clock.now(), more).await;
    allowed.context("raising the limit of removals")
}

/// The message if `resume` runs without `--breaker`.
pub(crate) fn still_open(breaker: &Breaker, control: &Control) -> String {
    let hint = render::breaker_hint(control);
    format!("the circuit breaker stays open: {}; {hint}", breaker.reason)
}

/// Makes apply process the people that the breaker held.
pub(crate) async fn process(resources: &BridgeResources, held: &HeldPeople) -> anyhow::Result<()> {
    for (side, sub) in &held.accounts {
        hint::send(resources, *side, sub).await?;
    }
    let people = render::people_count(held.accounts.len());
    terminal::message(&format!("sent for processing: {people} held by the circuit breaker"));
    if held.more {
        let more =
            format!("the breaker held more than {PEOPLE_MAX} people; the sweep finds the others");
        terminal::message(&more);
    }
    Ok(())
}

/// The person's account that was not found, or else the one whose password waits to be closed.
fn account(record: &PersonRecord) -> Option<(Side, Sub)> {
    let first = |is_held: &dyn Fn(Side) -> bool| {
        let side = Side::BOTH.into_iter().find(|side| is_held(*side))?;
        Some((side, record.accounts.get(side).as_ref()?.sub.clone()))
    };
    let gone = |side: Side| record.accounts.get(side).as_ref().is_some_and(|it| it.gone.is_some());
    let open = |side: Side| *record.passwords.open.get(side) == Some(Reason::Breaker);
    first(&gone).or_else(|| first(&open))
}
