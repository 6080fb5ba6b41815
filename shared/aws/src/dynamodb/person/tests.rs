mod records;
use records::records;

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
