use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::entry::{Base, Birth, Intent, Lease, Obstacle};
use crate::law::Law;
use crate::mapping::{AttributeRule, Mapping};
use crate::names::{AttributeName, Owner, PersonId, Sub, Username};
use crate::policy::{ConflictRule, Deletes, MatchBy, Provision, StalePasswords};
use crate::side::BySide;
use crate::tombstone::{Owed, Tombstone};
use crate::verdict::Reason;

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

struct Bench {
    policy: Policy,
    keys: Keyring,
    entry: Entry,
}

impl Bench {
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
            law: Law::WHOLE,
        };
        let keys = Keyring::new(1, [7; 32]);
        let known = |sub: &str| Known {
            sub: Sub::try_from(sub).unwrap(),
            username: Username::try_from(sub).unwrap(),
            seen: SEEN,
            written: None,
            gone: None,
        };
        let mut entry = Entry::new(PersonId::from_nonce(1), Side::Old, known("s-old"), Time(1));
        entry.accounts.new = Some(known("s-new"));
        entry.revision = 2;
        entry.state = State::Synced;
        entry.linked = Some(Time(1));
        let mut bench = Self { policy, keys, entry };
        bench.entry.agreed =
            Some(Agreed { rules: bench.policy.mapping.revisions(), ..Agreed::default() });
        bench.agree(&Field::Enabled, &Value::Flag(true));
        bench.agree(&name(), &Value::Text("Ada".to_owned()));
        bench
    }

    fn one_sided(side: Side) -> Self {
        let mut bench = Self::new();
        *bench.entry.accounts.get_mut(side.other()) = None;
        bench.entry.state = State::only(side);
        bench.entry.agreed = None;
        bench
    }

    fn agree(&mut self, field: &Field, value: &Value) {
        let print = Some(self.keys.print(&self.entry.salt, field, value));
        let rule = self.policy.mapping.revision(field).unwrap();
        let agreed = self.entry.agreed.as_mut().unwrap();
        agreed.fields.insert(field.clone(), Base { print, rule });
    }

    fn print_of(&self, text: &str) -> crate::fingerprint::Fingerprint {
        self.keys.print(&self.entry.salt, &name(), &Value::Text(text.to_owned()))
    }

    fn question(&self, side: Side) -> Question<'_> {
        Question { policy: &self.policy, keys: &self.keys, side, entry: &self.entry, now: NOW }
    }

    /// An account of that pool as a listing shows it.
    fn listed(&self, side: Side, named: &str, modified: Time) -> View {
        let known = self.entry.accounts.get(side).clone().unwrap();
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
        self.view(side, account)
    }

    /// The account of the old pool without a name, not modified since the last observation.
    fn blank(&self) -> View {
        let mut account = self.listed(Side::Old, "Ada", BEFORE).account;
        account.attributes.clear();
        self.view(Side::Old, account)
    }

    fn view(&self, side: Side, account: Account) -> View {
        View::new(&self.policy, side, account, &BySide::from_fn(|_| Arc::default()), NOW)
    }

    /// Whether the sweep sends a hint about an account of the old pool with this name and date.
    fn looks(&self, named: &str, modified: Time) -> bool {
        differs(&self.question(Side::Old), &self.listed(Side::Old, named, modified))
    }
}

#[test]
fn a_changed_account_is_a_reason_for_a_hint_and_an_agreed_one_is_not() {
    let bench = Bench::new();
    assert!(!bench.looks("Ada", BEFORE));
    assert!(!bench.looks("Ada", AFTER), "a newer date alone is no difference");
    assert!(bench.looks("Eve", BEFORE), "the values count, whatever the date is");
    assert!(differs(&bench.question(Side::Old), &bench.blank()), "a value that was removed");
}

#[test]
fn an_edit_in_the_second_of_the_last_observation_is_not_missed() {
    // Pools cut dates to seconds: an edit at 500,700 ms shows as 500,000 ms.
    for side in Side::BOTH {
        let bench = Bench::one_sided(side);
        let looks = |at| differs(&bench.question(side), &bench.listed(side, "Ada", Time(at)));
        assert!(looks(500_000), "{side}: an edit in the same second");
        let over = SEEN - DATE_GRACE;
        assert!(looks(over.0 + 1), "{side}: our clock may also be fast");
        assert!(!looks(over.0), "{side}: that date ends before the observation");
        assert!(!looks(BEFORE.0));
    }
}

