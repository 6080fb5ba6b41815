//! What the team chose, and which phase the bridge is in. Comes in as values; core reads no file.

use std::time::Duration;

use crate::breaker::Breaker;
use crate::law::Law;
use crate::mapping::Mapping;
use crate::names::AttributeName;
use crate::restore::Restore;
use crate::side::{BySide, Side};
use crate::verdict::Reason;

/// Whether somebody who lives in one pool only is created in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provision {
    /// They appear at their own first sign-in, through the migrate trigger, with their password.
    Lazy,
    /// They are created at once, if they can get in there (a verified address).
    Eager,
}

/// Who wins when both sides were changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConflictRule {
    /// The pool that applications sign in to.
    ActiveWins,
    /// Nobody: an operator decides.
    Hold,
}

/// How accounts of the two pools are found to be one human. The proof is asked for besides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MatchBy {
    /// The e-mail address, verified on both sides.
    Email,
    /// The phone number, verified on both sides.
    Phone,
    /// The username: finds, never proves.
    Username,
    /// An attribute of the new pool that holds the old `sub` and that no app client may write.
    OldSub(AttributeName),
}

/// What happens on the other side when a person was deleted on one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deletes {
    /// The other account is disabled.
    Disable,
    /// The other account is deleted too.
    Delete,
    /// The other account stays as it is.
    Keep,
}

/// What becomes of a password that is older than the other side's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StalePasswords {
    /// It is replaced by a random one and the person is signed out there.
    Close,
    /// It stays usable.
    Keep,
}

/// The team's choices.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How people are matched.
    pub match_by: MatchBy,
    /// Whether people are created, by the side that they would be created *in*.
    pub provision: BySide<Provision>,
    /// Who wins conflicts.
    pub conflicts: ConflictRule,
    /// What a deletion does.
    pub deletes: Deletes,
    /// Whether group memberships travel.
    pub groups: bool,
    /// What becomes of passwords that went out of date.
    pub stale_passwords: StalePasswords,
    /// The bound on stale reads (D), as configured.
    pub settle: Duration,
    /// How far apart two clocks may be: added to every bound. Nothing where all run on one machine.
    pub clock_allowance: Duration,
    /// Attribute rules.
    pub mapping: Mapping,
    /// Which rules of the protocol hold: all of them, but in a test that proves one.
    pub law: Law,
}

impl Policy {
    /// The bound D with the clocks' allowance: what was done longer ago than this, a read shows.
    pub fn bound(&self) -> Duration {
        self.settle + self.clock_allowance
    }

    /// The same for a listing, which is staler than a read.
    pub fn listing_bound(&self) -> Duration {
        self.settle * crate::limits::LISTING_LAG + self.clock_allowance
    }
}

/// Where the move stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Phase {
    /// Nothing is written yet.
    Prepare,
    /// The old pool is active, the new one is kept in step. A table without a control item is here:
    /// deploying the bridge is the start.
    #[default]
    Follow,
    /// The new pool is active, the old one is kept in step.
    Switched,
    /// The move is over.
    Complete,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 4] = [Self::Prepare, Self::Follow, Self::Switched, Self::Complete];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Follow => "follow",
            Self::Switched => "switched",
            Self::Complete => "complete",
        }
    }

    /// The phase of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }

    /// The pool that applications sign in to.
    pub const fn active(self) -> Side {
        match self {
            Self::Prepare | Self::Follow => Side::Old,
            Self::Switched | Self::Complete => Side::New,
        }
    }
}

/// The control item: what every worker reads after each claim (R27).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Control {
    /// The phase.
    pub phase: Phase,
    /// A switch was announced: nothing new is started.
    pub closing: bool,
    /// An operator paused the bridge, with the reason given.
    pub paused: Option<String>,
    /// Too many deletions followed one another: nothing is removed until an operator closes this.
    pub breaker: Option<Breaker>,
    /// By pool: it was restored to a point in time, or deleted. An operator decides what follows.
    pub restores: BySide<Option<Restore>>,
    /// The configuration in force, and when it was put in force.
    pub configuration: Option<ConfigurationStamp>,
    /// Counts every write of this item.
    pub revision: u64,
}

impl Control {
    /// Whether another configuration is in force than the one of that hash.
    pub fn is_other_configuration(&self, hash: &str) -> bool {
        self.configuration.as_ref().is_some_and(|it| it.hash != hash)
    }

    /// The side whose pool that configuration replaces by another one. The person records name accounts
    /// of the former pool, so in the other one everybody would count as deleted.
    pub fn replaced_pool(&self, wanted: &ConfigurationStamp) -> Option<Side> {
        let now = &self.configuration.as_ref()?.pools;
        Side::BOTH.into_iter().find(|side| now.get(*side) != wanted.pools.get(*side))
    }

    /// Why nothing but a disable may be done now, if so, by a process of the configuration of that
    /// hash (invariant 10). A disable needs neither the configuration in force nor the phase:
    /// `enabled` has one mapping, and "disabled" wins whichever pool is active.
    pub fn only_disables(&self, hash: &str) -> Option<Reason> {
        if !matches!(self.phase, Phase::Follow | Phase::Switched) {
            return None;
        }
        let closing = self.closing.then_some(Reason::Closing);
        let other = self.is_other_configuration(hash).then_some(Reason::OtherConfiguration);
        closing.or(other).or(self.stopped())
    }
}

/// Which configuration is in force.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConfigurationStamp {
    /// A hash of all that decides what is written.
    pub hash: String,
    /// Since when, in milliseconds since the epoch.
    pub since: crate::time::Time,
    /// The ids of the two pools, whose accounts the person records name.
    pub pools: BySide<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_of_another_pool_is_told_by_its_side() {
        let stamp = |old: &str, new: &str| ConfigurationStamp {
            hash: format!("{old} {new}"),
            since: crate::time::Time::ZERO,
            pools: BySide { old: old.to_owned(), new: new.to_owned() },
        };
        let none = Control::default();
        assert_eq!(none.replaced_pool(&stamp("a", "b")), None, "nothing is in force yet");
        let control = Control { configuration: Some(stamp("a", "b")), ..none };
        assert_eq!(control.replaced_pool(&stamp("a", "b")), None);
        assert_eq!(control.replaced_pool(&stamp("c", "b")), Some(Side::Old));
        assert_eq!(control.replaced_pool(&stamp("a", "c")), Some(Side::New));
    }
}
