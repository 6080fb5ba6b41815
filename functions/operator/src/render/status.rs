//! The state of the bridge.

use std::time::Duration;

use poolbridge_aws::dynamodb::JournalEntry;
use poolbridge_core::control::Control;
use poolbridge_core::drain::{DrainBlocker, QueueCounts};
use poolbridge_core::record::PersonState;
use poolbridge_core::restore::{Restore, RestoreStage};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use serde_json::{Map, Value, json};

use super::drain::Queues;
use super::{ago, breaker_hint, drain, moment, short, span};

/// What `status` shows.
#[derive(Debug)]
pub(crate) struct StatusView {
    pub(crate) name: String,
    pub(crate) at: Time,
    pub(crate) control: Control,
    /// The hash of the local configuration.
    pub(crate) hash: String,
    pub(crate) people: [(PersonState, u64); 7],
    /// Accounts with a pending change, those of held people included.
    pub(crate) pending: u64,
    /// Accounts of held people with a pending change.
    pub(crate) held_pending: u64,
    /// The age of the oldest change that is not applied.
    pub(crate) oldest: Option<Duration>,
    /// Pending changes with the outcome `retry` at least once.
    pub(crate) retried: u64,
    pub(crate) queues: Queues,
    /// Dead letters, if their queue is known.
    pub(crate) dead: Option<u64>,
    /// Why the bridge is not drained, according to one check.
    pub(crate) blockers: Vec<DrainBlocker>,
    /// Pending changes that wait because a service throttled a call.
    pub(crate) throttled: u64,
    /// Pending changes that wait because a function runs another configuration than the active one.
    pub(crate) other_configuration: u64,
    /// Captures that stored no pending change and sent no message.
    pub(crate) lost_captures: u64,
    /// Held people with an outdated password that stays usable, and whether there may be more.
    pub(crate) kept_open: (u64, bool),
    pub(crate) journal: Option<JournalEntry>,
}

/// Writes the status. `stream`: it is one of several.
pub(crate) fn show(status: &StatusView, json: bool, stream: bool) -> std::io::Result<()> {
    super::show(json, stream, &value(status), &text(status))
}

fn value(status: &StatusView) -> Value {
    let StatusView { control, queues, .. } = status;
    let people: Map<String, Value> = status
        .people
        .iter()
        .map(|(state, count)| (state.name().to_owned(), json!(count)))
        .collect();
    let active = control.configuration.as_ref().map(|it| it.hash.clone());
    let blockers: Vec<String> =
        status.blockers.iter().map(|it| drain::reason(it, queues)).collect();
    let journal = status
        .journal
        .as_ref()
        .map(|entry| json!({ "at": moment(entry.at), "who": entry.who, "what": entry.what }));
    let mut queue = counts_value(&queues.live);
    queue["dead"] = json!(status.dead);
    queue["bulk"] = json!(queues.bulk.as_ref().map(counts_value));
    json!({
        "name": status.name,
        "at": moment(status.at),
        "phase": control.phase.name(),
        "active": control.phase.active().name(),
        "closing": control.closing,
        "paused": control.paused,
        "breaker": control.breaker.as_ref().map(|breaker| {
            json!({ "since": moment(breaker.since), "reason": breaker.reason })
        }),
        "restores": {
            "old": control.restores.old.as_ref().map(restore_value),
            "new": control.restores.new.as_ref().map(restore_value),
        },
        "configuration": {
            "local": status.hash,
            "active": active,
            "same": active.as_ref().is_none_or(|hash| *hash == status.hash),
            "waiting": status.other_configuration,
        },
        "people": people,
        "pending": {
            "count": status.pending,
            "held": status.held_pending,
            "retried": status.retried,
            "oldest_seconds": status.oldest.map(|age| age.as_secs()),
        },
        "queue": queue,
        "drained": blockers.is_empty(),
        "blockers": blockers,
        "throttled": throttled(status),
        "lost_captures": status.lost_captures,
        "passwords_kept_open": status.kept_open.0,
        "journal_last": journal,
    })
}

fn counts_value(counts: &QueueCounts) -> Value {
    let QueueCounts { waiting, in_flight, delayed } = counts;
    json!({ "waiting": waiting, "in_flight": in_flight, "delayed": delayed })
}

fn restore_value(restore: &Restore) -> Value {
    json!({
        "stage": restore.stage.name(),
        "since": moment(restore.since),
        "decided": restore.decided.map(|it| json!({ "what": it.what.name(), "at": moment(it.at) })),
    })
}

