//! Remembers recently captured accounts, so that frequent hints do not flood the table and the
//! queue: every device of a person refreshes tokens again and again.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use poolbridge_core::change::ChangeEvent;
use poolbridge_core::limits;
use poolbridge_core::time::Time;

/// The accounts of this process's last captures. Another process has its own memory, and a new one
/// has none. It saves work and guarantees nothing.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    hasher: RandomState,
    /// Keyed by a hash of the account. If two accounts share a hash, one hint may be skipped, and
    /// nothing else.
    noted: Mutex<HashMap<u64, Time>>,
}

impl Recent {
    /// Whether a change of that account was captured less than [`limits::HINT_REMEMBERED`] ago.
    pub(crate) fn knows(&self, change: &ChangeEvent, now: Time) -> bool {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.get(&self.key(change)).is_some_and(|at| fresh(*at, now))
    }

    /// Remembers a capture of that account now.
    pub(crate) fn remember(&self, change: &ChangeEvent, now: Time) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() >= limits::HINTS_MAX {
            noted.retain(|_, at| fresh(*at, now));
        }
        if noted.len() >= limits::HINTS_MAX {
            noted.clear();
        }
        noted.insert(self.key(change), now);
    }

    fn key(&self, change: &ChangeEvent) -> u64 {
        self.hasher.hash_one((change.side, &change.sub))
    }
}

fn fresh(noted: Time, now: Time) -> bool {
    now.since(noted) < limits::HINT_REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;
    use poolbridge_core::change::Evidence;
    use poolbridge_core::names::Sub;
    use poolbridge_core::side::Side;

    fn hint(side: Side, sub: &str) -> ChangeEvent {
        let sub = Sub::try_from(sub).unwrap();
        let (password, administrator, claimed) = (false, false, false);
        ChangeEvent {
            side,
            sub,
            at: Time(0),
            evidence: Evidence::Hint,
            password,
            administrator,
            claimed,
            id: 1,
        }
    }

    #[test]
    fn only_the_same_account_is_remembered_and_only_for_a_while() {
        let recent = Recent::default();
        let pat = hint(Side::Old, "s-1");
        assert!(!recent.knows(&pat, Time(0)));
        recent.remember(&pat, Time(0));
        let end = Time(0) + limits::HINT_REMEMBERED;
        assert!(recent.knows(&pat, Time(end.0 - 1)));
        assert!(!recent.knows(&pat, end));
        assert!(!recent.knows(&hint(Side::New, "s-1"), Time(0)));
        assert!(!recent.knows(&hint(Side::Old, "s-2"), Time(0)));
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_the_newest() {
        let recent = Recent::default();
        for number in 0..limits::HINTS_MAX * 2 + 10 {
            recent.remember(&hint(Side::Old, &number.to_string()), Time(1));
            assert!(recent.noted.lock().unwrap().len() <= limits::HINTS_MAX);
        }
        let last = (limits::HINTS_MAX * 2 + 9).to_string();
        assert!(recent.knows(&hint(Side::Old, &last), Time(1)));
    }
}
