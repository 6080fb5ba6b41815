//! `explain`: one person's whole story. Looks at both accounts, as the next apply would, and writes
//! nothing.

use anyhow::Context as _;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::{Clock as _, Ledger as _};
use poolbridge_core::side::Side;

use super::Outcome;
use super::desk::Desk;
use crate::cli::{self, Who};
use crate::failure::Failure;
use crate::render::{self, explain::Story};

/// Tells it.
pub(crate) async fn run(
    desk: Desk,
    arguments: &cli::Explain,
    json: bool,
) -> anyhow::Result<Outcome> {
    let wired = desk.wired().await?;
    let ledger = &wired.ground.ledger;
    let mut marks = Vec::new();
    for side in arguments.who.sides() {
        let explanation = Box::pin(wired.bridge().explain(side, &arguments.who.sub)).await;
        let explanation = explanation.context("looking at the person")?;
        let Some(entry) = explanation.entry.clone() else {
            marks.extend(mark(ledger, side, &arguments.who.sub).await?);
            continue;
        };
        for side in Side::BOTH {
            if let Some(known) = entry.accounts.get(side) {
                marks.extend(mark(ledger, side, &known.sub).await?);
            }
        }
        let now = wired.ground.clock.now();
        render::explain::show(&Story { entry, explanation, marks, now }, json)?;
        return Ok(Outcome::Done);
    }
    Err(unknown(&arguments.who, !marks.is_empty()).into())
}

async fn mark(
    ledger: &poolbridge_aws::dynamodb::DynamoLedger,
    side: Side,
    sub: &Sub,
) -> anyhow::Result<Option<poolbridge_core::change::Mark>> {
    ledger.read_mark(side, sub).await.context("reading the mark")
}

/// Nobody is known by that account (yet).
pub(crate) fn unknown(who: &Who, marked: bool) -> Failure {
    let sub = &who.sub;
    if marked {
        let hint = "it is marked and was not looked at yet; see `poolbridge status`";
        return Failure::new(format!("no person is known by the account {sub} yet"), hint);
    }
    let hint = "copy the `sub` from the pool; an account is known from its first change on, and \
                `poolbridge retry old:SUB` or new:SUB looks at one at once";
    Failure::new(format!("no person is known by the account {sub}"), hint)
}
