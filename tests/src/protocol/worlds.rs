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
        prompt: false,
        workers: 2,
        receptions: 6,
        crashes: 0,
        repeats: 0,
        losses: 0,
        jumps: 0,
    }
}

/// Two texts of one name, one on each side.
fn both() -> Vec<Deed> {
    vec![text(Side::Old, "name"), text(Side::New, "name")]
}

/// 1: an agreed pair with one text. Two edits (old, new), one crash, one stale read, six
/// receptions.
pub fn agreed() -> Small {
    Small {
        profile: Profile { climate: stale(1), ..Profile::quiet() },
        deeds: both(),
        crashes: 1,
        ..quiet("agreed pair")
    }
}

/// 1, crash upon crash. Two edits (old, new), captured at once; two crashes, four receptions.
pub fn crashing_twice() -> Small {
    Small {
        deeds: both(),
        prompt: true,
        crashes: 2,
        receptions: 4,
        ..quiet("agreed pair, crash upon crash")
    }
}

/// 1, stale reads. Two edits (old, new), three stale reads, six receptions.
pub fn looking_back() -> Small {
    Small {
        profile: Profile { climate: stale(3), ..Profile::quiet() },
        deeds: both(),
        ..quiet("agreed pair, stale reads")
    }
}

/// 1, three edits (old twice, new), captured at once, four receptions.
pub fn busy() -> Small {
    let edit = text(Side::Old, "name");
    Small {
        deeds: vec![edit, edit, text(Side::New, "name")],
        prompt: true,
        receptions: 4,
        ..quiet("agreed pair, three edits")
    }
}

/// 2: an agreed pair with one group. Three deeds (joined and left again on the old side, joined on
/// the new one), captured at once, three receptions.
pub fn member() -> Small {
    let undone = group(Side::Old);
    Small {
        groups: true,
        deeds: vec![undone, undone, group(Side::New)],
        prompt: true,
        receptions: 3,
        ..quiet("agreed pair, a group and its undo")
    }
}

/// 2, with a crash: a group joined and left again on the written side, and joined on the other;
/// captured at once, three receptions.
pub fn member_crashing() -> Small {
    Small {
        groups: true,
        deeds: vec![group(Side::Old), group(Side::New)],
        prompt: true,
        crashes: 1,
        receptions: 4,
        ..quiet("agreed pair, a group, a crash")
    }
}

/// 2, with the enabled flag, whose changes move the account's date (R4). Three deeds (disabled on
/// the old side, disabled and enabled again on the new one), captured at once; one crash, three
/// receptions, one worker at a time.
pub fn disabled() -> Small {
    let undone = enabled(Side::New);
    Small {
        deeds: vec![enabled(Side::Old), undone, undone],
        prompt: true,
        workers: 1,
        crashes: 1,
        receptions: 3,
        ..quiet("agreed pair, disabled and enabled again")
    }
}

/// 3: an agreed pair with two texts. Two edits (one text on the old side, the other on the new one)
/// and one write that is throttled, lost, unanswered or late; captured at once, six receptions.
pub fn refused() -> Small {
    let faults = [Fate::Throttled, Fate::RequestLost, Fate::AnswerLost, Fate::LandsLate];
    let climate = failing("AdminUpdateUserAttributes", &faults, 1);
    let texts = vec!["name", "department"];
    Small {
        profile: Profile { texts, climate, ..Profile::quiet() },
        deeds: vec![text(Side::Old, "name"), text(Side::New, "department")],
        prompt: true,
        ..quiet("two texts, a failing write")
    }
}

/// 3, both texts on the old side, so that one write may carry the two; captured in their own time.
pub fn refused_together() -> Small {
    Small {
        deeds: vec![text(Side::Old, "name"), text(Side::Old, "department")],
        ..Small { name: "two texts of one side, a failing write", prompt: false, ..refused() }
    }
}

