//! The people: everything about a person follows from the person's number.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use poolbridge_core::account::{Account, PoolSchema, Status};
use poolbridge_core::fingerprint::Keyring;
use poolbridge_core::limits;
use poolbridge_core::mapping::{Mapping, STANDARD};
use poolbridge_core::names::{PersonId, Sub, Username};
use poolbridge_core::policy::{ConflictRule, Deletes, MatchBy, Policy, Provision, StalePasswords};
use poolbridge_core::profile::{Field, Value};
use poolbridge_core::record::{Baseline, BaselineField, KnownAccount, PersonRecord, PersonState};
use poolbridge_core::rules::ProtocolRules;
use poolbridge_core::side::{BySide, Side};
use poolbridge_sweep_core::shard::Prefix;

use crate::world::WORLD_START;
use crate::world::accounts::{attribute, group};

/// Parts by the first three hexadecimal digits. So the people of each part can be listed without a
/// walk through all the others.
const PARTS: u64 = 4_096;

/// Odd, so that they can be inverted. They differ per side, so that each side lists in its own
/// order.
const STEPS: BySide<u64> = BySide { old: 2_053, new: 1_237 };

/// One person in this many is in the group.
const MEMBER_ONE_IN: u64 = 100;

/// All accounts are older than this.
const LONG_AGO: Duration = Duration::from_hours(24 * 300);

/// What happened to a person without an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnreportedChange {
    /// An attribute changed on that side.
    Changed(Side),
    /// The account of that side was deleted.
    Deleted(Side),
    /// The person joined the group on that side.
    Joined(Side),
    /// The person left the group on that side.
    Left(Side),
    /// Signed up on that side just now; the bridge does not know the account.
    New(Side),
    /// Was on that side long before the bridge, which does not know the account.
    Unknown(Side),
}

/// All people.
pub struct People {
    /// Their number.
    pub count: u64,
    /// What happened to which person.
    pub unreported: BTreeMap<u64, UnreportedChange>,
    /// Accounts of the old pool whose `sub` is not hexadecimal, by person.
    pub unexpected: BTreeMap<u64, &'static str>,
    /// The team's policy.
    pub policy: Policy,
    /// Fingerprint keys.
    pub keys: Keyring,
    /// What each pool can hold.
    pub schema: PoolSchema,
}

impl People {
    /// That many people, without any change.
    pub fn new(count: u64) -> Self {
        let dropped = STANDARD.iter().filter(|name| **name != "name");
        let dropped = dropped.map(|name| attribute(name)).collect();
        let mapping = Mapping::new(Vec::new(), &dropped, false, true).expect("rules");
        let policy = Policy {
            match_by: MatchBy::Email,
            provision: BySide { old: Provision::Lazy, new: Provision::Lazy },
            conflicts: ConflictRule::ActiveWins,
            deletes: Deletes::Disable,
            groups: true,
            stale_passwords: StalePasswords::Keep,
            settle: limits::SETTLE,
            clock_allowance: Duration::ZERO,
            mapping,
            rules: ProtocolRules::WHOLE,
        };
        let groups = BTreeSet::from([group("staff")]);
        Self {
            count,
            unreported: BTreeMap::new(),
            unexpected: BTreeMap::new(),
            policy,
            keys: Keyring::new(1, [3; 32]),
            schema: PoolSchema { groups, ..PoolSchema::default() },
        }
    }

    fn unreported(&self, number: u64) -> Option<UnreportedChange> {
        self.unreported.get(&number).copied()
    }

    /// Whether the person has an account on that side.
    pub fn there(&self, side: Side, number: u64) -> bool {
        match self.unreported(number) {
            Some(UnreportedChange::Deleted(gone)) => side != gone,
            Some(UnreportedChange::New(only) | UnreportedChange::Unknown(only)) => side == only,
            Some(
                UnreportedChange::Changed(_)
                | UnreportedChange::Joined(_)
                | UnreportedChange::Left(_),
            )
            | None => true,
        }
    }

    /// Whether the group's listing on that side shows the person.
    pub fn member(&self, side: Side, number: u64) -> bool {
        let usual = number.is_multiple_of(MEMBER_ONE_IN);
        match self.unreported(number) {
            Some(UnreportedChange::Joined(at)) if at == side => true,
            Some(UnreportedChange::Left(at)) if at == side => false,
            Some(_) | None => usual && self.there(side, number),
        }
    }

    /// The `sub` of a person's account: three digits that give the part, some that look random, and
    /// the number.
    pub fn sub(&self, side: Side, number: u64) -> Sub {
        let part = (number.wrapping_mul(*STEPS.get(side))) % PARTS;
        let noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44;
        let text = match self.unexpected.get(&number).filter(|_| side == Side::Old) {
            Some(letters) => format!("{letters}{noise:05x}-0000-4000-8000-{number:012x}"),
            None => format!("{part:03x}{noise:05x}-0000-4000-8000-{number:012x}"),
        };
        Sub::try_from(text.as_str()).expect("it is short and printable")
    }

    /// The number of the person with that `sub`.
    pub fn of_sub(sub: &Sub) -> Option<u64> {
        let (_, digits) = sub.as_str().rsplit_once('-')?;
        u64::from_str_radix(digits, 16).ok()
    }

