use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::mapping::{AttributeRule, Mapping};
use crate::names::{AttributeName, Owner, PersonId, Sub, Username};
use crate::outcome::Reason;
use crate::policy::{ConflictRule, Deletes, MatchBy, Provision, StalePasswords};
use crate::record::{BaselineField, BlockedField, CreationIntent, Lease, WriteIntent};
use crate::rules::ProtocolRules;
use crate::side::BySide;
use crate::tombstone::{Owed, Tombstone};

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

    fn fingerprint_of(&self, text: &str) -> crate::fingerprint::Fingerprint {
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
    fn looks(&self, named: &str, modified: Time) -> bool {
        differs(&self.input(Side::Old), &self.listed(Side::Old, named, modified))
    }
}

#[test]
fn a_changed_account_is_a_reason_for_a_hint_and_an_agreed_one_is_not() {
    let bench = CompareBench::new();
    assert!(!bench.looks("Ada", BEFORE));
    assert!(!bench.looks("Ada", AFTER), "a newer date alone is no difference");
    assert!(bench.looks("Eve", BEFORE), "the values count, whatever the date is");
    assert!(differs(&bench.input(Side::Old), &bench.blank()), "a value that was removed");
}

#[test]
fn an_edit_in_the_second_of_the_last_observation_is_not_missed() {
    // Pools cut dates to seconds: an edit at 500,700 ms shows as 500,000 ms.
    for side in Side::BOTH {
        let bench = CompareBench::one_sided(side);
        let looks = |at| differs(&bench.input(side), &bench.listed(side, "Ada", Time(at)));
        assert!(looks(500_000), "{side}: an edit in the same second");
        let over = SEEN - DATE_GRACE;
        assert!(looks(over.0 + 1), "{side}: our clock may also be fast");
        assert!(!looks(over.0), "{side}: that date ends before the observation");
        assert!(!looks(BEFORE.0));
    }
}

#[test]
fn a_person_without_a_first_record_is_a_reason_for_a_hint() {
    let mut bench = CompareBench::one_sided(Side::Old);
    assert!(!bench.looks("Ada", BEFORE));
    bench.record.revision = FIRST_REVISION;
    assert!(bench.looks("Ada", BEFORE));
}

#[test]
fn linked_accounts_without_a_baseline_are_a_reason_for_a_hint_unless_held() {
    let mut bench = CompareBench::new();
    bench.record.baseline = None;
    for (state, looks) in
        [(PersonState::Synced, true), (PersonState::Held, false), (PersonState::Conflict, false)]
    {
        bench.record.state = state;
        assert_eq!(bench.looks("Ada", BEFORE), looks, "{state:?}");
        assert!(bench.looks("Ada", AFTER), "{state:?}: it was modified since");
    }
}

#[test]
fn a_waiting_person_is_a_reason_for_a_hint() {
    let mut bench = CompareBench::new();
    bench.record.state = PersonState::Waiting;
    assert!(bench.looks("Ada", BEFORE));
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
    let over = Time(NOW.0 - 1);
    for (until, looks) in [(over, true), (NOW, false), (NOW + DATE_RESOLUTION, false)] {
        let mut bench = CompareBench::new();
        bench.record.intent = Some(intent(until));
        assert_eq!(bench.looks("Ada", BEFORE), looks, "an intent until {until}");
        bench.record.intent = None;
        bench.record.creation = Some(creation(until));
        assert_eq!(bench.looks("Ada", BEFORE), looks, "a creation until {until}");
    }
    let mut bench = CompareBench::new();
    bench.record.owes_password = Some(Side::New);
    assert!(bench.looks("Ada", BEFORE), "a first password is owed");
    bench.record.owes_password = None;
    bench.record.passwords.owes_sign_out.new = true;
    assert!(bench.looks("Ada", BEFORE), "sessions must still end");
    for state in [PersonState::Held, PersonState::Conflict] {
        bench.record.state = state;
        assert!(!bench.looks("Ada", BEFORE), "{state:?}: a person has to act first");
    }
}

#[test]
fn an_outdated_password_that_is_not_closed_is_a_reason_for_a_hint() {
    let mut bench = CompareBench::new();
    bench.record.linked = Some(Time(1));
    bench.record.passwords.set.old = Some(Time(2));
    assert!(!bench.looks("Ada", BEFORE), "the team keeps outdated passwords");
    bench.policy.stale_passwords = StalePasswords::Close;
    assert!(bench.looks("Ada", BEFORE));
    bench.record.passwords.open.new = Some(Reason::NoRecovery);
    assert!(!bench.looks("Ada", BEFORE), "the record says why it stays open");
    bench.record.passwords.open.new = None;
    bench.record.passwords.closed.new = Some(Time(2));
    assert!(!bench.looks("Ada", BEFORE), "it is closed");
}

