use super::*;

fn snapshot(at: i64) -> DrainSnapshot {
    DrainSnapshot { at: Time(at), ..DrainSnapshot::default() }
}

fn ask(before: Option<&DrainSnapshot>, now: &DrainSnapshot) -> Vec<DrainBlocker> {
    blockers(ProtocolRules::WHOLE, before, now, SNAPSHOTS_APART)
}

#[test]
fn drained_takes_two_empty_snapshots_a_minute_apart() {
    assert_eq!(ask(None, &snapshot(0)), [DrainBlocker::SecondSnapshot]);
    assert_eq!(ask(Some(&snapshot(0)), &snapshot(59_999)), [DrainBlocker::SecondSnapshot]);
    assert_eq!(ask(Some(&snapshot(0)), &snapshot(60_000)), []);
}

#[test]
fn each_place_that_may_hold_an_event_is_a_reason() {
    let before = snapshot(0);
    let queue = QueueCounts { waiting: 1, in_flight: 2, delayed: 3 };
    let now = DrainSnapshot {
        pending_changes: 4,
        under_way: 5,
        queue,
        lost_captures: 6,
        ..snapshot(60_000)
    };
    let all = [
        DrainBlocker::PendingChanges(4),
        DrainBlocker::UnderWay(5),
        DrainBlocker::LostCaptures(6),
        DrainBlocker::Queue(6),
    ];
    assert_eq!(ask(Some(&before), &now), all);
}

#[test]
fn counters_of_both_queues_are_added_without_overflow() {
    let live = QueueCounts { waiting: 5, in_flight: 3, delayed: 1 };
    let bulk = QueueCounts { waiting: 40, in_flight: 30, delayed: 20 };
    let both = QueueCounts { waiting: 45, in_flight: 33, delayed: 21 };
    assert_eq!(live.with(&bulk), both);
    let nonsense = QueueCounts { waiting: u64::MAX, in_flight: u64::MAX, delayed: u64::MAX };
    assert_eq!(nonsense.with(&live), nonsense);
    assert_eq!(nonsense.total(), u64::MAX);
}

/// A snapshot of a bridge under live traffic: each message has a younger event.
fn live(at: i64) -> DrainSnapshot {
    let queue = QueueCounts { waiting: 1, in_flight: 7, delayed: 0 };
    DrainSnapshot { younger: 5, under_way: 3, queue, ..snapshot(at) }
}

fn watch() -> DrainWatch {
    DrainWatch::new(ProtocolRules::WHOLE, SNAPSHOTS_APART)
}

#[test]
fn drained_up_to_a_moment_is_reached_under_live_traffic() {
    let mut watch = watch();
    for at in (0..60_000).step_by(3_000) {
        assert_eq!(watch.snapshot(&live(at)), Err(vec![DrainBlocker::SecondSnapshot]), "{at}");
    }
    assert_eq!(watch.snapshot(&live(60_000)), Ok(Drained::UpToAsked));
}

#[test]
fn work_that_may_be_older_is_a_reason_and_restarts_the_minute() {
    let older = [
        (DrainSnapshot { pending_changes: 2, ..live(30_000) }, DrainBlocker::PendingChanges(2)),
        (DrainSnapshot { older_under_way: 1, ..live(30_000) }, DrainBlocker::UnderWay(1)),
        (DrainSnapshot { lost_captures: 4, ..live(30_000) }, DrainBlocker::LostCaptures(4)),
    ];
    for (older, reason) in older {
        let mut watch = watch();
        assert!(watch.snapshot(&live(0)).is_err());
        assert_eq!(watch.snapshot(&older), Err(vec![reason]));
        assert_eq!(
            watch.snapshot(&live(60_000)),
            Err(vec![DrainBlocker::SecondSnapshot]),
            "{reason:?}"
        );
        assert_eq!(watch.snapshot(&live(120_000)), Ok(Drained::UpToAsked), "{reason:?}");
    }
}

#[test]
fn message_that_no_younger_event_explains_is_never_drained() {
    // Nothing is captured any more. The message left may be the only trace of an event.
    let mut watch = watch();
    let alone = |at| DrainSnapshot { younger: 0, under_way: 0, ..live(at) };
    assert!(watch.snapshot(&live(0)).is_err());
    for at in (61_000..600_000).step_by(3_000) {
        assert_eq!(watch.snapshot(&alone(at)), Err(vec![DrainBlocker::Queue(8)]), "{at}");
    }
    assert_eq!(watch.snapshot(&snapshot(600_000)), Err(vec![DrainBlocker::SecondSnapshot]));
    assert_eq!(watch.snapshot(&snapshot(660_000)), Ok(Drained::Empty));
}

#[test]
fn queue_must_be_empty_at_every_snapshot_of_the_minute_if_nothing_is_captured() {
    let mut watch = watch();
    let alone = |at| DrainSnapshot { younger: 0, under_way: 0, ..live(at) };
    assert!(watch.snapshot(&snapshot(0)).is_err());
    assert!(watch.snapshot(&alone(30_000)).is_err());
    assert!(watch.snapshot(&snapshot(60_000)).is_err());
    assert!(watch.snapshot(&snapshot(119_999)).is_err());
    assert_eq!(watch.snapshot(&snapshot(120_000)), Ok(Drained::Empty));
}
