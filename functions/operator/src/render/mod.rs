//! Standard output: text for people, or JSON for programs. Only this module writes there. It shows
//! fields, reasons, times and shortened fingerprints, and never a value.

pub(crate) mod attach;
mod blocked_field;
pub(crate) mod check;
pub(crate) mod coverage;
mod decision;
pub(crate) mod drain;
pub(crate) mod explain;
pub(crate) mod link;
pub(crate) mod people;
mod reason;
pub(crate) mod retry;
pub(crate) mod status;
mod tombstone;

use std::io::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use poolbridge_core::control::Control;
use poolbridge_core::side::Side;
use serde_json::{Value, json};

pub(crate) use crate::wording::{ago, moment, people_count, short, span};

/// What to do while the circuit breaker is open.
pub(crate) fn breaker_hint(control: &Control) -> &'static str {
    if Side::BOTH.into_iter().any(|side| control.is_undecided(side)) {
        return "hint: first decide what follows from the restore (line `restore`), and close the \
                breaker afterwards";
    }
    "hint: find out what deletes accounts or sets passwords; `poolbridge resume --breaker` closes \
     the breaker and applies what it holds"
}

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
