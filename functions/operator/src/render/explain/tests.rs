//! A person's story as it is told.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::change::Proof;
use poolbridge_core::entry::{Agreed, Base, DecisionKind, Known, Lease, State};
use poolbridge_core::fingerprint::Fingerprint;
use poolbridge_core::names::{GroupName, Owner, PersonId, Sub, Username};
use poolbridge_core::plan::Plan;
use poolbridge_core::side::BySide;
use poolbridge_core::step::{Deed, Step};

use super::*;

const NOW: Time = Time(1_700_000_100_000);
const THEN: Time = Time(1_700_000_000_000);
/// A value that nothing may show.
const SECRET: &str = "ada@example.com";

fn known(sub: &str) -> Known {
    Known {
        sub: Sub::try_from(sub).unwrap(),
        username: Username::try_from(SECRET).unwrap(),
        seen: THEN,
        written: Some(THEN),
        gone: None,
    }
}

pub(crate) fn entry() -> Entry {
    let id = PersonId::from_nonce(0xfeed);
    let mut entry = Entry::new(id, Side::Old, known("sub-of-old"), THEN);
    entry.accounts.new = Some(known("sub-of-new"));
    entry.linked = Some(THEN);
    entry.state = State::Held;
    entry.reason = Some(Reason::AddressTaken);
    let print = Some(Fingerprint { key: 1, bytes: [0xab; 16] });
    entry.agreed = Some(Agreed {
        fields: BTreeMap::from([(Field::Enabled, Base { print, rule: 1 })]),
        rules: BTreeSet::from([1]),
    });
    let obstacle =
        Obstacle { reason: Reason::AddressTaken, value: print, side: Side::New, since: THEN };
    entry.obstacles = BTreeMap::from([(Field::Email, obstacle)]);
    let free_at = NOW + std::time::Duration::from_secs(5);
    entry.lease = Some(Lease { owner: Owner::from_nonce(1), until: free_at, free_at });
    entry.decide(Decision {
        at: THEN,
        kind: DecisionKind::Conflict,
        fields: vec!["name".to_owned(), "group:staff".to_owned()],
        side: Some(Side::New),
        reason: None,
    });
    entry
}

fn story() -> Story {
    let group = GroupName::try_from("staff").unwrap();
    let plan = Plan {
        steps: vec![Step { side: Side::New, deed: Deed::AddToGroup(group) }],
        ..Plan::default()
    };
    let present = BySide { old: true, new: false };
    let mut entry = entry();
    entry.passwords.owes_sign_out.new = true;
    let mark = Mark {
        side: Side::Old,
        sub: Sub::try_from("sub-of-old").unwrap(),
        token: 7,
        first: THEN,
        last: THEN,
        proof: Proof::Changed,
        password_at: None,
        administrator_at: None,
        claimed_at: None,
        not_before: NOW,
        attempts: 2,
        reason: Some("throttled".to_owned()),
    };
    let explanation = Explanation { entry: Some(entry.clone()), present, plan: Some(plan) };
    Story { entry, explanation, marks: vec![mark], now: NOW }
}

#[test]
fn it_is_told_as_reviewed_and_names_no_value() {
    let (words, value) = (words(&story()), format!("{:#}\n", value(&story())));
    super::super::golden("explain", &words);
    super::super::golden("explain-json", &value);
    for told in [words, value] {
        assert!(!told.contains(SECRET), "{told}");
        assert!(!told.contains(&"ab".repeat(16)), "a whole fingerprint: {told}");
    }
}
