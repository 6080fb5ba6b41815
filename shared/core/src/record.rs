//! The person record: the baseline, what is under way, and which worker holds the lease.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::ErrorKind;
use crate::fingerprint::{Fingerprint, Keyring};
use crate::names::{Owner, PersonId, Sub, Username};
use crate::outcome::Reason;
use crate::profile::{Field, FieldState, Profile};
use crate::side::{BySide, Side};
use crate::time::Time;
use crate::tombstone::Tombstone;

pub use apart::Apart;

mod apart;

/// A person's state, as the operator command counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PersonState {
    /// The person has a known account in the old pool only.
    OnlyOld,
    /// The person has a known account in the new pool only.
    OnlyNew,
    /// Both pools agree.
    Synced,
    /// The last run of apply ended in `retry`.
    Waiting,
    /// Both pools were changed, and the policy leaves the decision to an operator.
    Conflict,
    /// A person has to do something first.
    Held,
    /// Deleted; the tombstone stays.
    Deleted,
}

impl PersonState {
    /// Every state, in the order in which output lists them.
    pub const ALL: [Self; 7] = [
        Self::OnlyOld,
        Self::OnlyNew,
        Self::Synced,
        Self::Waiting,
        Self::Conflict,
        Self::Held,
        Self::Deleted,
    ];

    /// Its name in the table and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnlyOld => "only-old",
            Self::OnlyNew => "only-new",
            Self::Synced => "synced",
            Self::Waiting => "waiting",
            Self::Conflict => "conflict",
            Self::Held => "held",
            Self::Deleted => "deleted",
        }
    }

    /// The state with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The state of a person with a known account in that pool only.
    pub const fn only(side: Side) -> Self {
        match side {
            Side::Old => Self::OnlyOld,
            Side::New => Self::OnlyNew,
        }
    }
}

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

/// The baseline of one field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BaselineField {
    /// The agreed value: a fingerprint, or absent.
    pub fingerprint: Option<Fingerprint>,
    /// The revision of the mapping rule under which the pools agreed.
    pub rule: u32,
}

/// The baseline: what the three-way merge starts from. It is complete: a field that it does not
/// mention was agreed absent, if it covers the field's rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Baseline {
    /// The baseline of each field.
    pub fields: BTreeMap<Field, BaselineField>,
    /// The revisions of the rules that this baseline covers.
    pub rules: BTreeSet<u32>,
}

/// What the baseline says about one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Past {
    /// There is no baseline, or only one from an older rule.
    Never,
    /// The pools agreed on this.
    Was(BaselineField),
}

impl Baseline {
    /// The baseline of `field`, which is mapped by a rule of revision `rule`.
    pub fn past(&self, field: &Field, rule: u32) -> Past {
        match self.fields.get(field) {
            Some(base) if base.rule == rule => Past::Was(base.clone()),
            None if self.rules.contains(&rule) => {
                Past::Was(BaselineField { fingerprint: None, rule })
            }
            Some(_) | None => Past::Never,
        }
    }
}

/// One field of a write intent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IntendedWrite {
    /// The pool that is written.
    pub side: Side,
    /// The value to be written.
    pub wanted: Option<Fingerprint>,
    /// The value that the pool was observed to hold (`IntentKeepsSeenValue`).
    pub was: Option<Fingerprint>,
    /// The revision of the mapping rule.
    pub rule: u32,
    /// The pool reported success, but a read after the write did not show the value: the pool may
    /// have kept another one.
    pub answered: bool,
}

/// A write intent: what is about to be written, stored before the first call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WriteIntent {
    /// Every field that is being written.
    pub fields: BTreeMap<Field, IntendedWrite>,
    /// The last-modified time of each account when it was observed (`AmbiguousRevertIsConflict`).
    /// `None` if that time was too recent to show a later change; such an account counts as
    /// modified.
    pub modified: BySide<Option<Time>>,
    /// When the intent was stored.
    pub at: Time,
    /// The last moment at which one of its writes can land: the end of its lease
    /// (`IntentSettlesFirst`).
    pub until: Time,
}

