//! All answers that each task received. A running future cannot be inspected, but its next step
//! follows from its history alone. So two states of a world can be compared by the histories of
//! their tasks.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use poolbridge_core::time::Time;

use super::TaskId;

/// A hash of 128 bits: no two states of a small world have equal hashes by accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Digest(u128);

/// An odd 128-bit number without a pattern (Melissa O'Neill's multiplier for PCG).
const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;

impl Digest {
    /// The whole digest.
    pub const fn whole(self) -> u128 {
        self.0
    }
}

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
        self.write_u64(bytes.len() as u64);
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        let mixed = (self.0 ^ u128::from(word)).wrapping_add(1).wrapping_mul(MULTIPLIER);
        self.0 = mixed ^ (mixed >> 67);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        u64::try_from(self.0 >> 64).unwrap_or_default()
    }
}

/// The histories of all tasks, and the numbers that each task received.
#[derive(Clone, Debug, Default)]
pub struct Histories {
    received: BTreeMap<TaskId, Digest>,
    numbers: BTreeMap<u32, u64>,
    clock_reads: u64,
    /// The task that asks for numbers now. A number depends on the task and on how many numbers it
    /// asked for before, not on the time. So it is the same in whatever order the other tasks took
    /// their turns.
    pub asking: u32,
}

impl Histories {
    /// That task received something.
    pub fn remember(&mut self, task: TaskId, what: &impl Hash) {
        what.hash(self.received.entry(task).or_default());
    }

    /// That task read the clock.
    pub fn remember_time(&mut self, task: TaskId, now: Time) {
        self.clock_reads += 1;
        self.remember(task, &now);
    }

    /// How often the clock was read so far. A task that did not read it in its turn would have done
    /// the same at any other time.
    pub const fn clock_reads(&self) -> u64 {
        self.clock_reads
    }

    /// All that this task received.
    pub fn of(&self, task: TaskId) -> Digest {
        self.received.get(&task).copied().unwrap_or_default()
    }

    /// A number that was never returned before, and is not returned after histories end.
    pub(super) fn number(&mut self) -> u128 {
        let count = self.numbers.entry(self.asking).or_default();
        *count += 1;
        (u128::from(self.asking) + 1) << 64 | u128::from(*count)
    }
}