fn text(status: &StatusView) -> String {
    let (control, active) = (&status.control, status.control.phase.active());
    let mut lines = vec![
        format!("bridge     {}", status.name),
        format!("phase      {} (the {active} pool is active)", control.phase.name()),
    ];
    control_lines(status, &mut lines);
    lines.push(format!("config     {}", configuration(status)));
    lines.push("people".to_owned());
    for (state, count) in &status.people {
        lines.push(format!("  {:<9}{count:>8}", state.name()));
    }
    lines.push(format!("pending    {}", pending(status)));
    queue_lines(status, &mut lines);
    let throttled = throttled(status);
    lines.push(format!("throttled  {}", throttled.as_deref().unwrap_or("no")));
    if status.lost_captures > 0 {
        let lost = drain::lost_captures(status.lost_captures);
        let hint = "hint: capture's log names each `sub`; `poolbridge retry old:SUB` or new:SUB \
                    processes it; then `poolbridge drain --waive-lost-captures`";
        lines.push(format!("lost       {lost}; {hint}"));
    }
    if let (count @ 1.., more) = status.kept_open {
        let least = if more { "at least " } else { "" };
        let hint = "hint: `poolbridge people --state held` lists them";
        lines.push(format!("passwords  {least}{count} out of date and still usable; {hint}"));
    }
    if let Some(entry) = &status.journal {
        let when = ago(entry.at, status.at);
        lines.push(format!("journal    {}, by {}, {when}", entry.what, entry.who));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// What stops writes or removals.
fn control_lines(status: &StatusView, lines: &mut Vec<String>) {
    let control = &status.control;
    if let Some(reason) = &control.paused {
        lines.push(format!(
            "paused     {reason}; hint: `poolbridge resume` ends the pause and activates \
             the local bridge.toml"
        ));
    }
    if let Some(breaker) = &control.breaker {
        let when = ago(breaker.since, status.at);
        let hint = breaker_hint(control);
        lines.push(format!("breaker    opened {when}: {}; {hint}", breaker.reason));
    }
    for side in Side::BOTH {
        let restore = control.restores.get(side).as_ref();
        if let Some(it) = restore.filter(|it| it.stage != RestoreStage::Cancelled) {
            lines.push(format!("restore    {}", restore_text(side, it, status.at)));
        }
    }
    if control.closing {
        lines.push("closing    a switch is announced: apply begins no new work".to_owned());
    }
}

fn queue_lines(status: &StatusView, lines: &mut Vec<String>) {
    let Queues { live, bulk } = &status.queues;
    let dead = status.dead.map_or_else(|| "unknown".to_owned(), |dead| dead.to_string());
    lines.push(format!("queue      {}; dead letters: {dead}", counts_text(live)));
    lines.extend(bulk.iter().map(|bulk| format!("bulk       {}", counts_text(bulk))));
    lines.push(if status.blockers.is_empty() {
        "drained    yes, at this check; `poolbridge drain` checks for 60 s".to_owned()
    } else {
        format!("drained    no: {}", drain::line(&status.blockers, &status.queues))
    });
}

fn counts_text(counts: &QueueCounts) -> String {
    let QueueCounts { waiting, in_flight, delayed } = counts;
    format!("{waiting} waiting, {in_flight} in flight, {delayed} delayed")
}

fn throttled(status: &StatusView) -> Option<String> {
    match status.throttled {
        0 => None,
        1 => Some("1 change waits because a service throttled a call".to_owned()),
        many => Some(format!("{many} changes wait because a service throttled a call")),
    }
}

fn restore_text(side: Side, restore: &Restore, now: Time) -> String {
    let when = ago(restore.since, now);
    let what = match restore.stage {
        RestoreStage::Prepared => {
            format!("a recovery of the {side} pool was prepared {when}; it accepts no writes")
        }
        RestoreStage::Started => {
            format!("a restore of the {side} pool to a point in time began {when}")
        }
        RestoreStage::Cancelled => {
            format!("the recovery of the {side} pool was cancelled {when}")
        }
        RestoreStage::Deleted => format!("the {side} pool was deleted {when}"),
    };
    if let Some(it) = restore.decided {
        let when = ago(it.at, now);
        return format!("{what}; decision {} made {when}", it.what.name());
    }
    let hint = if restore.stage == RestoreStage::Deleted {
        "see the runbook, pool-restored; if no pool was deleted, `poolbridge resume \
         --after-restore none`"
    } else {
        "when the recovery has ended, `poolbridge resume --after-restore` heal, propagate or none"
    };
    format!("{what}; apply writes only disables; hint: {hint}")
}

fn configuration(status: &StatusView) -> String {
    let local = short(&status.hash);
    let waiting = match status.other_configuration {
        0 => String::new(),
        1 => "; 1 change waits because a function runs another file".to_owned(),
        many => format!("; {many} changes wait because a function runs another file"),
    };
    match &status.control.configuration {
        Some(it) if it.hash != status.hash => format!(
            "{local} local, {} active{waiting}; hint: deploy the same bridge.toml everywhere, then \
             `poolbridge resume`",
            short(&it.hash)
        ),
        Some(_) if !waiting.is_empty() => format!(
            "{local}, active{waiting}; hint: deploy this bridge.toml, or run `poolbridge resume` \
             with the deployed one"
        ),
        Some(_) => format!("{local}, active"),
        None => format!("{local} local, none active; hint: `poolbridge resume` activates it"),
    }
}

fn pending(status: &StatusView) -> String {
    let held = match status.held_pending {
        0 => String::new(),
        held => format!(", of which {held} of people in held or conflict"),
    };
    let oldest = status
        .oldest
        .map_or_else(String::new, |age| format!("; the oldest of them all {} old", span(age)));
    format!("{}{held}{oldest}", status.pending)
}

#[cfg(test)]
mod tests;
