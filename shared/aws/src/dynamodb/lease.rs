//! Claims a person, and writes a person record under that claim.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::{Owner, PersonId};
use poolbridge_core::ports::Claim;
use poolbridge_core::record::{Lease, PersonRecord};
use poolbridge_core::time::Time;

use super::attribute::{Item, ItemError, ItemReader, VERSION, check_version, number, text, time};
use super::key::ItemKey;
use super::{DynamoLedger, check_size, part, person};
use crate::error::port_error;
use crate::secret::Sealer;

/// Only the lease owner may write a person record, and only with a higher revision.
pub(super) const UNDER_LEASE: &str = "#v = :v AND #lease.#owner = :owner AND #revision < :revision";

impl DynamoLedger {
    pub(super) async fn take_lease(
        &self,
        id: &PersonId,
        revision: u64,
        lease: &Lease,
        now: Time,
    ) -> Result<Claim, PortError> {
        const OPERATION: &str = "UpdateItem";
        let sealer = self.sealer(OPERATION)?;
        let answer = self
            .update(&ItemKey::person(id))
            .update_expression("SET #lease = :lease")
            // The same owner may claim it again: that is a claim whose answer was lost.
            .condition_expression(
                "#v = :v AND #revision = :revision AND attribute_not_exists(#forward) \
                 AND (attribute_not_exists(#lease) OR #lease.#free_at <= :now \
                 OR #lease.#owner = :owner)",
            )
            .expression_attribute_names("#v", "v")
            .expression_attribute_names("#revision", "revision")
            .expression_attribute_names("#forward", "forward")
            .expression_attribute_names("#lease", "lease")
            .expression_attribute_names("#free_at", "free_at")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":v", number(VERSION))
            .expression_attribute_values(":revision", number(revision))
            .expression_attribute_values(":lease", part::lease(lease))
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":owner", text(lease.owner.as_str()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let claim = match answer {
            Ok(answer) => taken(answer.attributes.as_ref(), sealer),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    not_taken(failed.item(), revision)
                }
                _ => return Err(port_error(OPERATION, &error)),
            },
        };
        claim.map_err(|error| error.port_error(OPERATION))
    }

    pub(super) async fn put_person(
        &self,
        record: &PersonRecord,
        owner: &Owner,
    ) -> Result<(), PortError> {
        const OPERATION: &str = "PutItem";
        let sealer = self.sealer(OPERATION)?;
        let item = person::item(record, Some(owner), sealer);
        check_size(&item, OPERATION)?;
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(UNDER_LEASE)
            .expression_attribute_names("#v", "v")
            .expression_attribute_names("#lease", "lease")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#revision", "revision")
            .expression_attribute_values(":v", number(VERSION))
            .expression_attribute_values(":owner", text(owner.as_str()))
            .expression_attribute_values(":revision", number(record.revision))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = answer else { return Ok(()) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                already_stored(failed.item(), record, owner, sealer, OPERATION)
            }
            _ => Err(port_error(OPERATION, &error)),
        }
    }
}

fn taken(item: Option<&Item>, sealer: &Sealer) -> Result<Claim, ItemError> {
    match person::read(item.ok_or(ItemError::Missing("id"))?, sealer)? {
        person::Stored::Person(record) => Ok(Claim::Taken(record)),
        person::Stored::Forward(_) => Ok(Claim::Moved),
    }
}

/// Why the claim failed, by the item as it was then.
fn not_taken(item: Option<&Item>, revision: u64) -> Result<Claim, ItemError> {
    let Some(item) = item else { return Ok(Claim::Moved) };
    check_version(item)?;
    let reader = ItemReader(item);
    if reader.has("forward") || reader.number::<u64>("revision")? != revision {
        return Ok(Claim::Moved);
    }
    let lease = reader.optional("lease", |reader, name| part::read_lease(reader.map(name)?))?;
    // Without a lease the condition would have held, so the lease was released just now.
    Ok(lease.map_or(Claim::Moved, |lease| Claim::Busy(lease.free_at)))
}

