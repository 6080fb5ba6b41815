//! Lost messages, lost pending changes, pending changes taken for others, and reused usernames.

use poolbridge_core::side::Side;

use super::{both, failing, looking_back, quiet, text};
use crate::protocol::small::{ScriptedEdit, Small};
use crate::simulation::parameters::{Act, WorldParameters};
use crate::world::fault_injection::CallFate;

/// A message is lost, a pending change is lost, and every state is checked for "drained". Two edits
/// (old, new), six receptions.
pub fn lost() -> Small {
    Small {
        parameters: WorldParameters {
            rates: failing("mark", &[CallFate::RequestLost], 1),
            ..WorldParameters::quiet()
        },
        edits: both(),
        losses: 1,
        ..quiet("a lost message, a lost mark")
    }
}

/// Two edits of one account, so that the second is made while a worker processes the first.
pub fn lost_twice() -> Small {
    let edit = text(Side::Old, "name");
    Small { name: "a lost message, two edits of one account", edits: vec![edit, edit], ..lost() }
}

/// A lost message and a stale read; one edit on each side, captured at once, four receptions.
pub fn lost_looking_back() -> Small {
    let small = Small { edits: both(), losses: 1, prompt: true, receptions: 4, ..quiet("") };
    looking_back("a lost message, stale reads", 1, small)
}

/// A lost pending change and a stale read; one edit on each side, four receptions.
pub fn lost_capture_looking_back() -> Small {
    let small = Small { losses: 0, receptions: 4, ..lost() };
    looking_back("a lost mark, stale reads", 1, small)
}

/// A worker is about to clear a pending change while its message becomes visible again. Another
/// worker clears it, a second edit sets it again, and the message of that edit is lost
/// (`TokenNeverRepeats`). Captured at once, three receptions.
pub fn pending_again() -> Small {
    let edit = text(Side::Old, "name");
    Small {
        edits: vec![edit, edit],
        prompt: true,
        repeats: 1,
        losses: 1,
        receptions: 3,
        ..quiet("a mark that is set anew, a message lost, one repeated")
    }
}

/// An account of the new side is deleted and a stranger signs up with its username, while an edit
/// of the old side is on its way (`SameSub`). Captured at once, four receptions.
pub fn replaced() -> Small {
    let stranger = ScriptedEdit { side: Side::New, act: Act::Replace, text: "name" };
    Small {
        edits: vec![text(Side::Old, "name"), stranger],
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
