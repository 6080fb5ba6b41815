//! Person records and the account pointers to them, written in one transaction. So no account ever
//! has two person records, and no person record is ever half linked (`LinkInOneTransaction`;
//! `MergeHalves`; `JoinUnderLease`).
//!
//! The SDK adds a request token to each transaction and keeps it for retries. `DynamoDB` treats a
//! repetition within ten minutes as the same transaction ("`TransactWriteItems`"), so a lost answer
//! does no harm. If a condition still fails because of the bridge's own earlier write, the item
//! shows it.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::{Owner, PersonId};
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::Side;

use super::attribute::{Item, ItemError, VERSION, check_version, number, text};
use super::key::ItemKey;
use super::lease::{UNDER_LEASE, already_stored};
use super::{DynamoLedger, check_size, person};
use crate::error::port_error;

const OPERATION: &str = "TransactWriteItems";

/// Why a transaction was not done.
enum Undone {
    /// A condition failed. The list has one entry per action, in order, with the existing item if
    /// the service returned it.
    Conditions(Vec<Condition>),
    PortError(PortError),
}

#[derive(Clone, Debug, PartialEq)]
enum Condition {
    /// The condition held, or the service did not check it.
    Held,
    /// The condition failed, with the existing item if there was one and the service returned it.
    Failed(Option<Item>),
}

impl Condition {
    const fn item(&self) -> Option<&Item> {
        match self {
            Self::Failed(item) => item.as_ref(),
            Self::Held => None,
        }
    }
}

impl DynamoLedger {
    pub(super) async fn begin_person(&self, record: &PersonRecord) -> Result<(), PortError> {
        let sealer = self.sealer(OPERATION)?;
        let item = person::item(record, None, sealer);
        check_size(&item, OPERATION)?;
        let mut puts = vec![self.put(item).condition_expression("attribute_not_exists(pk)")];
        for side in Side::BOTH {
            puts.extend(self.put_pointer(record, side));
        }
        match self.transact(puts).await {
            Ok(()) => Ok(()),
            Err(Undone::PortError(error)) => Err(error),
            Err(Undone::Conditions(failed)) => {
                // Ids are never used twice, so a person record with this id and these contents is
                // this write's.
                let there = failed.first().and_then(Condition::item);
                let ours = there.is_some_and(|item| person::is_ours(item, record, None, sealer));
                if ours { Ok(()) } else { Err(PortError::new(ErrorKind::Exists, OPERATION)) }
            }
        }
    }

    pub(super) async fn join_account(
        &self,
        record: &PersonRecord,
        owner: &Owner,
        side: Side,
    ) -> Result<(), PortError> {
        let sealer = self.sealer(OPERATION)?;
        // There is no account to point at. The caller is wrong, and nothing is written.
        let no_account = PortError { code: Some("NoAccount".to_owned()), ..invalid() };
        let pointer = self.put_pointer(record, side).ok_or(no_account)?;
        let puts = vec![self.put_under_lease(record, owner)?, pointer];
        match self.transact(puts).await {
            Ok(()) => Ok(()),
            Err(Undone::PortError(error)) => Err(error),
            Err(Undone::Conditions(failed)) => match failed.first() {
                Some(Condition::Failed(there)) => {
                    already_stored(there.as_ref(), record, owner, sealer, OPERATION)
                }
                Some(Condition::Held) | None => Err(PortError::new(ErrorKind::Exists, OPERATION)),
            },
        }
    }

