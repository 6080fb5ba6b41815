//! What can be done to a person, and which route notices it: the one table that the trail decides
//! by, that the coverage of a deployed bridge is told from, and that the rules of the deployment
//! take their names from.
//!
//! Names are those of `CloudTrail`'s `eventName`: operations of the user pools API, and requests to
//! the pages of managed login and the classic hosted UI, as AWS's page "Amazon Cognito logging in
//! AWS `CloudTrail`" lists them. Which triggers fire is from "Customizing user pool workflows with
//! Lambda triggers".

mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use poolbridge_core::restore::Stage;
use serde_json::{Value, json};

use crate::config::TriggerSlot;
pub use table::OPERATIONS;

/// What an event of `CloudTrail` about an operation proves, if the call succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Told {
    /// Nothing that either pool must know of.
    Nothing,
    /// Perhaps something: the account is worth a look.
    Hint,
    /// Something of the account was changed.
    Changed,
    /// The account left UNCONFIRMED.
    Confirmed,
    /// The account was deleted.
    Deleted,
    /// Something of many accounts, none of which is named: only a sweep finds out whose.
    Many,
    /// Something of the pool itself.
    Pool(PoolEvent),
    /// Nothing at all: it reads.
    Read,
}

/// What becomes of the pool itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PoolEvent {
    /// It is restored to a point in time, or deleted: people change in bulk.
    Restore(Stage),
    /// Settings that decide what becomes of people are changed, the triggers perhaps among them.
    Settings,
    /// Nothing that the bridge has to know of.
    Unwatched,
}

/// One thing that can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The `eventName`.
    pub name: &'static str,
    /// Where one name stands for several deeds: the `challengeName` that this row is about.
    pub challenge: Option<&'static str>,
    /// The trigger that tells of it, at once, if capture is attached there. See
    /// [`Self::trigger_proves`] for whether that is to be relied on.
    pub trigger: Option<TriggerSlot>,
    /// What the trail makes of it.
    pub told: Told,
    /// Whether a comparison of both pools finds what it changed.
    pub sweep: bool,
    /// Whether it certainly set the account's password, by the person's or somebody's wish.
    pub password: bool,
}

impl Operation {
    /// Whether the trail notices it.
    pub const fn trail(&self) -> bool {
        !matches!(self.told, Told::Nothing | Told::Read | Told::Pool(PoolEvent::Unwatched))
    }

    /// What it is about, in one word: `person`, `many`, `pool`, `nothing` (it names a person and
    /// changes nothing that travels) or `read`.
    pub const fn kind(&self) -> &'static str {
        match self.told {
            Told::Hint | Told::Changed | Told::Confirmed | Told::Deleted => "person",
            Told::Many => "many",
            Told::Pool(_) => "pool",
            Told::Nothing => "nothing",
            Told::Read => "read",
        }
    }

    /// Whether any route is to notice it, at once or later.
    pub const fn is_noticed(&self) -> bool {
        self.trail() || self.sweep || self.trigger.is_some()
    }

    /// Whether its trigger tells of it each time, and of all of it, so that it bounds how late it
    /// is noticed. Otherwise the trigger is a help and no bound:
    ///
    /// - The one after a sign-in, or before tokens, does not know that a password was set.
    /// - The one before a message fires where a code is sent for a new address, for nothing else,
    ///   and before the deed is done.
    pub const fn trigger_proves(&self) -> bool {
        match self.trigger {
            None | Some(PreSignUp | CustomMessage) => false,
            Some(PostConfirmation) => true,
            Some(PostAuthentication | PreTokenGeneration) => !self.password,
        }
    }

    /// Whether a comparison of both pools finds all of it: it never finds that a password was set.
    pub const fn sweep_proves(&self) -> bool {
        self.sweep && !self.password
    }

    /// Whether it deletes an account.
    pub const fn deletes(&self) -> bool {
        matches!(self.told, Told::Deleted)
    }

    /// Whether it is a request to a page of managed login or of the classic hosted UI.
    pub fn is_form(&self) -> bool {
        self.name.ends_with("_POST") || self.name.ends_with("_GET")
    }

    /// The row of an event's `eventName` and `challengeName`.
    pub fn find(name: &str, challenge: Option<&str>) -> Option<&'static Self> {
        let rows = || OPERATIONS.iter().filter(|row| row.name == name);
        let exactly = rows().find(|row| row.challenge.is_some() && row.challenge == challenge);
        exactly.or_else(|| rows().find(|row| row.challenge.is_none()))
    }

    const fn of(name: &'static str, told: Told) -> Self {
        Self { name, challenge: None, trigger: None, told, sweep: true, password: false }
    }

    const fn at(mut self, trigger: TriggerSlot) -> Self {
        self.trigger = Some(trigger);
        self
    }

    const fn answering(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// What a listing does not show.
    const fn unlisted(mut self) -> Self {
        self.sweep = false;
        self
    }

    const fn password(mut self) -> Self {
        self.password = true;
        self
    }
}

use TriggerSlot::{
    CustomMessage, PostAuthentication, PostConfirmation, PreSignUp, PreTokenGeneration,
};

const fn row(name: &'static str, told: Told) -> Operation {
    Operation::of(name, told)
}

/// An operation about a person that changes nothing that travels.
const fn quiet(name: &'static str) -> Operation {
    Operation::of(name, Told::Nothing).unlisted()
}

/// An operation about the pool itself: no comparison of accounts shows it.
const fn pool(name: &'static str, event: PoolEvent) -> Operation {
    Operation::of(name, Told::Pool(event)).unlisted()
}

/// An operation that changes nothing.
const fn read(name: &'static str) -> Operation {
    Operation::of(name, Told::Read).unlisted()
}

/// The names that the deployment's rules let through to the trail, in the order of the table.
/// Where only some challenges matter they are named, since sign-ins bear the same `eventName`.
/// `pool` holds the operations about the pool itself: they have a rule of their own, because one
/// rule's pattern is limited to 2,048 characters (`EventBridge` quotas).
pub fn operations_document() -> Value {
    let heard = || OPERATIONS.iter().filter(|row| row.trail());
    let plain = || heard().filter(|row| row.challenge.is_none());
    let of_pool = |row: &Operation| matches!(row.told, Told::Pool(_));
    let api = || plain().filter(|row| !row.is_form());
    let calls: Vec<&str> = api().filter(|row| !of_pool(row)).map(|row| row.name).collect();
    let pool: Vec<&str> = api().filter(|row| of_pool(row)).map(|row| row.name).collect();
    let forms: Vec<&str> = plain().filter(|row| row.is_form()).map(|row| row.name).collect();
    let mut challenges: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in heard() {
        if let Some(challenge) = row.challenge {
            challenges.entry(row.name).or_default().push(challenge);
        }
    }
    json!({ "calls": calls, "pool": pool, "forms": forms, "challenges": challenges })
}
