//! Time that runs on while a worker is active.

use poolbridge_core::side::Side;

use super::{enabled, group, minimal, stale, stale_reads, text};
use crate::protocol::small::SmallWorld;
use crate::simulation::parameters::WorldParameters;

/// Workers that can be suspended. One edit (old), captured at once. Time runs on twice while a
/// worker stands still, so that a lease expires while its worker is alive; three receptions.
pub fn suspended() -> SmallWorld {
    SmallWorld {
        parameters: WorldParameters {
            suspendable: vec![true],
            rates: stale(0),
            ..WorldParameters::minimal()
        },
        edits: vec![text(Side::Old, "name")],
        prompt: true,
        jumps: 2,
        receptions: 3,
        ..minimal("suspended workers")
    }
}

/// With a message that becomes visible again while a worker processes it; time runs on once.
pub fn suspended_repeated() -> SmallWorld {
    SmallWorld {
        name: "suspended workers, a repeated message",
        repeats: 1,
        jumps: 1,
        ..suspended()
    }
}

/// One edit, a worker that can be suspended, a stale read; time runs on once, three receptions.
pub fn suspended_stale_reads() -> SmallWorld {
    stale_reads("suspended workers, stale reads", 1, SmallWorld { jumps: 1, ..suspended() })
}

/// The platform kills a worker during its write, so the write lands as late as possible. Then its
/// message becomes visible again, and a stale read shows the account as it was before
/// (`IntentSettlesFirst`). A group joined and left again on the old side, captured at once; one
/// worker at a time, time runs on once, two receptions.
pub fn late() -> SmallWorld {
    let undone = group(Side::Old);
    SmallWorld {
        groups: true,
        parameters: WorldParameters { rates: stale(1), ..WorldParameters::minimal() },
        edits: vec![undone, undone],
        prompt: true,
        workers: 1,
        repeats: 1,
        jumps: 1,
        receptions: 2,
        ..minimal("a write that lands late, stale reads")
    }
}

/// A worker that is slow between any two of its calls, and a second worker with the same message.
/// So what either of them read may be out of date before it is used (`SettleBeforeClearing`).
/// Disabled and enabled again on the old side, captured at once; time runs on once, two receptions.
pub fn overtaken() -> SmallWorld {
    let undone = enabled(Side::Old);
    SmallWorld {
        edits: vec![undone, undone],
        prompt: true,
        repeats: 1,
        jumps: 1,
        receptions: 2,
        ..minimal("a slow worker, a repeated message")
    }
}
