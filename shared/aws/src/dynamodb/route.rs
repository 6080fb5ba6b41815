//! Detection routes: when each route last detected changes on each side, and whether a change was
//! detected that only a sweep can resolve.
//!
//! Both are notes with a time. A note never goes back in time: the newest observation wins, not the
//! last writer.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use poolbridge_core::error::PortError;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::DynamoLedger;
use super::attribute::{Item, ItemError, ItemReader, VERSION, check_version, number, text, time};
use super::detection_route::DetectionRoute;
use super::key::ItemKey;
use super::pending::failed_condition;
use crate::error::port_error;

/// When a route last ran on one side, and its counts then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteHeartbeat {
    /// The route.
    pub route: DetectionRoute,
    /// The pool.
    pub side: Side,
    /// When the route last ran.
    pub last: Time,
    /// Its counts, by name: numbers of events, accounts or pages, never a person's data.
    pub metrics: BTreeMap<String, i64>,
}

impl DynamoLedger {
    /// Stores that a route ran at `note.last`. A note older than the stored one changes nothing and
    /// is no error. An item of a newer version is refused and stays unchanged.
    pub async fn note_route(&self, note: &RouteHeartbeat) -> Result<(), PortError> {
        let metrics =
            note.metrics.iter().map(|(name, count)| (name.clone(), number(count))).collect();
        let values = [
            ("route", text(note.route.name())),
            ("side", text(note.side.name())),
            ("figures", AttributeValue::M(metrics)),
        ];
        self.keep_newest(&ItemKey::route(note.route, note.side), note.last, values).await
    }

    /// The last note of every route and side, read consistently. A route that never ran on a side
    /// is left out.
    pub async fn routes(&self) -> Result<Vec<RouteHeartbeat>, PortError> {
        let mut notes = Vec::new();
        for route in DetectionRoute::ALL {
            for side in Side::BOTH {
                let item = self.get(&ItemKey::route(route, side)).await?;
                let note = item.map(|item| read(&item)).transpose();
                notes.extend(note.map_err(|error| error.port_error("GetItem"))?);
            }
        }
        Ok(notes)
    }

    /// Stores that a change was detected at `at` that only a sweep of that side can resolve,
    /// because the event does not name its account. Pass the time of detection, not of the change:
    /// a pass that ran between the two may have missed it.
    pub async fn want_sweep(&self, side: Side, at: Time) -> Result<(), PortError> {
        let values = [("side", text(side.name()))];
        self.keep_newest(&ItemKey::sweep_wanted(side), at, values).await
    }

    /// When a sweep of that side was last requested, if no pass has begun since.
    pub async fn sweep_wanted(&self, side: Side) -> Result<Option<Time>, PortError> {
        let item = self.get(&ItemKey::sweep_wanted(side)).await?;
        item.map(|item| check_version(&item).and_then(|()| ItemReader(&item).time("last")))
            .transpose()
            .map_err(|error| error.port_error("GetItem"))
    }

