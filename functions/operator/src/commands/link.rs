//! `link` and `unlink`: link two accounts as one person, or separate them. Both commands write only
//! the state table, and then make apply process both accounts.

use poolbridge_aws::bridge::BridgePorts;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::reconcile::operator::{LinkError, LinkRefusal};
use poolbridge_core::side::{BySide, Side};

use super::CommandResult;
use super::context::{Context, journal, work};
use super::hint;
use crate::cli;
use crate::failure::Failure;
use crate::render::{self, span};
use crate::terminal;

/// Links two accounts.
pub(crate) async fn link(
    context: Context,
    arguments: &cli::LinkArgs,
    yes: bool,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let ports = context.ports().await?;
    let cli::LinkArgs { old, new, federated } = arguments;
    let subs = BySide { old: old.clone(), new: new.clone() };
    let bridge = ports.bridge();
    let pair = match Box::pin(bridge.check_link(&subs, *federated)).await {
        Ok(pair) => pair,
        Err(error) => return refused(error, "linking the accounts"),
    };
    let deletes = bridge.policy.deletes;
    if !terminal::confirm(&render::link::plan(&pair, deletes), yes)? {
        return Ok(CommandResult::Failed);
    }
    let linked = Box::pin(bridge.link_by_operator(&subs, *federated, &work(&ports))).await;
    let person = match linked {
        Ok(person) => person,
        Err(error) => return refused(error, "linking the accounts"),
    };
    journal(&ports.resources, "link", &details(&subs)).await;
    process_both(&ports, &subs).await?;
    render::link::linked(&subs, &person, json)?;
    Ok(CommandResult::Done)
}

/// Separates two accounts.
pub(crate) async fn unlink(
    context: Context,
    arguments: &cli::UnlinkArgs,
    yes: bool,
    json: bool,
) -> anyhow::Result<CommandResult> {
    let ports = context.ports().await?;
    let Some((side, sub)) = arguments.account() else {
        let hint = "name it with --old SUB or --new SUB";
        return Err(Failure::new("no account is named", hint).into());
    };
    let bridge = ports.bridge();
    let person = match Box::pin(bridge.check_unlink(side, sub)).await {
        Ok(person) => person,
        Err(error) => return refused(error, "separating the accounts"),
    };
    if !terminal::confirm(&render::link::unlink_plan(&person), yes)? {
        return Ok(CommandResult::Failed);
    }
    let halves = match Box::pin(bridge.unlink_by_operator(side, sub, &work(&ports))).await {
        Ok(halves) => halves,
        Err(error) => return refused(error, "separating the accounts"),
    };
    let sub_of = |side: Side| halves.get(side).accounts.get(side).as_ref().map(|it| it.sub.clone());
    let (Some(old), Some(new)) = (sub_of(Side::Old), sub_of(Side::New)) else {
        return refused(LinkRefusal::NotLinked.into(), "separating the accounts");
    };
    let subs = BySide { old, new };
    journal(&ports.resources, "unlink", &details(&subs)).await;
    process_both(&ports, &subs).await?;
    render::link::unlinked(&subs, &halves, json)?;
    Ok(CommandResult::Done)
}

