//! The oracle decides whether an edit was lost. It uses what each author knew, not what the bridge
//! believes.
//!
//! The last edit of a field on each side must have one of these results: its value stands at the
//! end; an author who knew it overwrote it; it lost a recorded conflict; or it fell into a [`Gap`]
//! that no protocol with unconditional writes can close. A gap excuses that one edit of that one
//! field, and only for the moment that its doc names. It is counted and shown in the trace. In
//! every case, the value that stands must be a value that a person set last, and both sides must
//! agree.

use std::collections::BTreeSet;

use poolbridge_core::names::PersonId;
use poolbridge_core::policy::ConflictRule;
use poolbridge_core::profile::{Field, FieldState, Value};
use poolbridge_core::record::DecisionKind;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;

use super::checks::{Linked, linked};
use super::initial_state::Setting;
use crate::world::WorldState;
use crate::world::accounts::{SimulatedAccount, Version};
use crate::world::edits::{Edit, EditId, Human};
use crate::world::watch::{Decided, NAME_TAKEN, Unseen};

/// A gap that no protocol with unconditional writes can close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// An edit of the written side after the writer's last observation of it and before the write.
    /// That observation was the writer's last of all.
    Unseen,
    /// An edit of the written side that the last observation would have shown if it had not been
    /// stale: made less than the bound on stale reads before it.
    Hidden,
    /// An edit on the written side, after the observation and before the announced write of that
    /// field was recorded, that sets the same value as that write. For memberships, any such edit,
    /// because they do not move the account's last-modified date (`AmbiguousRevertIsConflict`).
    Concurrent,
    /// An edit of a membership that an observation did not show, because it was stale or too early.
    /// The person was recorded from that observation: both sides seemed to agree, and no date says
    /// otherwise.
    Torn,
    /// A whole account: in a pool that accepts only usernames, another person took the username
    /// after the moment that the last observation showed, and before the write.
    Taken,
}

impl Gap {
    /// Every gap.
    pub const ALL: [Self; 5] =
        [Self::Unseen, Self::Hidden, Self::Concurrent, Self::Torn, Self::Taken];

    /// The name under which it is counted.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unseen => "edit replaced unseen",
            Self::Hidden => "edit hidden by a stale read",
            Self::Concurrent => "edit during an open write",
            Self::Torn => "edit hidden by reads of two moments",
            Self::Taken => NAME_TAKEN,
        }
    }
}

/// The explanation for an edit whose value does not stand at the end.
enum EditExplanation {
    /// An author who knew it overwrote it, or the value had only come back.
    Known,
    /// It lost a recorded conflict.
    Overruled(Decided),
    /// It fell into a gap.
    Gap(Gap),
    /// No explanation.
    Lost,
}

/// One field of one human, at the end.
struct End<'a> {
    state: &'a WorldState,
    field: &'a Field,
    /// The two accounts.
    accounts: BySide<&'a SimulatedAccount>,
    /// The person.
    person: &'a PersonId,
    /// When the accounts were first agreed.
    baseline: Option<Time>,
    /// The edits that the two sides' values come from.
    origins: BTreeSet<EditId>,
}

/// Checks every field of a linked human.
pub fn check_no_lost_edit(state: &mut WorldState, setting: &Setting, human: Human) {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    let mut gaps: Vec<(Gap, String)> = Vec::new();
    if let Some(both) = linked(state, setting, human) {
        let last = |side| state.edits.last(human, side);
        let (old, new) = (last(Side::Old), last(Side::New));
        let fields: BTreeSet<&Field> = old.keys().chain(new.keys()).collect();
        for field in fields {
            check_field(
                state,
                setting,
                &both,
                field,
                [old.get(field), new.get(field)],
                &mut found,
                &mut gaps,
            );
        }
    }
    for (promise, detail) in found {
        state.watch.violated(promise, detail);
    }
    for (gap, what) in gaps {
        state.fault_injection.count(gap.name());
        state.say(|| format!("{}: {what}", gap.name()));
    }
}

