//! What is still on its way.

use std::time::Duration;

use poolbridge_core::drain::{DrainBlocker, Drained};
use poolbridge_core::time::Time;
use serde_json::json;

use super::{moment, span};

/// How a drain ended.
#[derive(Debug)]
pub(crate) struct DrainReport {
    /// What is drained; nothing if time was up before.
    pub(crate) drained: Option<Drained>,
    /// What stands in the way.
    pub(crate) reasons: Vec<Blocker>,
    /// Marks of people held, which are left out.
    pub(crate) held: u64,
    /// Messages sent again.
    pub(crate) resent: usize,
    /// How long it took.
    pub(crate) waited: Duration,
    /// The moment that was asked for: nothing captured before it is on its way.
    pub(crate) at: Time,
}

/// One thing that stands in the way, and what to do about it.
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

/// The word for how it ended, in the journal and in JSON.
pub(crate) const fn command_result(drained: Option<Drained>) -> &'static str {
    match drained {
        Some(Drained::Empty) => "drained",
        Some(Drained::UpToAsked) => "drained-up-to",
        None => "not-drained",
    }
}

/// Writes it.
pub(crate) fn show(report: &DrainReport, json: bool) -> std::io::Result<()> {
    let reasons: Vec<&str> = report.reasons.iter().map(|it| it.what.as_str()).collect();
    let next: Vec<&str> = report.reasons.iter().map(|it| it.next.as_str()).collect();
    let value = json!({
        "drained": report.drained.is_some(),
        "outcome": command_result(report.drained),
        "at": moment(report.at),
        "reasons": reasons,
        "next_steps": next,
        "held": report.held,
        "resent": report.resent,
        "waited_milliseconds": u64::try_from(report.waited.as_millis()).unwrap_or(u64::MAX),
    });
    super::show(json, false, &value, &reported(report))
}

fn reported(report: &DrainReport) -> String {
    let waited = span(report.waited);
    let held = match report.held {
        0 => String::new(),
        held => {
            format!("\nleft out: {held} marks of people held; `poolbridge people --state held`")
        }
    };
    match report.drained {
        Some(Drained::Empty) => {
            return format!("drained at {} (after {waited}){held}\n", moment(report.at));
        }
        Some(Drained::UpToAsked) => {
            let later = "changes that were captured later are on their way";
            let at = moment(report.at);
            return format!("drained up to {at} (after {waited}); {later}{held}\n");
        }
        None => {}
    }
    let line = |it: &Blocker| format!("  {}\n    next: {}\n", it.what, it.next);
    let reasons: Vec<String> = report.reasons.iter().map(line).collect();
    format!("not drained after {waited}:\n{}{}", reasons.concat(), held.trim_start())
        .trim_end()
        .to_owned()
        + "\n"
}

/// A reason with its next step. `oldest` is the age of the oldest change that is not applied.
pub(crate) fn blocker(of: &DrainBlocker, oldest: Option<Duration>) -> Blocker {
    let words = reason(of);
    let (words, next) = match (of, oldest) {
        (DrainBlocker::PendingChanges(_), Some(age)) => (
            format!("{words}, the oldest since {}", span(age)),
            "poolbridge people --state waiting, then poolbridge explain old:SUB or new:SUB",
        ),
        (DrainBlocker::PendingChanges(_), None) => (words, "poolbridge people --state waiting"),
        (DrainBlocker::UnderWay(_), _) => (words, "wait: a lease ends within minutes"),
        (DrainBlocker::Queue(_), _) => {
            (words, "see that apply runs (log group of apply), then poolbridge drain again")
        }
        (DrainBlocker::LookAgain, _) => (words, "poolbridge drain with a longer --timeout"),
        (DrainBlocker::WithoutPending(_), _) => (words, "poolbridge drain --waive-unmarked"),
    };
    Blocker::new(words, next)
}

/// Several reasons in one line.
pub(crate) fn words(reasons: &[DrainBlocker]) -> String {
    let reasons: Vec<String> = reasons.iter().map(reason).collect();
    reasons.join("; ")
}

/// One reason in words.
pub(crate) fn reason(reason: &DrainBlocker) -> String {
    let (count, what) = match reason {
        DrainBlocker::PendingChanges(1) => (1, "account is marked"),
        DrainBlocker::PendingChanges(count) => (*count, "accounts are marked"),
        DrainBlocker::UnderWay(1) => (1, "person is being worked on"),
        DrainBlocker::UnderWay(count) => (*count, "people are being worked on"),
        DrainBlocker::Queue(1) => (1, "message is in the queue"),
        DrainBlocker::Queue(count) => (*count, "messages are in the queue"),
        DrainBlocker::WithoutPending(1) => {
            (1, "capture was neither marked nor sent; see `drain --waive-unmarked`")
        }
        DrainBlocker::WithoutPending(count) => {
            (*count, "captures were neither marked nor sent; see `drain --waive-unmarked`")
        }
        DrainBlocker::LookAgain => return "it has to look the same for a minute".to_owned(),
    };
    format!("{count} {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_as_reviewed() {
        let done = DrainReport {
            drained: Some(Drained::Empty),
            reasons: Vec::new(),
            held: 0,
            resent: 2,
            waited: Duration::from_secs(61),
            at: Time(1_700_000_000_000),
        };
        let all = [
            DrainBlocker::PendingChanges(5),
            DrainBlocker::UnderWay(1),
            DrainBlocker::Queue(2),
            DrainBlocker::LookAgain,
            DrainBlocker::WithoutPending(1),
        ];
        let oldest = Some(Duration::from_mins(5));
        let mut reasons = vec![Blocker::new("the bridge is paused", "poolbridge resume")];
        reasons.extend(all.iter().map(|reason| blocker(reason, oldest)));
        let live = DrainReport { drained: Some(Drained::UpToAsked), held: 2, ..done };
        let not = DrainReport { drained: None, reasons, ..live };
        let live = DrainReport { reasons: Vec::new(), drained: Some(Drained::UpToAsked), ..not };
        super::super::golden("drain-up-to", &reported(&live));
        let done =
            DrainReport { drained: Some(Drained::Empty), held: 0, reasons: Vec::new(), ..not };
        super::super::golden("drain-done", &reported(&done));
        super::super::golden("drain-not-done", &reported(&not));
    }
}
