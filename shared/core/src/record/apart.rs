//! What an operator stated about accounts that do not belong to one person (`poolbridge unlink`),
//! and how one person record becomes two.

use std::collections::BTreeSet;

use super::{Decision, DecisionKind, Passwords, PersonRecord, PersonState};
use crate::names::{PersonId, Sub};
use crate::side::{BySide, Side};
use crate::time::Time;

/// By pool: accounts that do not belong to this person, as an operator stated. No search links the
/// person to one of them (invariant 16). Only `poolbridge link` removes such a note.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Apart(BySide<BTreeSet<Sub>>);

impl Apart {
    /// The accounts of that pool that do not belong to this person.
    pub const fn of(&self, side: Side) -> &BTreeSet<Sub> {
        self.0.get(side)
    }

    /// Whether there are no such notes.
    pub fn is_empty(&self) -> bool {
        Side::BOTH.into_iter().all(|side| self.of(side).is_empty())
    }

    /// Notes that this account does not belong to the person.
    pub fn note(&mut self, side: Side, sub: Sub) {
        self.0.get_mut(side).insert(sub);
    }

    /// Removes the note.
    pub fn forget(&mut self, side: Side, sub: &Sub) {
        self.0.get_mut(side).remove(sub);
    }

    /// Adds the notes of another record of the same person.
    pub fn extend(&mut self, other: &Self) {
        for side in Side::BOTH {
            self.0.get_mut(side).extend(other.of(side).iter().cloned());
        }
    }
}

impl PersonRecord {
    /// Splits this record, which wrongly joins two people, into one record for each account. The
    /// old account keeps the record; the new account gets a record with the id `id`. `None` if one
    /// of the accounts is not known. `not_before`: no observation of either account may begin
    /// before this time (`NotBefore`).
    ///
    /// Each record keeps what is true of its own account alone. It keeps nothing that compares the
    /// two accounts or that follows from the other one:
    ///
    /// - The baseline is removed: the two accounts never agreed on anything. If they are linked
    ///   again, the first-link rules decide.
    /// - An open write intent is removed, because it contains values of the other person. The
    ///   caller has waited until its writes can no longer land (`IntentSettlesFirst`). What
    ///   they wrote stays, because the pools are not written.
    /// - Blocked fields, failed calls, searches and direction changes are removed: they concern
    ///   writes from one account to the other.
    /// - An owed first password stays with the account that poolbridge created, because its owner
    ///   cannot sign in without it. apply sets it when the account is linked again.
    /// - An owed sign-out is removed: the other person's password change required it.
    /// - A tombstone stays with the account that was deleted (`TombstoneStays`). What it still
    ///   owes to the other account is removed, because that account belongs to another person.
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
                half.state = PersonState::Deleted;
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
    /// The password information of that pool alone.
    fn of(&self, side: Side) -> Self {
        let mut of = Self::default();
        *of.set.get_mut(side) = *self.set.get(side);
        *of.closed.get_mut(side) = *self.closed.get(side);
        *of.unproven.get_mut(side) = *self.unproven.get(side);
        *of.counted.get_mut(side) = *self.counted.get(side);
        of
    }
}
