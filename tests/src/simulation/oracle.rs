//! The oracle: was any edit lost? Judged by who knew what, not by what the bridge believes.
//!
//! The last edit of a field on each side either stands in the end, or was overwritten by somebody
//! who knew it, or lost a recorded conflict, or fell into a [`Gap`] that no protocol over
//! unconditional writes can close. A gap excuses that one edit of that one field, and only for the
//! moment that its doc names; it is counted and told in the trace. What stands instead must be
//! somebody's last word all the same, and both sides must agree, whatever fell into a gap.

use std::collections::BTreeSet;

use poolbridge_core::entry::DecisionKind;
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
use crate::world::watch::{Decided, NAME_TAKEN, Unseen};

/// What no protocol over unconditional writes can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// An edit of the written side after the last look at it, which was the writer's last look
    /// altogether, and before the write.
    Unseen,
    /// An edit of the written side that the last look at it would have shown, had it not been
    /// stale: made less than the bound on stale reads before that look.
    Hidden,
    /// An edit on the written side, after the look at it and before the announced write of that field
    /// was recorded, that sets the very value of that write. Of memberships any such edit, since they do
    /// not move the account's date (R4).
    Beside,
    /// An edit of a membership that a look did not show, being a stale one or too early, upon which
    /// the person was recorded: both sides seemed to agree, and no date says otherwise.
    Torn,
    /// A whole account: in a pool that takes only names, a stranger took the name after the moment
    /// that the last look at its bearer showed, and before the write.
    Taken,
}

impl Gap {
    /// Every gap.
    pub const ALL: [Self; 5] = [Self::Unseen, Self::Hidden, Self::Beside, Self::Torn, Self::Taken];

    /// What it is counted under.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unseen => "edit replaced unseen",
            Self::Hidden => "edit hidden by a stale read",
            Self::Beside => "edit beside an open write",
            Self::Torn => "edit judged by looks of two moments",
            Self::Taken => NAME_TAKEN,
        }
    }
}

/// How an edit that does not stand in the end is accounted for.
enum Account {
    /// Somebody overwrote it who knew it, or the value had only come back.
    Known,
    /// It lost a conflict that was recorded.
    Overruled(Decided),
    /// It fell into a gap.
    Gap(Gap),
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
    let mut gaps: Vec<(Gap, String)> = Vec::new();
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
    for (gap, what) in gaps {
        state.weather.count(gap.name());
        state.say(|| format!("{}: {what}", gap.name()));
    }
}

