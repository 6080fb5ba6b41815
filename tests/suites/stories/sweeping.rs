//! What the sweep finds if both a message and its pending change are lost.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use poolbridge_core::change::{Change, Proof};
use poolbridge_core::entry::State as PersonState;
use poolbridge_core::fault::FaultKind;
use poolbridge_core::limits;
use poolbridge_core::policy::{ConfigurationStamp, Control, Phase, Provision};
use poolbridge_core::restore::{Restore, Stage as Progress};
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::sweep::Tick;
use poolbridge_core::time::Time;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::weather::Fate;

use super::trouble;

/// One invocation of the sweep, and how long it took.
fn tick(stage: &mut Stage) -> (Tick, Duration) {
    let (world, sweep) = (stage.world.clone(), stage.sweep());
    let began = world.lock().now;
    let mut tick = pin!(sweep);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100_000 {
        if let Poll::Ready(tick) = tick.as_mut().poll(&mut context) {
            return (tick.expect("nothing fails here"), world.lock().now.since(began));
        }
        let mut now = world.lock();
        let until = now.now + Duration::from_millis(10);
        now.pass(until);
    }
    panic!("the sweep does not end");
}

/// Runs a pass of the sweep and processes what it sends. Returns what it sent.
fn swept(stage: &mut Stage) -> Vec<Change> {
    stage.world.lock().queue = poolbridge_tests::world::queue::Queue::default();
    let (tick, _) = tick(stage);
    assert!(matches!(&tick, Tick::Worked(worked) if worked.ended.is_some()), "{tick:?}");
    let sent: Vec<Change> =
        stage.world.lock().queue.messages().iter().map(|it| it.change.clone()).collect();
    for change in &sent {
        assert_eq!((change.proof, change.password), (Proof::Hint, false));
        let mut verdict = Verdict::AlreadyTrue;
        for _ in 0..10 {
            stage.wait(limits::SETTLE * 2);
            verdict = stage.look(change).verdict;
            if !matches!(verdict, Verdict::Later(..)) {
                break;
            }
        }
        assert!(!matches!(verdict, Verdict::Later(..)), "{verdict:?}");
    }
    sent
}

#[test]
fn an_account_that_a_deletion_left_open_is_closed_after_the_next_sweep() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    let bystander = stage.account(Side::Old, 2, "two@example.com", true);
    stage.captured(Side::Old, &bystander);
    stage.edit(Side::Old, &old, |body| body.exists = false);
    // The tombstone is stored, and the disable of the other account fails.
    trouble(&stage.world, "AdminDisableUser", Fate::NotSent, 1);
    let change = stage.change(Side::Old, &old, Proof::Deleted);
    stage.wait(limits::SETTLE);
    assert!(matches!(stage.look(&change).verdict, Verdict::Later(..)));
    let entry = stage.entry(Side::Old, &old);
    assert_eq!(entry.state, PersonState::Deleted);
    assert!(entry.tombstone.is_some_and(|tombstone| tombstone.owed.is_some()));
    assert!(stage.body(Side::New, &new).enabled, "nothing has closed it yet");
    // Message and pending change are lost: only the sweep can notice.
    stage.world.lock().table.marks.clear();
    stage.wait(Duration::from_mins(10));
    let sent = swept(&mut stage);
    assert_eq!(sent.iter().map(|it| (it.side, &it.sub)).collect::<Vec<_>>(), [(Side::Old, &old)]);
    assert!(!stage.body(Side::New, &new).enabled, "the account of a deleted person stays open");
    stage.wait(Duration::from_mins(10));
    assert!(swept(&mut stage).is_empty(), "nothing is owed any more");
}

