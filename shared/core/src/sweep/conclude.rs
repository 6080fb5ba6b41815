//! The end of a pass: which accounts and memberships no listing showed. At most, a hint follows.

use super::difference::Leftover;
use super::flow::Sweep;
use super::judge;
use super::parts::{Desk, Stop};
use super::pass::{self, Cursor, Done, Doubt, Summary, tag};
use super::ports::{Notebook, Outside, Register};
use crate::change::Change;
use crate::entry::Entry;
use crate::facts::Field;
use crate::fault::Fault;
use crate::names::PersonId;
use crate::side::{BySide, Side};

impl<O: Outside> Sweep<'_, O> {
    /// Ends the pass after everything was listed: finds what is missing and sends hints. `None`:
    /// there is no time left for that.
    pub(super) async fn conclude(
        &self,
        desk: &Desk<'_, O>,
        cursor: &mut Cursor,
    ) -> Result<Option<Summary>, Fault> {
        let Some(pass) = cursor.pass.clone() else { return Ok(None) };
        let missing = pass.missing.leftover();
        let members = pass.members.leftover();
        let count = |left: &Leftover| left.keys.len() as u64;
        let undecoded = |left: &Leftover| (!left.complete).then_some(Doubt::Undecoded);
        let classes = cursor.classes;
        let doubt = undecoded(&missing)
            .or_else(|| pass.doubt(cursor.accounts, count(&missing), classes.missing));
        // A person whose account is missing is missing from their groups as well.
        let members_doubt = doubt.or_else(|| undecoded(&members));
        let mut summary = Summary {
            number: pass.number,
            began: pass.began,
            ended: self.now(),
            counts: pass.counts,
            estimate: pass.estimate,
            missing: BySide::default(),
            departed: BySide::default(),
            groups_unread: u64::from(pass.given_up.count_ones()) + pass.unread.len() as u64,
            doubt,
            members_doubt,
        };
        let mut changes = Vec::new();
        let again = doubt == Some(Doubt::TooMany) && cursor.doubted > 0;
        if doubt.is_none() || again {
            let most = if again { pass.likely() } else { u64::MAX };
            let Some(looks) = self.missing(desk, &missing, most, &mut summary).await? else {
                return Ok(None);
            };
            changes.extend(looks);
        }
        if members_doubt.is_none() {
            let unread = |bucket: u8, tag: u32| pass.is_unread(bucket, tag);
            let Some(looks) = self.departed(desk, &members, &unread, &mut summary).await? else {
                return Ok(None);
            };
            changes.extend(looks);
        }
        let mut done = Done::default();
        match desk.send(changes, &mut done).await {
            Ok(()) => {}
            Err(Stop::OutOfTime | Stop::NoRoom) => return Ok(None),
            Err(Stop::Fault(fault)) => return Err(fault),
        }
        summary.counts.old.sent += done.counts.sent;
        // The summary is published before the end is stored: to publish twice is better than never.
        self.outside.notebook().ended(&summary).await?;
        let left = |left: &Leftover| (left.keys.len(), left.complete);
        cursor.end(left(&missing), left(&members), doubt);
        self.write(cursor).await?;
        Ok(Some(summary))
    }

    /// Hints about accounts that no listing showed, at most `most`. `None`: there is no time left.
    async fn missing(
        &self,
        desk: &Desk<'_, O>,
        left: &Leftover,
        most: u64,
        summary: &mut Summary,
    ) -> Result<Option<Vec<Change>>, Fault> {
        let mut changes = Vec::new();
        for (key, count) in &left.keys {
            if self.now() >= desk.end {
                return Ok(None);
            }
            if changes.len() as u64 >= most {
                break;
            }
            let entry = self.outside.register().person(&PersonId::from_nonce(key.person)).await?;
            let Some(entry) = entry.filter(|it| judge::takes_part(it, desk.scope.began)) else {
                continue;
            };
            // A positive count: the old pool listed the person and the new pool did not, so the new
            // account is missing. A negative count: the reverse.
            let side = if *count > 0 { Side::New } else { Side::Old };
            if let Some(change) = self.look_at(desk, side, &entry).await? {
                *summary.missing.get_mut(side) += 1;
                changes.push(change);
            }
        }
        Ok(Some(changes))
    }

    /// Hints about people missing from their group's listing. `None`: there is no time left.
    async fn departed(
        &self,
        desk: &Desk<'_, O>,
        left: &Leftover,
        unread: &impl Fn(u8, u32) -> bool,
        summary: &mut Summary,
    ) -> Result<Option<Vec<Change>>, Fault> {
        let mut changes = Vec::new();
        // A negative count: the listing showed a member, and the baseline contains it since.
        for (key, _) in left.keys.iter().filter(|(_, count)| *count > 0) {
            if self.now() >= desk.end {
                return Ok(None);
            }
            let entry = self.outside.register().person(&PersonId::from_nonce(key.person)).await?;
            let Some(entry) = entry.filter(|it| judge::takes_part(it, desk.scope.began)) else {
                continue;
            };
            for side in Side::BOTH {
                let gone = judge::memberships(self.policy, &entry).any(|group| {
                    let field = Field::Group(group.clone());
                    let tag_here = tag(side, group);
                    let known = !unread(pass::bucket(group), tag_here);
                    known && tag_here == key.tag && !entry.obstacles.contains_key(&field)
                });
                if gone && let Some(change) = self.look_at(desk, side, &entry).await? {
                    *summary.departed.get_mut(side) += 1;
                    changes.push(change);
                }
            }
        }
        Ok(Some(changes))
    }

    async fn look_at(
        &self,
        desk: &Desk<'_, O>,
        side: Side,
        entry: &Entry,
    ) -> Result<Option<Change>, Fault> {
        let Some(known) = entry.accounts.get(side) else { return Ok(None) };
        let marked = self.outside.register().marked(side, &known.sub).await?;
        Ok((!marked).then(|| desk.hint(side, &known.sub, self.now())))
    }
}
