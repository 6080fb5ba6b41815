//! Standard output: text for people, or JSON for programs. Only this module writes there. It shows
//! fields, reasons, times and shortened fingerprints, and never a value.

pub(crate) mod attach;
mod blocked_field;
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

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use jiff::{SignedDuration, Timestamp};
use poolbridge_core::policy::Control;
use poolbridge_core::time::Time;
use serde_json::{Value, json};

/// What to do while the circuit breaker is open.
pub(crate) const BREAKER_HINT: &str =
    "hint: find out what deletes or resets accounts, then run `poolbridge resume --breaker`";

/// Writes text to standard output as it is.
pub(crate) fn data(text: &str) -> std::io::Result<()> {
    let written = std::io::stdout().lock().write_all(text.as_bytes());
    match written {
        // The reader has stopped reading, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes JSON or text. JSON has several lines, or one line for each value of a `stream`.
fn show(json: bool, stream: bool, value: &Value, text: &str) -> std::io::Result<()> {
    if !json {
        return data(text);
    }
    if stream {
        return data(&format!("{value}\n"));
    }
    data(&format!("{value:#}\n"))
}

/// Shows that the control item was changed.
pub(crate) fn done(json: bool, what: &str, control: &Control) -> std::io::Result<()> {
    let value = json!({ "done": what, "paused": control.paused, "revision": control.revision });
    show(json, false, &value, &format!("{what}\n"))
}

/// The lines of a table. They have no borders and never wrap, so `cut` and `grep` can read them.
fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    table.lines().map(|line| line.trim().to_owned()).collect()
}

/// The time as text that every tool reads.
pub(crate) fn moment(time: Time) -> String {
    Timestamp::from_millisecond(time.0).map_or_else(|_| time.to_string(), |at| at.to_string())
}

/// How long ago, in the two largest units.
pub(crate) fn ago(time: Time, now: Time) -> String {
    format!("{} ago", span(now.since(time)))
}

/// A duration for people, in the two largest units.
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

/// The first 8 characters of a hash, enough to compare two by eye.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(8).collect()
}

/// `1 person`, `2 people`.
pub(crate) fn people_count(count: usize) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

/// Compares with the reviewed file in `src/golden`. `POOLBRIDGE_WRITE_GOLDEN` writes it again.
#[cfg(test)]
pub(crate) fn golden(name: &str, found: &str) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/golden");
    let path = folder.join(format!("{name}.txt"));
    // Blanks at the end of a line are removed, because editors remove them too.
    let lines: Vec<&str> = found.lines().map(str::trim_end).collect();
    let found = lines.join("\n") + "\n";
    if std::env::var_os("POOLBRIDGE_WRITE_GOLDEN").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, &found).unwrap();
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(reviewed, found, "{name}: write it with POOLBRIDGE_WRITE_GOLDEN=1 and review it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_two_units() {
        let spans = [0, 999, 1_000, 61_000, 3_660_000, 90_061_000];
        let shown = spans.map(|milliseconds| span(Duration::from_millis(milliseconds)));
        assert_eq!(shown, ["0 ms", "999 ms", "1 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
        assert!(!span(Duration::MAX).is_empty());
    }

    #[test]
    fn times_are_shown_as_rfc_3339() {
        assert_eq!(moment(Time(1_700_000_000_000)), "2023-11-14T22:13:20Z");
        assert!(!moment(Time(i64::MAX)).is_empty());
    }
}