    /// Removes the sweep request, unless it is newer than `at`: a pass has begun whose listings see
    /// every change until then.
    pub async fn sweep_began(&self, side: Side, at: Time) -> Result<(), PortError> {
        const OPERATION: &str = "DeleteItem";
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(ItemKey::sweep_wanted(side).item()))
            .condition_expression("#v = :v AND #last <= :at")
            .expression_attribute_names("#v", "v")
            .expression_attribute_names("#last", "last")
            .expression_attribute_values(":v", number(VERSION))
            .expression_attribute_values(":at", time(at))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = answer else { return Ok(()) };
        match error.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(failed)) => {
                stands(failed.item(), OPERATION)
            }
            _ => Err(port_error(OPERATION, &error)),
        }
    }

    /// Writes a note with a time, unless the stored one has a later time.
    async fn keep_newest<const N: usize>(
        &self,
        key: &ItemKey,
        last: Time,
        values: [(&'static str, AttributeValue); N],
    ) -> Result<(), PortError> {
        let set = values.iter().map(|(name, _)| format!(", #{name} = :{name}"));
        let update = format!("SET #v = :v, #last = :last{}", set.collect::<String>());
        let mut request = self
            .update(key)
            .expression_attribute_names("#v", "v")
            .expression_attribute_names("#last", "last")
            .expression_attribute_values(":v", number(VERSION))
            .expression_attribute_values(":last", time(last));
        for (name, value) in values {
            request = request
                .expression_attribute_names(format!("#{name}"), name)
                .expression_attribute_values(format!(":{name}"), value);
        }
        let answer = request
            .update_expression(update)
            .condition_expression("attribute_not_exists(#v) OR (#v = :v AND #last <= :last)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = answer else { return Ok(()) };
        stands(failed_condition(&error)?.as_ref(), "UpdateItem")
    }
}

/// Interprets a failed condition: a later note, or a note that was removed, is fine. A note of a
/// newer version is refused.
fn stands(item: Option<&Item>, operation: &'static str) -> Result<(), PortError> {
    item.map_or(Ok(()), check_version).map_err(|error| error.port_error(operation))
}

fn read(item: &Item) -> Result<RouteHeartbeat, ItemError> {
    check_version(item)?;
    let reader = ItemReader(item);
    let figure = |(name, value): (&String, &AttributeValue)| {
        let count = value.as_n().ok().and_then(|count| count.parse().ok());
        Ok((name.clone(), count.ok_or(ItemError::Wrong("figures"))?))
    };
    Ok(RouteHeartbeat {
        route: reader.word("route", DetectionRoute::from_name)?,
        side: reader.side("side")?,
        last: reader.time("last")?,
        metrics: reader.map("figures")?.0.iter().map(figure).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Item {
        let metrics = [("accounts", number(7)), ("moved", number(-1))];
        let metrics = metrics.map(|(name, value)| (name.to_owned(), value));
        Item::from([
            ("v".to_owned(), number(1)),
            ("route".to_owned(), text("sweep")),
            ("side".to_owned(), text("new")),
            ("last".to_owned(), number(5)),
            ("figures".to_owned(), AttributeValue::M(metrics.into())),
        ])
    }

    #[test]
    fn a_note_is_decoded_completely_or_not_at_all() {
        let note = read(&item()).unwrap();
        assert_eq!((note.route, note.side, note.last), (DetectionRoute::Sweep, Side::New, Time(5)));
        let metrics = [("accounts".to_owned(), 7), ("moved".to_owned(), -1)];
        assert_eq!(note.metrics, metrics.into());
        for name in ["v", "route", "side", "last", "figures"] {
            let mut item = item();
            item.remove(name);
            assert_eq!(read(&item), Err(ItemError::Missing(name)));
        }
        let metrics = AttributeValue::M([("accounts".to_owned(), text("7"))].into());
        let wrong = [("route", text("rail")), ("side", text("left")), ("figures", metrics)];
        for (name, value) in wrong {
            let mut item = item();
            item.insert(name.to_owned(), value);
            assert_eq!(read(&item), Err(ItemError::Wrong(name)));
        }
    }

    #[test]
    fn a_later_note_stays_and_one_of_a_newer_version_is_refused() {
        assert_eq!(stands(Some(&item()), "UpdateItem"), Ok(()));
        assert_eq!(stands(None, "UpdateItem"), Ok(()));
        let mut newer = item();
        newer.insert("v".to_owned(), number(2));
        let refused = stands(Some(&newer), "UpdateItem").unwrap_err();
        assert_eq!(refused, ItemError::Newer.port_error("UpdateItem"));
        assert_eq!(read(&newer), Err(ItemError::Newer));
    }

    #[test]
    fn every_route_and_sweep_request_has_its_own_item() {
        let key = |key: ItemKey| (key.pk, key.sk);
        let expected = |sk: &str| ("ROUTE#sweep".to_owned(), sk.to_owned());
        assert_eq!(key(ItemKey::route(DetectionRoute::Sweep, Side::Old)), expected("old"));
        assert_eq!(key(ItemKey::sweep_wanted(Side::Old)), expected("wanted#old"));
        assert_eq!(ItemKey::route(DetectionRoute::Trail, Side::New).pk, "ROUTE#trail");
        for route in DetectionRoute::ALL {
            assert_eq!(DetectionRoute::from_name(route.name()), Some(route));
        }
    }
}
