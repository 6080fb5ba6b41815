//! The team's choices, and the phase of the bridge. They come in as values; core reads no file.

use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};

use crate::breaker::Breaker;
use crate::mapping::Mapping;
use crate::names::AttributeName;
use crate::outcome::Reason;
use crate::restore::Restore;
use crate::rules::ProtocolRules;
use crate::side::{BySide, Side};
use crate::variants::named;

/// Whether poolbridge creates an account for a person who has an account in the other pool only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provision {
    /// The account appears at the person's first sign-in, through the migrate trigger, with the
    /// password.
    Lazy,
    /// apply creates the account at once, if the person can sign in there (a verified address).
    Eager,
}

/// Which pool wins if both were changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConflictRule {
    /// The pool that applications sign in to.
    ActiveWins,
    /// Neither pool: an operator decides.
    Hold,
}

/// How poolbridge finds the accounts of one human in the two pools. A link needs a proof as well.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MatchBy {
    /// The e-mail address, verified in both pools.
    Email,
    /// The phone number, verified in both pools.
    Phone,
    /// The username. It finds an account and never proves it.
    Username,
    /// An attribute of the new pool that holds the old `sub` and that no app client may write.
    OldSub(AttributeName),
}

/// What happens to the account in the other pool after one account of a person was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deletes {
    /// apply disables the other account.
    Disable,
    /// apply deletes the other account too.
    Delete,
    /// The other account stays as it is.
    Keep,
}

/// What happens to a password that is older than the one in the other pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StalePasswords {
    /// apply replaces it by a random one and signs the person out there.
    Close,
    /// It stays valid.
    Keep,
}

/// The team's choices.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How accounts are matched.
    pub match_by: MatchBy,
    /// Whether accounts are created, by the pool *in* which they would be created.
    pub provision: BySide<Provision>,
    /// Which pool wins a conflict.
    pub conflicts: ConflictRule,
    /// What a deletion does.
    pub deletes: Deletes,
    /// Whether group memberships travel.
    pub groups: bool,
    /// What happens to outdated passwords.
    pub stale_passwords: StalePasswords,
    /// The configured settle time (D): the upper bound on how stale a read may be.
    pub settle: Duration,
    /// How far apart two clocks may be, added to every bound. Zero if all run on one machine.
    pub clock_allowance: Duration,
    /// The mapping rules.
    pub mapping: Mapping,
    /// Which protocol rules hold: all, except in a test that removes one.
    pub rules: ProtocolRules,
}

impl Policy {
    /// The settle time D plus the clock allowance. A read shows every older change.
    pub fn bound(&self) -> Duration {
        self.settle + self.clock_allowance
    }

    /// The same for a listing, which is staler than a read.
    pub fn listing_bound(&self) -> Duration {
        self.settle * crate::limits::LISTING_LAG + self.clock_allowance
    }
}

/// How far the move from the old to the new pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Phase {
    /// poolbridge writes nothing yet.
    Prepare,
    /// The old pool is active, and poolbridge keeps the new pool in step. A table without a control
    /// item is in this phase: the deployment of the bridge is the start.
    #[default]
    Follow,
    /// The new pool is active, and poolbridge keeps the old pool in step.
    Switched,
    /// The move is finished.
    Complete,
}

named!(
    Phase,
    ALL: "Every phase, in order.",
    name: "Its name in the table and on the command line."
);

impl Phase {
    /// The pool that applications sign in to.
    pub const fn active(self) -> Side {
        match self {
            Self::Prepare | Self::Follow => Side::Old,
            Self::Switched | Self::Complete => Side::New,
        }
    }
}

/// The control item. Every worker reads it after each claim (`IntentChecksPhase`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Control {
    /// The phase.
    pub phase: Phase,
    /// A switch was announced. Workers start nothing new.
    pub closing: bool,
    /// An operator paused the bridge, with this reason.
    pub paused: Option<String>,
    /// The circuit breaker is open: apply removes nothing until an operator closes it.
    pub breaker: Option<Breaker>,
    /// By pool: it was restored to a point in time, or deleted. An operator decides what follows.
    pub restores: BySide<Option<Restore>>,
    /// The active configuration, and since when it is active.
    pub configuration: Option<ConfigurationStamp>,
    /// Increases with every write of this item.
    pub revision: u64,
}

impl Control {
    /// Whether the active configuration has another hash than `hash`.
    pub fn is_other_configuration(&self, hash: &str) -> bool {
        self.configuration.as_ref().is_some_and(|it| it.hash != hash)
    }

    /// The side whose pool the configuration `wanted` replaces by another pool. The person records
    /// name accounts of the former pool, so in the other pool every account would count as deleted.
    pub fn replaced_pool(&self, wanted: &ConfigurationStamp) -> Option<Side> {
        let now = &self.configuration.as_ref()?.pools;
        Side::BOTH.into_iter().find(|side| now.get(*side) != wanted.pools.get(*side))
    }

    /// Why a process with the configuration `hash` may write only disables now, if that is so
    /// (invariant 10). A disable depends neither on the active configuration nor on the phase:
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

/// The identity of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConfigurationStamp {
    /// A hash of everything that decides what is written.
    pub hash: String,
    /// When it became active.
    pub since: crate::time::Time,
    /// The ids of the two pools whose accounts the person records name.
    pub pools: BySide<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_replaces_a_pool_is_detected_with_its_side() {
        let stamp = |old: &str, new: &str| ConfigurationStamp {
            hash: format!("{old} {new}"),
            since: crate::time::Time::ZERO,
            pools: BySide { old: old.to_owned(), new: new.to_owned() },
        };
        let none = Control::default();
        assert_eq!(none.replaced_pool(&stamp("a", "b")), None, "no configuration is active yet");
        let control = Control { configuration: Some(stamp("a", "b")), ..none };
        assert_eq!(control.replaced_pool(&stamp("a", "b")), None);
        assert_eq!(control.replaced_pool(&stamp("c", "b")), Some(Side::Old));
        assert_eq!(control.replaced_pool(&stamp("a", "c")), Some(Side::New));
    }
}
