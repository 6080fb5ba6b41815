//! The sweep's progress: one item, so that one write records a finished part and its result. It
//! holds sums and prefixes, and never a page token, which expires after an hour.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::side::{BySide, Side};
use poolbridge_sweep_core::difference::Difference;
use poolbridge_sweep_core::pass::{Buckets, Counts, Cursor, Pass};
use poolbridge_sweep_core::shard::Prefix;

use super::attribute::{
    Item, ItemError, ItemReader, VERSION, by_side, check_version, flag, map, number, text, time,
    with_some,
};
use super::key::ItemKey;
use super::{DynamoLedger, check_size};
use crate::error::port_error;

impl DynamoLedger {
    /// The sweep's progress; a new cursor if the sweep never began.
    pub async fn sweep_cursor(&self) -> Result<Cursor, PortError> {
        let item = self.get(&ItemKey::sweep_cursor()).await?;
        let cursor = item.map_or_else(|| Ok(Cursor::default()), |item| read(&item));
        cursor.map_err(|error| error.port_error("GetItem"))
    }

    /// Writes the sweep's progress if the stored item has the revision before. `Lost` if not:
    /// another sweep is running.
    pub async fn put_sweep_cursor(&self, cursor: &Cursor) -> Result<(), PortError> {
        const OPERATION: &str = "PutItem";
        let item = item(cursor);
        check_size(&item, OPERATION)?;
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let request = if cursor.revision <= 1 {
            request.condition_expression("attribute_not_exists(pk)")
        } else {
            request
                .condition_expression("#v = :v AND #revision = :before")
                .expression_attribute_names("#v", "v")
                .expression_attribute_names("#revision", "revision")
                .expression_attribute_values(":v", number(VERSION))
                .expression_attribute_values(":before", number(cursor.revision - 1))
        };
        let answer = request
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = answer else { return Ok(()) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                match failed.item().map(read) {
                    // This writer's own write succeeded, but its answer was lost.
                    Some(Ok(there)) if there.writer == cursor.writer => Ok(()),
                    Some(Err(ItemError::Newer)) => Err(ItemError::Newer.port_error(OPERATION)),
                    Some(_) | None => Err(PortError::new(ErrorKind::Lost, OPERATION)),
                }
            }
            _ => Err(port_error(OPERATION, &error)),
        }
    }
}

fn item(cursor: &Cursor) -> Item {
    let unexpected = BySide::from_fn(|side| Some(cursor.unexpected.get(side)));
    let value = map([
        ("v", number(VERSION)),
        ("revision", number(cursor.revision)),
        ("writer", text(format!("{:032x}", cursor.writer))),
        ("passes", number(cursor.passes)),
        ("unexpected", by_side(&unexpected, |it| prefixes(it))),
        ("covered", by_side(&cursor.covered, |at| time(*at))),
        ("accounts", by_side(&cursor.accounts, |count| number(count))),
        ("missing_buckets", number(cursor.buckets.missing)),
        ("member_buckets", number(cursor.buckets.members)),
        ("doubted", number(cursor.doubted)),
        ("depth", by_side(&BySide::from_fn(|side| Some(*cursor.depth.get(side))), |it| number(it))),
    ]);
    let value = with_some(value, "known_since", cursor.known_since.map(time));
    let value = with_some(value, "began", cursor.began.map(time));
    let value = with_some(value, "pass", cursor.pass.as_ref().map(pass));
    let mut item = ItemKey::sweep_cursor().item();
    if let AttributeValue::M(values) = value {
        item.extend(values);
    }
    item
}

fn pass(pass: &Pass) -> AttributeValue {
    let side = |side: Side| {
        let value = map([
            ("depth", number(pass.depth.get(side))),
            ("finished", prefixes(pass.finished.get(side))),
            ("buckets", number(pass.buckets.get(side))),
            ("to_cover", flag(*pass.to_cover.get(side))),
            ("counts", counts(pass.counts.get(side))),
        ]);
        with_some(value, "estimate", pass.estimate.get(side).map(number))
    };
    let unread = pass.unread.iter().map(number).collect();
    map([
        ("number", number(pass.number)),
        ("began", time(pass.began)),
        ("given_up", number(pass.given_up)),
        ("unread", AttributeValue::L(unread)),
        ("fruitless", number(pass.fruitless)),
        ("missing", AttributeValue::B(Blob::new(pass.missing.to_bytes()))),
        ("members", AttributeValue::B(Blob::new(pass.members.to_bytes()))),
        ("old", side(Side::Old)),
        ("new", side(Side::New)),
    ])
}

fn prefixes(prefixes: &BTreeSet<Prefix>) -> AttributeValue {
    AttributeValue::L(prefixes.iter().map(|prefix| text(prefix.as_str())).collect())
}

fn counts(counts: &Counts) -> AttributeValue {
    let named = counts.named().into_iter();
    AttributeValue::M(named.map(|(name, count)| (name.to_owned(), number(count))).collect())
}

