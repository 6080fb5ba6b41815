//! When each person chose a password, and which passwords the bridge closes. No pool shows this.

use poolbridge_core::names::Sub;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::WorldState;
use super::accounts::Password;
use super::connection::Call;
use super::edits::Human;
use super::watch::Observations;

/// A password was set on a side after the writer read that side and before the write that closed
/// it.
pub const REPLACED_UNSEEN: &str = "password replaced unseen";

/// A person chose a password.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PasswordSet {
    /// The human.
    pub human: Human,
    /// The pool.
    pub side: Side,
    /// The account.
    pub sub: Sub,
    /// The time.
    pub at: Time,
    /// The time by the trigger's clock.
    pub reported: Time,
    /// The number of the change that reports it.
    pub change: u128,
    /// When the pending change that reports it was stored, if it was.
    pub has_pending: Option<Time>,
}

/// Records that the pending change of an edit was stored.
pub(super) fn has_pending(state: &mut WorldState, change: u128) {
    let now = state.now;
    let reported = state.watch.passwords.iter_mut().find(|set| set.change == change);
    if let Some(set) = reported {
        set.has_pending.get_or_insert(now);
    }
}

/// Checks a random password that is about to replace another. The newest password that a person
/// chose is never closed, by the clocks of the triggers. The writer cannot know a password that was
/// not reported when it looked.
pub(super) fn check_password_closing(
    state: &mut WorldState,
    call: Call,
    side: Side,
    sub: &Sub,
    password: Password,
    observations: &Observations,
) {
    let Password::Chosen(at) = password else { return };
    state.watch.sessions.insert((side, sub.clone()));
    let here = |set: &&PasswordSet| set.side == side && set.sub == *sub && set.at == at;
    let closed = state.watch.passwords.iter().find(here).cloned();
    let Some(human) = state.account(side, sub).map(|account| account.human) else { return };
    // A password from before the world began is older than any reported one.
    let reported = closed.as_ref().map_or(at, |set| set.reported);
    let newer =
        |set: &PasswordSet| set.human == human && set.side != side && set.reported > reported;
    if state.watch.passwords.iter().any(newer) {
        state.fault_injection.count("password closed");
        return;
    }
    let read = observations.pending_changes.get(&(side, sub.clone()));
    let unseen =
        |set: &PasswordSet| set.has_pending.is_none_or(|at| read.is_none_or(|&read| read < at));
    if closed.as_ref().is_some_and(unseen) {
        state.watch.replaced_unseen.insert((side, sub.clone()));
        state.fault_injection.count(REPLACED_UNSEEN);
        return;
    }
    let detail = format!("{call} {sub}: no newer password was set on the other side");
    state.watch.violated("the newest password is never closed", detail);
}
