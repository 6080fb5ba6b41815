//! `explain`: everything about one person. Reads both accounts, as the next run of apply would, and
//! writes nothing.

use anyhow::Context as _;
use poolbridge_aws::dynamodb::DynamoLedger;
use poolbridge_core::change::PendingChange;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::{Clock as _, Ledger as _};
use poolbridge_core::side::Side;

use super::CommandResult;
use super::context::Context;
use crate::cli::{self, NamedAccount};
use crate::failure::Failure;
use crate::render::{self, explain::ExplainView};

/// Finds the person and shows the explanation.
pub(crate) async fn run(
    context: Context,
    arguments: &cli::ExplainArgs,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let ports = context.ports().await?;
    let ledger = &ports.resources.ledger;
    let account = &arguments.account;
    let mut pending_changes = Vec::new();
    for side in account.sides() {
        let explanation = Box::pin(ports.bridge().explain(side, &account.sub)).await;
        let explanation = explanation.context("reading the person")?;
        let Some(record) = explanation.record.clone() else {
            pending_changes.extend(pending(ledger, side, &account.sub).await?);
            continue;
        };
        for side in Side::BOTH {
            if let Some(known) = record.accounts.get(side) {
                pending_changes.extend(pending(ledger, side, &known.sub).await?);
            }
        }
        let now = ports.resources.clock.now();
        render::explain::show(&ExplainView { record, explanation, pending_changes, now }, json)?;
        return Ok(CommandResult::Done);
    }
    Err(unknown(account, !pending_changes.is_empty()).into())
}

async fn pending(
    ledger: &DynamoLedger,
    side: Side,
    sub: &Sub,
) -> anyhow::Result<Option<PendingChange>> {
    ledger.read_pending(side, sub).await.context("reading the pending change")
}

/// No person record holds the account.
pub(crate) fn unknown(account: &NamedAccount, has_pending: bool) -> Failure {
    let what = format!("no person record holds the account {}", account.sub);
    let hint = if has_pending {
        "its pending change is not processed yet; check the queue with `poolbridge status`"
    } else {
        "copy the `sub` from the pool. An account gets a record with its first change; `poolbridge \
         retry old:SUB` or new:SUB processes it now"
    };
    Failure::new(what, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_account_matches_the_golden_file() {
        let sub = Sub::try_from("sub-of-old").unwrap();
        let account = NamedAccount { side: None, sub };
        let shown = |has_pending| {
            crate::terminal::error_text(&anyhow::Error::from(unknown(&account, has_pending)))
        };
        crate::render::golden("explain-unknown", &shown(false));
        assert!(shown(true).contains("its pending change is not processed yet"));
    }
}
