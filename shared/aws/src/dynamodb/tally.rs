//! How often the table was called, by what it was called for. For the benchmark: a port call that
//! costs one request more than it should is seen there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the table is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// Reads a pointer or a person.
    Find,
    /// Takes a lease.
    Claim,
    /// Writes a person under lease: intend or record.
    Store,
    /// Writes a new person and pointers, in one transaction.
    Begin,
    /// Writes a person and one more pointer, in one transaction.
    Join,
    /// Writes two halves as one, in one transaction.
    Merge,
    /// Two people are made of one.
    Separate,
    /// Marks an account.
    Mark,
    /// Reads a mark.
    ReadMark,
    /// Takes a mark away.
    ClearMark,
    /// Puts a mark off.
    BackOff,
    /// Reads the control item.
    Control,
    /// Writes the control item.
    SetControl,
    /// Counts people or captures, or notes when a route was alive.
    Count,
    /// Reads counters or the routes' notes.
    ReadCounts,
    /// Lists marks.
    ListMarks,
    /// Lists people.
    ListPeople,
    /// Writes the journal.
    Journal,
    /// Reads the journal.
    ReadJournal,
    /// Keeps a dump of a pool's settings.
    KeepDump,
    /// Reads the dumps.
    ReadDumps,
    /// Reads whose accounts these are, or the people of these ids, many at once.
    ReadMany,
    /// Reads how far a job is.
    ReadCursor,
    /// Writes how far a job is.
    WriteCursor,
}

impl Call {
    /// Every call.
    pub const ALL: [Self; 24] = [
        Self::Find,
        Self::Claim,
        Self::Store,
        Self::Begin,
        Self::Join,
        Self::Merge,
        Self::Separate,
        Self::Mark,
        Self::ReadMark,
        Self::ClearMark,
        Self::BackOff,
        Self::Control,
        Self::SetControl,
        Self::Count,
        Self::ReadCounts,
        Self::ListMarks,
        Self::ListPeople,
        Self::Journal,
        Self::ReadJournal,
        Self::KeepDump,
        Self::ReadDumps,
        Self::ReadMany,
        Self::ReadCursor,
        Self::WriteCursor,
    ];

    /// The word for it in the benchmark's figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Find => "find",
            Self::Claim => "claim",
            Self::Store => "store",
            Self::Begin => "begin",
            Self::Join => "join",
            Self::Merge => "merge",
            Self::Separate => "separate",
            Self::Mark => "mark",
            Self::ReadMark => "read-mark",
            Self::ClearMark => "clear-mark",
            Self::BackOff => "back-off",
            Self::Control => "control",
            Self::SetControl => "set-control",
            Self::Count => "count",
            Self::ReadCounts => "read-counts",
            Self::ListMarks => "list-marks",
            Self::ListPeople => "list-people",
            Self::Journal => "journal",
            Self::ReadJournal => "read-journal",
            Self::KeepDump => "keep-dump",
            Self::ReadDumps => "read-dumps",
            Self::ReadMany => "read-many",
            Self::ReadCursor => "read-cursor",
            Self::WriteCursor => "write-cursor",
        }
    }

    /// Whether it writes.
    pub const fn writes(self) -> bool {
        match self {
            Self::Claim
            | Self::Store
            | Self::Begin
            | Self::Join
            | Self::Merge
            | Self::Separate
            | Self::Mark
            | Self::ClearMark
            | Self::BackOff
            | Self::SetControl
            | Self::Count
            | Self::Journal
            | Self::KeepDump
            | Self::WriteCursor => true,
            Self::Find
            | Self::ReadMark
            | Self::Control
            | Self::ReadCounts
            | Self::ListMarks
            | Self::ListPeople
            | Self::ReadJournal
            | Self::ReadDumps
            | Self::ReadMany
            | Self::ReadCursor => false,
        }
    }
}

/// Requests to the table since it was made. The SDK's own repetitions are not seen.
#[derive(Debug, Default)]
pub struct Tally {
    counts: [AtomicU64; Call::ALL.len()],
}

impl Tally {
    /// Counts one request.
    pub(crate) fn add(&self, call: Call) {
        self.counts[call as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was called for this.
    pub fn of(&self, call: Call) -> u64 {
        self.counts[call as usize].load(Ordering::Relaxed)
    }

    /// All requests that write.
    pub fn writes(&self) -> u64 {
        Call::ALL.into_iter().filter(|call| call.writes()).map(|call| self.of(call)).sum()
    }

    /// All requests that only read.
    pub fn reads(&self) -> u64 {
        Call::ALL.into_iter().filter(|call| !call.writes()).map(|call| self.of(call)).sum()
    }

    /// Every figure that is not zero, by name.
    pub fn figures(&self) -> BTreeMap<&'static str, u64> {
        let all = Call::ALL.into_iter().map(|call| (call.name(), self.of(call)));
        all.filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_has_a_place_of_its_own() {
        let tally = Tally::default();
        for (place, call) in Call::ALL.into_iter().enumerate() {
            assert_eq!(call as usize, place);
            (0..=place).for_each(|_| tally.add(call));
        }
        let mut counts: Vec<u64> = tally.figures().into_values().collect();
        counts.sort_unstable();
        let all = 1..=Call::ALL.len() as u64;
        assert_eq!(counts, all.clone().collect::<Vec<u64>>());
        assert_eq!(tally.reads() + tally.writes(), all.sum::<u64>());
    }
}
