//! Prints the demo, one line per claim, and only after the claim proved true.

use std::io::Write as _;
use std::time::Instant;

use anyhow::Context as _;

/// Prints the demo and counts its claims.
pub(super) struct Narrator {
    began: Instant,
    claims: usize,
}

impl Narrator {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), claims: 0 }
    }

    /// How many claims proved true.
    pub(super) const fn claims(&self) -> usize {
        self.claims
    }

    /// Seconds since the demo began.
    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Prints the heading of the next claims.
    pub(super) fn heading(words: &str) {
        say(&format!("\n{words}"));
    }

    /// Prints a remark that claims nothing.
    pub(super) fn aside(words: &str) {
        say(&format!("            {words}"));
    }

    /// Runs the proof of a claim. Then prints the claim with the time that the proof took.
    pub(super) async fn claim<T>(
        &mut self,
        words: &str,
        evidence: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let began = Instant::now();
        let value = evidence.await.with_context(|| format!("it is not so: {words}"))?;
        self.claims += 1;
        say(&format!("  {:6.2} s  {words}", began.elapsed().as_secs_f64()));
        Ok(value)
    }
}

/// Writes a line. Ignores a closed standard output, so that the demo still cleans up.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
