//! Encodes and decodes a person record. An operator can read it: names, words and times are in
//! clear text, values are fingerprints, and usernames are sealed.

use aws_sdk_dynamodb::types::AttributeValue;
use poolbridge_core::entry::{Entry, State};
use poolbridge_core::names::{Owner, PersonId};
use poolbridge_core::side::Side;
use poolbridge_core::verdict::Reason;

use super::attribute::{
    Item, Mistake, Reader, VERSION, by_field, check_version, number, text, time,
};
use super::key::{Key, listed_as, state_shard};
use super::part;
use crate::secret::Sealer;

/// The item at a person's key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Person(Box<Entry>),
    /// A forwarding item: the person record was merged into this one.
    Forward(PersonId),
}

/// The item of `entry`; `writer` made the last write.
pub(super) fn item(entry: &Entry, writer: Option<&Owner>, sealer: &Sealer) -> Item {
    let mut item = Key::person(&entry.id).item();
    let known = |side: Side| {
        let account = entry.accounts.get(side).as_ref();
        account.map(|account| (side.name().to_owned(), part::known(account, &entry.id, sealer)))
    };
    let accounts = Side::BOTH.into_iter().filter_map(known).collect();
    let decisions = entry.decisions.iter().map(part::decision).collect();
    let listed = listed_as(entry).map(|state| state_shard(state, &entry.id));
    let present = [
        ("v", number(VERSION)),
        ("id", text(entry.id.as_str())),
        ("salt", text(entry.salt.as_str())),
        ("revision", number(entry.revision)),
        ("state", text(entry.state.name())),
        ("accounts", AttributeValue::M(accounts)),
        ("not_before", time(entry.not_before)),
        ("obstacles", by_field(&entry.obstacles, part::obstacle)),
        ("passwords", part::passwords(&entry.passwords)),
        ("local_factors", part::flags(entry.local_factors)),
        ("flips", by_field(&entry.flips, part::flips)),
        ("decisions", AttributeValue::L(decisions)),
        ("created_at", time(entry.created)),
        ("updated_at", time(entry.updated)),
    ];
    let possible = [
        ("reason", entry.reason.map(|reason| text(reason.name()))),
        ("agreed", entry.agreed.as_ref().map(part::agreed)),
        ("intent", entry.intent.as_ref().map(part::intent)),
        ("birth", entry.birth.as_ref().map(|birth| part::birth(birth, &entry.id, sealer))),
        ("owes_password", entry.owes_password.map(|side| text(side.name()))),
        ("tombstone", entry.tombstone.as_ref().map(part::tombstone)),
        ("lease", entry.lease.as_ref().map(part::lease)),
        ("apart", (!entry.apart.is_empty()).then(|| part::apart(&entry.apart))),
        ("linked_at", entry.linked.map(time)),
        ("miss", entry.miss.as_ref().map(part::miss)),
        ("failure", entry.failure.as_ref().map(part::failure)),
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
pub(super) fn forward(absorbed: &Entry, kept: &Entry, owner: &Owner) -> Item {
    let mut item = Key::person(&absorbed.id).item();
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

pub(super) fn pointer(key: &Key, person: &PersonId) -> Item {
    let mut item = key.item();
    item.insert("v".to_owned(), number(VERSION));
    item.insert("person".to_owned(), text(person.as_str()));
    item
}

/// The person of a pointer's account.
pub(super) fn read_pointer(item: &Item) -> Result<PersonId, Mistake> {
    check_version(item)?;
    Reader(item).name("person")
}

pub(super) fn read(item: &Item, sealer: &Sealer) -> Result<Stored, Mistake> {
    check_version(item)?;
    let reader = Reader(item);
    if let Some(other) = reader.optional("forward", Reader::name)? {
        return Ok(Stored::Forward(other));
    }
    let id: PersonId = reader.name("id")?;
    let accounts = reader
        .by_side("accounts", |sides, side| part::read_known(sides.map(side)?, &id, sealer))?;
    Ok(Stored::Person(Box::new(Entry {
        salt: reader.name("salt")?,
        revision: reader.number("revision")?,
        accounts,
        agreed: reader.optional("agreed", |r, name| part::read_agreed(r.map(name)?))?,
        intent: reader.optional("intent", |r, name| part::read_intent(r.map(name)?))?,
        birth: reader.optional("birth", |r, name| part::read_birth(r.map(name)?, &id, sealer))?,
        owes_password: reader.optional("owes_password", Reader::side)?,
        tombstone: reader.optional("tombstone", |r, name| part::read_tombstone(r.map(name)?))?,
        lease: reader.optional("lease", |r, name| part::read_lease(r.map(name)?))?,
        not_before: reader.time("not_before")?,
        state: reader.word("state", State::from_name)?,
        reason: reader.optional("reason", |r, name| r.word(name, Reason::from_name))?,
        obstacles: reader.by_field("obstacles", part::read_obstacle)?,
        passwords: part::read_passwords(reader.map("passwords")?)?,
        local_factors: part::read_flags(reader.map("local_factors")?)?,
        miss: reader.optional("miss", |r, name| part::read_miss(r.map(name)?))?,
        failure: reader.optional("failure", |r, name| part::read_failure(r.map(name)?))?,
        flips: reader.by_field("flips", part::read_flips)?,
        decisions: reader.maps("decisions", part::read_decision)?,
        apart: reader
            .optional("apart", |r, name| part::read_apart(r.map(name)?))?
            .unwrap_or_default(),
        linked: reader.optional("linked_at", Reader::time)?,
        created: reader.time("created_at")?,
        updated: reader.time("updated_at")?,
        id,
    })))
}

/// Whether `item` is what a write of `entry` by `owner` leaves, apart from a lease taken since.
/// Each seal of a username differs, so the decoded items are compared.
pub(super) fn is_ours(item: &Item, entry: &Entry, owner: Option<&Owner>, sealer: &Sealer) -> bool {
    let writer = owner.map(|owner| owner.as_str().to_owned());
    if Reader(item).text("writer").ok().map(str::to_owned) != writer {
        return false;
    }
    let Ok(Stored::Person(mut stored)) = read(item, sealer) else { return false };
    stored.lease.clone_from(&entry.lease);
    *stored == *entry
}

#[cfg(test)]
pub(super) mod tests;
