//! Tells the story, one line a claim, and only after the claim has proved true.

use std::io::Write as _;
use std::time::Instant;

use anyhow::Context as _;

/// Where the story is told.
pub(super) struct Narrator {
    began: Instant,
    claims: usize,
}

impl Narrator {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), claims: 0 }
    }

    /// How many claims have proved true.
    pub(super) const fn claims(&self) -> usize {
        self.claims
    }

    /// Seconds since the story began.
    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// What the next claims are about.
    pub(super) fn chapter(words: &str) {
        say(&format!("\n{words}"));
    }

    /// Something worth knowing that claims nothing.
    pub(super) fn aside(words: &str) {
        say(&format!("            {words}"));
    }

    /// Does what proves the claim, and then tells it, with the time that it took.
    pub(super) async fn claim<T>(
        &mut self,
        words: &str,
        proof: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let began = Instant::now();
        let value = proof.await.with_context(|| format!("it is not so: {words}"))?;
        self.claims += 1;
        say(&format!("  {:6.2} s  {words}", began.elapsed().as_secs_f64()));
        Ok(value)
    }
}

/// Writes a line. A reader who has gone away is no reason to leave things running.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
