//! Everything about one person. Shows names of fields, never their values, and shortened
//! fingerprints.

use poolbridge_core::change::PendingChange;
use poolbridge_core::fingerprint::Fingerprint;
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::Reason;
use poolbridge_core::plan::Plan;
use poolbridge_core::profile::Field;
use poolbridge_core::reconcile::Explanation;
use poolbridge_core::record::PersonRecord;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use serde_json::{Map, Value, json};

use super::{ago, blocked_field, decision, moment, reason, span, tombstone};

/// What `explain` shows.
#[derive(Debug)]
pub(crate) struct ExplainView {
    pub(crate) record: PersonRecord,
    pub(crate) explanation: Explanation,
    /// The pending changes of the person's accounts.
    pub(crate) pending_changes: Vec<PendingChange>,
    pub(crate) now: Time,
}

/// Writes it.
pub(crate) fn show(view: &ExplainView, json: bool) -> std::io::Result<()> {
    super::show(json, false, &value(view), &text(view))
}

fn value(view: &ExplainView) -> Value {
    let ExplainView { record, explanation, pending_changes, .. } = view;
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
    let decisions: Vec<Value> = record.decisions.iter().map(decision::value).collect();
    json!({
        "person": record.id.as_str(),
        "state": record.state.name(),
        "reason": record.reason.map(Reason::name),
        "hint": record.reason.map(|it| reason::of_person(it, record)),
        "tombstone": tombstone::value(record),
        "accounts": accounts,
        "linked": record.linked.map(moment),
        "separated_from": separations(record),
        "baseline": record.baseline.as_ref().map(|_| baseline),
        "under_way": under_way(record),
        "blocked_fields": blocked_field::values(&record.blocked_fields, record),
        "passwords": passwords(record),
        "pending_changes": pending_changes,
        "next": next(view),
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
        let (at, until) = (moment(creation.at), moment(creation.until));
        json!({ "side": creation.side.name(), "at": at, "until": until })
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

/// The pools with a closed password whose sessions are not ended yet.
fn owed_sign_outs(record: &PersonRecord) -> impl Iterator<Item = Side> {
    let owed = record.passwords.owes_sign_out;
    Side::BOTH.into_iter().filter(move |side| *owed.get(*side))
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

/// When a message last claimed that the password of that pool was set, without evidence.
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
        "evidence": pending.evidence.name(),
        "not_before": moment(pending.not_before),
        "attempts": pending.attempts,
        "reason": pending.reason,
    })
}

/// What the next run of apply would do; null if it has no plan.
fn next(view: &ExplainView) -> Value {
    let Some(plan) = &view.explanation.plan else { return Value::Null };
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| {
            let fields: Vec<String> = step.action.fields().iter().map(Field::to_string).collect();
            let operation = step.action.operation();
            json!({ "side": step.side.name(), "operation": operation, "fields": fields })
        })
        .collect();
    let decisions: Vec<Value> = plan.decisions.iter().map(decision::value).collect();
    json!({
        "steps": steps,
        "blocked_fields": blocked_field::values(&plan.blocked_fields, &view.record),
        "decisions": decisions,
        "more": plan.more,
    })
}

/// The start of a fingerprint, enough to compare two.
fn fingerprint(fingerprint: Option<Fingerprint>) -> Option<String> {
    fingerprint.map(|fingerprint| {
        let [one, two, three, four, ..] = fingerprint.bytes;
        format!("{}:{one:02x}{two:02x}{three:02x}{four:02x}", fingerprint.key)
    })
}

pub(super) fn text(view: &ExplainView) -> String {
    let ExplainView { record, now, .. } = view;
    let mut lines = vec![
        format!("person     {}", record.id),
        format!("state      {}, recorded {}", record.state.name(), ago(record.updated, *now)),
    ];
    if let Some(reason) = record.reason {
        lines.push(format!("why        {reason}; hint: {}", reason::of_person(reason, record)));
    }
    lines.extend(tombstone::line(record, *now));
    account_lines(view, &mut lines);
    work_lines(record, *now, &mut lines);
    for (field, blocked) in &record.blocked_fields {
        lines.push(format!("blocked    {}", blocked_field::text(field, blocked, record, *now)));
    }
    password_lines(record, *now, &mut lines);
    lines.extend(view.pending_changes.iter().map(|pending| pending_line(pending, *now)));
    match &view.explanation.plan {
        Some(plan) => plan_lines(plan, view, &mut lines),
        None => lines.push(format!("next       {}", without_plan(view))),
    }
    lines.extend(record.decisions.iter().rev().map(|it| decision::line("decided", it)));
    lines.push(String::new());
    lines.join("\n")
}

