//! Somebody who was deleted, as `explain` and `people` tell it.

use poolbridge_core::record::PersonRecord;
use poolbridge_core::time::Time;
use poolbridge_core::tombstone::{Owed, Tombstone};
use serde_json::{Value, json};

use super::{ago, moment};

/// For programs: null for whoever was not deleted.
pub(super) fn value(record: &PersonRecord) -> Value {
    let Some(Tombstone { side, at, owed }) = &record.tombstone else { return Value::Null };
    json!({ "side": side.name(), "at": moment(*at), "owed": owed.map(Owed::name) })
}

/// One line of a person's story.
pub(super) fn line(record: &PersonRecord, now: Time) -> Option<String> {
    let tombstone = record.tombstone.as_ref()?;
    Some(format!("deleted    {}, proved {}", short(tombstone), ago(tombstone.at, now)))
}

/// The same in a few words, for a table.
pub(super) fn short(tombstone: &Tombstone) -> String {
    let Tombstone { side, owed, .. } = tombstone;
    let other = side.other();
    let owed = owed.map_or_else(String::new, |owed| {
        format!("; still owed: {} the account in {other}", owed.name())
    });
    format!("in {side}{owed}")
}

#[cfg(test)]
mod tests {
    use poolbridge_core::reconcile::Explanation;
    use poolbridge_core::record::{Decision, DecisionKind, PersonState};
    use poolbridge_core::side::{BySide, Side};

    use super::*;
    use crate::render::explain::{self, Story, tests::record};
    use crate::render::people;

    #[test]
    fn a_deleted_person_is_told_as_reviewed() {
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
        let story = Story { record: record.clone(), explanation, pending_changes: Vec::new(), now };
        super::super::golden("explain-deleted", &explain::words(&story));
        super::super::golden("people-deleted", &people::words(&[record], now));
    }

    #[test]
    fn what_is_owed_is_told_until_it_is_done() {
        let tombstone = Tombstone { side: Side::Old, at: Time(1_700_000_000_000), owed: None };
        let owing = Tombstone { owed: Some(Owed::Delete), ..tombstone.clone() };
        assert_eq!(short(&tombstone), "in old");
        assert_eq!(short(&owing), "in old; still owed: delete the account in new");
        let record =
            PersonRecord { state: PersonState::Deleted, tombstone: Some(owing), ..record() };
        assert_eq!(value(&record)["owed"], json!("delete"));
        let now = Time(1_700_000_060_000);
        let reported =
            "deleted    in old; still owed: delete the account in new, proved 1 min 0 s ago";
        assert_eq!(line(&record, now).as_deref(), Some(reported));
        assert_eq!(line(&PersonRecord { tombstone: None, ..record }, now), None);
    }
}
