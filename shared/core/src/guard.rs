//! The sign-up guard: while people still live in one pool only, nobody else may sign up in the
//! other one under their address or name, and so keep them out for good.
//!
//! Here is what it looks for and whom it lets pass; the looking itself is the adapters'.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::account::{Account, Shape, Status};
use crate::entry::{Entry, State};
use crate::facts::{Field, Reading};
use crate::limits;
use crate::mapping::{self, Mapping};
use crate::names::{AttributeName, Sub, Username};
use crate::policy::{MatchBy, Policy};
use crate::ports::Search;
use crate::side::{BySide, Side};
use crate::time::Time;

/// Somebody who is signing up by themselves.
#[derive(Clone, PartialEq, Eq)]
pub struct Newcomer {
    /// The pool that they are signing up in.
    pub side: Side,
    /// The username of the event, if it has one: the pool's own invention in a pool whose usernames
    /// are addresses.
    pub username: Option<Username>,
    /// The attributes that they give.
    pub attributes: BTreeMap<AttributeName, String>,
}

impl fmt::Debug for Newcomer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Newcomer")
            .field("side", &self.side)
            .field("attributes", &self.attributes.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// What came of a sign-up's judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Judgement {
    /// Nobody else holds the identity.
    Passes,
    /// The other pool holds it.
    Refused,
}

/// What makes an account of the other pool one that holds the newcomer's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// What the other pool is searched by.
    pub search: Search,
    /// The address counts only if it is verified there: usernames are no addresses there, and Cognito
    /// makes a sign-in alias of a verified address alone (its page "User pool attributes"). Otherwise a
    /// stranger could keep a person out by writing that person's address into an account of their own.
    pub verified_only: bool,
}

/// What the other pool is searched by: the identity that people are matched by, and every name that
/// it lets them sign in with, in that pool's own form.
///
/// `there` is the other pool's shape. The list is bounded by `limits::GUARD_SEARCHES_MAX`.
pub fn lookups(policy: &Policy, newcomer: &Newcomer, there: &Shape) -> Vec<Lookup> {
    let mut found: Vec<Lookup> = Vec::new();
    let mut add = |search: &Search, verified_only: bool| {
        // In a pool that does not tell case apart, or where the other one does not, all are one name.
        for search in search.spellings(there.case_sensitive) {
            let known = found.iter().any(|lookup| lookup.search == search);
            if !known {
                found.push(Lookup { search, verified_only });
            }
        }
    };
    let name = newcomer.username.as_ref().map(Username::reveal);
    if let Some(username) = &newcomer.username {
        let by_name = policy.match_by == MatchBy::Username || there.username_attributes.is_empty();
        // A federated account has such a name in every pool, and gets it in this one.
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
        // What somebody gives for a username is typed into the same box as an alias.
        let name = name.filter(|name| looks_like(name, &attribute)).map(str::to_owned);
        for value in values(&policy.mapping, newcomer, &attribute).into_iter().chain(name) {
            if let Some(search) = Search::by(&attribute, value) {
                add(&search, verified_only);
            }
        }
    }
    found.truncate(limits::GUARD_SEARCHES_MAX);
    found
}

/// Whether an account that a search found holds the newcomer's identity.
///
/// One that never confirmed holds nothing: a stranger can make one. A federated one holds its username
/// only, which it gets in the newcomer's pool too: for the rest its person gets in by their provider.
pub fn holds(lookup: &Lookup, account: &Account) -> bool {
    let by_name = matches!(lookup.search, Search::Username(_));
    let stands = match account.status {
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
    stands && (verified || !lookup.verified_only)
}

/// Whether the person who holds the identity in the other pool stands in nobody's way on `side`:
/// they were deleted; they have an account there already, so that Cognito itself will say that the
/// name is taken; or we are about to make that very account.
pub fn stands_aside(entry: &Entry, side: Side, now: Time, bound: Duration) -> bool {
    let made = |birth: &crate::entry::Birth| birth.side == side && now <= birth.until + bound;
    entry.state == State::Deleted
        || entry.accounts.get(side).is_some()
        || entry.birth.as_ref().is_some_and(made)
}

/// The attributes by which a pool can let people sign in.
const SIGN_IN_ATTRIBUTES: [&str; 3] = ["email", "phone_number", "preferred_username"];

fn matches(match_by: &MatchBy, attribute: &AttributeName) -> bool {
    match match_by {
        MatchBy::Email => attribute.as_str() == "email",
        MatchBy::Phone => attribute.as_str() == "phone_number",
        MatchBy::Username | MatchBy::OldSub(_) => false,
    }
}

/// Whether a username could be meant as that attribute.
fn looks_like(name: &str, attribute: &AttributeName) -> bool {
    match attribute.as_str() {
        "email" => name.contains('@'),
        "phone_number" => name.starts_with('+'),
        _ => true,
    }
}

/// What the newcomer's account would say in that attribute of the other pool: through the mapping,
/// and as it stands.
fn values(mapping: &Mapping, newcomer: &Newcomer, attribute: &AttributeName) -> Vec<String> {
    let there = newcomer.side.other();
    let rule = mapping.rules().find(|rule| rule.attribute.get(there).as_ref() == Some(attribute));
    let mapped = rule.and_then(|rule| {
        let (facts, _) = mapping.facts(newcomer.side, &account(newcomer)?, &BySide::default());
        let Reading::Held(value) = facts.get(&rule.field) else { return None };
        let written = mapping.attributes(there, &rule.field, &Reading::Held(value)).ok()?;
        written.get(attribute).cloned()
    });
    let plain = newcomer.attributes.get(attribute).cloned();
    let mut values: Vec<String> = mapped.into_iter().chain(plain).collect();
    values.retain(|value| !value.is_empty());
    values.dedup();
    values
}

/// The newcomer as the account that they do not have yet: what the mapping reads.
fn account(newcomer: &Newcomer) -> Option<Account> {
    Some(Account {
        sub: Sub::try_from("newcomer").ok()?,
        username: Username::try_from("newcomer").ok()?,
        attributes: newcomer.attributes.clone(),
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
