//! What is said to the person at the shell: to standard error, so that data stays alone on standard
//! output.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::{self, Failure};

/// Says one line.
pub(crate) fn say(line: &str) {
    // Nobody is there to be told that nobody could be told.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Tells an error with its causes, and ends in a hint.
pub(crate) fn error(error: &anyhow::Error) {
    say(&in_words(error));
}

/// The words of [`error`].
pub(crate) fn in_words(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // A wrapped error often says what its wrapper already said.
        if !said.contains(&cause) {
            let separator = if said.is_empty() { "" } else { ": " };
            said.push_str(separator);
            said.push_str(&cause);
        }
    }
    format!("error: {said}\nhint: {}", failure::hint(error))
}

/// Shows what is about to be done, and asks. Without a terminal nobody can be asked.
pub(crate) fn baseline(plan: &str, yes: bool) -> Result<bool, Failure> {
    say(plan);
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        let hint = "add --yes to do it without being asked";
        return Err(Failure::new("there is no terminal to ask at", hint));
    }
    let _ = write!(std::io::stderr().lock(), "Do it? [y/N] ");
    let mut answer = String::new();
    let heard = std::io::stdin().lock().read_line(&mut answer);
    let baseline = heard.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes");
    if !baseline {
        say("nothing was done");
    }
    Ok(baseline)
}

/// A line that changes while something is waited for; on a terminal only.
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
