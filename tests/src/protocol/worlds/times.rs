//! Time that runs on while somebody is at work.

use poolbridge_core::side::Side;

use super::{enabled, group, looking_back, quiet, stale, text};
use crate::protocol::small::Small;
use crate::simulation::profile::Profile;

/// Workers that can be suspended. One edit (old), captured at once; time runs on twice while
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

/// With a message that comes again while it is worked at; time runs on once.
pub fn suspended_repeated() -> Small {
    Small { name: "suspended workers, a repeated message", repeats: 1, jumps: 1, ..suspended() }
}

/// One edit, a worker that can be suspended, a stale read; time runs on once, three receptions.
pub fn suspended_looking_back() -> Small {
    looking_back("suspended workers, stale reads", 1, Small { jumps: 1, ..suspended() })
}

/// A worker that the platform kills with its write in hand, so that it lands as late as it can; then
/// its message comes again, and a stale read shows the account as it was before (R9). A group joined
/// and left again on the old side, captured at once; one worker at a time, time runs on once, two
/// receptions.
pub fn late() -> Small {
    let undone = group(Side::Old);
    Small {
        groups: true,
        profile: Profile { climate: stale(1), ..Profile::quiet() },
        deeds: vec![undone, undone],
        prompt: true,
        workers: 1,
        repeats: 1,
        jumps: 1,
        receptions: 2,
        ..quiet("a write that lands late, stale reads")
    }
}

/// A worker that is slow between any two of its calls, and another at the same message, so that what
/// either of them read may be overtaken before it is used (R8). Disabled and enabled again on the old
/// side, captured at once; time runs on once, two receptions.
pub fn overtaken() -> Small {
    let undone = enabled(Side::Old);
    Small {
        deeds: vec![undone, undone],
        prompt: true,
        repeats: 1,
        jumps: 1,
        receptions: 2,
        ..quiet("a slow worker, a repeated message")
    }
}
