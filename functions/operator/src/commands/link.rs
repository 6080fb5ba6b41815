//! `link` and `unlink`: an operator says that two accounts are one person, or that they are not.
//! Both write the state table alone, and then have the consumer look at both accounts.

use poolbridge_aws::wiring::Wired;
use poolbridge_core::converge::Work;
use poolbridge_core::converge::operator::{LinkError, Refusal};
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::Clock as _;
use poolbridge_core::side::{BySide, Side};

use super::Outcome;
use super::desk::{Desk, note};
use super::retry::send;
use crate::cli;
use crate::failure::Failure;
use crate::render::{self, span};
use crate::talk;

/// Links two accounts.
pub(crate) async fn link(
    desk: Desk,
    arguments: &cli::Link,
    yes: bool,
    json: bool,
) -> anyhow::Result<Outcome> {
    let wired = desk.wired().await?;
    let cli::Link { old, new, federated } = arguments;
    let subs = BySide { old: old.clone(), new: new.clone() };
    let bridge = wired.bridge();
    let pair = match Box::pin(bridge.check_link(&subs, *federated)).await {
        Ok(pair) => pair,
        Err(error) => return refused(error, "linking the accounts"),
    };
    let deletes = bridge.policy.deletes;
    if !talk::agreed(&render::link::plan(&pair, deletes), yes)? {
        return Ok(Outcome::Failed);
    }
    let linked = Box::pin(bridge.link_by_operator(&subs, *federated, &work(&wired))).await;
    let person = match linked {
        Ok(person) => person,
        Err(error) => return refused(error, "linking the accounts"),
    };
    note(&wired.ground, "link", &said(&subs)).await;
    look_at_both(&wired, &subs).await?;
    render::link::linked(&subs, &person, json)?;
    Ok(Outcome::Done)
}

/// Separates two accounts.
pub(crate) async fn unlink(
    desk: Desk,
    arguments: &cli::Unlink,
    yes: bool,
    json: bool,
) -> anyhow::Result<Outcome> {
    let wired = desk.wired().await?;
    let Some((side, sub)) = arguments.account() else {
        let hint = "`poolbridge help unlink` shows how to name one";
        return Err(Failure::new("no account is named", hint).into());
    };
    let bridge = wired.bridge();
    let person = match Box::pin(bridge.check_unlink(side, sub)).await {
        Ok(person) => person,
        Err(error) => return refused(error, "separating the accounts"),
    };
    if !talk::agreed(&render::link::unlink_plan(&person), yes)? {
        return Ok(Outcome::Failed);
    }
    let halves = match Box::pin(bridge.unlink_by_operator(side, sub, &work(&wired))).await {
        Ok(halves) => halves,
        Err(error) => return refused(error, "separating the accounts"),
    };
    let sub_of = |side: Side| halves.get(side).accounts.get(side).as_ref().map(|it| it.sub.clone());
    let (Some(old), Some(new)) = (sub_of(Side::Old), sub_of(Side::New)) else {
        return refused(Refusal::NotLinked.into(), "separating the accounts");
    };
    let subs = BySide { old, new };
    note(&wired.ground, "unlink", &said(&subs)).await;
    look_at_both(&wired, &subs).await?;
    render::link::unlinked(&subs, &halves, json)?;
    Ok(Outcome::Done)
}

