//! The oracle: was any edit lost? Judged by who knew what, not by what the bridge believes.
//!
//! The last edit of a field on each side either stands in the end, or was overwritten by somebody
//! who knew it, or lost a recorded conflict, or fell into a gap that no protocol over unconditional
//! writes can close. The constants below name those gaps; what falls into them is counted.

use std::collections::BTreeSet;

use poolbridge_core::entry::{Decision, DecisionKind};
use poolbridge_core::facts::{Field, Reading, Value};
use poolbridge_core::names::PersonId;
use poolbridge_core::policy::ConflictRule;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;

use super::beginning::Setting;
use super::checks::{Linked, linked};
use crate::world::State;
use crate::world::accounts::{SimulatedAccount, Version};
use crate::world::edits::{Edit, EditId, Human};

/// An edit between the last look at the side that is written and the write.
pub const UNSEEN: &str = "edit replaced unseen";

/// An edit of a two-valued field while a write of it was announced: it looks like the write.
pub const BESIDE: &str = "edit beside an open write";

/// An edit of a two-valued field between the looks at the two sides, or hidden by a stale one.
pub const TORN: &str = "edit judged by looks of two moments";

/// Edits that fell into a gap.
#[derive(Default)]
struct Gaps {
    unseen: u32,
    beside: u32,
    torn: u32,
}

/// How an edit that does not stand in the end is accounted for.
enum Account {
    /// Somebody overwrote it who knew it, or the value had only come back.
    Known,
    /// It lost a conflict that was recorded.
    Overruled(Decision),
    /// It was replaced unseen.
    Gap,
    /// It was made, with two values only, while a write of that field was announced: nobody can
    /// tell it from the write (R4).
    Beside,
    /// It has two values only, and looks of two moments made both sides seem to agree.
    Torn,
    /// Not at all.
    Lost,
}

/// One field of one human, at the end.
struct End<'a> {
    state: &'a State,
    field: &'a Field,
    /// The two accounts.
    accounts: BySide<&'a SimulatedAccount>,
    /// The person.
    person: &'a PersonId,
    /// When something was first agreed.
    agreed: Option<Time>,
    /// The edits that the two sides' values come from.
    origins: BTreeSet<EditId>,
}