    pub(super) async fn merge_people(
        &self,
        kept: &PersonRecord,
        absorbed: &PersonRecord,
        owner: &Owner,
    ) -> Result<(), PortError> {
        let sealer = self.sealer(OPERATION)?;
        let forward = self
            .put(person::forward(absorbed, kept, owner))
            .condition_expression("#v = :v AND #lease.#owner = :owner")
            .expression_attribute_names("#v", "v")
            .expression_attribute_names("#lease", "lease")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":v", number(VERSION))
            .expression_attribute_values(":owner", text(owner.as_str()));
        let mut puts = vec![self.put_under_lease(kept, owner)?, forward];
        for side in Side::BOTH {
            puts.extend(self.repoint(absorbed, &absorbed.id, &kept.id, side));
        }
        match self.transact(puts).await {
            Ok(()) => Ok(()),
            Err(Undone::PortError(error)) => Err(error),
            Err(Undone::Conditions(failed)) => {
                let there = failed.first().and_then(Condition::item);
                already_stored(there, kept, owner, sealer, OPERATION)
            }
        }
    }

    pub(super) async fn separate_people(
        &self,
        kept: &PersonRecord,
        parted: &PersonRecord,
        owner: &Owner,
    ) -> Result<(), PortError> {
        let sealer = self.sealer(OPERATION)?;
        let item = person::item(parted, Some(owner), sealer);
        check_size(&item, OPERATION)?;
        let new = self.put(item).condition_expression("attribute_not_exists(pk)");
        let mut puts = vec![self.put_under_lease(kept, owner)?, new];
        for side in Side::BOTH {
            puts.extend(self.repoint(parted, &kept.id, &parted.id, side));
        }
        match self.transact(puts).await {
            Ok(()) => Ok(()),
            Err(Undone::PortError(error)) => Err(error),
            Err(Undone::Conditions(failed)) => {
                let there = failed.first().and_then(Condition::item);
                already_stored(there, kept, owner, sealer, OPERATION)
            }
        }
    }

    fn put(&self, item: Item) -> aws_sdk_dynamodb::types::builders::PutBuilder {
        Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    fn put_under_lease(&self, record: &PersonRecord, owner: &Owner) -> Result<Builder, PortError> {
        let item = person::item(record, Some(owner), self.sealer(OPERATION)?);
        check_size(&item, OPERATION)?;
        Ok(self
            .put(item)
            .condition_expression(UNDER_LEASE)
            .expression_attribute_names("#v", "v")
            .expression_attribute_names("#lease", "lease")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#revision", "revision")
            .expression_attribute_values(":v", number(VERSION))
            .expression_attribute_values(":owner", text(owner.as_str()))
            .expression_attribute_values(":revision", number(record.revision)))
    }

    /// A pointer from the account on `side`, if there is one. Its condition: the account has no
    /// pointer yet.
    fn put_pointer(&self, record: &PersonRecord, side: Side) -> Option<Builder> {
        let account = record.accounts.get(side).as_ref()?;
        let pointer = person::pointer(&ItemKey::account(side, &account.sub), &record.id);
        Some(self.put(pointer).condition_expression("attribute_not_exists(pk)"))
    }

    /// The pointer from an account of `record` to the person `to`. Its condition: it still points
    /// to `from`.
    fn repoint(
        &self,
        record: &PersonRecord,
        from: &PersonId,
        to: &PersonId,
        side: Side,
    ) -> Option<Builder> {
        let account = record.accounts.get(side).as_ref()?;
        let pointer = person::pointer(&ItemKey::account(side, &account.sub), to);
        Some(
            self.put(pointer)
                .condition_expression("#v = :v AND #person = :person")
                .expression_attribute_names("#v", "v")
                .expression_attribute_names("#person", "person")
                .expression_attribute_values(":v", number(VERSION))
                .expression_attribute_values(":person", text(from.as_str())),
        )
    }

    async fn transact(&self, puts: Vec<Builder>) -> Result<(), Undone> {
        let actions = puts.into_iter().map(|put| {
            Ok(TransactWriteItem::builder().put(put.build().map_err(|_| invalid())?).build())
        });
        let actions: Vec<_> =
            actions.collect::<Result<_, PortError>>().map_err(Undone::PortError)?;
        let request = self.client.transact_write_items().set_transact_items(Some(actions));
        request.send().await.map(drop).map_err(|error| undone(&error))
    }
}

type Builder = aws_sdk_dynamodb::types::builders::PutBuilder;

const fn invalid() -> PortError {
    PortError::new(ErrorKind::Invalid, OPERATION)
}

