//! The end of a pass: which accounts and memberships no listing showed. At most, a hint follows.

use super::compare;
use super::difference::Unmatched;
use super::partition::{PartitionRun, Unfinished};
use super::pass::{self, Cursor, Doubt, PartitionResult, Summary, tag};
use super::ports::{CheckpointStore, RecordReader, SweepPorts};
use super::sweep::Sweep;
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::error::PortError;
use poolbridge_core::names::PersonId;
use poolbridge_core::profile::Field;
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::{BySide, Side};

impl<O: SweepPorts> Sweep<'_, O> {
    /// Ends the pass after everything was listed: finds what is missing and sends hints. `None`:
    /// there is no time left for that.
    pub(super) async fn conclude(
        &self,
        run: &PartitionRun<'_, O>,
        cursor: &mut Cursor,
    ) -> Result<Option<Summary>, PortError> {
        let Some(pass) = cursor.pass.clone() else { return Ok(None) };
        let missing = pass.missing.unmatched();
        let members = pass.members.unmatched();
        let count = |left: &Unmatched| left.keys.len() as u64;
        let undecoded = |left: &Unmatched| (!left.complete).then_some(Doubt::Undecoded);
        let buckets = cursor.buckets;
        let doubt = undecoded(&missing)
            .or_else(|| pass.doubt(cursor.accounts, count(&missing), buckets.missing));
        // A person whose account is missing is missing from their groups as well.
        let members_doubt = doubt.or_else(|| undecoded(&members));
        let mut summary = Summary {
            number: pass.number,
            began: pass.began,
            ended: self.now(),
            counts: pass.counts,
            estimate: pass.estimate,
            missing: BySide::default(),
            missing_memberships: BySide::default(),
            groups_unread: u64::from(pass.given_up.count_ones()) + pass.unread.len() as u64,
            doubt,
            members_doubt,
        };
        let mut changes = Vec::new();
        let again = doubt == Some(Doubt::TooMany) && cursor.doubted > 0;
        if doubt.is_none() || again {
            let most = if again { pass.likely() } else { u64::MAX };
            let Some(hints) = self.missing_accounts(run, &missing, most, &mut summary).await?
            else {
                return Ok(None);
            };
            changes.extend(hints);
        }
        if members_doubt.is_none() {
            let unread = |bucket: u8, tag: u32| pass.is_unread(bucket, tag);
            let Some(hints) = self.missing_members(run, &members, &unread, &mut summary).await?
            else {
                return Ok(None);
            };
            changes.extend(hints);
        }
        let mut done = PartitionResult::default();
        match run.send(changes, &mut done).await {
            Ok(()) => {}
            Err(Unfinished::OutOfTime | Unfinished::NoRoom) => return Ok(None),
            Err(Unfinished::PortError(error)) => return Err(error),
        }
        summary.counts.old.sent += done.counts.sent;
        // The summary is published before the end is stored: to publish twice is better than never.
        self.ports.checkpoints().ended(&summary).await?;
        let left = |left: &Unmatched| (left.keys.len(), left.complete);
        cursor.end(left(&missing), left(&members), doubt);
        self.write(cursor).await?;
        Ok(Some(summary))
    }

    /// Hints about accounts that no listing showed, at most `most`. `None`: there is no time left.
    async fn missing_accounts(
        &self,
        run: &PartitionRun<'_, O>,
        left: &Unmatched,
        most: u64,
        summary: &mut Summary,
    ) -> Result<Option<Vec<ChangeEvent>>, PortError> {
        let mut changes = Vec::new();
        for (key, count) in &left.keys {
            if self.now() >= run.end {
                return Ok(None);
            }
            if changes.len() as u64 >= most {
                break;
            }
            let record = self.ports.records().person(&PersonId::from_nonce(key.person)).await?;
            let Some(record) = record.filter(|it| compare::takes_part(it, run.scope.began)) else {
                continue;
            };
            // A positive count: the old pool listed the person and the new pool did not, so the new
            // account is missing. A negative count: the reverse.
            let side = if *count > 0 { Side::New } else { Side::Old };
            if let Some(change) = self.hint_about(run, side, &record).await? {
                *summary.missing.get_mut(side) += 1;
                changes.push(change);
            }
        }
        Ok(Some(changes))
    }

    /// Hints about people missing from their group's listing. `None`: there is no time left.
    async fn missing_members(
        &self,
        run: &PartitionRun<'_, O>,
        left: &Unmatched,
        unread: &impl Fn(u8, u32) -> bool,
        summary: &mut Summary,
    ) -> Result<Option<Vec<ChangeEvent>>, PortError> {
        let mut changes = Vec::new();
        // A negative count: the listing showed a member, and the baseline contains it since.
        for (key, _) in left.keys.iter().filter(|(_, count)| *count > 0) {
            if self.now() >= run.end {
                return Ok(None);
            }
            let record = self.ports.records().person(&PersonId::from_nonce(key.person)).await?;
            let Some(record) = record.filter(|it| compare::takes_part(it, run.scope.began)) else {
                continue;
            };
            for side in Side::BOTH {
                let gone = compare::memberships(self.policy, &record).any(|group| {
                    let field = Field::Group(group.clone());
                    let tag_here = tag(side, group);
                    let known = !unread(pass::bucket(group), tag_here);
                    known && tag_here == key.tag && !record.blocked_fields.contains_key(&field)
                });
                if gone && let Some(change) = self.hint_about(run, side, &record).await? {
                    *summary.missing_memberships.get_mut(side) += 1;
                    changes.push(change);
                }
            }
        }
        Ok(Some(changes))
    }

    async fn hint_about(
        &self,
        run: &PartitionRun<'_, O>,
        side: Side,
        record: &PersonRecord,
    ) -> Result<Option<ChangeEvent>, PortError> {
        let Some(known) = record.accounts.get(side) else { return Ok(None) };
        let has_pending = self.ports.records().has_pending(side, &known.sub).await?;
        Ok((!has_pending).then(|| run.hint(side, &known.sub, self.now())))
    }
}
