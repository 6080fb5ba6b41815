//! What is still on its way.

use std::time::Duration;

use poolbridge_core::drain::Undrained;
use poolbridge_core::time::Time;
use serde_json::json;

use super::{moment, span};

/// How a drain ended.
#[derive(Debug)]
pub(crate) struct Drained {
    /// Why it is not drained; none: it is.
    pub(crate) reasons: Vec<String>,
    /// Marks of people held, which are left out.
    pub(crate) held: u64,
    /// Messages sent again.
    pub(crate) resent: usize,
    /// How long it took.
    pub(crate) waited: Duration,
    /// The moment that was asked for: nothing captured before it is on its way.
    pub(crate) at: Time,
}

/// Writes it.
pub(crate) fn show(drained: &Drained, json: bool) -> std::io::Result<()> {
    let value = json!({
        "drained": drained.reasons.is_empty(),
        "at": moment(drained.at),
        "reasons": drained.reasons,
        "held": drained.held,
        "resent": drained.resent,
        "waited_milliseconds": u64::try_from(drained.waited.as_millis()).unwrap_or(u64::MAX),
    });
    super::show(json, false, &value, &told(drained))
}

fn told(drained: &Drained) -> String {
    let waited = span(drained.waited);
    let held = match drained.held {
        0 => String::new(),
        held => {
            format!("\nleft out: {held} marks of people held; `poolbridge people --state held`")
        }
    };
    if drained.reasons.is_empty() {
        return format!("drained at {} (after {waited}){held}\n", moment(drained.at));
    }
    let reasons: Vec<String> =
        drained.reasons.iter().map(|reason| format!("  {reason}\n")).collect();
    format!("not drained after {waited}:\n{}{}", reasons.concat(), held.trim_start())
        .trim_end()
        .to_owned()
        + "\n"
}

/// Several reasons in one line.
pub(crate) fn words(reasons: &[Undrained]) -> String {
    let reasons: Vec<String> = reasons.iter().map(reason).collect();
    reasons.join("; ")
}

/// One reason in words.
pub(crate) fn reason(reason: &Undrained) -> String {
    let (count, what) = match reason {
        Undrained::Marks(1) => (1, "account is marked"),
        Undrained::Marks(count) => (*count, "accounts are marked"),
        Undrained::UnderWay(1) => (1, "person is being worked on"),
        Undrained::UnderWay(count) => (*count, "people are being worked on"),
        Undrained::Queue(1) => (1, "message is in the queue"),
        Undrained::Queue(count) => (*count, "messages are in the queue"),
        Undrained::Unmarked(1) => {
            (1, "capture was neither marked nor sent; see `drain --waive-unmarked`")
        }
        Undrained::Unmarked(count) => {
            (*count, "captures were neither marked nor sent; see `drain --waive-unmarked`")
        }
        Undrained::LookAgain => return "the queue must be seen empty once more".to_owned(),
    };
    format!("{count} {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_as_reviewed() {
        let done = Drained {
            reasons: Vec::new(),
            held: 0,
            resent: 2,
            waited: Duration::from_secs(61),
            at: Time(1_700_000_000_000),
        };
        let all = [
            Undrained::Marks(5),
            Undrained::UnderWay(1),
            Undrained::Queue(2),
            Undrained::LookAgain,
            Undrained::Unmarked(1),
        ];
        let reasons = all.iter().map(reason).collect();
        let not = Drained { reasons, held: 2, ..done };
        let done = Drained { reasons: Vec::new(), ..not };
        let not = Drained { reasons: all.iter().map(reason).collect(), ..done };
        super::super::golden("drain-done", &told(&done));
        super::super::golden("drain-not-done", &told(&not));
    }
}