/// A creation intent: stored before poolbridge causes an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreationIntent {
    /// The pool in which the account is created.
    pub side: Side,
    /// The `Username` of the call. Stored encrypted.
    pub username: Username,
    /// Fingerprints of everything that the creation writes. Other fields are absent then.
    pub fields: BTreeMap<Field, BaselineField>,
    /// The revisions of the rules that the creation covers.
    pub rules: BTreeSet<u32>,
    /// When the intent was stored.
    pub at: Time,
    /// The last moment at which the creation can land.
    pub until: Time,
}

impl CreationIntent {
    /// The baseline of both pools if poolbridge created the account (`CreationIntentFirst`).
    pub fn baseline(&self) -> Baseline {
        Baseline { fields: self.fields.clone(), rules: self.rules.clone() }
    }

    /// Whether an account with the profile `profile`, created at `created`, is the one of this
    /// creation intent. The pool may cut `created` to seconds, and the clock behind `at` may be
    /// fast: both are allowed for.
    ///
    /// The person may have edited the account since. So one identifying field (an address) with the
    /// written value is enough, or a profile without any difference. The name alone is no proof.
    pub fn announced(
        &self,
        profile: &Profile,
        created: Time,
        keys: &Keyring,
        salt: &PersonId,
    ) -> bool {
        let young = created >= self.at - crate::sweep::judge::DATE_GRACE;
        let holds = |field: &Field, base: &BaselineField| {
            keys.is(salt, field, &profile.get(field), base.fingerprint)
        };
        let address = self
            .fields
            .iter()
            .filter(|(field, _)| field.is_address())
            .any(|(field, base)| holds(field, base));
        young && (address || self.fields.iter().all(|(field, base)| holds(field, base)))
    }
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

/// Which account has the newer password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Passwords {
    /// By pool: when a password was last known to be set, or reset by an administrator. A password
    /// that another party set for the person counts in the active pool only.
    pub set: BySide<Option<Time>>,
    /// By pool: passwords set up to this time are closed (replaced by a random one).
    pub closed: BySide<Option<Time>>,
    /// The pools in which the password was closed and open sessions must still end.
    pub owes_sign_out: BySide<bool>,
    /// When a password was last set by a message that nothing confirms. It closes nothing.
    pub unproven: BySide<Option<Time>>,
    /// By pool: up to which time the circuit breaker has counted the closed password.
    pub counted: BySide<Option<Time>>,
    /// By pool: why the password is outdated and still stays valid.
    pub open: BySide<Option<Reason>>,
    /// Whether the account was in `RESET_REQUIRED` at the last observation of the person with both
    /// accounts; `None` before the first one. An import may create accounts in this status. So only
    /// the change into it is an administrator's reset.
    pub reset: BySide<Option<bool>>,
}

impl Passwords {
    /// Why an outdated password stays valid, if there is one.
    pub fn kept_open(&self) -> Option<(Side, Reason)> {
        Side::BOTH.into_iter().find_map(|side| Some((side, (*self.open.get(side))?)))
    }

    /// Whether a worker still has to close an outdated password or end its sessions. A worker that
    /// died may have left either undone. `close`: the policy closes outdated passwords.
    pub fn is_work_left(&self, linked: Option<Time>, close: bool) -> bool {
        let sign_out = Side::BOTH.iter().any(|side| *self.owes_sign_out.get(*side));
        let open = self.stale(linked).filter(|_| close).is_some_and(|side| {
            let newer = *self.set.get(side.other());
            *self.closed.get(side) < newer && self.open.get(side).is_none()
        });
        sign_out || open
    }

