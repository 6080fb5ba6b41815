//! What `link` and `unlink` are about to do, and what they did. Names pools, `sub`s, states and
//! reasons, never what an account says.

use poolbridge_core::names::{PersonId, Sub};
use poolbridge_core::policy::Deletes;
use poolbridge_core::reconcile::operator::Candidate;
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::{BySide, Side};
use serde_json::json;

/// What `link` is about to do.
pub(crate) fn plan(pair: &BySide<Candidate>, deletes: Deletes) -> String {
    let mut lines = vec!["link two accounts as one person:".to_owned()];
    for side in Side::BOTH {
        let Candidate { account, person, .. } = pair.get(side);
        let kind = if account.federated() { ", federated" } else { "" };
        let state = person.as_ref().map_or_else(|| "not known yet".to_owned(), state);
        lines.push(format!("  {side}  {}  {state}{kind}", account.sub));
    }
    let effect = match deletes {
        Deletes::Disable => "disables",
        Deletes::Delete => "deletes",
        Deletes::Keep => "does not touch",
    };
    lines.push("the values of both are brought in step by the rules of a first link".to_owned());
    lines.push(format!("a later deletion of one account {effect} the other"));
    lines.join("\n")
}

/// What `unlink` is about to do.
pub(crate) fn unlink_plan(person: &PersonRecord) -> String {
    let mut lines = vec![format!("separate the accounts of one person ({}):", state(person))];
    for side in Side::BOTH {
        if let Some(known) = person.accounts.get(side) {
            lines.push(format!("  {side}  {}", known.sub));
        }
    }
    lines.push("each becomes a person of its own, and no search links them again".to_owned());
    lines.push(
        "no pool is written: values that travelled, and a disable, stay as they are".to_owned(),
    );
    lines.join("\n")
}

fn state(person: &PersonRecord) -> String {
    let reason = person.reason.map_or_else(String::new, |reason| format!(", {reason}"));
    format!("{}{reason}", person.state.name())
}

/// What `link` did.
pub(crate) fn linked(subs: &BySide<Sub>, person: &PersonId, json: bool) -> std::io::Result<()> {
    let BySide { old, new } = subs;
    let next = format!("poolbridge explain old:{old}");
    let value = json!({
        "person": person.as_str(),
        "accounts": { "old": old.as_str(), "new": new.as_str() },
        "next_steps": [&next],
    });
    let words = format!("linked: both accounts are looked at now; see `{next}`\n");
    super::show(json, false, &value, &words)
}

/// What `unlink` did.
pub(crate) fn unlinked(
    subs: &BySide<Sub>,
    halves: &BySide<PersonRecord>,
    json: bool,
) -> std::io::Result<()> {
    let BySide { old, new } = subs;
    let next = [format!("poolbridge explain old:{old}"), format!("poolbridge explain new:{new}")];
    let value = json!({
        "people": { "old": halves.old.id.as_str(), "new": halves.new.id.as_str() },
        "accounts": { "old": old.as_str(), "new": new.as_str() },
        "next_steps": next,
    });
    let words = format!(
        "separated: each account is a person of its own\n\
         see `{}` and `{}`; enable an account that the link disabled by hand\n",
        next[0], next[1]
    );
    super::show(json, false, &value, &words)
}

#[cfg(test)]
mod tests {
    use poolbridge_core::outcome::Reason;
    use poolbridge_core::record::PersonState;

    use super::*;
    use crate::render::explain::tests::record;

    #[test]
    fn plan_of_a_separation_is_as_reviewed() {
        let mut record = record();
        record.state = PersonState::Synced;
        record.reason = None;
        super::super::golden("unlink-plan", &unlink_plan(&record));
        record.state = PersonState::Held;
        record.reason = Some(Reason::Ambiguous);
        assert!(unlink_plan(&record).contains("(held, ambiguous)"));
    }
}
