use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::error::ErrorKind;
use poolbridge_core::fingerprint::Fingerprint;
use poolbridge_core::names::{AttributeName, GroupName, Sub, Username};
use poolbridge_core::profile::{Factor, Field};
use poolbridge_core::record::{
    Apart, Baseline, BaselineField, BlockedField, CreationIntent, Decision, DecisionKind,
    DirectionChanges, FailedLookup, IntendedWrite, KnownAccount, Lease, Passwords, RepeatedFailure,
    WriteIntent,
};
use poolbridge_core::side::BySide;
use poolbridge_core::time::Time;
use poolbridge_core::tombstone::{Owed, Tombstone};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of as maybe;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::attribute::{map, size_bytes};
use super::*;
use crate::secret::Secret;

pub(in super::super) fn sealer() -> Sealer {
    Secret::from_text("a key for tests: 32 characters ..").unwrap().sealer()
}

pub(in super::super) fn record() -> PersonRecord {
    let account = KnownAccount {
        sub: Sub::try_from("s-1").unwrap(),
        username: Username::try_from("someone@example.com").unwrap(),
        seen: Time(3),
        written: None,
        gone: None,
    };
    PersonRecord {
        state: PersonState::Synced,
        ..PersonRecord::new(PersonId::from_nonce(9), Side::Old, account, Time(3))
    }
}

fn sides() -> impl Strategy<Value = Side> {
    select(Side::BOTH.to_vec())
}

fn times() -> impl Strategy<Value = Time> {
    any::<i64>().prop_map(Time)
}

fn fingerprints() -> impl Strategy<Value = Option<Fingerprint>> {
    maybe((any::<u8>(), any::<[u8; 16]>()).prop_map(|(key, bytes)| Fingerprint { key, bytes }))
}

fn fields() -> impl Strategy<Value = Field> {
    let factors = vec![Factor::Sms, Factor::Email, Factor::Totp];
    prop_oneof![
        select(vec![Field::Enabled, Field::Email, Field::Phone]),
        select(factors).prop_map(Field::Factor),
        "custom:[a-z.é]{1,20}"
            .prop_map(|name| { Field::Attribute(AttributeName::try_from(name.as_str()).unwrap()) }),
        "[!-~ñ]{1,128}".prop_map(|name| Field::Group(GroupName::try_from(name.as_str()).unwrap())),
    ]
}

fn usernames() -> impl Strategy<Value = Username> {
    "[!-~ü]{1,128}".prop_map(|name| Username::try_from(name.as_str()).unwrap())
}

fn reasons() -> impl Strategy<Value = Reason> {
    let mut all = Reason::PLAIN.to_vec();
    all.extend([ErrorKind::Throttled, ErrorKind::Newer].map(Reason::PortError));
    select(all)
}

