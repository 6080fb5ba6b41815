//! The tombstone of a deleted person, as `explain` and `people` show it.

use poolbridge_core::record::PersonRecord;
use poolbridge_core::time::Time;
use poolbridge_core::tombstone::{Owed, Tombstone};
use serde_json::{Value, json};

use super::{ago, moment};

/// JSON; null without a tombstone.
pub(super) fn value(record: &PersonRecord) -> Value {
    let Some(Tombstone { side, at, owed }) = &record.tombstone else { return Value::Null };
    json!({ "side": side.name(), "at": moment(*at), "owed": owed.map(Owed::name) })
}

/// One line of `explain`.
pub(super) fn line(record: &PersonRecord, now: Time) -> Option<String> {
    let tombstone = record.tombstone.as_ref()?;
    Some(format!("deleted    {}, proved {}", short(tombstone), ago(tombstone.at, now)))
}

/// A short text for a table.
pub(super) fn short(tombstone: &Tombstone) -> String {
    let owed = owed(tombstone).map_or_else(String::new, |owed| format!("; still to do: {owed}"));
    format!("in the {} pool{owed}", tombstone.side)
}

/// What apply still has to do to the other account.
pub(super) fn owed(tombstone: &Tombstone) -> Option<String> {
    let other = tombstone.side.other();
    tombstone.owed.map(|owed| format!("{} the account in the {other} pool", owed.name()))
}

#[cfg(test)]
mod tests {
    use poolbridge_core::reconcile::Explanation;
    use poolbridge_core::record::{Decision, DecisionKind, PersonState};
    use poolbridge_core::side::{BySide, Side};

    use super::*;
    use crate::render::explain::{self, ExplainView, tests::record};
    use crate::render::people;

    #[test]
    fn deleted_person_matches_the_golden_files() {
        let at = Time(1_700_000_000_000);
        let now = Time(1_700_000_100_000);
        let decision = |kind, side, reason| Decision {
            at,
            kind,
            fields: Vec::new(),
            side: Some(side),
            reason,
        };
        let record = PersonRecord {
            state: PersonState::Deleted,
            reason: None,
            tombstone: Some(Tombstone { side: Side::Old, at, owed: None }),
            baseline: None,
            lease: None,
            blocked_fields: std::collections::BTreeMap::new(),
            decisions: vec![
                decision(DecisionKind::Deleted, Side::Old, None),
                decision(DecisionKind::Disabled, Side::New, None),
            ],
            ..record()
        };
        let present = BySide { old: false, new: true };
        let explanation = Explanation { record: Some(record.clone()), present, plan: None };
        let view =
            ExplainView { record: record.clone(), explanation, pending_changes: Vec::new(), now };
        crate::render::golden("explain-deleted", &explain::text(&view));
        crate::render::golden("people-deleted", &people::text(&[record], now));
    }

    #[test]
    fn owed_action_is_shown_until_it_is_done() {
        let tombstone = Tombstone { side: Side::Old, at: Time(1_700_000_000_000), owed: None };
        let owing = Tombstone { owed: Some(Owed::Delete), ..tombstone.clone() };
        assert_eq!(short(&tombstone), "in the old pool");
        let to_do = "in the old pool; still to do: delete the account in the new pool";
        assert_eq!(short(&owing), to_do);
        let record =
            PersonRecord { state: PersonState::Deleted, tombstone: Some(owing), ..record() };
        assert_eq!(value(&record)["owed"], json!("delete"));
        let now = Time(1_700_000_060_000);
        let shown = format!("deleted    {to_do}, proved 1 min 0 s ago");
        assert_eq!(line(&record, now), Some(shown));
        assert_eq!(line(&PersonRecord { tombstone: None, ..record }, now), None);
    }
}
