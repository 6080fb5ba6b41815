//! The list of people in one state.

use poolbridge_core::outcome::Reason;
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use serde_json::{Value, json};

use super::{ago, blocked_field, moment, table, tombstone};

/// Writes the list.
pub(crate) fn show(people: &[PersonRecord], now: Time, json: bool) -> std::io::Result<()> {
    let value: Vec<Value> = people.iter().map(value).collect();
    super::show(json, false, &json!({ "people": value }), &text(people, now))
}

fn value(record: &PersonRecord) -> Value {
    let sub = |side: Side| record.accounts.get(side).as_ref().map(|known| known.sub.as_str());
    json!({
        "person": record.id.as_str(),
        "old": sub(Side::Old),
        "new": sub(Side::New),
        "state": record.state.name(),
        "reason": record.reason.map(Reason::name),
        "tombstone": tombstone::value(record),
        "blocked_fields": blocked_field::values(&record.blocked_fields, record),
        "updated": moment(record.updated),
    })
}

/// The table names people by the `sub`s of their accounts, because the commands take these.
pub(super) fn text(people: &[PersonRecord], now: Time) -> String {
    if people.is_empty() {
        return "no people in this state\n".to_owned();
    }
    let rows = people.iter().map(|record| {
        let sub = |side: Side| {
            let known = record.accounts.get(side).as_ref();
            known.map_or_else(|| "-".to_owned(), |known| known.sub.to_string())
        };
        [sub(Side::Old), sub(Side::New), ago(record.updated, now), reasons(record)]
    });
    table(["OLD", "NEW", "UPDATED", "WHY"], rows).join("\n") + "\n"
}

/// The reason of the whole person, unless a blocked field shows it too, and the blocked fields.
fn reasons(record: &PersonRecord) -> String {
    let is_of_field =
        |reason: &Reason| record.blocked_fields.values().any(|it| it.reason == *reason);
    let whole = record.reason.filter(|reason| !is_of_field(reason));
    let whole = whole.map(|reason| reason.name().to_owned());
    let deleted = record.tombstone.as_ref().map(|it| format!("deleted {}", tombstone::short(it)));
    let fields =
        record.blocked_fields.iter().map(|(field, it)| format!("{field}: {}", it.reason.name()));
    let reasons: Vec<String> = whole.into_iter().chain(deleted).chain(fields).collect();
    if reasons.is_empty() { "-".to_owned() } else { reasons.join(", ") }
}

#[cfg(test)]
mod tests {
    use poolbridge_core::record::PersonState;

    use super::*;
    use crate::render::explain::tests::record;

    #[test]
    fn list_matches_the_golden_file() {
        let mut unlinked = record();
        unlinked.accounts.new = None;
        unlinked.state = PersonState::Held;
        unlinked.reason = Some(Reason::Ambiguous);
        unlinked.blocked_fields.clear();
        let people = [record(), unlinked];
        crate::render::golden("people", &text(&people, Time(1_700_000_100_000)));
        crate::render::golden("people-json", &format!("{:#}\n", value(&people[0])));
        assert_eq!(text(&[], Time(1)), "no people in this state\n");
    }
}
