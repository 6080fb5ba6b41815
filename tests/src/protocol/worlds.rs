//! The small worlds of the suite. Each says in its words what it is made of; what it leaves out is
//! said in the module above.

use poolbridge_core::policy::Provision;
use poolbridge_core::side::Side;

use super::small::{Deed, Small};
use crate::simulation::profile::{Act, Profile, Start};
use crate::world::weather::{Climate, Fate};

/// Somebody sets a text.
const fn text(side: Side, text: &'static str) -> Deed {
    Deed { side, act: Act::Text, text }
}

/// Somebody joins or leaves the group, whichever they can.
const fn group(side: Side) -> Deed {
    Deed { side, act: Act::Undo, text: "name" }
}

/// Somebody is disabled or enabled again.
const fn enabled(side: Side) -> Deed {
    Deed { side, act: Act::Enabled, text: "name" }
}

/// So many stale reads; others get a turn before each call, not between a deed and its answer.
const fn stale(most: u32) -> Climate {
    let mut climate = Climate::calm();
    climate.stale_one_in = 2;
    climate.stale_max = most;
    climate.turn_before_answer = false;
    climate
}

/// Calls of that operation fail in these ways, so often.
fn failing(operation: &'static str, faults: &[Fate], most: u32) -> Climate {
    Climate {
        fault_one_in: 2,
        faults_max: most,
        faults: faults.to_vec(),
        only: Some(operation),
        ..stale(0)
    }
}

fn quiet(name: &'static str) -> Small {
    Small {
        name,
        profile: Profile { climate: stale(0), ..Profile::quiet() },
        first_values: Vec::new(),
        groups: false,
        deeds: Vec::new(),
        workers: 2,
        receptions: 6,
        crashes: 0,
        repeats: 0,
        losses: 0,
        jumps: 0,
    }
}

/// 1: an agreed pair with one text; an edit on each side, one crash, one stale read, two workers,
/// six receptions.
pub fn agreed() -> Small {
    Small {
        profile: Profile { climate: stale(1), ..Profile::quiet() },
        deeds: vec![text(Side::Old, "name"), text(Side::New, "name")],
        crashes: 1,
        ..quiet("agreed pair")
    }
}

/// 1, with crash upon crash: an edit on each side, two crashes, no stale read, two workers, four
/// receptions.
pub fn crashing_twice() -> Small {
    Small {
        deeds: vec![text(Side::Old, "name"), text(Side::New, "name")],
        crashes: 2,
        receptions: 5,
        ..quiet("agreed pair, crash upon crash")
    }
}

/// 1, with stale reads: two edits on the old side and one on the new one, two stale reads.
pub fn looking_back() -> Small {
    let edit = text(Side::Old, "name");
    Small {
        profile: Profile { climate: stale(2), ..Profile::quiet() },
        deeds: vec![edit, edit, text(Side::New, "name")],
        ..quiet("agreed pair, stale reads")
    }
}

/// 2: an agreed pair with one group, whose member leaves and comes back on the old side while
/// something is done on the new one; one crash.
pub fn member() -> Small {
    let undone = group(Side::Old);
    Small {
        groups: true,
        deeds: vec![undone, undone, group(Side::New)],
        crashes: 1,
        receptions: 4,
        ..quiet("agreed pair, a group and its undo")
    }
}

/// 2, with the enabled flag, whose changes move the account's date (R4): it is switched off and on
/// again on one side, and off on the other; one crash.
pub fn disabled() -> Small {
    let undone = enabled(Side::New);
    Small {
        deeds: vec![enabled(Side::Old), undone, undone],
        crashes: 1,
        receptions: 4,
        ..quiet("agreed pair, disabled and enabled again")
    }
}

/// 3: an agreed pair with two texts; the write is refused, throttled or unanswered once.
pub fn refused() -> Small {
    let faults = [Fate::Throttled, Fate::RequestLost, Fate::AnswerLost, Fate::LandsLate];
    let climate = failing("AdminUpdateUserAttributes", &faults, 2);
    let texts = vec!["name", "department"];
    Small {
        profile: Profile { climate, texts, ..Profile::quiet() },
        deeds: vec![
            text(Side::Old, "name"),
            text(Side::New, "name"),
            text(Side::Old, "department"),
        ],
        ..quiet("two texts, failing writes")
    }
}

/// 4: two accounts of one human that nobody linked yet; a worker meets each side; an edit on the new
/// side; one crash.
pub fn unlinked() -> Small {
    Small {
        profile: Profile { starts: vec![Start::Unlinked], climate: stale(0), ..Profile::quiet() },
        first_values: vec![1, 1],
        deeds: vec![text(Side::New, "name")],
        crashes: 1,
        ..quiet("unlinked pair, met from both sides")
    }
}

/// 4, half-way: each account is a half-person of its own already.
pub fn halves() -> Small {
    Small {
        profile: Profile { starts: vec![Start::Halves], climate: stale(0), ..Profile::quiet() },
        ..Small { name: "two halves, met from both sides", ..unlinked() }
    }
}

/// 5: eager creation; its answer is lost or it lands late, once, and the newborn account and its
/// source are edited; one crash.
pub fn newborn() -> Small {
    let climate = failing("AdminCreateUser", &[Fate::AnswerLost, Fate::LandsLate], 1);
    Small {
        profile: Profile {
            starts: vec![Start::OldOnly],
            provision: vec![Provision::Eager],
            climate: Climate { turn_before_answer: true, ..climate },
            ..Profile::quiet()
        },
        first_values: vec![1],
        deeds: vec![text(Side::New, "name"), text(Side::Old, "name")],
        crashes: 1,
        ..quiet("eager creation")
    }
}

/// 6: workers that can be suspended: time runs on twice while they stand, a lease runs out alive, a
/// message comes again; an edit on each side.
pub fn suspended() -> Small {
    Small {
        profile: Profile { suspendable: vec![true], climate: stale(0), ..Profile::quiet() },
        deeds: vec![text(Side::Old, "name"), text(Side::New, "name")],
        repeats: 1,
        jumps: 2,
        receptions: 4,
        ..quiet("suspended workers")
    }
}

/// 7: a message is lost, a mark is lost, and in every state it is asked whether all is drained; two
/// edits on the old side, one on the new one.
pub fn lost() -> Small {
    let edit = text(Side::Old, "name");
    Small {
        profile: Profile { climate: failing("mark", &[Fate::RequestLost], 1), ..Profile::quiet() },
        deeds: vec![edit, edit, text(Side::New, "name")],
        losses: 1,
        ..quiet("a lost message, a lost mark")
    }
}
