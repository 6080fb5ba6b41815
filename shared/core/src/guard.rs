//! The sign-up guard. While people have an account in one pool only, no other person may sign up in
//! the other pool under their address or username, because that would keep them out for good.
//!
//! The guard lists accounts (which fires no trigger and bills no monthly user), reads the table,
//! and writes nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::account::{Account, PoolSchema, Status};
use crate::limits;
use crate::mapping::{self, Mapping};
use crate::names::{AttributeName, Sub, Username};
use crate::policy::{MatchBy, Policy};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::control::Phase;
use crate::error::{ErrorKind, PortError};
use crate::ports::{Clock, Ledger, Pool, Search, SearchAnswer};
use crate::profile::{Field, FieldState};
use crate::record::{PersonRecord, PersonState};
use crate::side::{BySide, Side};
use crate::time::Time;

/// A person who is signing up.
#[derive(Clone, PartialEq, Eq)]
pub struct SignUpRequest {
    /// The pool of the sign-up.
    pub side: Side,
    /// The username of the event, if it has one. In a pool whose usernames are addresses, the pool
    /// itself generated it.
    pub username: Option<Username>,
    /// The attributes that the person gave.
    pub attributes: BTreeMap<AttributeName, String>,
}

impl fmt::Debug for SignUpRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SignUpRequest")
            .field("side", &self.side)
            .field("attributes", &self.attributes.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// The decision about a sign-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GuardDecision {
    /// No other account holds the identity.
    Passes,
    /// The other pool holds it.
    Refused,
}

/// One search of the other pool, and when a found account holds the identity of the sign-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The search.
    pub search: Search,
    /// The address counts only if it is verified in the other pool. This is so if its usernames are
    /// no addresses, because Cognito makes a sign-in alias of a verified address only (its page
    /// "User pool attributes"). Otherwise another person could keep the owner of an address out by
    /// writing that address into an account of their own.
    pub verified_only: bool,
}

/// The guard of one pool: what a decision about a sign-up there needs.
#[derive(Debug)]
pub struct Guard<'a, P, L, C> {
    /// The team's choices.
    pub policy: &'a Policy,
    /// The other pool.
    pub there: &'a P,
    /// The state table.
    pub ledger: &'a L,
    /// The clock.
    pub clock: &'a C,
}