/// A `sub` is a pseudonym and may stand in the operator log.
fn said(subs: &BySide<Sub>) -> [(&'static str, String); 2] {
    [("old", subs.old.as_str().to_owned()), ("new", subs.new.as_str().to_owned())]
}

fn work(wired: &Wired) -> Work {
    let deadline = wired.ground.clock.now() + limits::PERSON_TIME_MAX;
    Work { deadline, invocation_end: deadline, suspendable: true }
}

/// Notes a pending change on both accounts, and sends both. If that fails, the word is stored all
/// the same, and `retry` does what is left.
async fn look_at_both(wired: &Wired, subs: &BySide<Sub>) -> anyhow::Result<()> {
    for side in Side::BOTH {
        if let Err(error) = send(wired, side, subs.get(side)).await {
            let what = format!("it is done, but no message about the accounts was sent: {error:#}");
            let hint = format!("run `poolbridge retry old:{} new:{}`", subs.old, subs.new);
            return Err(Failure::new(what, hint).into());
        }
    }
    Ok(())
}

fn refused(error: LinkError, doing: &'static str) -> anyhow::Result<Outcome> {
    match error {
        LinkError::Failed(fault) => Err(anyhow::Error::from(fault).context(doing)),
        LinkError::Refused(Refusal::Busy(wait, reason)) => {
            talk::say(&format!("not yet, and nothing was written: the person is {reason}"));
            talk::say(&format!("hint: run it again in {}", span(wait)));
            Ok(Outcome::NotYet)
        }
        LinkError::Refused(refusal) => Err(failure(refusal).into()),
    }
}

/// A refusal in words, with what to do about it.
fn failure(refusal: Refusal) -> Failure {
    let (what, hint) = match refusal {
        Refusal::NoAccount(side) => (
            format!("the {side} pool has no account of that `sub`"),
            "copy the `sub` from the pool; `poolbridge explain SUB` shows which pool has it",
        ),
        Refusal::OtherPool(side) => (
            format!("--{side} names an account of the {} pool", side.other()),
            "name one account of each pool: --old takes the old pool's `sub`, --new the new pool's",
        ),
        Refusal::Unconfirmed(side) => (
            format!("the {side} pool's account is not confirmed, so its owner proved nothing"),
            "run it again once the account is confirmed",
        ),
        Refusal::LinkedElsewhere(side) => (
            format!("the {side} pool's account is linked to another account"),
            "look with `poolbridge explain SUB`; if that link is wrong, `poolbridge unlink` it first",
        ),
        Refusal::Deleted(side) => (
            format!("the person of the {side} pool's account was deleted"),
            "if the deleted account was another person's, `poolbridge unlink` the accounts first",
        ),
        Refusal::AlreadyLinked => (
            "the two accounts are linked already".to_owned(),
            "`poolbridge explain SUB` shows how they stand",
        ),
        Refusal::Federated => (
            "a federated account is linked only to one of the same provider and provider user id"
                .to_owned(),
            "add --federated if you know that both are one person's: the provider's address then \
             travels as verified, and its owner can reset the password of the local account",
        ),
        Refusal::Unknown => (
            "no person is known by that account".to_owned(),
            "copy the `sub` from the pool; an account without a record is not linked",
        ),
        Refusal::NotLinked => (
            "the account is linked to no other account".to_owned(),
            "`poolbridge explain SUB` shows the accounts of a person",
        ),
        Refusal::TooManySeparations => (
            format!("the person was separated from {} accounts", limits::SEPARATIONS_MAX),
            "find out what links this person again and again: accounts that share one address?",
        ),
        Refusal::Barred(reason) => (format!("not now: {reason}"), reason.hint()),
        Refusal::Busy(_, reason) => (format!("not yet: {reason}"), reason.hint()),
    };
    Failure::new(what, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_a_hint_and_its_own_words() {
        let refusals = [
            Refusal::NoAccount(Side::New),
            Refusal::OtherPool(Side::Old),
            Refusal::Unconfirmed(Side::New),
            Refusal::LinkedElsewhere(Side::Old),
            Refusal::Deleted(Side::New),
            Refusal::AlreadyLinked,
            Refusal::Federated,
            Refusal::Unknown,
            Refusal::NotLinked,
            Refusal::TooManySeparations,
        ];
        let mut said = std::collections::BTreeSet::new();
        for refusal in refusals {
            let failure = failure(refusal);
            assert!(!failure.hint.is_empty());
            assert!(said.insert(failure.to_string()), "said twice: {failure}");
        }
        let other = failure(Refusal::OtherPool(Side::Old)).to_string();
        assert_eq!(other, "--old names an account of the new pool");
    }
}
