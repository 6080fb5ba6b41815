//! One field before its merge: its state in both pools, and its baseline after an open intent is
//! resolved (R1 `IntentKeepsSeenValue`, R2 `IntentReplacesBaseline`, R4
//! `AmbiguousRevertIsConflict`).

use std::time::Duration;

use super::Question;
use crate::entry::{Base, Intended, Intent, Past};
use crate::facts::{Field, Reading};
use crate::law::Rule;
use crate::limits;
use crate::merge::{self, Answer};
use crate::policy::ConflictRule;
use crate::side::{BySide, Side};
use crate::time::Time;
use crate::verdict::Reason;

/// What is known about one field before its merge.
pub(super) struct Merged {
    pub(super) says: BySide<Reading>,
    pub(super) base: Option<Base>,
    /// See [`merge::Question::came_back`].
    came_back: bool,
    /// See [`merge::Question::edited_meanwhile`].
    edited_meanwhile: bool,
    /// The pool reported success for the write, and holds another value.
    pub(super) not_kept: bool,
    /// The open intent, if its target was not read.
    pub(super) unsettled: Option<Intended>,
    pub(super) rule: u32,
}

/// The state of a field in both pools, and its baseline after an open intent is resolved (R1
/// `IntentKeepsSeenValue`, R2 `IntentReplacesBaseline`).
pub(super) fn resolve(question: &Question<'_>, field: &Field) -> Option<Merged> {
    let Question { policy, entry, views, .. } = question;
    // A field that no rule serves any more is dropped.
    let rule = policy.mapping.revision(field)?;
    let says = BySide::from_fn(|side| views.get(side).facts.get(field));
    let past = entry.agreed.as_ref().map_or(Past::Never, |agreed| agreed.past(field, rule));
    let base = match past {
        Past::Never => None,
        Past::Was(base) => Some(base),
    };
    let mut merged = Merged {
        says,
        base,
        came_back: false,
        edited_meanwhile: false,
        not_kept: false,
        unsettled: None,
        rule,
    };
    if let Some(intent) = &entry.intent
        && let Some(intended) = intent.fields.get(field).filter(|it| it.rule == rule)
    {
        resolve_intent(question, field, intent, intended, &mut merged);
    }
    Some(merged)
}

fn resolve_intent(
    question: &Question<'_>,
    field: &Field,
    intent: &Intent,
    intended: &Intended,
    merged: &mut Merged,
) {
    let Question { policy, keys, entry, views, .. } = question;
    let target = merged.says.get(intended.side);
    if *target == Reading::Unread {
        merged.unsettled = Some(intended.clone());
        return;
    }
    let holds = |print| keys.is(&entry.salt, field, target, print);
    let (was, wanted) = (holds(intended.was), holds(intended.wanted));
    let rule = merged.rule;
    let source = merged.says.get(intended.side.other());
    let same_source = keys.is(&entry.salt, field, source, intended.wanted);
    if intended.answered && !wanted && same_source {
        let print = entry.print(keys, field, target);
        merged.base = Some(Base { print, rule });
        merged.not_kept = true;
        return;
    }
    let unwritten = was && policy.law.keeps(Rule::R1);
    let print = if unwritten { intended.was } else { intended.wanted };
    merged.base = Some(Base { print, rule });
    merged.edited_meanwhile = !was && !wanted;
    let modified = views.get(intended.side).account.modified;
    // Without a date in the intent, a later change cannot be excluded.
    let moved = intent.modified.get(intended.side).is_none_or(|before| modified > before);
    merged.came_back = policy.law.keeps(Rule::R4) && was && moved;
}

/// From when on the account's date shows every later change. Pools cut it to seconds, and a read
/// may be as stale as the settle time.
pub(crate) fn date_tells_from(modified: Time, bound: Duration) -> Time {
    modified + limits::DATE_RESOLUTION + bound
}

/// Until when two observations at different times may agree on a new value that the two accounts
/// never held at the same time; `None` if they did (`QuietAgreement`).
///
/// Each account holds its value from its last change until the time that its observation shows. If
/// both changes are older than D at both observations, these two periods overlap.
pub(super) fn quiet_from(question: &Question<'_>, field: &Field, merged: &Merged) -> Option<Time> {
    let base = merged.base.as_ref()?;
    let Question { policy, keys, entry, views, .. } = question;
    let known = keys.is(&entry.salt, field, &merged.says.old, base.print);
    if known || !policy.law.keeps(Rule::QuietAgreement) {
        return None;
    }
    let bound = policy.bound();
    let dated = |side: Side| {
        // A change of a membership does not move the account's date.
        let dated = !matches!(field, Field::Group(_));
        dated.then(|| date_tells_from(views.get(side).account.modified, bound))
    };
    let captured = |side: Side| question.changed.get(side).map(|at| at + bound);
    let changes = Side::BOTH.into_iter().flat_map(|side| [dated(side), captured(side)]);
    let quiet = changes.flatten().max()?;
    let began = views.old.began.min(views.new.began);
    (began < quiet).then_some(quiet)
}

/// Merges a field.
pub(super) fn answer(question: &Question<'_>, field: &Field, merged: &Merged) -> Answer {
    let Question { policy, keys, entry, phase, .. } = question;
    if still_in_conflict(question, field, merged) {
        return Answer::Hold(Reason::Conflict);
    }
    let unchanged = merged.base.as_ref().map(|base| {
        BySide::from_fn(|side| keys.is(&entry.salt, field, merged.says.get(side), base.print))
    });
    merge::merge(&merge::Question {
        field,
        says: BySide { old: &merged.says.old, new: &merged.says.new },
        unchanged,
        came_back: merged.came_back,
        edited_meanwhile: merged.edited_meanwhile,
        active: phase.active(),
        conflicts: policy.conflicts,
        ways: policy.mapping.ways(field),
        law: policy.law,
    })
}

/// A held conflict stays held until one of the pools gives way, whatever happened to the intent in
/// which it appeared.
fn still_in_conflict(question: &Question<'_>, field: &Field, merged: &Merged) -> bool {
    let held = question.entry.obstacles.get(field).filter(|it| it.reason == Reason::Conflict);
    let Some(held) = held.filter(|_| question.policy.conflicts == ConflictRule::Hold) else {
        return false;
    };
    let BySide { old, new } = &merged.says;
    let source = merged.says.get(held.side.other());
    let same = question.keys.is(&question.entry.salt, field, source, held.value);
    same && old != new && *old != Reading::Unread && *new != Reading::Unread
}
