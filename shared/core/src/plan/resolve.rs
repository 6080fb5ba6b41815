//! One field before its merge: its state in both pools, and its baseline after an open intent is
//! resolved (`IntentKeepsSeenValue`, `IntentReplacesBaseline`, `AmbiguousRevertIsConflict`).

use std::time::Duration;

use super::PlanInput;
use crate::limits;
use crate::merge::{self, MergeDecision};
use crate::outcome::Reason;
use crate::policy::ConflictRule;
use crate::profile::{Field, FieldState};
use crate::record::{BaselineField, IntendedWrite, Past, WriteIntent};
use crate::rules::Rule;
use crate::side::{BySide, Side};
use crate::time::Time;

/// What is known about one field before its merge.
pub(super) struct Merged {
    pub(super) says: BySide<FieldState>,
    pub(super) base: Option<BaselineField>,
    /// See [`merge::MergeInput::came_back`].
    came_back: bool,
    /// See [`merge::MergeInput::edited_meanwhile`].
    edited_meanwhile: bool,
    /// The pool reported success for the write, and holds another value.
    pub(super) not_kept: bool,
    /// The open intent, if its target was not read.
    pub(super) unsettled: Option<IntendedWrite>,
    pub(super) rule: u32,
}

/// The state of a field in both pools, and its baseline after an open intent is resolved
/// (`IntentKeepsSeenValue`, `IntentReplacesBaseline`).
pub(super) fn resolve(input: &PlanInput<'_>, field: &Field) -> Option<Merged> {
    let PlanInput { policy, record, observations, .. } = input;
    // A field that no rule serves any more is dropped.
    let rule = policy.mapping.revision(field)?;
    let says = BySide::from_fn(|side| observations.get(side).profile.get(field));
    let past = record.baseline.as_ref().map_or(Past::Never, |baseline| baseline.past(field, rule));
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
    if let Some(intent) = &record.intent
        && let Some(intended) = intent.fields.get(field).filter(|it| it.rule == rule)
    {
        resolve_intent(input, field, intent, intended, &mut merged);
    }
    Some(merged)
}

fn resolve_intent(
    input: &PlanInput<'_>,
    field: &Field,
    intent: &WriteIntent,
    intended: &IntendedWrite,
    merged: &mut Merged,
) {
    let PlanInput { policy, keys, record, observations, .. } = input;
    let target = merged.says.get(intended.side);
    if *target == FieldState::Unknown {
        merged.unsettled = Some(intended.clone());
        return;
    }
    let holds = |fingerprint| keys.is(&record.salt, field, target, fingerprint);
    let (was, wanted) = (holds(intended.was), holds(intended.wanted));
    let rule = merged.rule;
    let source = merged.says.get(intended.side.other());
    let same_source = keys.is(&record.salt, field, source, intended.wanted);
    if intended.answered && !wanted && same_source {
        let fingerprint = record.fingerprint(keys, field, target);
        merged.base = Some(BaselineField { fingerprint, rule });
        merged.not_kept = true;
        return;
    }
    let unwritten = was && policy.rules.keeps(Rule::IntentKeepsSeenValue);
    let fingerprint = if unwritten { intended.was } else { intended.wanted };
    merged.base = Some(BaselineField { fingerprint, rule });
    merged.edited_meanwhile = !was && !wanted;
    let modified = observations.get(intended.side).account.modified;
    // Without a date in the intent, a later change cannot be excluded.
    let moved = intent.modified.get(intended.side).is_none_or(|before| modified > before);
    merged.came_back = policy.rules.keeps(Rule::AmbiguousRevertIsConflict) && was && moved;
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
pub(super) fn quiet_from(input: &PlanInput<'_>, field: &Field, merged: &Merged) -> Option<Time> {
    let base = merged.base.as_ref()?;
    let PlanInput { policy, keys, record, observations, .. } = input;
    let known = keys.is(&record.salt, field, &merged.says.old, base.fingerprint);
    if known || !policy.rules.keeps(Rule::QuietAgreement) {
        return None;
    }
    let bound = policy.bound();
    let dated = |side: Side| {
        // A change of a membership does not move the account's date.
        let dated = !matches!(field, Field::Group(_));
        dated.then(|| date_tells_from(observations.get(side).account.modified, bound))
    };
    let captured = |side: Side| input.changed.get(side).map(|at| at + bound);
    let changes = Side::BOTH.into_iter().flat_map(|side| [dated(side), captured(side)]);
    let quiet = changes.flatten().max()?;
    let began = observations.old.began.min(observations.new.began);
    (began < quiet).then_some(quiet)
}

/// Merges a field.
pub(super) fn answer(input: &PlanInput<'_>, field: &Field, merged: &Merged) -> MergeDecision {
    let PlanInput { policy, keys, record, phase, .. } = input;
    if still_in_conflict(input, field, merged) {
        return MergeDecision::Hold(Reason::Conflict);
    }
    let unchanged = merged.base.as_ref().map(|base| {
        BySide::from_fn(|side| {
            keys.is(&record.salt, field, merged.says.get(side), base.fingerprint)
        })
    });
    merge::merge(&merge::MergeInput {
        field,
        says: BySide { old: &merged.says.old, new: &merged.says.new },
        unchanged,
        came_back: merged.came_back,
        edited_meanwhile: merged.edited_meanwhile,
        active: phase.active(),
        conflicts: policy.conflicts,
        ways: policy.mapping.ways(field),
        rules: policy.rules,
    })
}

/// A held conflict stays held until one of the pools gives way, whatever happened to the intent in
/// which it appeared.
fn still_in_conflict(input: &PlanInput<'_>, field: &Field, merged: &Merged) -> bool {
    let held = input.record.blocked_fields.get(field).filter(|it| it.reason == Reason::Conflict);
    let Some(held) = held.filter(|_| input.policy.conflicts == ConflictRule::Hold) else {
        return false;
    };
    let BySide { old, new } = &merged.says;
    let source = merged.says.get(held.side.other());
    let same = input.keys.is(&input.record.salt, field, source, held.value);
    same && old != new && *old != FieldState::Unknown && *new != FieldState::Unknown
}
