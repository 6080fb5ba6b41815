use std::time::Duration;

use super::*;
use crate::limits;
use crate::sweep::judge::DATE_RESOLUTION;

fn note(at: Time) -> CreationIntent {
    CreationIntent {
        side: Side::New,
        username: Username::try_from("u").unwrap(),
        fields: BTreeMap::new(),
        rules: BTreeSet::new(),
        at,
        until: at + Duration::from_secs(30),
    }
}

fn announced(at: Time, created: Time) -> bool {
    let keys = Keyring::new(1, [7; 32]);
    note(at).announced(&Profile::new(), created, &keys, &PersonId::from_nonce(1))
}

#[test]
fn an_account_that_poolbridge_created_is_recognised_although_its_clock_is_fast() {
    let truth = Time(1_000_000_000);
    let ours = truth + limits::CLOCK_ERROR_MAX;
    // The pool cuts its date to seconds.
    let created = truth + Duration::from_millis(100) - DATE_RESOLUTION;
    assert!(announced(ours, created));
}

#[test]
fn an_account_from_before_the_creation_intent_belongs_to_another_person() {
    let at = Time(1_000_000_000);
    let grace = limits::CLOCK_ERROR_MAX + DATE_RESOLUTION;
    assert!(announced(at, at - grace));
    assert!(!announced(at, at - grace - Duration::from_millis(1)));
}
