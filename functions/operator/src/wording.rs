//! Times, durations and counts as text.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use poolbridge_core::time::Time;

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
