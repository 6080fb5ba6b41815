//! Finds the other account of a person with one known account, with proof (invariant 16).

use std::collections::BTreeMap;

use super::Run;
use crate::account::{Account, AccountRef, Status};
use crate::error::PortError;
use crate::mapping;
use crate::names::{AttributeName, Sub};
use crate::outcome::Reason;
use crate::plan::Observation;
use crate::policy::{MatchBy, Provision};
use crate::ports::{Ledger, Pool, Ports, Search, SearchAnswer};
use crate::profile::Field;
use crate::record::PersonRecord;
use crate::rules::Rule;
use crate::side::Side;

/// The result of a search of the other pool.
pub(super) enum SearchResult {
    /// This account, with proof, and its person, if one is known.
    Account(Box<Account>, Option<Box<PersonRecord>>),
    /// No account that counts.
    NotFound,
    /// An account that is not proved to be the same human's; or the pool cannot be searched.
    Doubtful(Reason),
}

/// A found account, with its person, if one is known.
type FoundAccount = (Account, Option<Box<PersonRecord>>);

/// Found accounts that hold an address, by whether their pool shows it as verified.
#[derive(Default)]
struct FoundAccounts {
    /// Accounts whose address is verified.
    proved: Vec<FoundAccount>,
    /// Accounts that only claim it.
    claimed: Vec<FoundAccount>,
}