/// 4: two accounts of one human that nobody linked yet, met from both sides. One edit (new),
/// captured at once; four receptions.
pub fn unlinked() -> Small {
    Small {
        profile: Profile { starts: vec![Start::Unlinked], climate: stale(1), ..Profile::quiet() },
        first_values: vec![1, 1],
        deeds: vec![text(Side::New, "name")],
        prompt: true,
        receptions: 4,
        ..quiet("unlinked pair, met from both sides")
    }
}

/// 4, with a crash instead of the edit; one stale read or listing, six receptions.
pub fn unlinked_crashing() -> Small {
    Small {
        deeds: Vec::new(),
        crashes: 1,
        receptions: 6,
        ..Small { name: "unlinked pair, a crash", ..unlinked() }
    }
}

/// 4, half-way: each account is a half-person of its own already. One edit (new), one stale read or
/// listing, four receptions.
pub fn halves() -> Small {
    let profile = Profile { starts: vec![Start::Halves], ..unlinked().profile };
    Small { name: "two halves, met from both sides", profile, ..unlinked() }
}

/// 4, half-way, with a crash instead of the edit; one stale read or listing, six receptions.
pub fn halves_crashing() -> Small {
    let profile = Profile { starts: vec![Start::Halves], ..unlinked().profile };
    Small { name: "two halves, a crash", profile, ..unlinked_crashing() }
}

/// 5: eager creation in the active pool, whose answer is lost or that lands late, once. Two edits
/// (of the newborn and of its source), captured at once; four receptions.
pub fn newborn() -> Small {
    Small {
        profile: Profile {
            starts: vec![Start::NewOnly],
            provision: vec![Provision::Eager],
            climate: failing("AdminCreateUser", &[Fate::AnswerLost, Fate::LandsLate], 1),
            ..Profile::quiet()
        },
        first_values: vec![1],
        deeds: both(),
        prompt: true,
        receptions: 4,
        ..quiet("eager creation, its answer lost")
    }
}

/// 5, with a crash and a stale read or listing. One edit (of the source), captured at once; six
/// receptions, and others take turns between a deed and its answer.
pub fn newborn_crashing() -> Small {
    let newborn = newborn();
    let climate = Climate { turn_before_answer: true, ..stale(1) };
    Small {
        name: "eager creation, a crash",
        profile: Profile { climate, ..newborn.profile },
        deeds: vec![text(Side::New, "name")],
        crashes: 1,
        receptions: 6,
        ..newborn
    }
}

/// 5, with a crash and an edit of the newborn instead; four receptions.
pub fn newborn_edited() -> Small {
    Small {
        name: "eager creation, a crash, the newborn edited",
        profile: Profile {
            climate: Climate { turn_before_answer: true, ..stale(0) },
            ..newborn_crashing().profile
        },
        deeds: vec![text(Side::Old, "name")],
        receptions: 4,
        ..newborn_crashing()
    }
}

/// 6: workers that can be suspended. One edit (old), captured at once; time runs on twice while
/// somebody stands, so that a lease runs out alive; three receptions.
pub fn suspended() -> Small {
    Small {
        profile: Profile { suspendable: vec![true], climate: stale(0), ..Profile::quiet() },
        deeds: vec![text(Side::Old, "name")],
        prompt: true,
        jumps: 2,
        receptions: 3,
        ..quiet("suspended workers")
    }
}

/// 6, with a message that comes again while it is worked at; time runs on once.
pub fn suspended_repeated() -> Small {
    Small { name: "suspended workers, a repeated message", repeats: 1, jumps: 1, ..suspended() }
}

/// 7: a message is lost, a mark is lost, and in every state it is asked whether all is drained. Two
/// edits (old, new), six receptions.
pub fn lost() -> Small {
    Small {
        profile: Profile { climate: failing("mark", &[Fate::RequestLost], 1), ..Profile::quiet() },
        deeds: both(),
        losses: 1,
        ..quiet("a lost message, a lost mark")
    }
}

/// 7, two edits of one account, so that the second is made while the first is worked at.
pub fn lost_twice() -> Small {
    let edit = text(Side::Old, "name");
    Small { name: "a lost message, two edits of one account", deeds: vec![edit, edit], ..lost() }
}
