//! An agreed pair, one text, edits on both sides.

use poolbridge_core::side::Side;

use super::{both, quiet, stale, text};
use crate::protocol::small::Small;
use crate::simulation::parameters::WorldParameters;

/// An agreed pair with one text. Two edits (old, new), one crash, one stale read, five receptions.
pub fn baseline() -> Small {
    Small {
        parameters: WorldParameters { rates: stale(1), ..WorldParameters::quiet() },
        edits: both(),
        crashes: 1,
        receptions: 5,
        ..quiet("agreed pair")
    }
}

/// One crash after another. Two edits (old, new), captured at once; two crashes, three receptions.
pub fn crashing_twice() -> Small {
    Small {
        edits: both(),
        prompt: true,
        crashes: 2,
        receptions: 3,
        ..quiet("agreed pair, crash upon crash")
    }
}

/// Stale reads. Two edits (old, new), three stale reads, six receptions.
pub fn looking_back() -> Small {
    Small {
        parameters: WorldParameters { rates: stale(3), ..WorldParameters::quiet() },
        edits: both(),
        ..quiet("agreed pair, stale reads")
    }
}

/// Three edits (old twice, new), captured at once, three receptions.
pub fn busy() -> Small {
    let edit = text(Side::Old, "name");
    Small {
        edits: vec![edit, edit, text(Side::New, "name")],
        prompt: true,
        receptions: 3,
        ..quiet("agreed pair, three edits")
    }
}
