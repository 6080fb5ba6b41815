//! The state table, as the sweep reads it.

use poolbridge_core::control::Control;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::{PersonId, Sub};
use poolbridge_core::ports::Ledger as _;
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::Side;
use poolbridge_sweep_core::ports::{RecordOwner, RecordReader};

use super::DynamoLedger;

impl RecordReader for DynamoLedger {
    async fn people(&self, side: Side, subs: &[Sub]) -> Result<Vec<RecordOwner>, PortError> {
        self.people_of(side, subs).await
    }

    async fn person(&self, id: &PersonId) -> Result<Option<PersonRecord>, PortError> {
        match Self::person(self, id).await {
            // A person record of a newer version is left to a version that can read it.
            Err(error) if matches!(error.kind, ErrorKind::Newer | ErrorKind::Unreadable) => {
                Ok(None)
            }
            answer => answer,
        }
    }

    async fn has_pending(&self, side: Side, sub: &Sub) -> Result<bool, PortError> {
        match self.read_pending(side, sub).await {
            // A pending change of a newer version counts as one. It must not stop the sweep for all
            // other people.
            Err(error) if matches!(error.kind, ErrorKind::Newer | ErrorKind::Unreadable) => {
                Ok(true)
            }
            answer => Ok(answer?.is_some()),
        }
    }

    async fn control(&self) -> Result<Control, PortError> {
        poolbridge_core::ports::Ledger::control(self).await
    }
}
