//! Detection routes: when each route last detected changes on each side, and whether a change was
//! detected that only a sweep can resolve.
//!
//! Both are notes with a time. A note never goes back in time: the newest observation wins, not the
//! last writer.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use poolbridge_core::fault::Fault;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::DynamoLedger;
use super::attribute::{Item, Mistake, Reader, VERSION, check_version, number, text, time};
use super::key::Key;
use super::mark::failed_condition;
use super::tally::Call;
use crate::fault::fault;

/// A route that detects changes. The pools' triggers are not listed here, because every change that
/// they capture shows that they work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// `CloudTrail` events, delivered by `EventBridge`.
    Trail,
    /// The scheduled comparison of both pools.
    Sweep,
}

impl Route {
    /// Both routes, in the order of listings.
    pub const ALL: [Self; 2] = [Self::Trail, Self::Sweep];

    /// The word for it in the table and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trail => "trail",
            Self::Sweep => "sweep",
        }
    }

    /// The route of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.name() == name)
    }
}

/// When a route last ran on one side, and its counts then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteNote {
    /// The route.
    pub route: Route,
    /// The pool.
    pub side: Side,
    /// When the route last ran.
    pub last: Time,
    /// Its counts, by name: numbers of events, accounts or pages, never a person's data.
    pub figures: BTreeMap<String, i64>,
}

impl DynamoLedger {
    /// Stores that a route ran at `note.last`. A note older than the stored one changes nothing and
    /// is no error. An item of a newer version is refused and stays unchanged.
    pub async fn note_route(&self, note: &RouteNote) -> Result<(), Fault> {
        let figures =
            note.figures.iter().map(|(name, count)| (name.clone(), number(count))).collect();
        let values = [
            ("route", text(note.route.name())),
            ("side", text(note.side.name())),
            ("figures", AttributeValue::M(figures)),
        ];
        self.keep_newest(&Key::route(note.route, note.side), note.last, values).await
    }

    /// The last note of every route and side, read consistently. A route that never ran on a side
    /// is left out.
    pub async fn routes(&self) -> Result<Vec<RouteNote>, Fault> {
        let mut notes = Vec::new();
        for route in Route::ALL {
            for side in Side::BOTH {
                let item = self.get(Call::ReadCounts, &Key::route(route, side)).await?;
                let note = item.map(|item| read(&item)).transpose();
                notes.extend(note.map_err(|mistake| mistake.fault("GetItem"))?);
            }
        }
        Ok(notes)
    }

    /// Stores that a change was detected at `at` that only a sweep of that side can resolve,
    /// because the event does not name its account. Pass the time of detection, not of the change:
    /// a pass that ran between the two may have missed it.
    pub async fn want_sweep(&self, side: Side, at: Time) -> Result<(), Fault> {
        let values = [("side", text(side.name()))];
        self.keep_newest(&Key::sweep_wanted(side), at, values).await
    }

    /// When a sweep of that side was last requested, if no pass has begun since.
    pub async fn sweep_wanted(&self, side: Side) -> Result<Option<Time>, Fault> {
        let item = self.get(Call::ReadCounts, &Key::sweep_wanted(side)).await?;
        item.map(|item| check_version(&item).and_then(|()| Reader(&item).time("last")))
            .transpose()
            .map_err(|mistake| mistake.fault("GetItem"))
    }

    /// Removes the sweep request, unless it is newer than `at`: a pass has begun whose listings see
    /// every change until then.
    pub async fn sweep_began(&self, side: Side, at: Time) -> Result<(), Fault> {
        const OPERATION: &str = "DeleteItem";
        self.tally.add(Call::Count);
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(Key::sweep_wanted(side).item()))
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
            _ => Err(fault(OPERATION, &error)),
        }
    }

    /// Writes a note with a time, unless the stored one has a later time.
    async fn keep_newest<const N: usize>(
        &self,
        key: &Key,
        last: Time,
        values: [(&'static str, AttributeValue); N],
    ) -> Result<(), Fault> {
        let set = values.iter().map(|(name, _)| format!(", #{name} = :{name}"));
        let update = format!("SET #v = :v, #last = :last{}", set.collect::<String>());
        let mut request = self
            .update(Call::Count, key)
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
fn stands(item: Option<&Item>, operation: &'static str) -> Result<(), Fault> {
    item.map_or(Ok(()), check_version).map_err(|mistake| mistake.fault(operation))
}

fn read(item: &Item) -> Result<RouteNote, Mistake> {
    check_version(item)?;
    let reader = Reader(item);
    let figure = |(name, value): (&String, &AttributeValue)| {
        let count = value.as_n().ok().and_then(|count| count.parse().ok());
        Ok((name.clone(), count.ok_or(Mistake::Wrong("figures"))?))
    };
    Ok(RouteNote {
        route: reader.word("route", Route::from_name)?,
        side: reader.side("side")?,
        last: reader.time("last")?,
        figures: reader.map("figures")?.0.iter().map(figure).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Item {
        let figures = [("accounts", number(7)), ("moved", number(-1))];
        let figures = figures.map(|(name, value)| (name.to_owned(), value));
        Item::from([
            ("v".to_owned(), number(1)),
            ("route".to_owned(), text("sweep")),
            ("side".to_owned(), text("new")),
            ("last".to_owned(), number(5)),
            ("figures".to_owned(), AttributeValue::M(figures.into())),
        ])
    }

    #[test]
    fn a_note_is_decoded_completely_or_not_at_all() {
        let note = read(&item()).unwrap();
        assert_eq!((note.route, note.side, note.last), (Route::Sweep, Side::New, Time(5)));
        let figures = [("accounts".to_owned(), 7), ("moved".to_owned(), -1)];
        assert_eq!(note.figures, figures.into());
        for name in ["v", "route", "side", "last", "figures"] {
            let mut item = item();
            item.remove(name);
            assert_eq!(read(&item), Err(Mistake::Missing(name)));
        }
        let figures = AttributeValue::M([("accounts".to_owned(), text("7"))].into());
        let wrong = [("route", text("rail")), ("side", text("left")), ("figures", figures)];
        for (name, value) in wrong {
            let mut item = item();
            item.insert(name.to_owned(), value);
            assert_eq!(read(&item), Err(Mistake::Wrong(name)));
        }
    }

    #[test]
    fn a_later_note_stays_and_one_of_a_newer_version_is_refused() {
        assert_eq!(stands(Some(&item()), "UpdateItem"), Ok(()));
        assert_eq!(stands(None, "UpdateItem"), Ok(()));
        let mut newer = item();
        newer.insert("v".to_owned(), number(2));
        let refused = stands(Some(&newer), "UpdateItem").unwrap_err();
        assert_eq!(refused, Mistake::Newer.fault("UpdateItem"));
        assert_eq!(read(&newer), Err(Mistake::Newer));
    }

    #[test]
    fn every_route_and_sweep_request_has_its_own_item() {
        let key = |key: Key| (key.pk, key.sk);
        let expected = |sk: &str| ("ROUTE#sweep".to_owned(), sk.to_owned());
        assert_eq!(key(Key::route(Route::Sweep, Side::Old)), expected("old"));
        assert_eq!(key(Key::sweep_wanted(Side::Old)), expected("wanted#old"));
        assert_eq!(Key::route(Route::Trail, Side::New).pk, "ROUTE#trail");
        for route in Route::ALL {
            assert_eq!(Route::from_name(route.name()), Some(route));
        }
    }
}
