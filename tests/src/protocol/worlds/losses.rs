//! Lost messages, lost pending changes, pending changes taken for others, and reused usernames.

use poolbridge_core::side::Side;

use super::{both, failing, minimal, stale_reads, text};
use crate::protocol::small::{ScriptedEdit, SmallWorld};
use crate::simulation::parameters::{Act, WorldParameters};
use crate::world::fault_injection::CallFate;

/// A message is lost, a pending change is lost, and every state is checked for "drained". Two edits
/// (old, new), six receptions.
pub fn lost() -> SmallWorld {
    SmallWorld {
        parameters: WorldParameters {
            rates: failing("mark", &[CallFate::RequestLost], 1),
            ..WorldParameters::minimal()
        },
        edits: both(),
        losses: 1,
        ..minimal("a lost message, a lost pending change")
    }
}

/// Two edits of one account, so that the second is made while a worker processes the first.
pub fn lost_twice() -> SmallWorld {
    let edit = text(Side::Old, "name");
    SmallWorld {
        name: "a lost message, two edits of one account",
        edits: vec![edit, edit],
        ..lost()
    }
}

/// A lost message and a stale read; one edit on each side, captured at once, four receptions.
pub fn lost_stale_reads() -> SmallWorld {
    let small = SmallWorld { edits: both(), losses: 1, prompt: true, receptions: 4, ..minimal("") };
    stale_reads("a lost message, stale reads", 1, small)
}

/// A lost pending change and a stale read; one edit on each side, four receptions.
pub fn lost_pending_change_stale_reads() -> SmallWorld {
    let small = SmallWorld { losses: 0, receptions: 4, ..lost() };
    stale_reads("a lost pending change, stale reads", 1, small)
}

/// A worker is about to clear a pending change while its message becomes visible again. Another
/// worker clears it, a second edit sets it again, and the message of that edit is lost
/// (`TokenNeverRepeats`). Captured at once, three receptions.
pub fn pending_again() -> SmallWorld {
    let edit = text(Side::Old, "name");
    SmallWorld {
        edits: vec![edit, edit],
        prompt: true,
        repeats: 1,
        losses: 1,
        receptions: 3,
        ..minimal("a pending change stored again, a message lost, one repeated")
    }
}

/// An account of the new side is deleted and another person signs up with its username, while an
/// edit of the old side is on its way (`SameSub`). Captured at once, four receptions.
pub fn replaced() -> SmallWorld {
    let replacement = ScriptedEdit { side: Side::New, act: Act::Replace, text: "name" };
    SmallWorld {
        edits: vec![text(Side::Old, "name"), replacement],
        prompt: true,
        receptions: 4,
        ..minimal("a username that another person takes")
    }
}

/// The same with a crash and a stale read.
pub fn replaced_crashing() -> SmallWorld {
    let small = SmallWorld { crashes: 1, receptions: 3, ..replaced() };
    stale_reads("a username that another person takes, a crash, stale reads", 1, small)
}
