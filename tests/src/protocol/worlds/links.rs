//! People who are not agreed yet: unlinked pairs, one-sided people, created accounts.

use poolbridge_core::policy::Provision;
use poolbridge_core::side::Side;

use super::{both, failing, minimal, stale, text};
use crate::protocol::small::SmallWorld;
use crate::simulation::parameters::{InitialState, WorldParameters};
use crate::world::fault_injection::CallFate;

/// Two unlinked accounts of one human; changes arrive from both sides. One edit (new), captured at
/// once; three receptions.
pub fn unlinked() -> SmallWorld {
    SmallWorld {
        parameters: WorldParameters {
            starts: vec![InitialState::Unlinked],
            rates: stale(1),
            ..WorldParameters::minimal()
        },
        first_values: vec![1, 1],
        edits: vec![text(Side::New, "name")],
        prompt: true,
        receptions: 3,
        ..minimal("unlinked pair, met from both sides")
    }
}

/// With a crash instead of the edit; one stale read or listing, six receptions.
pub fn unlinked_crashing() -> SmallWorld {
    SmallWorld {
        edits: Vec::new(),
        crashes: 1,
        receptions: 6,
        ..SmallWorld { name: "unlinked pair, a crash", ..unlinked() }
    }
}

/// Each account already has a person record of its own. One edit (new), one stale read or listing,
/// four receptions.
pub fn halves() -> SmallWorld {
    let parameters =
        WorldParameters { starts: vec![InitialState::Halves], ..unlinked().parameters };
    SmallWorld { name: "two halves, met from both sides", parameters, receptions: 4, ..unlinked() }
}

/// The same with a crash instead of the edit; one stale read or listing, six receptions.
pub fn halves_crashing() -> SmallWorld {
    let parameters =
        WorldParameters { starts: vec![InitialState::Halves], ..unlinked().parameters };
    SmallWorld { name: "two halves, a crash", parameters, ..unlinked_crashing() }
}

/// Eager creation in the active pool. Once, the answer is lost or the creation lands late. Two
/// edits (of the created account and of its source), captured at once; four receptions.
pub fn creation() -> SmallWorld {
    SmallWorld {
        parameters: WorldParameters {
            starts: vec![InitialState::NewOnly],
            provision: vec![Provision::Eager],
            rates: failing("AdminCreateUser", &[CallFate::AnswerLost, CallFate::LandsLate], 1),
            ..WorldParameters::minimal()
        },
        first_values: vec![1],
        edits: both(),
        prompt: true,
        receptions: 4,
        ..minimal("eager creation, its answer lost")
    }
}

/// With a crash and a stale read or listing. One edit (of the source), captured at once; six
/// receptions.
pub fn creation_crashing() -> SmallWorld {
    let creation = creation();
    SmallWorld {
        name: "eager creation, a crash",
        parameters: WorldParameters { rates: stale(1), ..creation.parameters },
        edits: vec![text(Side::New, "name")],
        crashes: 1,
        receptions: 6,
        ..creation
    }
}

/// With a crash and an edit of the created account instead; four receptions.
pub fn creation_edited() -> SmallWorld {
    SmallWorld {
        name: "eager creation, a crash, the created account edited",
        parameters: WorldParameters { rates: stale(0), ..creation_crashing().parameters },
        edits: vec![text(Side::Old, "name")],
        receptions: 4,
        ..creation_crashing()
    }
}
