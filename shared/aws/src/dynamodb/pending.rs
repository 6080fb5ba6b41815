//! Pending changes: stored notes of account changes that are not applied yet.
//!
//! The table itself counts the token, which starts at a random number (`TokenNeverRepeats`).
//! So neither a late copy of a retried request nor a pending change that was cleared and stored
//! again can repeat a token.

use std::time::Duration;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use poolbridge_core::change::{ChangeEvent, Evidence, PendingChange};
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::Reason;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::DynamoLedger;
use super::attribute::{Item, ItemError, ItemReader, VERSION, check_version, number, text, time};
use super::key::ItemKey;
use crate::error::port_error;

/// How many times storing is tried if another writer stores or clears it at the same time.
const MARK_ROUNDS_MAX: usize = 8;

/// The first token is below 2^60, which leaves room to count. Two pending changes of one account
/// start at the same number only once in 10^18.
const FIRST_TOKEN_BITS: u32 = 60;

/// A number in the table has at most 38 digits ("Data types"), and so does a token.
const TOKEN_MAX: u128 = 10_u128.pow(38) - 1;

/// An event that is not older than the stored ones: it sets time and evidence.
const NEWER: &str = "SET #seq = if_not_exists(#seq, :random) + :one, \
    #first = if_not_exists(#first, :at), #last = :at, #evidence = :evidence, \
    #side = :side, #sub = :sub, #v = :v";

/// A hint creates a pending change if there is none, and is only counted if there is one. It moves
/// no time: otherwise a person who keeps signing in would postpone an earlier change forever.
const HINTED: &str = "SET #seq = if_not_exists(#seq, :random) + :one, \
    #first = if_not_exists(#first, :at), #last = if_not_exists(#last, :at), \
    #evidence = if_not_exists(#evidence, :evidence), #side = :side, #sub = :sub, #v = :v";

/// An older event is counted only. The newest event keeps time and evidence.
const OLDER: &str = "SET #seq = #seq + :one";

/// A new event cancels the back-off of an older one.
const NO_BACK_OFF: &str = "REMOVE #not_before, #attempts, #reason";

/// A summary of all pending changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PendingSummary {
    /// How many accounts have a pending change.
    pub count: u64,
    /// When the oldest event happened that is not applied yet.
    pub oldest: Option<Time>,
    /// How many have had at least one outcome `retry` since their last event.
    pub put_off: u64,
    /// How many this version cannot read; `count` includes them.
    pub unreadable: u64,
}

impl PendingSummary {
    /// How far behind the bridge is at `now`: the age of the oldest event that is not applied yet.
    pub fn lag(&self, now: Time) -> Option<Duration> {
        self.oldest.map(|oldest| now.since(oldest))
    }

    pub(super) fn add(&mut self, pending: &PendingChange) {
        self.count += 1;
        self.put_off += u64::from(pending.attempts > 0);
        self.oldest = Some(self.oldest.map_or(pending.first, |oldest| oldest.min(pending.first)));
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.put_off += other.put_off;
        self.unreadable += other.unreadable;
        self.oldest = self.oldest.into_iter().chain(other.oldest).min();
    }
}

impl DynamoLedger {
    pub(super) async fn leave_pending(&self, change: &ChangeEvent) -> Result<(), PortError> {
        let mut round = 0;
        loop {
            let Err(error) = self.make_pending_newer(change).await else { return Ok(()) };
            let seen = failed_condition(&error)?;
            // A newer event is stored already, so this one is only counted. If the pending change
            // was cleared meanwhile, start over, because a pending change without its times could
            // not be read.
            check_item(seen.as_ref())?;
            let Err(error) = self.make_pending_older(change, seen.as_ref()).await else {
                return Ok(());
            };
            check_item(failed_condition(&error)?.as_ref())?;
            round += 1;
            if round == MARK_ROUNDS_MAX {
                return Err(PortError::new(ErrorKind::Lost, "UpdateItem"));
            }
        }
    }

