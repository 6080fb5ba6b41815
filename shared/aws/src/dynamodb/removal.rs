//! Removals by the hour, and the circuit breaker (invariant 7). Each hour has one item, counted by
//! a conditional addition that fails once the bound is reached.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder as Update;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use poolbridge_core::breaker::{self, Breaker};
use poolbridge_core::error::PortError;
use poolbridge_core::time::Time;

use super::DynamoLedger;
use super::attribute::{Item, ItemError, ItemReader, VERSION, check_version, number};
use super::key::ItemKey;
use crate::error::port_error;

const OPERATION: &str = "UpdateItem";

enum RemovalCount {
    Yes,
    /// The window is full.
    Full,
    /// This window has no removal yet, so its bound is not set.
    Unknown,
}

impl DynamoLedger {
    /// Counts one removal in the window of `now`, if the window has room. The first removal of a
    /// window sets the bound from the number of people, for which it reads the counters. Every
    /// other one is a single write.
    pub(super) async fn count_removal(&self, now: Time) -> Result<bool, PortError> {
        let key = ItemKey::removals(breaker::window(now));
        match self.add_removal(&key).await? {
            RemovalCount::Yes => return Ok(true),
            RemovalCount::Full => return Ok(false),
            RemovalCount::Unknown => {}
        }
        let people = self.people_counts().await?.total();
        let expires = (now + breaker::KEPT).0.div_euclid(1_000);
        let request = self
            .update(&key)
            .update_expression(
                "SET #v = :v, #bound = if_not_exists(#bound, :bound), #expires_at = :expires_at \
                 ADD #count :one",
            )
            .condition_expression("attribute_not_exists(#v) OR (#v = :v AND #count < #bound)")
            .expression_attribute_names("#expires_at", "expires_at")
            .expression_attribute_values(":bound", number(breaker::removals_max(people)))
            .expression_attribute_values(":expires_at", number(expires));
        Ok(matches!(counted(request).await?, RemovalCount::Yes))
    }

    /// Raises the bound of the window of `now` and of the next one by `more`, and resets their
    /// counts: an operator confirmed that the removals are intended.
    pub async fn allow_removals(&self, now: Time, more: u64) -> Result<(), PortError> {
        let people = self.people_counts().await?.total();
        let bound = breaker::removals_max(people).saturating_add(more);
        let expires = (now + breaker::KEPT).0.div_euclid(1_000);
        for window in [breaker::window(now), breaker::window(now) + 1] {
            let request = self
                .update(&ItemKey::removals(window))
                .update_expression(
                    "SET #v = :v, #bound = :bound, #count = :none, #expires_at = :expires_at",
                )
                .condition_expression("attribute_not_exists(#v) OR #v = :v")
                .expression_attribute_names("#v", "v")
                .expression_attribute_names("#count", "count")
                .expression_attribute_names("#bound", "bound")
                .expression_attribute_names("#expires_at", "expires_at")
                .expression_attribute_values(":v", number(VERSION))
                .expression_attribute_values(":none", number(0))
                .expression_attribute_values(":bound", number(bound))
                .expression_attribute_values(":expires_at", number(expires));
            request.send().await.map_err(|error| port_error(OPERATION, &error))?;
        }
        Ok(())
    }

    /// Opens the breaker, unless it is open.
    pub(super) async fn open_breaker(&self, breaker: &Breaker) -> Result<(), PortError> {
        let open = |control: &mut poolbridge_core::control::Control| {
            control.breaker.get_or_insert_with(|| breaker.clone());
        };
        self.change_control(open).await.map(drop)
    }

    /// The removals in the window of `now`, and its bound. `None` before the first removal.
    pub async fn removals(&self, now: Time) -> Result<Option<(u64, u64)>, PortError> {
        let key = ItemKey::removals(breaker::window(now));
        let Some(item) = self.get(&key).await? else { return Ok(None) };
        read(&item).map(Some).map_err(|error| error.port_error("GetItem"))
    }

    async fn add_removal(&self, key: &ItemKey) -> Result<RemovalCount, PortError> {
        let request = self
            .update(key)
            .update_expression("ADD #count :one")
            .condition_expression("#v = :v AND #count < #bound");
        counted(request).await
    }
}

async fn counted(request: Update) -> Result<RemovalCount, PortError> {
    let answer = request
        .expression_attribute_names("#v", "v")
        .expression_attribute_names("#count", "count")
        .expression_attribute_names("#bound", "bound")
        .expression_attribute_values(":v", number(VERSION))
        .expression_attribute_values(":one", number(1))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    let Err(error) = answer else { return Ok(RemovalCount::Yes) };
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => match failed.item() {
            None => Ok(RemovalCount::Unknown),
            Some(item) => {
                check_version(item).map_err(|error| error.port_error(OPERATION))?;
                Ok(RemovalCount::Full)
            }
        },
        _ => Err(port_error(OPERATION, &error)),
    }
}

fn read(item: &Item) -> Result<(u64, u64), ItemError> {
    check_version(item)?;
    let reader = ItemReader(item);
    Ok((reader.number("count")?, reader.number("bound")?))
}
