//! The status of bridges in different states.

use std::collections::BTreeMap;

use poolbridge_core::breaker::Breaker;
use poolbridge_core::control::{ConfigurationStamp, Phase};
use poolbridge_core::side::BySide;

use super::*;

const NOW: Time = Time(1_700_000_000_000);
const EARLIER: Time = Time(1_699_999_400_000);

fn stamp(hash: String) -> ConfigurationStamp {
    ConfigurationStamp { hash, since: Time(1), pools: BySide::default() }
}

/// A bridge without pending changes.
fn quiet() -> StatusView {
    let hash = "0123456789abcdef".repeat(4);
    let configuration = Some(stamp(hash.clone()));
    StatusView {
        name: "acme".to_owned(),
        at: NOW,
        control: Control { phase: Phase::Follow, configuration, ..Control::default() },
        hash,
        people: PersonState::ALL.map(|state| {
            let count = match state {
                PersonState::Synced => 15_204,
                PersonState::OnlyOld => 412,
                PersonState::Held => 7,
                PersonState::Deleted => 31,
                PersonState::OnlyNew | PersonState::Waiting | PersonState::Conflict => 0,
            };
            (state, count)
        }),
        pending: 0,
        held_pending: 0,
        oldest: None,
        retried: 0,
        queues: Queues { live: QueueCounts::default(), bulk: Some(QueueCounts::default()) },
        dead: Some(0),
        blockers: Vec::new(),
        throttled: 0,
        other_configuration: 0,
        lost_captures: 0,
        kept_open: (0, false),
        journal: Some(entry("resume")),
    }
}

fn entry(what: &str) -> JournalEntry {
    let (who, what) = ("ada".to_owned(), what.to_owned());
    JournalEntry { at: EARLIER, id: 1, who, what, details: BTreeMap::new() }
}

/// A pool throttles writes while the sweep's hints are processed, and a capture was lost.
fn troubled() -> StatusView {
    StatusView {
        pending: 7,
        held_pending: 2,
        oldest: Some(Duration::from_secs(95)),
        retried: 3,
        queues: Queues {
            live: QueueCounts { waiting: 4, in_flight: 1, delayed: 0 },
            bulk: Some(QueueCounts { waiting: 30, in_flight: 10, delayed: 0 }),
        },
        dead: Some(1),
        blockers: vec![
            DrainBlocker::PendingChanges(5),
            DrainBlocker::UnderWay(1),
            DrainBlocker::LostCaptures(1),
            DrainBlocker::Queue(45),
        ],
        throttled: 3,
        lost_captures: 1,
        kept_open: (2, false),
        ..quiet()
    }
}

/// An operator paused the bridge. apply acknowledged the messages, and the changes stay pending.
fn paused() -> StatusView {
    let mut status = quiet();
    status.control.paused = Some("upgrade of the login page".to_owned());
    StatusView {
        pending: 12,
        oldest: Some(Duration::from_mins(9)),
        retried: 12,
        blockers: vec![DrainBlocker::PendingChanges(12)],
        journal: Some(entry("pause")),
        ..status
    }
}

/// The old pool was restored, and another bridge.toml was deployed than the active one.
fn restored() -> StatusView {
    let mut status = quiet();
    let (stage, since) = (RestoreStage::Started, EARLIER);
    status.control.breaker = Some(Breaker::restored(Side::Old, stage, since));
    status.control.restores.old = Some(Restore { stage, since, decided: None });
    status.control.configuration = Some(stamp("fedcba98".repeat(8)));
    StatusView {
        pending: 2,
        oldest: Some(Duration::from_mins(8)),
        retried: 2,
        other_configuration: 2,
        blockers: vec![DrainBlocker::PendingChanges(2)],
        ..status
    }
}

/// More accounts were deleted in one hour than the limit allows.
fn tripped() -> StatusView {
    let mut status = quiet();
    status.control.breaker = Some(Breaker::removals(EARLIER));
    StatusView { journal: None, ..status }
}

#[test]
fn status_matches_the_golden_files() {
    crate::render::golden("status-quiet", &text(&quiet()));
    crate::render::golden("status-troubled", &text(&troubled()));
    crate::render::golden("status-paused", &text(&paused()));
    crate::render::golden("status-restored", &text(&restored()));
    crate::render::golden("status-breaker", &text(&tripped()));
    crate::render::golden("status-json", &format!("{:#}\n", value(&troubled())));
}

#[test]
fn changes_that_wait_for_another_configuration_are_shown_although_the_local_one_is_active() {
    let mut status = quiet();
    assert!(configuration(&status).ends_with(", active"), "{}", configuration(&status));
    status.other_configuration = 1;
    let line = configuration(&status);
    assert!(line.contains("1 change waits because a function runs another file"), "{line}");
    assert!(line.contains("hint: deploy this bridge.toml"), "{line}");
}

#[test]
fn inactive_configuration_and_announced_switch_are_shown() {
    let mut status = quiet();
    status.control.configuration = None;
    status.control.closing = true;
    assert!(configuration(&status).contains("none active; hint: "));
    assert!(text(&status).contains("closing    a switch is announced"));
}

#[test]
fn json_holds_the_documented_keys() {
    let shown = value(&quiet());
    for key in ["phase", "active", "people", "pending", "queue", "drained", "throttled"] {
        assert!(shown.get(key).is_some(), "{key}");
    }
    assert_eq!(shown["drained"], json!(true));
    assert_eq!(shown["throttled"], Value::Null);
    assert_eq!(shown["pending"]["oldest_seconds"], Value::Null);
    for key in ["waiting", "in_flight", "delayed", "dead"] {
        assert!(shown["queue"][key].is_u64(), "{key}");
    }
    assert_eq!(value(&troubled())["drained"], json!(false));
    assert_eq!(value(&troubled())["pending"]["oldest_seconds"], json!(95));
}
