//! Passwords travel nowhere. What can be done about them: know which side's is newer, close the other,
//! and give one that nobody knows to an account of our making.

use super::Run;
use super::perform::Performed;
use crate::account::Status;
use crate::entry::Entry;
use crate::plan::{Plan, View};
use crate::policy::StalePasswords;
use crate::ports::Ports;
use crate::side::{BySide, Side};
use crate::step::{Deed, Step};

impl<P: Ports> Run<'_, P> {
    /// When each side's password was last set, as both marks and the message tell. Judged by the
    /// message's side alone, the newer password of the other side would be replaced because its message
    /// is still to come.
    pub(super) fn note_passwords(&self, entry: &mut Entry) {
        for side in Side::BOTH {
            let at = self.newer_password(entry, side);
            let set = entry.passwords.set.get_mut(side);
            *set = at.or(*set);
        }
    }

    /// A password that we owe an account of our making, and one that went out of date.
    pub(super) fn add_password_steps(
        &self,
        entry: &mut Entry,
        views: &BySide<View>,
        plan: &mut Plan,
    ) {
        let status = |side| views.get(side).account.status;
        if plan.steps.iter().any(|step| step.deed == Deed::Disable) {
            return;
        }
        if let Some(side) = entry.owes_password {
            if status(side) == Status::ForceChangePassword {
                plan.steps.push(Step { side, deed: Deed::SetRandomPassword });
            } else {
                entry.owes_password = None;
            }
        }
        for side in Side::BOTH {
            if *entry.passwords.owes_sign_out.get(side) {
                plan.steps.push(Step { side, deed: Deed::SignOut });
            }
        }
        let close = self.bridge.policy.stale_passwords == StalePasswords::Close;
        let Some(side) = entry.passwords.stale(entry.linked).filter(|_| close) else { return };
        let newer = *entry.passwords.set.get(side.other());
        let closed = *entry.passwords.closed.get(side);
        // A federated profile would be turned into a local one by a password.
        if closed < newer && status(side) != Status::ExternalProvider {
            let sign_out = Step { side, deed: Deed::SignOut };
            plan.steps.retain(|step| *step != sign_out);
            plan.steps.extend([Step { side, deed: Deed::SetRandomPassword }, sign_out]);
        }
    }
}

/// A sign-out that failed after its password was set is owed, and alone: another random password
/// could replace one that the person has chosen there since. One that the pool does not do holds
/// nobody.
pub(super) fn note_sign_outs(entry: &mut Entry, plan: &Plan, performed: &Performed) {
    let sign_out = Deed::SignOut.operation();
    for side in Side::BOTH {
        let asked = plan.steps.iter().any(|step| step.side == side && step.deed == Deed::SignOut);
        let done = performed.signed_out.contains(&side);
        let undoable = performed.undoable.contains(&(side, sign_out));
        let owed = entry.passwords.owes_sign_out.get_mut(side);
        if asked && (done || undoable) {
            *owed = false;
        } else if asked {
            *owed |= performed.passwords.contains(&side);
        }
    }
}
