//! The state table's contents and its conditions, each as one atomic step.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use poolbridge_core::breaker::{Breaker, removals_max, window};
use poolbridge_core::change::{Change, Mark, Proof};
use poolbridge_core::entry::{Entry, Lease, State as PersonState};
use poolbridge_core::fault::FaultKind;
use poolbridge_core::names::{Owner, PersonId, Sub};
use poolbridge_core::policy::Control;
use poolbridge_core::ports::Claim;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_core::verdict::Reason;

/// How long a tombstone stays without `TombstoneStays` (R24): no longer than a pass of the sweep
/// may take.
const TOMBSTONE_LIFE: Duration = Duration::from_hours(1);

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Every person.
    pub people: BTreeMap<PersonId, Entry>,
    /// The last writer of each person record; none for a new one.
    writers: BTreeMap<PersonId, Owner>,
    /// The person record into which each absorbed one was merged.
    pub forwards: BTreeMap<PersonId, PersonId>,
    /// The person of each account.
    pub pointers: BTreeMap<(Side, Sub), PersonId>,
    /// Accounts with changes not yet applied.
    pub marks: BTreeMap<(Side, Sub), Mark>,
    /// Changes whose pending change was stored, by id.
    pub marked: BTreeSet<u128>,
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
        let Self { people, writers, forwards, pointers, marks, marked, control, .. } = self;
        let Self { counts: _, removals, .. } = self;
        (people, writers, forwards, pointers, marks, marked, control, removals).hash(hasher);
    }
}

impl Table {
    /// The person that an account belongs to. Follows forwarding items.
    pub fn find(&self, side: Side, sub: &Sub) -> Option<&Entry> {
        self.person(self.pointers.get(&(side, sub.clone()))?)
    }

    /// The person with that id. Follows forwarding items.
    pub fn person<'a>(&'a self, mut id: &'a PersonId) -> Option<&'a Entry> {
        while let Some(next) = self.forwards.get(id) {
            id = next;
        }
        self.people.get(id)
    }

    /// The planted bug against `TombstoneStays` (R24): tombstones that owe nothing more expire, and
    /// with them all that was known about their people.
    pub fn expire_tombstones(&mut self, now: Time) {
        let expired = |entry: &Entry| {
            let tombstone = entry.tombstone.as_ref().filter(|tombstone| tombstone.owed.is_none());
            tombstone.is_some_and(|tombstone| now.since(tombstone.at) >= TOMBSTONE_LIFE)
        };
        self.people.retain(|_, entry| !expired(entry));
        let mut pointers = std::mem::take(&mut self.pointers);
        pointers.retain(|_, person| self.person(person).is_some());
        self.pointers = pointers;
    }

    /// Takes a lease.
    pub fn claim(&mut self, person: &PersonId, revision: u64, lease: &Lease, now: Time) -> Claim {
        let Some(entry) = self.people.get_mut(person).filter(|one| one.revision == revision) else {
            return Claim::Moved;
        };
        match &entry.lease {
            Some(held) if held.free_at > now && held.owner != lease.owner => {
                Claim::Busy(held.free_at)
            }
            Some(_) | None => {
                entry.lease = Some(lease.clone());
                Claim::Taken(Box::new(entry.clone()))
            }
        }
    }

    fn held_by(&self, person: &PersonId, owner: &Owner) -> Result<(), FaultKind> {
        let lease = self.people.get(person).and_then(|entry| entry.lease.as_ref());
        lease.filter(|lease| lease.owner == *owner).map(|_| ()).ok_or(FaultKind::Lost)
    }

    /// Whether `entry` may be written: only under its lease, and only forward.
    fn may_follow(&self, entry: &Entry, owner: &Owner) -> Result<(), FaultKind> {
        self.held_by(&entry.id, owner)?;
        let older = self.people.get(&entry.id).is_some_and(|it| it.revision < entry.revision);
        older.then_some(()).ok_or(FaultKind::Lost)
    }

    /// Whether the table holds the result of this very write, ignoring a later lease. Then the
    /// write is a repetition after a lost answer.
    fn is_written(&self, entry: &Entry, owner: Option<&Owner>) -> bool {
        let Some(stored) = self.people.get(&entry.id) else { return false };
        let same = Entry { lease: entry.lease.clone(), ..stored.clone() } == *entry;
        same && self.writers.get(&entry.id) == owner
    }

    fn put(&mut self, entry: &Entry, owner: &Owner) {
        self.people.insert(entry.id.clone(), entry.clone());
        self.writers.insert(entry.id.clone(), owner.clone());
    }

    /// Writes a person record.
    pub fn store(&mut self, entry: &Entry, owner: &Owner) -> Result<(), FaultKind> {
        match self.may_follow(entry, owner) {
            Ok(()) => self.put(entry, owner),
            Err(_) if self.is_written(entry, Some(owner)) => {}
            Err(kind) => return Err(kind),
        }
        Ok(())
    }

