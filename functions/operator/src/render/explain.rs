//! One person's whole story. Names fields, never what is in them; fingerprints are cut short.

use poolbridge_core::change::Mark;
use poolbridge_core::converge::Explanation;
use poolbridge_core::entry::{Decision, Entry, Obstacle};
use poolbridge_core::facts::Field;
use poolbridge_core::fingerprint::Print;
use poolbridge_core::names::Sub;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use poolbridge_core::verdict::Reason;
use serde_json::{Map, Value, json};

use super::{ago, moment, span};

/// Everything that is told.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) entry: Entry,
    pub(crate) explanation: Explanation,
    /// The marks of the person's accounts.
    pub(crate) marks: Vec<Mark>,
    pub(crate) now: Time,
}

/// Writes it.
pub(crate) fn show(story: &Story, json: bool) -> std::io::Result<()> {
    super::show(json, false, &value(story), &words(story))
}

fn value(story: &Story) -> Value {
    let Story { entry, explanation, marks, .. } = story;
    let accounts: Map<String, Value> = Side::BOTH
        .into_iter()
        .filter_map(|side| {
            let known = entry.accounts.get(side).as_ref()?;
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
    let agreed: Map<String, Value> = entry
        .agreed
        .iter()
        .flat_map(|agreed| &agreed.fields)
        .map(|(field, base)| (field.to_string(), json!(print(base.print))))
        .collect();
    let marks: Vec<Value> = marks.iter().map(mark).collect();
    let decisions: Vec<Value> = entry.decisions.iter().map(decision).collect();
    json!({
        "person": entry.id.as_str(),
        "state": entry.state.name(),
        "reason": entry.reason.map(Reason::name),
        "hint": entry.reason.map(Reason::hint),
        "tombstone": super::tombstone::value(entry),
        "accounts": accounts,
        "linked": entry.linked.map(moment),
        "separated_from": separations(entry),
        "agreed": entry.agreed.as_ref().map(|_| agreed),
        "under_way": under_way(entry),
        "obstacles": obstacles(entry.obstacles.iter()),
        "passwords": passwords(entry),
        "marks": marks,
        "next": next(explanation),
        "decisions": decisions,
        "created": moment(entry.created),
        "updated": moment(entry.updated),
    })
}

/// The accounts from which an operator separated the person, by pool.
fn separations(entry: &Entry) -> Value {
    let subs = |side: Side| -> Vec<&str> { entry.apart.of(side).iter().map(Sub::as_str).collect() };
    json!({ "old": subs(Side::Old), "new": subs(Side::New) })
}

fn under_way(entry: &Entry) -> Value {
    let intent = entry.intent.as_ref().map(|intent| {
        let fields: Vec<String> =
            intent.fields.iter().map(|(field, it)| format!("{}:{field}", it.side)).collect();
        json!({ "fields": fields, "at": moment(intent.at), "until": moment(intent.until) })
    });
    let birth = entry.birth.as_ref().map(|birth| {
        json!({ "side": birth.side.name(), "at": moment(birth.at), "until": moment(birth.until) })
    });
    let lease = entry.lease.as_ref().map(|lease| json!({ "free_at": moment(lease.free_at) }));
    json!({
        "intent": intent,
        "birth": birth,
        "lease": lease,
        "owes_password": entry.owes_password.map(Side::name),
        "owes_sign_out": owed_sign_outs(entry).map(Side::name).collect::<Vec<_>>(),
        "not_before": moment(entry.not_before),
    })
}

/// The pools whose password was closed while the sessions that it opened are still to be ended.
fn owed_sign_outs(entry: &Entry) -> impl Iterator<Item = Side> {
    let owed = entry.passwords.owes_sign_out;
    Side::BOTH.into_iter().filter(move |side| *owed.get(*side))
}

fn obstacles<'a>(obstacles: impl Iterator<Item = (&'a Field, &'a Obstacle)>) -> Vec<Value> {
    obstacles
        .map(|(field, obstacle)| {
            json!({
                "field": field.to_string(),
                "side": obstacle.side.name(),
                "reason": obstacle.reason.name(),
                "hint": obstacle.reason.hint(),
                "since": moment(obstacle.since),
            })
        })
        .collect()
}

fn passwords(entry: &Entry) -> Value {
    let passwords = &entry.passwords;
    let times = |side: Side| {
        json!({
            "set": passwords.set.get(side).map(moment),
            "closed": passwords.closed.get(side).map(moment),
            "kept_open": passwords.open.get(side).map(Reason::name),
            "unproven": unproven(entry, side).map(moment),
            "local_factors": entry.local_factors.get(side),
        })
    };
    json!({
        "stale": passwords.stale(entry.linked).map(Side::name),
        "old": times(Side::Old),
        "new": times(Side::New),
    })
}

/// When a message last claimed, without support, that the password of that pool was set.
fn unproven(entry: &Entry, side: Side) -> Option<Time> {
    let passwords = &entry.passwords;
    let newer = |at: &Time| passwords.set.get(side).is_none_or(|set| *at > set);
    passwords.unproven.get(side).filter(newer)
}

fn mark(mark: &Mark) -> Value {
    json!({
        "side": mark.side.name(),
        "first": moment(mark.first),
        "last": moment(mark.last),
        "proof": mark.proof.name(),
        "not_before": moment(mark.not_before),
        "attempts": mark.attempts,
        "reason": mark.reason,
    })
}

/// What the next apply would do.
fn next(explanation: &Explanation) -> Value {
    let Some(plan) = &explanation.plan else { return Value::Null };
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| {
            let fields: Vec<String> = step.deed.fields().iter().map(Field::to_string).collect();
            let operation = step.deed.operation();
            json!({ "side": step.side.name(), "operation": operation, "fields": fields })
        })
        .collect();
    let decisions: Vec<Value> = plan.decisions.iter().map(decision).collect();
    json!({
        "steps": steps,
        "obstacles": obstacles(plan.obstacles.iter()),
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
fn print(print: Print) -> Option<String> {
    print.map(|print| {
        let [one, two, three, four, ..] = print.bytes;
        format!("{}:{one:02x}{two:02x}{three:02x}{four:02x}", print.key)
    })
}

pub(super) fn words(story: &Story) -> String {
    let Story { entry, now, .. } = story;
    let mut lines = vec![
        format!("person     {}", entry.id),
        format!("state      {}, written {}", entry.state.name(), ago(entry.updated, *now)),
    ];
    if let Some(reason) = entry.reason {
        lines.push(format!("why        {reason}; hint: {}", reason.hint()));
    }
    lines.extend(super::tombstone::line(entry, *now));
    accounts(story, &mut lines);
    busy(entry, *now, &mut lines);
    for (field, obstacle) in &entry.obstacles {
        lines.push(obstacle_words("stuck", field, obstacle, *now));
    }
    if let Some(side) = entry.passwords.stale(entry.linked) {
        lines.push(format!("password   the {side} pool's is out of date"));
    }
    if let Some((side, reason)) = entry.passwords.kept_open() {
        let hint = reason.hint();
        lines.push(format!("password   the {side} pool's stays usable: {reason}; hint: {hint}"));
    }
    for side in Side::BOTH {
        if let Some(at) = unproven(entry, side) {
            let (when, hint) = (ago(at, *now), Reason::PasswordUnproven.hint());
            let claim = format!("a message claims a new one in the {side} pool, {when}, unproven");
            lines.push(format!("password   {claim}; hint: {hint}"));
        }
    }
    for mark in &story.marks {
        lines.push(mark_words(mark, *now));
    }
    plan_words(story, &mut lines);
    for decision in entry.decisions.iter().rev() {
        lines.push(decision_words("decided", decision));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn accounts(story: &Story, lines: &mut Vec<String>) {
    let Story { entry, explanation, now, .. } = story;
    for side in Side::BOTH {
        let Some(known) = entry.accounts.get(side) else {
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
        for sub in entry.apart.of(side) {
            lines.push(format!("apart      an operator separated it from {side}:{sub}"));
        }
    }
    match &entry.agreed {
        Some(agreed) => {
            let fields: Vec<String> = agreed.fields.keys().map(Field::to_string).collect();
            lines.push(format!("agreed     {}", fields.join(", ")));
        }
        None if entry.tombstone.is_some() => {}
        None => lines.push("agreed     never".to_owned()),
    }
}

fn busy(entry: &Entry, now: Time, lines: &mut Vec<String>) {
    if let Some(intent) = &entry.intent {
        let fields: Vec<String> =
            intent.fields.iter().map(|(field, it)| format!("{field} ({})", it.side)).collect();
        let since = ago(intent.at, now);
        lines.push(format!("under way  writing {}, begun {since}", fields.join(", ")));
    }
    if let Some(birth) = &entry.birth {
        let since = ago(birth.at, now);
        lines.push(format!("under way  creating the {} account, begun {since}", birth.side));
    }
    if let Some(side) = entry.owes_password {
        lines.push(format!("owed       a password for the account made in the {side} pool"));
    }
    for side in owed_sign_outs(entry) {
        lines.push(format!("owed       a sign-out in the {side} pool"));
    }
    if let Some(lease) = entry.lease.as_ref().filter(|lease| lease.free_at > now) {
        let left = span(lease.free_at.since(now));
        lines.push(format!("locked     being processed; the lease expires in {left}"));
    } else if entry.not_before > now {
        let left = span(entry.not_before.since(now));
        lines.push(format!("settling   not looked at for another {left}"));
    }
}

fn obstacle_words(what: &str, field: &Field, obstacle: &Obstacle, now: Time) -> String {
    let Obstacle { reason, side, since, .. } = obstacle;
    format!(
        "{what:<11}{field} (to {side}): {reason}, {}; hint: {}",
        ago(*since, now),
        reason.hint()
    )
}

fn mark_words(mark: &Mark, now: Time) -> String {
    let since = ago(mark.first, now);
    let last = mark.reason.as_deref().map_or_else(String::new, |reason| {
        format!(", put off {} times, last: {reason}", mark.attempts)
    });
    format!("marked     {} changed {since} ({}){last}", mark.side, mark.proof.name())
}

fn plan_words(story: &Story, lines: &mut Vec<String>) {
    let Some(plan) = &story.explanation.plan else {
        let next = match &story.entry.tombstone {
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
        let fields: Vec<String> = step.deed.fields().iter().map(Field::to_string).collect();
        let operation = step.deed.operation();
        lines.push(format!("next       {} in {}: {}", operation, step.side, fields.join(", ")));
    }
    for (field, obstacle) in &plan.obstacles {
        // What is stuck already was told.
        let told = story.entry.obstacles.get(field).is_some_and(|it| it.reason == obstacle.reason);
        if !told {
            lines.push(obstacle_words("next stuck", field, obstacle, story.now));
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
