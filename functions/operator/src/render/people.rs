//! People in one state.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use poolbridge_core::outcome::Reason;
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use serde_json::{Value, json};

use super::{ago, moment};

/// Writes them.
pub(crate) fn show(people: &[PersonRecord], now: Time, json: bool) -> std::io::Result<()> {
    let value: Vec<Value> = people.iter().map(value).collect();
    super::show(json, false, &json!({ "people": value }), &words(people, now))
}

fn value(record: &PersonRecord) -> Value {
    let sub = |side: Side| record.accounts.get(side).as_ref().map(|known| known.sub.as_str());
    let fields: Vec<Value> = record
        .blocked_fields
        .iter()
        .map(|(field, blocked_field)| {
            json!({
                "field": field.to_string(),
                "side": blocked_field.side.name(),
                "reason": blocked_field.reason.name(),
                "since": moment(blocked_field.since),
            })
        })
        .collect();
    json!({
        "person": record.id.as_str(),
        "old": sub(Side::Old),
        "new": sub(Side::New),
        "state": record.state.name(),
        "reason": record.reason.map(Reason::name),
        "tombstone": super::tombstone::value(record),
        "fields": fields,
        "updated": moment(record.updated),
    })
}

pub(super) fn words(people: &[PersonRecord], now: Time) -> String {
    if people.is_empty() {
        return "no one\n".to_owned();
    }
    let mut table = Table::new();
    // Lines without borders can be cut and grepped, and never wrap.
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["PERSON", "OLD", "NEW", "SINCE", "WHY"]);
    for record in people {
        let sub = |side: Side| {
            let known = record.accounts.get(side).as_ref();
            known.map_or_else(|| "-".to_owned(), |known| known.sub.to_string())
        };
        table.add_row([
            record.id.to_string(),
            sub(Side::Old),
            sub(Side::New),
            ago(record.updated, now),
            why(record),
        ]);
    }
    let lines: Vec<String> = table.lines().map(|line| format!("{}\n", line.trim())).collect();
    lines.concat()
}

fn why(record: &PersonRecord) -> String {
    let whole = record.reason.map(|reason| reason.name().to_owned());
    let deleted =
        record.tombstone.as_ref().map(|it| format!("deleted {}", super::tombstone::short(it)));
    let fields =
        record.blocked_fields.iter().map(|(field, it)| format!("{field}: {}", it.reason.name()));
    let reasons: Vec<String> = whole.into_iter().chain(deleted).chain(fields).collect();
    if reasons.is_empty() { "-".to_owned() } else { reasons.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::explain::tests::record;

    #[test]
    fn they_are_told_as_reviewed() {
        let people = [record()];
        super::super::golden("people", &words(&people, Time(1_700_000_100_000)));
        let reported = format!("{:#}\n", value(&people[0]));
        super::super::golden("people-json", &reported);
        assert_eq!(words(&[], Time(1)), "no one\n");
    }
}
