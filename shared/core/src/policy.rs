//! The team's choices, and the phase of the bridge. They come in as values; core reads no file.

use std::time::Duration;

use crate::mapping::Mapping;
use crate::names::AttributeName;
use crate::rules::ProtocolRules;
use crate::side::BySide;

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
