//! What blocks the state *drained*, and how `drain` ended.

use std::fmt::Write as _;
use std::time::Duration;

use poolbridge_core::control::Control;
use poolbridge_core::drain::{DrainBlocker, Drained, QueueCounts};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use serde_json::json;

use super::{moment, span};

/// The counters of both queues.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Queues {
    /// The queue of live changes.
    pub(crate) live: QueueCounts,
    /// The queue of bulk work, if its URL is known.
    pub(crate) bulk: Option<QueueCounts>,
}

impl Queues {
    /// The sum of both.
    pub(crate) fn total(&self) -> QueueCounts {
        self.bulk.as_ref().map_or(self.live, |bulk| self.live.with(bulk))
    }
}

/// How a drain ended.
#[derive(Debug, Default)]
pub(crate) struct DrainReport {
    /// What is drained; `None` if the time was up before.
    pub(crate) drained: Option<Drained>,
    /// What blocks it.
    pub(crate) blockers: Vec<Blocker>,
    /// Pending changes of people in `held` or `conflict`, which do not count.
    pub(crate) held: u64,
    /// Messages that were sent again.
    pub(crate) resent: usize,
    /// How long it took.
    pub(crate) waited: Duration,
    /// The start of the command: every change from before it is applied if it is drained.
    pub(crate) at: Time,
}

/// One blocker, and the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocker {
    what: String,
    next: String,
}

impl Blocker {
    /// A blocker and its next step.
    pub(crate) fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), next: next.into() }
    }
}

/// The code for the result, in the journal and in JSON.
pub(crate) const fn outcome(drained: Option<Drained>) -> &'static str {
    match drained {
        Some(Drained::Empty) => "drained",
        Some(Drained::UpToAsked) => "drained-up-to",
        None => "not-drained",
    }
}

/// Writes the report.
pub(crate) fn show(report: &DrainReport, json: bool) -> std::io::Result<()> {
    let blockers: Vec<&str> = report.blockers.iter().map(|it| it.what.as_str()).collect();
    let next: Vec<&str> = report.blockers.iter().map(|it| it.next.as_str()).collect();
    let value = json!({
        "drained": report.drained.is_some(),
        "outcome": outcome(report.drained),
        "at": moment(report.at),
        "blockers": blockers,
        "next_steps": next,
        "held": report.held,
        "resent": report.resent,
        "waited_milliseconds": u64::try_from(report.waited.as_millis()).unwrap_or(u64::MAX),
    });
    super::show(json, false, &value, &text(report))
}

fn text(report: &DrainReport) -> String {
    let (at, waited) = (moment(report.at), span(report.waited));
    let mut text = match report.drained {
        Some(Drained::Empty) => format!("drained at {at} (after {waited})\n"),
        Some(Drained::UpToAsked) => {
            format!("drained up to {at} (after {waited}); later changes may still be pending\n")
        }
        None => format!("not drained after {waited}:\n"),
    };
    for Blocker { what, next } in &report.blockers {
        let _ = writeln!(text, "  {what}\n    next: {next}");
    }
    if report.held > 0 {
        let held = report.held;
        let next = "see `poolbridge people --state held` and `--state conflict`";
        let what = "pending changes of people in held or conflict";
        let _ = writeln!(text, "not counted: {held} {what}; {next}");
    }
    text
}

/// The states of the bridge that stop writes, each with its next step. `local`: the hash of the
/// local configuration.
pub(crate) fn stops(control: &Control, local: &str) -> Vec<Blocker> {
    let mut stops = Vec::new();
    if let Some(reason) = &control.paused {
        let next = "if that reason is gone, poolbridge resume; it also activates the local \
                    bridge.toml";
        stops.push(Blocker::new(format!("the bridge is paused: {reason}"), next));
    }
    let undecided = Side::BOTH.into_iter().any(|side| control.is_undecided(side));
    if undecided {
        let what = "a pool was restored or deleted: apply writes only disables until you decide";
        stops
            .push(Blocker::new(what, "poolbridge resume --after-restore (runbook: pool-restored)"));
    }
    if control.is_other_configuration(local) {
        let what = "the local bridge.toml is not the active configuration";
        stops.push(Blocker::new(what, "deploy the local file, then poolbridge resume"));
    }
    if control.breaker.is_some() {
        let next = if undecided {
            "decide about the restore first"
        } else {
            "find the cause (runbook: breaker-open), then poolbridge resume --breaker"
        };
        stops.push(Blocker::new("the circuit breaker is open", next));
    }
    stops
}

