//! An agreed pair with two texts, and a write of them that fails or is refused.

use poolbridge_core::error::ErrorKind;
use poolbridge_core::side::Side;

use super::{failing, minimal, stale, stale_reads, text};
use crate::protocol::small::SmallWorld;
use crate::simulation::parameters::WorldParameters;
use crate::world::fault_injection::{CallFate, FaultRates};

/// An agreed pair with two texts. Two edits (one text on the old side, the other on the new one)
/// and one write that is throttled, lost, unanswered or late; captured at once, four receptions.
pub fn refused() -> SmallWorld {
    let faults =
        [CallFate::Throttled, CallFate::RequestLost, CallFate::AnswerLost, CallFate::LandsLate];
    let rates = failing("AdminUpdateUserAttributes", &faults, 1);
    let texts = vec!["name", "department"];
    SmallWorld {
        parameters: WorldParameters { texts, rates, ..WorldParameters::minimal() },
        edits: vec![text(Side::Old, "name"), text(Side::New, "department")],
        prompt: true,
        receptions: 4,
        ..minimal("two texts, a failing write")
    }
}

/// Both texts on the old side, so that one write may carry both; not captured at once.
pub fn refused_together() -> SmallWorld {
    SmallWorld {
        edits: vec![text(Side::Old, "name"), text(Side::Old, "department")],
        prompt: false,
        receptions: 6,
        ..SmallWorld { name: "two texts of one side, a failing write", ..refused() }
    }
}

/// Two texts, one on each side, a failing write and a stale read; captured at once, three
/// receptions.
pub fn refused_stale_reads() -> SmallWorld {
    let small = SmallWorld { receptions: 3, ..refused() };
    stale_reads("two texts, a failing write, stale reads", 1, small)
}

/// Both texts on one side, a failing write and a stale read; captured at once, four receptions.
pub fn refused_together_stale_reads() -> SmallWorld {
    let small = SmallWorld { prompt: true, receptions: 4, ..refused_together() };
    stale_reads("two texts of one side, a failing write, stale reads", 1, small)
}

/// Two texts of one side. The pool refuses their write for its content: both together, then one of
/// them or the other. A crash; captured at once, four receptions.
pub fn declined() -> SmallWorld {
    let rates = FaultRates {
        refuses: Some(("AdminUpdateUserAttributes", ErrorKind::Invalid)),
        refusals_max: 2,
        ..stale(0)
    };
    SmallWorld {
        parameters: WorldParameters { rates, ..refused().parameters },
        crashes: 1,
        prompt: true,
        receptions: 4,
        ..SmallWorld { name: "two texts of one side, refused, a crash", ..refused_together() }
    }
}

/// The same with an edit of one of them on the other side instead of the crash; one worker at a
/// time, three receptions.
pub fn declined_edited() -> SmallWorld {
    let mut edits = declined().edits;
    edits.push(text(Side::New, "name"));
    let name = "two texts of one side, refused, an edit between";
    SmallWorld { name, edits, crashes: 0, workers: 1, receptions: 3, ..declined() }
}
