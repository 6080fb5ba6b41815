//! The plans and the results of `link` and `unlink`. Shows pools, `sub`s, states and reasons, and
//! no value of an account.

use poolbridge_core::names::{PersonId, Sub};
use poolbridge_core::policy::Deletes;
use poolbridge_core::reconcile::operator::Candidate;
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::{BySide, Side};
use serde_json::json;

/// The plan of `link`.
pub(crate) fn plan(pair: &BySide<Candidate>, deletes: Deletes) -> String {
    let mut lines = vec!["link two accounts as one person:".to_owned()];
    for side in Side::BOTH {
        let Candidate { account, person, .. } = pair.get(side);
        let kind = if account.federated() { ", federated" } else { "" };
        let state = person.as_ref().map_or_else(|| "no person record yet".to_owned(), state);
        lines.push(format!("  {side}  {}  {state}{kind}", account.sub));
    }
    let effect = match deletes {
        Deletes::Disable => "disables",
        Deletes::Delete => "deletes",
        Deletes::Keep => "does not touch",
    };
    lines.push("apply then merges both accounts by the rules of a first link".to_owned());
    lines.push(format!("a later deletion of one account {effect} the other"));
    lines.join("\n")
}

/// The plan of `unlink`.
pub(crate) fn unlink_plan(person: &PersonRecord) -> String {
    let mut lines = vec![format!("separate the accounts of one person ({}):", state(person))];
    for side in Side::BOTH {
        if let Some(known) = person.accounts.get(side) {
            lines.push(format!("  {side}  {}", known.sub));
        }
    }
    lines.push("each becomes a person of its own, and no search links them again".to_owned());
    lines.push("no pool is written: copied values and a disable stay".to_owned());
    lines.join("\n")
}

fn state(person: &PersonRecord) -> String {
    let reason = person.reason.map_or_else(String::new, |reason| format!(", {reason}"));
    format!("{}{reason}", person.state.name())
}

/// Writes the result of `link`.
pub(crate) fn linked(subs: &BySide<Sub>, person: &PersonId, json: bool) -> std::io::Result<()> {
    let BySide { old, new } = subs;
    let next = format!("poolbridge explain old:{old}");
    let value = json!({
        "person": person.as_str(),
        "accounts": { "old": old.as_str(), "new": new.as_str() },
        "next_steps": [&next],
    });
    let text = format!("linked: both accounts were sent for processing; see `{next}`\n");
    super::show(json, false, &value, &text)
}

/// Writes the result of `unlink`.
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
    let text = format!(
        "separated: each account is a person of its own\n\
         see `{}` and `{}`; if the link disabled an account, enable it by hand\n",
        next[0], next[1]
    );
    super::show(json, false, &value, &text)
}

#[cfg(test)]
mod tests {
    use poolbridge_core::outcome::Reason;
    use poolbridge_core::record::PersonState;

    use super::*;
    use crate::render::explain::tests::record;

    #[test]
    fn plan_of_unlink_matches_the_golden_file() {
        let mut record = record();
        record.state = PersonState::Synced;
        record.reason = None;
        crate::render::golden("unlink-plan", &unlink_plan(&record));
        record.state = PersonState::Held;
        record.reason = Some(Reason::Ambiguous);
        assert!(unlink_plan(&record).contains("(held, ambiguous)"));
    }
}
