//! One person's whole story. Names fields, never what is in them; fingerprints are cut short.

use poolbridge_core::change::PendingChange;
use poolbridge_core::fingerprint::Fingerprint;
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::Reason;
use poolbridge_core::profile::Field;
use poolbridge_core::reconcile::Explanation;
use poolbridge_core::record::{BlockedField, Decision, PersonRecord};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use serde_json::{Map, Value, json};

use super::{ago, moment, span};

/// Everything that is told.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) record: PersonRecord,
    pub(crate) explanation: Explanation,
    /// The marks of the person's accounts.
    pub(crate) pending_changes: Vec<PendingChange>,
    pub(crate) now: Time,
}

/// Writes it.
pub(crate) fn show(story: &Story, json: bool) -> std::io::Result<()> {
    super::show(json, false, &value(story), &words(story))
}

fn value(story: &Story) -> Value {
    let Story { record, explanation, pending_changes, .. } = story;
    let accounts: Map<String, Value> = Side::BOTH
        .into_iter()
        .filter_map(|side| {
            let known = record.accounts.get(side).as_ref()?;
            let account = json!({
                "sub": known.sub.as_str(),
                "seen": moment(known.seen),
                "written": known.written.map(moment),
                "gone": known.gone.map(moment),
                "present": explanation.present.get(side),
            });
            Some((side.name().to_owned(), account))
        })
        .collect();
    let baseline: Map<String, Value> = record
        .baseline
        .iter()
        .flat_map(|baseline| &baseline.fields)
        .map(|(field, base)| (field.to_string(), json!(fingerprint(base.fingerprint))))
        .collect();
    let pending_changes: Vec<Value> = pending_changes.iter().map(pending).collect();
    let decisions: Vec<Value> = record.decisions.iter().map(decision).collect();
    json!({
        "person": record.id.as_str(),
        "state": record.state.name(),
        "reason": record.reason.map(Reason::name),
        "hint": record.reason.map(Reason::hint),
        "tombstone": super::tombstone::value(record),
        "accounts": accounts,
        "linked": record.linked.map(moment),
        "separated_from": separations(record),
        "baseline": record.baseline.as_ref().map(|_| baseline),
        "under_way": under_way(record),
        "blocked_fields": blocked_fields(record.blocked_fields.iter()),
        "passwords": passwords(record),
        "marks": pending_changes,
        "next": next(explanation),
        "decisions": decisions,
        "created": moment(record.created),
        "updated": moment(record.updated),
    })
}

/// The accounts from which an operator separated the person, by pool.
fn separations(record: &PersonRecord) -> Value {
    let subs =
        |side: Side| -> Vec<&str> { record.apart.of(side).iter().map(Sub::as_str).collect() };
    json!({ "old": subs(Side::Old), "new": subs(Side::New) })
}

fn under_way(record: &PersonRecord) -> Value {
    let intent = record.intent.as_ref().map(|intent| {
        let fields: Vec<String> =
            intent.fields.iter().map(|(field, it)| format!("{}:{field}", it.side)).collect();
        json!({ "fields": fields, "at": moment(intent.at), "until": moment(intent.until) })
    });
    let creation = record.creation.as_ref().map(|creation| {
        json!({ "side": creation.side.name(), "at": moment(creation.at), "until": moment(creation.until) })
    });
    let lease = record.lease.as_ref().map(|lease| json!({ "free_at": moment(lease.free_at) }));
    json!({
        "intent": intent,
        "creation": creation,
        "lease": lease,
        "owes_password": record.owes_password.map(Side::name),
        "owes_sign_out": owed_sign_outs(record).map(Side::name).collect::<Vec<_>>(),
        "not_before": moment(record.not_before),
    })
}

/// The pools whose password was closed while the sessions that it opened are still to be ended.
fn owed_sign_outs(record: &PersonRecord) -> impl Iterator<Item = Side> {
    let owed = record.passwords.owes_sign_out;
    Side::BOTH.into_iter().filter(move |side| *owed.get(*side))
}

fn blocked_fields<'a>(
    blocked_fields: impl Iterator<Item = (&'a Field, &'a BlockedField)>,
) -> Vec<Value> {
    blocked_fields
        .map(|(field, blocked_field)| {
            json!({
                "field": field.to_string(),
                "side": blocked_field.side.name(),
                "reason": blocked_field.reason.name(),
                "hint": blocked_field.reason.hint(),
                "since": moment(blocked_field.since),
            })
        })
        .collect()
}

