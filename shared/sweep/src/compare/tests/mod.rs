//! Which listed accounts are a reason to send a hint.

mod fields;
mod people;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use poolbridge_core::mapping::{AttributeRule, Mapping};
use poolbridge_core::names::{AttributeName, Owner, PersonId, Sub, Username};
use poolbridge_core::outcome::Reason;
use poolbridge_core::policy::{ConflictRule, Deletes, MatchBy, Provision, StalePasswords};
use poolbridge_core::record::{BaselineField, BlockedField, CreationIntent, Lease, WriteIntent};
use poolbridge_core::rules::ProtocolRules;
use poolbridge_core::side::BySide;
use poolbridge_core::tombstone::{Owed, Tombstone};

const NOW: Time = Time(1_000_000);

/// When apply last observed either account.
const SEEN: Time = Time(500_400);

/// A date in a listing from before the last observation, however it is rounded.
const BEFORE: Time = Time(400_000);

/// A date in a listing from after the last observation.
const AFTER: Time = Time(600_000);

fn attribute(name: &str) -> AttributeName {
    AttributeName::try_from(name).unwrap()
}

fn group() -> GroupName {
    GroupName::try_from("staff").unwrap()
}

fn name() -> Field {
    Field::Attribute(attribute("name"))
}

struct CompareBench {
    policy: Policy,
    keys: Keyring,
    record: PersonRecord,
}

impl CompareBench {
    /// Two accounts with the agreed name `Ada`, each observed at [`SEEN`].
    fn new() -> Self {
        let mapping = Mapping::new(Vec::new(), &BTreeSet::new(), false, true).unwrap();
        let policy = Policy {
            match_by: MatchBy::Email,
            provision: BySide { old: Provision::Lazy, new: Provision::Lazy },
            conflicts: ConflictRule::ActiveWins,
            deletes: Deletes::Disable,
            groups: true,
            stale_passwords: StalePasswords::Keep,
            settle: Duration::from_secs(10),
            clock_allowance: Duration::ZERO,
            mapping,
            rules: ProtocolRules::WHOLE,
        };
        let keys = Keyring::new(1, [7; 32]);
        let known = |sub: &str| KnownAccount {
            sub: Sub::try_from(sub).unwrap(),
            username: Username::try_from(sub).unwrap(),
            seen: SEEN,
            written: None,
            gone: None,
        };
        let mut record =
            PersonRecord::new(PersonId::from_nonce(1), Side::Old, known("s-old"), Time(1));
        record.accounts.new = Some(known("s-new"));
        record.revision = 2;
        record.state = PersonState::Synced;
        record.linked = Some(Time(1));
        let mut bench = Self { policy, keys, record };
        bench.record.baseline =
            Some(Baseline { rules: bench.policy.mapping.revisions(), ..Baseline::default() });
        bench.agree(&Field::Enabled, &Value::Flag(true));
        bench.agree(&name(), &Value::Text("Ada".to_owned()));
        bench
    }

    fn one_sided(side: Side) -> Self {
        let mut bench = Self::new();
        *bench.record.accounts.get_mut(side.other()) = None;
        bench.record.state = PersonState::only(side);
        bench.record.baseline = None;
        bench
    }

    fn agree(&mut self, field: &Field, value: &Value) {
        let fingerprint = Some(self.keys.fingerprint(&self.record.salt, field, value));
        let rule = self.policy.mapping.revision(field).unwrap();
        let baseline = self.record.baseline.as_mut().unwrap();
        baseline.fields.insert(field.clone(), BaselineField { fingerprint, rule });
    }

    fn fingerprint_of(&self, text: &str) -> poolbridge_core::fingerprint::Fingerprint {
        self.keys.fingerprint(&self.record.salt, &name(), &Value::Text(text.to_owned()))
    }

    fn input(&self, side: Side) -> CompareInput<'_> {
        CompareInput {
            policy: &self.policy,
            keys: &self.keys,
            side,
            record: &self.record,
            now: NOW,
        }
    }

    /// An account of that pool as a listing shows it.
    fn listed(&self, side: Side, named: &str, modified: Time) -> Observation {
        let known = self.record.accounts.get(side).clone().unwrap();
        let account = Account {
            sub: known.sub,
            username: known.username,
            attributes: [(attribute("name"), named.to_owned())].into(),
            enabled: true,
            status: Status::Confirmed,
            groups: None,
            factors: None,
            created: Time(1),
            modified,
        };
        self.observation(side, account)
    }

    /// The account of the old pool without a name, not modified since the last observation.
    fn blank(&self) -> Observation {
        let mut account = self.listed(Side::Old, "Ada", BEFORE).account;
        account.attributes.clear();
        self.observation(Side::Old, account)
    }

    fn observation(&self, side: Side, account: Account) -> Observation {
        Observation::new(&self.policy, side, account, &BySide::from_fn(|_| Arc::default()), NOW)
    }

    /// Whether the sweep sends a hint about an account of the old pool with this name and date.
    fn hints(&self, named: &str, modified: Time) -> bool {
        differs(&self.input(Side::Old), &self.listed(Side::Old, named, modified))
    }
}

#[test]
fn a_changed_account_is_a_reason_for_a_hint_and_an_agreed_one_is_not() {
    let bench = CompareBench::new();
    assert!(!bench.hints("Ada", BEFORE));
    assert!(!bench.hints("Ada", AFTER), "a newer date alone is no difference");
    assert!(bench.hints("Eve", BEFORE), "the values count, whatever the date is");
    assert!(differs(&bench.input(Side::Old), &bench.blank()), "a value that was removed");
}

