//! An agreed pair and fields with two states: a membership, the enabled flag.

use poolbridge_core::error::ErrorKind;
use poolbridge_core::side::Side;

use super::{enabled, group, minimal, stale, stale_reads};
use crate::protocol::small::SmallWorld;
use crate::simulation::parameters::WorldParameters;
use crate::world::fault_injection::FaultRates;

/// An agreed pair with one group. Three edits (joined and left again on the old side, joined on the
/// new one), captured at once, three receptions.
pub fn member() -> SmallWorld {
    let undone = group(Side::Old);
    SmallWorld {
        groups: true,
        edits: vec![undone, undone, group(Side::New)],
        prompt: true,
        receptions: 3,
        ..minimal("agreed pair, a group and its undo")
    }
}

/// With a crash: a group joined and left again on the written side, and joined on the other;
/// captured at once, three receptions.
pub fn member_crashing() -> SmallWorld {
    SmallWorld {
        groups: true,
        edits: vec![group(Side::Old), group(Side::New)],
        prompt: true,
        crashes: 1,
        receptions: 4,
        ..minimal("agreed pair, a group, a crash")
    }
}

/// With the enabled flag, whose changes move the account's last-modified date
/// (`AmbiguousRevertIsConflict`). Three edits (disabled on the old side, disabled and enabled
/// again on the new one), captured at once; one crash, three receptions, one worker at a time.
pub fn disabled() -> SmallWorld {
    let undone = enabled(Side::New);
    SmallWorld {
        edits: vec![enabled(Side::Old), undone, undone],
        prompt: true,
        workers: 1,
        crashes: 1,
        receptions: 3,
        ..minimal("agreed pair, disabled and enabled again")
    }
}

/// A group joined on the old side and left again; one stale read, captured at once, three
/// receptions.
pub fn member_stale_reads() -> SmallWorld {
    let undone = group(Side::Old);
    let small = SmallWorld { edits: vec![undone, undone], ..member() };
    stale_reads("agreed pair, a group and its undo, stale reads", 1, small)
}

/// A group joined on both sides, a crash and a stale read; three receptions.
pub fn member_crashing_stale_reads() -> SmallWorld {
    let small = SmallWorld { receptions: 3, ..member_crashing() };
    stale_reads("agreed pair, a group, a crash, stale reads", 1, small)
}

/// Disabled on either side, a crash and a stale read; captured at once, three receptions.
pub fn disabled_stale_reads() -> SmallWorld {
    let small = SmallWorld {
        edits: vec![enabled(Side::Old), enabled(Side::New)],
        workers: 2,
        ..disabled()
    };
    stale_reads("agreed pair, disabled on either side, stale reads", 1, small)
}

/// A person joins a group that the other pool once reports as missing, although it exists; a crash,
/// four receptions.
pub fn member_declined() -> SmallWorld {
    let rates = FaultRates {
        refuses: Some(("AdminAddUserToGroup", ErrorKind::Missing)),
        refusals_max: 1,
        ..stale(0)
    };
    SmallWorld {
        parameters: WorldParameters { rates, ..WorldParameters::minimal() },
        groups: true,
        edits: vec![group(Side::Old)],
        crashes: 1,
        receptions: 4,
        ..minimal("a group that is refused, a crash")
    }
}

/// The same with an edit of the membership on the other side instead of the crash; captured at
/// once.
pub fn member_declined_edited() -> SmallWorld {
    SmallWorld {
        name: "a group that is refused, an edit between",
        edits: vec![group(Side::Old), group(Side::New)],
        prompt: true,
        crashes: 0,
        ..member_declined()
    }
}