fn read(item: &Item) -> Result<Cursor, ItemError> {
    check_version(item)?;
    let reader = ItemReader(item);
    let unexpected = reader.by_side("unexpected", read_prefixes)?;
    let depth =
        reader.optional("depth", |reader, name| reader.by_side(name, ItemReader::number))?;
    let depth: BySide<Option<u8>> = depth.unwrap_or_default();
    Ok(Cursor {
        revision: reader.number("revision")?,
        writer: reader.word("writer", |text| u128::from_str_radix(text, 16).ok())?,
        known_since: reader.optional("known_since", ItemReader::time)?,
        passes: reader.number("passes")?,
        began: reader.optional("began", ItemReader::time)?,
        unexpected: BySide {
            old: unexpected.old.unwrap_or_default(),
            new: unexpected.new.unwrap_or_default(),
        },
        covered: reader.by_side("covered", ItemReader::time)?,
        accounts: reader.by_side("accounts", ItemReader::number)?,
        buckets: Buckets {
            missing: reader.number("missing_buckets")?,
            members: reader.number("member_buckets")?,
        },
        doubted: reader.optional("doubted", ItemReader::number)?.unwrap_or(0),
        depth: BySide { old: depth.old.unwrap_or(0), new: depth.new.unwrap_or(0) },
        pass: reader.optional("pass", |reader, name| read_pass(reader.map(name)?))?,
    })
}

fn read_pass(reader: ItemReader<'_>) -> Result<Pass, ItemError> {
    let sides = BySide { old: reader.map("old")?, new: reader.map("new")? };
    Ok(Pass {
        number: reader.number("number")?,
        began: reader.time("began")?,
        depth: both(&sides, |side| side.number("depth"))?,
        estimate: both(&sides, |side| side.optional("estimate", ItemReader::number))?,
        finished: both(&sides, |side| read_prefixes(side, "finished"))?,
        buckets: both(&sides, |side| side.number("buckets"))?,
        given_up: reader.number("given_up")?,
        unread: reader.numbers("unread")?,
        to_cover: both(&sides, |side| side.flag("to_cover"))?,
        fruitless: reader.number("fruitless")?,
        missing: reader.bytes("missing").and_then(|it| difference(it, "missing"))?,
        members: reader.bytes("members").and_then(|it| difference(it, "members"))?,
        counts: both(&sides, |side| {
            let counts = side.map("counts")?;
            Counts::of_named(|name| counts.number(name))
        })?,
    })
}

fn both<'a, T>(
    sides: &BySide<ItemReader<'a>>,
    read: impl Fn(ItemReader<'a>) -> Result<T, ItemError>,
) -> Result<BySide<T>, ItemError> {
    Ok(BySide { old: read(sides.old)?, new: read(sides.new)? })
}

fn read_prefixes(
    reader: ItemReader<'_>,
    name: &'static str,
) -> Result<BTreeSet<Prefix>, ItemError> {
    let prefix = |value: &AttributeValue| {
        value
            .as_s()
            .map(|letters| Prefix::new(letters.as_str()))
            .map_err(|_| ItemError::Wrong(name))
    };
    reader.list(name)?.iter().map(prefix).collect()
}

fn difference(bytes: &[u8], name: &'static str) -> Result<Difference, ItemError> {
    Difference::from_bytes(bytes).ok_or(ItemError::Wrong(name))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use poolbridge_core::time::Time;
    use poolbridge_sweep_core::difference::PersonKey as Sum;
    use poolbridge_sweep_core::pass::{Partition, PartitionResult};

    use super::super::ITEM_BYTES_MAX;
    use super::super::attribute::size_bytes;
    use super::*;

    fn cursor() -> Cursor {
        let depth = BySide { old: 0, new: 3 };
        let mut cursor = Cursor { revision: 7, writer: 9, doubted: 2, depth, ..Cursor::default() };
        let estimate = BySide { old: Some(40_000_000), new: None };
        cursor.begin(Time(1_000), estimate, BySide { old: 3_000, new: 3_000 });
        let mut done = PartitionResult::default();
        done.missing.put(Sum { person: u128::MAX, tag: 0 });
        done.members.take(Sum { person: 1, tag: u32::MAX });
        done.unread.insert(5);
        done.counts.pages = 3;
        done.counts.uncovered = 4;
        done.unexpected.insert(Prefix::new("\"é"));
        cursor.finish(&Partition::Accounts(Side::Old, Prefix::new("0a")), &done, Time(2_000));
        cursor.finish(&Partition::Members(Side::New, 63), &done, Time(2_000));
        cursor.finish(&Partition::Cover(Side::Old), &done, Time(3_000));
        cursor
    }

    #[test]
    fn a_cursor_reads_back_unchanged() {
        assert_eq!(read(&item(&Cursor::default())), Ok(Cursor::default()));
        let cursor = cursor();
        assert_eq!(read(&item(&cursor)), Ok(cursor));
    }

    #[test]
    fn a_cursor_of_another_version_or_with_damaged_sums_is_refused() {
        let mut newer = item(&cursor());
        newer.insert("v".to_owned(), number(2));
        assert_eq!(read(&newer), Err(ItemError::Newer));
        let mut torn = item(&cursor());
        let mut values = torn["pass"].as_m().expect("the pass is a map").clone();
        values.insert("missing".to_owned(), AttributeValue::B(Blob::new([1, 2, 3])));
        torn.insert("pass".to_owned(), AttributeValue::M(values));
        assert_eq!(read(&torn), Err(ItemError::Wrong("missing")));
    }

    #[test]
    fn the_largest_pass_fits_into_one_item() {
        let mut cursor = cursor();
        for side in Side::BOTH {
            let parts = (0..4_096).map(|part| Prefix::new(format!("{part:03x}")));
            let pass = cursor.pass.as_mut().expect("the pass began");
            pass.finished.get_mut(side).extend(parts);
        }
        assert!(size_bytes(&item(&cursor)) < ITEM_BYTES_MAX / 2);
        let next = cursor.next_pass(Duration::from_hours(6), None);
        assert_eq!(next, Time(1_000) + Duration::from_hours(6));
    }
}