    /// The numbers of the people whose `sub` has this prefix, after `after`: a few steps each.
    pub fn listed<'a>(
        &'a self,
        side: Side,
        prefix: &Prefix,
        after: Option<u64>,
    ) -> impl Iterator<Item = u64> + 'a {
        let (first, last) = parts_of(prefix.as_str());
        let undo = undone(*STEPS.get(side));
        let part_of = move |number: u64| number.wrapping_mul(*STEPS.get(side)) % PARTS;
        let begin = after.map_or(first, part_of);
        let usual = (begin..last).flat_map(move |part| {
            let lowest = part.wrapping_mul(undo) % PARTS;
            let from = after.filter(|_| part == begin).map_or(lowest, |after| after + PARTS);
            (from..self.count).step_by(usize::try_from(PARTS).unwrap_or(1))
        });
        let is_unexpected =
            move |number: &u64| side == Side::Old && self.unexpected.contains_key(number);
        let unexpected_prefix = prefix.clone();
        let whole = prefix.is_whole();
        let unexpected = self.unexpected.keys().copied().filter(move |number| {
            let holds = unexpected_prefix.holds(&self.sub(side, *number));
            side == Side::Old && after.is_none() && (whole || holds)
        });
        let there = move |number: &u64| self.there(side, *number);
        unexpected.chain(usual.filter(move |number| !is_unexpected(number))).filter(there)
    }

    /// The account as a listing shows it.
    pub fn account(&self, side: Side, number: u64) -> Account {
        let sub = self.sub(side, number);
        let changed = self.unreported(number) == Some(UnreportedChange::Changed(side));
        let name = if changed { format!("other {number}") } else { format!("name {number}") };
        let long_ago = WORLD_START - LONG_AGO;
        let new = matches!(self.unreported(number), Some(UnreportedChange::New(_)));
        let created = if new { WORLD_START } else { long_ago };
        Account {
            username: Username::try_from(sub.as_str()).expect("it is short and printable"),
            sub,
            attributes: BTreeMap::from([(attribute("name"), name)]),
            enabled: true,
            status: Status::Confirmed,
            groups: None,
            factors: None,
            created,
            modified: if changed { WORLD_START } else { created },
        }
    }

    /// The person's id.
    pub fn id(number: u64) -> PersonId {
        let spread = u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        PersonId::from_nonce(spread)
    }

    /// The number of the person with that id.
    pub fn of_id(&self, id: &PersonId) -> Option<u64> {
        // The inverse of the factor above, modulo 2^128, by Newton's method.
        let factor: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        let mut inverse = factor;
        for _ in 0..7 {
            let step = 2_u128.wrapping_sub(factor.wrapping_mul(inverse));
            inverse = inverse.wrapping_mul(step);
        }
        let spread = u128::from_str_radix(id.as_str(), 16).ok()?;
        let number = spread.wrapping_mul(inverse).checked_sub(1)?;
        u64::try_from(number).ok().filter(|number| *number < self.count)
    }

    /// The person record in the ledger: both accounts, agreed long ago.
    pub fn record(&self, number: u64) -> Option<PersonRecord> {
        if matches!(
            self.unreported(number),
            Some(UnreportedChange::New(_) | UnreportedChange::Unknown(_))
        ) {
            return None;
        }
        let long_ago = WORLD_START - LONG_AGO / 2;
        let known = |side| {
            let sub = self.sub(side, number);
            let username = Username::try_from(sub.as_str()).expect("it is short and printable");
            KnownAccount { sub, username, seen: long_ago, written: None, gone: None }
        };
        let mut record = PersonRecord::new(Self::id(number), Side::Old, known(Side::Old), long_ago);
        record.accounts.new = Some(known(Side::New));
        record.state = PersonState::Synced;
        record.linked = Some(long_ago);
        let mut says = vec![
            (Field::Enabled, Value::Flag(true)),
            (Field::Attribute(attribute("name")), Value::Text(format!("name {number}"))),
        ];
        if number.is_multiple_of(MEMBER_ONE_IN) {
            says.push((Field::Group(group("staff")), Value::Flag(true)));
        }
        let mapping = &self.policy.mapping;
        let base = |(field, value): (Field, Value)| {
            let fingerprint = Some(self.keys.fingerprint(&record.salt, &field, &value));
            let rule = mapping.revision(&field)?;
            Some((field, BaselineField { fingerprint, rule }))
        };
        let fields = says.into_iter().filter_map(base).collect();
        record.baseline = Some(Baseline { fields, rules: mapping.revisions() });
        Some(record)
    }
}

/// The parts, as a range, that hold every `sub` with this prefix.
fn parts_of(letters: &str) -> (u64, u64) {
    let Ok(digits) = u64::from_str_radix(if letters.is_empty() { "0" } else { letters }, 16) else {
        return (0, 0);
    };
    let each = PARTS >> (4 * letters.len().min(3));
    if letters.len() > 3 { (0, 0) } else { (digits * each, (digits + 1) * each) }
}

/// The inverse of a factor modulo [`PARTS`].
fn undone(step: u64) -> u64 {
    (1..PARTS).step_by(2).find(|undo| step.wrapping_mul(*undo) % PARTS == 1).unwrap_or(1)
}