#[test]
fn a_person_without_a_first_record_is_a_reason_for_a_hint() {
    let mut bench = Bench::one_sided(Side::Old);
    assert!(!bench.looks("Ada", BEFORE));
    bench.entry.revision = FIRST_REVISION;
    assert!(bench.looks("Ada", BEFORE));
}

#[test]
fn linked_accounts_without_a_baseline_are_a_reason_for_a_hint_unless_held() {
    let mut bench = Bench::new();
    bench.entry.agreed = None;
    for (state, looks) in [(State::Synced, true), (State::Held, false), (State::Conflict, false)] {
        bench.entry.state = state;
        assert_eq!(bench.looks("Ada", BEFORE), looks, "{state:?}");
        assert!(bench.looks("Ada", AFTER), "{state:?}: it was modified since");
    }
}

#[test]
fn a_waiting_person_is_a_reason_for_a_hint() {
    let mut bench = Bench::new();
    bench.entry.state = State::Waiting;
    assert!(bench.looks("Ada", BEFORE));
}

#[test]
fn open_work_is_a_reason_for_a_hint_once_it_can_no_longer_land() {
    let intent = |until| Intent {
        fields: [].into(),
        modified: BySide { old: None, new: None },
        at: Time(1),
        until,
    };
    let birth = |until| Birth {
        side: Side::New,
        username: Username::try_from("ada").unwrap(),
        fields: [].into(),
        rules: [].into(),
        at: Time(1),
        until,
    };
    let over = Time(NOW.0 - 1);
    for (until, looks) in [(over, true), (NOW, false), (NOW + DATE_RESOLUTION, false)] {
        let mut bench = Bench::new();
        bench.entry.intent = Some(intent(until));
        assert_eq!(bench.looks("Ada", BEFORE), looks, "an intent until {until}");
        bench.entry.intent = None;
        bench.entry.birth = Some(birth(until));
        assert_eq!(bench.looks("Ada", BEFORE), looks, "a creation until {until}");
    }
    let mut bench = Bench::new();
    bench.entry.owes_password = Some(Side::New);
    assert!(bench.looks("Ada", BEFORE), "a first password is owed");
    bench.entry.owes_password = None;
    bench.entry.passwords.owes_sign_out.new = true;
    assert!(bench.looks("Ada", BEFORE), "sessions must still end");
    for state in [State::Held, State::Conflict] {
        bench.entry.state = state;
        assert!(!bench.looks("Ada", BEFORE), "{state:?}: a person has to act first");
    }
}

#[test]
fn an_outdated_password_that_is_not_closed_is_a_reason_for_a_hint() {
    let mut bench = Bench::new();
    bench.entry.linked = Some(Time(1));
    bench.entry.passwords.set.old = Some(Time(2));
    assert!(!bench.looks("Ada", BEFORE), "the team keeps outdated passwords");
    bench.policy.stale_passwords = StalePasswords::Close;
    assert!(bench.looks("Ada", BEFORE));
    bench.entry.passwords.open.new = Some(Reason::NoRecovery);
    assert!(!bench.looks("Ada", BEFORE), "the record says why it stays open");
    bench.entry.passwords.open.new = None;
    bench.entry.passwords.closed.new = Some(Time(2));
    assert!(!bench.looks("Ada", BEFORE), "it is closed");
}

#[test]
fn a_missed_account_that_is_listed_again_is_a_reason_for_a_hint() {
    let mut bench = Bench::new();
    bench.entry.accounts.old.as_mut().unwrap().gone = Some(BEFORE);
    assert!(bench.looks("Ada", BEFORE));
    // The other account is the missed one: `missed` returns its own `sub`.
    let mut bench = Bench::new();
    bench.entry.accounts.new.as_mut().unwrap().gone = Some(BEFORE);
    assert!(!bench.looks("Eve", AFTER));
}

