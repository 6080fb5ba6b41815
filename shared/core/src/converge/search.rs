//! Finding the other account of somebody who is known on one side, with proof (invariant 16).

use super::Run;
use crate::account::{Account, Handle, Status};
use crate::entry::Entry;
use crate::facts::Field;
use crate::fault::Fault;
use crate::law::Rule;
use crate::mapping;
use crate::names::{AttributeName, Sub};
use crate::plan::View;
use crate::policy::MatchBy;
use crate::ports::{Ledger, Pool, Ports, Search};
use crate::side::Side;
use crate::verdict::Reason;

/// What a search of the other pool came to.
pub(super) enum Found {
    /// This account, with proof, and the person that it belongs to, if one is known.
    Account(Box<Account>, Option<Box<Entry>>),
    /// Nobody.
    Nobody,
    /// Somebody, but nothing proves that it is the same human.
    Doubtful(Reason),
}

impl<P: Ports> Run<'_, P> {
    /// Looks for the person in the other pool.
    pub(super) async fn search(&self, side: Side, view: &View) -> Result<Found, Fault> {
        let match_by = &self.bridge.policy.match_by;
        let (field, search) = match match_by {
            MatchBy::Email => (Field::Email, Search::Email as fn(String) -> Search),
            MatchBy::Phone => (Field::Phone, Search::Phone as fn(String) -> Search),
            MatchBy::Username => {
                let search = Search::Username(view.account.username.clone());
                let found = self.holders(side.other(), &search, None).await?;
                // A bare username finds, and proves nothing.
                let found = !found.is_empty();
                let doubt = Found::Doubtful(Reason::Unproven);
                return Ok(if found { doubt } else { Found::Nobody });
            }
            MatchBy::OldSub(name) => return self.search_by_old_sub(side, view, name).await,
        };
        let Some(name) = self.bridge.policy.mapping.attribute(side, &field) else {
            return Ok(Found::Nobody);
        };
        let Some(address) = view.account.attributes.get(name).filter(|text| !text.is_empty())
        else {
            return Ok(Found::Nobody);
        };
        let search = search(address.clone());
        let mut there = self.holders(side.other(), &search, None).await?;
        let Some((account, person)) = there.pop() else { return Ok(Found::Nobody) };
        if !self.keeps(Rule::LinkWithProof) {
            return Ok(Found::Account(Box::new(account), person));
        }
        if !there.is_empty() {
            return Ok(Found::Doubtful(Reason::Ambiguous));
        }
        let proved =
            mapping::verified(&account, &field) && mapping::verified(&view.account, &field);
        if !proved {
            return Ok(Found::Doubtful(Reason::Unproven));
        }
        if !self.holders(side, &search, Some(&view.account.sub)).await?.is_empty() {
            return Ok(Found::Doubtful(Reason::Ambiguous));
        }
        Ok(Found::Account(Box::new(account), person))
    }

    /// Who a search finds on `side`, but for the account of `except`, each with the person that is known
    /// by it. An account that never confirmed proves and disproves nothing: anybody can make one. What is
    /// left of somebody who was deleted is nobody's to find any more (R26).
    async fn holders(
        &self,
        side: Side,
        search: &Search,
        except: Option<&Sub>,
    ) -> Result<Vec<(Account, Option<Box<Entry>>)>, Fault> {
        let mut holders = Vec::new();
        for account in self.bridge.ports.pool(side).find(search).await? {
            if account.status == Status::Unconfirmed || except == Some(&account.sub) {
                continue;
            }
            let person = self.ledger().find(side, &account.sub).await?.map(Box::new);
            let deleted = person.as_ref().is_some_and(|person| person.tombstone.is_some());
            if !deleted || !self.keeps(Rule::R26) {
                holders.push((account, person));
            }
        }
        Ok(holders)
    }

    /// The new pool's account names the old one's `sub`; no pool can be searched the other way round.
    async fn search_by_old_sub(
        &self,
        side: Side,
        view: &View,
        name: &AttributeName,
    ) -> Result<Found, Fault> {
        let said = view.account.attributes.get(name).filter(|_| side == Side::New);
        let Some(sub) = said.and_then(|text| Sub::try_from(text.as_str()).ok()) else {
            return Ok(Found::Nobody);
        };
        let writable = &self.bridge.ports.pool(Side::New).shape().await?.client_writable;
        if writable.contains(name) {
            return Ok(Found::Doubtful(Reason::Unproven));
        }
        let handle = Handle { sub: sub.clone(), username: None };
        let found = self.bridge.ports.pool(Side::Old).read(&handle).await?;
        let found = found.filter(|it| it.sub == sub && it.status != Status::Unconfirmed);
        let Some(account) = found else { return Ok(Found::Nobody) };
        let person = self.ledger().find(Side::Old, &sub).await?.map(Box::new);
        // What is left of somebody who was deleted is nobody's to find any more (R26).
        if person.as_ref().is_some_and(|person| person.tombstone.is_some()) {
            return Ok(Found::Nobody);
        }
        Ok(Found::Account(Box::new(account), person))
    }
}
