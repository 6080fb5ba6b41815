//! No address is taken from another account (invariant 13): finds its holder in the target pool
//! before the address is written.

use std::sync::Arc;

use super::Run;
use super::carry::Taken;
use super::look::handle;
use crate::account::{Account, Shape, Status};
use crate::entry::Entry;
use crate::facts::{Field, Reading, Value};
use crate::fault::Fault;
use crate::limits;
use crate::mapping;
use crate::names::{AttributeName, Sub};
use crate::plan::{Plan, View};
use crate::ports::{Ledger, Ports, Search};
use crate::side::{BySide, Side};
use crate::step::Deed;
use crate::tombstone::Owed;
use crate::verdict::Reason;

impl<P: Ports> Run<'_, P> {
    /// Invariant 13: finds the holder of each planned address that is a sign-in name.
    pub(super) async fn look_up_addresses(
        &mut self,
        entry: &Entry,
        views: &BySide<View>,
        shapes: &BySide<Arc<Shape>>,
        plan: &Plan,
        taken: &mut Taken,
    ) -> Result<(), Fault> {
        for step in &plan.steps {
            let Deed::SetAttributes { fields } = &step.deed else { continue };
            for (field, attributes) in fields {
                let side = step.side;
                let Some(name) = self.bridge.policy.mapping.attribute(side, field) else {
                    continue;
                };
                let text = attributes.get(name).filter(|text| !text.is_empty());
                let Some(text) = text.filter(|_| shapes.get(side).signs_in_by(name)) else {
                    continue;
                };
                let ours = &views.get(side).account.sub;
                let reason = match self.others(side, field, name, text, ours).await? {
                    None => Reason::CannotBeSearched,
                    Some(others) => match others.first() {
                        Some(other) => self.holder(entry, views, side, field, &other.sub).await?,
                        None => continue,
                    },
                };
                taken.insert((side, field.clone()), reason);
            }
        }
        Ok(())
    }

    /// The other accounts of `side` that sign in with that address. `None`: the pool cannot be
    /// searched for it.
    ///
    /// If usernames are addresses, the address is the username of every local account that has it,
    /// verified or not. Otherwise only an account that verified the address signs in with it, and a
    /// claim blocks no owner (invariant 13). A federated account signs in with its provider.
    async fn others(
        &self,
        side: Side,
        field: &Field,
        name: &AttributeName,
        text: &str,
        ours: &Sub,
    ) -> Result<Option<Vec<Account>>, Fault> {
        let Some(search) = Search::by(name, text.to_owned()) else { return Ok(Some(Vec::new())) };
        let Some(mut found) = self.listed(side, &search).await? else { return Ok(None) };
        let named = self.is_username(side, name).await?;
        found.retain(|account| {
            let confirmed = account.status != Status::Unconfirmed;
            let proved = !field.is_address() || mapping::verified(account, field);
            let signs_in = named || (confirmed && proved);
            signs_in && !account.federated() && account.sub != *ours
        });
        Ok(Some(found))
    }

    /// Another account holds the address in `side`: whether its person is about to give it up.
    async fn holder(
        &self,
        entry: &Entry,
        views: &BySide<View>,
        side: Side,
        field: &Field,
        holder: &Sub,
    ) -> Result<Reason, Fault> {
        let obstacle = entry.obstacles.get(field);
        let waiting = obstacle.filter(|it| it.reason == Reason::AddressWaits);
        let long = waiting.is_some_and(|it| self.now().since(it.since) > limits::ADDRESS_WAIT_MAX);
        let Some(person) = self.ledger().find(side, holder).await?.filter(|_| !long) else {
            return Ok(Reason::AddressTaken);
        };
        if let Some(tombstone) = &person.tombstone {
            // A deleted person's other account keeps its address, unless it is deleted too.
            let goes = tombstone.owed == Some(Owed::Delete);
            return Ok(if goes { Reason::AddressWaits } else { Reason::AddressTaken });
        }
        let Some(source) = person.accounts.get(side.other()) else {
            return Ok(Reason::AddressTaken);
        };
        let source = self.bridge.look(side.other(), &handle(source)).await?;
        let wants = source.map_or(Reading::Absent, |view| view.facts.get(field));
        let address = |reading: &Reading| match reading.value() {
            Some(Value::Address { address, .. } | Value::Text(address)) => Some(address.clone()),
            Some(Value::Flag(_)) | None => None,
        };
        let wanted = address(&views.get(side.other()).facts.get(field));
        let ours = address(&views.get(side).facts.get(field));
        let let_go = address(&wants) != wanted;
        let cycle = address(&wants).is_some() && address(&wants) == ours;
        Ok(if let_go && !cycle { Reason::AddressWaits } else { Reason::AddressTaken })
    }
}