#[test]
fn a_leased_deleted_unconfirmed_or_different_account_is_no_reason_for_a_hint() {
    let lease = |free_at| {
        Some(Lease { owner: Owner::from_nonce(1), until: Time(free_at), free_at: Time(free_at) })
    };
    let mut bench = Bench::new();
    bench.entry.lease = lease(NOW.0 + 1);
    assert!(!bench.looks("Eve", AFTER));
    bench.entry.lease = lease(NOW.0);
    assert!(bench.looks("Eve", AFTER), "the lease has expired");
    bench.entry.state = State::Deleted;
    assert!(!bench.looks("Eve", AFTER));
    let bench = Bench::new();
    let mut unconfirmed = bench.listed(Side::Old, "Eve", AFTER);
    unconfirmed.account.status = Status::Unconfirmed;
    assert!(!differs(&bench.question(Side::Old), &unconfirmed));
    let mut another = bench.listed(Side::Old, "Eve", AFTER);
    another.account.sub = Sub::try_from("s-another").unwrap();
    assert!(!differs(&bench.question(Side::Old), &another), "a stale pointer");
}

#[test]
fn a_change_in_the_target_of_a_one_way_rule_is_no_difference() {
    let mut bench = Bench::new();
    let words = [("Ada", "A"), ("Eve", "A"), ("Bob", "B")];
    let values = words.map(|(old, new)| (old.to_owned(), new.to_owned())).into();
    let rule = AttributeRule { values, ..AttributeRule::same(&attribute("name")) };
    bench.policy.mapping = Mapping::new(vec![rule], &BTreeSet::new(), false, true).unwrap();
    assert_eq!(
        bench.policy.mapping.ways(&name()),
        Ways::Only(Side::New),
        "two old words for one new word"
    );
    bench.entry.agreed =
        Some(Agreed { rules: bench.policy.mapping.revisions(), ..Agreed::default() });
    bench.agree(&Field::Enabled, &Value::Flag(true));
    bench.agree(&name(), &Value::Text("A".to_owned()));
    let looks = |side, named| differs(&bench.question(side), &bench.listed(side, named, AFTER));
    assert!(looks(Side::Old, "Bob"), "the source changed");
    assert!(!looks(Side::Old, "Ada") && !looks(Side::New, "A"));
    assert!(!looks(Side::Old, "Eve"), "another old word for the same new word");
    assert!(!looks(Side::New, "B"), "a change in the target stays there");
}

#[test]
fn a_rule_newer_than_the_baseline_is_a_reason_only_if_there_is_a_value() {
    let mut bench = Bench::new();
    let agreed = bench.entry.agreed.as_mut().unwrap();
    let rule = bench.policy.mapping.revision(&name()).unwrap();
    agreed.fields.remove(&name());
    agreed.rules.remove(&rule);
    assert!(bench.looks("Ada", BEFORE));
    assert!(!differs(&bench.question(Side::Old), &bench.blank()));
}

#[test]
fn a_blocked_field_is_a_reason_again_only_for_another_value() {
    let mut bench = Bench::new();
    let obstacle = Obstacle {
        reason: Reason::TooLong,
        value: Some(bench.print_of("Eve")),
        side: Side::New,
        since: SEEN,
    };
    bench.entry.obstacles.insert(name(), obstacle);
    // The new pool could not be written. The record holds the value of the old pool.
    assert!(!bench.looks("Eve", AFTER), "this value is recorded already");
    assert!(bench.looks("Eva", BEFORE));
    assert!(!bench.looks("Ada", BEFORE), "the agreed value is no difference");
    // Of the pool that could not be written, only the time of the observation is recorded.
    let looks =
        |named, at| differs(&bench.question(Side::New), &bench.listed(Side::New, named, at));
    assert!(looks("Eve", AFTER));
    assert!(!looks("Eve", BEFORE));
    assert!(!looks("Ada", AFTER));
}

#[test]
fn a_value_that_the_mapping_cannot_express_is_a_reason_only_once() {
    let mut bench = Bench::new();
    let view = |bench: &Bench, at| {
        let mut view = bench.listed(Side::Old, "Ada", at);
        view.facts.leave_unread(name());
        view.unsayable.insert(name(), Reason::Unsayable);
        differs(&bench.question(Side::Old), &view)
    };
    assert!(view(&bench, AFTER));
    assert!(!view(&bench, BEFORE), "apply has seen it");
    let value = Some(bench.print_of("Eve"));
    let obstacle = Obstacle { reason: Reason::Unsayable, value, side: Side::New, since: SEEN };
    bench.entry.obstacles.insert(name(), obstacle);
    assert!(!view(&bench, AFTER), "the field is blocked already");
}

