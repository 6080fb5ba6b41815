//! Endurance: repeated messages in any order, services out of reach for an hour, a pause, a
//! throttled pool. No change is lost, nothing is written twice, and no message becomes a dead
//! letter.

use std::time::Duration;

use poolbridge_core::change::ChangeEvent;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::endurance::{Endurance, Planned, baseline, mixture};
use poolbridge_tests::simulation::parameters::{Act, WorldParameters};
use poolbridge_tests::world::fault_injection::{Target, ThrottledCalls};

/// The number of worlds per test.
const WORLDS: u64 = 250;

/// The number of edits in a world.
const EDITS: usize = 30;

/// How often each message is delivered.
const DELIVERIES: usize = 3;

/// How long a service is out of reach, and how long a pause lasts.
const HOUR: Duration = Duration::from_hours(1);

/// Long after everything: by then, an unsuccessful search is forgotten.
const LONG_AFTER: Duration = Duration::from_hours(6);

/// The edits of a world, in bursts of one to five. Each burst ends before its first message is
/// delivered, so that the number of writes does not depend on chance.
fn bursts(world: &mut Endurance, seed: u64) -> Vec<Vec<Planned>> {
    let planned = world.plan(seed, EDITS, Duration::from_secs(4));
    let mut run_until_idle = planned.as_slice();
    let mut bursts = Vec::new();
    let mut size = 1;
    while !run_until_idle.is_empty() {
        let (burst, later) = run_until_idle.split_at(size.min(run_until_idle.len()));
        bursts.push(burst.to_vec());
        run_until_idle = later;
        size = size % 5 + 1;
    }
    bursts
}

fn perform(world: &mut Endurance, burst: &[Planned]) {
    for planned in burst {
        world.scheduler.pass(planned.after);
        world.act(planned);
    }
}

/// Delivers each message once, one after the other.
fn once(seed: u64, parameters: &WorldParameters) -> (Endurance, usize) {
    let mut world = Endurance::new(seed, seed, parameters);
    let mut messages = world.scheduler.world.lock().queue.messages().len();
    assert!(world.run_until_idle(), "seed {seed}: the first messages are not processed");
    for burst in bursts(&mut world, seed) {
        perform(&mut world, &burst);
        messages += world.scheduler.world.lock().queue.messages().len();
        assert!(world.run_until_idle(), "seed {seed}: a burst is not processed");
    }
    (world, messages)
}

/// Delivers each message three times: once after its burst, the other times then or at any later
/// time, in any order, concurrently with those of other bursts.
fn deliver_three_times(seed: u64, parameters: &WorldParameters) -> (Endurance, usize) {
    let mut world = Endurance::new(seed, seed ^ 0x7, parameters);
    world.again = true;
    let mut kept: Vec<ChangeEvent> = Vec::new();
    let mut sent = deliver(&mut world, &mut kept);
    for burst in bursts(&mut world, seed) {
        perform(&mut world, &burst);
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
    assert!(world.run_until_idle(), "seed {seed}: the last copies are not processed");
    (world, sent + kept.len())
}

/// Delivers what the queue holds and some of the kept copies, in random order, and processes them.
fn deliver(world: &mut Endurance, kept: &mut Vec<ChangeEvent>) -> usize {
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
    let until = world.now() + Duration::from_mins(1);
    world.work(until);
    assert!(world.run_until_idle(), "the copies are not processed");
    now.len()
}

#[test]
fn every_message_three_times_in_random_order_makes_no_additional_pool_write() {
    let parameters = mixture(5, 10);
    let (mut writes, mut repeated) = (0, 0);
    for seed in 0..WORLDS {
        let (mut single, messages) = once(seed, &parameters);
        let (mut again, sent) = deliver_three_times(seed, &parameters);
        assert_eq!(sent, messages * DELIVERIES, "seed {seed}: not every message came three times");
        let count = |world: &Endurance| {
            (world.scheduler.world.lock().watch.writes, world.scheduler.pool_writes)
        };
        assert_eq!(count(&single), count(&again), "seed {seed}: pool writes, done and tried");
        assert_eq!(single.accounts(), again.accounts(), "seed {seed}: the pools' state");
        writes += count(&single).0;
        let counted = again.scheduler.world.lock().fault_injection.counted.clone();
        repeated += counted.get("repeated message").copied().unwrap_or(0);
        assert_eq!((single.end(), again.end()), (Vec::new(), Vec::new()), "seed {seed}");
    }
    assert!(writes > 10 * WORLDS, "hardly anything was written: {writes}");
    assert!(
        repeated > WORLDS,
        "hardly any message was repeated while it was processed: {repeated}"
    );
}

/// A fault that lasts for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disruption {
    /// The service cannot be reached.
    OutOfReach(Target),
    /// The pool throttles these calls of every caller.
    Throttled(Side, ThrottledCalls),
}

