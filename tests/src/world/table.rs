//! The state table's contents and its conditions, each as one atomic step.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use poolbridge_core::breaker::{Breaker, removals_max, window};
use poolbridge_core::change::{ChangeEvent, Evidence, PendingChange};
use poolbridge_core::control::Control;
use poolbridge_core::error::ErrorKind;
use poolbridge_core::names::{Owner, PersonId, Sub};
use poolbridge_core::outcome::Reason;
use poolbridge_core::ports::Claim;
use poolbridge_core::record::{Lease, PersonRecord, PersonState};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

/// How long a tombstone stays without `TombstoneStays`: no longer than a pass of the sweep
/// may take.
const TOMBSTONE_LIFE: Duration = Duration::from_hours(1);

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Every person.
    pub people: BTreeMap<PersonId, PersonRecord>,
    /// The last writer of each person record; none for a new one.
    writers: BTreeMap<PersonId, Owner>,
    /// The person record into which each absorbed one was merged.
    pub forwards: BTreeMap<PersonId, PersonId>,
    /// The person of each account.
    pub pointers: BTreeMap<(Side, Sub), PersonId>,
    /// Accounts with changes not yet applied.
    pub pending_changes: BTreeMap<(Side, Sub), PendingChange>,
    /// Changes whose pending change was stored, by id.
    pub has_pending: BTreeSet<u128>,
    /// The control item.
    pub control: Control,
    /// People by state.
    pub counts: BTreeMap<PersonState, i64>,
    /// Removals per window: how many there were, and how many there may be.
    pub removals: BTreeMap<i64, (u64, u64)>,
}

/// Everything that a task can read: all except the counts, which are best effort.
impl Hash for Table {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self {
            people, writers, forwards, pointers, pending_changes, has_pending, control, ..
        } = self;
        let Self { counts: _, removals, .. } = self;
        (people, writers, forwards, pointers, pending_changes, has_pending, control, removals)
            .hash(hasher);
    }
}

impl Table {
    /// The person that an account belongs to. Follows forwarding items.
    pub fn find(&self, side: Side, sub: &Sub) -> Option<&PersonRecord> {
        self.person(self.pointers.get(&(side, sub.clone()))?)
    }

    /// The person with that id. Follows forwarding items.
    pub fn person<'a>(&'a self, mut id: &'a PersonId) -> Option<&'a PersonRecord> {
        while let Some(next) = self.forwards.get(id) {
            id = next;
        }
        self.people.get(id)
    }

    /// The planted bug against `TombstoneStays`: tombstones without pending actions expire, and
    /// with them all that was known about their people.
    pub fn expire_tombstones(&mut self, now: Time) {
        let expired = |record: &PersonRecord| {
            let tombstone = record.tombstone.as_ref().filter(|tombstone| tombstone.owed.is_none());
            tombstone.is_some_and(|tombstone| now.since(tombstone.at) >= TOMBSTONE_LIFE)
        };
        self.people.retain(|_, record| !expired(record));
        let mut pointers = std::mem::take(&mut self.pointers);
        pointers.retain(|_, person| self.person(person).is_some());
        self.pointers = pointers;
    }

    /// Takes a lease.
    pub fn claim(&mut self, person: &PersonId, revision: u64, lease: &Lease, now: Time) -> Claim {
        let Some(record) = self.people.get_mut(person).filter(|one| one.revision == revision)
        else {
            return Claim::Moved;
        };
        match &record.lease {
            Some(held) if held.free_at > now && held.owner != lease.owner => {
                Claim::Busy(held.free_at)
            }
            Some(_) | None => {
                record.lease = Some(lease.clone());
                Claim::Taken(Box::new(record.clone()))
            }
        }
    }

    fn held_by(&self, person: &PersonId, owner: &Owner) -> Result<(), ErrorKind> {
        let lease = self.people.get(person).and_then(|record| record.lease.as_ref());
        lease.filter(|lease| lease.owner == *owner).map(|_| ()).ok_or(ErrorKind::Lost)
    }

    /// Whether `record` may be written: only under its lease, and only forward.
    fn may_follow(&self, record: &PersonRecord, owner: &Owner) -> Result<(), ErrorKind> {
        self.held_by(&record.id, owner)?;
        let older = self.people.get(&record.id).is_some_and(|it| it.revision < record.revision);
        older.then_some(()).ok_or(ErrorKind::Lost)
    }

