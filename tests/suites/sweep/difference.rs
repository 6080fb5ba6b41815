//! The difference of two sets of people, found without storing either set.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::names::PersonId;
use poolbridge_sweep_core::difference::{Difference, PersonKey};
use poolbridge_tests::world::chance::{Chooser, Seeded};

#[test]
fn a_difference_of_two_sets_is_identified_for_any_sets() {
    let mut chance = Seeded::new(8);
    for _ in 0..60 {
        let (common, more) = (chance.choose(20_000, "common"), chance.choose(650, "more"));
        let mut key = || {
            let person = u128::from(chance.draw()) << 64 | u128::from(chance.draw());
            PersonKey { person, tag: u32::try_from(chance.draw() & 3).unwrap() }
        };
        let mut table = Difference::default();
        let mut parts = [Difference::default(), Difference::default()];
        for _ in 0..common {
            let key = key();
            parts[0].put(key);
            parts[1].take(key);
        }
        let mut left = BTreeMap::new();
        for n in 0..more {
            let (key, times) = (key(), [1_i32, -1, 2, -3][n % 4]);
            left.insert(key, times);
            for _ in 0..times.unsigned_abs() {
                if times > 0 { parts[0].put(key) } else { parts[1].take(key) }
            }
        }
        for part in &parts {
            table.add(part);
        }
        let found = table.unmatched();
        assert!(found.complete, "{more} keys");
        assert_eq!(found.keys, left.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn too_large_a_difference_never_names_a_person_outside_it() {
    let mut chance = Seeded::new(9);
    for _ in 0..60 {
        let mut table = Difference::default();
        let mut keys = BTreeSet::new();
        for _ in 0..700 + chance.choose(3_000, "more") {
            let person = u128::from(chance.draw()) << 64 | u128::from(chance.draw());
            let key = PersonKey { person, tag: 0 };
            keys.insert(key);
            table.put(key);
        }
        let found = table.unmatched();
        assert!(found.keys.iter().all(|(key, count)| keys.contains(key) && *count == 1));
        assert_eq!(found.complete, found.keys.len() == keys.len());
    }
    let id = PersonId::from_nonce(u128::MAX);
    assert_eq!(id.as_str().len(), 32, "an id is the number that is put in");
}
