//! What the ledger knows of one person: what was last made true, what is under way, who is at it.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{Facts, Field, Reading};
use crate::fault::FaultKind;
use crate::fingerprint::{Keyring, Print};
use crate::names::{Owner, PersonId, Sub, Username};
use crate::side::{BySide, Side};
use crate::time::Time;
use crate::tombstone::Tombstone;
use crate::verdict::Reason;

pub use apart::Apart;

mod apart;

/// A person's state, as the operator counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Known in the old pool only.
    OnlyOld,
    /// Known in the new pool only.
    OnlyNew,
    /// Both sides agree.
    Synced,
    /// The last apply ended in `later`.
    Waiting,
    /// Both sides were changed and the rule says to ask.
    Conflict,
    /// Something needs a person.
    Held,
    /// Deleted; the tombstone stays.
    Deleted,
}

impl State {
    /// Every state, in the order in which they are listed.
    pub const ALL: [Self; 7] = [
        Self::OnlyOld,
        Self::OnlyNew,
        Self::Synced,
        Self::Waiting,
        Self::Conflict,
        Self::Held,
        Self::Deleted,
    ];

    /// The word for it in the table and on the command line.
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

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The state of somebody who is known on that side only.
    pub const fn only(side: Side) -> Self {
        match side {
            Side::Old => Self::OnlyOld,
            Side::New => Self::OnlyNew,
        }
    }
}

/// An account that a person is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Known {
    /// The identifier; once linked, people are found by it alone.
    pub sub: Sub,
    /// The name to ask for it where the pool takes only names. Stored sealed.
    pub username: Username,
    /// When it was last observed.
    pub seen: Time,
    /// When we last wrote it.
    pub written: Option<Time>,
    /// When the first of the reads in a row began that answer "not there".
    pub gone: Option<Time>,
}

/// What a field was last agreed to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Base {
    /// What was agreed: a fingerprint, or absent.
    pub print: Print,
    /// The revision of the mapping rule under which it was agreed.
    pub rule: u32,
}

/// The base of the three-way merge. Complete: under a rule that it covers, what it does not mention
/// was agreed absent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Agreed {
    /// What each field was agreed to be.
    pub fields: BTreeMap<Field, Base>,
    /// Revisions of the rules that were covered when this was agreed.
    pub rules: BTreeSet<u32>,
}

/// What is known of a field's past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Past {
    /// Never agreed, or agreed under an older rule.
    Never,
    /// It was this.
    Was(Base),
}

impl Agreed {
    /// What `field`, mapped by a rule of revision `rule`, was last agreed to be.
    pub fn past(&self, field: &Field, rule: u32) -> Past {
        match self.fields.get(field) {
            Some(base) if base.rule == rule => Past::Was(base.clone()),
            None if self.rules.contains(&rule) => Past::Was(Base { print: None, rule }),
            Some(_) | None => Past::Never,
        }
    }
}

/// One field that is being written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Intended {
    /// The side that is written.
    pub side: Side,
    /// What it is to hold.
    pub wanted: Print,
    /// What it was observed to hold (R1).
    pub was: Print,
    /// The revision of the mapping rule.
    pub rule: u32,
    /// The pool answered that the write was done, but a read after it did not show the value: the pool
    /// may have kept another one.
    pub answered: bool,
}

/// A plan on its way into the pools, written down before the first call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Intent {
    /// Every field under way.
    pub fields: BTreeMap<Field, Intended>,
    /// What each side said that it was last modified, when it was observed (R4). `None` where that
    /// date was too young to show a later change: such a side counts as modified.
    pub modified: BySide<Option<Time>>,
    /// When it was written down.
    pub at: Time,
    /// The last moment at which a write of it can land: its lease's end (R9).
    pub until: Time,
}

/// Written before poolbridge causes an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Birth {
    /// The pool it is made in.
    pub side: Side,
    /// The `Username` of the call. Stored sealed.
    pub username: Username,
    /// Fingerprints of all that is written at birth; what is not here is absent at birth.
    pub fields: BTreeMap<Field, Base>,
    /// Revisions of the rules that birth covers.
    pub rules: BTreeSet<u32>,
    /// When it was written down.
    pub at: Time,
    /// The last moment at which the creation can land.
    pub until: Time,
}

impl Birth {
    /// What both sides are taken to have agreed upon if the account is ours (R19).
    pub fn agreed(&self) -> Agreed {
        Agreed { fields: self.fields.clone(), rules: self.rules.clone() }
    }

