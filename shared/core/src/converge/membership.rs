//! Memberships that seem to have ended: did the member leave, or was the group itself deleted?

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
    /// Checks that each group from which the plan removes a person still exists in the pool where
    /// they are no member. A pool schema is cached for minutes, and a group that was deleted in
    /// that time has no members at all. Returns whether a group is gone: then both observations
    /// show that, and the plan must be made again.
    ///
    /// This read may itself be stale. So after the deletion of a group, a wrong removal is possible
    /// for the settle time instead of the minutes of the cache.
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

    /// Which of these groups the pool no longer has. A few are looked up one by one. For more, the
    /// whole list is read, with sixty groups on a page.
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