impl<P: Pool, L: Ledger, C: Clock> Guard<'_, P, L, C> {
    /// Decides about one sign-up.
    ///
    /// # Errors
    ///
    /// The guard could not decide. The configuration then says what happens to the sign-up.
    pub async fn decide(&self, request: &SignUpRequest) -> Result<GuardDecision, PortError> {
        let control = self.ledger.control();
        let (control, held) = futures_util::future::join(control, self.is_held(request)).await;
        // After the move no person signs in to the old pool any more.
        if control?.phase == Phase::Complete {
            return Ok(GuardDecision::Passes);
        }
        Ok(if held? { GuardDecision::Refused } else { GuardDecision::Passes })
    }

    /// Whether an account of the other pool holds the identity and does not stand aside
    /// ([`allows_sign_up`]).
    ///
    /// All searches are awaited, so that a search that fails or cannot be asked does not hide what
    /// another one finds. The guard does not search for a value that no account can hold.
    async fn is_held(&self, request: &SignUpRequest) -> Result<bool, PortError> {
        let schema = self.there.schema().await?;
        let lookups = lookups(self.policy, request, &schema);
        let worth = lookups.iter().filter(|lookup| lookup.search.is_worth_asking(&schema));
        let mut searches: FuturesUnordered<_> = worth
            .map(|lookup| async move { (self.there.find(&lookup.search).await, lookup) })
            .collect();
        let mut undecided = None;
        while let Some((answer, lookup)) = searches.next().await {
            let decided = match answer {
                Ok(SearchAnswer::Accounts(found)) => self.blocks(request, lookup, &found).await,
                Ok(SearchAnswer::CannotBeSearched) => {
                    Err(PortError::new(ErrorKind::Invalid, "ListUsers"))
                }
                Err(error) => Err(error),
            };
            match decided {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => undecided = Some(error),
            }
        }
        undecided.map_or(Ok(false), Err)
    }

    /// Whether one of the accounts found holds the identity and does not stand aside.
    async fn blocks(
        &self,
        request: &SignUpRequest,
        lookup: &Lookup,
        found: &[Account],
    ) -> Result<bool, PortError> {
        for account in found.iter().filter(|account| holds(lookup, account)) {
            let record = self.ledger.find(request.side.other(), &account.sub).await?;
            let aside = record.is_some_and(|record| {
                let (now, bound) = (self.clock.now(), self.policy.bound());
                allows_sign_up(&record, request.side, now, bound)
            });
            if !aside {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What to search the other pool for: the identity by which people are matched, and every name with
/// which that pool lets them sign in, in that pool's own form.
///
/// `there` is the schema of the other pool. `limits::GUARD_SEARCHES_MAX` limits the list.
pub fn lookups(policy: &Policy, request: &SignUpRequest, there: &PoolSchema) -> Vec<Lookup> {
    let mut found: Vec<Lookup> = Vec::new();
    let mut add = |search: &Search, verified_only: bool| {
        // If one of the pools ignores case, all spellings are one name.
        for search in search.spellings(there.case_sensitive) {
            let known = found.iter().any(|lookup| lookup.search == search);
            if !known {
                found.push(Lookup { search, verified_only });
            }
        }
    };
    let name = request.username.as_ref().map(Username::reveal);
    if let Some(username) = &request.username {
        let by_name = policy.match_by == MatchBy::Username || there.username_attributes.is_empty();
        // A federated account has such a username in every pool, so it will get it in this one.
        if by_name || username.reveal().contains('_') {
            add(&Search::Username(username.clone()), false);
        }
    }
    for attribute in SIGN_IN_ATTRIBUTES {
        let Ok(attribute) = AttributeName::try_from(attribute) else { continue };
        if !matches(&policy.match_by, &attribute) && !there.signs_in_by(&attribute) {
            continue;
        }
        let verified_only = !there.username_attributes.contains(&attribute);
        // Users type usernames and aliases into the same sign-in field.
        let name = name.filter(|name| looks_like(name, &attribute)).map(str::to_owned);
        for value in values(&policy.mapping, request, &attribute).into_iter().chain(name) {
            if let Some(search) = Search::by(&attribute, value) {
                add(&search, verified_only);
            }
        }
    }
    found.truncate(limits::GUARD_SEARCHES_MAX);
    found
}

/// Whether a found account holds the identity of the sign-up.
///
/// An unconfirmed account holds nothing, because anyone can create one under any address. A
/// federated account holds its username only, which it also gets in the pool of the sign-up. Its
/// person signs in with the provider and needs no other name.
pub fn holds(lookup: &Lookup, account: &Account) -> bool {
    let by_name = matches!(lookup.search, Search::Username(_));
    let counts = match account.status {
        Status::Unconfirmed => false,
        Status::ExternalProvider => by_name,
        Status::Confirmed | Status::ForceChangePassword | Status::ResetRequired | Status::Other => {
            true
        }
    };
    let verified = match &lookup.search {
        Search::Email(_) => mapping::verified(account, &Field::Email),
        Search::Phone(_) => mapping::verified(account, &Field::Phone),
        Search::PreferredUsername(_) | Search::Username(_) => true,
    };
    counts && (verified || !lookup.verified_only)
}

/// Whether a sign-up in `side` passes although this person holds the identity in the other pool. It
/// does if the person was deleted; if they already have an account there, so that Cognito itself
/// reports the taken name; or if poolbridge is about to create that very account.
pub fn allows_sign_up(record: &PersonRecord, side: Side, now: Time, bound: Duration) -> bool {
    let creates_it = |creation: &crate::record::CreationIntent| {
        creation.side == side && now <= creation.until + bound
    };
    record.state == PersonState::Deleted
        || record.accounts.get(side).is_some()
        || record.creation.as_ref().is_some_and(creates_it)
}

/// The attributes with which a pool can let people sign in.
const SIGN_IN_ATTRIBUTES: [&str; 3] = ["email", "phone_number", "preferred_username"];

fn matches(match_by: &MatchBy, attribute: &AttributeName) -> bool {
    match match_by {
        MatchBy::Email => attribute.as_str() == "email",
        MatchBy::Phone => attribute.as_str() == "phone_number",
        MatchBy::Username | MatchBy::OldSub(_) => false,
    }
}

/// Whether a username has the form of that attribute.
fn looks_like(name: &str, attribute: &AttributeName) -> bool {
    match attribute.as_str() {
        "email" => name.contains('@'),
        "phone_number" => name.starts_with('+'),
        _ => true,
    }
}

/// The values that the new account would have in that attribute of the other pool: the
/// mapped one and the unchanged one.
fn values(mapping: &Mapping, request: &SignUpRequest, attribute: &AttributeName) -> Vec<String> {
    let there = request.side.other();
    let rule = mapping.rules().find(|rule| rule.attribute.get(there).as_ref() == Some(attribute));
    let mapped = rule.and_then(|rule| {
        let (profile, _) = mapping.profile(request.side, &account(request)?, &BySide::default());
        let FieldState::Present(value) = profile.get(&rule.field) else { return None };
        let written = mapping.attributes(there, &rule.field, &FieldState::Present(value)).ok()?;
        written.get(attribute).cloned()
    });
    let plain = request.attributes.get(attribute).cloned();
    let mut values: Vec<String> = mapped.into_iter().chain(plain).collect();
    values.retain(|value| !value.is_empty());
    values.dedup();
    values
}

/// The request as an account that does not exist yet, as input for the mapping.
fn account(request: &SignUpRequest) -> Option<Account> {
    Some(Account {
        sub: Sub::try_from("sign-up").ok()?,
        username: Username::try_from("sign-up").ok()?,
        attributes: request.attributes.clone(),
        enabled: true,
        status: Status::Unconfirmed,
        groups: None,
        factors: None,
        created: Time::ZERO,
        modified: Time::ZERO,
    })
}

#[cfg(test)]
mod tests;
