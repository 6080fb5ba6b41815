//! What the engine does without a rule of the protocol. Only tests build this file: they prove that
//! the suites notice each missing rule. Each function does nothing while its rule holds.

use super::run::Run;
use crate::change::ChangeEvent;
use crate::control::Control;
use crate::error::PortError;
use crate::names::Sub;
use crate::plan::{Observation, Plan};
use crate::ports::{Ledger, Ports};
use crate::record::{Baseline, BaselineField, PersonRecord};
use crate::rules::Rule;
use crate::side::Side;

impl<P: Ports> Run<'_, P> {
    /// `ReadAfresh`: apply trusts the message about which account changed, so the other account
    /// counts as the baseline, whatever that was.
    pub(super) fn trust_message(&self, record: &mut PersonRecord, other: &Observation) {
        if self.keeps(Rule::ReadAfresh) {
            return;
        }
        let mapping = &self.bridge.policy.mapping;
        let fields = other.profile.present().filter_map(|(field, value)| {
            let fingerprint = Some(self.bridge.keys.fingerprint(&record.salt, field, value));
            let rule = mapping.revision(field)?;
            Some((field.clone(), BaselineField { fingerprint, rule }))
        });
        record.baseline = Some(Baseline { fields: fields.collect(), rules: mapping.revisions() });
    }

    /// `IntentReplacesBaseline`: fields of an open intent without a planned write keep their old
    /// baseline.
    pub(super) fn keep_old_baseline(&self, before: &PersonRecord, plan: &mut Plan) {
        let lacks_rule = !self.keeps(Rule::IntentReplacesBaseline);
        let Some(intent) = before.intent.as_ref().filter(|_| lacks_rule) else { return };
        for field in intent.fields.keys().filter(|field| !plan.writes.contains_key(*field)) {
            let base = before.baseline.as_ref().and_then(|baseline| baseline.fields.get(field));
            match base {
                Some(base) => plan.bases.insert(field.clone(), base.clone()),
                None => plan.bases.remove(field),
            };
        }
    }

    /// `DeletedNeverMatch`: a new sign-up replaces the lost account.
    pub(super) fn forget_the_deleted(&self, person: PersonRecord, side: Side) -> PersonRecord {
        let gone = person.accounts.get(side).as_ref().is_some_and(|known| known.gone.is_some());
        let lost = gone || person.tombstone.is_some();
        if self.keeps(Rule::DeletedNeverMatch) || !lost {
            return person;
        }
        let mut person = PersonRecord { tombstone: None, ..person };
        *person.accounts.get_mut(side) = None;
        person
    }

    /// `ClearOnlyObservedSides`: clears a pending change of an account that was not observed.
    pub(super) async fn clear_other_unseen(&mut self) -> Result<(), PortError> {
        let ChangeEvent { side, sub, .. } = self.change;
        if self.keeps(Rule::ClearOnlyObservedSides) {
            return Ok(());
        }
        let Some(record) = self.ledger().find(*side, sub).await? else { return Ok(()) };
        let side = side.other();
        if let Some(known) = record.accounts.get(side) {
            self.read_pending_of(side, &known.sub).await?;
            self.clear(side, &known.sub).await?;
        }
        Ok(())
    }

    /// `PendingReadFirst`: the pending change is read only now, and may be a newer one.
    pub(super) async fn read_pending_late(
        &mut self,
        side: Side,
        sub: &Sub,
    ) -> Result<(), PortError> {
        if self.keeps(Rule::PendingReadFirst) {
            return Ok(());
        }
        self.read_pending_of(side, sub).await
    }

    /// `IntentChecksPhase`: the control item is read before the claim.
    pub(super) async fn read_control_early(&mut self) -> Result<(), PortError> {
        if !self.keeps(Rule::IntentChecksPhase) {
            self.read_early = Some(self.ledger().control().await?);
        }
        Ok(())
    }

    /// The control item from before the claim, if it was read then.
    pub(super) fn control_from_before(&self, control: Control) -> Control {
        self.read_early.clone().unwrap_or(control)
    }
}
