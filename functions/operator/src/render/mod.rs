//! What goes to standard output, as words for people or JSON for programs. The only place that
//! writes there. Nothing here names a value: fields, reasons, times and shortened fingerprints
//! only.

pub(crate) mod attach;
pub(crate) mod check;
pub(crate) mod coverage;
pub(crate) mod drain;
pub(crate) mod explain;
pub(crate) mod link;
pub(crate) mod people;
pub(crate) mod retry;
pub(crate) mod status;
mod tombstone;

use std::io::Write as _;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use poolbridge_core::policy::Control;
use poolbridge_core::time::Time;
use serde_json::{Value, json};

/// Writes text to standard output as it is.
pub(crate) fn data(text: &str) -> std::io::Result<()> {
    let written = std::io::stdout().lock().write_all(text.as_bytes());
    match written {
        // Whoever reads has seen enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes JSON if that is wanted, else the words. Several lines of JSON for people who look at it,
/// one for whoever follows a stream.
fn show(json: bool, stream: bool, value: &Value, words: &str) -> std::io::Result<()> {
    if !json {
        return data(words);
    }
    if stream {
        return data(&format!("{value}\n"));
    }
    data(&format!("{value:#}\n"))
}

/// Says that the control item was changed.
pub(crate) fn done(json: bool, what: &str, control: &Control) -> std::io::Result<()> {
    let value = json!({ "done": what, "paused": control.paused, "revision": control.revision });
    show(json, false, &value, &format!("{what}\n"))
}

/// The moment, in the form that every tool reads.
pub(crate) fn moment(time: Time) -> String {
    Timestamp::from_millisecond(time.0).map_or_else(|_| time.to_string(), |at| at.to_string())
}

/// How long ago, in the two largest units that say something.
pub(crate) fn ago(time: Time, now: Time) -> String {
    format!("{} ago", span(now.since(time)))
}

/// A span of time for people.
pub(crate) fn span(span: Duration) -> String {
    if span < Duration::from_secs(1) {
        return format!("{} ms", span.as_millis());
    }
    let seconds = SignedDuration::try_from(span).map_or(0, |span| span.as_secs());
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (_, _, _) => format!("{days} d {hours} h"),
    }
}

/// The beginning of a long number: enough to compare two by eye.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(8).collect()
}

/// `1 person`, `2 people`.
pub(crate) fn people_count(count: usize) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

/// Compares with what was reviewed, in `src/golden`. With `POOLBRIDGE_WRITE_GOLDEN` it is written
/// anew.
#[cfg(test)]
pub(crate) fn golden(name: &str, found: &str) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/golden");
    let path = folder.join(format!("{name}.txt"));
    // Blanks at the end of a line are nobody's wish, and editors take them away.
    let lines: Vec<&str> = found.lines().map(str::trim_end).collect();
    let found = lines.join("\n") + "\n";
    if std::env::var_os("POOLBRIDGE_WRITE_GOLDEN").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, &found).unwrap();
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(reviewed, found, "{name}: POOLBRIDGE_WRITE_GOLDEN=1 writes it anew, for review");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_two_units() {
        let said = [0, 999, 1_000, 61_000, 3_660_000, 90_061_000];
        let said = said.map(|milliseconds| span(Duration::from_millis(milliseconds)));
        assert_eq!(said, ["0 ms", "999 ms", "1 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
        assert!(!span(Duration::MAX).is_empty());
    }

    #[test]
    fn moments_are_said_as_every_tool_reads_them() {
        assert_eq!(moment(Time(1_700_000_000_000)), "2023-11-14T22:13:20Z");
        assert!(!moment(Time(i64::MAX)).is_empty());
    }
}