/// Judges every field of a linked human.
pub fn nothing_lost(state: &mut State, setting: &Setting, human: Human) {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    let mut gaps = Gaps::default();
    if let Some(both) = linked(state, setting, human) {
        let last = |side| state.edits.last(human, side);
        let (old, new) = (last(Side::Old), last(Side::New));
        let fields: BTreeSet<&Field> = old.keys().chain(new.keys()).collect();
        for field in fields {
            judge(
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
    for _ in 0..gaps.unseen {
        state.weather.count(UNSEEN);
    }
    for _ in 0..gaps.beside {
        state.weather.count(BESIDE);
    }
    for _ in 0..gaps.torn {
        state.weather.count(TORN);
    }
}

fn judge(
    state: &State,
    setting: &Setting,
    both: &Linked<'_>,
    field: &Field,
    last: [Option<&EditId>; 2],
    found: &mut Vec<(&'static str, String)>,
    gaps: &mut Gaps,
) {
    let says = [both.facts.old.get(field), both.facts.new.get(field)];
    let unread = says.contains(&Reading::Unread);
    // Sides that differ are another promise's business, and so is what is held.
    if unread || says[0] != says[1] || both.entry.obstacles.contains_key(field) {
        return;
    }
    let stands = says[0].value().map(Value::canonical);
    let origins = Side::BOTH
        .into_iter()
        .filter_map(|side| both.accounts.get(side).body().origins.get(field).copied());
    // A field that was held is not agreed upon before it was let go.
    let person = &both.entry.id;
    let obstructed = state.watch.obstructed.get(&(person.clone(), field.clone())).copied();
    let agreed = state.watch.agreed.get(person).copied().max(obstructed);
    let end =
        End { state, field, accounts: both.accounts, person, agreed, origins: origins.collect() };
    let mut in_gap = false;
    for (side, edit) in Side::BOTH.into_iter().zip(last) {
        let Some(edit) = edit.map(|&edit| state.edits.get(edit)) else { continue };
        if edit.value == stands {
            continue;
        }
        let by: Vec<u32> = end.origins.iter().map(|origin| origin.0).collect();
        let what = format!("edit {} of {field} on the {side} side, for {by:?}", edit.id.0);
        match end.account(edit, side) {
            Account::Known => {}
            Account::Gap => {
                in_gap = true;
                gaps.unseen += 1;
            }
            Account::Beside => {
                in_gap = true;
                gaps.beside += 1;
            }
            Account::Torn => {
                in_gap = true;
                gaps.torn += 1;
            }
            Account::Overruled(decision) => {
                // Who edited while our write was open is taken to have seen it: no rule chose them.
                let by_rule = decision.kind != DecisionKind::EditedMeanwhile;
                if by_rule && !obeys(state, setting, field, edit, side) {
                    let detail = format!("{what} lost a {}", decision.kind.name());
                    found.push(("the conflict rule is obeyed", detail));
                }
            }
            Account::Lost => found.push(("nothing is lost", what)),
        }
    }
    // Where a value came back, either may stand (R4).
    let came_back = |decision: &Decision| {
        decision.kind == DecisionKind::CameBack && decision.fields.contains(&field.to_string())
    };
    let doubted = state.watch.decisions.iter().any(|(_, decision)| came_back(decision));
    let values = last.map(|edit| edit.and_then(|&edit| state.edits.get(edit).value.clone()));
    if !in_gap && !doubted && !values.contains(&stands) {
        found.push(("no value returns", format!("{field}: {stands:?} is nobody's last word")));
    }
}

impl End<'_> {
    fn account(&self, edit: &Edit, side: Side) -> Account {
        let edits = &self.state.edits;
        let peers = self.peers(edit, side);
        let knew = |origin: &EditId| peers.iter().any(|&peer| edits.knew(*origin, peer));
        if self.origins.iter().any(knew) {
            return Account::Known;
        }
        if self.state.watch.unseen.iter().any(|unseen| unseen.edit == edit.id) {
            return Account::Gap;
        }
        // The edit was made over what stands now: whoever put that back did not look.
        let newer = self.origins.iter().any(|&origin| edits.knew(edit.id, origin));
        if let Some(decision) = self.recorded(edit, side) {
            let doubtful = self.field.is_yes_or_no();
            let first = self.agreed.is_none_or(|agreed| edit.at <= agreed);
            if !newer || doubtful || first {
                return Account::Overruled(decision);
            }
        }
        // A yes-or-no value, or an absence, that is again what the other side's author knew it to
        // be: nothing that a comparison of states could see has changed. (No text is set twice.)
        let came_back = (self.field.is_yes_or_no() || edit.value.is_none())
            && edit.known.iter().any(|&known| {
                let was = edits.get(known);
                // Everybody knows that a newborn account is in no group.
                let newborn = was.initial && was.value.is_none();
                let shared =
                    newborn || self.origins.iter().any(|&origin| edits.knew(origin, known));
                was.value == edit.value && shared
            });
        // Where nothing was agreed yet, a value beats an absence, and a disable beats an enable.
        let weaker = edit.value.is_none() || *self.field == Field::Enabled;
        let beaten = weaker && self.agreed.is_none_or(|agreed| edit.at <= agreed);
        if beaten || (came_back && !newer) {
            Account::Known
        } else if self.judged_at_two_moments(edit) {
            Account::Torn
        } else if (!newer || self.unmarked()) && self.beside_an_open_write(edit) {
            Account::Beside
        } else {
            Account::Lost
        }
    }

    /// The edit, and those of the other side that said the same while it stood: who overwrote one
    /// of them, when both sides agreed, overwrote them all.
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
            other.human == edit.human && other.field == edit.field && other.value == edit.value
        });
        alike.filter(together).map(|other| other.id).chain([edit.id]).collect()
    }

    /// Whether the person was recorded, after that edit or after the one that stands, upon a look at
    /// a side that was edited since: looks of two moments can make two-valued sides seem to agree.
    fn judged_at_two_moments(&self, edit: &Edit) -> bool {
        let stands = self.origins.iter().map(|&origin| self.state.edits.get(origin).at);
        let first = stands.chain([edit.at]).min().unwrap_or(edit.at);
        let outdated = &self.state.watch.outdated;
        self.field.is_yes_or_no()
            && outdated.iter().any(|(person, at)| person == self.person && *at >= first)
    }

    /// Whether the pool says nowhere that the field was touched: memberships have no date (R4).
    const fn unmarked(&self) -> bool {
        matches!(self.field, Field::Group(_))
    }

    /// Whether that edit of a field with two values was made while a write to it was announced: if
    /// the write never landed, the edit looks like the write.
    fn beside_an_open_write(&self, edit: &Edit) -> bool {
        self.field.is_yes_or_no()
            && self.state.watch.announced.iter().any(|announced| {
                let ours = announced.field == *self.field && announced.person == *self.person;
                let here = edit.side == Some(announced.side);
                let until = announced.resolved.unwrap_or(self.state.now);
                ours && here && edit.at > announced.observed && edit.at <= until
            })
    }

    /// The conflict that overruled `side` after that edit, if one was recorded.
    fn recorded(&self, edit: &Edit, side: Side) -> Option<Decision> {
        let name = self.field.to_string();
        let conflict = |decision: &&Decision| {
            matches!(
                decision.kind,
                DecisionKind::Conflict
                    | DecisionKind::FirstLinkConflict
                    | DecisionKind::CameBack
                    | DecisionKind::EditedMeanwhile
            ) && decision.fields.contains(&name)
                && decision.side == Some(side)
                && decision.at >= edit.at
        };
        let mut decisions = self.state.watch.decisions.iter().map(|(_, decision)| decision);
        decisions.rfind(conflict).cloned()
    }
}

/// Whether the side that was overruled is the one that the rule names.
fn obeys(state: &State, setting: &Setting, field: &Field, edit: &Edit, side: Side) -> bool {
    if *field == Field::Enabled {
        // Disabled wins: only an enabled flag can be overruled.
        return edit.value.as_deref() == Some("true");
    }
    setting.policy.conflicts == ConflictRule::ActiveWins
        && side != state.table.control.phase.active()
}