fn passwords(record: &PersonRecord) -> Value {
    let passwords = &record.passwords;
    let times = |side: Side| {
        json!({
            "set": passwords.set.get(side).map(moment),
            "closed": passwords.closed.get(side).map(moment),
            "kept_open": passwords.open.get(side).map(Reason::name),
            "unproven": unproven(record, side).map(moment),
            "local_factors": record.local_factors.get(side),
        })
    };
    json!({
        "stale": passwords.stale(record.linked).map(Side::name),
        "old": times(Side::Old),
        "new": times(Side::New),
    })
}

/// When a message last claimed, without support, that the password of that pool was set.
fn unproven(record: &PersonRecord, side: Side) -> Option<Time> {
    let passwords = &record.passwords;
    let newer = |at: &Time| passwords.set.get(side).is_none_or(|set| *at > set);
    passwords.unproven.get(side).filter(newer)
}

fn pending(pending: &PendingChange) -> Value {
    json!({
        "side": pending.side.name(),
        "first": moment(pending.first),
        "last": moment(pending.last),
        "proof": pending.evidence.name(),
        "not_before": moment(pending.not_before),
        "attempts": pending.attempts,
        "reason": pending.reason,
    })
}

/// What the next apply would do.
fn next(explanation: &Explanation) -> Value {
    let Some(plan) = &explanation.plan else { return Value::Null };
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| {
            let fields: Vec<String> = step.action.fields().iter().map(Field::to_string).collect();
            let operation = step.action.operation();
            json!({ "side": step.side.name(), "operation": operation, "fields": fields })
        })
        .collect();
    let decisions: Vec<Value> = plan.decisions.iter().map(decision).collect();
    json!({
        "steps": steps,
        "blocked_fields": blocked_fields(plan.blocked_fields.iter()),
        "decisions": decisions,
        "more": plan.more,
    })
}

fn decision(decision: &Decision) -> Value {
    json!({
        "at": moment(decision.at),
        "kind": decision.kind.name(),
        "fields": decision.fields,
        "side": decision.side.map(Side::name),
        "reason": decision.reason.map(Reason::name),
    })
}

/// The beginning of a fingerprint: enough to see whether two are the same.
fn fingerprint(fingerprint: Option<Fingerprint>) -> Option<String> {
    fingerprint.map(|fingerprint| {
        let [one, two, three, four, ..] = fingerprint.bytes;
        format!("{}:{one:02x}{two:02x}{three:02x}{four:02x}", fingerprint.key)
    })
}