/// Decides whether a failed condition means a repeated write whose first answer was lost. It does
/// only if the item is exactly as this write leaves it: the same owner, revision and contents. A
/// lease that another worker took since does not matter.
pub(super) fn already_stored(
    item: Option<&Item>,
    record: &PersonRecord,
    owner: &Owner,
    sealer: &Sealer,
    operation: &'static str,
) -> Result<(), PortError> {
    if let Some(Err(ItemError::Newer)) = item.map(check_version) {
        return Err(ItemError::Newer.port_error(operation));
    }
    let ours = item.is_some_and(|item| person::is_ours(item, record, Some(owner), sealer));
    if ours { Ok(()) } else { Err(PortError::new(ErrorKind::Lost, operation)) }
}

#[cfg(test)]
mod tests {
    use super::super::person::tests::{record, sealer};
    use super::*;

    const OPERATION: &str = "PutItem";

    fn owner(nonce: u128) -> Owner {
        Owner::from_nonce(nonce)
    }

    fn lease(nonce: u128) -> Lease {
        Lease { owner: owner(nonce), until: Time(5), free_at: Time(9) }
    }

    fn stored(item: &Item, record: &PersonRecord, by: u128) -> bool {
        already_stored(Some(item), record, &owner(by), &sealer(), OPERATION).is_ok()
    }

    #[test]
    fn only_an_identical_write_counts_as_a_lost_answer() {
        let mut ours = record();
        ours.revision = 7;
        let item = person::item(&ours, Some(&owner(1)), &sealer());
        assert!(stored(&item, &ours, 1), "the same write with a new seal");
        assert!(!stored(&item, &ours, 2), "another owner's write");
        let mut other = ours.clone();
        other.revision = 8;
        assert!(!stored(&item, &other, 1), "an earlier revision of the same owner");
        let mut other = ours.clone();
        other.not_before = Time(99);
        assert!(!stored(&item, &other, 1), "other contents at the same revision");
        let unwritten = person::item(&ours, None, &sealer());
        assert!(!stored(&unwritten, &ours, 1), "a write without an owner");
    }

    #[test]
    fn a_lease_taken_since_does_not_hide_the_own_write() {
        let ours = record();
        let mut claimed = ours.clone();
        claimed.lease = Some(lease(2));
        let item = person::item(&claimed, Some(&owner(1)), &sealer());
        assert!(stored(&item, &ours, 1));
    }

    #[test]
    fn a_newer_item_is_refused_and_a_missing_one_is_lost() {
        let mut item = person::item(&record(), Some(&owner(1)), &sealer());
        item.insert("v".to_owned(), number(2));
        let kind = |item: Option<&Item>| {
            already_stored(item, &record(), &owner(1), &sealer(), OPERATION).unwrap_err().kind
        };
        assert_eq!(kind(Some(&item)), ErrorKind::Newer);
        assert_eq!(kind(None), ErrorKind::Lost);
    }

    #[test]
    fn a_failed_claim_reports_busy_or_moved() {
        let mut record = record();
        record.revision = 3;
        record.lease = Some(lease(2));
        let item = person::item(&record, None, &sealer());
        assert_eq!(not_taken(Some(&item), 3), Ok(Claim::Busy(Time(9))));
        assert_eq!(not_taken(Some(&item), 2), Ok(Claim::Moved));
        assert_eq!(not_taken(None, 3), Ok(Claim::Moved));
        let forward = person::forward(&record, &record, &owner(1));
        assert_eq!(not_taken(Some(&forward), 4), Ok(Claim::Moved));
        let mut newer = item;
        newer.insert("v".to_owned(), number(2));
        assert_eq!(not_taken(Some(&newer), 3), Err(ItemError::Newer));
    }
}