/// A blocker with its next step. `oldest`: the age of the oldest change that is not applied.
pub(crate) fn blocker(of: &DrainBlocker, queues: &Queues, oldest: Option<Duration>) -> Blocker {
    let mut what = reason(of, queues);
    let next = match of {
        DrainBlocker::PendingChanges(_) => {
            if let Some(age) = oldest {
                let _ = write!(what, "; the oldest, held ones included, {} old", span(age));
            }
            "poolbridge people --state waiting, then poolbridge explain SUB; the list lacks \
             accounts that apply has not tried yet"
        }
        DrainBlocker::UnderWay(_) => "wait: the lease expires within minutes",
        DrainBlocker::Queue(_) => "check in apply's log that apply runs, then poolbridge drain",
        DrainBlocker::SecondSnapshot => "poolbridge drain with a longer --timeout",
        DrainBlocker::LostCaptures(_) => {
            "process these people first (runbook: capture-failed-open), then poolbridge drain \
             --waive-lost-captures"
        }
    };
    Blocker::new(what, next)
}

/// Several blockers in one line.
pub(crate) fn line(blockers: &[DrainBlocker], queues: &Queues) -> String {
    let reasons: Vec<String> = blockers.iter().map(|it| reason(it, queues)).collect();
    reasons.join("; ")
}

/// One blocker as text.
pub(crate) fn reason(blocker: &DrainBlocker, queues: &Queues) -> String {
    match blocker {
        DrainBlocker::PendingChanges(1) => "1 account has a pending change".to_owned(),
        DrainBlocker::PendingChanges(count) => format!("{count} accounts have pending changes"),
        DrainBlocker::UnderWay(1) => "1 person is being processed".to_owned(),
        DrainBlocker::UnderWay(count) => format!("{count} people are being processed"),
        DrainBlocker::Queue(count) => messages(*count, queues),
        DrainBlocker::LostCaptures(count) => lost_captures(*count),
        DrainBlocker::SecondSnapshot => {
            "nothing is left; the checks must show this for 60 s".to_owned()
        }
    }
}

/// The messages, with the name of their queue.
fn messages(count: u64, queues: &Queues) -> String {
    let are = if count == 1 { "message is" } else { "messages are" };
    let bulk = queues.bulk.map_or(0, |bulk| bulk.total());
    match (queues.live.total(), bulk) {
        (_, 0) => format!("{count} {are} in the live queue"),
        (0, _) => format!("{count} {are} in the bulk queue"),
        (live, bulk) => {
            format!("{count} {are} queued: {live} in the live queue, {bulk} in the bulk queue")
        }
    }
}

/// Captures that failed completely.
pub(super) fn lost_captures(count: u64) -> String {
    let captures = if count == 1 { "capture" } else { "captures" };
    format!("{count} {captures} stored no pending change and sent no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(found: &[DrainBlocker], queues: Queues) -> DrainReport {
        let oldest = Some(Duration::from_mins(5));
        DrainReport {
            blockers: found.iter().map(|it| blocker(it, &queues, oldest)).collect(),
            resent: 2,
            waited: Duration::from_mins(15),
            at: Time(1_700_000_000_000),
            ..DrainReport::default()
        }
    }

    #[test]
    fn reports_match_the_golden_files() {
        let none = Queues::default();
        let waited = Duration::from_secs(61);
        let done = DrainReport { drained: Some(Drained::Empty), waited, ..report(&[], none) };
        crate::render::golden("drain-done", &text(&done));
        let up_to = DrainReport { drained: Some(Drained::UpToAsked), held: 2, ..done };
        crate::render::golden("drain-up-to", &text(&up_to));
        // A pool throttles writes while the sweep's hints are processed.
        let live = QueueCounts { waiting: 3, in_flight: 1, delayed: 0 };
        let bulk = Some(QueueCounts { waiting: 30, in_flight: 10, delayed: 0 });
        let found =
            [DrainBlocker::PendingChanges(5), DrainBlocker::UnderWay(1), DrainBlocker::Queue(44)];
        let busy = DrainReport { held: 2, ..report(&found, Queues { live, bulk }) };
        crate::render::golden("drain-not-done", &text(&busy));
        let mut paused = report(&[DrainBlocker::PendingChanges(5)], none);
        let reason = Some("upgrade of the login page".to_owned());
        let control = Control { paused: reason, ..Control::default() };
        paused.blockers = [stops(&control, ""), paused.blockers].concat();
        crate::render::golden("drain-paused", &text(&paused));
        let lost = report(&[DrainBlocker::LostCaptures(2)], none);
        crate::render::golden("drain-lost-captures", &text(&lost));
    }

    #[test]
    fn messages_name_their_queue() {
        let one = QueueCounts { waiting: 1, ..QueueCounts::default() };
        let live = Queues { live: one, bulk: None };
        assert_eq!(messages(1, &live), "1 message is in the live queue");
        let bulk = Queues { live: QueueCounts::default(), bulk: Some(one) };
        assert_eq!(messages(1, &bulk), "1 message is in the bulk queue");
        let both = Queues { live: one, bulk: Some(one) };
        let text = "2 messages are queued: 1 in the live queue, 1 in the bulk queue";
        assert_eq!(messages(2, &both), text);
    }
}
