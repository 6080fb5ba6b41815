//! Pending changes, and the outcomes of messages about them.

use std::time::Duration;

use poolbridge_core::capture::capture;
use poolbridge_core::change::{Change, Proof};
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::policy::Provision;
use poolbridge_core::ports::Ports as _;
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::{Stage, finish};
use poolbridge_tests::world::TaskId;

/// Does what a trigger does about a change with that evidence.
fn captured(stage: &mut Stage, side: Side, sub: &Sub, proof: Proof) -> Change {
    let change = stage.change(side, sub, proof);
    let ports = stage.world.ports(TaskId(0));
    assert!(finish(capture(ports.ledger(), ports.outbox(), &change)).survives());
    change
}

#[test]
fn a_sign_in_right_after_a_sign_up_does_not_delay_the_sign_up() {
    let mut stage = Stage::new(Provision::Eager);
    let old = stage.account(Side::Old, 1, "one@example.com", true);
    let sign_up = captured(&mut stage, Side::Old, &old, Proof::Confirmed);
    stage.wait(Duration::from_secs(1));
    let sign_in = captured(&mut stage, Side::Old, &old, Proof::Hint);
    assert_eq!(stage.look(&sign_up).verdict, Verdict::Applied, "its evidence is enough at once");
    assert!(stage.world.lock().table.marks.is_empty());
    assert_eq!(stage.living(Side::New), 1);
    // apply processes the sign-in when one read can settle it.
    let wait = stage.look(&sign_in);
    assert!(matches!(wait.verdict, Verdict::Later(_, Reason::Settling)), "{wait:?}");
    stage.wait(limits::SETTLE);
    let report = stage.look(&sign_in);
    assert_eq!((report.verdict, report.account_reads), (Verdict::AlreadyTrue, 1));
}

#[test]
fn a_person_who_signs_in_repeatedly_still_settles() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.set(Side::Old, &old, "name", "new name");
    let edit = captured(&mut stage, Side::Old, &old, Proof::Changed);
    // More often than a read becomes certain.
    let often = limits::SETTLE / 3;
    for _ in 0..4 {
        stage.wait(often);
        captured(&mut stage, Side::Old, &old, Proof::Hint);
    }
    assert_eq!(stage.look(&edit).verdict, Verdict::Applied);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("new name"));
    assert!(stage.world.lock().table.marks.is_empty(), "a pending change is left");
}

#[test]
fn a_hint_costs_one_read_however_many_follow_it() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, _) = stage.pair();
    let first = captured(&mut stage, Side::Old, &old, Proof::Hint);
    stage.wait(Duration::from_secs(1));
    captured(&mut stage, Side::Old, &old, Proof::Hint);
    assert_eq!(stage.look(&first).account_reads, 0);
    stage.wait(limits::SETTLE.checked_sub(Duration::from_secs(1)).unwrap());
    let report = stage.look(&first);
    assert_eq!((report.verdict, report.account_reads), (Verdict::AlreadyTrue, 1));
}

#[test]
fn a_hint_costs_one_read_whatever_else_is_pending() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, _) = stage.pair();
    stage.set(Side::Old, &old, "name", "new name");
    let edit = captured(&mut stage, Side::Old, &old, Proof::Changed);
    stage.wait(Duration::from_secs(1));
    let sign_in = captured(&mut stage, Side::Old, &old, Proof::Hint);
    assert_eq!(stage.look(&sign_in).account_reads, 0, "it cannot settle yet");
    stage.wait(limits::SETTLE);
    assert_eq!(stage.look(&edit).verdict, Verdict::Applied);
    stage.wait(limits::SETTLE);
    let report = stage.look(&sign_in);
    assert_eq!((report.verdict, report.account_reads), (Verdict::AlreadyTrue, 1));
}

#[test]
fn pending_read_first_a_hint_between_observation_and_record_keeps_the_pending_change() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, _) = stage.pair();
    captured(&mut stage, Side::Old, &old, Proof::Changed);
    let token = |stage: &Stage| {
        let world = stage.world.lock();
        world.table.marks.get(&(Side::Old, old.clone())).map(|mark| mark.token)
    };
    let seen = token(&stage).unwrap();
    captured(&mut stage, Side::Old, &old, Proof::Hint);
    assert_ne!(token(&stage), Some(seen));
    assert!(!stage.world.lock().table.clear_mark(Side::Old, &old, seen));
}