fn check_field(
    state: &WorldState,
    setting: &Setting,
    both: &Linked<'_>,
    field: &Field,
    last: [Option<&EditId>; 2],
    found: &mut Vec<(&'static str, String)>,
    gaps: &mut Vec<(Gap, String)>,
) {
    let says = [both.profile.old.get(field), both.profile.new.get(field)];
    let unread = says.contains(&FieldState::Unknown);
    // Another promise covers sides that differ and fields that are held.
    if unread || says[0] != says[1] || both.record.blocked_fields.contains_key(field) {
        return;
    }
    let final_value = says[0].value().map(Value::canonical);
    let origins = Side::BOTH
        .into_iter()
        .filter_map(|side| both.accounts.get(side).body().origins.get(field).copied());
    // A held field is not agreed before its hold ends.
    let person = &both.record.id;
    let obstructed = state.watch.obstructed.get(&(person.clone(), field.clone())).copied();
    let baseline = state.watch.baseline.get(person).copied().max(obstructed);
    let end =
        End { state, field, accounts: both.accounts, person, baseline, origins: origins.collect() };
    for (side, edit) in Side::BOTH.into_iter().zip(last) {
        let Some(edit) = edit.map(|&edit| state.edits.get(edit)) else { continue };
        if covers(final_value.as_ref(), edit) {
            continue;
        }
        let by: Vec<u32> = end.origins.iter().map(|origin| origin.0).collect();
        let what = format!("edit {} of {field} on the {side} side, for {by:?}", edit.id.0);
        match end.account(edit, side) {
            EditExplanation::Known => {}
            EditExplanation::Gap(gap) => gaps.push((gap, what)),
            EditExplanation::Overruled(decision) => {
                // A person who edits while poolbridge's write is open counts as having seen it: no
                // rule chose that edit.
                let by_rule = decision.decision.kind != DecisionKind::EditedMeanwhile;
                let follows_rule = !by_rule || follows_rule(state, setting, field, edit, &decision);
                if !follows_rule && end.during_open_write(edit) {
                    // Made between the observation and the decision, which did not see it.
                    gaps.push((Gap::Concurrent, what));
                } else if !follows_rule {
                    let detail = format!("{what} lost a {}", decision.decision.kind.name());
                    found.push(("the conflict rule is obeyed", detail));
                }
            }
            EditExplanation::Lost => found.push(("nothing is lost", what)),
        }
    }
    // Where a value came back, either membership may stand, and a flag is disabled
    // (AmbiguousRevertIsConflict).
    let came_back = |Decided { person: whose, decision, .. }: &Decided| {
        whose == person
            && decision.kind == DecisionKind::CameBack
            && decision.fields.contains(&field.to_string())
    };
    let may_stand = *field != Field::Enabled || final_value.as_deref() == Some("false");
    let doubted = may_stand && state.watch.decisions.iter().any(came_back);
    let values = last.map(|edit| edit.and_then(|&edit| state.edits.get(edit).value.clone()));
    if !doubted && !values.contains(&final_value) {
        found.push(("no value returns", format!("{field}: no person set {final_value:?} last")));
    }
}

/// Whether that value covers the edit: the same value, or the same address, which a person
/// verified.
fn covers(value: Option<&String>, edit: &Edit) -> bool {
    let claimed = |value: &String| match value.strip_suffix("\u{1f}true") {
        Some(address) if edit.field.is_address() => Some(format!("{address}\u{1f}false")),
        _ => None,
    };
    value == edit.value.as_ref() || (edit.value.is_some() && value.and_then(claimed) == edit.value)
}

impl End<'_> {
    fn account(&self, edit: &Edit, side: Side) -> EditExplanation {
        let edits = &self.state.edits;
        let peers = self.peers(edit, side);
        let knew = |origin: &EditId| peers.iter().any(|&peer| edits.knew(*origin, peer));
        if self.origins.iter().any(knew) {
            return EditExplanation::Known;
        }
        if let Some(gap) = self.replaced_unseen(edit) {
            return EditExplanation::Gap(gap);
        }
        // The author knew the value that stands now. So the write that restored this value did not
        // see the edit.
        let newer = self.origins.iter().any(|&origin| edits.knew(edit.id, origin));
        if let Some(decision) = self.recorded(edit, side) {
            let came_back = decision.decision.kind == DecisionKind::CameBack;
            let doubtful = self.field.is_yes_or_no() || came_back || self.was_in_doubt(&decision);
            let first = self.baseline.is_none_or(|baseline| edit.at <= baseline);
            if !newer || doubtful || first {
                return EditExplanation::Overruled(decision);
            }
        }
        // A value that the other side's author knew before is back: a comparison of states sees no
        // change.
        let came_back = edit.known.iter().any(|&known| {
            let was = edits.get(known);
            // Every author knows that a new account is in no group, even the first to edit a
            // membership. And an author who knew one of two equal values of one moment knew both.
            let initially_absent =
                |&it: &EditId| edits.get(it).initial && edits.get(it).value.is_none();
            let first = |&origin: &EditId| edits.get(origin).known.iter().all(initially_absent);
            let from_creation = was.initial || self.origins.iter().any(first);
            let from_creation = from_creation && was.value.is_none();
            let peers = self.peers(was, was.side.unwrap_or(side));
            let author = |&origin: &EditId| peers.iter().any(|&it| edits.knew(origin, it));
            // The value had lost a decision that was not executed yet. The decision covers the same
            // value again.
            let lost = self.recorded(was, was.side.unwrap_or(side)).is_some();
            let shared = from_creation || lost || self.origins.iter().any(author);
            was.value == edit.value && shared
        });
        // Where nothing was agreed yet, a value wins over an absence, and a disable over an enable.
        let weaker = edit.value.is_none() || *self.field == Field::Enabled;
        let loses_first_link = weaker && self.baseline.is_none_or(|baseline| edit.at <= baseline);
        if loses_first_link || (came_back && !newer) {
            EditExplanation::Known
        } else if self.observed_at_two_times(edit) {
            EditExplanation::Gap(Gap::Torn)
        } else if (!newer || self.lost_captures()) && self.during_open_write(edit) {
            EditExplanation::Gap(Gap::Concurrent)
        } else {
            EditExplanation::Lost
        }
    }

    /// The edit, and edits of the other side with the same value at the same time. While both sides
    /// agreed, an author who overwrote one of them overwrote all.
    fn peers(&self, edit: &Edit, side: Side) -> Vec<EditId> {
        let stood = |side: Side, origin: EditId| -> Vec<(Time, Time)> {
            let versions = self.accounts.get(side).versions();
            let ends = versions.iter().skip(1).map(|version| version.at);
            let spans = versions.iter().zip(ends.chain([self.state.now]));
            let held = |version: &Version| version.body.origins.get(self.field) == Some(&origin);
            spans.filter(|(version, _)| held(version)).map(|(it, end)| (it.at, end)).collect()
        };
        let here = stood(side, edit.id);
        let together = |other: &&Edit| {
            let there = stood(side.other(), other.id);
            here.iter().any(|one| there.iter().any(|two| one.0 <= two.1 && two.0 <= one.1))
        };
        let all = self.state.edits.all().iter();
        let alike = all.filter(|other| {
            let theirs = other.human == edit.human && other.field == edit.field;
            theirs && covers(other.value.as_ref(), edit)
        });
        alike.filter(together).map(|other| other.id).chain([edit.id]).collect()
    }

    /// The gap in which a write replaced that edit, if there is one.
    fn replaced_unseen(&self, edit: &Edit) -> Option<Gap> {
        let mut unseen = self.state.watch.unseen.iter().filter(|unseen| unseen.edit == edit.id);
        unseen.find_map(|unseen| {
            let Unseen { observed, last, .. } = *unseen;
            let after = edit.at > observed;
            let hidden = !after && observed.since(edit.at) < self.state.settle;
            (after && last).then_some(Gap::Unseen).or(hidden.then_some(Gap::Hidden))
        })
    }

    /// Whether the person was recorded, after that edit or after the one that stands, from an
    /// observation that did not show one of the two.
    fn observed_at_two_times(&self, edit: &Edit) -> bool {
        let final_value = self.origins.iter().map(|&origin| self.state.edits.get(origin).at);
        let first = final_value.chain([edit.at]).min().unwrap_or(edit.at);
        let mut outdated = self.state.watch.outdated.iter();
        self.lost_captures()
            && outdated.any(|((person, missed), at)| {
                let ours = *missed == edit.id || self.origins.contains(missed);
                person == self.person && ours && *at >= first
            })
    }

    /// Whether the pool shows nowhere that the field changed: memberships have no date
    /// (`AmbiguousRevertIsConflict`).
    const fn lost_captures(&self) -> bool {
        matches!(self.field, Field::Group(_))
    }

    /// Whether that edit was made while a write to the field was announced, and cannot be
    /// distinguished from the write: it sets the same value, or the pool shows nowhere that the
    /// field changed.
    fn during_open_write(&self, edit: &Edit) -> bool {
        self.state.watch.announced.iter().any(|announced| {
            let ours = announced.field == *self.field && announced.person == *self.person;
            let here = edit.side == Some(announced.side);
            let until = announced.resolved.unwrap_or(self.state.now);
            let alike = self.lost_captures() || announced.wanted == Some(edit.value.clone());
            ours && here && alike && edit.at > announced.observed && edit.at <= until
        })
    }

    /// Whether that decision followed a doubtful one about the same field and side: the value to be
    /// carried then was not written yet.
    fn was_in_doubt(&self, later: &Decided) -> bool {
        let name = self.field.to_string();
        self.state.watch.decisions.iter().any(|decided| {
            let Decided { person, decision, at } = decided;
            let same = *person == later.person && decision.side == later.decision.side;
            let doubt = decision.kind == DecisionKind::CameBack;
            same && doubt && decision.fields.contains(&name) && *at <= later.at
        })
    }

    /// The conflict that overruled `side` after that edit, if one was recorded.
    fn recorded(&self, edit: &Edit, side: Side) -> Option<Decided> {
        let name = self.field.to_string();
        let conflict = |decided: &&Decided| {
            let decision = &decided.decision;
            matches!(
                decision.kind,
                DecisionKind::Conflict
                    | DecisionKind::FirstLinkConflict
                    | DecisionKind::CameBack
                    | DecisionKind::EditedMeanwhile
            ) && decision.fields.contains(&name)
                && decision.side == Some(side)
                && decided.at >= edit.at
        };
        // A person who was joined to another keeps their decisions.
        let table = &self.state.table;
        let here = |whose: &PersonId| table.person(whose).is_some_and(|it| it.id == *self.person);
        let all = self.state.watch.decisions.iter();
        let mut decisions = all.filter(|decided| here(&decided.person));
        decisions.rfind(conflict).cloned()
    }
}

/// Whether the overruled side is the one that the rule names, at that time.
fn follows_rule(
    state: &WorldState,
    setting: &Setting,
    field: &Field,
    edit: &Edit,
    decided: &Decided,
) -> bool {
    if *field == Field::Enabled {
        // Disabled wins: only an enabled flag can be overruled.
        return edit.value.as_deref() == Some("true");
    }
    let active = match state.watch.switched {
        Some(switched) if decided.at < switched => Side::Old,
        Some(_) => Side::New,
        None => state.table.control.phase.active(),
    };
    setting.policy.conflicts == ConflictRule::ActiveWins && decided.decision.side != Some(active)
}
