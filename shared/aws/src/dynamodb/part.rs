//! The parts of a person record: baseline, open intents, blocked fields and the rest.

use aws_sdk_dynamodb::types::AttributeValue;
use poolbridge_core::entry::{
    Agreed, Apart, Base, Birth, Decision, DecisionKind, Flips, Intended, Intent, Known, Lease,
    Miss, Obstacle, Passwords, RepeatedFailure,
};
use poolbridge_core::fault::FaultKind;
use poolbridge_core::names::{PersonId, Sub};
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::tombstone::{Owed, Tombstone};
use poolbridge_core::verdict::Reason;

use super::attribute::{
    Mistake, Reader, by_field, by_side, flag, map, number, print, text, time, with_some,
};
use crate::secret::Sealer;

pub(super) fn known(value: &Known, id: &PersonId, sealer: &Sealer) -> AttributeValue {
    let written = map([
        ("sub", text(value.sub.as_str())),
        ("username", text(sealer.seal(id, &value.username))),
        ("seen", time(value.seen)),
    ]);
    let written = with_some(written, "written", value.written.map(time));
    with_some(written, "gone", value.gone.map(time))
}

pub(super) fn read_known(
    reader: Reader<'_>,
    id: &PersonId,
    sealer: &Sealer,
) -> Result<Known, Mistake> {
    Ok(Known {
        sub: reader.name("sub")?,
        username: reader.word("username", |sealed| sealer.open(id, sealed).ok())?,
        seen: reader.time("seen")?,
        written: reader.optional("written", Reader::time)?,
        gone: reader.optional("gone", Reader::time)?,
    })
}

fn base(value: &Base) -> AttributeValue {
    map([("print", print(value.print)), ("rule", number(value.rule))])
}

fn read_base(reader: Reader<'_>) -> Result<Base, Mistake> {
    Ok(Base { print: reader.print("print")?, rule: reader.number("rule")? })
}

fn rules<'a>(values: impl IntoIterator<Item = &'a u32>) -> AttributeValue {
    AttributeValue::L(values.into_iter().map(number).collect())
}

pub(super) fn agreed(value: &Agreed) -> AttributeValue {
    map([("fields", by_field(&value.fields, base)), ("rules", rules(&value.rules))])
}

pub(super) fn read_agreed(reader: Reader<'_>) -> Result<Agreed, Mistake> {
    Ok(Agreed { fields: reader.by_field("fields", read_base)?, rules: reader.numbers("rules")? })
}

fn intended(value: &Intended) -> AttributeValue {
    let written = map([
        ("side", text(value.side.name())),
        ("wanted", print(value.wanted)),
        ("was", print(value.was)),
        ("rule", number(value.rule)),
    ]);
    with_some(written, "answered", value.answered.then(|| flag(true)))
}

fn read_intended(reader: Reader<'_>) -> Result<Intended, Mistake> {
    Ok(Intended {
        side: reader.side("side")?,
        wanted: reader.print("wanted")?,
        was: reader.print("was")?,
        rule: reader.number("rule")?,
        answered: reader.optional("answered", Reader::flag)?.unwrap_or_default(),
    })
}

pub(super) fn intent(value: &Intent) -> AttributeValue {
    map([
        ("fields", by_field(&value.fields, intended)),
        ("modified", by_side(&value.modified, |at| time(*at))),
        ("at", time(value.at)),
        ("until", time(value.until)),
    ])
}

pub(super) fn read_intent(reader: Reader<'_>) -> Result<Intent, Mistake> {
    Ok(Intent {
        fields: reader.by_field("fields", read_intended)?,
        modified: reader.by_side("modified", Reader::time)?,
        at: reader.time("at")?,
        until: reader.time("until")?,
    })
}

pub(super) fn birth(value: &Birth, id: &PersonId, sealer: &Sealer) -> AttributeValue {
    map([
        ("side", text(value.side.name())),
        ("username", text(sealer.seal(id, &value.username))),
        ("fields", by_field(&value.fields, base)),
        ("rules", rules(&value.rules)),
        ("at", time(value.at)),
        ("until", time(value.until)),
    ])
}

pub(super) fn read_birth(
    reader: Reader<'_>,
    id: &PersonId,
    sealer: &Sealer,
) -> Result<Birth, Mistake> {
    Ok(Birth {
        side: reader.side("side")?,
        username: reader.word("username", |sealed| sealer.open(id, sealed).ok())?,
        fields: reader.by_field("fields", read_base)?,
        rules: reader.numbers("rules")?,
        at: reader.time("at")?,
        until: reader.time("until")?,
    })
}

pub(super) fn tombstone(value: &Tombstone) -> AttributeValue {
    let written = map([("side", text(value.side.name())), ("at", time(value.at))]);
    with_some(written, "owed", value.owed.map(|owed| text(owed.name())))
}

pub(super) fn read_tombstone(reader: Reader<'_>) -> Result<Tombstone, Mistake> {
    Ok(Tombstone {
        side: reader.side("side")?,
        at: reader.time("at")?,
        owed: reader.optional("owed", |reader, name| reader.word(name, Owed::from_name))?,
    })
}

pub(super) fn lease(value: &Lease) -> AttributeValue {
    map([
        ("owner", text(value.owner.as_str())),
        ("until", time(value.until)),
        ("free_at", time(value.free_at)),
    ])
}

pub(super) fn read_lease(reader: Reader<'_>) -> Result<Lease, Mistake> {
    Ok(Lease {
        owner: reader.name("owner")?,
        until: reader.time("until")?,
        free_at: reader.time("free_at")?,
    })
}

pub(super) fn obstacle(value: &Obstacle) -> AttributeValue {
    map([
        ("reason", text(value.reason.name())),
        ("value", print(value.value)),
        ("side", text(value.side.name())),
        ("since", time(value.since)),
    ])
}