    /// Writes a new person record and its pointers; `conditional` unless that rule is removed
    /// (`LinkInOneTransaction`, R16).
    pub fn begin(&mut self, entry: &Entry, conditional: bool) -> Result<(), FaultKind> {
        let accounts: Vec<(Side, Sub)> = accounts_of(entry);
        let there = accounts.iter().any(|account| self.pointers.contains_key(account));
        if self.is_written(entry, None) {
            return Ok(());
        }
        let known = |id| self.people.contains_key(id) || self.forwards.contains_key(id);
        if known(&entry.id) || (there && conditional) {
            return Err(FaultKind::Exists);
        }
        self.people.insert(entry.id.clone(), entry.clone());
        for account in accounts {
            self.pointers.insert(account, entry.id.clone());
        }
        Ok(())
    }

    /// Writes a person record and one more pointer.
    pub fn join(
        &mut self,
        entry: &Entry,
        owner: &Owner,
        side: Side,
        conditional: bool,
    ) -> Result<(), FaultKind> {
        let account = entry.accounts.get(side).as_ref().ok_or(FaultKind::Invalid)?;
        let key = (side, account.sub.clone());
        match self.may_follow(entry, owner) {
            Ok(()) => {}
            Err(_) if self.is_written(entry, Some(owner)) => return Ok(()),
            Err(kind) => return Err(kind),
        }
        if conditional && self.pointers.contains_key(&key) {
            return Err(FaultKind::Exists);
        }
        self.pointers.insert(key, entry.id.clone());
        self.put(entry, owner);
        Ok(())
    }

    /// Merges two person records into one; `conditional` on both leases unless that rule is removed
    /// (`JoinUnderLease`, R18).
    pub fn merge(
        &mut self,
        kept: &Entry,
        absorbed: &Entry,
        owner: &Owner,
        conditional: bool,
    ) -> Result<(), FaultKind> {
        if conditional {
            if self.is_written(kept, Some(owner)) {
                return Ok(());
            }
            self.may_follow(kept, owner)?;
            self.held_by(&absorbed.id, owner)?;
            let theirs = |account| self.pointers.get(account) == Some(&absorbed.id);
            if !accounts_of(absorbed).iter().all(theirs) {
                return Err(FaultKind::Lost);
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
        kept: &Entry,
        parted: &Entry,
        owner: &Owner,
    ) -> Result<(), FaultKind> {
        if self.is_written(kept, Some(owner)) {
            return Ok(());
        }
        self.may_follow(kept, owner)?;
        let known = self.people.contains_key(&parted.id) || self.forwards.contains_key(&parted.id);
        let theirs = |account| self.pointers.get(account) == Some(&kept.id);
        if known || !accounts_of(parted).iter().all(theirs) {
            return Err(FaultKind::Lost);
        }
        for account in accounts_of(parted) {
            self.pointers.insert(account, parted.id.clone());
        }
        self.put(parted, owner);
        self.put(kept, owner);
        Ok(())
    }

    /// Stores a pending change of an account. `fresh` is the token of a new one: random, unless
    /// that rule is removed (`TokenNeverRepeats`, R12).
    pub fn mark(&mut self, change: &Change, fresh: u128) {
        let at = |it: bool| (change.password && it).then_some(change.at);
        let password_at = at(!change.claimed && !change.administrator);
        let administrator_at = at(!change.claimed && change.administrator);
        let claimed_at = at(change.claimed);
        let mark = self.marks.entry((change.side, change.sub.clone())).or_insert_with(|| Mark {
            side: change.side,
            sub: change.sub.clone(),
            token: fresh,
            first: change.at,
            last: change.at,
            proof: change.proof,
            password_at,
            administrator_at,
            claimed_at,
            not_before: Time::ZERO,
            attempts: 0,
            reason: None,
        });
        mark.token = mark.token.wrapping_add(1);
        mark.first = mark.first.min(change.at);
        match (change.proof, mark.proof) {
            // A pending change with hints only keeps the time of the oldest one.
            (Proof::Hint, Proof::Hint) => mark.last = mark.first,
            (Proof::Hint, _) => {}
            (_, Proof::Hint) => (mark.last, mark.proof) = (change.at, change.proof),
            (_, _) if change.at >= mark.last => {
                (mark.last, mark.proof) = (change.at, change.proof);
            }
            (_, _) => {}
        }
        mark.password_at = mark.password_at.max(password_at);
        mark.administrator_at = mark.administrator_at.max(administrator_at);
        mark.claimed_at = mark.claimed_at.max(claimed_at);
        // A newer change must not wait for the back-off of an older one.
        (mark.not_before, mark.attempts, mark.reason) = (Time::ZERO, 0, None);
        self.marked.insert(change.id);
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
        let mark = self.marks.get_mut(&(side, sub.clone())).filter(|mark| mark.token == token);
        let Some(mark) = mark else { return false };
        mark.not_before = until;
        mark.attempts += 1;
        mark.reason = Some(reason.name().to_owned());
        true
    }

    /// Clears a pending change if it is unchanged. Returns whether it was.
    pub fn clear_mark(&mut self, side: Side, sub: &Sub, token: u128) -> bool {
        let key = (side, sub.clone());
        let ours = self.marks.get(&key).is_some_and(|mark| mark.token == token);
        if ours {
            self.marks.remove(&key);
        }
        ours
    }
}

/// The accounts in a person record.
pub fn accounts_of(entry: &Entry) -> Vec<(Side, Sub)> {
    let known = |side| entry.accounts.get(side).as_ref().map(|known| (side, known.sub.clone()));
    Side::BOTH.into_iter().filter_map(known).collect()
}
