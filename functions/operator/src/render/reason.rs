//! The hint of a reason, with the pool and the account of one person.

use poolbridge_core::outcome::Reason;
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::Side;

/// What to do about a reason. Names a known account instead of `SUB`, and the pool that poolbridge
/// would write, if it is given, instead of "the other pool".
pub(super) fn hint(reason: Reason, side: Option<Side>, record: &PersonRecord) -> String {
    let mut hint = reason.hint().to_owned();
    let known = |side: Side| record.accounts.get(side).as_ref().map(|it| (side, &it.sub));
    let accounts: Vec<_> = Side::BOTH.into_iter().filter_map(known).collect();
    if let Some((side, sub)) = accounts.first() {
        hint = hint.replace("retry old:SUB", &format!("retry {side}:{sub}"));
    }
    for (side, sub) in accounts {
        hint = hint.replace(&format!("--{side} SUB"), &format!("--{side} {sub}"));
    }
    match side {
        Some(side) => hint.replace("the other pool", &format!("the {side} pool")),
        None => hint,
    }
}

/// The hint for the reason of the whole person.
pub(super) fn of_person(reason: Reason, record: &PersonRecord) -> String {
    let blocked = record.blocked_fields.values().find(|blocked| blocked.reason == reason);
    hint(reason, blocked.map(|blocked| blocked.side), record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::explain::tests::record;

    #[test]
    fn hint_names_a_known_account_and_the_pool() {
        let mut record = record();
        let shown = hint(Reason::AddressTaken, Some(Side::New), &record);
        assert_eq!(
            shown,
            "free the address in the new pool, then `poolbridge retry old:sub-of-old`"
        );
        assert_eq!(of_person(Reason::AddressTaken, &record), shown);
        record.accounts.old = None;
        let shown = hint(Reason::RefusedByPool, None, &record);
        assert_eq!(shown, "correct the value, then `poolbridge retry new:sub-of-new`");
        let shown = hint(Reason::Unproven, None, &record);
        assert!(shown.ends_with("`poolbridge link --old SUB --new sub-of-new`"), "{shown}");
    }
}
