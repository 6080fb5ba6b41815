//! Worlds after the switch, during it, and with held conflicts.

use poolbridge_core::control::Phase;
use poolbridge_core::policy::ConflictRule;
use poolbridge_core::side::Side;

use super::{both, minimal, stale, stale_reads, text};
use crate::protocol::small::{SmallWorld, Switch};
use crate::simulation::parameters::{InitialState, WorldParameters};

/// The new pool is active, so its value wins. One edit on each side, a crash and a stale read;
/// captured at once, four receptions.
pub fn switched() -> SmallWorld {
    let minimal = minimal("agreed pair, the new pool active");
    let small = SmallWorld {
        phase: Phase::Switched,
        edits: both(),
        prompt: true,
        crashes: 1,
        receptions: 4,
        ..minimal
    };
    stale_reads("agreed pair, the new pool active", 1, small)
}

/// Conflicts are held: no side wins. One edit on each side, a crash and a stale read; captured at
/// once, four receptions.
pub fn held() -> SmallWorld {
    let parameters = WorldParameters {
        conflicts: vec![ConflictRule::Hold],
        rates: stale(1),
        ..WorldParameters::minimal()
    };
    SmallWorld {
        name: "agreed pair, conflicts held",
        phase: Phase::Follow,
        parameters,
        ..switched()
    }
}

/// Conflicts are held. The other text still travels, and so do later edits. One text changes on
/// both sides, and then again on the old one; another on the old side. Captured at once; one worker
/// at a time, three receptions.
pub fn held_with_another_text() -> SmallWorld {
    let edit = text(Side::Old, "name");
    SmallWorld {
        name: "two texts, conflicts of one of them held",
        parameters: WorldParameters {
            texts: vec!["name", "department"],
            rates: stale(0),
            ..held().parameters
        },
        edits: vec![edit, text(Side::New, "name"), edit, text(Side::Old, "department")],
        crashes: 0,
        workers: 1,
        receptions: 3,
        ..held()
    }
}

/// The operator announces a switch at any moment, waits until every lease that was held then and
/// every intent has expired, and switches, or never does (`AnnounceThenFlip`). One edit on
/// each side, captured at once; three receptions.
pub fn switching() -> SmallWorld {
    SmallWorld {
        switch: Some(Switch::Announced),
        edits: both(),
        prompt: true,
        receptions: 3,
        ..minimal("agreed pair, a switch meanwhile")
    }
}

/// The same with a crash; one worker at a time, three receptions.
pub fn switching_crashing() -> SmallWorld {
    let name = "agreed pair, a switch meanwhile, a crash";
    SmallWorld { name, crashes: 1, receptions: 3, ..switching_alone() }
}

/// The same without a crash: small enough for the search for a missing rule.
pub fn switching_alone() -> SmallWorld {
    let name = "agreed pair, a switch meanwhile, one worker";
    SmallWorld { name, workers: 1, receptions: 2, ..switching() }
}

/// A switch while two accounts of one human with different values are linked. The active side's
/// value wins, so the link must know which side is active. One worker at a time, no edit; three
/// receptions.
pub fn switching_unlinked() -> SmallWorld {
    SmallWorld {
        parameters: WorldParameters {
            starts: vec![InitialState::Unlinked],
            ..switching().parameters
        },
        first_values: vec![1, 1],
        edits: Vec::new(),
        workers: 1,
        ..SmallWorld { name: "unlinked pair, a switch meanwhile", ..switching() }
    }
}

/// The same, with a person record for each account already.
pub fn switching_halves() -> SmallWorld {
    let parameters =
        WorldParameters { starts: vec![InitialState::Halves], ..switching_unlinked().parameters };
    SmallWorld { name: "two halves, a switch meanwhile", parameters, ..switching_unlinked() }
}

/// The planted bug: the operator switches and does not wait.
pub fn switching_without_waiting() -> SmallWorld {
    SmallWorld { switch: Some(Switch::WithoutWaiting), ..switching() }
}