    /// Whether the table holds the result of this very write, ignoring a later lease. Then the
    /// write is a repetition after a lost answer.
    fn is_written(&self, record: &PersonRecord, owner: Option<&Owner>) -> bool {
        let Some(stored) = self.people.get(&record.id) else { return false };
        let same = PersonRecord { lease: record.lease.clone(), ..stored.clone() } == *record;
        same && self.writers.get(&record.id) == owner
    }

    fn put(&mut self, record: &PersonRecord, owner: &Owner) {
        self.people.insert(record.id.clone(), record.clone());
        self.writers.insert(record.id.clone(), owner.clone());
    }

    /// Writes a person record.
    pub fn store(&mut self, record: &PersonRecord, owner: &Owner) -> Result<(), ErrorKind> {
        match self.may_follow(record, owner) {
            Ok(()) => self.put(record, owner),
            Err(_) if self.is_written(record, Some(owner)) => {}
            Err(kind) => return Err(kind),
        }
        Ok(())
    }

    /// Writes a new person record and its pointers; `conditional` unless that rule is removed
    /// (`LinkInOneTransaction`).
    pub fn begin(&mut self, record: &PersonRecord, conditional: bool) -> Result<(), ErrorKind> {
        let accounts: Vec<(Side, Sub)> = accounts_of(record);
        let there = accounts.iter().any(|account| self.pointers.contains_key(account));
        if self.is_written(record, None) {
            return Ok(());
        }
        let known = |id| self.people.contains_key(id) || self.forwards.contains_key(id);
        if known(&record.id) || (there && conditional) {
            return Err(ErrorKind::Exists);
        }
        self.people.insert(record.id.clone(), record.clone());
        for account in accounts {
            self.pointers.insert(account, record.id.clone());
        }
        Ok(())
    }

    /// Writes a person record and one more pointer.
    pub fn join(
        &mut self,
        record: &PersonRecord,
        owner: &Owner,
        side: Side,
        conditional: bool,
    ) -> Result<(), ErrorKind> {
        let account = record.accounts.get(side).as_ref().ok_or(ErrorKind::Invalid)?;
        let key = (side, account.sub.clone());
        match self.may_follow(record, owner) {
            Ok(()) => {}
            Err(_) if self.is_written(record, Some(owner)) => return Ok(()),
            Err(kind) => return Err(kind),
        }
        if conditional && self.pointers.contains_key(&key) {
            return Err(ErrorKind::Exists);
        }
        self.pointers.insert(key, record.id.clone());
        self.put(record, owner);
        Ok(())
    }

    /// Merges two person records into one; `conditional` on both leases unless that rule is removed
    /// (`JoinUnderLease`).
    pub fn merge(
        &mut self,
        kept: &PersonRecord,
        absorbed: &PersonRecord,
        owner: &Owner,
        conditional: bool,
    ) -> Result<(), ErrorKind> {
        if conditional {
            if self.is_written(kept, Some(owner)) {
                return Ok(());
            }
            self.may_follow(kept, owner)?;
            self.held_by(&absorbed.id, owner)?;
            let theirs = |account| self.pointers.get(account) == Some(&absorbed.id);
            if !accounts_of(absorbed).iter().all(theirs) {
                return Err(ErrorKind::Lost);
            }
        }
        for account in accounts_of(absorbed) {
            self.pointers.insert(account, kept.id.clone());
        }
        self.people.remove(&absorbed.id);
        self.forwards.insert(absorbed.id.clone(), kept.id.clone());
        self.put(kept, owner);
        Ok(())
    }

    /// Splits one person record into two, under its lease.
    pub fn separate(
        &mut self,
        kept: &PersonRecord,
        parted: &PersonRecord,
        owner: &Owner,
    ) -> Result<(), ErrorKind> {
        if self.is_written(kept, Some(owner)) {
            return Ok(());
        }
        self.may_follow(kept, owner)?;
        let known = self.people.contains_key(&parted.id) || self.forwards.contains_key(&parted.id);
        let theirs = |account| self.pointers.get(account) == Some(&kept.id);
        if known || !accounts_of(parted).iter().all(theirs) {
            return Err(ErrorKind::Lost);
        }
        for account in accounts_of(parted) {
            self.pointers.insert(account, parted.id.clone());
        }
        self.put(parted, owner);
        self.put(kept, owner);
        Ok(())
    }

