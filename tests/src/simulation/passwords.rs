//! What must hold for passwords at the end. Like the bridge, these checks use the clock of the
//! trigger that captured each password.

use poolbridge_core::policy::StalePasswords;
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;

use super::checks::{Linked, linked};
use super::initial_state::Setting;
use crate::world::WorldState;
use crate::world::accounts::Password;
use crate::world::edits::Human;

/// Checks the passwords of each person whose changes were all captured.
pub fn check_all(state: &WorldState, setting: &Setting, found: &mut Vec<(&'static str, String)>) {
    if setting.policy.stale_passwords != StalePasswords::Close {
        return;
    }
    for (side, sub) in &state.watch.sessions {
        if state.account(*side, sub).is_some_and(|account| account.body().exists) {
            found.push(("a closed password ends its sessions", format!("{side} {sub}")));
        }
    }
    for &human in setting.humans.iter().filter(|human| state.edits.captured(**human)) {
        let Some(Linked { record, accounts, .. }) = linked(state, setting, human) else { continue };
        let Some((side, newest)) = newest(state, record, human) else { continue };
        let other = side.other();
        let body = accounts.get(other).body();
        let open = record.passwords.open.get(other).is_some();
        if body.password != Password::Unknown && !open {
            let detail = format!("human {}: the {side} side's is newer", human.0);
            found.push(("an outdated password is closed, or known to be open", detail));
        }
        let own = accounts.get(side).body().password;
        let replaced =
            state.watch.replaced_unseen.contains(&(side, accounts.get(side).sub.clone()));
        if own != Password::Chosen(newest) && !replaced {
            let detail = format!("human {}: the {side} side's", human.0);
            found.push(("the newest password is the person's own", detail));
        }
    }
}

/// The side on which the newest password was set since the accounts were linked, and the time.
/// `None` if it cannot be known: only the message carries the time of one of them, and it may or
/// may not count.
fn newest(state: &WorldState, record: &PersonRecord, human: Human) -> Option<(Side, Time)> {
    let linked = record.linked?;
    let theirs = state.watch.passwords.iter().filter(|set| set.human == human);
    if theirs.clone().any(|set| set.has_pending.is_none()) {
        return None;
    }
    let here = theirs.clone().filter(|set| {
        let known = record.accounts.get(set.side).as_ref();
        known.is_some_and(|known| known.sub == set.sub) && set.reported > linked
    });
    let last = BySide::from_fn(|side| {
        let there = here.clone().filter(|set| set.side == side);
        // Two functions that capture changes of one account may have clocks that differ. So the
        // latest reported time need not be the latest change.
        let reported = there.map(|set| set.reported).max()?;
        let all = theirs.clone().filter(|set| set.side == side);
        Some((reported, all.map(|set| set.at).max()?))
    });
    match (last.old, last.new) {
        (Some(old), Some(new)) if old.0 == new.0 => None,
        (Some(old), new) if new.is_none_or(|new| new.0 < old.0) => Some((Side::Old, old.1)),
        (_, Some(new)) => Some((Side::New, new.1)),
        (_, None) => None,
    }
}
