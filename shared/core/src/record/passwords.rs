//! Which account has the newer password. Passwords cannot travel, so the record holds only when
//! they were set, and what apply still owes to the pool with the outdated one.

use crate::outcome::Reason;
use crate::side::{BySide, Side};
use crate::time::Time;

/// Which account has the newer password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Passwords {
    /// By pool: when a password was last known to be set, or reset by an administrator. A password
    /// that another party set for the person counts in the active pool only.
    pub set: BySide<Option<Time>>,
    /// By pool: passwords set up to this time are closed (replaced by a random one).
    pub closed: BySide<Option<Time>>,
    /// The pools in which the password was closed and open sessions must still end.
    pub owes_sign_out: BySide<bool>,
    /// When a password was last set by a message that nothing confirms. It closes nothing.
    pub unproven: BySide<Option<Time>>,
    /// By pool: up to which time the circuit breaker has counted the closed password.
    pub counted: BySide<Option<Time>>,
    /// By pool: why the password is outdated and still stays valid.
    pub open: BySide<Option<Reason>>,
    /// Whether the account was in `RESET_REQUIRED` at the last observation of the person with both
    /// accounts; `None` before the first one. An import may create accounts in this status. So only
    /// the change into it is an administrator's reset.
    pub reset: BySide<Option<bool>>,
}

impl Passwords {
    /// Why an outdated password stays valid, if there is one.
    pub fn kept_open(&self) -> Option<(Side, Reason)> {
        Side::BOTH.into_iter().find_map(|side| Some((side, (*self.open.get(side))?)))
    }

    /// Whether a worker still has to close an outdated password or end its sessions. A worker that
    /// died may have left either undone. `close`: the policy closes outdated passwords.
    pub fn is_work_left(&self, linked: Option<Time>, close: bool) -> bool {
        let sign_out = Side::BOTH.iter().any(|side| *self.owes_sign_out.get(*side));
        let open = self.stale(linked).filter(|_| close).is_some_and(|side| {
            let newer = *self.set.get(side.other());
            *self.closed.get(side) < newer && self.open.get(side).is_none()
        });
        sign_out || open
    }

    /// The pool with the outdated password, if there is one. A password that was set before the two
    /// accounts were linked does not count, because each account had its own password then.
    pub fn stale(&self, linked: Option<Time>) -> Option<Side> {
        let since = linked?;
        let set = BySide::from_fn(|side| self.set.get(side).filter(|at| *at > since));
        match (set.old, set.new) {
            (None, None) => None,
            (Some(_), None) => Some(Side::New),
            (None, Some(_)) => Some(Side::Old),
            (Some(old), Some(new)) if old == new => None,
            (Some(old), Some(new)) => Some(if old > new { Side::New } else { Side::Old }),
        }
    }
}
