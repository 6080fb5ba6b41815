//! Cases that went wrong once, or nearly did. Each runs step by step on a simulated world
//! without other faults, through the real `capture` and `reconcile`.

#![expect(clippy::unwrap_used, reason = "a test's own names and rules are known to be good")]

#[path = "stories/addresses.rs"]
mod addresses;
#[path = "stories/administrators.rs"]
mod administrators;
#[path = "stories/password_closing.rs"]
mod password_closing;
#[path = "stories/creation.rs"]
mod creation;
#[path = "stories/disables.rs"]
mod disables;
#[path = "stories/factors.rs"]
mod factors;
#[path = "stories/repeated_failures.rs"]
mod repeated_failures;
#[path = "stories/claims.rs"]
mod claims;
#[path = "stories/federated.rs"]
mod federated;
#[path = "stories/crash_window.rs"]
mod crash_window;
#[path = "stories/kept_values.rs"]
mod kept_values;
#[path = "stories/leases.rs"]
mod leases;
#[path = "stories/linking.rs"]
mod linking;
#[path = "stories/pending_changes.rs"]
mod pending_changes;
#[path = "stories/merging.rs"]
mod merging;
#[path = "stories/operator_links.rs"]
mod operator_links;
#[path = "stories/passwords.rs"]
mod passwords;
#[path = "stories/password_events.rs"]
mod password_events;
#[path = "stories/open_passwords.rs"]
mod open_passwords;
#[path = "stories/sweeping.rs"]
mod sweeping;
#[path = "stories/searches.rs"]
mod searches;
#[path = "stories/spelling.rs"]
mod spelling;
#[path = "stories/restores.rs"]
mod restores;

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::account::{AttributeSchema, PoolSchema, Status};
use poolbridge_core::mapping::Mapping;
use poolbridge_core::names::{Sub, Username};
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::World;
use poolbridge_tests::world::accounts::{Body, SimulatedAccount, Version, attribute};
use poolbridge_tests::world::edits::Human;
use poolbridge_tests::world::fault_injection::{CallFate, FaultInjection, FaultRates};

/// From now on, the first `times` calls of that operation have this result. Later calls succeed.
fn inject_faults(world: &World, operation: &'static str, fate: CallFate, times: u32) {
    world.lock().fault_injection = FaultInjection::new(FaultRates {
        fault_one_in: 1,
        faults_max: times,
        faults: vec![fate],
        only: Some(operation),
        ..FaultRates::none()
    });
}

/// How often that operation was called and answered so far.
fn calls(world: &World, operation: &str) -> usize {
    world.lock().trace.lines().iter().filter(|line| line.contains(operation)).count()
}

/// A confirmed account with that username and a verified address.
fn named(setup: &Setup, side: Side, human: u32, name: &str, address: &str) -> Sub {
    let mut world = setup.world.lock();
    let now = world.now;
    let pool = world.pools.get_mut(side);
    let sub = pool.next_sub();
    let attributes = BTreeMap::from([
        (attribute("email"), address.to_owned()),
        (attribute("email_verified"), "true".to_owned()),
    ]);
    let first = Version { at: now, body: Body::confirmed(attributes, now) };
    let name = Username::try_from(name).unwrap();
    pool.add(SimulatedAccount::new(sub.clone(), name, Human(human), false, first));
    sub
}

/// A federated account whose provider says that the address is verified.
fn federated(setup: &Setup, side: Side, human: u32, name: &str, address: &str) -> Sub {
    let sub = named(setup, side, human, name, address);
    setup.edit(side, &sub, |body| body.status = Status::ExternalProvider);
    sub
}

/// Changes the schema of a pool.
fn change_schema(setup: &Setup, side: Side, change: impl FnOnce(&mut PoolSchema)) {
    change(&mut setup.world.lock().pools.get_mut(side).schema);
}

/// Both pools have these attributes too, without a maximum length.
fn add_attributes(setup: &Setup, names: &[&str]) {
    for side in Side::BOTH {
        change_schema(setup, side, |schema| {
            for name in names {
                let unbounded = AttributeSchema { longest: None, ..AttributeSchema::default() };
                schema.attributes.insert(attribute(name), unbounded);
            }
        });
    }
}

/// The usual mapping of a bridge with one case-insensitive pool.
fn folding() -> Mapping {
    Mapping::new(Vec::new(), &BTreeSet::new(), true, true).unwrap()
}

/// Whether the two accounts belong to one person.
fn linked(setup: &Setup, old: &Sub, new: &Sub) -> bool {
    setup.record(Side::Old, old).accounts.new.is_some_and(|known| known.sub == *new)
}
