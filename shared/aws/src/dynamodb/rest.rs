//! Postpones pending changes that were sent again, so that the next run does not send them once
//! more.

use poolbridge_core::change::PendingChange;
use poolbridge_core::error::PortError;
use poolbridge_core::time::Time;

use super::DynamoLedger;
use super::attribute::{VERSION, number, time};
use super::key::ItemKey;
use super::listing::at_once;
use super::pending::failed_condition;

impl DynamoLedger {
    /// Stores on each pending change that it need not be sent again before `until`, if its token is
    /// unchanged. Unlike [`DynamoLedger::back_off`] it counts no attempt and sets no reason: apply
    /// has not processed the account, and `drained` must not treat it as processed.
    pub async fn rest(
        &self,
        pending_changes: Vec<PendingChange>,
        until: Time,
    ) -> Result<(), PortError> {
        let jobs = pending_changes.into_iter().map(|pending| {
            let ledger = self.clone();
            async move { ledger.rest_one(&pending, until).await }
        });
        at_once(jobs).await.into_iter().collect()
    }

    async fn rest_one(&self, pending: &PendingChange, until: Time) -> Result<(), PortError> {
        let answer = self
            .update(&ItemKey::pending(pending.side, &pending.sub))
            .update_expression("SET #not_before = :until")
            .condition_expression("#seq = :token AND #v = :v")
            .expression_attribute_names("#seq", "seq")
            .expression_attribute_names("#v", "v")
            .expression_attribute_names("#not_before", "not_before")
            .expression_attribute_values(":token", number(pending.token))
            .expression_attribute_values(":v", number(VERSION))
            .expression_attribute_values(":until", time(until))
            .send()
            .await;
        answer.map_or_else(|error| failed_condition(&error).map(drop), |_| Ok(()))
    }
}
