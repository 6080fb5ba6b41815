//! Nothing is taken (invariant 13): who holds an address over there, before it is written.

use std::sync::Arc;

use super::Run;
use super::carry::Taken;
use super::look::handle;
use crate::account::Shape;
use crate::entry::Entry;
use crate::facts::{Field, Reading, Value};
use crate::fault::Fault;
use crate::limits;
use crate::plan::{Plan, View};
use crate::ports::{Ledger, Pool, Ports, Search};
use crate::side::{BySide, Side};
use crate::step::Deed;
use crate::tombstone::Owed;
use crate::verdict::Reason;

impl<P: Ports> Run<'_, P> {
    /// Invariant 13: before an address that signs people in is written, look who holds it there.
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
                let search = match name.as_str() {
                    "email" => Search::Email(text.clone()),
                    "phone_number" => Search::Phone(text.clone()),
                    _ => Search::PreferredUsername(text.clone()),
                };
                let found = self.bridge.ports.pool(side).find(&search).await?;
                let ours = &views.get(side).account.sub;
                if let Some(holder) = found.iter().find(|account| account.sub != *ours) {
                    let holder = holder.sub.clone();
                    let reason = self.holder(entry, views, side, field, &holder).await?;
                    taken.insert((side, field.clone()), reason);
                }
            }
        }
        Ok(())
    }

    /// Somebody else holds the address on `side`: are they about to let it go?
    async fn holder(
        &self,
        entry: &Entry,
        views: &BySide<View>,
        side: Side,
        field: &Field,
        holder: &crate::names::Sub,
    ) -> Result<Reason, Fault> {
        let obstacle = entry.obstacles.get(field);
        let waiting = obstacle.filter(|it| it.reason == Reason::AddressWaits);
        let long = waiting.is_some_and(|it| self.now().since(it.since) > limits::ADDRESS_WAIT_MAX);
        let Some(person) = self.ledger().find(side, holder).await?.filter(|_| !long) else {
            return Ok(Reason::AddressTaken);
        };
        if let Some(tombstone) = &person.tombstone {
            // What is left of somebody who was deleted lets go of nothing, unless it goes itself.
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
