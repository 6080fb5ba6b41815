//! Counts the calls to the table by purpose, for the benchmark: it shows a port call that costs one
//! request too many.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// The purpose of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// Reads a pointer or a person record.
    Find,
    /// Takes a lease.
    Claim,
    /// Writes a person record under a lease: a write intent or a result.
    Store,
    /// Writes a new person record and its pointers in one transaction.
    Begin,
    /// Writes a person record and one more pointer in one transaction.
    Join,
    /// Merges two person records in one transaction.
    Merge,
    /// Splits one person record into two.
    Separate,
    /// Stores a pending change.
    Mark,
    /// Reads a pending change.
    ReadMark,
    /// Clears a pending change.
    ClearMark,
    /// Postpones a pending change.
    BackOff,
    /// Reads the control item.
    Control,
    /// Writes the control item.
    SetControl,
    /// Counts people or captures, or stores when a route ran.
    Count,
    /// Reads counters or the routes' notes.
    ReadCounts,
    /// Lists pending changes.
    ListMarks,
    /// Lists people.
    ListPeople,
    /// Writes the journal.
    Journal,
    /// Reads the journal.
    ReadJournal,
    /// Stores a settings backup.
    KeepDump,
    /// Reads the settings backups.
    ReadDumps,
    /// Reads the pointers of many accounts, or many person records, in one request.
    ReadMany,
    /// Reads a job's progress.
    ReadCursor,
    /// Writes a job's progress.
    WriteCursor,
}

impl Call {
    /// Every purpose.
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

    /// The word for it in the benchmark's output.
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

    /// Whether the call writes.
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

/// Counts requests to the table since it was created. It does not see the SDK's own retries.
#[derive(Debug, Default)]
pub struct Tally {
    counts: [AtomicU64; Call::ALL.len()],
}

impl Tally {
    /// Counts one request.
    pub(crate) fn add(&self, call: Call) {
        self.counts[call as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The number of calls for this purpose.
    pub fn of(&self, call: Call) -> u64 {
        self.counts[call as usize].load(Ordering::Relaxed)
    }

    /// The number of requests that write.
    pub fn writes(&self) -> u64 {
        Call::ALL.into_iter().filter(|call| call.writes()).map(|call| self.of(call)).sum()
    }

    /// The number of requests that only read.
    pub fn reads(&self) -> u64 {
        Call::ALL.into_iter().filter(|call| !call.writes()).map(|call| self.of(call)).sum()
    }

    /// Every count that is not zero, by name.
    pub fn figures(&self) -> BTreeMap<&'static str, u64> {
        let all = Call::ALL.into_iter().map(|call| (call.name(), self.of(call)));
        all.filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_has_its_own_counter() {
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
