//! How the bridge stands.

use std::time::Duration;

use poolbridge_aws::dynamodb::JournalEntry;
use poolbridge_core::drain::{DrainBlocker, QueueCounts};
use poolbridge_core::policy::Control;
use poolbridge_core::record::PersonState;
use poolbridge_core::restore::{Restore, RestoreStage};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use serde_json::{Map, Value, json};

use super::{ago, moment, short, span};

/// Everything that `status` tells.
#[derive(Debug)]
pub(crate) struct StatusView {
    pub(crate) name: String,
    pub(crate) at: Time,
    pub(crate) control: Control,
    /// The hash of the configuration at hand.
    pub(crate) hash: String,
    pub(crate) people: [(PersonState, u64); 7],
    /// Marked accounts, those of people held included.
    pub(crate) pending: u64,
    /// Marked accounts of people who are held.
    pub(crate) held_pending: u64,
    /// The age of the oldest deed that is marked.
    pub(crate) lag: Option<Duration>,
    /// Marks that were answered `retry` at least once.
    pub(crate) put_off: u64,
    pub(crate) queue: QueueCounts,
    /// The queue of bulk work, where it is known.
    pub(crate) bulk: Option<QueueCounts>,
    /// Dead letters, where their queue is known.
    pub(crate) dead: Option<u64>,
    /// Why it is not drained, as far as one look tells.
    pub(crate) blockers: Vec<DrainBlocker>,
    pub(crate) throttled: Option<String>,
    /// Changes that wait because the functions run another configuration than the one in force.
    pub(crate) other_configuration: u64,
    /// Captures whose mark failed.
    pub(crate) without_pending: u64,
    /// Held people with an outdated password that stays usable, and whether there may be more.
    pub(crate) kept_open: (u64, bool),
    pub(crate) journal: Option<JournalEntry>,
}

/// Writes it. `stream` while it is told again and again.
pub(crate) fn show(status: &StatusView, json: bool, stream: bool) -> std::io::Result<()> {
    super::show(json, stream, &value(status), &words(status))
}

fn value(status: &StatusView) -> Value {
    let StatusView { control, queue, .. } = status;
    let people: Map<String, Value> = status
        .people
        .iter()
        .map(|(state, count)| (state.name().to_owned(), json!(count)))
        .collect();
    let in_force = control.configuration.as_ref().map(|it| it.hash.clone());
    let blockers: Vec<String> = status.blockers.iter().map(super::drain::reason).collect();
    let journal = status
        .journal
        .as_ref()
        .map(|record| json!({ "at": moment(record.at), "who": record.who, "what": record.what }));
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
            "old": control.restores.old.as_ref().map(restore),
            "new": control.restores.new.as_ref().map(restore),
        },
        "configuration": {
            "here": status.hash,
            "in_force": in_force,
            "same": in_force.as_ref().is_none_or(|hash| *hash == status.hash),
            "waiting": status.other_configuration,
        },
        "people": people,
        "pending": {
            "count": status.pending,
            "held": status.held_pending,
            "put_off": status.put_off,
            "oldest_seconds": status.lag.map(|lag| lag.as_secs()),
        },
        "queue": {
            "waiting": queue.waiting,
            "in_flight": queue.in_flight,
            "delayed": queue.delayed,
            "dead": status.dead,
            "bulk": status.bulk.as_ref().map(|bulk| json!({
                "waiting": bulk.waiting,
                "in_flight": bulk.in_flight,
                "delayed": bulk.delayed,
            })),
        },
        "drained": blockers.is_empty(),
        "undrained": blockers,
        "throttled": status.throttled,
        "unmarked": status.without_pending,
        "passwords_kept_open": status.kept_open.0,
        "journal_last": journal,
    })
}