    /// The pool with the outdated password, if there is one. A password that was set before the two
    /// accounts were linked does not count, because each account had its own password then.
    pub fn stale(&self, linked: Option<Time>) -> Option<Side> {
        let since = linked?;
        let set = BySide::from_fn(|side| self.set.get(side).filter(|at| *at > since));
        match (set.old, set.new) {
            (None, None) => None,
            (Some(_), None) => Some(Side::New),
            (None, Some(_)) => Some(Side::Old),
            (Some(old), Some(new)) if old == new => None,
            (Some(old), Some(new)) => Some(if old > new { Side::New } else { Side::Old }),
        }
    }
}

/// One decision, kept for `explain`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// When it was made.
    pub at: Time,
    /// The kind of decision.
    pub kind: DecisionKind,
    /// The names of the fields.
    pub fields: Vec<String>,
    /// The pool that was, or would have been, written.
    pub side: Option<Side>,
    /// The reason, if there is one.
    pub reason: Option<Reason>,
}

/// What kind of decision it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DecisionKind {
    /// The two accounts were found to belong to one person.
    Linked,
    /// The account was created.
    Created,
    /// Fields were carried over.
    Carried,
    /// Both pools had changed; `side` was overruled.
    Conflict,
    /// Two accounts without a baseline differed; `side` was overruled.
    FirstLinkConflict,
    /// A field had its former value again while a write of ours was open, on an account that was
    /// modified since. Either that write was undone or it never landed
    /// (`AmbiguousRevertIsConflict`).
    CameBack,
    /// A field was edited in the written pool while a write of ours was open there. Its order to
    /// our value is not known. The edit was carried; `side` was overruled.
    EditedMeanwhile,
    /// A person must act first.
    Held,
    /// The target cannot hold the value.
    Rejected,
    /// An outdated password was closed.
    Closed,
    /// An administrator reset the password in the pool `side`. The other pool's password may have
    /// leaked too.
    PasswordReset,
    /// A password event in the pool `side` makes no password outdated, for the given reason.
    PasswordIgnored,
    /// The account in the pool `side` was deleted, and this is proved.
    Deleted,
    /// apply disabled the account in the pool `side`, because the other one was deleted.
    Disabled,
    /// apply deleted the account in the pool `side`, because the other one was deleted.
    Removed,
    /// An operator stated that the two accounts belong to one person.
    LinkedByOperator,
    /// An operator stated that the two accounts do not belong to one person.
    UnlinkedByOperator,
}

impl DecisionKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Linked,
        Self::Created,
        Self::Carried,
        Self::Conflict,
        Self::FirstLinkConflict,
        Self::CameBack,
        Self::EditedMeanwhile,
        Self::Held,
        Self::Rejected,
        Self::Closed,
        Self::PasswordReset,
        Self::PasswordIgnored,
        Self::Deleted,
        Self::Disabled,
        Self::Removed,
        Self::LinkedByOperator,
        Self::UnlinkedByOperator,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Created => "created",
            Self::Carried => "carried",
            Self::Conflict => "conflict",
            Self::FirstLinkConflict => "first-link-conflict",
            Self::CameBack => "came-back",
            Self::EditedMeanwhile => "edited-meanwhile",
            Self::Held => "held",
            Self::Rejected => "rejected",
            Self::Closed => "closed",
            Self::PasswordReset => "password-reset",
            Self::PasswordIgnored => "password-ignored",
            Self::Deleted => "deleted",
            Self::Disabled => "disabled",
            Self::Removed => "removed",
            Self::LinkedByOperator => "linked-by-operator",
            Self::UnlinkedByOperator => "unlinked-by-operator",
        }
    }

    /// The kind with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
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
        let long = self.last.since(self.first) >= crate::limits::SAME_FAILURE_TIME;
        self.count >= crate::limits::SAME_FAILURES_MAX && long
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
        let surplus = self.decisions.len().saturating_sub(crate::limits::DECISIONS_MAX);
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

#[cfg(test)]
mod tests;
