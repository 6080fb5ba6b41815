//! Sealed backups of the pools' settings from before each change of their triggers. `detach` needs
//! them, so poolbridge never deletes them.

use std::fmt;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use jiff::Timestamp;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::attribute::{Item, ItemReader, VERSION, check_version, number, text, time};
use super::{DynamoLedger, check_size};
use crate::error::port_error;
use crate::secret::{Sealer, UnsealError};

/// The number of backups that are read, newest first: a bridge is attached only a few times.
const DUMPS_MAX: usize = 50;

/// Backups per request. A page holds at most 1 MB (quota), and a backup usually takes some 10 KB.
const PAGE_DUMPS_MAX: i32 = 10;

/// A pool's settings at one moment.
#[derive(Clone, PartialEq, Eq)]
pub struct SettingsBackup {
    /// The pool.
    pub side: Side,
    /// The pool's id: the configuration may name another pool by now.
    pub user_pool_id: String,
    /// When the backup was made.
    pub at: Time,
    /// The settings, as [`crate::cognito::settings::PoolSettings::dump`] writes them.
    pub text: String,
}

impl fmt::Debug for SettingsBackup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Dump({}, {})", self.side, self.at.0)
    }
}

impl DynamoLedger {
    /// Stores a backup, sealed.
    pub async fn keep_dump(&self, dump: &SettingsBackup) -> Result<(), PortError> {
        const OPERATION: &str = "PutItem";
        let sealer = self.sealer(OPERATION)?;
        let item =
            item(dump, sealer).ok_or_else(|| PortError::new(ErrorKind::Invalid, OPERATION))?;
        check_size(&item, OPERATION)?;
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.clone()))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = answer else { return Ok(()) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                // An earlier attempt of this call wrote the item and its answer was lost, or
                // another writer used the same moment.
                let same = failed.item() == Some(&item);
                if same { Ok(()) } else { Err(PortError::new(ErrorKind::Exists, OPERATION)) }
            }
            _ => Err(port_error(OPERATION, &error)),
        }
    }

    /// The latest backups of a side, newest first.
    pub async fn dumps(&self, side: Side) -> Result<Vec<SettingsBackup>, PortError> {
        const OPERATION: &str = "Query";
        let sealer = self.sealer(OPERATION)?;
        let (mut dumps, mut start) = (Vec::new(), None);
        while dumps.len() < DUMPS_MAX {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression("#pk = :pk")
                .expression_attribute_names("#pk", "pk")
                .expression_attribute_values(":pk", text(partition(side)))
                .scan_index_forward(false)
                .limit(PAGE_DUMPS_MAX)
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(|error| port_error(OPERATION, &error))?;
            for item in page.items() {
                dumps.push(read(item, side, sealer)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(dumps)
    }
}

fn partition(side: Side) -> String {
    format!("ATTACH#{side}")
}

/// The seal belongs to this side and this moment: copied to another item, it does not open.
fn label(side: Side, at: Time) -> String {
    format!("settings#{side}#{}", at.0)
}

/// The backup's item; `None` for a time that no calendar can express.
fn item(dump: &SettingsBackup, sealer: &Sealer) -> Option<Item> {
    let moment = Timestamp::from_millisecond(dump.at.0).ok()?;
    let item = [
        ("pk", text(partition(dump.side))),
        ("sk", text(moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())),
        ("v", number(VERSION)),
        ("at", time(dump.at)),
        ("user_pool_id", text(&dump.user_pool_id)),
        ("sealed", text(sealer.seal_text(&label(dump.side, dump.at), &dump.text))),
    ];
    Some(item.map(|(name, value)| (name.to_owned(), value)).into())
}

fn read(item: &Item, side: Side, sealer: &Sealer) -> Result<SettingsBackup, PortError> {
    const OPERATION: &str = "Query";
    check_version(item).map_err(|error| error.port_error(OPERATION))?;
    let reader = ItemReader(item);
    let at = reader.time("at").map_err(|error| error.port_error(OPERATION))?;
    let pool = reader.text("user_pool_id").map_err(|error| error.port_error(OPERATION))?;
    let closed = reader.text("sealed").map_err(|error| error.port_error(OPERATION))?;
    let opened = sealer.open_text(&label(side, at), closed).map_err(|error| {
        let code = match error {
            UnsealError::NotASeal => "NotASeal",
            UnsealError::UnknownKey(_) => "UnknownKey",
            UnsealError::Closed => "ClosedSeal",
        };
        PortError { kind: ErrorKind::Unreadable, operation: OPERATION, code: Some(code.to_owned()) }
    })?;
    Ok(SettingsBackup { side, user_pool_id: pool.to_owned(), at, text: opened })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn dump() -> SettingsBackup {
        SettingsBackup {
            side: Side::Old,
            user_pool_id: "us-east-1_A".to_owned(),
            at: Time(1_760_000_000_005),
            text: r#"{"UserPool":{"EmailVerificationMessage":"secret words"}}"#.to_owned(),
        }
    }

    fn sealer() -> Sealer {
        Secret::from_text(&"k".repeat(64)).unwrap().sealer()
    }

    #[test]
    fn a_settings_backup_reads_back_unchanged_and_shows_no_content() {
        let item = item(&dump(), &sealer()).unwrap();
        assert!(!format!("{item:?}{:?}", dump()).contains("secret words"));
        assert_eq!(item["pk"].as_s().unwrap(), "ATTACH#old");
        assert_eq!(item["sk"].as_s().unwrap(), "2025-10-09T08:53:20.005Z");
        assert_eq!(read(&item, Side::Old, &sealer()), Ok(dump()));
    }

    #[test]
    fn a_settings_backup_of_another_side_or_key_does_not_open() {
        let item = item(&dump(), &sealer()).unwrap();
        let kind = |side, sealer: &Sealer| read(&item, side, sealer).map_err(|error| error.kind);
        assert_eq!(kind(Side::New, &sealer()), Err(ErrorKind::Unreadable));
        let other = Secret::from_text(&"x".repeat(64)).unwrap().sealer();
        assert_eq!(kind(Side::Old, &other), Err(ErrorKind::Unreadable));
    }
}