/// What happened in the worlds of one fault, so that no test runs empty.
#[derive(Debug, Default)]
struct Met {
    edits: usize,
    /// Worlds whose pools did not agree when the fault ended.
    apart: usize,
    /// Captures that could not store their pending change.
    lost_captures: u64,
    /// Captures without a message: only the pending change remains.
    unsent: usize,
}

/// People go on editing during the fault and a little longer. Then pending changes are sent again,
/// as `drain` does, and the world becomes quiescent.
fn endure(seed: u64, disruption: Disruption, span: Duration, met: &mut Met) {
    let mut world = Endurance::new(seed, seed ^ 0x2a, &mixture(5, 10));
    let already = Duration::from_secs(world.choose(90) as u64);
    world.work(world.now() + already);
    let until = world.now() + span;
    {
        let mut state = world.scheduler.world.lock();
        match disruption {
            Disruption::OutOfReach(place) => state.fault_injection.start_outage(place, until),
            Disruption::Throttled(side, calls) => {
                state.fault_injection.throttle(Target::Pool(side), calls, until);
            }
        }
    }
    let apart = span / u32::try_from(EDITS).unwrap_or(1);
    for planned in world.plan(seed, EDITS, apart) {
        world.work(world.now() + planned.after);
        let queued = world.scheduler.world.lock().queue.messages().len();
        let acted = world.act(&planned);
        met.edits += usize::from(acted);
        let unsent = world.scheduler.world.lock().queue.messages().len() == queued;
        met.unsent += usize::from(acted && unsent);
    }
    world.work(until);
    met.apart += usize::from(world.apart());
    met.lost_captures += world.scheduler.lost_captures;
    world.scheduler.resend_all_pending();
    let broken = world.end();
    assert!(broken.is_empty(), "seed {seed}, {disruption:?}: {broken:?}");
}

fn endure_in_all_worlds(disruption: impl Fn(u64) -> Disruption, span: Duration) -> Met {
    let mut met = Met::default();
    for seed in 0..WORLDS {
        endure(seed, disruption(seed), span, &mut met);
    }
    let worlds = usize::try_from(WORLDS).unwrap_or(usize::MAX);
    assert!(met.edits > 15 * worlds, "people made too few edits: {met:?}");
    assert!(met.apart > worlds / 2, "the fault had hardly any effect: {met:?}");
    met
}

#[test]
fn an_hour_without_the_old_pool_loses_nothing() {
    endure_in_all_worlds(|_| Disruption::OutOfReach(Target::Pool(Side::Old)), HOUR);
}

#[test]
fn an_hour_without_the_new_pool_loses_nothing() {
    endure_in_all_worlds(|_| Disruption::OutOfReach(Target::Pool(Side::New)), HOUR);
}

#[test]
fn an_hour_without_the_queue_loses_nothing() {
    let met = endure_in_all_worlds(|_| Disruption::OutOfReach(Target::Queue), HOUR);
    assert!(met.unsent > 10 * usize::try_from(WORLDS).unwrap_or(usize::MAX), "{met:?}");
}

#[test]
fn an_hour_without_the_table_loses_nothing() {
    let met = endure_in_all_worlds(|_| Disruption::OutOfReach(Target::Table), HOUR);
    assert!(met.lost_captures > 10 * WORLDS, "captures still stored pending changes: {met:?}");
}

#[test]
fn a_pool_throttled_for_a_minute_loses_nothing() {
    let minute = Duration::from_mins(1);
    let disruptions = [
        Disruption::Throttled(Side::Old, ThrottledCalls::Every),
        Disruption::Throttled(Side::New, ThrottledCalls::Every),
        Disruption::Throttled(Side::Old, ThrottledCalls::Changes),
        Disruption::Throttled(Side::New, ThrottledCalls::Changes),
    ];
    let disruption =
        |seed: u64| disruptions[usize::try_from(seed).unwrap_or(0) % disruptions.len()];
    endure_in_all_worlds(disruption, minute);
}

