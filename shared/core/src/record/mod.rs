//! The person record: the accounts of one person, the baseline, what is under way, and which worker
//! holds the lease. It holds fingerprints, never values.

use std::collections::BTreeMap;

use crate::error::ErrorKind;
use crate::fingerprint::{Fingerprint, Keyring};
use crate::limits;
use crate::names::{Owner, PersonId, Sub, Username};
use crate::outcome::Reason;
use crate::profile::{Field, FieldState};
use crate::side::{BySide, Side};
use crate::time::Time;
use crate::tombstone::Tombstone;

mod apart;
mod baseline;
mod decision;
mod intent;
mod passwords;
mod state;

pub use apart::Apart;
pub use baseline::{Baseline, BaselineField, Past};
pub use decision::{Decision, DecisionKind};
pub use intent::{CreationIntent, IntendedWrite, WriteIntent};
pub use passwords::Passwords;
pub use state::PersonState;

/// A known account of a person.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KnownAccount {
    /// The identifier of the account. After the link, only this identifier finds the person.
    pub sub: Sub,
    /// The name for a call to the pool, if the pool accepts names only. Stored encrypted.
    pub username: Username,
    /// When it was last observed.
    pub seen: Time,
    /// When poolbridge last wrote it.
    pub written: Option<Time>,
    /// When the first read began in the current row of reads that did not find the account.
    pub gone: Option<Time>,
}

/// The lease: which worker processes a person, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Unique for this claim (`UniqueLeaseOwner`).
    pub owner: Owner,
    /// The last moment at which a write of the owner can land (`LeaseOutlastsWrite`).
    pub until: Time,
    /// When another worker may claim the person. Later than `until` if the owner can be suspended
    /// (`LeaseOutlastsProcess`).
    pub free_at: Time,
}

/// A blocked field: it waits, is held, or was rejected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlockedField {
    /// The reason.
    pub reason: Reason,
    /// What the source held then. apply does not try the same value again.
    pub value: Option<Fingerprint>,
    /// The pool that could not be written.
    pub side: Side,
    /// Since when the field is blocked.
    pub since: Time,
}

/// How many times a field changed its direction of travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DirectionChanges {
    /// The pool that was written last.
    pub to: Side,
    /// Changes of direction without a captured change event.
    pub count: u8,
    /// When counting began.
    pub since: Time,
}

/// A search of the other pool without a result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FailedLookup {
    /// When the search was made.
    pub at: Time,
    /// What was searched for. Another value needs a new search.
    pub key: Option<Fingerprint>,
}

/// A call about this person's account that the pool rejects repeatedly, in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RepeatedFailure {
    /// The operation, under its AWS name.
    pub operation: String,
    /// The kind of failure.
    pub kind: ErrorKind,
    /// How many times in a row, each at least D after the one before.
    pub count: u8,
    /// When the first of them happened.
    pub first: Time,
    /// When the last of them happened.
    pub last: Time,
}

impl RepeatedFailure {
    /// Whether the call has failed so many times and for so long that more attempts are pointless.
    pub fn is_hopeless(&self) -> bool {
        let long = self.last.since(self.first) >= limits::SAME_FAILURE_TIME;
        self.count >= limits::SAME_FAILURES_MAX && long
    }
}

/// The record of one person in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PersonRecord {
    /// The person.
    pub id: PersonId,
    /// The id that salts this person's fingerprints. It is the person's own id, or the id of the
    /// record whose creation intent became the baseline when two records were merged.
    pub salt: PersonId,
    /// Increases with every write except a claim. A claim is conditional on it.
    pub revision: u64,
    /// The known account in each pool.
    pub accounts: BySide<Option<KnownAccount>>,
    /// The baseline; `None` if the pools never agreed on this person.
    pub baseline: Option<Baseline>,
    /// The open write intent.
    pub intent: Option<WriteIntent>,
    /// The open creation intent.
    pub creation: Option<CreationIntent>,
    /// The pool in which poolbridge created the account and still has to set its first password.
    pub owes_password: Option<Side>,
    /// Set if one of the accounts was deleted. The person is never synchronised again.
    pub tombstone: Option<Tombstone>,
    /// The current lease.
    pub lease: Option<Lease>,
    /// No observation may begin before this (`NotBefore`).
    pub not_before: Time,
    /// The state of the person.
    pub state: PersonState,
    /// Why the whole person waits or is held.
    pub reason: Option<Reason>,
    /// The blocked fields: those that wait, are held, or were rejected.
    pub blocked_fields: BTreeMap<Field, BlockedField>,
    /// The certain failure that ends every run for this person, if there is one.
    pub failure: Option<RepeatedFailure>,
    /// Which password is outdated.
    pub passwords: Passwords,
    /// By pool: whether the account had second factors that cannot travel, when it was last seen.
    /// They are counted, never merged.
    pub local_factors: BySide<bool>,
    /// The last search of the other pool without a result.
    pub failed_lookup: Option<FailedLookup>,
    /// Changes of direction, by field.
    pub direction_changes: BTreeMap<Field, DirectionChanges>,
    /// The last few decisions, newest last.
    pub decisions: Vec<Decision>,
    /// Accounts from which an operator separated this person.
    pub apart: Apart,
    /// When the two accounts were found to belong to one person.
    pub linked: Option<Time>,
    /// When poolbridge first recorded the person.
    pub created: Time,
    /// When the record was last written.
    pub updated: Time,
}

impl PersonRecord {
    /// A record for a person who was just seen in `side` for the first time.
    pub fn new(id: PersonId, side: Side, account: KnownAccount, now: Time) -> Self {
        let mut accounts = BySide { old: None, new: None };
        *accounts.get_mut(side) = Some(account);
        Self {
            salt: id.clone(),
            id,
            revision: 1,
            accounts,
            baseline: None,
            intent: None,
            creation: None,
            owes_password: None,
            tombstone: None,
            lease: None,
            not_before: Time::ZERO,
            state: PersonState::only(side),
            reason: None,
            blocked_fields: BTreeMap::new(),
            failure: None,
            passwords: Passwords::default(),
            local_factors: BySide::default(),
            failed_lookup: None,
            direction_changes: BTreeMap::new(),
            decisions: Vec::new(),
            apart: Apart::default(),
            linked: None,
            created: now,
            updated: now,
        }
    }

    /// The pool of the person's only account, if there is just one.
    pub const fn only_side(&self) -> Option<Side> {
        match (&self.accounts.old, &self.accounts.new) {
            (Some(_), None) => Some(Side::Old),
            (None, Some(_)) => Some(Side::New),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }

    /// Adds a decision and removes the oldest ones beyond the limit.
    pub fn decide(&mut self, decision: Decision) {
        self.decisions.push(decision);
        let surplus = self.decisions.len().saturating_sub(limits::DECISIONS_MAX);
        self.decisions.drain(..surplus);
    }

    /// The fingerprint of a field state, under this person's salt.
    pub fn fingerprint(
        &self,
        keys: &Keyring,
        field: &Field,
        reading: &FieldState,
    ) -> Option<Fingerprint> {
        keys.reading(&self.salt, field, reading)
    }
}