#[test]
fn a_missed_account_is_sent_while_something_follows_from_it() {
    let asked = |bench: &Bench, side| missed(&bench.question(side)).map(|known| known.sub.clone());
    let mut bench = Bench::new();
    assert_eq!(asked(&bench, Side::Old), None, "nothing was missed");
    bench.entry.accounts.new.as_mut().unwrap().gone = Some(BEFORE);
    let new = bench.entry.accounts.new.clone().unwrap().sub;
    assert_eq!(asked(&bench, Side::Old), Some(new.clone()));
    assert_eq!(asked(&bench, Side::New), None, "the other account is not the missed one");
    // The person is deleted, and apply has not disabled the other account yet.
    bench.entry.state = State::Deleted;
    let tombstone = |owed| Some(Tombstone { side: Side::New, at: SEEN, owed });
    bench.entry.tombstone = tombstone(Some(Owed::Disable));
    assert_eq!(asked(&bench, Side::Old), Some(new), "a lost message leaves the account open");
    bench.entry.tombstone = tombstone(None);
    assert_eq!(asked(&bench, Side::Old), None, "the tombstone owes nothing any more");
    let mut busy = Bench::new();
    busy.entry.accounts.new.as_mut().unwrap().gone = Some(BEFORE);
    let (owner, until) = (Owner::from_nonce(1), Time(NOW.0 + 1));
    busy.entry.lease = Some(Lease { owner, until, free_at: until });
    assert_eq!(asked(&busy, Side::Old), None, "a worker holds the lease");
}

#[test]
fn an_unknown_account_is_news_if_created_or_modified_since_the_first_pass() {
    let bench = Bench::new();
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
    let bench = Bench::new();
    let at = |modified| done_by(&bench.listed(Side::Old, "Ada", Time(modified)).account, NOW);
    assert_eq!(at(500_000), Time(501_000));
    assert_eq!(at(NOW.0 - 1), NOW, "never later than now");
}

#[test]
fn a_membership_is_news_unless_it_is_agreed_or_blocked_already() {
    let field = Field::Group(group());
    let mut bench = Bench::new();
    let news = |bench: &Bench, side| joined(&bench.question(side), &group());
    assert!(news(&bench, Side::Old));
    let yes = bench.keys.print(&bench.entry.salt, &field, &Value::Flag(true));
    let obstacle =
        |side, value| Obstacle { reason: Reason::GroupMissing, value, side, since: SEEN };
    for (side, value, old) in [
        (Side::New, Some(yes), false),
        (Side::New, None, true),
        (Side::Old, Some(yes), false),
        (Side::Old, None, false),
    ] {
        bench.entry.obstacles = [(field.clone(), obstacle(side, value))].into();
        assert_eq!(news(&bench, Side::Old), old, "blocked on {side}: {value:?}");
    }
    bench.entry.obstacles.clear();
    bench.agree(&field, &Value::Flag(true));
    assert!(!news(&bench, Side::Old));
    assert_eq!(memberships(&bench.policy, &bench.entry).collect::<Vec<_>>(), [&group()]);
    // A baseline under an older rule does not count.
    let agreed = bench.entry.agreed.as_mut().unwrap();
    let rule = agreed.fields[&field].rule;
    agreed.fields.get_mut(&field).unwrap().rule = rule.wrapping_add(1);
    assert!(news(&bench, Side::Old));
    assert_eq!(memberships(&bench.policy, &bench.entry).count(), 0);
    bench.entry.agreed = None;
    assert!(!news(&bench, Side::Old), "accounts without a baseline have a reason of their own");
}

#[test]
fn only_a_person_with_two_accounts_from_before_the_pass_takes_part() {
    let bench = Bench::new();
    assert!(takes_part(&bench.entry, Time(2)));
    assert!(!takes_part(&bench.entry, Time(1)), "linked while the pass ran");
    for side in Side::BOTH {
        assert!(!takes_part(&Bench::one_sided(side).entry, Time(2)));
        let mut bench = Bench::new();
        bench.entry.accounts.get_mut(side).as_mut().unwrap().gone = Some(SEEN);
        assert!(!takes_part(&bench.entry, Time(2)), "{side}: already gone");
    }
    let mut bench = Bench::new();
    bench.entry.state = State::Deleted;
    assert!(!takes_part(&bench.entry, Time(2)));
}