fn undone(error: &SdkError<TransactWriteItemsError>) -> Undone {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            of_reasons(cancelled.cancellation_reasons())
        }
        _ => Undone::PortError(port_error(OPERATION, error)),
    }
}

/// Interprets the reasons of a cancelled transaction. Nothing of it was done, whatever the reasons.
fn of_reasons(reasons: &[CancellationReason]) -> Undone {
    let code = |reason: &CancellationReason| reason.code().unwrap_or("None").to_owned();
    let condition = |reason: &CancellationReason| match reason.code() {
        Some("ConditionalCheckFailed") => Condition::Failed(reason.item.clone()),
        Some(_) | None => Condition::Held,
    };
    let conditions: Vec<Condition> = reasons.iter().map(condition).collect();
    let items = conditions.iter().filter_map(Condition::item);
    if items.map(check_version).any(|version| version == Err(ItemError::Newer)) {
        return Undone::PortError(ItemError::Newer.port_error(OPERATION));
    }
    if conditions.iter().any(|condition| *condition != Condition::Held) {
        return Undone::Conditions(conditions);
    }
    let code = reasons.iter().map(code).find(|code| code != "None");
    let kind = match code.as_deref() {
        // Another writer is writing one of the items, or the table is busy. A retry will soon
        // succeed.
        Some(
            "TransactionConflict"
            | "ThrottlingError"
            | "ProvisionedThroughputExceeded"
            | "AccelerationThrottled",
        ) => ErrorKind::Throttled,
        Some("ValidationError" | "ItemCollectionSizeLimitExceeded") => ErrorKind::Invalid,
        Some(_) | None => ErrorKind::Lost,
    };
    // A code is one word. Other text is not repeated.
    let code = code.filter(|code| code.bytes().all(|letter| letter.is_ascii_alphanumeric()));
    Undone::PortError(PortError { kind, operation: OPERATION, code })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(codes: &[&str]) -> Undone {
        let reasons: Vec<_> =
            codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect();
        of_reasons(&reasons)
    }

    fn kind(codes: &[&str]) -> Option<ErrorKind> {
        match reasons(codes) {
            Undone::PortError(error) => Some(error.kind),
            Undone::Conditions(_) => None,
        }
    }

    #[test]
    fn each_cancellation_reason_has_its_port_error() {
        assert_eq!(kind(&["None", "TransactionConflict"]), Some(ErrorKind::Throttled));
        assert_eq!(kind(&["ThrottlingError", "None"]), Some(ErrorKind::Throttled));
        assert_eq!(kind(&["ProvisionedThroughputExceeded"]), Some(ErrorKind::Throttled));
        assert_eq!(kind(&["ValidationError"]), Some(ErrorKind::Invalid));
        assert_eq!(kind(&["SomethingNew"]), Some(ErrorKind::Lost));
        assert_eq!(kind(&[]), Some(ErrorKind::Lost));
    }

    #[test]
    fn a_failed_condition_outweighs_a_conflict() {
        assert_eq!(kind(&["TransactionConflict", "ConditionalCheckFailed"]), None);
        let Undone::Conditions(failed) = reasons(&["None", "ConditionalCheckFailed"]) else {
            panic!("the failed condition was not reported");
        };
        assert_eq!(failed, [Condition::Held, Condition::Failed(None)]);
    }

    #[test]
    fn a_condition_that_fails_on_a_newer_item_reports_newer() {
        let item = Item::from([("v".to_owned(), number(2))]);
        let reason = CancellationReason::builder().code("ConditionalCheckFailed");
        let reason = reason.set_item(Some(item)).build();
        let Undone::PortError(error) = of_reasons(&[reason]) else { panic!("not a port error") };
        assert_eq!(error.kind, ErrorKind::Newer);
    }

    #[test]
    fn text_that_is_not_a_code_is_not_repeated() {
        let Undone::PortError(error) = reasons(&["someone@example.com"]) else {
            panic!("not a port error")
        };
        assert_eq!(error.code, None);
    }
}
