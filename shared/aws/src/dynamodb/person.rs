//! Encodes and decodes a person record. An operator can read it: names, words and times are in
//! clear text, values are fingerprints, and usernames are sealed.

use aws_sdk_dynamodb::types::AttributeValue;
use poolbridge_core::names::{Owner, PersonId};
use poolbridge_core::outcome::Reason;
use poolbridge_core::record::{PersonRecord, PersonState};
use poolbridge_core::side::Side;

use super::attribute::{
    Item, ItemError, ItemReader, VERSION, by_field, check_version, number, text, time,
};
use super::key::{ItemKey, listed_as, state_shard};
use super::part;
use crate::secret::Sealer;

/// The item at a person's key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Person(Box<PersonRecord>),
    /// A forwarding item: the person record was merged into this one.
    Forward(PersonId),
}

/// The item of `record`; `writer` made the last write.
pub(super) fn item(record: &PersonRecord, writer: Option<&Owner>, sealer: &Sealer) -> Item {
    let mut item = ItemKey::person(&record.id).item();
    let known = |side: Side| {
        let account = record.accounts.get(side).as_ref();
        account.map(|account| (side.name().to_owned(), part::known(account, &record.id, sealer)))
    };
    let accounts = Side::BOTH.into_iter().filter_map(known).collect();
    let decisions = record.decisions.iter().map(part::decision).collect();
    let listed = listed_as(record).map(|state| state_shard(state, &record.id));
    let present = [
        ("v", number(VERSION)),
        ("id", text(record.id.as_str())),
        ("salt", text(record.salt.as_str())),
        ("revision", number(record.revision)),
        ("state", text(record.state.name())),
        ("accounts", AttributeValue::M(accounts)),
        ("not_before", time(record.not_before)),
        ("blocked", by_field(&record.blocked_fields, part::blocked_field)),
        ("passwords", part::passwords(&record.passwords)),
        ("local_factors", part::flags(record.local_factors)),
        ("direction_changes", by_field(&record.direction_changes, part::direction_changes)),
        ("decisions", AttributeValue::L(decisions)),
        ("created_at", time(record.created)),
        ("updated_at", time(record.updated)),
    ];
    let possible = [
        ("reason", record.reason.map(|reason| text(reason.name()))),
        ("baseline", record.baseline.as_ref().map(part::baseline)),
        ("intent", record.intent.as_ref().map(part::intent)),
        (
            "creation",
            record.creation.as_ref().map(|creation| part::creation(creation, &record.id, sealer)),
        ),
        ("owes_password", record.owes_password.map(|side| text(side.name()))),
        ("tombstone", record.tombstone.as_ref().map(part::tombstone)),
        ("lease", record.lease.as_ref().map(part::lease)),
        ("apart", (!record.apart.is_empty()).then(|| part::apart(&record.apart))),
        ("linked_at", record.linked.map(time)),
        ("failed_lookup", record.failed_lookup.as_ref().map(part::failed_lookup)),
        ("failure", record.failure.as_ref().map(part::failure)),
        ("writer", writer.map(|owner| text(owner.as_str()))),
        // Without this attribute the index does not contain the item, so people in step cost the
        // index nothing.
        ("state_shard", listed.map(text)),
    ];
    item.extend(present.map(|(name, value)| (name.to_owned(), value)));
    item.extend(possible.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    item
}

/// The forwarding item that replaces `absorbed` after its accounts moved to `kept`.
pub(super) fn forward(absorbed: &PersonRecord, kept: &PersonRecord, owner: &Owner) -> Item {
    let mut item = ItemKey::person(&absorbed.id).item();
    let rest = [
        ("v", number(VERSION)),
        ("id", text(absorbed.id.as_str())),
        ("forward", text(kept.id.as_str())),
        ("revision", number(absorbed.revision.saturating_add(1))),
        ("writer", text(owner.as_str())),
        ("updated_at", time(kept.updated)),
    ];
    item.extend(rest.map(|(name, value)| (name.to_owned(), value)));
    item
}

pub(super) fn pointer(key: &ItemKey, person: &PersonId) -> Item {
    let mut item = key.item();
    item.insert("v".to_owned(), number(VERSION));
    item.insert("person".to_owned(), text(person.as_str()));
    item
}

/// The person of a pointer's account.
pub(super) fn read_pointer(item: &Item) -> Result<PersonId, ItemError> {
    check_version(item)?;
    ItemReader(item).name("person")
}

pub(super) fn read(item: &Item, sealer: &Sealer) -> Result<Stored, ItemError> {
    check_version(item)?;
    let reader = ItemReader(item);
    if let Some(other) = reader.optional("forward", ItemReader::name)? {
        return Ok(Stored::Forward(other));
    }
    let id: PersonId = reader.name("id")?;
    let accounts = reader
        .by_side("accounts", |sides, side| part::read_known(sides.map(side)?, &id, sealer))?;
    Ok(Stored::Person(Box::new(PersonRecord {
        salt: reader.name("salt")?,
        revision: reader.number("revision")?,
        accounts,
        baseline: reader.optional("baseline", |r, name| part::read_baseline(r.map(name)?))?,
        intent: reader.optional("intent", |r, name| part::read_intent(r.map(name)?))?,
        creation: reader
            .optional("creation", |r, name| part::read_creation(r.map(name)?, &id, sealer))?,
        owes_password: reader.optional("owes_password", ItemReader::side)?,
        tombstone: reader.optional("tombstone", |r, name| part::read_tombstone(r.map(name)?))?,
        lease: reader.optional("lease", |r, name| part::read_lease(r.map(name)?))?,
        not_before: reader.time("not_before")?,
        state: reader.word("state", PersonState::from_name)?,
        reason: reader.optional("reason", |r, name| r.word(name, Reason::from_name))?,
        blocked_fields: reader.by_field("blocked", part::read_blocked)?,
        passwords: part::read_passwords(reader.map("passwords")?)?,
        local_factors: part::read_flags(reader.map("local_factors")?)?,
        failed_lookup: reader
            .optional("failed_lookup", |r, name| part::read_failed_lookup(r.map(name)?))?,
        failure: reader.optional("failure", |r, name| part::read_failure(r.map(name)?))?,
        direction_changes: reader.by_field("direction_changes", part::read_direction_changes)?,
        decisions: reader.maps("decisions", part::read_decision)?,
        apart: reader
            .optional("apart", |r, name| part::read_apart(r.map(name)?))?
            .unwrap_or_default(),
        linked: reader.optional("linked_at", ItemReader::time)?,
        created: reader.time("created_at")?,
        updated: reader.time("updated_at")?,
        id,
    })))
}

/// Whether `item` is what a write of `record` by `owner` leaves, apart from a lease taken since.
/// Each seal of a username differs, so the decoded items are compared.
pub(super) fn is_ours(
    item: &Item,
    record: &PersonRecord,
    owner: Option<&Owner>,
    sealer: &Sealer,
) -> bool {
    let writer = owner.map(|owner| owner.as_str().to_owned());
    if ItemReader(item).text("writer").ok().map(str::to_owned) != writer {
        return false;
    }
    let Ok(Stored::Person(mut stored)) = read(item, sealer) else { return false };
    stored.lease.clone_from(&record.lease);
    *stored == *record
}

#[cfg(test)]
pub(super) mod tests;