    /// Stores a pending change of an account. `fresh` is the token of a new one: random, unless
    /// that rule is removed (`TokenNeverRepeats`).
    pub fn store_pending(&mut self, change: &ChangeEvent, fresh: u128) {
        let at = |it: bool| (change.password && it).then_some(change.at);
        let password_at = at(!change.claimed && !change.administrator);
        let administrator_at = at(!change.claimed && change.administrator);
        let claimed_at = at(change.claimed);
        let pending =
            self.pending_changes.entry((change.side, change.sub.clone())).or_insert_with(|| {
                PendingChange {
                    side: change.side,
                    sub: change.sub.clone(),
                    token: fresh,
                    first: change.at,
                    last: change.at,
                    evidence: change.evidence,
                    password_at,
                    administrator_at,
                    claimed_at,
                    not_before: Time::ZERO,
                    attempts: 0,
                    reason: None,
                }
            });
        pending.token = pending.token.wrapping_add(1);
        pending.first = pending.first.min(change.at);
        match (change.evidence, pending.evidence) {
            // A pending change with hints only keeps the time of the oldest one.
            (Evidence::Hint, Evidence::Hint) => pending.last = pending.first,
            (Evidence::Hint, _) => {}
            (_, Evidence::Hint) => (pending.last, pending.evidence) = (change.at, change.evidence),
            (_, _) if change.at >= pending.last => {
                (pending.last, pending.evidence) = (change.at, change.evidence);
            }
            (_, _) => {}
        }
        pending.password_at = pending.password_at.max(password_at);
        pending.administrator_at = pending.administrator_at.max(administrator_at);
        pending.claimed_at = pending.claimed_at.max(claimed_at);
        // A newer change must not wait for the back-off of an older one.
        (pending.not_before, pending.attempts, pending.reason) = (Time::ZERO, 0, None);
        self.has_pending.insert(change.id);
    }

    /// Counts a removal in the window of `now`, if the limit allows it. The first removal fixes the
    /// limit.
    pub fn allow_removal(&mut self, now: Time) -> bool {
        let bound = self.removals_bound();
        let (count, bound) = self.removals.entry(window(now)).or_insert((0, bound));
        let room = *count < *bound;
        *count += u64::from(room);
        room
    }

    /// Restarts the count of removals in this window and the next, and allows that many more.
    pub fn allow_removals(&mut self, now: Time, more: u64) {
        let bound = self.removals_bound() + more;
        for window in [window(now), window(now) + 1] {
            self.removals.insert(window, (0, bound));
        }
    }

    fn removals_bound(&self) -> u64 {
        let known: i64 = self.counts.values().sum();
        removals_max(u64::try_from(known).unwrap_or(0))
    }

    /// Opens the breaker, unless it is open.
    pub fn trip(&mut self, breaker: Breaker) {
        if self.control.breaker.is_none() {
            self.control.breaker = Some(breaker);
            self.control.revision += 1;
        }
    }

    /// Delays a pending change if it is unchanged. Returns whether it was.
    pub fn back_off(
        &mut self,
        side: Side,
        sub: &Sub,
        token: u128,
        until: Time,
        reason: Reason,
    ) -> bool {
        let pending = self
            .pending_changes
            .get_mut(&(side, sub.clone()))
            .filter(|pending| pending.token == token);
        let Some(pending) = pending else { return false };
        pending.not_before = until;
        pending.attempts += 1;
        pending.reason = Some(reason.name().to_owned());
        true
    }

    /// Clears a pending change if it is unchanged. Returns whether it was.
    pub fn clear_pending(&mut self, side: Side, sub: &Sub, token: u128) -> bool {
        let key = (side, sub.clone());
        let ours = self.pending_changes.get(&key).is_some_and(|pending| pending.token == token);
        if ours {
            self.pending_changes.remove(&key);
        }
        ours
    }
}

/// The accounts in a person record.
pub fn accounts_of(record: &PersonRecord) -> Vec<(Side, Sub)> {
    let known = |side| record.accounts.get(side).as_ref().map(|known| (side, known.sub.clone()));
    Side::BOTH.into_iter().filter_map(known).collect()
}
