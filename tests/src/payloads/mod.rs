//! Payloads: what pools and `CloudTrail` send, well-formed or broken in many seeded ways, passed to
//! the functions that would receive them.
//!
//! ```text
//!   samples --> breaking --> CaptureLine / TrailLine --> services (loopback) --> checks
//!                                    |                                             ^
//!                                    +---------------- log lines ------------------+
//! ```
//!
//! Every value of a person contains a unique mark, so that a check finds it wherever it must not
//! be. A `sub` is one of a few known ones. Any other `sub` in a log, a message or an item came from
//! a field that holds no `sub`.

mod mutations;
pub mod checks;
mod run;
mod samples;
mod services;
mod tree;

use serde_json::Value;

use crate::world::chance::{Chooser as _, Seeded};

pub use run::{PayloadCounts, run_payloads};
pub use samples::{NEW_POOL, OLD_POOL, OWN_ROLE};
pub use services::{Asked, FakeServices, ServiceRequest};

/// Part of every value of a person, in upper or lower case.
pub const MARK: &str = "qzv";

/// Part of every phone number of a person.
pub const NUMBER_MARK: &str = "90182031";

/// A payload and the function that receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// For a pool's trigger.
    Trigger(String),
    /// For the trail.
    Trail(String),
}

impl Payload {
    /// The payload with that number. One in eight is unbroken.
    pub fn of(seed: u64, number: u64) -> Self {
        let mut chance = Seeded::new(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let trail = chance.happens(2, "of the trail");
        let sample: Value =
            if trail { samples::trail(&mut chance) } else { samples::trigger(&mut chance) };
        let text = if chance.happens(8, "unbroken") {
            sample.to_string()
        } else {
            mutations::broken(&sample, &mut chance)
        };
        if trail { Self::Trail(text) } else { Self::Trigger(text) }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        match self {
            Self::Trigger(text) | Self::Trail(text) => text,
        }
    }
}

/// Whether a text is the `sub` of a sample, or the rest of one that was broken.
pub fn is_known_sub(text: &str) -> bool {
    let whole = samples::SUBS.iter().any(|sub| sub.starts_with(text));
    whole || mutations::is_junk(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_choices() {
        for number in 0..200 {
            assert_eq!(Payload::of(7, number), Payload::of(7, number));
        }
        assert!((0..200).any(|number| Payload::of(7, number) != Payload::of(8, number)));
    }

    #[test]
    fn payloads_contain_marks() {
        let marked = (0..1_000).filter(|number| {
            let payload = Payload::of(1, *number);
            payload.text().contains(MARK) || payload.text().contains(NUMBER_MARK)
        });
        assert!(marked.count() > 600);
    }
}
