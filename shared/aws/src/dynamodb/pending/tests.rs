//! Pending changes as items.

use super::*;

fn item() -> Item {
    let values = [
        ("v", number(1)),
        ("side", text("new")),
        ("sub", text("s-1")),
        ("seq", number(u64::MAX)),
        ("first", time(Time(1))),
        ("last", time(Time(2))),
        ("evidence", text("deleted")),
        ("password_at", time(Time(3))),
        ("administrator_at", time(Time(6))),
        ("claimed_at", time(Time(7))),
        ("not_before", time(Time(4))),
        ("attempts", number(5)),
        ("reason", text("throttled")),
    ];
    values.map(|(name, value)| (name.to_owned(), value)).into()
}

#[test]
fn a_pending_change_is_decoded_completely() {
    let pending = read(&item()).unwrap();
    assert_eq!((pending.side, pending.token), (Side::New, u128::from(u64::MAX)));
    assert_eq!(
        (pending.first, pending.last, pending.password_at),
        (Time(1), Time(2), Some(Time(3)))
    );
    assert_eq!((pending.administrator_at, pending.claimed_at), (Some(Time(6)), Some(Time(7))));
    assert_eq!(
        (pending.evidence, pending.not_before, pending.attempts),
        (Evidence::Deleted, Time(4), 5)
    );
    assert_eq!(pending.reason.as_deref(), Some("throttled"));
}

#[test]
fn a_pending_change_without_back_off_was_never_postponed() {
    let mut item = item();
    let optional = ["password_at", "administrator_at", "claimed_at"];
    for name in optional.into_iter().chain(["not_before", "attempts", "reason"]) {
        item.remove(name);
    }
    let pending = read(&item).unwrap();
    assert_eq!((pending.not_before, pending.attempts, pending.reason), (Time::ZERO, 0, None));
}

#[test]
fn an_incomplete_pending_change_is_refused() {
    for name in ["v", "side", "sub", "seq", "first", "last", "evidence"] {
        let mut item = item();
        item.remove(name);
        assert_eq!(read(&item), Err(ItemError::Missing(name)));
    }
    let wrong = [
        ("side", text("left")),
        ("evidence", text("perhaps")),
        ("seq", number("-1")),
        ("attempts", text("5")),
        ("reason", text("someone@example.com")),
    ];
    for (name, value) in wrong {
        let mut item = item();
        item.insert(name.to_owned(), value);
        assert_eq!(read(&item), Err(ItemError::Wrong(name)));
    }
    let mut newer = item();
    newer.insert("v".to_owned(), number(2));
    assert_eq!(read(&newer), Err(ItemError::Newer));
    assert_eq!(check_item(Some(&newer)).unwrap_err().kind, ErrorKind::Newer);
}

#[test]
fn summaries_of_pending_changes_add_up() {
    let mut one = PendingSummary::default();
    one.add(&read(&item()).unwrap());
    let mut all = PendingSummary { count: 1, unreadable: 1, ..PendingSummary::default() };
    all.join(&one);
    assert_eq!((all.count, all.put_off, all.unreadable), (2, 1, 1));
    assert_eq!(all.lag(Time(11)), Some(Duration::from_millis(10)));
}
