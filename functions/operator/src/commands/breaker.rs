//! Closing the breaker: who was held by it is looked at again.

use anyhow::Context as _;
use poolbridge_aws::wiring::Ground;
use poolbridge_core::breaker::Breaker;
use poolbridge_core::capture::capture;
use poolbridge_core::change::{Change, Proof};
use poolbridge_core::entry::{Entry, State};
use poolbridge_core::names::Sub;
use poolbridge_core::ports::Clock as _;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_core::verdict::Reason;

use crate::render;
use crate::talk;

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
pub(crate) async fn held(ground: &Ground) -> anyhow::Result<HeldPeople> {
    let listed = ground.ledger.people(State::Held, PEOPLE_MAX).await;
    let people = listed.context("listing the people held")?;
    let held = people.people.iter().filter(|entry| entry.reason == Some(Reason::Breaker));
    let missed = held.filter_map(missed).collect();
    Ok(HeldPeople { missed, more: people.more })
}

/// Lets as many be removed now as were held, besides what an hour may hold: else the first few
/// would open the breaker again.
pub(crate) async fn allow(ground: &Ground, held: &HeldPeople) -> anyhow::Result<()> {
    let more = held.missed.len() as u64;
    let allowed = ground.ledger.allow_removals(ground.clock.now(), more).await;
    allowed.context("allowing removals")
}

/// What is said where it stays open.
pub(crate) fn still_open(breaker: &Breaker) -> String {
    let hint = "hint: find out who deletes, then `poolbridge resume --breaker`";
    format!("the breaker stays open: {}; {hint}", breaker.reason)
}

/// Marks and sends the account that was missed of everybody whom the breaker held.
pub(crate) async fn look_again(ground: &Ground, held: HeldPeople) -> anyhow::Result<()> {
    let outbox = ground.queue.outbox();
    let count = held.missed.len();
    for (side, sub) in held.missed {
        let change = Change {
            side,
            sub,
            at: ground.clock.now(),
            proof: Proof::Hint,
            password: false,
            administrator: false,
            claimed: false,
            id: ground.clock.nonce(),
        };
        let captured = Box::pin(capture(&ground.ledger, &outbox, &change)).await;
        captured.mark.context("marking the account")?;
        captured.message.context("sending the change")?;
    }
    talk::say(&format!("{} held by the breaker are looked at again", render::people_count(count)));
    if held.more {
        talk::say(&format!("more than {PEOPLE_MAX} are held; the sweep looks at the others"));
    }
    Ok(())
}

/// The person's account that was not there, or else the one whose password is to be closed.
fn missed(entry: &Entry) -> Option<(Side, Sub)> {
    let account = |held: &dyn Fn(Side) -> bool| {
        let side = Side::BOTH.into_iter().find(|side| held(*side))?;
        Some((side, entry.accounts.get(side).as_ref()?.sub.clone()))
    };
    let gone = |side: Side| entry.accounts.get(side).as_ref().is_some_and(|it| it.gone.is_some());
    let open = |side: Side| *entry.passwords.open.get(side) == Some(Reason::Breaker);
    account(&gone).or_else(|| account(&open))
}
