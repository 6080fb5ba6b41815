//! The parts of a person record: baseline, open intents, blocked fields and the rest.

use aws_sdk_dynamodb::types::AttributeValue;
use poolbridge_core::error::ErrorKind;
use poolbridge_core::names::{PersonId, Sub};
use poolbridge_core::outcome::Reason;
use poolbridge_core::record::{
    Apart, Baseline, BaselineField, BlockedField, CreationIntent, Decision, DecisionKind,
    DirectionChanges, FailedLookup, IntendedWrite, KnownAccount, Lease, Passwords, RepeatedFailure,
    WriteIntent,
};
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::tombstone::{Owed, Tombstone};

use super::attribute::{
    ItemError, ItemReader, by_field, by_side, fingerprint, flag, map, number, text, time, with_some,
};
use crate::secret::Sealer;

pub(super) fn known(value: &KnownAccount, id: &PersonId, sealer: &Sealer) -> AttributeValue {
    let written = map([
        ("sub", text(value.sub.as_str())),
        ("username", text(sealer.seal(id, &value.username))),
        ("seen", time(value.seen)),
    ]);
    let written = with_some(written, "written", value.written.map(time));
    with_some(written, "gone", value.gone.map(time))
}

pub(super) fn read_known(
    reader: ItemReader<'_>,
    id: &PersonId,
    sealer: &Sealer,
) -> Result<KnownAccount, ItemError> {
    Ok(KnownAccount {
        sub: reader.name("sub")?,
        username: reader.word("username", |sealed| sealer.open(id, sealed).ok())?,
        seen: reader.time("seen")?,
        written: reader.optional("written", ItemReader::time)?,
        gone: reader.optional("gone", ItemReader::time)?,
    })
}

fn base(value: &BaselineField) -> AttributeValue {
    map([("fingerprint", fingerprint(value.fingerprint)), ("rule", number(value.rule))])
}

fn read_base(reader: ItemReader<'_>) -> Result<BaselineField, ItemError> {
    Ok(BaselineField {
        fingerprint: reader.fingerprint("fingerprint")?,
        rule: reader.number("rule")?,
    })
}

fn rules<'a>(values: impl IntoIterator<Item = &'a u32>) -> AttributeValue {
    AttributeValue::L(values.into_iter().map(number).collect())
}

pub(super) fn baseline(value: &Baseline) -> AttributeValue {
    map([("fields", by_field(&value.fields, base)), ("rules", rules(&value.rules))])
}

pub(super) fn read_baseline(reader: ItemReader<'_>) -> Result<Baseline, ItemError> {
    Ok(Baseline { fields: reader.by_field("fields", read_base)?, rules: reader.numbers("rules")? })
}

fn intended(value: &IntendedWrite) -> AttributeValue {
    let written = map([
        ("side", text(value.side.name())),
        ("wanted", fingerprint(value.wanted)),
        ("was", fingerprint(value.was)),
        ("rule", number(value.rule)),
    ]);
    with_some(written, "answered", value.answered.then(|| flag(true)))
}

fn read_intended(reader: ItemReader<'_>) -> Result<IntendedWrite, ItemError> {
    Ok(IntendedWrite {
        side: reader.side("side")?,
        wanted: reader.fingerprint("wanted")?,
        was: reader.fingerprint("was")?,
        rule: reader.number("rule")?,
        answered: reader.optional("answered", ItemReader::flag)?.unwrap_or_default(),
    })
}

pub(super) fn intent(value: &WriteIntent) -> AttributeValue {
    map([
        ("fields", by_field(&value.fields, intended)),
        ("modified", by_side(&value.modified, |at| time(*at))),
        ("at", time(value.at)),
        ("until", time(value.until)),
    ])
}

pub(super) fn read_intent(reader: ItemReader<'_>) -> Result<WriteIntent, ItemError> {
    Ok(WriteIntent {
        fields: reader.by_field("fields", read_intended)?,
        modified: reader.by_side("modified", ItemReader::time)?,
        at: reader.time("at")?,
        until: reader.time("until")?,
    })
}

pub(super) fn creation(value: &CreationIntent, id: &PersonId, sealer: &Sealer) -> AttributeValue {
    map([
        ("side", text(value.side.name())),
        ("username", text(sealer.seal(id, &value.username))),
        ("fields", by_field(&value.fields, base)),
        ("rules", rules(&value.rules)),
        ("at", time(value.at)),
        ("until", time(value.until)),
    ])
}