/// The details in the journal. It may hold a `sub`, which is a pseudonym.
fn details(subs: &BySide<Sub>) -> [(&'static str, String); 2] {
    [("old", subs.old.as_str().to_owned()), ("new", subs.new.as_str().to_owned())]
}

/// Makes apply process both accounts. If that fails, the table is written already, and `retry` does
/// the rest.
async fn process_both(ports: &BridgePorts, subs: &BySide<Sub>) -> anyhow::Result<()> {
    for side in Side::BOTH {
        if let Err(error) = hint::send(&ports.resources, side, subs.get(side)).await {
            let what = format!("the table is written, but no message was sent: {error:#}");
            let hint = format!("run `poolbridge retry old:{} new:{}`", subs.old, subs.new);
            return Err(Failure::new(what, hint).into());
        }
    }
    Ok(())
}

fn refused(error: LinkError, doing: &'static str) -> anyhow::Result<CommandResult> {
    match error {
        LinkError::Failed(error) => Err(anyhow::Error::from(error).context(doing)),
        LinkError::Refused(LinkRefusal::Busy(wait, reason)) => {
            terminal::message(&format!("not yet: nothing was written, the person is {reason}"));
            terminal::message(&format!("hint: run it again in {}", span(wait)));
            Ok(CommandResult::NotYet)
        }
        LinkError::Refused(refusal) => Err(failure(refusal).into()),
    }
}

/// The failure for a refusal.
fn failure(refusal: LinkRefusal) -> Failure {
    let (what, hint) = match refusal {
        LinkRefusal::NoAccount(side) => (
            format!("the {side} pool has no account with that `sub`"),
            "copy the `sub` from the pool; `poolbridge explain SUB` shows which pool has it",
        ),
        LinkRefusal::OtherPool(side) => (
            format!("--{side} names an account of the {} pool", side.other()),
            "name one account of each pool: --old takes the old pool's `sub`, --new the new pool's",
        ),
        LinkRefusal::Unconfirmed(side) => (
            format!("the {side} pool's account is not confirmed, so it proves no identity"),
            "run it again once the account is confirmed",
        ),
        LinkRefusal::LinkedElsewhere(side) => (
            format!("the {side} pool's account is linked to another account"),
            "see `poolbridge explain SUB`; if that link is wrong, `poolbridge unlink` it first",
        ),
        LinkRefusal::Deleted(side) => (
            format!("the person of the {side} pool's account was deleted"),
            "if the deleted account was another person's, `poolbridge unlink` the accounts first",
        ),
        LinkRefusal::AlreadyLinked => (
            "the two accounts are linked already".to_owned(),
            "`poolbridge explain SUB` shows their state",
        ),
        LinkRefusal::Federated => (
            "a federated account links only to one with the same provider and provider user id"
                .to_owned(),
            "add --federated if both belong to one person: the provider's address then travels as \
             verified, and its owner can reset the password of the local account",
        ),
        LinkRefusal::Unknown => (
            "no person record holds that account".to_owned(),
            "copy the `sub` from the pool; an account without a record is not linked",
        ),
        LinkRefusal::NotLinked => (
            "the account is linked to no other account".to_owned(),
            "`poolbridge explain SUB` shows the accounts of a person",
        ),
        LinkRefusal::TooManySeparations => (
            format!("the person was separated from {} accounts", limits::SEPARATIONS_MAX),
            "find out what links this person repeatedly, such as accounts that share an address",
        ),
        LinkRefusal::Barred(reason) => (format!("not now: {reason}"), reason.hint()),
        LinkRefusal::Busy(_, reason) => (format!("not yet: {reason}"), reason.hint()),
    };
    Failure::new(what, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_a_hint_and_its_own_text() {
        let refusals = [
            LinkRefusal::NoAccount(Side::New),
            LinkRefusal::OtherPool(Side::Old),
            LinkRefusal::Unconfirmed(Side::New),
            LinkRefusal::LinkedElsewhere(Side::Old),
            LinkRefusal::Deleted(Side::New),
            LinkRefusal::AlreadyLinked,
            LinkRefusal::Federated,
            LinkRefusal::Unknown,
            LinkRefusal::NotLinked,
            LinkRefusal::TooManySeparations,
        ];
        let mut texts = std::collections::BTreeSet::new();
        for refusal in refusals {
            let failure = failure(refusal);
            assert!(!failure.hint.is_empty());
            assert!(texts.insert(failure.to_string()), "two refusals have the text: {failure}");
        }
        let other = failure(LinkRefusal::OtherPool(Side::Old)).to_string();
        assert_eq!(other, "--old names an account of the new pool");
    }
}
