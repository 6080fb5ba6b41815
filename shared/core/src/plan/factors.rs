//! Second factors: what a pool's own rule makes of them, what a factor needs, and what a refusal
//! depends on.

use super::{Merged, Plan, Question, View};
use crate::account::Status;
use crate::entry::Obstacle;
use crate::facts::{Factor, Field, Reading, Value};
use crate::fingerprint::{Keyring, Print};
use crate::names::PersonId;
use crate::side::{BySide, Side};
use crate::verdict::Reason;

/// What is agreed where the pools of these sides ask everybody for the factor: not a choice of the
/// person, so the end of a pool's rule must not read as the person's.
fn by_rule_of(sides: BySide<bool>) -> Reading {
    let text = match (sides.old, sides.new) {
        (true, true) => "asked of everybody in both pools",
        (true, false) => "asked of everybody in the old pool",
        (false, true) => "asked of everybody in the new pool",
        (false, false) => "chosen",
    };
    Reading::Held(Value::Text(text.to_owned()))
}

/// The sides whose rule the base of a factor rests upon, if it rests upon one.
fn rests_on(keys: &Keyring, salt: &PersonId, field: &Field, print: Print) -> Option<BySide<bool>> {
    let ways = [(true, false), (false, true), (true, true)];
    let mut ways = ways.into_iter().map(|(old, new)| BySide { old, new });
    ways.find(|sides| keys.is(salt, field, &by_rule_of(*sides), print))
}

/// The base of a factor that both sides have by the rule of one of the pools; none where the person
/// chose it.
pub(super) fn agreed(question: &Question<'_>, field: &Field) -> Option<Print> {
    let asked = BySide::from_fn(|side| question.views.get(side).asks_everybody_for(field));
    let by_rule = asked.old || asked.new;
    by_rule.then(|| question.entry.print(question.keys, field, &by_rule_of(asked)))
}

/// Whether `side` still says what was agreed. A factor that its pool asks of everybody differs from
/// one that the person chose, so that the base can tell the two apart.
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
/// - What the passive pool asks of everybody is not carried to the active pool.
/// - A factor that both pools had by the active pool's rule is not taken away when that rule ends:
///   a changed setting of a pool is no wish of a person.
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

/// The address that the codes of a factor are sent to.
const fn address(factor: Factor) -> Option<Field> {
    match factor {
        Factor::Sms => Some(Field::Phone),
        Factor::Email => Some(Field::Email),
        Factor::Totp => None,
    }
}

/// All that a refusal of this factor can depend on, as a fingerprint: what is asked for, the address
/// that the codes go to, its verified flag, the account's status, and the pool's rule. The factor is
/// tried again when one of them changes.
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
    // Another spelling of a status in a later version costs one more attempt, no more.
    let all = format!("{on}\u{1f}{status:?}\u{1f}{required}\u{1f}{address}");
    question.entry.print(question.keys, &Field::Factor(factor), &Reading::Held(Value::Text(all)))
}

/// Why this factor cannot be switched on or off there, if it cannot. `print` is
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
        // The factor could occupy the very channel over which the person resets the password.
        return Some(Reason::NotReady);
    }
    if last_factor(question, factor, to, value) {
        return Some(Reason::LastFactor);
    }
    let refused =
        |it: &&Obstacle| it.reason == Reason::RefusedByPool && it.value == print && it.side == to;
    let remembered = entry.obstacles.get(&Field::Factor(factor)).as_ref().is_some_and(refused);
    // The address is on its way there in this very plan: the factor is tried after it.
    let address_goes = address(factor)
        .and_then(|field| plan.writes.get(&field))
        .is_some_and(|intended| intended.side == to);
    (remembered && !address_goes).then_some(Reason::RefusedByPool)
}

/// Whether switching this factor off would leave none there while the source still has one. Every
/// travelling factor that the source lacks may be switched off by the same plan, so none of those
/// counts as one that stays; what the source has, it keeps or gets.
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
