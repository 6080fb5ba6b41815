//! An agreed pair, one text, edits on both sides.

use poolbridge_core::side::Side;

use super::{both, minimal, stale, text};
use crate::protocol::small::SmallWorld;
use crate::simulation::parameters::WorldParameters;

/// An agreed pair with one text. Two edits (old, new), one crash, one stale read, five receptions.
pub fn baseline() -> SmallWorld {
    SmallWorld {
        parameters: WorldParameters { rates: stale(1), ..WorldParameters::minimal() },
        edits: both(),
        crashes: 1,
        receptions: 5,
        ..minimal("agreed pair")
    }
}

/// One crash after another. Two edits (old, new), captured at once; two crashes, three receptions.
pub fn two_crashes() -> SmallWorld {
    SmallWorld {
        edits: both(),
        prompt: true,
        crashes: 2,
        receptions: 3,
        ..minimal("agreed pair, repeated crashes")
    }
}

/// Stale reads. Two edits (old, new), three stale reads, six receptions.
pub fn stale_reads() -> SmallWorld {
    SmallWorld {
        parameters: WorldParameters { rates: stale(3), ..WorldParameters::minimal() },
        edits: both(),
        ..minimal("agreed pair, stale reads")
    }
}

/// Three edits (old twice, new), captured at once, three receptions.
pub fn busy() -> SmallWorld {
    let edit = text(Side::Old, "name");
    SmallWorld {
        edits: vec![edit, edit, text(Side::New, "name")],
        prompt: true,
        receptions: 3,
        ..minimal("agreed pair, three edits")
    }
}
