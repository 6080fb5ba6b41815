//! Blocked fields, as `explain` and `people` show them.

use poolbridge_core::profile::Field;
use poolbridge_core::record::BlockedField;
use poolbridge_core::time::Time;
use serde_json::{Value, json};

use super::{moment, span};

/// JSON for a list of blocked fields.
pub(super) fn values<'a>(
    blocked_fields: impl IntoIterator<Item = (&'a Field, &'a BlockedField)>,
) -> Vec<Value> {
    let value = |(field, blocked): (&Field, &BlockedField)| {
        json!({
            "field": field.to_string(),
            "side": blocked.side.name(),
            "reason": blocked.reason.name(),
            "hint": blocked.reason.hint(),
            "since": moment(blocked.since),
        })
    };
    blocked_fields.into_iter().map(value).collect()
}

/// Text for one blocked field.
pub(super) fn text(field: &Field, blocked: &BlockedField, now: Time) -> String {
    let BlockedField { reason, side, since, .. } = blocked;
    let (time, hint) = (span(now.since(*since)), reason.hint());
    format!("{field} in the {side} pool for {time}: {reason}; hint: {hint}")
}
