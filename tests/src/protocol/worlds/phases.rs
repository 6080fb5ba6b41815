//! After the switch, during it, and where nobody wins.

use poolbridge_core::policy::{ConflictRule, Phase};
use poolbridge_core::side::Side;

use super::{both, looking_back, quiet, stale, text};
use crate::protocol::small::{Small, Switch};
use crate::simulation::profile::Profile;

/// The new pool is active: its word counts. One edit on each side, a crash and a stale read; captured
/// at once, four receptions.
pub fn switched() -> Small {
    let quiet = quiet("agreed pair, the new pool active");
    let small = Small {
        phase: Phase::Switched,
        deeds: both(),
        prompt: true,
        crashes: 1,
        receptions: 4,
        ..quiet
    };
    looking_back("agreed pair, the new pool active", 1, small)
}

/// Nobody wins a conflict: it is held. One edit on each side, a crash and a stale read; captured at
/// once, four receptions.
pub fn held() -> Small {
    let profile =
        Profile { conflicts: vec![ConflictRule::Hold], climate: stale(1), ..Profile::quiet() };
    Small { name: "agreed pair, conflicts held", phase: Phase::Follow, profile, ..switched() }
}

/// Conflicts are held, and the other text travels all the same, as does what comes after. One text
/// on both sides, and then again on the old one; another on the old side. Captured at once; one
/// worker at a time, three receptions.
pub fn held_beside() -> Small {
    let edit = text(Side::Old, "name");
    Small {
        name: "two texts, conflicts of one of them held",
        profile: Profile { texts: vec!["name", "department"], climate: stale(0), ..held().profile },
        deeds: vec![edit, text(Side::New, "name"), edit, text(Side::Old, "department")],
        crashes: 0,
        workers: 1,
        receptions: 3,
        ..held()
    }
}

/// The operator announces a switch at any moment, waits until every lease and intent has run out,
/// and switches, or never does (R28). One edit on each side, captured at once; three receptions.
pub fn switching() -> Small {
    Small {
        switch: Some(Switch::Announced),
        deeds: both(),
        prompt: true,
        receptions: 3,
        ..quiet("agreed pair, a switch meanwhile")
    }
}

/// The same with a crash; one worker at a time.
pub fn switching_crashing() -> Small {
    let name = "agreed pair, a switch meanwhile, a crash";
    Small { name, workers: 1, crashes: 1, ..switching() }
}

/// The planted bug: the operator switches and waits for nobody.
pub fn switching_hastily() -> Small {
    Small { switch: Some(Switch::Hasty), ..switching() }
}