fn judge(
    state: &State,
    setting: &Setting,
    both: &Linked<'_>,
    field: &Field,
    last: [Option<&EditId>; 2],
    found: &mut Vec<(&'static str, String)>,
    gaps: &mut Vec<(Gap, String)>,
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
    for (side, edit) in Side::BOTH.into_iter().zip(last) {
        let Some(edit) = edit.map(|&edit| state.edits.get(edit)) else { continue };
        if covers(stands.as_ref(), edit) {
            continue;
        }
        let by: Vec<u32> = end.origins.iter().map(|origin| origin.0).collect();
        let what = format!("edit {} of {field} on the {side} side, for {by:?}", edit.id.0);
        match end.account(edit, side) {
            Account::Known => {}
            Account::Gap(gap) => gaps.push((gap, what)),
            Account::Overruled(decision) => {
                // Who edited while our write was open is taken to have seen it: no rule chose them.
                let by_rule = decision.decision.kind != DecisionKind::EditedMeanwhile;
                let obeys = !by_rule || obeys(state, setting, field, edit, &decision);
                if !obeys && end.beside_an_open_write(edit) {
                    // Made between the look and the decision, which did not see it.
                    gaps.push((Gap::Beside, what));
                } else if !obeys {
                    let detail = format!("{what} lost a {}", decision.decision.kind.name());
                    found.push(("the conflict rule is obeyed", detail));
                }
            }
            Account::Lost => found.push(("nothing is lost", what)),
        }
    }
    // Where a value came back, either membership may stand, and a flag is disabled (R4).
    let came_back = |Decided { person: whose, decision, .. }: &Decided| {
        whose == person
            && decision.kind == DecisionKind::CameBack
            && decision.fields.contains(&field.to_string())
    };
    let may_stand = *field != Field::Enabled || stands.as_deref() == Some("false");
    let doubted = may_stand && state.watch.decisions.iter().any(came_back);
    let values = last.map(|edit| edit.and_then(|&edit| state.edits.get(edit).value.clone()));
    if !doubted && !values.contains(&stands) {
        found.push(("no value returns", format!("{field}: {stands:?} is nobody's last word")));
    }
}

/// Whether that value says all that the edit said: the same, or the same address that somebody proved.
fn covers(value: Option<&String>, edit: &Edit) -> bool {
    let claimed = |value: &String| match value.strip_suffix("\u{1f}true") {
        Some(address) if edit.field.is_address() => Some(format!("{address}\u{1f}false")),
        _ => None,
    };
    value == edit.value.as_ref() || (edit.value.is_some() && value.and_then(claimed) == edit.value)
}

impl End<'_> {
    fn account(&self, edit: &Edit, side: Side) -> Account {
        let edits = &self.state.edits;
        let peers = self.peers(edit, side);
        let knew = |origin: &EditId| peers.iter().any(|&peer| edits.knew(*origin, peer));
        if self.origins.iter().any(knew) {
            return Account::Known;
        }
        if let Some(gap) = self.replaced_unseen(edit) {
            return Account::Gap(gap);
        }
        // The edit was made over what stands now: whoever put that back did not look.
        let newer = self.origins.iter().any(|&origin| edits.knew(edit.id, origin));
        if let Some(decision) = self.recorded(edit, side) {
            let came_back = decision.decision.kind == DecisionKind::CameBack;
            let doubtful = self.field.is_yes_or_no() || came_back || self.was_in_doubt(&decision);
            let first = self.agreed.is_none_or(|agreed| edit.at <= agreed);
            if !newer || doubtful || first {
                return Account::Overruled(decision);
            }
        }
        // A value that is again what the other side's author knew it to be: nothing that a comparison
        // of states could see has changed.
        let came_back = edit.known.iter().any(|&known| {
            let was = edits.get(known);
            // Everybody knows that a newborn account is in no group, the first to edit one as
            // well; and what both sides said at one time is known to whoever knew one of them.
            let unborn = |&it: &EditId| edits.get(it).initial && edits.get(it).value.is_none();
            let first = |&origin: &EditId| edits.get(origin).known.iter().all(unborn);
            let newborn = was.initial || self.origins.iter().any(first);
            let newborn = newborn && was.value.is_none();
            let peers = self.peers(was, was.side.unwrap_or(side));
            let author = |&origin: &EditId| peers.iter().any(|&it| edits.knew(origin, it));
            // The value had lost a decision that was not carried out yet: it is the same value for it.
            let lost = self.recorded(was, was.side.unwrap_or(side)).is_some();
            let shared = newborn || lost || self.origins.iter().any(author);
            was.value == edit.value && shared
        });
        // Where nothing was agreed yet, a value beats an absence, and a disable beats an enable.
        let weaker = edit.value.is_none() || *self.field == Field::Enabled;
        let beaten = weaker && self.agreed.is_none_or(|agreed| edit.at <= agreed);
        if beaten || (came_back && !newer) {
            Account::Known
        } else if self.judged_at_two_moments(edit) {
            Account::Gap(Gap::Torn)
        } else if (!newer || self.unmarked()) && self.beside_an_open_write(edit) {
            Account::Gap(Gap::Beside)
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
            let theirs = other.human == edit.human && other.field == edit.field;
            theirs && covers(other.value.as_ref(), edit)
        });
        alike.filter(together).map(|other| other.id).chain([edit.id]).collect()
    }

    /// The gap in which a write replaced that edit, if one did.
    fn replaced_unseen(&self, edit: &Edit) -> Option<Gap> {
        let mut unseen = self.state.watch.unseen.iter().filter(|unseen| unseen.edit == edit.id);
        unseen.find_map(|unseen| {
            let Unseen { observed, last, .. } = *unseen;
            let after = edit.at > observed;
            let hidden = !after && observed.since(edit.at) < self.state.settle;
            (after && last).then_some(Gap::Unseen).or(hidden.then_some(Gap::Hidden))
        })
    }

    /// Whether the person was recorded, after that edit or after the one that stands, upon a look
    /// that did not show one of the two.
    fn judged_at_two_moments(&self, edit: &Edit) -> bool {
        let stands = self.origins.iter().map(|&origin| self.state.edits.get(origin).at);
        let first = stands.chain([edit.at]).min().unwrap_or(edit.at);
        let mut outdated = self.state.watch.outdated.iter();
        self.unmarked()
            && outdated.any(|((person, missed), at)| {
                let ours = *missed == edit.id || self.origins.contains(missed);
                person == self.person && ours && *at >= first
            })
    }

    /// Whether the pool says nowhere that the field was touched: memberships have no date (R4).
    const fn unmarked(&self) -> bool {
        matches!(self.field, Field::Group(_))
    }

    /// Whether that edit was made while a write to it was announced, and cannot be told from the write:
    /// it sets the same value, or the pool says nowhere that the field was touched.
    fn beside_an_open_write(&self, edit: &Edit) -> bool {
        self.state.watch.announced.iter().any(|announced| {
            let ours = announced.field == *self.field && announced.person == *self.person;
            let here = edit.side == Some(announced.side);
            let until = announced.resolved.unwrap_or(self.state.now);
            let alike = self.unmarked() || announced.wanted == Some(edit.value.clone());
            ours && here && alike && edit.at > announced.observed && edit.at <= until
        })
    }

    /// Whether that decision followed one about the same field and side that rested on a doubt: the value
    /// that was to be carried then had not been written yet.
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
        // A person who was joined to another keeps what was decided.
        let table = &self.state.table;
        let here = |whose: &PersonId| table.person(whose).is_some_and(|it| it.id == *self.person);
        let all = self.state.watch.decisions.iter();
        let mut decisions = all.filter(|decided| here(&decided.person));
        decisions.rfind(conflict).cloned()
    }
}

/// Whether the side that was overruled is the one that the rule names, at the time.
fn obeys(state: &State, setting: &Setting, field: &Field, edit: &Edit, decided: &Decided) -> bool {
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
