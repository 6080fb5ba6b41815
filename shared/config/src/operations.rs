//! What can be done to a person, and which route detects it. The trail decides by this table,
//! `coverage` reads it, and the deployment's `EventBridge` rules take their names from it.
//!
//! Names are values of `CloudTrail`'s `eventName`: operations of the user pools API, and requests
//! to the pages of managed login and the classic hosted UI, as AWS's page "Amazon Cognito logging
//! in AWS `CloudTrail`" lists them. The page "Customizing user pool workflows with Lambda triggers"
//! shows which triggers fire.

mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use poolbridge_core::restore::RestoreStage;
use serde_json::{Value, json};

use crate::TriggerSlot;
pub use table::OPERATIONS;

/// What a `CloudTrail` event about an operation proves, if the call succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Detects {
    /// Nothing that poolbridge copies.
    Nothing,
    /// Perhaps a change: apply compares the account.
    Hint,
    /// The account changed.
    Changed,
    /// The account left UNCONFIRMED.
    Confirmed,
    /// The account was deleted.
    Deleted,
    /// Many accounts changed, and the event names none. Only a sweep can find them.
    Many,
    /// The pool itself changed.
    Pool(PoolEvent),
    /// No change: the call only reads.
    Read,
}

/// What happened to the pool itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PoolEvent {
    /// It is restored to a point in time, or deleted, so accounts change in bulk.
    Restore(RestoreStage),
    /// Settings that affect accounts changed, perhaps including the triggers.
    Settings,
    /// Nothing that matters to the bridge.
    Unwatched,
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The `eventName`.
    pub name: &'static str,
    /// The `challengeName` of this row, if one name stands for several operations.
    pub challenge: Option<&'static str>,
    /// The trigger that reports it at once, if capture is attached there. [`Self::trigger_proves`]
    /// says whether that is reliable.
    pub trigger: Option<TriggerSlot>,
    /// What its event proves.
    pub detects: Detects,
    /// Whether the sweep finds the change.
    pub sweep: bool,
    /// Whether it certainly set the account's password, by the person or by an administrator.
    pub password: bool,
}

impl Operation {
    /// Whether the trail detects it.
    pub const fn trail(&self) -> bool {
        !matches!(
            self.detects,
            Detects::Nothing | Detects::Read | Detects::Pool(PoolEvent::Unwatched)
        )
    }

    /// What it concerns, in one word: `person`, `many`, `pool`, `nothing` (it names a person and
    /// changes nothing that poolbridge copies) or `read`.
    pub const fn kind(&self) -> &'static str {
        match self.detects {
            Detects::Hint | Detects::Changed | Detects::Confirmed | Detects::Deleted => "person",
            Detects::Many => "many",
            Detects::Pool(_) => "pool",
            Detects::Nothing => "nothing",
            Detects::Read => "read",
        }
    }

    /// Whether any route detects it, at once or later.
    pub const fn is_noticed(&self) -> bool {
        self.trail() || self.sweep || self.trigger.is_some()
    }

    /// Whether its trigger reports it every time and completely, so that it guarantees the delay.
    /// Otherwise the trigger helps and guarantees nothing:
    ///
    /// - The trigger after a sign-in, or before token generation, does not know that a password was
    ///   set.
    /// - The trigger before a message fires only if a code is sent for a new address, and before
    ///   the change is done.
    pub const fn trigger_proves(&self) -> bool {
        match self.trigger {
            None | Some(PreSignUp | CustomMessage) => false,
            Some(PostConfirmation) => true,
            Some(PostAuthentication | PreTokenGeneration) => !self.password,
        }
    }

    /// Whether the sweep finds all of it. It never finds that a password was set.
    pub const fn sweep_proves(&self) -> bool {
        self.sweep && !self.password
    }

    /// Whether it deletes an account.
    pub const fn deletes(&self) -> bool {
        matches!(self.detects, Detects::Deleted)
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

    const fn of(name: &'static str, detects: Detects) -> Self {
        Self { name, challenge: None, trigger: None, detects, sweep: true, password: false }
    }

    const fn at(mut self, trigger: TriggerSlot) -> Self {
        self.trigger = Some(trigger);
        self
    }

    const fn answering(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Marks a change that no listing shows.
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

const fn row(name: &'static str, detects: Detects) -> Operation {
    Operation::of(name, detects)
}

/// An operation about a person that changes nothing that poolbridge copies.
const fn quiet(name: &'static str) -> Operation {
    Operation::of(name, Detects::Nothing).unlisted()
}

/// An operation about the pool itself. The sweep does not find it.
const fn pool(name: &'static str, event: PoolEvent) -> Operation {
    Operation::of(name, Detects::Pool(event)).unlisted()
}

/// An operation that changes nothing.
const fn read(name: &'static str) -> Operation {
    Operation::of(name, Detects::Read).unlisted()
}

/// The names that the deployment's rules pass to the trail, in the order of the table. If only some
/// challenges matter, they are named, because sign-ins have the same `eventName`. `pool` holds the
/// operations about the pool itself. They have a rule of their own, because one rule's pattern is
/// limited to 2,048 characters (`EventBridge` quotas).
pub fn operations_document() -> Value {
    let heard = || OPERATIONS.iter().filter(|row| row.trail());
    let plain = || heard().filter(|row| row.challenge.is_none());
    let of_pool = |row: &Operation| matches!(row.detects, Detects::Pool(_));
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
