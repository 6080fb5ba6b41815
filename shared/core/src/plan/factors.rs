//! Second factors: the effect of a pool's own rule, what a factor needs, and what a rejection
//! depends on.

use super::{Merged, Observation, Plan, PlanInput};
use crate::account::Status;
use crate::fingerprint::{Fingerprint, Keyring};
use crate::names::PersonId;
use crate::outcome::Reason;
use crate::profile::{Factor, Field, FieldState, Value};
use crate::record::BlockedField;
use crate::side::{BySide, Side};

/// The baseline value of a factor that these pools ask of every user. It is no choice of the
/// person, so the end of the pool's rule must not count as the person's change.
fn by_rule_of(sides: BySide<bool>) -> FieldState {
    let text = match (sides.old, sides.new) {
        (true, true) => "required of all people in both pools",
        (true, false) => "required of all people in the old pool",
        (false, true) => "required of all people in the new pool",
        (false, false) => "chosen",
    };
    FieldState::Present(Value::Text(text.to_owned()))
}

/// The pools whose rule the baseline of a factor rests on, if it rests on one.
fn rests_on(
    keys: &Keyring,
    salt: &PersonId,
    field: &Field,
    fingerprint: Option<Fingerprint>,
) -> Option<BySide<bool>> {
    let ways = [(true, false), (false, true), (true, true)];
    let mut ways = ways.into_iter().map(|(old, new)| BySide { old, new });
    ways.find(|sides| keys.is(salt, field, &by_rule_of(*sides), fingerprint))
}

/// The baseline of a factor that both pools have because of a pool's rule; `None` if the person
/// chose the factor.
pub(super) fn baseline(input: &PlanInput<'_>, field: &Field) -> Option<Fingerprint> {
    let asked = BySide::from_fn(|side| input.observations.get(side).requires_of_everyone(field));
    let by_rule = asked.old || asked.new;
    input.record.fingerprint(input.keys, field, &by_rule_of(asked)).filter(|_| by_rule)
}

/// Whether `side` still has the value of the baseline. A factor that the pool asks of every user
/// differs from one that the person chose, so that the baseline can tell the two apart.
pub(crate) fn matches_baseline(
    (keys, salt): (&Keyring, &PersonId),
    side: Side,
    observation: &Observation,
    field: &Field,
    fingerprint: Option<Fingerprint>,
) -> bool {
    let reading = observation.profile.get(field);
    if matches!(field, Field::Factor(_)) && reading.value().is_some() {
        let asked = observation.requires_of_everyone(field);
        return match rests_on(keys, salt, field, fingerprint) {
            Some(sides) => asked || !*sides.get(side),
            None => !asked && keys.is(salt, field, &reading, fingerprint),
        };
    }
    keys.is(salt, field, &reading, fingerprint)
}

/// Takes a pool's own rule out of the merge.
///
/// - A factor that the passive pool asks of every user is not carried to the active pool.
/// - A factor that both pools had because of the active pool's rule is not removed when that rule
///   ends: a changed setting of a pool is no wish of a person.
/// - The passive account gets it back while the active pool's rule lasts.
pub(super) fn apart_from_rules(input: &PlanInput<'_>, field: &Field, merged: &mut Merged) {
    if !matches!(field, Field::Factor(_)) {
        return;
    }
    let active = input.phase.active();
    let passive = active.other();
    let absent = |merged: &Merged, side: Side| *merged.says.get(side) == FieldState::Absent;
    if input.observations.get(passive).requires_of_everyone(field) && absent(merged, active) {
        *merged.says.get_mut(passive) = FieldState::Unknown;
    }
    let (keys, salt) = (input.keys, &input.record.salt);
    let base = merged.base.as_ref().and_then(|base| rests_on(keys, salt, field, base.fingerprint));
    if base.is_none() {
        return;
    }
    if absent(merged, active) {
        *merged.says.get_mut(active) = FieldState::Unknown;
    } else if absent(merged, passive) {
        merged.base = None;
    }
}

/// The address to which the codes of a factor are sent.
const fn address(factor: Factor) -> Option<Field> {
    match factor {
        Factor::Sms => Some(Field::Phone),
        Factor::Email => Some(Field::Email),
        Factor::Totp => None,
    }
}

/// Everything that a rejection of this factor can depend on, as a fingerprint: the wanted state,
/// the address for the codes, its verified flag, the account's status, and the pool's rule. apply
/// tries the factor again when one of them changes.
pub(super) fn depends_on(
    input: &PlanInput<'_>,
    factor: Factor,
    to: Side,
    value: &FieldState,
) -> Option<Fingerprint> {
    let observation = input.observations.get(to);
    let address =
        address(factor).map_or(FieldState::Absent, |field| observation.profile.get(&field));
    let address = address.value().map_or_else(String::new, Value::canonical);
    let (on, status) = (value.value().is_some(), observation.account.status);
    let required = input.schemas.get(to).mfa_required;
    // If a later version spells a status differently, that costs one more attempt.
    let all = format!("{on}\u{1f}{status:?}\u{1f}{required}\u{1f}{address}");
    input.record.fingerprint(
        input.keys,
        &Field::Factor(factor),
        &FieldState::Present(Value::Text(all)),
    )
}

/// Why this factor cannot be switched on or off in that pool, if that is so. `fingerprint` comes
/// from [`depends_on`].
pub(super) fn refusal(
    input: &PlanInput<'_>,
    plan: &Plan,
    factor: Factor,
    to: Side,
    value: &FieldState,
    fingerprint: Option<Fingerprint>,
) -> Option<Reason> {
    let record = input.record;
    if record.passwords.stale(record.linked) == Some(to.other()) {
        return Some(Reason::StaleSide);
    }
    if input.observations.get(to).account.status == Status::ResetRequired {
        // The factor could use the very channel over which the person resets the password.
        return Some(Reason::NotReady);
    }
    if last_factor(input, factor, to, value) {
        return Some(Reason::LastFactor);
    }
    let refused = |it: &&BlockedField| {
        it.reason == Reason::RefusedByPool && it.value == fingerprint && it.side == to
    };
    let remembered =
        record.blocked_fields.get(&Field::Factor(factor)).as_ref().is_some_and(refused);
    // The same plan writes the address there; the factor is tried after it.
    let address_goes = address(factor)
        .and_then(|field| plan.writes.get(&field))
        .is_some_and(|intended| intended.side == to);
    (remembered && !address_goes).then_some(Reason::RefusedByPool)
}

/// Whether switching this factor off would leave no factor there while the source still has one.
/// The same plan may switch off every travelling factor that the source lacks, so none of those
/// counts as one that stays. A factor that the source has stays or is added.
fn last_factor(input: &PlanInput<'_>, factor: Factor, to: Side, value: &FieldState) -> bool {
    if value.value().is_some() {
        return false;
    }
    let of = |side| input.observations.get(side).factors.clone().unwrap_or_default();
    let (source, target) = (of(to.other()), of(to));
    let stays = |other: &Factor| {
        *other != factor && (source.contains(other) || !Factor::TRAVELLING.contains(other))
    };
    !source.is_empty() && !target.iter().any(stays)
}
