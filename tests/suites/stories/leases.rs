//! How long a worker's lease lasts.

use std::time::Duration;

use poolbridge_core::change::Evidence;
use poolbridge_core::limits;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::Provision;
use poolbridge_core::record::Lease;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;

/// The lease of a worker right after its claim, and the time of the claim. The worker crashes.
fn claimed(setup: &mut Setup) -> (Lease, poolbridge_core::time::Time) {
    let (old, _) = setup.pair();
    setup.wait(Duration::from_hours(1));
    setup.set(Side::Old, &old, "name", "new name");
    setup.wait(limits::SETTLE);
    let change = setup.change(Side::Old, &old, Evidence::Changed);
    let now = setup.world.lock().now;
    let lease = (1..100).find_map(|turns| {
        assert!(setup.observe_and_crash(&change, turns), "it ends without a lease");
        setup.record(Side::Old, &old).lease
    });
    (lease.expect("a worker takes a lease before it writes"), now)
}

#[test]
fn lease_outlasts_write_a_lease_lasts_until_the_last_write_of_its_invocation_can_land() {
    let mut setup = Setup::new(Provision::Lazy);
    setup.policy.clock_allowance = limits::CLOCK_ALLOWANCE;
    setup.invocation = limits::INVOCATION_TIME_MAX;
    let (lease, now) = claimed(&mut setup);
    let wanted = limits::INVOCATION_TIME_MAX + limits::LANDING_TIME + limits::CLOCK_ALLOWANCE;
    assert_eq!(lease.until.since(now), wanted);
    assert_eq!(lease.until.since(now), limits::LEASE_TIME_MAX, "the longest lease");
    assert_eq!(lease.free_at, lease.until);
}

#[test]
fn lease_outlasts_write_a_lease_of_a_short_invocation_outlasts_the_work_on_its_person() {
    let mut setup = Setup::new(Provision::Lazy);
    setup.invocation = Duration::from_secs(1);
    let (lease, now) = claimed(&mut setup);
    assert_eq!(lease.until.since(now), limits::PERSON_TIME_MAX + limits::LANDING_TIME);
}

#[test]
fn lease_outlasts_process_a_suspendable_worker_keeps_its_lease_until_its_signatures_expire() {
    let mut setup = Setup::new(Provision::Lazy);
    setup.suspendable = true;
    let (lease, now) = claimed(&mut setup);
    assert_eq!(lease.free_at.since(lease.until), limits::SIGNATURE_LIFE);
    // Another worker waits until exactly then.
    let sub = setup.world.lock().pools.old.living().next().expect("the account").sub.clone();
    let change = setup.change(Side::Old, &sub, Evidence::Changed);
    let outcome = setup.process(&change).outcome;
    assert_eq!(outcome, Outcome::Retry(lease.free_at.since(now), Reason::Busy));
}
