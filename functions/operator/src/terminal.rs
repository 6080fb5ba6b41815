//! Messages and questions. They go to standard error, because standard output holds data only.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::{self, Failure};

/// Prints one line.
pub(crate) fn message(line: &str) {
    // If standard error is closed, the command continues without messages.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints an error with its causes and a hint.
pub(crate) fn error(error: &anyhow::Error) {
    message(&error_text(error));
}

/// The text of [`error`].
pub(crate) fn error_text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // The text of a wrapping error often contains the text of its cause.
        if !text.contains(&cause) {
            let separator = if text.is_empty() { "" } else { ": " };
            text.push_str(separator);
            text.push_str(&cause);
        }
    }
    format!("error: {text}\nhint: {}", failure::hint(error))
}

/// Shows the plan and asks for confirmation. Without a terminal, only `yes` confirms it.
pub(crate) fn confirm(plan: &str, yes: bool) -> Result<bool, Failure> {
    message(plan);
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        let what = "cannot ask for confirmation: standard input is not a terminal";
        return Err(Failure::new(what, "add --yes to skip the question"));
    }
    let _ = write!(std::io::stderr().lock(), "Continue? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    let confirmed = read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes");
    if !confirmed {
        message("cancelled: nothing was changed");
    }
    Ok(confirmed)
}

/// A line that shows the progress of a wait; on a terminal only.
pub(crate) fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