impl<P: Ports> Run<'_, P> {
    /// Searches the other pool for the person. An account from which an operator separated them
    /// does not count as theirs, whatever it proves. It still counts as a holder of its address.
    pub(super) async fn search(
        &self,
        record: &PersonRecord,
        side: Side,
        observation: &Observation,
    ) -> Result<SearchResult, PortError> {
        let apart = record.apart.of(side.other());
        Ok(match self.search_all(side, observation).await? {
            SearchResult::Account(account, _) if apart.contains(&account.sub) => {
                SearchResult::NotFound
            }
            found @ (SearchResult::Account(..)
            | SearchResult::NotFound
            | SearchResult::Doubtful(_)) => found,
        })
    }

    /// Why no account is created in `to` after an operator separated this person from an account
    /// there: a second account would hold the same address. `None` with lazy provisioning.
    pub(super) fn separated(&self, record: &PersonRecord, to: Side) -> Option<Reason> {
        let eager = *self.bridge.policy.provision.get(to) == Provision::Eager;
        (eager && !record.apart.of(to).is_empty()).then_some(Reason::Separated)
    }

    async fn search_all(
        &self,
        side: Side,
        observation: &Observation,
    ) -> Result<SearchResult, PortError> {
        if observation.account.federated() {
            return self.search_by_identity(side, observation).await;
        }
        let (field, search) = match &self.bridge.policy.match_by {
            MatchBy::Email => (Field::Email, Search::Email as fn(String) -> Search),
            MatchBy::Phone => (Field::Phone, Search::Phone as fn(String) -> Search),
            MatchBy::Username => {
                let search = Search::Username(observation.account.username.clone());
                // A username alone finds an account and proves nothing.
                return Ok(match self.local_holders(side.other(), &search, None).await? {
                    None => SearchResult::Doubtful(Reason::CannotBeSearched),
                    Some(holders) if holders.is_empty() => SearchResult::NotFound,
                    Some(_) => SearchResult::Doubtful(Reason::Unproven),
                });
            }
            MatchBy::OldSub(name) => return self.search_by_old_sub(side, observation, name).await,
        };
        let Some(name) = self.bridge.policy.mapping.attribute(side, &field) else {
            return Ok(SearchResult::NotFound);
        };
        let Some(address) =
            observation.account.attributes.get(name).filter(|text| !text.is_empty())
        else {
            return Ok(SearchResult::NotFound);
        };
        self.search_by_address(side, observation, &field, name, &search(address.clone())).await
    }

    /// Searches for the one local account of the other pool that verified the same address, and
    /// checks that no other account of this account's own pool verified it.
    ///
    /// An account that only claims the address counts only if usernames are addresses: then it owns
    /// the name (invariant 13).
    async fn search_by_address(
        &self,
        side: Side,
        observation: &Observation,
        field: &Field,
        name: &AttributeName,
        search: &Search,
    ) -> Result<SearchResult, PortError> {
        let other = side.other();
        let cannot = Ok(SearchResult::Doubtful(Reason::CannotBeSearched));
        let Some(holders) = self.local_holders(other, search, None).await? else { return cannot };
        if !self.keeps(Rule::LinkWithProof) {
            let any = holders.into_iter().next_back();
            return Ok(any.map_or(SearchResult::NotFound, |(account, person)| {
                SearchResult::Account(Box::new(account), person)
            }));
        }
        let FoundAccounts { mut proved, claimed } = by_proof(holders, field);
        let mine = mapping::verified(&observation.account, field);
        let named = self.is_username(other, name).await?;
        if proved.len() + if named { claimed.len() } else { 0 } > 1 {
            return Ok(SearchResult::Doubtful(Reason::Ambiguous));
        }
        let Some((account, person)) = proved.pop() else {
            let counts = !claimed.is_empty() && (named || !mine);
            return Ok(if counts {
                SearchResult::Doubtful(Reason::Unproven)
            } else {
                SearchResult::NotFound
            });
        };
        if !mine {
            return Ok(SearchResult::Doubtful(Reason::Unproven));
        }
        let Some(rivals) = self.local_holders(side, search, Some(&observation.account.sub)).await?
        else {
            return cannot;
        };
        let rivals = by_proof(rivals, field);
        let named = self.is_username(side, name).await?;
        if !rivals.proved.is_empty() || (named && !rivals.claimed.is_empty()) {
            return Ok(SearchResult::Doubtful(Reason::Ambiguous));
        }
        Ok(SearchResult::Account(Box::new(account), person))
    }

    /// Searches for the federated account of the same provider and provider user id. No address
    /// links a federated account, because its provider can assert any address.
    async fn search_by_identity(
        &self,
        side: Side,
        observation: &Observation,
    ) -> Result<SearchResult, PortError> {
        let search = Search::Username(observation.account.username.clone());
        let Some(mut found) = self.listed(side.other(), &search).await? else {
            return Ok(SearchResult::Doubtful(Reason::CannotBeSearched));
        };
        found.retain(Account::federated);
        let mut found = self.with_people(side.other(), found).await?;
        let Some((account, person)) = found.pop() else { return Ok(SearchResult::NotFound) };
        if !found.is_empty() {
            return Ok(SearchResult::Doubtful(Reason::Ambiguous));
        }
        Ok(SearchResult::Account(Box::new(account), person))
    }

    /// The local accounts that a search finds in `side`, without the account `except`, each with
    /// its person. An unconfirmed account neither proves nor disproves anything, because a stranger
    /// can create one. A federated account is no match for a local one. `None`: the pool cannot be
    /// searched for that value.
    async fn local_holders(
        &self,
        side: Side,
        search: &Search,
        except: Option<&Sub>,
    ) -> Result<Option<Vec<FoundAccount>>, PortError> {
        let Some(mut found) = self.listed(side, search).await? else { return Ok(None) };
        found.retain(|account| {
            let counts = account.status != Status::Unconfirmed && !account.federated();
            counts && except != Some(&account.sub)
        });
        self.with_people(side, found).await.map(Some)
    }

    /// Adds the person of each account. No search finds the remaining account of a deleted person
    /// (`DeletedNeverMatch`).
    async fn with_people(
        &self,
        side: Side,
        found: Vec<Account>,
    ) -> Result<Vec<FoundAccount>, PortError> {
        let mut holders = Vec::new();
        for account in found {
            let person = self.ledger().find(side, &account.sub).await?.map(Box::new);
            let deleted = person.as_ref().is_some_and(|person| person.tombstone.is_some());
            if !deleted || !self.keeps(Rule::DeletedNeverMatch) {
                holders.push((account, person));
            }
        }
        Ok(holders)
    }

    /// Every account of `side` that holds the value, in any spelling if the bridge ignores case.
    /// `None`: the pool cannot be searched for it.
    pub(super) async fn listed(
        &self,
        side: Side,
        search: &Search,
    ) -> Result<Option<Vec<Account>>, PortError> {
        let pool = self.bridge.ports.pool(side);
        let schema = pool.schema().await?;
        let folds = self.bridge.policy.mapping.folds_case();
        let spellings =
            if folds { search.spellings(schema.case_sensitive) } else { vec![search.clone()] };
        let mut found = BTreeMap::new();
        for spelling in spellings {
            // No account can hold a value of that length, so no call is needed.
            if !spelling.is_worth_asking(&schema) {
                continue;
            }
            match pool.find(&spelling).await? {
                SearchAnswer::Accounts(accounts) => {
                    let holds = |account: &Account| search.finds(account, !folds);
                    let accounts = accounts.into_iter().filter(holds);
                    found.extend(accounts.map(|account| (account.sub.clone(), account)));
                }
                SearchAnswer::CannotBeSearched => return Ok(None),
            }
        }
        Ok(Some(found.into_values().collect()))
    }

    /// Whether the usernames of that pool are the values of that attribute.
    pub(super) async fn is_username(
        &self,
        side: Side,
        attribute: &AttributeName,
    ) -> Result<bool, PortError> {
        let schema = self.bridge.ports.pool(side).schema().await?;
        Ok(schema.username_attributes.contains(attribute))
    }

    /// The new pool's account names the `sub` of the old one. The reverse search is not possible.
    async fn search_by_old_sub(
        &self,
        side: Side,
        observation: &Observation,
        name: &AttributeName,
    ) -> Result<SearchResult, PortError> {
        let said = observation.account.attributes.get(name).filter(|_| side == Side::New);
        let Some(sub) = said.and_then(|text| Sub::try_from(text.as_str()).ok()) else {
            return Ok(SearchResult::NotFound);
        };
        let writable = &self.bridge.ports.pool(Side::New).schema().await?.client_writable;
        if writable.contains(name) {
            return Ok(SearchResult::Doubtful(Reason::Unproven));
        }
        let account_ref = AccountRef { sub: sub.clone(), username: None };
        let found = self.bridge.ports.pool(Side::Old).read(&account_ref).await?;
        let counts = |it: &Account| it.status != Status::Unconfirmed && !it.federated();
        let found = found.filter(|it| it.sub == sub && counts(it));
        let Some(account) = found else { return Ok(SearchResult::NotFound) };
        let mut holders = self.with_people(Side::Old, vec![account]).await?;
        let Some((account, person)) = holders.pop() else { return Ok(SearchResult::NotFound) };
        Ok(SearchResult::Account(Box::new(account), person))
    }
}

/// Separates accounts with a verified address from those that only claim it.
fn by_proof(holders: Vec<FoundAccount>, field: &Field) -> FoundAccounts {
    let (proved, claimed) =
        holders.into_iter().partition(|(account, _)| mapping::verified(account, field));
    FoundAccounts { proved, claimed }
}
