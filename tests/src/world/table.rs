//! The state table's contents and its conditions, as one atomic step each.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::change::{Change, Mark};
use poolbridge_core::entry::{Entry, Lease, State as PersonState};
use poolbridge_core::fault::FaultKind;
use poolbridge_core::names::{Owner, PersonId, Sub};
use poolbridge_core::policy::Control;
use poolbridge_core::ports::Claim;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Every person.
    pub people: BTreeMap<PersonId, Entry>,
    /// Where people went that were joined to others.
    pub forwards: BTreeMap<PersonId, PersonId>,
    /// Whose each account is.
    pub pointers: BTreeMap<(Side, Sub), PersonId>,
    /// Accounts with changes not yet applied.
    pub marks: BTreeMap<(Side, Sub), Mark>,
    /// Changes whose mark was made, by their ids.
    pub marked: BTreeSet<u128>,
    /// The control item.
    pub control: Control,
    /// People by state.
    pub counts: BTreeMap<PersonState, i64>,
}

impl Table {
    /// The person that an account belongs to, forwarding items followed.
    pub fn find(&self, side: Side, sub: &Sub) -> Option<&Entry> {
        let mut id = self.pointers.get(&(side, sub.clone()))?;
        while let Some(next) = self.forwards.get(id) {
            id = next;
        }
        self.people.get(id)
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

    /// Writes an entry.
    pub fn store(&mut self, entry: &Entry, owner: &Owner) -> Result<(), FaultKind> {
        self.held_by(&entry.id, owner)?;
        self.people.insert(entry.id.clone(), entry.clone());
        Ok(())
    }

    /// Writes a new person and their pointers; `conditional` unless a rule was taken away (R16).
    pub fn begin(&mut self, entry: &Entry, conditional: bool) -> Result<(), FaultKind> {
        let accounts: Vec<(Side, Sub)> = accounts_of(entry);
        let there = accounts.iter().any(|account| self.pointers.contains_key(account));
        if self.people.contains_key(&entry.id) || (there && conditional) {
            return Err(FaultKind::Exists);
        }
        self.people.insert(entry.id.clone(), entry.clone());
        for account in accounts {
            self.pointers.insert(account, entry.id.clone());
        }
        Ok(())
    }

    /// Writes an entry and one more pointer.
    pub fn join(
        &mut self,
        entry: &Entry,
        owner: &Owner,
        side: Side,
        conditional: bool,
    ) -> Result<(), FaultKind> {
        self.held_by(&entry.id, owner)?;
        let account = entry.accounts.get(side).as_ref().ok_or(FaultKind::Unreadable)?;
        let key = (side, account.sub.clone());
        if conditional && self.pointers.get(&key).is_some_and(|id| *id != entry.id) {
            return Err(FaultKind::Exists);
        }
        self.pointers.insert(key, entry.id.clone());
        self.people.insert(entry.id.clone(), entry.clone());
        Ok(())
    }

    /// Makes one person of two.
    pub fn merge(
        &mut self,
        kept: &Entry,
        absorbed: &Entry,
        owner: &Owner,
    ) -> Result<(), FaultKind> {
        self.held_by(&kept.id, owner)?;
        self.held_by(&absorbed.id, owner)?;
        for account in accounts_of(absorbed) {
            self.pointers.insert(account, kept.id.clone());
        }
        self.people.remove(&absorbed.id);
        self.forwards.insert(absorbed.id.clone(), kept.id.clone());
        self.people.insert(kept.id.clone(), kept.clone());
        Ok(())
    }

    /// Marks an account. `fresh` is the token that a mark begins with: random, unless a rule was
    /// taken away (R12).
    pub fn mark(&mut self, change: &Change, fresh: u128) {
        let password_at = change.password.then_some(change.at);
        let mark = self.marks.entry((change.side, change.sub.clone())).or_insert_with(|| Mark {
            side: change.side,
            sub: change.sub.clone(),
            token: fresh,
            first: change.at,
            last: change.at,
            proof: change.proof,
            password_at,
            not_before: Time::ZERO,
            attempts: 0,
            reason: None,
        });
        mark.token = mark.token.wrapping_add(1);
        mark.first = mark.first.min(change.at);
        if change.at >= mark.last {
            mark.last = change.at;
            mark.proof = change.proof;
        }
        mark.password_at = mark.password_at.max(password_at);
        self.marked.insert(change.id);
    }

    /// Takes a mark away if nobody touched it since.
    pub fn clear_mark(&mut self, side: Side, sub: &Sub, token: u128) -> bool {
        let key = (side, sub.clone());
        let ours = self.marks.get(&key).is_some_and(|mark| mark.token == token);
        if ours {
            self.marks.remove(&key);
        }
        ours
    }
}

/// The accounts that a person is known by.
pub fn accounts_of(entry: &Entry) -> Vec<(Side, Sub)> {
    let known = |side| entry.accounts.get(side).as_ref().map(|known| (side, known.sub.clone()));
    Side::BOTH.into_iter().filter_map(known).collect()
}
