//! Memberships that seem to have ended: did the member leave, or is the group itself gone?

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Run;
use crate::account::Shape;
use crate::fault::Fault;
use crate::limits;
use crate::names::GroupName;
use crate::plan::{Plan, View};
use crate::ports::{Pool, Ports};
use crate::side::{BySide, Side};
use crate::step::Deed;

impl<P: Ports> Run<'_, P> {
    /// Makes sure that each group which the plan takes somebody out of still exists in the pool where
    /// they are no member. A shape is cached for minutes, and a group that was deleted in that time
    /// has no members at all. Answers whether one is gone: then both views say so, and the plan has
    /// to be made again.
    ///
    /// What is read here may itself be as stale as any read; that leaves the bound on stale reads
    /// after a group's deletion in place of the cache's minutes.
    pub(super) async fn lost_groups(
        &self,
        plan: &Plan,
        shapes: &mut BySide<Arc<Shape>>,
        views: &mut BySide<View>,
    ) -> Result<bool, Fault> {
        let mut lost = false;
        for side in Side::BOTH {
            let source = side.other();
            let removes: BTreeSet<_> = plan
                .steps
                .iter()
                .filter(|step| step.side == side)
                .filter_map(|step| {
                    if let Deed::RemoveFromGroup(group) = &step.deed { Some(group) } else { None }
                })
                .collect();
            if removes.is_empty() {
                continue;
            }
            let gone = self.gone_groups(source, &removes).await?;
            if !gone.is_empty() {
                let shape = Arc::make_mut(shapes.get_mut(source));
                shape.groups.retain(|group| !gone.contains(group));
                lost = true;
            }
        }
        if lost {
            for side in Side::BOTH {
                let seen = views.get(side);
                let (account, began) = (seen.account.clone(), seen.began);
                let missing = seen.missing.clone();
                let view = View::new(self.bridge.policy, side, account, shapes, began);
                *views.get_mut(side) = View { missing, ..view };
            }
        }
        Ok(lost)
    }

    /// Which of these groups the pool does not have any more. A few are looked up one by one; for many
    /// the list is read, whose pages hold sixty.
    async fn gone_groups(
        &self,
        side: Side,
        groups: &BTreeSet<&GroupName>,
    ) -> Result<BTreeSet<GroupName>, Fault> {
        let pool = self.bridge.ports.pool(side);
        let mut gone = BTreeSet::new();
        if groups.len() > limits::GROUP_LOOKUPS_MAX {
            let there = pool.every_group().await?;
            gone.extend(groups.iter().filter(|it| !there.contains(**it)).map(|it| (*it).clone()));
            return Ok(gone);
        }
        for group in groups {
            if !pool.has_group(group).await? {
                gone.insert((*group).clone());
            }
        }
        Ok(gone)
    }
}
