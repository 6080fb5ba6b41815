//! The worlds that show a missing rule: of the simulation, tuned to a rule or one of the mixtures;
//! and small ones of the protocol suite.

use poolbridge_core::policy::{Deletes, Provision};
use poolbridge_tests::protocol::small::SmallWorld;
use poolbridge_tests::simulation::mixture::Mixture;
use poolbridge_tests::simulation::parameters::{Act, InitialState, MoveWeights, WorldParameters};
use poolbridge_tests::world::fault_injection::{CallFate, FaultRates};

/// A world that shows a missing rule.
pub(crate) struct PlantedWorld {
    /// Its difference from the other worlds of the rule.
    pub(crate) name: &'static str,
    /// Its kind.
    pub(crate) kind: RunMethod,
}

/// How a world is run.
#[derive(Debug)]
pub(crate) enum RunMethod {
    /// Draws worlds of that profile at random, seed after seed, until one of these promises is
    /// broken.
    Simulated {
        /// The profile of the worlds.
        parameters: Box<WorldParameters>,
        /// The promises that break without the rule.
        promises: Vec<&'static str>,
    },
    /// Tries everything that can happen in that small world.
    SmallWorld(Box<SmallWorld>),
}

/// A world of the simulation.
pub(crate) fn simulated(
    name: &'static str,
    promises: &[&'static str],
    parameters: WorldParameters,
) -> PlantedWorld {
    let (parameters, promises) = (Box::new(parameters), promises.to_vec());
    PlantedWorld { name, kind: RunMethod::Simulated { parameters, promises } }
}

/// A mixture of the simulation suite.
pub(crate) fn mixture(mixture: Mixture, promises: &[&'static str]) -> PlantedWorld {
    simulated(mixture.name(), promises, mixture.parameters())
}

/// A small world of the protocol suite.
pub(crate) fn small(small: SmallWorld) -> PlantedWorld {
    PlantedWorld { name: small.name, kind: RunMethod::SmallWorld(Box::new(small)) }
}

/// Calls fail in these ways: on average one in this many, and only those of `only` if it is named.
pub(crate) fn failing(
    only: Option<&'static str>,
    one_in: u32,
    most: u32,
    faults: &[CallFate],
) -> FaultRates {
    let faults = faults.to_vec();
    FaultRates { fault_one_in: one_in, faults_max: most, faults, only, ..FaultRates::none() }
}

/// Crashes at any moment, some answers lost, no stale reads.
pub(crate) fn crashing() -> WorldParameters {
    WorldParameters {
        edits_max: 3,
        crashes: 2,
        rates: failing(
            None,
            12,
            2,
            &[CallFate::AnswerLost, CallFate::RequestLost, CallFate::LandsLate],
        ),
        move_weights: MoveWeights { crash: 6, ..MoveWeights::default() },
        ..WorldParameters::minimal()
    }
}

/// Stale reads are the only faults.
pub(crate) fn stale() -> WorldParameters {
    WorldParameters {
        edits_max: 3,
        rates: FaultRates { stale_one_in: 2, stale_max: 8, ..FaultRates::none() },
        ..WorldParameters::minimal()
    }
}

/// Workers are suspended at any call, and their messages become visible again.
pub(crate) fn suspending() -> WorldParameters {
    WorldParameters {
        suspensions: 3,
        repeats: 3,
        suspendable: vec![true],
        move_weights: MoveWeights { rare: 12, ..MoveWeights::default() },
        ..WorldParameters::minimal()
    }
}

/// Two accounts of one human that are not linked yet.
pub(crate) fn apart() -> WorldParameters {
    WorldParameters {
        starts: vec![InitialState::Unlinked, InitialState::Halves],
        workers_max: 3,
        ..crashing()
    }
}

/// People are created in the other pool, and the answers to creations are lost.
pub(crate) fn eager() -> WorldParameters {
    WorldParameters {
        starts: vec![InitialState::OldOnly],
        provision: vec![Provision::Eager],
        rates: failing(Some("AdminCreateUser"), 2, 1, &[CallFate::AnswerLost, CallFate::LandsLate]),
        ..crashing()
    }
}

/// At least two people, so that one account can be the other's canary. They delete their accounts,
/// and others sign up with their addresses.
pub(crate) fn deleting() -> WorldParameters {
    WorldParameters {
        people_min: 2,
        people_max: 2,
        workers_max: 3,
        edits_max: 4,
        acts: vec![(Act::Text, 1), (Act::Delete, 2), (Act::Return, 2)],
        ..crashing()
    }
}

/// Only the sweep detects deletions: there is no trigger and no `CloudTrail`.
pub(crate) fn no_events(parameters: WorldParameters) -> WorldParameters {
    WorldParameters { sweeps: 3, no_events: true, ..parameters }
}

/// No faults, and a deletion leaves the account in the other pool as it is.
pub(crate) fn kept() -> WorldParameters {
    WorldParameters {
        deletes: vec![Deletes::Keep],
        rates: FaultRates::none(),
        crashes: 0,
        ..deleting()
    }
}