/// Pauses a world, lets people edit for an hour, disables one of them, and resumes it. Returns
/// whether the pools differed at the end of the pause.
fn pause(seed: u64) -> bool {
    // No one else is disabled or enabled, so that only one write may pass the pause.
    let mut parameters = baseline(5, 10);
    parameters.acts.retain(|(act, _)| *act != Act::Enabled);
    // The disabled person needs an account on each side.
    parameters.same_address_accounts = false;
    let mut world = Endurance::new(seed, seed ^ 0x9, &parameters);
    assert!(world.run_until_idle());
    world.scheduler.world.lock().table.control.paused = Some("a test".to_owned());
    let until = world.now() + HOUR;
    let planned = world.plan(seed, EDITS, HOUR / u32::try_from(EDITS * 2).unwrap_or(1));
    let disabled = Planned { act: Act::Enabled, ..planned[world.choose(EDITS / 2)] };
    let before = world.scheduler.world.lock().watch.writes;
    for (at, planned) in planned.iter().enumerate() {
        world.work(world.now() + planned.after);
        world.act(planned);
        if at == EDITS / 2 {
            assert!(world.act(&disabled), "seed {seed}: no account was disabled");
        }
    }
    world.work(until);
    let accounts = world.accounts();
    let there = accounts.get(&(disabled.human, disabled.side.other()));
    assert!(there.is_some_and(|account| !account.enabled), "seed {seed}: the pause held a disable");
    let writes = world.scheduler.world.lock().watch.writes - before;
    assert_eq!(writes, 1, "seed {seed}: writes during the pause");
    let apart = world.apart();
    world.scheduler.world.lock().table.control.paused = None;
    world.scheduler.resend_all_pending();
    let broken = world.end();
    assert!(broken.is_empty(), "seed {seed}: {broken:?}");
    apart
}

#[test]
fn a_pause_loses_nothing() {
    let apart = (0..WORLDS).filter(|&seed| pause(seed)).count();
    let worlds = usize::try_from(WORLDS).unwrap_or(usize::MAX);
    assert!(apart > worlds * 4 / 5, "the pause delayed hardly anything: {apart}");
}

/// How many orders of one world's messages are tried, if there are more.
const ORDERS: usize = 50;

/// Every order of that many things, or none if there are more than [`ORDERS`].
fn orders(items: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for item in 0..items {
        let put = |order: &Vec<usize>| {
            let put_at = |at: usize| {
                let mut longer = order.clone();
                longer.insert(at, item);
                longer
            };
            (0..=order.len()).map(put_at).collect::<Vec<_>>()
        };
        orders = orders.iter().flat_map(put).collect();
        if orders.len() > ORDERS {
            return Vec::new();
        }
    }
    orders
}

/// The edits of a world, all made before the first message is delivered, and the messages.
fn before_any_delivery(seed: u64, parameters: &WorldParameters) -> (Endurance, Vec<ChangeEvent>) {
    let mut world = Endurance::new(seed, seed, parameters);
    let edits = 2 + world.choose(5);
    let planned = world.plan(seed, edits, Duration::from_secs(4));
    perform(&mut world, &planned);
    let messages = world.take_messages();
    (world, messages)
}

/// Delivers these messages in that order: at once, or each when the one before is settled.
fn deliver_in(
    order: &[usize],
    seed: u64,
    apart: Duration,
    parameters: &WorldParameters,
) -> Endurance {
    let (mut world, messages) = before_any_delivery(seed, parameters);
    world.scheduler.pass(apart);
    for &at in order {
        world.put_message(&messages[at]);
        world.work(world.now() + Duration::from_secs(1));
        world.scheduler.pass(apart);
    }
    assert!(world.run_until_idle(), "seed {seed}: the messages are not processed");
    world
}

#[test]
fn messages_in_any_order_end_in_the_same_state() {
    let parameters = mixture(1, 3);
    let mut tried = 0;
    for seed in 0..WORLDS {
        let (mut world, messages) = before_any_delivery(seed, &parameters);
        let mut all = orders(messages.len());
        if all.is_empty() {
            let mut order: Vec<usize> = (0..messages.len()).collect();
            all.push(order.clone());
            all.resize_with(ORDERS, || {
                world.shuffle(&mut order);
                order.clone()
            });
        }
        let mut first = None;
        for (number, order) in all.iter().enumerate() {
            let apart = [Duration::ZERO, Duration::from_secs(25)][number % 2];
            let mut world = deliver_in(order, seed, apart, &parameters);
            let accounts = (world.accounts(), world.closed());
            let first = first.get_or_insert_with(|| accounts.clone());
            assert_eq!(*first, accounts, "seed {seed}, order {order:?} of {messages:?}");
            let broken = world.end();
            assert!(broken.is_empty(), "seed {seed}, order {order:?}: {broken:?}");
            tried += 1;
        }
    }
    assert!(tried > 10 * WORLDS, "too few orders were tried: {tried}");
}