#[test]
fn a_missed_account_that_is_listed_again_is_a_reason_for_a_hint() {
    let mut bench = CompareBench::new();
    bench.record.accounts.old.as_mut().unwrap().gone = Some(BEFORE);
    assert!(bench.looks("Ada", BEFORE));
    // The other account is the missed one: `missed` returns its own `sub`.
    let mut bench = CompareBench::new();
    bench.record.accounts.new.as_mut().unwrap().gone = Some(BEFORE);
    assert!(!bench.looks("Eve", AFTER));
}

#[test]
fn a_leased_deleted_unconfirmed_or_different_account_is_no_reason_for_a_hint() {
    let lease = |free_at| {
        Some(Lease { owner: Owner::from_nonce(1), until: Time(free_at), free_at: Time(free_at) })
    };
    let mut bench = CompareBench::new();
    bench.record.lease = lease(NOW.0 + 1);
    assert!(!bench.looks("Eve", AFTER));
    bench.record.lease = lease(NOW.0);
    assert!(bench.looks("Eve", AFTER), "the lease has expired");
    bench.record.state = PersonState::Deleted;
    assert!(!bench.looks("Eve", AFTER));
    let bench = CompareBench::new();
    let mut unconfirmed = bench.listed(Side::Old, "Eve", AFTER);
    unconfirmed.account.status = Status::Unconfirmed;
    assert!(!differs(&bench.input(Side::Old), &unconfirmed));
    let mut another = bench.listed(Side::Old, "Eve", AFTER);
    another.account.sub = Sub::try_from("s-another").unwrap();
    assert!(!differs(&bench.input(Side::Old), &another), "a stale pointer");
}

#[test]
fn a_change_in_the_target_of_a_one_way_rule_is_no_difference() {
    let mut bench = CompareBench::new();
    let words = [("Ada", "A"), ("Eve", "A"), ("Bob", "B")];
    let values = words.map(|(old, new)| (old.to_owned(), new.to_owned())).into();
    let rule = AttributeRule { values, ..AttributeRule::same(&attribute("name")) };
    bench.policy.mapping = Mapping::new(vec![rule], &BTreeSet::new(), false, true).unwrap();
    assert_eq!(
        bench.policy.mapping.ways(&name()),
        Ways::Only(Side::New),
        "two old words for one new word"
    );
    bench.record.baseline =
        Some(Baseline { rules: bench.policy.mapping.revisions(), ..Baseline::default() });
    bench.agree(&Field::Enabled, &Value::Flag(true));
    bench.agree(&name(), &Value::Text("A".to_owned()));
    let looks = |side, named| differs(&bench.input(side), &bench.listed(side, named, AFTER));
    assert!(looks(Side::Old, "Bob"), "the source changed");
    assert!(!looks(Side::Old, "Ada") && !looks(Side::New, "A"));
    assert!(!looks(Side::Old, "Eve"), "another old word for the same new word");
    assert!(!looks(Side::New, "B"), "a change in the target stays there");
}

#[test]
fn a_rule_newer_than_the_baseline_is_a_reason_only_if_there_is_a_value() {
    let mut bench = CompareBench::new();
    let baseline = bench.record.baseline.as_mut().unwrap();
    let rule = bench.policy.mapping.revision(&name()).unwrap();
    baseline.fields.remove(&name());
    baseline.rules.remove(&rule);
    assert!(bench.looks("Ada", BEFORE));
    assert!(!differs(&bench.input(Side::Old), &bench.blank()));
}

#[test]
fn a_blocked_field_is_a_reason_again_only_for_another_value() {
    let mut bench = CompareBench::new();
    let blocked_field = BlockedField {
        reason: Reason::TooLong,
        value: Some(bench.fingerprint_of("Eve")),
        side: Side::New,
        since: SEEN,
    };
    bench.record.blocked_fields.insert(name(), blocked_field);
    // The new pool could not be written. The record holds the value of the old pool.
    assert!(!bench.looks("Eve", AFTER), "this value is recorded already");
    assert!(bench.looks("Eva", BEFORE));
    assert!(!bench.looks("Ada", BEFORE), "the agreed value is no difference");
    // Of the pool that could not be written, only the time of the observation is recorded.
    let looks = |named, at| differs(&bench.input(Side::New), &bench.listed(Side::New, named, at));
    assert!(looks("Eve", AFTER));
    assert!(!looks("Eve", BEFORE));
    assert!(!looks("Ada", AFTER));
}

#[test]
fn a_value_that_the_mapping_cannot_express_is_a_reason_only_once() {
    let mut bench = CompareBench::new();
    let observation = |bench: &CompareBench, at| {
        let mut observation = bench.listed(Side::Old, "Ada", at);
        observation.profile.set_unknown(name());
        observation.unsayable.insert(name(), Reason::Unsayable);
        differs(&bench.input(Side::Old), &observation)
    };
    assert!(observation(&bench, AFTER));
    assert!(!observation(&bench, BEFORE), "apply has seen it");
    let value = Some(bench.fingerprint_of("Eve"));
    let blocked_field =
        BlockedField { reason: Reason::Unsayable, value, side: Side::New, since: SEEN };
    bench.record.blocked_fields.insert(name(), blocked_field);
    assert!(!observation(&bench, AFTER), "the field is blocked already");
}