fn by_sides<T: std::fmt::Debug>(
    make: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = BySide<T>> {
    (make.clone(), make).prop_map(|(old, new)| BySide { old, new })
}

fn bases() -> impl Strategy<Value = BaselineField> {
    (fingerprints(), any::<u32>())
        .prop_map(|(fingerprint, rule)| BaselineField { fingerprint, rule })
}

fn known() -> impl Strategy<Value = KnownAccount> + Clone {
    ("[!-~]{1,128}", usernames(), times(), maybe(times()), maybe(times()))
        .prop_map(|(sub, username, seen, written, gone)| {
            let sub = Sub::try_from(sub.as_str()).unwrap();
            KnownAccount { sub, username, seen, written, gone }
        })
        .boxed()
}

fn creations() -> impl Strategy<Value = CreationIntent> {
    let bases = btree_map(fields(), bases(), 0..4);
    (sides(), usernames(), bases, btree_set(any::<u32>(), 0..4), times(), times()).prop_map(
        |(side, username, fields, rules, at, until)| CreationIntent {
            side,
            username,
            fields,
            rules,
            at,
            until,
        },
    )
}

fn intents() -> impl Strategy<Value = WriteIntent> {
    let intended = (sides(), fingerprints(), fingerprints(), any::<u32>(), any::<bool>()).prop_map(
        |(side, wanted, was, rule, answered)| IntendedWrite { side, wanted, was, rule, answered },
    );
    let modified = by_sides(maybe(times()).boxed());
    (btree_map(fields(), intended, 0..4), modified, times(), times())
        .prop_map(|(fields, modified, at, until)| WriteIntent { fields, modified, at, until })
}

fn tombstones() -> impl Strategy<Value = Tombstone> {
    let owed = select(vec![Owed::Disable, Owed::Delete]);
    (sides(), times(), maybe(owed)).prop_map(|(side, at, owed)| Tombstone { side, at, owed })
}

fn leases() -> impl Strategy<Value = Lease> {
    (any::<u128>(), times(), times()).prop_map(|(owner, until, free_at)| Lease {
        owner: Owner::from_nonce(owner),
        until,
        free_at,
    })
}

fn decisions() -> impl Strategy<Value = Decision> {
    let named = vec(fields().prop_map(|field| field.to_string()), 0..3);
    let kinds = select(DecisionKind::ALL.to_vec());
    (times(), kinds, named, maybe(sides()), maybe(reasons()))
        .prop_map(|(at, kind, fields, side, reason)| Decision { at, kind, fields, side, reason })
}

type BlockedFields =
    (BTreeMap<Field, BlockedField>, BTreeMap<Field, DirectionChanges>, Vec<Decision>);

fn troubles() -> impl Strategy<Value = BlockedFields> {
    let blocked_field = (reasons(), fingerprints(), sides(), times())
        .prop_map(|(reason, value, side, since)| BlockedField { reason, value, side, since });
    let direction_changes = (sides(), any::<u8>(), times())
        .prop_map(|(to, count, since)| DirectionChanges { to, count, since });
    (
        btree_map(fields(), blocked_field, 0..4),
        btree_map(fields(), direction_changes, 0..3),
        vec(decisions(), 0..5),
    )
}

fn agreements() -> impl Strategy<Value = Baseline> {
    let rules: BoxedStrategy<BTreeSet<u32>> = btree_set(any::<u32>(), 0..5).boxed();
    (btree_map(fields(), bases(), 0..6), rules)
        .prop_map(|(fields, rules)| Baseline { fields, rules })
}

fn separations() -> impl Strategy<Value = Apart> {
    vec((sides(), "[!-~]{1,128}"), 0..4).prop_map(|accounts| {
        let mut apart = Apart::default();
        for (side, sub) in accounts {
            apart.note(side, Sub::try_from(sub.as_str()).unwrap());
        }
        apart
    })
}

/// Every field of a person record, and every word of each closed list.
fn records() -> impl Strategy<Value = PersonRecord> {
    let head = (any::<u128>(), any::<u128>(), any::<u64>(), select(PersonState::ALL.to_vec()));
    let work = (
        maybe(agreements()),
        maybe(intents()),
        maybe(creations()),
        maybe(leases()),
        by_sides(maybe(known()).boxed()),
    );
    let times_by_side = || by_sides(maybe(times()).boxed());
    let passwords = (
        (times_by_side(), times_by_side(), times_by_side(), times_by_side()),
        by_sides(any::<bool>().boxed()),
        by_sides(maybe(reasons()).boxed()),
        by_sides(maybe(any::<bool>()).boxed()),
    );
    let passwords = passwords.prop_map(|((set, closed, unproven, counted), out, open, reset)| {
        Passwords { set, closed, owes_sign_out: out, unproven, counted, open, reset }
    });
    let failed_lookup = (times(), fingerprints()).prop_map(|(at, key)| FailedLookup { at, key });
    let failure =
        ("[A-Za-z]{1,30}", select(ErrorKind::ALL.to_vec()), any::<u8>(), times(), times())
            .prop_map(|(operation, kind, count, first, last)| RepeatedFailure {
                operation,
                kind,
                count,
                first,
                last,
            });
    let rest = (
        maybe(sides()),
        maybe(reasons()),
        passwords,
        by_sides(any::<bool>().boxed()),
        maybe(failed_lookup),
        maybe(times()),
        [times().boxed(), times().boxed(), times().boxed()],
        maybe(tombstones()),
        maybe(failure),
        separations(),
    );
    (head, work, troubles(), rest).prop_map(|(head, work, troubles, rest)| {
        let (
            owes_password,
            reason,
            passwords,
            local_factors,
            failed_lookup,
            linked,
            at,
            tombstone,
            failure,
            apart,
        ) = rest;
        PersonRecord {
            id: PersonId::from_nonce(head.0),
            salt: PersonId::from_nonce(head.1),
            revision: head.2,
            state: head.3,
            baseline: work.0,
            intent: work.1,
            creation: work.2,
            lease: work.3,
            accounts: work.4,
            blocked_fields: troubles.0,
            direction_changes: troubles.1,
            decisions: troubles.2,
            apart,
            owes_password,
            tombstone,
            failure,
            reason,
            passwords,
            local_factors,
            failed_lookup,
            linked,
            not_before: at[0],
            created: at[1],
            updated: at[2],
        }
    })
}

/// Checks what the service does to stored values: it returns numbers in their shortest form and
/// changes nothing else. An empty name or a float would fail here.
fn assert_storable(value: &AttributeValue) {
    if let AttributeValue::N(digits) = value {
        assert!(digits.parse::<i128>().is_ok(), "{digits}");
    } else if let AttributeValue::M(values) = value {
        assert!(values.keys().all(|name| !name.is_empty()));
        values.values().for_each(assert_storable);
    } else if let AttributeValue::L(values) = value {
        values.iter().for_each(assert_storable);
    } else {
        assert!(value.is_s() || value.is_bool(), "an attribute of an unknown type");
    }
}

proptest! {
    #[test]
    fn a_person_record_reads_back_unchanged(record in records()) {
        let item = item(&record, Some(&Owner::from_nonce(1)), &sealer());
        item.values().for_each(assert_storable);
        prop_assert_eq!(read(&item, &sealer()), Ok(Stored::Person(Box::new(record))));
    }

    #[test]
    fn invariant_09_no_username_is_in_an_item(mut record in records(), name in "QQ[a-z@.]{4,40}") {
        let username = Username::try_from(name.as_str()).unwrap();
        for side in Side::BOTH {
            if let Some(account) = record.accounts.get_mut(side) {
                account.username = username.clone();
            }
        }
        if let Some(creation) = &mut record.creation {
            creation.username = username;
        }
        let item = item(&record, None, &sealer());
        let printed = format!("{item:?}");
        prop_assert!(!printed.contains(&name));
    }

    #[test]
    fn a_person_not_in_step_is_listed(record in records()) {
        let item = item(&record, None, &sealer());
        let open = record.intent.is_some() || record.creation.is_some();
        let state = if open { PersonState::Waiting } else { record.state };
        match item.get("state_shard") {
            None => prop_assert_eq!(state, PersonState::Synced),
            Some(shard) => {
                let shard = shard.as_s().unwrap();
                prop_assert!(shard.starts_with(&format!("{}#", state.name())), "{}", shard);
            }
        }
        prop_assert!(item["updated_at"].is_n());
    }
}

const ALWAYS: [&str; 13] = [
    "v",
    "id",
    "salt",
    "revision",
    "state",
    "accounts",
    "not_before",
    "blocked",
    "passwords",
    "local_factors",
    "direction_changes",
    "decisions",
    "created_at",
];

fn written() -> Item {
    item(&record(), None, &sealer())
}

#[test]
fn a_missing_attribute_is_reported_by_name() {
    for name in ALWAYS.into_iter().chain(["updated_at"]) {
        let mut item = written();
        assert!(item.remove(name).is_some(), "the item lacks {name}");
        assert_eq!(read(&item, &sealer()), Err(ItemError::Missing(name)));
    }
}

#[test]
fn an_attribute_of_another_type_is_reported_by_name() {
    let optional =
        ["reason", "baseline", "intent", "creation", "owes_password", "lease", "failed_lookup"];
    let optional = optional.into_iter().chain(["forward", "tombstone", "apart"]);
    for name in ALWAYS.into_iter().chain(["updated_at"]).chain(optional) {
        let mut item = written();
        item.insert(name.to_owned(), AttributeValue::Null(true));
        assert_eq!(read(&item, &sealer()), Err(ItemError::Wrong(name)), "{name}");
    }
}

#[test]
fn an_unknown_word_is_an_error_and_is_not_repeated() {
    for (name, word) in [("state", "asleep"), ("reason", "QQ-private"), ("owes_password", "both")] {
        let mut item = written();
        item.insert(name.to_owned(), text(word));
        let error = read(&item, &sealer()).unwrap_err();
        assert_eq!(error, ItemError::Wrong(name));
        assert!(!format!("{:?}", error.port_error("GetItem")).contains(word));
    }
    let mut item = written();
    item.insert("accounts".to_owned(), map([("third", map([]))]));
    assert_eq!(read(&item, &sealer()), Err(ItemError::Wrong("accounts")));
    let mut item = written();
    item.insert("blocked".to_owned(), map([(" not a field", map([]))]));
    assert_eq!(read(&item, &sealer()), Err(ItemError::Wrong("blocked")));
    let mut item = written();
    item.insert("revision".to_owned(), AttributeValue::N("1.5".to_owned()));
    assert_eq!(read(&item, &sealer()), Err(ItemError::Wrong("revision")));
}

#[test]
fn an_item_of_a_newer_version_is_refused_before_its_contents() {
    let mut item = ItemKey::person(&record().id).item();
    item.insert("v".to_owned(), number(VERSION + 1));
    assert_eq!(read(&item, &sealer()), Err(ItemError::Newer));
    assert_eq!(read_pointer(&item), Err(ItemError::Newer));
}

#[test]
fn a_person_record_does_not_open_with_another_key() {
    let other = Secret::from_text("another key for tests, as long .....").unwrap().sealer();
    assert_eq!(read(&written(), &other), Err(ItemError::Wrong("username")));
}

#[test]
fn separations_are_stored_by_pool_and_are_optional() {
    let sub = |text: &str| Sub::try_from(text).unwrap();
    let mut record = record();
    assert!(!item(&record, None, &sealer()).contains_key("apart"), "an empty list is stored");
    assert_eq!(read(&written(), &sealer()), Ok(Stored::Person(Box::new(record.clone()))));
    record.apart.note(Side::New, sub("n-2"));
    record.apart.note(Side::New, sub("n-1"));
    let item = item(&record, None, &sealer());
    let subs = |subs: &[&str]| AttributeValue::L(subs.iter().map(|sub| text(*sub)).collect());
    let stored = map([("old", subs(&[])), ("new", subs(&["n-1", "n-2"]))]);
    assert_eq!(item.get("apart"), Some(&stored));
    assert_eq!(read(&item, &sealer()), Ok(Stored::Person(Box::new(record))));
    let mut item = item;
    item.insert("apart".to_owned(), map([("old", subs(&[""])), ("new", subs(&[]))]));
    assert_eq!(read(&item, &sealer()), Err(ItemError::Wrong("old")));
}

#[test]
fn a_forwarding_item_and_a_pointer_read_back_unchanged() {
    let kept = PersonRecord { id: PersonId::from_nonce(10), ..record() };
    let item = forward(&record(), &kept, &Owner::from_nonce(1));
    assert_eq!(read(&item, &sealer()), Ok(Stored::Forward(kept.id)));
    assert!(!item.contains_key("state_shard"), "no person is listed twice");
    let key = ItemKey::account(Side::Old, &Sub::try_from("s-1").unwrap());
    assert_eq!(read_pointer(&pointer(&key, &record().id)), Ok(record().id));
}

#[test]
fn the_largest_sensible_person_record_fits_in_one_item() {
    let mut record = record();
    let base = BaselineField { fingerprint: None, rule: u32::MAX };
    let mut baseline = Baseline::default();
    // As many groups as Cognito allows, with the longest names, and 67 attributes.
    for place in 0..167 {
        let name = format!("{place:0>128}");
        baseline
            .fields
            .insert(Field::Group(GroupName::try_from(name.as_str()).unwrap()), base.clone());
    }
    let intended =
        IntendedWrite { side: Side::Old, wanted: None, was: None, rule: u32::MAX, answered: true };
    let fields = baseline.fields.keys().map(|field| (field.clone(), intended.clone())).collect();
    let modified = BySide::default();
    record.intent = Some(WriteIntent { fields, modified, at: Time(1), until: Time(1) });
    record.baseline = Some(baseline);
    let size = size_bytes(&item(&record, None, &sealer()));
    assert!(size < 100 * 1024, "{size} bytes");
}
