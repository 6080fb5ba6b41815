//! The worlds that show a missing rule about deleted accounts and reused usernames.

use poolbridge_core::policy::{Deletes, Provision};
use poolbridge_tests::protocol::worlds::losses;
use poolbridge_tests::simulation::parameters::{Act, InitialState, WorldParameters};
use poolbridge_tests::world::fault_injection::FaultRates;

use super::rules::{ONE_PERSON, OTHER_PERSONS_VALUES, RECREATED, UNCAUSED, UNPROVEN};
use super::worlds::{
    PlantedWorld, crashing, deleting, eager, kept, no_events, simulated, small, stale,
};

pub(super) fn same_sub() -> Vec<PlantedWorld> {
    let acts = vec![(Act::Text, 3), (Act::Replace, 1)];
    let parameters = WorldParameters { acts, edits_max: 4, ..WorldParameters::minimal() };
    vec![
        simulated("another person takes the username", &[OTHER_PERSONS_VALUES], parameters),
        small(losses::replaced()),
    ]
}

pub(super) fn absence_twice() -> Vec<PlantedWorld> {
    let signing_up = WorldParameters {
        people_min: 2,
        people_max: 2,
        starts: vec![InitialState::OldOnly, InitialState::NewOnly],
        acts: vec![(Act::Join, 1)],
        ..stale()
    };
    let rates = FaultRates { stale_one_in: 2, stale_max: 8, ..crashing().rates };
    let acts = vec![(Act::Join, 2), (Act::Text, 1), (Act::Group, 1)];
    let busy = WorldParameters { acts, edits_max: 4, crashes: 2, rates, ..signing_up.clone() };
    let busy = WorldParameters { deletes: vec![Deletes::Delete], ..busy };
    let promises = ["no living person gets a tombstone", UNCAUSED];
    vec![
        simulated("stale reads of people who just signed up", &promises, signing_up),
        simulated("the same, other edits, crashes, answers lost", &promises, busy),
    ]
}

pub(super) fn tombstone_first() -> Vec<PlantedWorld> {
    let noticed = WorldParameters {
        people_min: 2,
        people_max: 2,
        edits_max: 4,
        acts: vec![(Act::Text, 2), (Act::Delete, 2)],
        workers_max: 3,
        ..eager()
    };
    let with_crashes = WorldParameters { rates: FaultRates::none(), ..noticed.clone() };
    let swept = no_events(noticed.clone());
    vec![
        simulated("deletions while an account is created", &[RECREATED], noticed),
        simulated("deletions while a creating worker crashes", &[RECREATED], with_crashes),
        simulated("deletions that the sweep alone finds", &[RECREATED], swept),
    ]
}

pub(super) fn tombstone_stays() -> Vec<PlantedWorld> {
    let eager = WorldParameters { provision: vec![Provision::Eager], ..kept() };
    let acts = vec![(Act::Delete, 1), (Act::Return, 3)];
    let with_sign_ups = WorldParameters { acts, edits_max: 8, ..kept() };
    vec![
        simulated("the account that is kept is created again", &[RECREATED], eager),
        simulated(
            "a sign-up with the address of a kept account",
            &[OTHER_PERSONS_VALUES, UNPROVEN],
            with_sign_ups,
        ),
    ]
}

pub(super) fn deleted_never_match() -> Vec<PlantedWorld> {
    let promises = [OTHER_PERSONS_VALUES, UNPROVEN, ONE_PERSON, UNCAUSED];
    vec![
        simulated("sign-ups with the same address, crashes", &promises, deleting()),
        simulated(
            "sign-ups with the same address, the other account is kept",
            &[OTHER_PERSONS_VALUES],
            kept(),
        ),
    ]
}

pub(super) fn canary_reads() -> Vec<PlantedWorld> {
    let alone = WorldParameters { people_min: 1, people_max: 1, ..deleting() };
    let promises = ["no account is removed without a canary account"];
    vec![
        simulated("one person, crashes", &promises, alone.clone()),
        simulated("one person, deletions that the sweep alone finds", &promises, no_events(alone)),
    ]
}