pub(super) fn read_obstacle(reader: Reader<'_>) -> Result<Obstacle, Mistake> {
    Ok(Obstacle {
        reason: reader.word("reason", Reason::from_name)?,
        value: reader.print("value")?,
        side: reader.side("side")?,
        since: reader.time("since")?,
    })
}

pub(super) fn failure(value: &RepeatedFailure) -> AttributeValue {
    map([
        ("operation", text(&value.operation)),
        ("kind", text(value.kind.name())),
        ("count", number(value.count)),
        ("first", time(value.first)),
        ("last", time(value.last)),
    ])
}

pub(super) fn read_failure(reader: Reader<'_>) -> Result<RepeatedFailure, Mistake> {
    Ok(RepeatedFailure {
        operation: reader.text("operation")?.to_owned(),
        kind: reader.word("kind", FaultKind::from_name)?,
        count: reader.number("count")?,
        first: reader.time("first")?,
        last: reader.time("last")?,
    })
}

pub(super) fn passwords(value: &Passwords) -> AttributeValue {
    map([
        ("set", by_side(&value.set, |at| time(*at))),
        ("closed", by_side(&value.closed, |at| time(*at))),
        ("owes_sign_out", flags(value.owes_sign_out)),
        ("unproven", by_side(&value.unproven, |at| time(*at))),
        ("counted", by_side(&value.counted, |at| time(*at))),
        ("open", by_side(&value.open, |reason| text(reason.name()))),
        ("reset", by_side(&value.reset, |reset| flag(*reset))),
    ])
}

pub(super) fn read_passwords(reader: Reader<'_>) -> Result<Passwords, Mistake> {
    Ok(Passwords {
        set: reader.by_side("set", Reader::time)?,
        closed: reader.by_side("closed", Reader::time)?,
        owes_sign_out: reader
            .optional("owes_sign_out", |reader, name| read_flags(reader.map(name)?))?
            .unwrap_or_default(),
        unproven: by_side_if_there(reader, "unproven", Reader::time)?,
        counted: by_side_if_there(reader, "counted", Reader::time)?,
        open: by_side_if_there(reader, "open", |it, name| it.word(name, Reason::from_name))?,
        reset: by_side_if_there(reader, "reset", Reader::flag)?,
    })
}

/// An optional map by side, which older items lack.
fn by_side_if_there<'a, T>(
    reader: Reader<'a>,
    name: &'static str,
    read: impl Fn(Reader<'a>, &'static str) -> Result<T, Mistake>,
) -> Result<BySide<Option<T>>, Mistake> {
    let there = reader.optional(name, |reader, name| reader.by_side(name, read))?;
    Ok(there.unwrap_or(BySide { old: None, new: None }))
}

pub(super) fn flags(value: BySide<bool>) -> AttributeValue {
    map([("old", flag(value.old)), ("new", flag(value.new))])
}

pub(super) fn read_flags(reader: Reader<'_>) -> Result<BySide<bool>, Mistake> {
    Ok(BySide { old: reader.flag("old")?, new: reader.flag("new")? })
}

/// The accounts from which an operator separated a person: their `sub`s, by pool.
pub(super) fn apart(value: &Apart) -> AttributeValue {
    let subs = |side: Side| {
        let subs = value.of(side).iter().map(|sub| text(sub.as_str())).collect();
        (side.name(), AttributeValue::L(subs))
    };
    map(Side::BOTH.map(subs))
}

pub(super) fn read_apart(reader: Reader<'_>) -> Result<Apart, Mistake> {
    let mut apart = Apart::default();
    for side in Side::BOTH {
        for value in reader.list(side.name())? {
            let sub = value.as_s().ok().and_then(|sub| Sub::try_from(sub.as_str()).ok());
            apart.note(side, sub.ok_or(Mistake::Wrong(side.name()))?);
        }
    }
    Ok(apart)
}

pub(super) fn miss(value: &Miss) -> AttributeValue {
    map([("at", time(value.at)), ("key", print(value.key))])
}

pub(super) fn read_miss(reader: Reader<'_>) -> Result<Miss, Mistake> {
    Ok(Miss { at: reader.time("at")?, key: reader.print("key")? })
}

pub(super) fn flips(value: &Flips) -> AttributeValue {
    map([
        ("to", text(value.to.name())),
        ("count", number(value.count)),
        ("since", time(value.since)),
    ])
}

pub(super) fn read_flips(reader: Reader<'_>) -> Result<Flips, Mistake> {
    Ok(Flips {
        to: reader.side("to")?,
        count: reader.number("count")?,
        since: reader.time("since")?,
    })
}

pub(super) fn decision(value: &Decision) -> AttributeValue {
    let fields = value.fields.iter().map(text).collect();
    let written = map([
        ("at", time(value.at)),
        ("kind", text(value.kind.name())),
        ("fields", AttributeValue::L(fields)),
    ]);
    let written = with_some(written, "side", value.side.map(|side| text(side.name())));
    with_some(written, "reason", value.reason.map(|reason| text(reason.name())))
}

pub(super) fn read_decision(reader: Reader<'_>) -> Result<Decision, Mistake> {
    let field =
        |value: &AttributeValue| value.as_s().cloned().map_err(|_| Mistake::Wrong("fields"));
    Ok(Decision {
        at: reader.time("at")?,
        kind: reader.word("kind", DecisionKind::from_name)?,
        fields: reader.list("fields")?.iter().map(field).collect::<Result<_, _>>()?,
        side: reader.optional("side", Reader::side)?,
        reason: reader.optional("reason", |reader, name| reader.word(name, Reason::from_name))?,
    })
}
