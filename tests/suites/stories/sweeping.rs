//! What the sweep finds if both a message and its pending change are lost.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::control::{ConfigurationStamp, Control, Phase};
use poolbridge_core::error::ErrorKind;
use poolbridge_core::limits;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::Provision;
use poolbridge_core::record::PersonState;
use poolbridge_core::restore::{Restore, RestoreStage};
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use poolbridge_sweep_core::Tick;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::fault_injection::CallFate;

use super::inject_faults;

/// One invocation of the sweep, and how long it took.
fn tick(setup: &mut Setup) -> (Tick, Duration) {
    let (world, sweep) = (setup.world.clone(), setup.sweep());
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
fn swept(setup: &mut Setup) -> Vec<ChangeEvent> {
    setup.world.lock().queue = poolbridge_tests::world::queue::Queue::default();
    let (tick, _) = tick(setup);
    assert!(matches!(&tick, Tick::Worked(worked) if worked.ended.is_some()), "{tick:?}");
    let sent: Vec<ChangeEvent> =
        setup.world.lock().queue.messages().iter().map(|it| it.change.clone()).collect();
    for change in &sent {
        assert_eq!((change.evidence, change.password), (Evidence::Hint, false));
        let mut outcome = Outcome::Unchanged;
        for _ in 0..10 {
            setup.wait(limits::SETTLE * 2);
            outcome = setup.process(change).outcome;
            if !matches!(outcome, Outcome::Retry(..)) {
                break;
            }
        }
        assert!(!matches!(outcome, Outcome::Retry(..)), "{outcome:?}");
    }
    sent
}

#[test]
fn an_account_that_a_deletion_left_open_is_closed_after_the_next_sweep() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    let unrelated_account = setup.account(Side::Old, 2, "two@example.com", true);
    setup.captured(Side::Old, &unrelated_account);
    setup.edit(Side::Old, &old, |body| body.exists = false);
    // The tombstone is stored, and the disable of the other account fails.
    inject_faults(&setup.world, "AdminDisableUser", CallFate::NotSent, 1);
    let change = setup.change(Side::Old, &old, Evidence::Deleted);
    setup.wait(limits::SETTLE);
    assert!(matches!(setup.process(&change).outcome, Outcome::Retry(..)));
    let record = setup.record(Side::Old, &old);
    assert_eq!(record.state, PersonState::Deleted);
    assert!(record.tombstone.is_some_and(|tombstone| tombstone.owed.is_some()));
    assert!(setup.body(Side::New, &new).enabled, "nothing has closed it yet");
    // Message and pending change are lost: only the sweep can notice.
    setup.world.lock().table.pending_changes.clear();
    setup.wait(Duration::from_mins(10));
    let sent = swept(&mut setup);
    assert_eq!(sent.iter().map(|it| (it.side, &it.sub)).collect::<Vec<_>>(), [(Side::Old, &old)]);
    assert!(!setup.body(Side::New, &new).enabled, "the account of a deleted person stays open");
    setup.wait(Duration::from_mins(10));
    assert!(swept(&mut setup).is_empty(), "nothing is owed any more");
}

#[test]
fn an_edit_without_an_event_travels_after_the_next_sweep() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.wait(Duration::from_mins(10));
    assert!(swept(&mut setup).is_empty(), "both accounts are in step");
    setup.set(Side::New, &new, "name", "unnoticed");
    setup.wait(Duration::from_mins(10));
    assert_eq!(swept(&mut setup).len(), 1);
    assert_eq!(setup.attribute(Side::Old, &old, "name").as_deref(), Some("unnoticed"));
}

#[test]
fn a_page_that_is_not_answered_is_asked_for_again_a_few_times_in_the_same_pass() {
    let mut setup = Setup::new(Provision::Lazy);
    setup.pair();
    inject_faults(&setup.world, "ListUsers", CallFate::RequestLost, limits::LISTING_ATTEMPTS_MAX);
    let (tick, _) = tick(&mut setup);
    let Tick::Worked(worked) = tick else { panic!("{tick:?}") };
    assert_eq!(worked.errors, []);
    assert!(worked.ended.is_some(), "{worked:?}");
}

#[test]
fn a_failing_listing_ends_the_run_soon_and_another_pass_tries_again() {
    for fate in [CallFate::RequestLost, CallFate::NotSent] {
        let mut setup = Setup::new(Provision::Lazy);
        setup.pair();
        inject_faults(&setup.world, "ListUsers", fate, u32::MAX);
        let (tick, took) = tick(&mut setup);
        let Tick::Worked(worked) = tick else { panic!("{tick:?}") };
        let kinds: Vec<_> = worked.errors.iter().map(|error| Some(error.kind)).collect();
        assert!(!kinds.is_empty() && kinds.iter().all(|kind| *kind == fate.error()), "{kinds:?}");
        assert!(worked.ended.is_none() && took < Duration::from_secs(30), "{took:?}");
    }
    // A call that no repetition can help is not tried twice.
    let mut setup = Setup::new(Provision::Lazy);
    setup.pair();
    setup.world.lock().pools.new.fails.insert("ListUsers", ErrorKind::Denied);
    let (tick, took) = tick(&mut setup);
    let Tick::Worked(worked) = tick else { panic!("{tick:?}") };
    assert!(worked.errors.iter().any(|error| error.kind == ErrorKind::Denied), "{worked:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    // The cause is gone: the pass continues where it stopped.
    setup.world.lock().pools.new.fails.clear();
    setup.wait(Duration::from_mins(10));
    assert_eq!(swept(&mut setup), []);
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
            Control {
                restores: BySide { old: restore(RestoreStage::Started), new: None },
                ..follow()
            },
        ),
        (Reason::Complete, Control { phase: Phase::Complete, ..follow() }),
        (Reason::Paused, Control { phase: Phase::Prepare, ..follow() }),
    ];
    for (reason, control) in stops {
        let mut setup = Setup::new(Provision::Lazy);
        let (old, _) = setup.pair();
        setup.wait(Duration::from_hours(1));
        setup.set(Side::Old, &old, "name", "seen by the sweep alone");
        setup.world.lock().queue = poolbridge_tests::world::queue::Queue::default();
        setup.world.lock().table.control = control;
        assert_eq!(tick(&mut setup).0, Tick::Barred(reason));
        assert!(setup.world.lock().queue.messages().is_empty(), "{reason:?}");
        setup.world.lock().table.control = follow();
        assert_eq!(swept(&mut setup).len(), 1, "{reason:?}: the next sweep finds it");
    }
}
