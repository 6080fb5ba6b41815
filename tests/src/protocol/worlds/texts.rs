//! An agreed pair, one text, edits on both sides.

use poolbridge_core::side::Side;

use super::{both, quiet, stale, text};
use crate::protocol::small::Small;
use crate::simulation::profile::Profile;

/// An agreed pair with one text. Two edits (old, new), one crash, one stale read, five
/// receptions.
pub fn agreed() -> Small {
    Small {
        profile: Profile { climate: stale(1), ..Profile::quiet() },
        deeds: both(),
        crashes: 1,
        receptions: 5,
        ..quiet("agreed pair")
    }
}

/// One crash after another. Two edits (old, new), captured at once; two crashes, three receptions.
pub fn crashing_twice() -> Small {
    Small {
        deeds: both(),
        prompt: true,
        crashes: 2,
        receptions: 3,
        ..quiet("agreed pair, crash upon crash")
    }
}

/// Stale reads. Two edits (old, new), three stale reads, six receptions.
pub fn looking_back() -> Small {
    Small {
        profile: Profile { climate: stale(3), ..Profile::quiet() },
        deeds: both(),
        ..quiet("agreed pair, stale reads")
    }
}

/// Three edits (old twice, new), captured at once, three receptions.
pub fn busy() -> Small {
    let edit = text(Side::Old, "name");
    Small {
        deeds: vec![edit, edit, text(Side::New, "name")],
        prompt: true,
        receptions: 3,
        ..quiet("agreed pair, three edits")
    }
}
