//! No address is taken from another account (invariant 13): finds its holder in the target pool
//! before the address is written.

use std::sync::Arc;

use super::Run;
use super::carry::Taken;
use super::observe::account_ref;
use crate::account::{Account, PoolSchema, Status};
use crate::error::PortError;
use crate::limits;
use crate::mapping;
use crate::names::{AttributeName, Sub};
use crate::outcome::Reason;
use crate::plan::{Observation, Plan};
use crate::ports::{Ledger, Ports, Search};
use crate::profile::{Field, FieldState, Value};
use crate::record::PersonRecord;
use crate::side::{BySide, Side};
use crate::step::Action;
use crate::tombstone::Owed;

impl<P: Ports> Run<'_, P> {
    /// Invariant 13: finds the holder of each planned address that is a sign-in name.
    pub(super) async fn find_address_owners(
        &mut self,
        record: &PersonRecord,
        observations: &BySide<Observation>,
        schemas: &BySide<Arc<PoolSchema>>,
        plan: &Plan,
        taken: &mut Taken,
    ) -> Result<(), PortError> {
        for step in &plan.steps {
            let Action::SetAttributes { fields } = &step.action else { continue };
            for (field, attributes) in fields {
                let side = step.side;
                let Some(name) = self.bridge.policy.mapping.attribute(side, field) else {
                    continue;
                };
                let text = attributes.get(name).filter(|text| !text.is_empty());
                let Some(text) = text.filter(|_| schemas.get(side).signs_in_by(name)) else {
                    continue;
                };
                let ours = &observations.get(side).account.sub;
                let reason = match self.others(side, field, name, text, ours).await? {
                    None => Reason::CannotBeSearched,
                    Some(others) => match others.first() {
                        Some(other) => {
                            self.holder(record, observations, side, field, &other.sub).await?
                        }
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
    ) -> Result<Option<Vec<Account>>, PortError> {
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
        record: &PersonRecord,
        observations: &BySide<Observation>,
        side: Side,
        field: &Field,
        holder: &Sub,
    ) -> Result<Reason, PortError> {
        let blocked_field = record.blocked_fields.get(field);
        let waiting = blocked_field.filter(|it| it.reason == Reason::AddressWaits);
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
        let source = self.bridge.observe(side.other(), &account_ref(source)).await?;
        let wants = source.map_or(FieldState::Absent, |observation| observation.profile.get(field));
        let address = |reading: &FieldState| match reading.value() {
            Some(Value::Address { address, .. } | Value::Text(address)) => Some(address.clone()),
            Some(Value::Flag(_)) | None => None,
        };
        let wanted = address(&observations.get(side.other()).profile.get(field));
        let ours = address(&observations.get(side).profile.get(field));
        let let_go = address(&wants) != wanted;
        let cycle = address(&wants).is_some() && address(&wants) == ours;
        Ok(if let_go && !cycle { Reason::AddressWaits } else { Reason::AddressTaken })
    }
}