fn account_lines(view: &ExplainView, lines: &mut Vec<String>) {
    let ExplainView { record, explanation, now, .. } = view;
    for side in Side::BOTH {
        let Some(known) = record.accounts.get(side) else {
            lines.push(format!("{side}        no account is known"));
            continue;
        };
        let found = if *explanation.present.get(side) { "found now" } else { "not found now" };
        let read = ago(known.seen, *now);
        let written = known
            .written
            .map_or_else(String::new, |written| format!(", last written {}", ago(written, *now)));
        let missed = known
            .gone
            .map_or_else(String::new, |gone| format!(", first missed {}", ago(gone, *now)));
        let sub = &known.sub;
        lines.push(format!("{side}        {sub}: {found}{missed}, last read {read}{written}"));
    }
    for side in Side::BOTH {
        for sub in record.apart.of(side) {
            lines.push(format!("separated  by an operator from {side}:{sub}"));
        }
    }
    match &record.baseline {
        Some(baseline) => {
            let fields: Vec<String> = baseline.fields.keys().map(Field::to_string).collect();
            lines.push(format!("baseline   fields: {}", fields.join(", ")));
        }
        None if record.tombstone.is_some() => {}
        None if record.only_side().is_some() => {
            lines.push("baseline   none: only one account is known".to_owned());
        }
        None => lines.push("baseline   none: the accounts never agreed".to_owned()),
    }
}

/// Work that is under way or left, and what delays the next run of apply.
fn work_lines(record: &PersonRecord, now: Time, lines: &mut Vec<String>) {
    if let Some(intent) = &record.intent {
        let fields: Vec<String> =
            intent.fields.iter().map(|(field, it)| format!("{field} ({})", it.side)).collect();
        let since = ago(intent.at, now);
        lines.push(format!("under way  write of {}, begun {since}", fields.join(", ")));
    }
    if let Some(creation) = &record.creation {
        let since = ago(creation.at, now);
        let side = creation.side;
        lines.push(format!("under way  creation of the account in the {side} pool, begun {since}"));
    }
    if let Some(side) = record.owes_password {
        lines.push(format!("to do      set a password for the account created in the {side} pool"));
    }
    for side in owed_sign_outs(record) {
        lines.push(format!("to do      end the sessions in the {side} pool"));
    }
    if let Some(lease) = record.lease.as_ref().filter(|lease| lease.free_at > now) {
        let left = span(lease.free_at.since(now));
        lines.push(format!("locked     being processed; the lease expires in {left}"));
    } else if record.not_before > now {
        let left = span(record.not_before.since(now));
        lines.push(format!("settling   apply waits {left}, because a read may still be stale"));
    }
}

fn password_lines(record: &PersonRecord, now: Time, lines: &mut Vec<String>) {
    if let Some(side) = record.passwords.stale(record.linked) {
        lines.push(format!("password   out of date in the {side} pool"));
    }
    if let Some((side, reason)) = record.passwords.kept_open() {
        let hint = reason::hint(reason, Some(side), record);
        lines.push(format!("password   still usable in the {side} pool: {reason}; hint: {hint}"));
    }
    for side in Side::BOTH {
        if let Some(at) = unproven(record, side) {
            let (when, hint) = (ago(at, now), Reason::PasswordUnproven.hint());
            let claim = format!("claimed {when} in the {side} pool without evidence");
            lines.push(format!("password   {claim}; hint: {hint}"));
        }
    }
}

fn pending_line(pending: &PendingChange, now: Time) -> String {
    let (side, evidence, when) = (pending.side, pending.evidence.name(), ago(pending.first, now));
    let last = pending.reason.as_deref().map_or_else(String::new, |reason| {
        format!("; retried {} times, last reason: {reason}", pending.attempts)
    });
    format!("pending    {evidence} in the {side} pool {when}{last}")
}

fn plan_lines(plan: &Plan, view: &ExplainView, lines: &mut Vec<String>) {
    if plan.steps.is_empty() {
        lines.push("next       nothing to write".to_owned());
    }
    for step in &plan.steps {
        let fields: Vec<String> = step.action.fields().iter().map(Field::to_string).collect();
        let fields =
            if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) };
        let operation = step.action.operation();
        lines.push(format!("next       {operation} in the {} pool{fields}", step.side));
    }
    for (field, blocked) in &plan.blocked_fields {
        let known = view.record.blocked_fields.get(field);
        if known.is_none_or(|it| it.reason != blocked.reason) {
            let text = blocked_field::text(field, blocked, &view.record, view.now);
            lines.push(format!("next       block {text}"));
        }
    }
    lines.extend(plan.decisions.iter().map(|it| decision::line("next", it)));
}

/// What the next run of apply does if it cannot compare two accounts.
fn without_plan(view: &ExplainView) -> String {
    let ExplainView { record, explanation, .. } = view;
    if let Some(tombstone) = &record.tombstone {
        let nothing = || "nothing: the deletion is final".to_owned();
        return tombstone::owed(tombstone).unwrap_or_else(nothing);
    }
    let is_known = |side: Side| record.accounts.get(side).is_some();
    let is_missing = |side: &Side| is_known(*side) && !explanation.present.get(*side);
    if let Some(side) = Side::BOTH.into_iter().find(is_missing) {
        return format!(
            "read the account in the {side} pool again; if its deletion is proved and the circuit \
             breaker is closed, apply `[policy] deletes` to the other account"
        );
    }
    match Side::BOTH.into_iter().find(|side| !is_known(*side)) {
        Some(side) => format!("search the {side} pool for the account of this person"),
        None => "compare both accounts".to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
