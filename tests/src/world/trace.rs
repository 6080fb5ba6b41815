//! What happened in a world, in words that name edits, accounts and tasks, never values.

use poolbridge_core::time::Time;

use super::WORLD_START;

/// The lines of one world. Records nothing unless a caller wants to read or compare them.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    records: bool,
    lines: Vec<String>,
}

impl Trace {
    /// A trace that records its lines.
    pub const fn recording() -> Self {
        Self { records: true, lines: Vec::new() }
    }

    /// Adds a line.
    pub fn say(&mut self, now: Time, line: impl FnOnce() -> String) {
        if self.records {
            let passed = now.since(WORLD_START);
            let (seconds, thousandths) = (passed.as_secs(), passed.subsec_millis());
            self.lines.push(format!("{seconds:>6}.{thousandths:03}  {}", line()));
        }
    }

    /// Every line so far.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// One number for the whole trace (FNV-1a): equal traces have equal numbers.
    pub fn fingerprint(&self) -> u64 {
        let bytes = self.lines.iter().flat_map(|line| line.bytes().chain([b'\n']));
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}
