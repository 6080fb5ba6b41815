//! The worlds that show a missing rule: of the simulation, tuned to a rule or one of the mixtures;
//! and small ones of the protocol suite.

use poolbridge_core::policy::{Deletes, Provision};
use poolbridge_tests::protocol::small::Small;
use poolbridge_tests::simulation::mixture::Mixture;
use poolbridge_tests::simulation::profile::{Act, Profile, Rhythm, Start};
use poolbridge_tests::world::weather::{Climate, Fate};

/// A world that shows a missing rule.
pub(crate) struct World {
    /// Its difference from the other worlds of the rule.
    pub(crate) name: &'static str,
    /// Its kind.
    pub(crate) kind: Kind,
}

/// How a world is run.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Draws worlds of that profile at random, seed after seed, until one of these promises is
    /// broken.
    Simulated {
        /// The profile of the worlds.
        profile: Box<Profile>,
        /// The promises that break without the rule.
        promises: Vec<&'static str>,
    },
    /// Tries everything that can happen in that small world.
    Small(Box<Small>),
}

/// A world of the simulation.
pub(crate) fn simulated(name: &'static str, promises: &[&'static str], profile: Profile) -> World {
    let (profile, promises) = (Box::new(profile), promises.to_vec());
    World { name, kind: Kind::Simulated { profile, promises } }
}

/// A mixture of the simulation suite.
pub(crate) fn mixture(mixture: Mixture, promises: &[&'static str]) -> World {
    simulated(mixture.name(), promises, mixture.profile())
}

/// A small world of the protocol suite.
pub(crate) fn small(small: Small) -> World {
    World { name: small.name, kind: Kind::Small(Box::new(small)) }
}

/// Calls fail in these ways: on average one in this many, and only those of `only` if it is named.
pub(crate) fn failing(
    only: Option<&'static str>,
    one_in: u32,
    most: u32,
    faults: &[Fate],
) -> Climate {
    let faults = faults.to_vec();
    Climate { fault_one_in: one_in, faults_max: most, faults, only, ..Climate::calm() }
}

/// Crashes at any moment, some answers lost, no stale reads.
pub(crate) fn crashing() -> Profile {
    Profile {
        edits_max: 3,
        crashes: 2,
        climate: failing(None, 12, 2, &[Fate::AnswerLost, Fate::RequestLost, Fate::LandsLate]),
        rhythm: Rhythm { crash: 6, ..Rhythm::default() },
        ..Profile::quiet()
    }
}

/// Stale reads are the only faults.
pub(crate) fn stale() -> Profile {
    Profile {
        edits_max: 3,
        climate: Climate { stale_one_in: 2, stale_max: 8, ..Climate::calm() },
        ..Profile::quiet()
    }
}

/// Workers are suspended at any call, and their messages become visible again.
pub(crate) fn sleeping() -> Profile {
    Profile {
        sleeps: 3,
        repeats: 3,
        suspendable: vec![true],
        rhythm: Rhythm { rare: 12, ..Rhythm::default() },
        ..Profile::quiet()
    }
}

/// Two accounts of one human that are not linked yet.
pub(crate) fn apart() -> Profile {
    Profile { starts: vec![Start::Unlinked, Start::Halves], workers_max: 3, ..crashing() }
}

/// People are created in the other pool, and the answers to creations are lost.
pub(crate) fn eager() -> Profile {
    Profile {
        starts: vec![Start::OldOnly],
        provision: vec![Provision::Eager],
        climate: failing(Some("AdminCreateUser"), 2, 1, &[Fate::AnswerLost, Fate::LandsLate]),
        ..crashing()
    }
}

/// At least two people, so that one account can be the other's canary. They delete their accounts,
/// and others sign up with their addresses.
pub(crate) fn departing() -> Profile {
    Profile {
        people_min: 2,
        people_max: 2,
        workers_max: 3,
        edits_max: 4,
        acts: vec![(Act::Text, 1), (Act::Delete, 2), (Act::Return, 2)],
        ..crashing()
    }
}

/// Only the sweep detects deletions: there is no trigger and no `CloudTrail`.
pub(crate) fn unnoticed(profile: Profile) -> Profile {
    Profile { sweeps: 3, unnoticed: true, ..profile }
}

/// No faults, and a deletion leaves the account in the other pool as it is.
pub(crate) fn kept() -> Profile {
    Profile { deletes: vec![Deletes::Keep], climate: Climate::calm(), crashes: 0, ..departing() }
}