    /// Stores the event in the usual case: no newer event is stored, or a hint is not older than
    /// the oldest stored event.
    async fn make_pending_newer(&self, change: &ChangeEvent) -> Result<(), PendingError> {
        let first = u64::from_be_bytes(crate::secret::random()) >> (u64::BITS - FIRST_TOKEN_BITS);
        let (update, newest) = match change.evidence {
            Evidence::Hint => (HINTED, "#first"),
            Evidence::Changed | Evidence::Confirmed | Evidence::Deleted => (NEWER, "#last"),
        };
        let mut update = update.to_owned();
        let mut condition = format!(
            "(attribute_not_exists(#v) OR #v = :v) \
             AND (attribute_not_exists({newest}) OR {newest} <= :at)"
        );
        if password_attribute(change).is_some() {
            update += ", #password_at = :at";
            condition += " AND (attribute_not_exists(#password_at) OR #password_at <= :at)";
        }
        let request = self
            .update(&ItemKey::pending(change.side, &change.sub))
            .update_expression(format!("{update} {NO_BACK_OFF}"))
            .condition_expression(condition)
            .expression_attribute_names("#side", "side")
            .expression_attribute_names("#sub", "sub")
            .expression_attribute_values(":random", number(first))
            .expression_attribute_values(":evidence", text(change.evidence.name()))
            .expression_attribute_values(":side", text(change.side.name()))
            .expression_attribute_values(":sub", text(change.sub.as_str()));
        self.count_pending(request, change).await
    }

    /// Counts an event that is older than a stored one. It still keeps the oldest event time and
    /// the newest password time, and evidence replaces a hint. An update expression cannot compare,
    /// so `seen` decides what to write, and the condition checks that the item still equals `seen`.
    async fn make_pending_older(
        &self,
        change: &ChangeEvent,
        seen: Option<&Item>,
    ) -> Result<(), PendingError> {
        let mut condition = "#v = :v AND attribute_exists(#last)".to_owned();
        let mut update = OLDER.to_owned();
        let seen_at = |name| seen.and_then(|item| ItemReader(item).time(name).ok());
        let oldest = seen_at("first").is_some_and(|first| change.at < first);
        if oldest {
            condition += " AND #first > :at";
            update += ", #first = :at";
        } else {
            condition += " AND #first <= :at";
        }
        let hint = Evidence::Hint;
        let over_hints = seen.is_some_and(|item| {
            ItemReader(item)
                .word("evidence", Evidence::from_name)
                .is_ok_and(|evidence| evidence == hint)
        });
        condition += if over_hints { " AND #evidence = :hint" } else { " AND #evidence <> :hint" };
        let action = change.evidence != hint;
        let newest = seen_at("last").is_some_and(|last| last <= change.at);
        if action && !over_hints {
            condition += if newest { " AND #last <= :at" } else { " AND #last > :at" };
        }
        let speaks = action && (over_hints || newest);
        if speaks {
            update += ", #last = :at, #evidence = :evidence";
        } else if over_hints && oldest {
            update += ", #last = :at";
        }
        match password_attribute(change) {
            Some(name) if seen_at(name) < Some(change.at) => {
                condition += " AND (attribute_not_exists(#password_at) OR #password_at < :at)";
                update += ", #password_at = :at";
            }
            Some(_) => condition += " AND #password_at >= :at",
            None => {}
        }
        let request = self
            .update(&ItemKey::pending(change.side, &change.sub))
            .update_expression(format!("{update} {NO_BACK_OFF}"))
            .condition_expression(condition)
            .expression_attribute_values(":hint", text(hint.name()));
        let evidence = || text(change.evidence.name());
        let request = if speaks {
            request.expression_attribute_values(":evidence", evidence())
        } else {
            request
        };
        self.count_pending(request, change).await
    }