    /// Whether an account that says `facts` and was made at `created` is the one that this note
    /// announced. `created` is the pool's time and may be cut to seconds; `at` is ours, and our clock
    /// may be fast: both are allowed for.
    ///
    /// The person may have edited it since, so it is enough that one identifying field (an address)
    /// still holds what we wrote, or that nothing differs; what the name alone says is no proof.
    pub fn announced(&self, facts: &Facts, created: Time, keys: &Keyring, salt: &PersonId) -> bool {
        let young = created >= self.at - crate::sweep::judge::DATE_GRACE;
        let holds =
            |field: &Field, base: &Base| keys.is(salt, field, &facts.get(field), base.print);
        let address = self
            .fields
            .iter()
            .filter(|(field, _)| field.is_address())
            .any(|(field, base)| holds(field, base));
        young && (address || self.fields.iter().all(|(field, base)| holds(field, base)))
    }
}

/// Who is at work on a person, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Unique for this claim (R6).
    pub owner: Owner,
    /// When the last write of its holder can have landed (R5).
    pub until: Time,
    /// When it may be taken over: later than `until` where the holder can be suspended (R7).
    pub free_at: Time,
}

/// A field that waits, is held, or was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Obstacle {
    /// Why.
    pub reason: Reason,
    /// What the source held then: the same value is not tried again.
    pub value: Print,
    /// The side that could not be written.
    pub side: Side,
    /// Since when.
    pub since: Time,
}

/// Which side's password is the newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Passwords {
    /// When a password was last known to be set, by side, or reset by an administrator. What was set
    /// for the person and not by them counts in the active pool only.
    pub set: BySide<Option<Time>>,
    /// Up to which moment each side was closed: its password replaced by a random one.
    pub closed: BySide<Option<Time>>,
    /// Sides that were closed and whose open sessions are still to be ended.
    pub owes_sign_out: BySide<bool>,
    /// When a password was last set as a message says that nothing supports. It closes nothing.
    pub unproven: BySide<Option<Time>>,
    /// Up to which moment the circuit breaker has counted the closing of each side.
    pub counted: BySide<Option<Time>>,
    /// Why a side's password is out of date and stays usable all the same.
    pub open: BySide<Option<Reason>>,
    /// Whether the account was in `RESET_REQUIRED` when the person was last looked at with both
    /// accounts; `None` before the first such look. An import may leave an account in it from the
    /// start, so only the step into it is an administrator's reset.
    pub reset: BySide<Option<bool>>,
}

impl Passwords {
    /// Why an outdated password stays usable, if one does.
    pub fn kept_open(&self) -> Option<(Side, Reason)> {
        Side::BOTH.into_iter().find_map(|side| Some((side, (*self.open.get(side))?)))
    }

    /// Whether a worker still has to close an outdated password or to end its sessions. A worker that
    /// died may have left either undone. `close`: the policy closes outdated passwords.
    pub fn is_work_left(&self, linked: Option<Time>, close: bool) -> bool {
        let sign_out = Side::BOTH.iter().any(|side| *self.owes_sign_out.get(*side));
        let open = self.stale(linked).filter(|_| close).is_some_and(|side| {
            let newer = *self.set.get(side.other());
            *self.closed.get(side) < newer && self.open.get(side).is_none()
        });
        sign_out || open
    }

    /// The side whose password is out of date, if one is known to be. What was set before the two
    /// accounts were linked says nothing: each side had its own password then.
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
    /// When.
    pub at: Time,
    /// What was decided.
    pub kind: DecisionKind,
    /// The fields concerned, as their names.
    pub fields: Vec<String>,
    /// The side that was, or would have been, written.
    pub side: Option<Side>,
    /// The reason, where there is one.
    pub reason: Option<Reason>,
}

/// What kind of decision it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DecisionKind {
    /// The two accounts were found to be one person.
    Linked,
    /// The account was created.
    Created,
    /// Fields were carried over.
    Carried,
    /// Both sides had changed; the side named here was overruled.
    Conflict,
    /// Two accounts that were never agreed differed; the side named here was overruled.
    FirstLinkConflict,
    /// A field held its former value again while a write of ours was under way, on an account that was
    /// modified since: either that write was undone or it never landed (R4).
    CameBack,
    /// A field was edited on the written side while a write of ours was under way there: over our
    /// value or beside it, nobody can tell. The edit was carried; the side named here gave way.
    EditedMeanwhile,
    /// It has to wait for a person.
    Held,
    /// The target cannot hold it.
    Refused,
    /// A password went out of date and was closed.
    Closed,
    /// An administrator reset the password on the side named here: the other side's may have leaked
    /// as well.
    PasswordReset,
    /// A password event on the side named here makes nothing out of date, for the reason given.
    PasswordIgnored,
    /// The account on the side named here was deleted, as is proved.
    Deleted,
    /// The account on the side named here was disabled, because the other one was deleted.
    Disabled,
    /// The account on the side named here was deleted by us, because the other one was deleted.
    Removed,
    /// An operator said that the two accounts are one person.
    LinkedByOperator,
    /// An operator said that the two accounts are not one person.
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
        Self::Refused,
        Self::Closed,
        Self::PasswordReset,
        Self::PasswordIgnored,
        Self::Deleted,
        Self::Disabled,
        Self::Removed,
        Self::LinkedByOperator,
        Self::UnlinkedByOperator,
    ];

    /// The word for it.
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
            Self::Refused => "refused",
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

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How often a field changed its direction of travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flips {
    /// The side that was written last.
    pub to: Side,
    /// Changes of direction without a captured change.
    pub count: u8,
    /// When they began to be counted.
    pub since: Time,
}

