//! Missed accounts, unknown accounts, memberships, and who takes part in a pass.

use super::*;

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
