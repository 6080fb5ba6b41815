//! A person's story as it is told.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::change::Evidence;
use poolbridge_core::fingerprint::Fingerprint;
use poolbridge_core::names::{GroupName, Owner, PersonId, Sub, Username};
use poolbridge_core::plan::Plan;
use poolbridge_core::record::{
    Baseline, BaselineField, DecisionKind, KnownAccount, Lease, PersonState,
};
use poolbridge_core::side::BySide;
use poolbridge_core::step::{Action, Step};

use super::*;

const NOW: Time = Time(1_700_000_100_000);
const THEN: Time = Time(1_700_000_000_000);
/// A value that nothing may show.
const SECRET: &str = "ada@example.com";

fn known(sub: &str) -> KnownAccount {
    KnownAccount {
        sub: Sub::try_from(sub).unwrap(),
        username: Username::try_from(SECRET).unwrap(),
        seen: THEN,
        written: Some(THEN),
        gone: None,
    }
}

pub(crate) fn record() -> PersonRecord {
    let id = PersonId::from_nonce(0xfeed);
    let mut record = PersonRecord::new(id, Side::Old, known("sub-of-old"), THEN);
    record.accounts.new = Some(known("sub-of-new"));
    record.linked = Some(THEN);
    record.state = PersonState::Held;
    record.reason = Some(Reason::AddressTaken);
    let fingerprint = Some(Fingerprint { key: 1, bytes: [0xab; 16] });
    record.baseline = Some(Baseline {
        fields: BTreeMap::from([(Field::Enabled, BaselineField { fingerprint, rule: 1 })]),
        rules: BTreeSet::from([1]),
    });
    let blocked_field = BlockedField {
        reason: Reason::AddressTaken,
        value: fingerprint,
        side: Side::New,
        since: THEN,
    };
    record.blocked_fields = BTreeMap::from([(Field::Email, blocked_field)]);
    let free_at = NOW + std::time::Duration::from_secs(5);
    record.lease = Some(Lease { owner: Owner::from_nonce(1), until: free_at, free_at });
    record.decide(Decision {
        at: THEN,
        kind: DecisionKind::Conflict,
        fields: vec!["name".to_owned(), "group:staff".to_owned()],
        side: Some(Side::New),
        reason: None,
    });
    record
}

fn story() -> Story {
    let group = GroupName::try_from("staff").unwrap();
    let plan = Plan {
        steps: vec![Step { side: Side::New, action: Action::AddToGroup(group) }],
        ..Plan::default()
    };
    let present = BySide { old: true, new: false };
    let mut record = record();
    record.passwords.owes_sign_out.new = true;
    let pending = PendingChange {
        side: Side::Old,
        sub: Sub::try_from("sub-of-old").unwrap(),
        token: 7,
        first: THEN,
        last: THEN,
        evidence: Evidence::Changed,
        password_at: None,
        administrator_at: None,
        claimed_at: None,
        not_before: NOW,
        attempts: 2,
        reason: Some("throttled".to_owned()),
    };
    let explanation = Explanation { record: Some(record.clone()), present, plan: Some(plan) };
    Story { record, explanation, pending_changes: vec![pending], now: NOW }
}

#[test]
fn it_is_told_as_reviewed_and_names_no_value() {
    let (words, value) = (words(&story()), format!("{:#}\n", value(&story())));
    super::super::golden("explain", &words);
    super::super::golden("explain-json", &value);
    for reported in [words, value] {
        assert!(!reported.contains(SECRET), "{reported}");
        assert!(!reported.contains(&"ab".repeat(16)), "a whole fingerprint: {reported}");
    }
}
