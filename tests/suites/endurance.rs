//! Endurance: messages that come again and again and in any order, places that are out of reach for
//! an hour, a pause, a throttled pool. Nothing is lost, nothing is written twice, and nothing ends
//! among the dead letters.

use std::time::Duration;

use poolbridge_core::change::Change;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::endurance::{Endurance, Planned, agreed, mixture};
use poolbridge_tests::simulation::profile::{Act, Profile};
use poolbridge_tests::world::edits::Human;
use poolbridge_tests::world::weather::Place;

/// How many worlds each test runs.
const WORLDS: u64 = 2500;

/// How many edits there are in a world.
const EDITS: usize = 30;

/// How often each message is delivered.
const DELIVERIES: usize = 3;

/// How long a place is out of reach, and how long a pause lasts.
const HOUR: Duration = Duration::from_hours(1);

/// Long after everything: a search that found nobody is forgotten by then.
const LONG_AFTER: Duration = Duration::from_hours(6);

/// The deeds of a world, in bursts of one to five: each burst is over before its first message is
/// delivered, so that how many writes it takes is nobody's accident.
fn bursts(world: &mut Endurance, seed: u64) -> Vec<Vec<Planned>> {
    let planned = world.plan(seed, EDITS, Duration::from_secs(4));
    let mut rest = planned.as_slice();
    let mut bursts = Vec::new();
    let mut size = 1;
    while !rest.is_empty() {
        let (burst, later) = rest.split_at(size.min(rest.len()));
        bursts.push(burst.to_vec());
        rest = later;
        size = size % 5 + 1;
    }
    bursts
}

fn play(world: &mut Endurance, burst: &[Planned]) {
    for planned in burst {
        world.scheduler.pass(planned.after);
        world.act(planned);
    }
}

/// Each message once, one after the other.
fn once(seed: u64, profile: &Profile) -> (Endurance, usize) {
    let mut world = Endurance::new(seed, seed, profile);
    let mut messages = world.scheduler.world.lock().queue.messages().len();
    assert!(world.rest(), "seed {seed}: the first messages are not worked off");
    for burst in bursts(&mut world, seed) {
        play(&mut world, &burst);
        messages += world.scheduler.world.lock().queue.messages().len();
        assert!(world.rest(), "seed {seed}: a burst is not worked off");
    }
    (world, messages)
}

/// Each message three times: one of them after its burst, the others then or at any later time, in
/// any order, side by side with those of other bursts.
fn thrice(seed: u64, profile: &Profile) -> (Endurance, usize) {
    let mut world = Endurance::new(seed, seed ^ 0x7, profile);
    world.again = true;
    let mut kept: Vec<Change> = Vec::new();
    let mut sent = deliver(&mut world, &mut kept);
    for burst in bursts(&mut world, seed) {
        play(&mut world, &burst);
        sent += deliver(&mut world, &mut kept);
    }
    for _ in 0..2 {
        sent += deliver(&mut world, &mut kept);
        world.scheduler.pass(LONG_AFTER);
    }
    world.shuffle(&mut kept);
    for change in &kept {
        world.put_message(change);
    }
    assert!(world.rest(), "seed {seed}: the last copies are not worked off");
    (world, sent + kept.len())
}

/// Delivers what the queue holds and some of the copies kept, in random order, and works them off.
fn deliver(world: &mut Endurance, kept: &mut Vec<Change>) -> usize {
    let mut now = world.take_messages();
    for change in &now {
        kept.extend(std::iter::repeat_n(change.clone(), DELIVERIES - 1));
    }
    let (some, later): (Vec<_>, Vec<_>) =
        std::mem::take(kept).into_iter().partition(|_| world.choose(2) == 0);
    *kept = later;
    now.extend(some);
    world.shuffle(&mut now);
    for change in &now {
        world.put_message(change);
        if world.choose(2) == 0 {
            let until = world.now() + Duration::from_secs(world.choose(20) as u64);
            world.work(until);
        }
    }
    let until = world.now() + Duration::from_secs(60);
    world.work(until);
    assert!(world.rest(), "the copies are not worked off");
    now.len()
}

#[test]
fn every_message_three_times_in_random_order_makes_no_additional_pool_write() {
    let profile = mixture(5, 10);
    let (mut writes, mut repeated) = (0, 0);
    for seed in 0..WORLDS {
        let (mut calm, messages) = once(seed, &profile);
        let (mut again, sent) = thrice(seed, &profile);
        assert_eq!(sent, messages * DELIVERIES, "seed {seed}: not every message came three times");
        let count = |world: &Endurance| {
            (world.scheduler.world.lock().watch.writes, world.scheduler.pool_writes)
        };
        assert_eq!(count(&calm), count(&again), "seed {seed}: pool writes, done and tried");
        assert_eq!(calm.says(), again.says(), "seed {seed}: the pools' state");
        writes += count(&calm).0;
        repeated += again.scheduler.world.lock().weather.counted.get("repeated message").copied()
            .unwrap_or(0);
        assert_eq!((calm.end(), again.end()), (Vec::new(), Vec::new()), "seed {seed}");
    }
    assert!(writes > 10 * WORLDS, "hardly anything was written: {writes}");
    assert!(repeated > WORLDS, "hardly any message came while it was worked at: {repeated}");
}
