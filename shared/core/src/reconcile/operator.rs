//! What an operator states about identity: two accounts belong to one person (`poolbridge link`),
//! or they do not (`poolbridge unlink`). Both commands read the pools and write the state table
//! only. apply then changes the pools, under the usual rules.

use std::ops::ControlFlow;
use std::time::Duration;

use thiserror::Error;

use super::lease::{Claimed, Ended, Leased, LeasedPair, Worker};
use super::merge_records::join_halves;
use super::observe::account_ref;
use super::{Bridge, Work};
use crate::account::{Account, AccountRef, Status};
use crate::control::{Control, Phase};
use crate::error::{ErrorKind, PortError};
use crate::limits;
use crate::names::{PersonId, Sub};
use crate::outcome::{Outcome, Reason};
use crate::ports::{Clock, Ledger, Pool, Ports, Search};
use crate::record::{Decision, DecisionKind, KnownAccount, PersonRecord, PersonState};
use crate::side::{BySide, Side};
use crate::time::Time;

/// Why two accounts are not linked, or not separated. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkRefusal {
    /// The pool `side` has no such account.
    NoAccount(Side),
    /// The account that was given for that pool is in the other pool.
    OtherPool(Side),
    /// The account in that pool is not confirmed: its owner has proved nothing yet.
    Unconfirmed(Side),
    /// The person of the account in that pool has, or had, another account in the other pool.
    LinkedElsewhere(Side),
    /// The person of the account in that pool was deleted (`DeletedNeverMatch`).
    Deleted(Side),
    /// The two accounts already belong to one person.
    AlreadyLinked,
    /// A federated account is linked to a local one, or to a federated one of another identity,
    /// only if the operator explicitly requests it.
    Federated,
    /// The account belongs to no known person.
    Unknown,
    /// The account is not linked to another one.
    NotLinked,
    /// The person was already separated from too many accounts (`limits::SEPARATIONS_MAX`).
    TooManySeparations,
    /// The bridge does not allow it now: a switch is announced, or the phase is `complete`.
    Barred(Reason),
    /// Another worker holds the person, or a write or creation is still open. Another attempt is
    /// useful after this time.
    Busy(Duration, Reason),
}

/// Why an operator's command failed.
#[derive(Debug, Error)]
pub enum LinkError {
    /// It would be wrong, or has to wait.
    #[error("refused")]
    Refused(LinkRefusal),
    /// A call failed.
    #[error(transparent)]
    Failed(#[from] PortError),
}

impl From<LinkRefusal> for LinkError {
    fn from(refusal: LinkRefusal) -> Self {
        Self::Refused(refusal)
    }
}

/// An account that an operator wants to link, as it was read. Its username is only compared, never
/// shown.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The account, without its groups.
    pub account: Account,
    /// The person of the account, if one is known.
    pub person: Option<PersonRecord>,
    /// When the read of the account began.
    began: Time,
}