    async fn count_pending(
        &self,
        request: super::Update,
        change: &ChangeEvent,
    ) -> Result<(), PendingError> {
        let request = match password_attribute(change) {
            Some(name) => request.expression_attribute_names("#password_at", name),
            None => request,
        };
        request
            .expression_attribute_names("#first", "first")
            .expression_attribute_names("#last", "last")
            .expression_attribute_names("#evidence", "evidence")
            .expression_attribute_values(":at", time(change.at))
            .expression_attribute_names("#seq", "seq")
            .expression_attribute_names("#v", "v")
            .expression_attribute_names("#not_before", "not_before")
            .expression_attribute_names("#attempts", "attempts")
            .expression_attribute_names("#reason", "reason")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":v", number(VERSION))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await
            .map(drop)
    }

    pub(super) async fn pending_of(
        &self,
        side: Side,
        sub: &Sub,
    ) -> Result<Option<PendingChange>, PortError> {
        let item = self.get(&ItemKey::pending(side, sub)).await?;
        item.map(|item| read(&item).map_err(|error| error.port_error("GetItem"))).transpose()
    }

    pub(super) async fn take_pending_away(
        &self,
        side: Side,
        sub: &Sub,
        token: u128,
    ) -> Result<bool, PortError> {
        if token > TOKEN_MAX {
            return Ok(false);
        }
        let key = ItemKey::pending(side, sub);
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key.item()))
            .condition_expression("#seq = :token")
            .expression_attribute_names("#seq", "seq")
            .expression_attribute_values(":token", number(token))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(port_error("DeleteItem", &error)),
            },
        }
    }

    /// Postpones a pending change: apply need not process it before `until`. Only if the token is
    /// still `token`, so that a newer event does not wait for an older one's back-off. Returns
    /// whether it did.
    pub async fn back_off(
        &self,
        side: Side,
        sub: &Sub,
        token: u128,
        until: Time,
        reason: Reason,
    ) -> Result<bool, PortError> {
        if token > TOKEN_MAX {
            return Ok(false);
        }
        let answer = self
            .update(&ItemKey::pending(side, sub))
            .update_expression(
                "SET #not_before = :until, #reason = :reason, \
                 #attempts = if_not_exists(#attempts, :none) + :one",
            )
            .condition_expression("#seq = :token AND #v = :v")
            .expression_attribute_names("#seq", "seq")
            .expression_attribute_names("#v", "v")
            .expression_attribute_names("#not_before", "not_before")
            .expression_attribute_names("#attempts", "attempts")
            .expression_attribute_names("#reason", "reason")
            .expression_attribute_values(":token", number(token))
            .expression_attribute_values(":v", number(VERSION))
            .expression_attribute_values(":until", time(until))
            .expression_attribute_values(":reason", text(reason.name()))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":one", number(1))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) => failed_condition(&error).map(|_| false),
        }
    }
}

/// The attribute for the time of a change's password event: one for each kind of author and source,
/// so that none hides another. A password event that only a message claims never counts as seen.
const fn password_attribute(change: &ChangeEvent) -> Option<&'static str> {
    match (change.password, change.claimed, change.administrator) {
        (false, _, _) => None,
        (true, true, _) => Some("claimed_at"),
        (true, false, true) => Some("administrator_at"),
        (true, false, false) => Some("password_at"),
    }
}

type PendingError = aws_sdk_dynamodb::error::SdkError<UpdateItemError>;

/// The item on which a condition failed, if the service returned it; any other error is a port
/// error.
pub(super) fn failed_condition(error: &PendingError) -> Result<Option<Item>, PortError> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Ok(failed.item.clone()),
        _ => Err(port_error("UpdateItem", error)),
    }
}

/// A pending change of a newer version stays unchanged: the version that wrote it understands it.
fn check_item(seen: Option<&Item>) -> Result<(), PortError> {
    seen.map_or(Ok(()), check_version).map_err(|error| error.port_error("UpdateItem"))
}

pub(super) fn read(item: &Item) -> Result<PendingChange, ItemError> {
    check_version(item)?;
    let reader = ItemReader(item);
    Ok(PendingChange {
        side: reader.side("side")?,
        sub: reader.name("sub")?,
        token: reader.number("seq")?,
        first: reader.time("first")?,
        last: reader.time("last")?,
        evidence: reader.word("evidence", Evidence::from_name)?,
        password_at: reader.optional("password_at", ItemReader::time)?,
        administrator_at: reader.optional("administrator_at", ItemReader::time)?,
        claimed_at: reader.optional("claimed_at", ItemReader::time)?,
        not_before: reader.optional("not_before", ItemReader::time)?.unwrap_or(Time::ZERO),
        attempts: reader.optional("attempts", ItemReader::number)?.unwrap_or(0),
        // A code of a closed list: other text is not repeated.
        reason: reader
            .optional("reason", |reader, name| reader.word(name, Reason::from_name))?
            .map(|reason| reason.name().to_owned()),
    })
}

#[cfg(test)]
mod tests;
