//! Memberships that seem to have ended: did the member leave, or was the group itself deleted?

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Run;
use crate::account::PoolSchema;
use crate::error::PortError;
use crate::limits;
use crate::names::GroupName;
use crate::plan::{Observation, Plan};
use crate::ports::{Pool, Ports};
use crate::side::{BySide, Side};
use crate::step::Action;

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
        schemas: &mut BySide<Arc<PoolSchema>>,
        observations: &mut BySide<Observation>,
    ) -> Result<bool, PortError> {
        let mut lost = false;
        for side in Side::BOTH {
            let source = side.other();
            let removes: BTreeSet<_> = plan
                .steps
                .iter()
                .filter(|step| step.side == side)
                .filter_map(|step| {
                    if let Action::RemoveFromGroup(group) = &step.action {
                        Some(group)
                    } else {
                        None
                    }
                })
                .collect();
            if removes.is_empty() {
                continue;
            }
            let gone = self.gone_groups(source, &removes).await?;
            if !gone.is_empty() {
                let schema = Arc::make_mut(schemas.get_mut(source));
                schema.groups.retain(|group| !gone.contains(group));
                lost = true;
            }
        }
        if lost {
            for side in Side::BOTH {
                let seen = observations.get(side);
                let (account, began) = (seen.account.clone(), seen.began);
                let missing = seen.missing.clone();
                let observation =
                    Observation::new(self.bridge.policy, side, account, schemas, began);
                *observations.get_mut(side) = Observation { missing, ..observation };
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
    ) -> Result<BTreeSet<GroupName>, PortError> {
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
