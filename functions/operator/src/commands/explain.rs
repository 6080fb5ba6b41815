//! `explain`: one person's whole story. Looks at both accounts, as the next apply would, and writes
//! nothing.

use anyhow::Context as _;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::{Clock as _, Ledger as _};
use poolbridge_core::side::Side;

use super::CommandResult;
use super::context::Context;
use crate::cli::{self, AccountArgs};
use crate::failure::Failure;
use crate::render::{self, explain::Story};

/// Tells it.
pub(crate) async fn run(
    context: Context,
    arguments: &cli::ExplainArgs,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let ports = context.ports().await?;
    let ledger = &ports.resources.ledger;
    let mut pending_changes = Vec::new();
    for side in arguments.who.sides() {
        let explanation = Box::pin(ports.bridge().explain(side, &arguments.who.sub)).await;
        let explanation = explanation.context("looking at the person")?;
        let Some(record) = explanation.record.clone() else {
            pending_changes.extend(pending(ledger, side, &arguments.who.sub).await?);
            continue;
        };
        for side in Side::BOTH {
            if let Some(known) = record.accounts.get(side) {
                pending_changes.extend(pending(ledger, side, &known.sub).await?);
            }
        }
        let now = ports.resources.clock.now();
        render::explain::show(&Story { record, explanation, pending_changes, now }, json)?;
        return Ok(CommandResult::Done);
    }
    Err(unknown(&arguments.who, !pending_changes.is_empty()).into())
}

async fn pending(
    ledger: &poolbridge_aws::dynamodb::DynamoLedger,
    side: Side,
    sub: &Sub,
) -> anyhow::Result<Option<poolbridge_core::change::PendingChange>> {
    ledger.read_pending(side, sub).await.context("reading the mark")
}

/// Nobody is known by that account (yet).
pub(crate) fn unknown(who: &AccountArgs, has_pending: bool) -> Failure {
    let sub = &who.sub;
    if has_pending {
        let hint = "it is marked and was not looked at yet; see `poolbridge status`";
        return Failure::new(format!("no person is known by the account {sub} yet"), hint);
    }
    let hint = "copy the `sub` from the pool; an account is known from its first change on, and \
                `poolbridge retry old:SUB` or new:SUB looks at one at once";
    Failure::new(format!("no person is known by the account {sub}"), hint)
}