pub(super) fn read_creation(
    reader: ItemReader<'_>,
    id: &PersonId,
    sealer: &Sealer,
) -> Result<CreationIntent, ItemError> {
    Ok(CreationIntent {
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

pub(super) fn read_tombstone(reader: ItemReader<'_>) -> Result<Tombstone, ItemError> {
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

pub(super) fn read_lease(reader: ItemReader<'_>) -> Result<Lease, ItemError> {
    Ok(Lease {
        owner: reader.name("owner")?,
        until: reader.time("until")?,
        free_at: reader.time("free_at")?,
    })
}

pub(super) fn blocked_field(value: &BlockedField) -> AttributeValue {
    map([
        ("reason", text(value.reason.name())),
        ("value", fingerprint(value.value)),
        ("side", text(value.side.name())),
        ("since", time(value.since)),
    ])
}

pub(super) fn read_blocked(reader: ItemReader<'_>) -> Result<BlockedField, ItemError> {
    Ok(BlockedField {
        reason: reader.word("reason", Reason::from_name)?,
        value: reader.fingerprint("value")?,
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

pub(super) fn read_failure(reader: ItemReader<'_>) -> Result<RepeatedFailure, ItemError> {
    Ok(RepeatedFailure {
        operation: reader.text("operation")?.to_owned(),
        kind: reader.word("kind", ErrorKind::from_name)?,
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

pub(super) fn read_passwords(reader: ItemReader<'_>) -> Result<Passwords, ItemError> {
    Ok(Passwords {
        set: reader.by_side("set", ItemReader::time)?,
        closed: reader.by_side("closed", ItemReader::time)?,
        owes_sign_out: reader
            .optional("owes_sign_out", |reader, name| read_flags(reader.map(name)?))?
            .unwrap_or_default(),
        unproven: by_side_if_there(reader, "unproven", ItemReader::time)?,
        counted: by_side_if_there(reader, "counted", ItemReader::time)?,
        open: by_side_if_there(reader, "open", |it, name| it.word(name, Reason::from_name))?,
        reset: by_side_if_there(reader, "reset", ItemReader::flag)?,
    })
}

/// An optional map by side, which older items lack.
fn by_side_if_there<'a, T>(
    reader: ItemReader<'a>,
    name: &'static str,
    read: impl Fn(ItemReader<'a>, &'static str) -> Result<T, ItemError>,
) -> Result<BySide<Option<T>>, ItemError> {
    let there = reader.optional(name, |reader, name| reader.by_side(name, read))?;
    Ok(there.unwrap_or(BySide { old: None, new: None }))
}

pub(super) fn flags(value: BySide<bool>) -> AttributeValue {
    map([("old", flag(value.old)), ("new", flag(value.new))])
}

pub(super) fn read_flags(reader: ItemReader<'_>) -> Result<BySide<bool>, ItemError> {
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

pub(super) fn read_apart(reader: ItemReader<'_>) -> Result<Apart, ItemError> {
    let mut apart = Apart::default();
    for side in Side::BOTH {
        for value in reader.list(side.name())? {
            let sub = value.as_s().ok().and_then(|sub| Sub::try_from(sub.as_str()).ok());
            apart.note(side, sub.ok_or(ItemError::Wrong(side.name()))?);
        }
    }
    Ok(apart)
}

pub(super) fn failed_lookup(value: &FailedLookup) -> AttributeValue {
    map([("at", time(value.at)), ("key", fingerprint(value.key))])
}

pub(super) fn read_failed_lookup(reader: ItemReader<'_>) -> Result<FailedLookup, ItemError> {
    Ok(FailedLookup { at: reader.time("at")?, key: reader.fingerprint("key")? })
}

pub(super) fn direction_changes(value: &DirectionChanges) -> AttributeValue {
    map([
        ("to", text(value.to.name())),
        ("count", number(value.count)),
        ("since", time(value.since)),
    ])
}

pub(super) fn read_direction_changes(
    reader: ItemReader<'_>,
) -> Result<DirectionChanges, ItemError> {
    Ok(DirectionChanges {
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

pub(super) fn read_decision(reader: ItemReader<'_>) -> Result<Decision, ItemError> {
    let field =
        |value: &AttributeValue| value.as_s().cloned().map_err(|_| ItemError::Wrong("fields"));
    Ok(Decision {
        at: reader.time("at")?,
        kind: reader.word("kind", DecisionKind::from_name)?,
        fields: reader.list("fields")?.iter().map(field).collect::<Result<_, _>>()?,
        side: reader.optional("side", ItemReader::side)?,
        reason: reader.optional("reason", |reader, name| reader.word(name, Reason::from_name))?,
    })
}
