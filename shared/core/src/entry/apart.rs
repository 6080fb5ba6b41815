//! What an operator said about accounts that are not one person (`poolbridge unlink`), and how one
//! person record becomes two.

use std::collections::BTreeSet;

use super::{Decision, DecisionKind, Entry, Passwords, State};
use crate::names::{PersonId, Sub};
use crate::side::{BySide, Side};
use crate::time::Time;

/// Accounts that are not this person's, as an operator said, by the pool that they are in. No search
/// links the person to one of them (invariant 16); only `poolbridge link` takes the word back.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Apart(BySide<BTreeSet<Sub>>);

impl Apart {
    /// The accounts of that pool that are not this person's.
    pub const fn of(&self, side: Side) -> &BTreeSet<Sub> {
        self.0.get(side)
    }

    /// Whether an operator said nothing of that kind.
    pub fn is_empty(&self) -> bool {
        Side::BOTH.into_iter().all(|side| self.of(side).is_empty())
    }

    /// Notes that this account is not the person's.
    pub fn note(&mut self, side: Side, sub: Sub) {
        self.0.get_mut(side).insert(sub);
    }

    /// Takes the note back.
    pub fn forget(&mut self, side: Side, sub: &Sub) {
        self.0.get_mut(side).remove(sub);
    }

    /// Adds the notes of the other half of a person.
    pub fn extend(&mut self, other: &Self) {
        for side in Side::BOTH {
            self.0.get_mut(side).extend(other.of(side).iter().cloned());
        }
    }
}

impl Entry {
    /// The two people that this record wrongly joins, by the pool of their account: the old account
    /// keeps the record, the new one gets a record of that id. `None` if one of the accounts is not
    /// known. `not_before`: no observation of either may begin before it (R10).
    ///
    /// Each half keeps what is true of its own account alone. It keeps nothing that compares the two or
    /// that follows from the other account:
    ///
    /// - The baseline goes: the two accounts never agreed on anything. If they are linked again, the
    ///   first-link rules decide.
    /// - An open write intent goes: it carries values of the other person. The caller has waited until
    ///   its writes can land no more (R9), and what they left stays: the pools are not written.
    /// - Blocked fields, failed calls, searches and direction changes go with it: they are about writes
    ///   from one account to the other.
    /// - An owed password stays with the account that poolbridge created: its owner cannot get in
    ///   without it. It is paid when the account is linked again.
    /// - An owed sign-out goes: the other person's password change asked for it.
    /// - A tombstone stays with the account that was deleted (R24). What it still owes to the other
    ///   account goes: that account is another person's.
    pub fn separated(&self, id: &PersonId, at: Time, not_before: Time) -> Option<BySide<Self>> {
        let (old, new) = (self.accounts.old.as_ref()?, self.accounts.new.as_ref()?);
        let half = |side: Side, id: &PersonId| {
            let account = if side == Side::Old { old } else { new };
            let mut half = Self::new(id.clone(), side, account.clone(), self.created);
            half.not_before = self.not_before.max(not_before);
            half.updated = at;
            half.owes_password = self.owes_password.filter(|owed| *owed == side);
            half.passwords = self.passwords.of(side);
            *half.local_factors.get_mut(side) = *self.local_factors.get(side);
            half.tombstone = self.tombstone.clone().filter(|tombstone| tombstone.side == side);
            if let Some(tombstone) = &mut half.tombstone {
                tombstone.owed = None;
                half.state = State::Deleted;
            }
            let other = side.other();
            half.apart.extend(&self.apart);
            half.apart.0.get_mut(side).clear();
            half.apart
                .note(other, if side == Side::Old { new.sub.clone() } else { old.sub.clone() });
            half.decisions.clone_from(&self.decisions);
            half.decide(Decision {
                at,
                kind: DecisionKind::UnlinkedByOperator,
                fields: Vec::new(),
                side: None,
                reason: None,
            });
            half
        };
        let mut kept = half(Side::Old, &self.id);
        kept.salt = self.salt.clone();
        kept.revision = self.revision + 1;
        Some(BySide { old: kept, new: half(Side::New, id) })
    }
}

impl Passwords {
    /// What is known of the password of that side alone.
    fn of(&self, side: Side) -> Self {
        let mut of = Self::default();
        *of.set.get_mut(side) = *self.set.get(side);
        *of.closed.get_mut(side) = *self.closed.get(side);
        *of.unproven.get_mut(side) = *self.unproven.get(side);
        *of.counted.get_mut(side) = *self.counted.get(side);
        of
    }
}
