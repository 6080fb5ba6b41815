//! Second factors: the effect of a pool's own rule, what a factor needs, and what a rejection
//! depends on.

use super::{Merged, Plan, Question, View};
use crate::account::Status;
use crate::entry::Obstacle;
use crate::facts::{Factor, Field, Reading, Value};
use crate::fingerprint::{Keyring, Print};
use crate::names::PersonId;
use crate::side::{BySide, Side};
use crate::verdict::Reason;

/// The baseline value of a factor that these pools ask of every user. It is no choice of the
/// person, so the end of the pool's rule must not count as the person's change.
fn by_rule_of(sides: BySide<bool>) -> Reading {
    let text = match (sides.old, sides.new) {
        (true, true) => "required of all people in both pools",
        (true, false) => "required of all people in the old pool",
        (false, true) => "required of all people in the new pool",
        (false, false) => "chosen",
    };
    Reading::Held(Value::Text(text.to_owned()))
}

/// The pools whose rule the baseline of a factor rests on, if it rests on one.
fn rests_on(keys: &Keyring, salt: &PersonId, field: &Field, print: Print) -> Option<BySide<bool>> {
    let ways = [(true, false), (false, true), (true, true)];
    let mut ways = ways.into_iter().map(|(old, new)| BySide { old, new });
    ways.find(|sides| keys.is(salt, field, &by_rule_of(*sides), print))
}

/// The baseline of a factor that both pools have because of a pool's rule; `None` if the person
/// chose the factor.
pub(super) fn agreed(question: &Question<'_>, field: &Field) -> Option<Print> {
    let asked = BySide::from_fn(|side| question.views.get(side).asks_everybody_for(field));
    let by_rule = asked.old || asked.new;
    by_rule.then(|| question.entry.print(question.keys, field, &by_rule_of(asked)))
}

/// Whether `side` still has the value of the baseline. A factor that the pool asks of every user
/// differs from one that the person chose, so that the baseline can tell the two apart.
pub(crate) fn is_agreed(
    (keys, salt): (&Keyring, &PersonId),
    side: Side,
    view: &View,
    field: &Field,
    print: Print,
) -> bool {
    let reading = view.facts.get(field);
    if matches!(field, Field::Factor(_)) && reading.value().is_some() {
        let asked = view.asks_everybody_for(field);
        return match rests_on(keys, salt, field, print) {
            Some(sides) => asked || !*sides.get(side),
            None => !asked && keys.is(salt, field, &reading, print),
        };
    }
    keys.is(salt, field, &reading, print)
}

/// Takes a pool's own rule out of the merge.
///
/// - A factor that the passive pool asks of every user is not carried to the active pool.
/// - A factor that both pools had because of the active pool's rule is not removed when that rule
///   ends: a changed setting of a pool is no wish of a person.
/// - The passive account gets it back while the active pool's rule lasts.
pub(super) fn apart_from_rules(question: &Question<'_>, field: &Field, merged: &mut Merged) {
    if !matches!(field, Field::Factor(_)) {
        return;
    }
    let active = question.phase.active();
    let passive = active.other();
    let absent = |merged: &Merged, side: Side| *merged.says.get(side) == Reading::Absent;
    if question.views.get(passive).asks_everybody_for(field) && absent(merged, active) {
        *merged.says.get_mut(passive) = Reading::Unread;
    }
    let (keys, salt) = (question.keys, &question.entry.salt);
    let base = merged.base.as_ref().and_then(|base| rests_on(keys, salt, field, base.print));
    if base.is_none() {
        return;
    }
    if absent(merged, active) {
        *merged.says.get_mut(active) = Reading::Unread;
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
    question: &Question<'_>,
    factor: Factor,
    to: Side,
    value: &Reading,
) -> Print {
    let view = question.views.get(to);
    let address = address(factor).map_or(Reading::Absent, |field| view.facts.get(&field));
    let address = address.value().map_or_else(String::new, Value::canonical);
    let (on, status) = (value.value().is_some(), view.account.status);
    let required = question.shapes.get(to).mfa_required;
    // If a later version spells a status differently, that costs one more attempt.
    let all = format!("{on}\u{1f}{status:?}\u{1f}{required}\u{1f}{address}");
    question.entry.print(question.keys, &Field::Factor(factor), &Reading::Held(Value::Text(all)))
}

/// Why this factor cannot be switched on or off in that pool, if that is so. `print` comes from
/// [`depends_on`].
pub(super) fn refusal(
    question: &Question<'_>,
    plan: &Plan,
    factor: Factor,
    to: Side,
    value: &Reading,
    print: Print,
) -> Option<Reason> {
    let entry = question.entry;
    if entry.passwords.stale(entry.linked) == Some(to.other()) {
        return Some(Reason::StaleSide);
    }
    if question.views.get(to).account.status == Status::ResetRequired {
        // The factor could use the very channel over which the person resets the password.
        return Some(Reason::NotReady);
    }
    if last_factor(question, factor, to, value) {
        return Some(Reason::LastFactor);
    }
    let refused =
        |it: &&Obstacle| it.reason == Reason::RefusedByPool && it.value == print && it.side == to;
    let remembered = entry.obstacles.get(&Field::Factor(factor)).as_ref().is_some_and(refused);
    // The same plan writes the address there; the factor is tried after it.
    let address_goes = address(factor)
        .and_then(|field| plan.writes.get(&field))
        .is_some_and(|intended| intended.side == to);
    (remembered && !address_goes).then_some(Reason::RefusedByPool)
}

/// Whether switching this factor off would leave no factor there while the source still has one.
/// The same plan may switch off every travelling factor that the source lacks, so none of those
/// counts as one that stays. A factor that the source has stays or is added.
fn last_factor(question: &Question<'_>, factor: Factor, to: Side, value: &Reading) -> bool {
    if value.value().is_some() {
        return false;
    }
    let of = |side| question.views.get(side).factors.clone().unwrap_or_default();
    let (source, target) = (of(to.other()), of(to));
    let stays = |other: &Factor| {
        *other != factor && (source.contains(other) || !Factor::TRAVELLING.contains(other))
    };
    !source.is_empty() && !target.iter().any(stays)
}