pub(super) fn words(story: &Story) -> String {
    let Story { record, now, .. } = story;
    let mut lines = vec![
        format!("person     {}", record.id),
        format!("state      {}, written {}", record.state.name(), ago(record.updated, *now)),
    ];
    if let Some(reason) = record.reason {
        lines.push(format!("why        {reason}; hint: {}", reason.hint()));
    }
    lines.extend(super::tombstone::line(record, *now));
    accounts(story, &mut lines);
    busy(record, *now, &mut lines);
    for (field, blocked_field) in &record.blocked_fields {
        lines.push(blocked_words("stuck", field, blocked_field, *now));
    }
    if let Some(side) = record.passwords.stale(record.linked) {
        lines.push(format!("password   the {side} pool's is out of date"));
    }
    if let Some((side, reason)) = record.passwords.kept_open() {
        let hint = reason.hint();
        lines.push(format!("password   the {side} pool's stays usable: {reason}; hint: {hint}"));
    }
    for side in Side::BOTH {
        if let Some(at) = unproven(record, side) {
            let (when, hint) = (ago(at, *now), Reason::PasswordUnproven.hint());
            let claim = format!("a message claims a new one in the {side} pool, {when}, unproven");
            lines.push(format!("password   {claim}; hint: {hint}"));
        }
    }
    for pending in &story.pending_changes {
        lines.push(pending_words(pending, *now));
    }
    plan_words(story, &mut lines);
    for decision in record.decisions.iter().rev() {
        lines.push(decision_words("decided", decision));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn accounts(story: &Story, lines: &mut Vec<String>) {
    let Story { record, explanation, now, .. } = story;
    for side in Side::BOTH {
        let Some(known) = record.accounts.get(side) else {
            lines.push(format!("{side}        no account is known"));
            continue;
        };
        let there = if *explanation.present.get(side) { "" } else { ", not there now" };
        let written = known
            .written
            .map_or_else(String::new, |written| format!(", written {}", ago(written, *now)));
        let seen = ago(known.seen, *now);
        lines.push(format!("{side}        {}, seen {seen}{written}{there}", known.sub));
    }
    for side in Side::BOTH {
        for sub in record.apart.of(side) {
            lines.push(format!("apart      an operator separated it from {side}:{sub}"));
        }
    }
    match &record.baseline {
        Some(baseline) => {
            let fields: Vec<String> = baseline.fields.keys().map(Field::to_string).collect();
            lines.push(format!("agreed     {}", fields.join(", ")));
        }
        None if record.tombstone.is_some() => {}
        None => lines.push("agreed     never".to_owned()),
    }
}

fn busy(record: &PersonRecord, now: Time, lines: &mut Vec<String>) {
    if let Some(intent) = &record.intent {
        let fields: Vec<String> =
            intent.fields.iter().map(|(field, it)| format!("{field} ({})", it.side)).collect();
        let since = ago(intent.at, now);
        lines.push(format!("under way  writing {}, begun {since}", fields.join(", ")));
    }
    if let Some(creation) = &record.creation {
        let since = ago(creation.at, now);
        lines.push(format!("under way  creating the {} account, begun {since}", creation.side));
    }
    if let Some(side) = record.owes_password {
        lines.push(format!("owed       a password for the account made in the {side} pool"));
    }
    for side in owed_sign_outs(record) {
        lines.push(format!("owed       a sign-out in the {side} pool"));
    }
    if let Some(lease) = record.lease.as_ref().filter(|lease| lease.free_at > now) {
        let left = span(lease.free_at.since(now));
        lines.push(format!("locked     being processed; the lease expires in {left}"));
    } else if record.not_before > now {
        let left = span(record.not_before.since(now));
        lines.push(format!("settling   not looked at for another {left}"));
    }
}

fn blocked_words(what: &str, field: &Field, blocked_field: &BlockedField, now: Time) -> String {
    let BlockedField { reason, side, since, .. } = blocked_field;
    format!(
        "{what:<11}{field} (to {side}): {reason}, {}; hint: {}",
        ago(*since, now),
        reason.hint()
    )
}

fn pending_words(pending: &PendingChange, now: Time) -> String {
    let since = ago(pending.first, now);
    let last = pending.reason.as_deref().map_or_else(String::new, |reason| {
        format!(", put off {} times, last: {reason}", pending.attempts)
    });
    format!("marked     {} changed {since} ({}){last}", pending.side, pending.evidence.name())
}

fn plan_words(story: &Story, lines: &mut Vec<String>) {
    let Some(plan) = &story.explanation.plan else {
        let next = match &story.record.tombstone {
            Some(tombstone) if tombstone.owed.is_some() => "what is still owed",
            Some(_) => "nothing, ever: the person was deleted",
            None => "both accounts are needed for a comparison",
        };
        lines.push(format!("next       {next}"));
        return;
    };
    if plan.steps.is_empty() {
        lines.push("next       nothing to write".to_owned());
    }
    for step in &plan.steps {
        let fields: Vec<String> = step.action.fields().iter().map(Field::to_string).collect();
        let operation = step.action.operation();
        lines.push(format!("next       {} in {}: {}", operation, step.side, fields.join(", ")));
    }
    for (field, blocked_field) in &plan.blocked_fields {
        // What is stuck already was told.
        let reported = story
            .record
            .blocked_fields
            .get(field)
            .is_some_and(|it| it.reason == blocked_field.reason);
        if !reported {
            lines.push(blocked_words("next stuck", field, blocked_field, story.now));
        }
    }
    for decision in &plan.decisions {
        lines.push(decision_words("next", decision));
    }
}

fn decision_words(what: &str, decision: &Decision) -> String {
    let side = decision.side.map_or_else(String::new, |side| format!(" ({side})"));
    let reason = decision.reason.map_or_else(String::new, |reason| format!(": {reason}"));
    let fields = match decision.fields.as_slice() {
        [] => String::new(),
        fields => format!(" {}", fields.join(", ")),
    };
    let at = moment(decision.at);
    format!("{what:<11}{at} {}{fields}{side}{reason}", decision.kind.name())
}

#[cfg(test)]
pub(crate) mod tests;
