//! How long a worker's lease lasts.

use std::time::Duration;

use poolbridge_core::change::Proof;
use poolbridge_core::entry::Lease;
use poolbridge_core::limits;
use poolbridge_core::policy::Provision;
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;

/// The lease of a worker right after its claim, and the time of the claim. The worker dies.
fn claimed(stage: &mut Stage) -> (Lease, poolbridge_core::time::Time) {
    let (old, _) = stage.pair();
    stage.wait(Duration::from_hours(1));
    stage.set(Side::Old, &old, "name", "new name");
    stage.wait(limits::SETTLE);
    let change = stage.change(Side::Old, &old, Proof::Changed);
    let now = stage.world.lock().now;
    let lease = (1..100).find_map(|turns| {
        assert!(stage.look_and_die(&change, turns), "it ends without a lease");
        stage.entry(Side::Old, &old).lease
    });
    (lease.expect("a worker takes a lease before it writes"), now)
}

#[test]
fn lease_outlasts_write_a_lease_lasts_until_the_last_write_of_its_invocation_can_land() {
    let mut stage = Stage::new(Provision::Lazy);
    stage.policy.clock_allowance = limits::CLOCK_ALLOWANCE;
    stage.invocation = limits::INVOCATION_TIME_MAX;
    let (lease, now) = claimed(&mut stage);
    let wanted = limits::INVOCATION_TIME_MAX + limits::LANDING_TIME + limits::CLOCK_ALLOWANCE;
    assert_eq!(lease.until.since(now), wanted);
    assert_eq!(lease.until.since(now), limits::LEASE_TIME_MAX, "the longest lease");
    assert_eq!(lease.free_at, lease.until);
}

#[test]
fn lease_outlasts_write_a_lease_of_a_short_invocation_outlasts_the_work_on_its_person() {
    let mut stage = Stage::new(Provision::Lazy);
    stage.invocation = Duration::from_secs(1);
    let (lease, now) = claimed(&mut stage);
    assert_eq!(lease.until.since(now), limits::PERSON_TIME_MAX + limits::LANDING_TIME);
}

#[test]
fn lease_outlasts_process_a_suspendable_worker_keeps_its_lease_until_its_signatures_expire() {
    let mut stage = Stage::new(Provision::Lazy);
    stage.suspendable = true;
    let (lease, now) = claimed(&mut stage);
    assert_eq!(lease.free_at.since(lease.until), limits::SIGNATURE_LIFE);
    // Another worker waits until exactly then.
    let sub = stage.world.lock().pools.old.living().next().expect("the account").sub.clone();
    let change = stage.change(Side::Old, &sub, Proof::Changed);
    let verdict = stage.look(&change).verdict;
    assert_eq!(verdict, Verdict::Later(lease.free_at.since(now), Reason::Busy));
}
