//! What an event outside the bridge reports about one account, and the change events that follow.

use crate::change::{ChangeEvent, Evidence};
use crate::names::Sub;
use crate::side::{BySide, Side};
use crate::time::Time;

/// The pool of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventPool {
    /// This pool.
    Pool(Side),
    /// The event does not name its pool. These pools are in its Region, and there is at least one.
    Unsaid(BySide<bool>),
}

impl EventPool {
    /// The pools that it may be.
    pub fn sides(self) -> impl Iterator<Item = Side> {
        Side::BOTH.into_iter().filter(move |side| match self {
            Self::Pool(this) => this == *side,
            Self::Unsaid(possible) => *possible.get(*side),
        })
    }
}

/// A change of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountEvent {
    /// The pool.
    pub place: EventPool,
    /// The account.
    pub sub: Sub,
    /// The latest possible time of the call; never later than now.
    pub at: Time,
    /// The evidence, if the pool is certain.
    pub evidence: Evidence,
    /// Whether a password was set, unless the event shows that it is temporary.
    pub password: bool,
    /// Whether an administrator set it.
    pub administrator: bool,
    /// The event's own id, if it has one. A second delivery of the same event is the same capture,
    /// so the queue may drop it as a duplicate (`UniqueDeduplicationId`). Either the pending change
    /// of the first delivery is still stored, or apply observed the account after the change.
    pub id: Option<u128>,
}

impl AccountEvent {
    /// The changes that an account event leads to. If the pool is known, there is one. Otherwise
    /// there is one hint for each possible pool: a read that finds no account bills no user.
    pub fn changes(&self, known: BySide<bool>, nonce: u128) -> Vec<ChangeEvent> {
        let id = self.id.unwrap_or(nonce);
        let change = |side: Side, evidence| ChangeEvent {
            side,
            sub: self.sub.clone(),
            at: self.at,
            evidence,
            password: self.password,
            administrator: self.administrator,
            claimed: false,
            // Two changes of one event are two captures.
            id: if side == Side::New { !id } else { id },
        };
        let sure: Vec<Side> = match self.place {
            EventPool::Pool(side) => vec![side],
            EventPool::Unsaid(_) => {
                Side::BOTH.into_iter().filter(|side| *known.get(*side)).collect()
            }
        };
        if sure.is_empty() {
            return self.place.sides().map(|side| change(side, Evidence::Hint)).collect();
        }
        sure.into_iter().map(|side| change(side, self.evidence)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(place: EventPool) -> AccountEvent {
        let sub = Sub::try_from("s-1").unwrap();
        let (evidence, password, administrator) = (Evidence::Deleted, true, false);
        AccountEvent { place, sub, at: Time(7), evidence, password, administrator, id: Some(5) }
    }

    fn changes(event: &AccountEvent, known: BySide<bool>) -> Vec<(Side, Evidence)> {
        let changes = event.changes(known, 9);
        assert!(changes.iter().all(|it| it.at == Time(7) && it.password));
        let ids: std::collections::BTreeSet<u128> = changes.iter().map(|it| it.id).collect();
        assert_eq!(ids.len(), changes.len(), "an id appears twice");
        changes.into_iter().map(|it| (it.side, it.evidence)).collect()
    }

    #[test]
    fn an_event_without_a_pool_belongs_to_the_pools_that_know_the_account() {
        let nowhere = BySide::default();
        let both = BySide { old: true, new: true };
        let new = BySide { old: false, new: true };
        let in_pool = event(EventPool::Pool(Side::Old));
        assert_eq!(changes(&in_pool, nowhere), [(Side::Old, Evidence::Deleted)]);
        let unsaid = event(EventPool::Unsaid(both));
        assert_eq!(changes(&unsaid, new), [(Side::New, Evidence::Deleted)]);
        let hints = [(Side::Old, Evidence::Hint), (Side::New, Evidence::Hint)];
        assert_eq!(changes(&unsaid, nowhere), hints);
        let of_region = event(EventPool::Unsaid(new));
        assert_eq!(changes(&of_region, nowhere), [(Side::New, Evidence::Hint)]);
    }

    #[test]
    fn the_same_event_is_the_same_capture() {
        let event = event(EventPool::Pool(Side::New));
        let id = |event: &AccountEvent, nonce| event.changes(BySide::default(), nonce)[0].id;
        assert_eq!(id(&event, 1), id(&event, 2));
        let without = AccountEvent { id: None, ..event };
        assert_ne!(id(&without, 1), id(&without, 2));
    }
}