#[test]
fn an_edit_in_the_second_of_the_last_observation_is_not_missed() {
    // Pools cut dates to seconds: an edit at 500,700 ms shows as 500,000 ms.
    for side in Side::BOTH {
        let bench = CompareBench::one_sided(side);
        let hints = |at| differs(&bench.input(side), &bench.listed(side, "Ada", Time(at)));
        assert!(hints(500_000), "{side}: an edit in the same second");
        let before = SEEN - poolbridge_core::limits::DATE_GRACE;
        assert!(hints(before.0 + 1), "{side}: our clock may also be fast");
        assert!(!hints(before.0), "{side}: that date ends before the observation");
        assert!(!hints(BEFORE.0));
    }
}

#[test]
fn a_person_without_a_first_record_is_a_reason_for_a_hint() {
    let mut bench = CompareBench::one_sided(Side::Old);
    assert!(!bench.hints("Ada", BEFORE));
    bench.record.revision = FIRST_REVISION;
    assert!(bench.hints("Ada", BEFORE));
}

#[test]
fn linked_accounts_without_a_baseline_are_a_reason_for_a_hint_unless_held() {
    let mut bench = CompareBench::new();
    bench.record.baseline = None;
    for (state, expected) in
        [(PersonState::Synced, true), (PersonState::Held, false), (PersonState::Conflict, false)]
    {
        bench.record.state = state;
        assert_eq!(bench.hints("Ada", BEFORE), expected, "{state:?}");
        assert!(bench.hints("Ada", AFTER), "{state:?}: it was modified since");
    }
}

#[test]
fn a_waiting_person_is_a_reason_for_a_hint() {
    let mut bench = CompareBench::new();
    bench.record.state = PersonState::Waiting;
    assert!(bench.hints("Ada", BEFORE));
}

#[test]
fn open_work_is_a_reason_for_a_hint_once_it_can_no_longer_land() {
    let intent = |until| WriteIntent {
        fields: [].into(),
        modified: BySide { old: None, new: None },
        at: Time(1),
        until,
    };
    let creation = |until| CreationIntent {
        side: Side::New,
        username: Username::try_from("ada").unwrap(),
        fields: [].into(),
        rules: [].into(),
        at: Time(1),
        until,
    };
    let before = Time(NOW.0 - 1);
    for (until, expected) in [(before, true), (NOW, false), (NOW + DATE_RESOLUTION, false)] {
        let mut bench = CompareBench::new();
        bench.record.intent = Some(intent(until));
        assert_eq!(bench.hints("Ada", BEFORE), expected, "an intent until {until}");
        bench.record.intent = None;
        bench.record.creation = Some(creation(until));
        assert_eq!(bench.hints("Ada", BEFORE), expected, "a creation until {until}");
    }
    let mut bench = CompareBench::new();
    bench.record.owes_password = Some(Side::New);
    assert!(bench.hints("Ada", BEFORE), "a first password is owed");
    bench.record.owes_password = None;
    bench.record.passwords.owes_sign_out.new = true;
    assert!(bench.hints("Ada", BEFORE), "sessions must still end");
    for state in [PersonState::Held, PersonState::Conflict] {
        bench.record.state = state;
        assert!(!bench.hints("Ada", BEFORE), "{state:?}: a person has to act first");
    }
}

#[test]
fn an_outdated_password_that_is_not_closed_is_a_reason_for_a_hint() {
    let mut bench = CompareBench::new();
    bench.record.linked = Some(Time(1));
    bench.record.passwords.set.old = Some(Time(2));
    assert!(!bench.hints("Ada", BEFORE), "the team keeps outdated passwords");
    bench.policy.stale_passwords = StalePasswords::Close;
    assert!(bench.hints("Ada", BEFORE));
    bench.record.passwords.open.new = Some(Reason::NoRecovery);
    assert!(!bench.hints("Ada", BEFORE), "the record says why it stays open");
    bench.record.passwords.open.new = None;
    bench.record.passwords.closed.new = Some(Time(2));
    assert!(!bench.hints("Ada", BEFORE), "it is closed");
}

#[test]
fn a_missed_account_that_is_listed_again_is_a_reason_for_a_hint() {
    let mut bench = CompareBench::new();
    bench.record.accounts.old.as_mut().unwrap().gone = Some(BEFORE);
    assert!(bench.hints("Ada", BEFORE));
    // The other account is the missed one: `missed` returns its own `sub`.
    let mut bench = CompareBench::new();
    bench.record.accounts.new.as_mut().unwrap().gone = Some(BEFORE);
    assert!(!bench.hints("Eve", AFTER));
}

#[test]
fn a_leased_deleted_unconfirmed_or_different_account_is_no_reason_for_a_hint() {
    let lease = |free_at| {
        Some(Lease { owner: Owner::from_nonce(1), until: Time(free_at), free_at: Time(free_at) })
    };
    let mut bench = CompareBench::new();
    bench.record.lease = lease(NOW.0 + 1);
    assert!(!bench.hints("Eve", AFTER));
    bench.record.lease = lease(NOW.0);
    assert!(bench.hints("Eve", AFTER), "the lease has expired");
    bench.record.state = PersonState::Deleted;
    assert!(!bench.hints("Eve", AFTER));
    let bench = CompareBench::new();
    let mut unconfirmed = bench.listed(Side::Old, "Eve", AFTER);
    unconfirmed.account.status = Status::Unconfirmed;
    assert!(!differs(&bench.input(Side::Old), &unconfirmed));
    let mut another = bench.listed(Side::Old, "Eve", AFTER);
    another.account.sub = Sub::try_from("s-another").unwrap();
    assert!(!differs(&bench.input(Side::Old), &another), "a stale pointer");
}