impl<P: Ports> Bridge<'_, P> {
    /// Whether an operator can link these two accounts. Reads both, and writes nothing.
    ///
    /// `federated`: the operator allows a link between a federated and a local account. `link`
    /// alone does not, because more follows from it. From then on, the address that the identity
    /// provider asserts travels to the local account as verified, and a person who controls that
    /// address can reset its password (invariant 16).
    ///
    /// # Errors
    ///
    /// The refusal, or the call that failed.
    pub async fn check_link(
        &self,
        subs: &BySide<Sub>,
        federated: bool,
    ) -> Result<BySide<Candidate>, LinkError> {
        let people = BySide {
            old: self.ports.ledger().find(Side::Old, &subs.old).await?,
            new: self.ports.ledger().find(Side::New, &subs.new).await?,
        };
        for side in Side::BOTH {
            let Some(person) = people.get(side) else { continue };
            if person.tombstone.is_some() {
                return Err(LinkRefusal::Deleted(side).into());
            }
            let other = side.other();
            match person.accounts.get(other) {
                Some(known) if known.sub == *subs.get(other) => {
                    return Err(LinkRefusal::AlreadyLinked.into());
                }
                Some(_) => return Err(LinkRefusal::LinkedElsewhere(side).into()),
                None => {}
            }
        }
        let pair = BySide {
            old: self.candidate(Side::Old, &subs.old, people.old).await?,
            new: self.candidate(Side::New, &subs.new, people.new).await?,
        };
        if !federated && !self.of_one_kind(&pair.old.account, &pair.new.account) {
            return Err(LinkRefusal::Federated.into());
        }
        Ok(pair)
    }

    /// Whether both are local, or both have the same provider and provider user id.
    fn of_one_kind(&self, old: &Account, new: &Account) -> bool {
        if !old.federated() && !new.federated() {
            return true;
        }
        let exact = !self.policy.mapping.folds_case();
        let identity = Search::Username(old.username.clone());
        old.federated() && new.federated() && identity.finds(new, exact)
    }

    async fn candidate(
        &self,
        side: Side,
        sub: &Sub,
        person: Option<PersonRecord>,
    ) -> Result<Candidate, LinkError> {
        let known = person.as_ref().and_then(|person| person.accounts.get(side).as_ref());
        let unknown = || AccountRef { sub: sub.clone(), username: None };
        let mut asked = known.map_or_else(unknown, account_ref);
        let mut began = self.ports.clock().now();
        let mut found = self.account_of(side, &asked).await?;
        if let Some(account) = found.as_ref().filter(|_| asked.username.is_none()) {
            // A listing may have found it, and shows deleted accounts. So it is read directly.
            asked = account.account_ref();
            began = self.ports.clock().now();
            found = self.account_of(side, &asked).await?;
        }
        let Some(account) = found else {
            let elsewhere = self.account_of(side.other(), &unknown()).await?;
            let refusal =
                elsewhere.map_or(LinkRefusal::NoAccount(side), |_| LinkRefusal::OtherPool(side));
            return Err(refusal.into());
        };
        if account.status == Status::Unconfirmed {
            return Err(LinkRefusal::Unconfirmed(side).into());
        }
        Ok(Candidate { account, person, began })
    }

    /// The account with that `sub`. A reused username may belong to another account (`SameSub`).
    async fn account_of(
        &self,
        side: Side,
        account_ref: &AccountRef,
    ) -> Result<Option<Account>, PortError> {
        let found = self.ports.pool(side).read(account_ref).await?;
        Ok(found.filter(|account| account.sub == account_ref.sub))
    }

    /// Links two accounts because an operator states that they belong to one person. Checks them
    /// like [`Bridge::check_link`] and makes one person of them, in one transaction under both
    /// leases (`LinkInOneTransaction` to `JoinUnderLease`). They have no baseline: the first-link
    /// rules decide what travels. The caller then stores a pending change for both accounts.
    ///
    /// # Errors
    ///
    /// The refusal, or the call that failed. A call that failed may have been carried out.
    pub async fn link_by_operator(
        &self,
        subs: &BySide<Sub>,
        federated: bool,
        work: &Work,
    ) -> Result<PersonId, LinkError> {
        let pair = self.check_link(subs, federated).await?;
        let old = self.half(Side::Old, pair.old).await?;
        let new = self.half(Side::New, pair.new).await?;
        let worker = self.operator(work);
        let busy = LinkError::from(LinkRefusal::Busy(limits::RETRY_SOON, Reason::Busy));
        for half in [&old, &new] {
            worker.free(half)?;
            if half.creation.is_some() || half.intent.is_some() {
                // The other account may come from the open creation, which is resolved first
                // (`ResolveCreationFirst`).
                return Err(LinkRefusal::Busy(limits::RETRY_SOON, Reason::Settling).into());
            }
        }
        let Claimed::Leased(old) = worker.claim(&old).await? else { return Err(busy) };
        let ControlFlow::Continue(pair) = worker.claim_both(old, new).await? else {
            return Err(busy);
        };
        Ok(self.link_under_leases(&worker, pair, subs).await?.result()?)
    }

    async fn link_under_leases(
        &self,
        worker: &Worker<'_, P>,
        pair: LeasedPair,
        subs: &BySide<Sub>,
    ) -> Result<Ended<Result<PersonId, LinkRefusal>>, PortError> {
        // `IntentChecksPhase`: read after both claims.
        if let Some(reason) = no_more(&self.ports.ledger().control().await?) {
            let released = worker.release_both(pair).await?;
            return Ok(released.with(Err(LinkRefusal::Barred(reason))));
        }
        let before = [pair.ours().state, pair.theirs().state];
        let mut pair = pair.older_first();
        let (kept, absorbed) = pair.kept_and_absorbed();
        join_halves(kept, absorbed);
        for side in Side::BOTH {
            kept.apart.forget(side, subs.get(side));
        }
        let now = worker.now();
        (kept.baseline, kept.failed_lookup, kept.failure) = (None, None, None);
        (kept.state, kept.reason) = (PersonState::Waiting, Some(Reason::Settling));
        kept.linked = Some(now);
        let kind = DecisionKind::LinkedByOperator;
        kept.decide(Decision { at: now, kind, fields: Vec::new(), side: None, reason: None });
        kept.not_before = kept.not_before.max(now + self.policy.bound());
        kept.updated = now;
        let kept = worker.merge_and_release(pair).await?;
        for state in before {
            let _ = self.ports.ledger().count(Some(state), None).await;
        }
        let _ = self.ports.ledger().count(None, Some(kept.state)).await;
        let id = kept.id.clone();
        Ok(kept.with(Ok(id)))
    }

    /// The record of a candidate: the known one, or a new one.
    async fn half(&self, side: Side, candidate: Candidate) -> Result<PersonRecord, LinkError> {
        if let Some(person) = candidate.person {
            return Ok(person);
        }
        let Account { sub, username, .. } = candidate.account;
        let known =
            KnownAccount { sub, username, seen: candidate.began, written: None, gone: None };
        let id = PersonId::from_nonce(self.ports.clock().nonce());
        let record = PersonRecord::new(id, side, known, self.ports.clock().now());
        match self.ports.ledger().begin(&record).await {
            Ok(()) => {
                let _ = self.ports.ledger().count(None, Some(record.state)).await;
                Ok(record)
            }
            // A worker created a record for the account first.
            Err(error) if error.kind == ErrorKind::Exists => {
                Err(LinkRefusal::Busy(limits::RETRY_SOON, Reason::Contended).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The person of that account, if it can be separated from its other account. Writes nothing.
    ///
    /// # Errors
    ///
    /// The refusal, or the call that failed.
    pub async fn check_unlink(&self, side: Side, sub: &Sub) -> Result<PersonRecord, LinkError> {
        let found = self.ports.ledger().find(side, sub).await?;
        let person = found.ok_or(LinkRefusal::Unknown)?;
        let other = side.other();
        if person.accounts.get(side).is_none() || person.accounts.get(other).is_none() {
            return Err(LinkRefusal::NotLinked.into());
        }
        let full = |side: Side| person.apart.of(side).len() >= limits::SEPARATIONS_MAX;
        if Side::BOTH.into_iter().any(full) {
            return Err(LinkRefusal::TooManySeparations.into());
        }
        Ok(person)
    }

    /// Separates the two accounts of a person, in one transaction under the person's lease. Each
    /// account becomes a person of its own, and no search links them again. Neither pool is
    /// written, and what the link caused stays as it is. A deletion of one account no longer
    /// affects the other. Returns the two people; the caller then stores a pending change for both
    /// accounts.
    ///
    /// # Errors
    ///
    /// The refusal, or the call that failed. A call that failed may have been carried out.
    pub async fn unlink_by_operator(
        &self,
        side: Side,
        sub: &Sub,
        work: &Work,
    ) -> Result<BySide<PersonRecord>, LinkError> {
        let person = self.check_unlink(side, sub).await?;
        let worker = self.operator(work);
        // Waits for a write that may still land (`IntentSettlesFirst`): it would reach an
        // account that then belongs to another person, unseen.
        worker.free(&person)?;
        let Claimed::Leased(person) = worker.claim(&person).await? else {
            return Err(LinkRefusal::Busy(limits::RETRY_SOON, Reason::Busy).into());
        };
        Ok(self.unlink_under_lease(&worker, person).await?.result()?)
    }

    async fn unlink_under_lease(
        &self,
        worker: &Worker<'_, P>,
        person: Leased,
    ) -> Result<Ended<Result<BySide<PersonRecord>, LinkRefusal>>, PortError> {
        if let Some(reason) = no_more(&self.ports.ledger().control().await?) {
            return Ok(worker.release(person).await?.with(Err(LinkRefusal::Barred(reason))));
        }
        let now = worker.now();
        let id = PersonId::from_nonce(self.ports.clock().nonce());
        let Some(halves) = person.separated(&id, now, now + self.policy.bound()) else {
            return Ok(worker.release(person).await?.with(Err(LinkRefusal::NotLinked)));
        };
        let before = person.state;
        let separated = worker.separate(person, &halves).await?;
        let _ = self.ports.ledger().count(Some(before), Some(halves.old.state)).await;
        let _ = self.ports.ledger().count(None, Some(halves.new.state)).await;
        Ok(separated.with(Ok(halves)))
    }
}

impl<P: Ports> Worker<'_, P> {
    /// Whether no worker holds the person and none of their writes can still land.
    fn free(&self, person: &PersonRecord) -> Result<(), LinkRefusal> {
        match self.too_early(person, self.now()) {
            Some(Outcome::Retry(wait, reason)) => Err(LinkRefusal::Busy(wait, reason)),
            Some(_) | None => Ok(()),
        }
    }
}

/// Why no link is made or undone now. A pause stops neither: both write only the table.
const fn no_more(control: &Control) -> Option<Reason> {
    match control.phase {
        Phase::Complete => Some(Reason::Complete),
        Phase::Prepare | Phase::Follow | Phase::Switched if control.closing => {
            Some(Reason::Closing)
        }
        Phase::Prepare | Phase::Follow | Phase::Switched => None,
    }
}