fn words(status: &StatusView) -> String {
    let StatusView { control, queue, .. } = status;
    let mut lines = vec![
        format!("bridge     {}", status.name),
        format!("phase      {} ({} is active)", control.phase.name(), control.phase.active()),
    ];
    if let Some(reason) = &control.paused {
        lines.push(format!("paused     {reason}; hint: `poolbridge resume` goes on"));
    }
    if let Some(breaker) = &control.breaker {
        let since = ago(breaker.since, status.at);
        let hint = "hint: find out who deletes, then `poolbridge resume --breaker`";
        lines.push(format!("breaker    tripped {since}: {}; {hint}", breaker.reason));
    }
    for side in Side::BOTH {
        if let Some(it) =
            control.restores.get(side).filter(|it| it.stage != RestoreStage::Cancelled)
        {
            lines.push(format!("restore    {}", restore_words(side, &it, status.at)));
        }
    }
    if control.closing {
        lines.push("closing    a switch was announced: nothing new is begun".to_owned());
    }
    lines.push(configuration(status));
    lines.push("people".to_owned());
    for (state, count) in &status.people {
        lines.push(format!("  {:<9}{count:>8}", state.name()));
    }
    lines.push(pending(status));
    let dead = status.dead.map_or_else(|| "unknown".to_owned(), |dead| dead.to_string());
    lines.push(format!(
        "queue      {} waiting, {} in flight, {} delayed, {dead} dead",
        queue.waiting, queue.in_flight, queue.delayed
    ));
    if let Some(bulk) = &status.bulk {
        lines.push(format!(
            "bulk       {} waiting, {} in flight, {} delayed",
            bulk.waiting, bulk.in_flight, bulk.delayed
        ));
    }
    if status.blockers.is_empty() {
        lines.push("drained    yes, at this look; `poolbridge drain` looks twice".to_owned());
    } else {
        lines.push(format!("drained    no: {}", super::drain::words(&status.blockers)));
    }
    let throttled = status.throttled.as_deref().unwrap_or("no");
    lines.push(format!("throttled  {throttled}"));
    if status.without_pending > 0 {
        let without_pending =
            super::drain::reason(&DrainBlocker::WithoutPending(status.without_pending));
        lines.push(format!("unmarked   {without_pending}"));
    }
    if let (count @ 1.., more) = status.kept_open {
        let least = if more { "at least " } else { "" };
        let hint = "hint: `poolbridge people --state held` lists them";
        lines.push(format!("passwords  {least}{count} out of date and still usable; {hint}"));
    }
    if let Some(record) = &status.journal {
        let when = ago(record.at, status.at);
        lines.push(format!("journal    {}, by {}, {when}", record.what, record.who));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn restore(note: &Restore) -> Value {
    json!({
        "stage": note.stage.name(),
        "since": moment(note.since),
        "decided": note.decided.map(|it| json!({ "what": it.what.name(), "at": moment(it.at) })),
    })
}

fn restore_words(side: Side, note: &Restore, now: Time) -> String {
    let since = ago(note.since, now);
    let what = match note.stage {
        RestoreStage::Prepared => "a recovery is prepared, and the pool takes no writes",
        RestoreStage::Started => "it was restored to a point in time",
        RestoreStage::Cancelled => "its recovery was cancelled",
        RestoreStage::Deleted => "it was deleted",
    };
    if let Some(it) = note.decided {
        let when = ago(it.at, now);
        return format!("{side} pool: {what} {since}; `{}` was decided {when}", it.what.name());
    }
    let hint = if note.stage == RestoreStage::Deleted {
        "see the runbook, pool-restored; if no pool was deleted, `poolbridge resume \
         --after-restore none`"
    } else {
        "when the recovery has ended, `poolbridge resume --after-restore heal`, `propagate` or `none`"
    };
    format!("{side} pool: {what} {since}; nothing is written but disables; hint: {hint}")
}

fn configuration(status: &StatusView) -> String {
    let here = short(&status.hash);
    let waiting = match status.other_configuration {
        0 => String::new(),
        1 => "; 1 change waits because a function runs another one".to_owned(),
        many => format!("; {many} changes wait because a function runs another one"),
    };
    match &status.control.configuration {
        Some(it) if it.hash != status.hash => format!(
            "config     {here} here, {} in force{waiting}; hint: deploy the same bridge.toml everywhere, \
             then `poolbridge resume`",
            short(&it.hash)
        ),
        Some(_) if !waiting.is_empty() => format!(
            "config     {here}, in force{waiting}; hint: deploy this bridge.toml, or run \
             `poolbridge resume` with the deployed one"
        ),
        Some(_) => format!("config     {here}, in force"),
        None => format!("config     {here}"),
    }
}

fn pending(status: &StatusView) -> String {
    let oldest = status.lag.map_or_else(String::new, |lag| format!(", the oldest {}", span(lag)));
    let held = match status.held_pending {
        0 => String::new(),
        held => format!(", {held} of people held"),
    };
    format!("pending    {}{oldest}{held}", status.pending)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use poolbridge_core::policy::{ConfigurationStamp, Phase};
    use poolbridge_core::side::BySide;

    use super::*;

    fn status() -> StatusView {
        StatusView {
            name: "acme".to_owned(),
            at: Time(1_700_000_000_000),
            control: Control { phase: Phase::Follow, ..Control::default() },
            hash: "0123456789abcdef".repeat(4),
            people: PersonState::ALL.map(|state| (state, 3)),
            pending: 0,
            held_pending: 0,
            lag: None,
            put_off: 0,
            queue: QueueCounts::default(),
            bulk: None,
            dead: Some(0),
            blockers: Vec::new(),
            throttled: None,
            other_configuration: 0,
            without_pending: 0,
            kept_open: (0, false),
            journal: None,
        }
    }

    fn troubled() -> StatusView {
        let stamp = ConfigurationStamp {
            hash: "fedcba98".repeat(8),
            since: Time(1),
            pools: poolbridge_core::side::BySide::default(),
        };
        StatusView {
            control: Control {
                phase: Phase::Follow,
                closing: true,
                paused: Some("upgrade".to_owned()),
                breaker: Some(poolbridge_core::breaker::Breaker::removals(Time(1_699_999_940_000))),
                restores: BySide {
                    old: Some(Restore {
                        stage: RestoreStage::Started,
                        since: Time(1_699_999_940_000),
                        decided: None,
                    }),
                    new: None,
                },
                configuration: Some(stamp),
                revision: 4,
            },
            pending: 7,
            held_pending: 2,
            lag: Some(Duration::from_secs(95)),
            put_off: 3,
            queue: QueueCounts { waiting: 4, in_flight: 1, delayed: 0 },
            bulk: Some(QueueCounts { waiting: 900, in_flight: 10, delayed: 0 }),
            dead: Some(1),
            blockers: vec![
                DrainBlocker::PendingChanges(5),
                DrainBlocker::UnderWay(1),
                DrainBlocker::Queue(5),
            ],
            throttled: Some("3 changes put off: a service asked to slow down".to_owned()),
            other_configuration: 2,
            without_pending: 1,
            kept_open: (2, false),
            journal: Some(JournalEntry {
                at: Time(1_699_999_990_000),
                id: 1,
                who: "ada".to_owned(),
                what: "pause".to_owned(),
                details: BTreeMap::new(),
            }),
            ..status()
        }
    }

    #[test]
    fn it_is_told_as_reviewed() {
        super::super::golden("status-quiet", &words(&status()));
        super::super::golden("status-troubled", &words(&troubled()));
        super::super::golden("status-json", &format!("{:#}\n", value(&troubled())));
    }

    #[test]
    fn functions_of_another_configuration_are_named_although_the_one_at_hand_is_in_force() {
        let mut status = status();
        let hash = status.hash.clone();
        status.control.configuration = Some(ConfigurationStamp {
            hash,
            since: Time(1),
            pools: poolbridge_core::side::BySide::default(),
        });
        assert!(configuration(&status).ends_with(", in force"), "{}", configuration(&status));
        status.other_configuration = 1;
        let line = configuration(&status);
        assert!(line.contains("1 change waits because a function runs another one"), "{line}");
        assert!(line.contains("hint: deploy this bridge.toml"), "{line}");
    }

    #[test]
    fn programs_find_what_they_are_promised() {
        let reported = value(&status());
        for key in ["phase", "active", "people", "pending", "queue", "drained", "throttled"] {
            assert!(reported.get(key).is_some(), "{key}");
        }
        assert_eq!(reported["drained"], json!(true));
        assert_eq!(reported["throttled"], Value::Null);
        assert_eq!(reported["pending"]["oldest_seconds"], Value::Null);
        for key in ["waiting", "in_flight", "delayed", "dead"] {
            assert!(reported["queue"][key].is_u64(), "{key}");
        }
        assert_eq!(value(&troubled())["drained"], json!(false));
        assert_eq!(value(&troubled())["pending"]["oldest_seconds"], json!(95));
    }
}