#[test]
fn a_missed_account_is_sent_while_something_follows_from_it() {
    let asked =
        |bench: &CompareBench, side| missed(&bench.input(side)).map(|known| known.sub.clone());
    let mut bench = CompareBench::new();
    assert_eq!(asked(&bench, Side::Old), None, "nothing was missed");
    bench.record.accounts.new.as_mut().unwrap().gone = Some(BEFORE);
    let new = bench.record.accounts.new.clone().unwrap().sub;
    assert_eq!(asked(&bench, Side::Old), Some(new.clone()));
    assert_eq!(asked(&bench, Side::New), None, "the other account is not the missed one");
    // The person is deleted, and apply has not disabled the other account yet.
    bench.record.state = PersonState::Deleted;
    let tombstone = |owed| Some(Tombstone { side: Side::New, at: SEEN, owed });
    bench.record.tombstone = tombstone(Some(Owed::Disable));
    assert_eq!(asked(&bench, Side::Old), Some(new), "a lost message leaves the account open");
    bench.record.tombstone = tombstone(None);
    assert_eq!(asked(&bench, Side::Old), None, "the tombstone owes nothing any more");
    let mut busy = CompareBench::new();
    busy.record.accounts.new.as_mut().unwrap().gone = Some(BEFORE);
    let (owner, until) = (Owner::from_nonce(1), Time(NOW.0 + 1));
    busy.record.lease = Some(Lease { owner, until, free_at: until });
    assert_eq!(asked(&busy, Side::Old), None, "a worker holds the lease");
}

#[test]
fn an_unknown_account_is_news_if_created_or_modified_since_the_first_pass() {
    let bench = CompareBench::new();
    let account = |created, modified, status| Account {
        created: Time(created),
        status,
        ..bench.listed(Side::Old, "Ada", Time(modified)).account
    };
    let since = Time(500);
    assert!(!is_news(&account(1, 499, Status::Confirmed), since));
    assert!(is_news(&account(1, 500, Status::Confirmed), since), "modified since");
    assert!(is_news(&account(500, 1, Status::Confirmed), since), "created since");
    assert!(!is_news(&account(500, 500, Status::Unconfirmed), since));
}

#[test]
fn a_listed_change_happened_by_the_end_of_its_second() {
    let bench = CompareBench::new();
    let at = |modified| done_by(&bench.listed(Side::Old, "Ada", Time(modified)).account, NOW);
    assert_eq!(at(500_000), Time(501_000));
    assert_eq!(at(NOW.0 - 1), NOW, "never later than now");
}

#[test]
fn a_membership_is_news_unless_it_is_agreed_or_blocked_already() {
    let field = Field::Group(group());
    let mut bench = CompareBench::new();
    let news = |bench: &CompareBench, side| joined(&bench.input(side), &group());
    assert!(news(&bench, Side::Old));
    let yes = bench.keys.fingerprint(&bench.record.salt, &field, &Value::Flag(true));
    let blocked_field =
        |side, value| BlockedField { reason: Reason::GroupMissing, value, side, since: SEEN };
    for (side, value, old) in [
        (Side::New, Some(yes), false),
        (Side::New, None, true),
        (Side::Old, Some(yes), false),
        (Side::Old, None, false),
    ] {
        bench.record.blocked_fields = [(field.clone(), blocked_field(side, value))].into();
        assert_eq!(news(&bench, Side::Old), old, "blocked on {side}: {value:?}");
    }
    bench.record.blocked_fields.clear();
    bench.agree(&field, &Value::Flag(true));
    assert!(!news(&bench, Side::Old));
    assert_eq!(memberships(&bench.policy, &bench.record).collect::<Vec<_>>(), [&group()]);
    // A baseline under an older rule does not count.
    let baseline = bench.record.baseline.as_mut().unwrap();
    let rule = baseline.fields[&field].rule;
    baseline.fields.get_mut(&field).unwrap().rule = rule.wrapping_add(1);
    assert!(news(&bench, Side::Old));
    assert_eq!(memberships(&bench.policy, &bench.record).count(), 0);
    bench.record.baseline = None;
    assert!(!news(&bench, Side::Old), "accounts without a baseline have a reason of their own");
}

#[test]
fn only_a_person_with_two_accounts_from_before_the_pass_takes_part() {
    let bench = CompareBench::new();
    assert!(takes_part(&bench.record, Time(2)));
    assert!(!takes_part(&bench.record, Time(1)), "linked while the pass ran");
    for side in Side::BOTH {
        assert!(!takes_part(&CompareBench::one_sided(side).record, Time(2)));
        let mut bench = CompareBench::new();
        bench.record.accounts.get_mut(side).as_mut().unwrap().gone = Some(SEEN);
        assert!(!takes_part(&bench.record, Time(2)), "{side}: already gone");
    }
    let mut bench = CompareBench::new();
    bench.record.state = PersonState::Deleted;
    assert!(!takes_part(&bench.record, Time(2)));
}
