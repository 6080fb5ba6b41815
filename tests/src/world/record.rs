//! Records what the table accepted: decisions, agreements, announced writes, and writes of workers
//! that had lost their lease.

use std::collections::BTreeSet;

use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::record::{Decision, PersonRecord, PersonState};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::WorldState;
use super::connection::Call;
use super::deletions;
use super::edits::Edit;
use super::watch::{Announced, Decided, Watch};

/// Records the result of a conditional write of a person record.
pub(super) fn stored(
    state: &mut WorldState,
    call: Call,
    record: &PersonRecord,
    done: Result<(), ErrorKind>,
) -> Result<(), PortError> {
    if let Err(kind) = done {
        state.say(|| format!("{call}: {}", kind.name()));
        return Err(PortError::new(kind, call.operation));
    }
    let holder = state.watch.holders.get(&record.id).copied();
    // A repetition of the current record gets the first answer and changes nothing.
    let written = state.table.people.get(&record.id) == Some(record);
    if written && holder.is_some_and(|holder| holder != call.task) {
        let detail = format!("{call} was accepted after another worker took the lease");
        state.watch.violated("no worker stores after it lost its lease", detail);
    }
    announce(state, call, record);
    deletions::check_tombstone(state, call, record);
    let at_rest = record.lease.is_none() && record.state != PersonState::Waiting;
    if record.baseline.is_some() && at_rest {
        state.watch.baseline.entry(record.id.clone()).or_insert(state.now);
    }
    for field in record.blocked_fields.keys() {
        state.watch.obstructed.insert((record.id.clone(), field.clone()), Time(i64::MAX));
    }
    for ((person, field), until) in &mut state.watch.obstructed {
        if *person == record.id && !record.blocked_fields.contains_key(field) {
            *until = state.now.min(*until);
        }
    }
    let fast = state.error_of(call.task);
    for decision in &record.decisions {
        let ours = |known: &&Decided| known.decision == *decision;
        let mut known = state.watch.decisions.iter().filter(ours);
        if known.any(|known| known.person == record.id) {
            continue;
        }
        // One-sided records that were joined carry decisions of others, dated by their clocks.
        let elsewhere = state.watch.decisions.iter().find(ours).map(|known| known.at);
        let at = elsewhere.unwrap_or(Time(decision.at.0 - fast));
        let (person, decision) = (record.id.clone(), decision.clone());
        state.watch.decisions.push(Decided { person, decision, at });
    }
    state.say(|| format!("{call}: {}", reported(record)));
    Ok(())
}

/// Records the writes that a person record announces, and that those of earlier workers are
/// resolved.
fn announce(state: &mut WorldState, call: Call, record: &PersonRecord) {
    let now = state.now;
    let Watch { announced, tasks, outdated, .. } = &mut state.watch;
    let theirs = announced.iter_mut().filter(|one| one.person == record.id);
    for one in theirs.filter(|one| one.resolved.is_none()) {
        let open = record.intent.as_ref().is_some_and(|it| it.fields.contains_key(&one.field));
        if one.task != call.task || !open {
            one.resolved = Some(now);
        }
    }
    let observations = tasks.entry(call.task).or_default();
    let doubtful = |edit: &&Edit| edit.field.is_yes_or_no() && !edit.initial;
    for edit in state.edits.all().iter().filter(doubtful) {
        let Some(side) = edit.side else { continue };
        let theirs = state.pools.get(side).all().iter().filter(|one| one.human == edit.human);
        for account in theirs {
            let seen = observations.seen(side, &account.sub, &edit.field);
            if seen.is_some_and(|seen| edit.at > seen.moment) {
                outdated.insert((record.id.clone(), edit.id), now);
            }
        }
    }
    let Some(intent) = &record.intent else { return };
    if record.lease.is_some() {
        let sides: BTreeSet<Side> = intent.fields.values().map(|intended| intended.side).collect();
        observations.writes_both = sides.len() > 1;
    }
    for (field, intended) in &intent.fields {
        let side = intended.side;
        let Some(known) = record.accounts.get(side) else { continue };
        let seen = observations.seen(side, &known.sub, field);
        let human = state.pools.get(side).get(&known.sub).map(|account| account.human);
        let source = human.and_then(|it| observations.body(&state.pools, side.other(), it, field));
        let origin = source.and_then(|body| body.origins.get(field));
        announced.push(Announced {
            task: call.task,
            person: record.id.clone(),
            field: field.clone(),
            side,
            wanted: origin.map(|&origin| state.edits.get(origin).value.clone()),
            observed: seen.map_or(now, |seen| seen.moment),
            resolved: None,
        });
    }
}

/// A person record in a few words.
fn reported(record: &PersonRecord) -> String {
    let kind = |one: &Decision| match one.side {
        Some(side) if !one.fields.is_empty() => {
            format!("{} {side} {}", one.kind.name(), one.fields.join(" "))
        }
        _ => one.kind.name().to_owned(),
    };
    let kinds: BTreeSet<String> = record.decisions.iter().map(kind).collect();
    let fields = record.intent.iter().flat_map(|intent| intent.fields.keys());
    let under_way: Vec<String> = fields.map(ToString::to_string).collect();
    let creation = if record.creation.is_some() { ", a creation announced" } else { "" };
    let lease = if record.lease.is_some() { "held" } else { "released" };
    let (state, revision) = (record.state.name(), record.revision);
    format!(
        "revision {revision}, {state}, lease {lease}, under way {under_way:?}{creation}, {kinds:?}"
    )
}