/// An unsuccessful search of the other pool, remembered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Miss {
    /// When.
    pub at: Time,
    /// What was searched for; another value is searched for again.
    pub key: Print,
}

/// A call about this person's account that the pool refuses again and again, in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RepeatedFailure {
    /// The operation, as AWS names it.
    pub operation: String,
    /// How it fails.
    pub kind: FaultKind,
    /// How often in a row, each at least D after the one before.
    pub count: u8,
    /// When the first of them was.
    pub first: Time,
    /// When the last of them was.
    pub last: Time,
}

impl RepeatedFailure {
    /// Whether it has failed so often and for so long that trying on is pointless.
    pub fn is_hopeless(&self) -> bool {
        let long = self.last.since(self.first) >= crate::limits::SAME_FAILURE_TIME;
        self.count >= crate::limits::SAME_FAILURES_MAX && long
    }
}

/// One person, as the ledger holds them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The person.
    pub id: PersonId,
    /// The id under which this person's fingerprints are made: their own, or that of the half whose
    /// birth note became the base when two halves were joined.
    pub salt: PersonId,
    /// Counts every write but a claim: a claim is conditional on it.
    pub revision: u64,
    /// The account on each side, where one is known.
    pub accounts: BySide<Option<Known>>,
    /// The base; `None` for a person never agreed.
    pub agreed: Option<Agreed>,
    /// What is under way.
    pub intent: Option<Intent>,
    /// A creation under way.
    pub birth: Option<Birth>,
    /// The side on which we created the account and still owe it a password.
    pub owes_password: Option<Side>,
    /// One of the accounts was deleted; the person is never synchronised again.
    pub tombstone: Option<Tombstone>,
    /// Who is at work.
    pub lease: Option<Lease>,
    /// No observation may begin before this (R10).
    pub not_before: Time,
    /// The state.
    pub state: State,
    /// Why the person as a whole waits or is held.
    pub reason: Option<Reason>,
    /// Fields that wait, are held or were refused.
    pub obstacles: BTreeMap<Field, Obstacle>,
    /// The certain failure that ends each look at this person, if one does.
    pub failure: Option<RepeatedFailure>,
    /// Password freshness.
    pub passwords: Passwords,
    /// Second factors that cannot travel, as last seen, by side: counted, never merged.
    pub local_factors: BySide<bool>,
    /// The last search of the other pool that found nobody.
    pub miss: Option<Miss>,
    /// Directions of travel.
    pub flips: BTreeMap<Field, Flips>,
    /// The last few decisions, newest last.
    pub decisions: Vec<Decision>,
    /// Accounts from which an operator separated this person.
    pub apart: Apart,
    /// When both accounts were found to be one person.
    pub linked: Option<Time>,
    /// When the person became known.
    pub created: Time,
    /// When this was last written.
    pub updated: Time,
}

impl Entry {
    /// Somebody who was just seen on `side` for the first time.
    pub fn new(id: PersonId, side: Side, account: Known, now: Time) -> Self {
        let mut accounts = BySide { old: None, new: None };
        *accounts.get_mut(side) = Some(account);
        Self {
            salt: id.clone(),
            id,
            revision: 1,
            accounts,
            agreed: None,
            intent: None,
            birth: None,
            owes_password: None,
            tombstone: None,
            lease: None,
            not_before: Time::ZERO,
            state: State::only(side),
            reason: None,
            obstacles: BTreeMap::new(),
            failure: None,
            passwords: Passwords::default(),
            local_factors: BySide::default(),
            miss: None,
            flips: BTreeMap::new(),
            decisions: Vec::new(),
            apart: Apart::default(),
            linked: None,
            created: now,
            updated: now,
        }
    }

    /// The one side that the person is known on, if it is just one.
    pub const fn only_side(&self) -> Option<Side> {
        match (&self.accounts.old, &self.accounts.new) {
            (Some(_), None) => Some(Side::Old),
            (None, Some(_)) => Some(Side::New),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }

    /// Adds a decision and forgets the oldest beyond the bound.
    pub fn decide(&mut self, decision: Decision) {
        self.decisions.push(decision);
        let surplus = self.decisions.len().saturating_sub(crate::limits::DECISIONS_MAX);
        self.decisions.drain(..surplus);
    }

    /// The fingerprint of a reading, under this person's salt.
    pub fn print(&self, keys: &Keyring, field: &Field, reading: &Reading) -> Print {
        keys.reading(&self.salt, field, reading)
    }
}

#[cfg(test)]
mod tests;
