//! Blocked fields, as `explain` and `people` show them.

use poolbridge_core::profile::Field;
use poolbridge_core::record::{BlockedField, PersonRecord};
use poolbridge_core::time::Time;
use serde_json::{Value, json};

use super::{moment, reason, span};

/// JSON for a list of blocked fields of this person.
pub(super) fn values<'a>(
    blocked_fields: impl IntoIterator<Item = (&'a Field, &'a BlockedField)>,
    record: &PersonRecord,
) -> Vec<Value> {
    let value = |(field, blocked): (&Field, &BlockedField)| {
        json!({
            "field": field.to_string(),
            "side": blocked.side.name(),
            "reason": blocked.reason.name(),
            "hint": reason::hint(blocked.reason, Some(blocked.side), record),
            "since": moment(blocked.since),
        })
    };
    blocked_fields.into_iter().map(value).collect()
}

/// Text for one blocked field of this person.
pub(super) fn text(
    field: &Field,
    blocked: &BlockedField,
    record: &PersonRecord,
    now: Time,
) -> String {
    let BlockedField { reason, side, since, .. } = blocked;
    let (time, hint) = (span(now.since(*since)), reason::hint(*reason, Some(*side), record));
    format!("{field} in the {side} pool for {time}: {reason}; hint: {hint}")
}
