//! Lost messages, lost pending changes, pending changes taken for others, and reused usernames.

use poolbridge_core::side::Side;

use super::{both, failing, looking_back, quiet, text};
use crate::protocol::small::{Deed, Small};
use crate::simulation::profile::{Act, Profile};
use crate::world::weather::Fate;

/// A message is lost, a pending change is lost, and every state is checked for "drained". Two edits
/// (old, new), six receptions.
pub fn lost() -> Small {
    Small {
        profile: Profile { climate: failing("mark", &[Fate::RequestLost], 1), ..Profile::quiet() },
        deeds: both(),
        losses: 1,
        ..quiet("a lost message, a lost mark")
    }
}

/// Two edits of one account, so that the second is made while a worker processes the first.
pub fn lost_twice() -> Small {
    let edit = text(Side::Old, "name");
    Small { name: "a lost message, two edits of one account", deeds: vec![edit, edit], ..lost() }
}

/// A lost message and a stale read; one edit on each side, captured at once, four receptions.
pub fn lost_looking_back() -> Small {
    let small = Small { deeds: both(), losses: 1, prompt: true, receptions: 4, ..quiet("") };
    looking_back("a lost message, stale reads", 1, small)
}

/// A lost pending change and a stale read; one edit on each side, four receptions.
pub fn unmarked_looking_back() -> Small {
    let small = Small { losses: 0, receptions: 4, ..lost() };
    looking_back("a lost mark, stale reads", 1, small)
}

/// A worker is about to clear a pending change while its message becomes visible again. Another
/// worker clears it, a second edit sets it again, and the message of that edit is lost
/// (`TokenNeverRepeats`, R12). Captured at once, three receptions.
pub fn marked_again() -> Small {
    let edit = text(Side::Old, "name");
    Small {
        deeds: vec![edit, edit],
        prompt: true,
        repeats: 1,
        losses: 1,
        receptions: 3,
        ..quiet("a mark that is set anew, a message lost, one repeated")
    }
}

/// An account of the new side is deleted and a stranger signs up with its username, while an edit
/// of the old side is on its way (`SameSub`, R21). Captured at once, four receptions.
pub fn replaced() -> Small {
    let stranger = Deed { side: Side::New, act: Act::Replace, text: "name" };
    Small {
        deeds: vec![text(Side::Old, "name"), stranger],
        prompt: true,
        receptions: 4,
        ..quiet("a name that a stranger takes")
    }
}

/// The same with a crash and a stale read.
pub fn replaced_crashing() -> Small {
    let small = Small { crashes: 1, receptions: 3, ..replaced() };
    looking_back("a name that a stranger takes, a crash, stale reads", 1, small)
}
