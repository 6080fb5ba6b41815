//! The journal: who did what to the bridge. The operator's commands write it, and no entry ever
//! changes.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::time::Time;

use super::attribute::{Item, ItemError, ItemReader, VERSION, check_version, number, text, time};
use super::key::JOURNAL;
use super::{DynamoLedger, PAGE_ITEMS_MAX, check_size};
use crate::error::port_error;

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// When it was done.
    pub at: Time,
    /// A unique id, so that an entry written twice is stored once.
    pub id: u128,
    /// Who did it: the caller's ARN, or the name of the account at the shell.
    pub who: String,
    /// What was done: the command's name.
    pub what: String,
    /// Numbers, reasons and durations, by name. Codes and numbers only, never a person's data.
    pub details: BTreeMap<String, String>,
}

impl DynamoLedger {
    /// Writes an entry. A repeated write stores it once.
    pub async fn journal(&self, record: &JournalEntry) -> Result<(), PortError> {
        const OPERATION: &str = "PutItem";
        let item = item(record).ok_or_else(|| PortError::new(ErrorKind::Invalid, OPERATION))?;
        check_size(&item, OPERATION)?;
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = answer else { return Ok(()) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed))
                if failed.item().is_some_and(|item| read(item).as_ref() == Ok(record)) =>
            {
                Ok(())
            }
            Some(PutItemError::ConditionalCheckFailedException(_)) => {
                Err(PortError::new(ErrorKind::Exists, OPERATION))
            }
            _ => Err(port_error(OPERATION, &error)),
        }
    }

    /// The last `most` entries (at most 1,000), newest first.
    pub async fn journal_tail(&self, most: usize) -> Result<Vec<JournalEntry>, PortError> {
        const OPERATION: &str = "Query";
        let most = i32::try_from(most).unwrap_or(PAGE_ITEMS_MAX).clamp(1, PAGE_ITEMS_MAX);
        // One page: 1,000 entries of a few hundred bytes stay well below the 1 MB of a page.
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", "pk")
            .expression_attribute_values(":pk", text(JOURNAL))
            .scan_index_forward(false)
            .limit(most)
            .send()
            .await
            .map_err(|error| port_error(OPERATION, &error))?;
        answer
            .items()
            .iter()
            .map(|item| read(item).map_err(|error| error.port_error(OPERATION)))
            .collect()
    }
}

/// The entry's item; `None` for a time that no calendar can express.
fn item(record: &JournalEntry) -> Option<Item> {
    // Readable and in order of time: every year has four digits and every time has milliseconds.
    let moment = Timestamp::from_millisecond(record.at.0).ok()?;
    let moment = moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
    let details = record.details.iter().map(|(name, value)| (name.clone(), text(value)));
    let item = [
        ("pk", text(JOURNAL)),
        ("sk", text(format!("{moment}#{:032x}", record.id))),
        ("v", number(VERSION)),
        ("at", time(record.at)),
        ("id", text(format!("{:032x}", record.id))),
        ("who", text(&record.who)),
        ("what", text(&record.what)),
        ("details", AttributeValue::M(details.collect())),
    ];
    Some(item.map(|(name, value)| (name.to_owned(), value)).into())
}

fn read(item: &Item) -> Result<JournalEntry, ItemError> {
    check_version(item)?;
    let reader = ItemReader(item);
    let detail = |(name, value): (&String, &AttributeValue)| {
        let value = value.as_s().map_err(|_| ItemError::Wrong("details"))?;
        Ok((name.clone(), value.clone()))
    };
    Ok(JournalEntry {
        at: reader.time("at")?,
        id: reader.word("id", |id| u128::from_str_radix(id, 16).ok())?,
        who: reader.text("who")?.to_owned(),
        what: reader.text("what")?.to_owned(),
        details: reader.map("details")?.0.iter().map(detail).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(at: i64) -> JournalEntry {
        JournalEntry {
            at: Time(at),
            id: 255,
            who: "arn:aws:iam::1:user/operator".to_owned(),
            what: "pause".to_owned(),
            details: BTreeMap::from([("reason".to_owned(), "maintenance".to_owned())]),
        }
    }

    #[test]
    fn an_entry_reads_back_unchanged() {
        let item = item(&record(1_760_000_000_005)).unwrap();
        assert_eq!(read(&item), Ok(record(1_760_000_000_005)));
        let key = item["sk"].as_s().unwrap();
        assert!(key.starts_with("2025-10-09T08:53:20.005Z#"), "{key}");
    }

    #[test]
    fn keys_are_in_order_of_time() {
        let moments = [0, 999, 1_000, 1_760_000_000_000, 1_760_000_000_001, 4_000_000_000_000];
        let keys = moments.map(|at| item(&record(at)).unwrap()["sk"].as_s().unwrap().clone());
        assert!(keys.is_sorted(), "{keys:?}");
        assert!(item(&record(i64::MAX)).is_none());
    }
}