#[test]
fn an_edit_without_an_event_travels_after_the_next_sweep() {
    let mut stage = Stage::new(Provision::Lazy);
    let (old, new) = stage.pair();
    stage.wait(Duration::from_mins(10));
    assert!(swept(&mut stage).is_empty(), "both accounts are in step");
    stage.set(Side::New, &new, "name", "unnoticed");
    stage.wait(Duration::from_mins(10));
    assert_eq!(swept(&mut stage).len(), 1);
    assert_eq!(stage.says(Side::Old, &old, "name").as_deref(), Some("unnoticed"));
}

#[test]
fn a_page_that_is_not_answered_is_asked_for_again_a_few_times_in_the_same_pass() {
    let mut stage = Stage::new(Provision::Lazy);
    stage.pair();
    trouble(&stage.world, "ListUsers", Fate::RequestLost, limits::LISTING_ATTEMPTS_MAX);
    let (tick, _) = tick(&mut stage);
    let Tick::Worked(worked) = tick else { panic!("{tick:?}") };
    assert_eq!(worked.faults, []);
    assert!(worked.ended.is_some(), "{worked:?}");
}

#[test]
fn a_failing_listing_ends_the_run_soon_and_another_pass_tries_again() {
    for fate in [Fate::RequestLost, Fate::NotSent] {
        let mut stage = Stage::new(Provision::Lazy);
        stage.pair();
        trouble(&stage.world, "ListUsers", fate, u32::MAX);
        let (tick, took) = tick(&mut stage);
        let Tick::Worked(worked) = tick else { panic!("{tick:?}") };
        let kinds: Vec<_> = worked.faults.iter().map(|fault| Some(fault.kind)).collect();
        assert!(!kinds.is_empty() && kinds.iter().all(|kind| *kind == fate.fault()), "{kinds:?}");
        assert!(worked.ended.is_none() && took < Duration::from_secs(30), "{took:?}");
    }
    // A call that no repetition can help is not tried twice.
    let mut stage = Stage::new(Provision::Lazy);
    stage.pair();
    stage.world.lock().pools.new.fails.insert("ListUsers", FaultKind::Denied);
    let (tick, took) = tick(&mut stage);
    let Tick::Worked(worked) = tick else { panic!("{tick:?}") };
    assert!(worked.faults.iter().any(|fault| fault.kind == FaultKind::Denied), "{worked:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    // The cause is gone: the pass continues where it stopped.
    stage.world.lock().pools.new.fails.clear();
    stage.wait(Duration::from_mins(10));
    assert_eq!(swept(&mut stage), []);
}

#[test]
fn the_sweep_sends_nothing_while_its_messages_cannot_be_processed() {
    let restore = |stage| Some(Restore { stage, since: Time::ZERO, decided: None });
    let other = ConfigurationStamp {
        hash: "another one".to_owned(),
        since: Time::ZERO,
        pools: BySide::default(),
    };
    let follow = Control::default;
    let stops = [
        (Reason::Paused, Control { paused: Some("maintenance".to_owned()), ..follow() }),
        (Reason::Closing, Control { closing: true, ..follow() }),
        (Reason::OtherConfiguration, Control { configuration: Some(other), ..follow() }),
        (
            Reason::Restored,
            Control { restores: BySide { old: restore(Progress::Started), new: None }, ..follow() },
        ),
        (Reason::Complete, Control { phase: Phase::Complete, ..follow() }),
        (Reason::Paused, Control { phase: Phase::Prepare, ..follow() }),
    ];
    for (reason, control) in stops {
        let mut stage = Stage::new(Provision::Lazy);
        let (old, _) = stage.pair();
        stage.wait(Duration::from_hours(1));
        stage.set(Side::Old, &old, "name", "seen by the sweep alone");
        stage.world.lock().queue = poolbridge_tests::world::queue::Queue::default();
        stage.world.lock().table.control = control;
        assert_eq!(tick(&mut stage).0, Tick::Barred(reason));
        assert!(stage.world.lock().queue.messages().is_empty(), "{reason:?}");
        stage.world.lock().table.control = follow();
        assert_eq!(swept(&mut stage).len(), 1, "{reason:?}: the next sweep finds it");
    }
}
