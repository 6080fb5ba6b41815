//! Closing the breaker: who was held by it is looked at again.

use anyhow::Context as _;
use poolbridge_aws::wiring::Ground;
use poolbridge_core::breaker::Breaker;
use poolbridge_core::capture::capture;
use poolbridge_core::change::{Change, Proof};
use poolbridge_core::entry::{Entry, State};
use poolbridge_core::ports::Clock as _;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_core::verdict::Reason;

use crate::render;
use crate::talk;

/// People listed in one go; the sweep finds whoever is beyond.
const PEOPLE_MAX: usize = 1_000;

/// What closing it means, for the plan that is shown before it is done.
pub(crate) fn plan(breaker: &Breaker, now: Time) -> String {
    let when = render::ago(breaker.since, now);
    format!(", close the breaker (tripped {when}: {}) and look at whom it held", breaker.reason)
}

/// What is said where it stays open.
pub(crate) fn still_open(breaker: &Breaker) -> String {
    let hint = "hint: find out who deletes, then `poolbridge resume --breaker`";
    format!("the breaker stays open: {}; {hint}", breaker.reason)
}

/// Marks and sends the account that was missed of everybody whom the breaker held. What is held for
/// another reason is left alone.
pub(crate) async fn look_again(ground: &Ground) -> anyhow::Result<()> {
    let listed = ground.ledger.people(State::Held, PEOPLE_MAX).await;
    let people = listed.context("listing the people held")?;
    let held = people.people.iter().filter(|entry| entry.reason == Some(Reason::Breaker));
    let mut sent = 0;
    for (side, entry) in held.filter_map(|entry| Some((missed(entry)?, entry))) {
        let Some(known) = entry.accounts.get(side) else { continue };
        let change = Change {
            side,
            sub: known.sub.clone(),
            at: ground.clock.now(),
            proof: Proof::Hint,
            password: false,
            id: ground.clock.nonce(),
        };
        let outbox = ground.queue.outbox();
        let captured = Box::pin(capture(&ground.ledger, &outbox, &change)).await;
        captured.mark.context("marking the account")?;
        captured.message.context("sending the change")?;
        sent += 1;
    }
    talk::say(&format!("{} held by the breaker are looked at again", render::people_count(sent)));
    if people.more {
        talk::say(&format!("more than {PEOPLE_MAX} are held; the sweep looks at the others"));
    }
    Ok(())
}

/// The side on which the person's account was not there.
fn missed(entry: &Entry) -> Option<Side> {
    let gone = |side: &Side| {
        let known = entry.accounts.get(*side).as_ref();
        known.is_some_and(|known| known.gone.is_some())
    };
    Side::BOTH.into_iter().find(gone)
}
