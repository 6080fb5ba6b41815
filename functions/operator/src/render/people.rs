//! People in one state.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use poolbridge_core::entry::Entry;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_core::verdict::Reason;
use serde_json::{Value, json};

use super::{ago, moment};

/// Writes them.
pub(crate) fn show(people: &[Entry], now: Time, json: bool) -> std::io::Result<()> {
    let value: Vec<Value> = people.iter().map(value).collect();
    super::show(json, false, &json!({ "people": value }), &words(people, now))
}

fn value(entry: &Entry) -> Value {
    let sub = |side: Side| entry.accounts.get(side).as_ref().map(|known| known.sub.as_str());
    let fields: Vec<Value> = entry
        .obstacles
        .iter()
        .map(|(field, obstacle)| {
            json!({
                "field": field.to_string(),
                "side": obstacle.side.name(),
                "reason": obstacle.reason.name(),
                "since": moment(obstacle.since),
            })
        })
        .collect();
    json!({
        "person": entry.id.as_str(),
        "old": sub(Side::Old),
        "new": sub(Side::New),
        "state": entry.state.name(),
        "reason": entry.reason.map(Reason::name),
        "tombstone": super::tombstone::value(entry),
        "fields": fields,
        "updated": moment(entry.updated),
    })
}

pub(super) fn words(people: &[Entry], now: Time) -> String {
    if people.is_empty() {
        return "no one\n".to_owned();
    }
    let mut table = Table::new();
    // Lines without borders can be cut and grepped, and never wrap.
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["PERSON", "OLD", "NEW", "SINCE", "WHY"]);
    for entry in people {
        let sub = |side: Side| {
            let known = entry.accounts.get(side).as_ref();
            known.map_or_else(|| "-".to_owned(), |known| known.sub.to_string())
        };
        table.add_row([
            entry.id.to_string(),
            sub(Side::Old),
            sub(Side::New),
            ago(entry.updated, now),
            why(entry),
        ]);
    }
    let lines: Vec<String> = table.lines().map(|line| format!("{}\n", line.trim())).collect();
    lines.concat()
}

fn why(entry: &Entry) -> String {
    let whole = entry.reason.map(|reason| reason.name().to_owned());
    let deleted =
        entry.tombstone.as_ref().map(|it| format!("deleted {}", super::tombstone::short(it)));
    let fields = entry.obstacles.iter().map(|(field, it)| format!("{field}: {}", it.reason.name()));
    let reasons: Vec<String> = whole.into_iter().chain(deleted).chain(fields).collect();
    if reasons.is_empty() { "-".to_owned() } else { reasons.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::explain::tests::entry;

    #[test]
    fn they_are_told_as_reviewed() {
        let people = [entry()];
        super::super::golden("people", &words(&people, Time(1_700_000_100_000)));
        let told = format!("{:#}\n", value(&people[0]));
        super::super::golden("people-json", &told);
        assert_eq!(words(&[], Time(1)), "no one\n");
    }
}
