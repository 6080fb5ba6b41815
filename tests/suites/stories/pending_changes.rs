//! Pending changes, and the outcomes of messages about them.

use std::time::Duration;

use poolbridge_core::capture::capture;
use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::Provision;
use poolbridge_core::ports::Ports as _;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::{Setup, finish};
use poolbridge_tests::world::TaskId;

/// Does what a trigger does about a change with that evidence.
fn captured(setup: &mut Setup, side: Side, sub: &Sub, evidence: Evidence) -> ChangeEvent {
    let change = setup.change(side, sub, evidence);
    let ports = setup.world.ports(TaskId(0));
    assert!(finish(capture(ports.ledger(), ports.outbox(), &change)).survives());
    change
}

#[test]
fn a_sign_in_right_after_a_sign_up_does_not_delay_the_sign_up() {
    let mut setup = Setup::new(Provision::Eager);
    let old = setup.account(Side::Old, 1, "one@example.com", true);
    let sign_up = captured(&mut setup, Side::Old, &old, Evidence::Confirmed);
    setup.wait(Duration::from_secs(1));
    let sign_in = captured(&mut setup, Side::Old, &old, Evidence::Hint);
    assert_eq!(setup.process(&sign_up).outcome, Outcome::Applied, "its evidence is enough at once");
    assert!(setup.world.lock().table.pending_changes.is_empty());
    assert_eq!(setup.living(Side::New), 1);
    // apply processes the sign-in when one read can settle it.
    let wait = setup.process(&sign_in);
    assert!(matches!(wait.outcome, Outcome::Retry(_, Reason::Settling)), "{wait:?}");
    setup.wait(limits::SETTLE);
    let report = setup.process(&sign_in);
    assert_eq!((report.outcome, report.account_reads), (Outcome::Unchanged, 1));
}

#[test]
fn a_person_who_signs_in_repeatedly_still_settles() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.set(Side::Old, &old, "name", "new name");
    let edit = captured(&mut setup, Side::Old, &old, Evidence::Changed);
    // More often than a read becomes certain.
    let often = limits::SETTLE / 3;
    for _ in 0..4 {
        setup.wait(often);
        captured(&mut setup, Side::Old, &old, Evidence::Hint);
    }
    assert_eq!(setup.process(&edit).outcome, Outcome::Applied);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("new name"));
    assert!(setup.world.lock().table.pending_changes.is_empty(), "a pending change is left");
}

#[test]
fn a_hint_costs_one_read_however_many_follow_it() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, _) = setup.pair();
    let first = captured(&mut setup, Side::Old, &old, Evidence::Hint);
    setup.wait(Duration::from_secs(1));
    captured(&mut setup, Side::Old, &old, Evidence::Hint);
    assert_eq!(setup.process(&first).account_reads, 0);
    setup.wait(limits::SETTLE.checked_sub(Duration::from_secs(1)).unwrap());
    let report = setup.process(&first);
    assert_eq!((report.outcome, report.account_reads), (Outcome::Unchanged, 1));
}

#[test]
fn a_hint_costs_one_read_whatever_else_is_pending() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, _) = setup.pair();
    setup.set(Side::Old, &old, "name", "new name");
    let edit = captured(&mut setup, Side::Old, &old, Evidence::Changed);
    setup.wait(Duration::from_secs(1));
    let sign_in = captured(&mut setup, Side::Old, &old, Evidence::Hint);
    assert_eq!(setup.process(&sign_in).account_reads, 0, "it cannot settle yet");
    setup.wait(limits::SETTLE);
    assert_eq!(setup.process(&edit).outcome, Outcome::Applied);
    setup.wait(limits::SETTLE);
    let report = setup.process(&sign_in);
    assert_eq!((report.outcome, report.account_reads), (Outcome::Unchanged, 1));
}

#[test]
fn pending_read_first_a_hint_between_observation_and_record_keeps_the_pending_change() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, _) = setup.pair();
    captured(&mut setup, Side::Old, &old, Evidence::Changed);
    let token = |setup: &Setup| {
        let world = setup.world.lock();
        world.table.pending_changes.get(&(Side::Old, old.clone())).map(|pending| pending.token)
    };
    let seen = token(&setup).unwrap();
    captured(&mut setup, Side::Old, &old, Evidence::Hint);
    assert_ne!(token(&setup), Some(seen));
    assert!(!setup.world.lock().table.clear_pending(Side::Old, &old, seen));
}
