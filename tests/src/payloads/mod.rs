//! Payloads: what pools and trails send, well-formed and broken in every way that a seed can think
//! of, given to the very functions that would be given them.
//!
//! ```text
//!   samples --> breaking --> CaptureLine / TrailLine --> services (loopback) --> checks
//!                                    |                                             ^
//!                                    +---------------- log lines ------------------+
//! ```
//!
//! Every value of a person bears a mark that nothing else bears, so that it is found wherever it
//! should not be. A `sub` is one of a few: any other in a log, a message or an item came from a
//! place that is no `sub`'s.

mod breaking;
pub mod checks;
mod run;
mod samples;
mod services;
mod tree;

use serde_json::Value;

use crate::world::chance::{Chooser as _, Seeded};

pub use run::{Came, play};
pub use samples::{NEW_POOL, OLD_POOL, OWN_ROLE};
pub use services::{Asked, Request, Services};

/// Part of every value of a person, in whatever case it may come.
pub const MARK: &str = "qzv";

/// Part of every number of a person.
pub const NUMBER_MARK: &str = "90182031";

/// What is given to which function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// To a pool's trigger.
    Trigger(String),
    /// To the trail.
    Trail(String),
}

impl Payload {
    /// The payload with that number. One in eight is as it would really come.
    pub fn of(seed: u64, number: u64) -> Self {
        let mut chance = Seeded::new(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let trail = chance.happens(2, "of the trail");
        let sample: Value =
            if trail { samples::trail(&mut chance) } else { samples::trigger(&mut chance) };
        let text = if chance.happens(8, "unbroken") {
            sample.to_string()
        } else {
            breaking::broken(&sample, &mut chance)
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

/// Whether a text is a `sub` that some sample bears, or what is left of one that was broken.
pub fn is_known_sub(text: &str) -> bool {
    let whole = samples::SUBS.iter().any(|sub| sub.starts_with(text));
    whole || breaking::is_junk(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_everything() {
        for number in 0..200 {
            assert_eq!(Payload::of(7, number), Payload::of(7, number));
        }
        assert!((0..200).any(|number| Payload::of(7, number) != Payload::of(8, number)));
    }

    #[test]
    fn payloads_are_full_of_marks() {
        let marked = (0..1_000).filter(|number| {
            let payload = Payload::of(1, *number);
            payload.text().contains(MARK) || payload.text().contains(NUMBER_MARK)
        });
        assert!(marked.count() > 600);
    }
}
