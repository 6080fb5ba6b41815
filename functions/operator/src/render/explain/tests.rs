//! Views of people as `explain` shows them.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::change::Evidence;
use poolbridge_core::fingerprint::Fingerprint;
use poolbridge_core::names::{GroupName, Owner, PersonId, Sub, Username};
use poolbridge_core::record::{
    Baseline, BaselineField, BlockedField, Decision, DecisionKind, KnownAccount, Lease, PersonState,
};
use poolbridge_core::side::BySide;
use poolbridge_core::step::{Action, Step};

use super::*;

const NOW: Time = Time(1_700_000_100_000);
const THEN: Time = Time(1_700_000_000_000);
/// A value that no output may show.
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

/// A linked person with a blocked field, while apply processes a change that was throttled.
fn linked() -> ExplainView {
    let group = GroupName::try_from("staff").unwrap();
    let record = record();
    let plan = Plan {
        steps: vec![Step { side: Side::New, action: Action::AddToGroup(group) }],
        blocked_fields: record.blocked_fields.clone(),
        ..Plan::default()
    };
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
    let present = BySide { old: true, new: true };
    let explanation = Explanation { record: Some(record.clone()), present, plan: Some(plan) };
    ExplainView { record, explanation, pending_changes: vec![pending], now: NOW }
}

/// A linked person whose account in the new pool was not found, which is not proved yet.
fn missing() -> ExplainView {
    let mut record = record();
    record.state = PersonState::Waiting;
    record.reason = Some(Reason::Settling);
    record.blocked_fields.clear();
    record.lease = None;
    if let Some(known) = &mut record.accounts.new {
        known.gone = Some(THEN);
    }
    let present = BySide { old: true, new: false };
    let explanation = Explanation { record: Some(record.clone()), present, plan: None };
    ExplainView { record, explanation, pending_changes: Vec::new(), now: NOW }
}

/// A person whose account in the new pool was deleted while the circuit breaker was open.
fn held_by_breaker() -> ExplainView {
    let mut view = missing();
    let record = &mut view.record;
    (record.state, record.reason) = (PersonState::Held, Some(Reason::Breaker));
    record.decide(Decision {
        at: THEN,
        kind: DecisionKind::Held,
        fields: Vec::new(),
        side: Some(Side::New),
        reason: Some(Reason::Breaker),
    });
    view
}

/// A person with an account in the old pool only: `lazy`, or `reason` holds the person.
fn alone(reason: Option<Reason>) -> ExplainView {
    let record =
        PersonRecord::new(PersonId::from_nonce(0xfeed), Side::Old, known("sub-of-old"), THEN);
    let state = if reason.is_some() { PersonState::Held } else { PersonState::OnlyOld };
    let record = PersonRecord { state, reason, ..record };
    let present = BySide { old: true, new: false };
    let explanation = Explanation { record: Some(record.clone()), present, plan: None };
    ExplainView { record, explanation, pending_changes: Vec::new(), now: NOW }
}

#[test]
fn views_match_the_golden_files_and_show_no_value() {
    let (text_of_linked, value) = (text(&linked()), format!("{:#}\n", value(&linked())));
    super::super::golden("explain", &text_of_linked);
    super::super::golden("explain-json", &value);
    let text_of_missing = text(&missing());
    super::super::golden("explain-missing", &text_of_missing);
    let text_of_held = text(&held_by_breaker());
    super::super::golden("explain-breaker", &text_of_held);
    let text_of_alone = text(&alone(None));
    super::super::golden("explain-only-old", &text_of_alone);
    let text_of_ambiguous = text(&alone(Some(Reason::Ambiguous)));
    super::super::golden("explain-ambiguous", &text_of_ambiguous);
    let others = [text_of_missing, text_of_held, text_of_alone, text_of_ambiguous];
    for shown in [text_of_linked, value].into_iter().chain(others) {
        assert!(!shown.contains(SECRET), "{shown}");
        assert!(!shown.contains(&"ab".repeat(16)), "a whole fingerprint: {shown}");
    }
}

#[test]
fn next_step_of_a_person_with_one_account_is_a_search() {
    let mut view = missing();
    view.record.accounts.new = None;
    assert_eq!(without_plan(&view), "search the new pool for the account of this person");
}
