//! Pending changes: one stays stored until a worker that saw it clears it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use poolbridge_core::change::{ChangeEvent, Evidence, PendingChange};
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::Reason;
use poolbridge_core::ports::Ledger;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use tokio::task::JoinSet;

use super::{NOON, TableFixture, change, sub};
use crate::contract::{Case, cases};

/// How many captures store a pending change of the same account at the same moment.
const AT_ONCE: i64 = 16;

/// How often a pending change is stored and cleared to see whether its token repeats.
const CLEARED: usize = 1_000;

pub(super) fn cases<S: TableFixture>() -> Vec<Case<S>> {
    cases![
        an_account_without_a_pending_change_has_none_to_clear,
        a_pending_change_holds_what_its_change_held,
        changes_of_one_account_become_one_pending_change,
        of_two_changes_at_one_moment_the_later_one_counts,
        a_hint_overrides_no_evidence_and_is_counted,
        evidence_overrides_hints_of_any_time,
        the_order_of_changes_does_not_affect_their_pending_change,
        an_older_change_that_arrives_late_is_counted_and_overrides_nothing,
        a_password_event_that_arrives_late_is_kept,
        password_events_are_kept_per_author_and_source,
        pending_read_first_a_changed_pending_change_is_not_cleared,
        token_never_repeats_after_a_clear,
        a_new_change_does_not_wait_for_the_back_off_of_an_old_one,
        only_an_unchanged_pending_change_is_delayed,
        every_account_has_its_own_pending_change,
        each_of_many_simultaneous_changes_is_counted,
    ]
}

async fn store<S: TableFixture>(
    fixture: &S,
    sub: &Sub,
    after: i64,
    evidence: Evidence,
    password: bool,
) -> anyhow::Result<PendingChange> {
    fixture.ledger().store_pending(&change(fixture, sub, after, evidence, password)).await?;
    stored(fixture, sub).await
}

async fn stored<S: TableFixture>(fixture: &S, sub: &Sub) -> anyhow::Result<PendingChange> {
    fixture.ledger().read_pending(Side::Old, sub).await?.context("there is no pending change")
}

const fn after(milliseconds: i64) -> Time {
    Time(NOON.0 + milliseconds)
}

async fn an_account_without_a_pending_change_has_none_to_clear<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let sub = sub(&fixture);
    assert_eq!(fixture.ledger().read_pending(Side::Old, &sub).await?, None);
    for token in [0, 1, u128::MAX] {
        assert!(!fixture.ledger().clear_pending(Side::Old, &sub, token).await?);
    }
    Ok(())
}

async fn a_pending_change_holds_what_its_change_held<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    for (evidence, password) in Evidence::ALL.into_iter().zip([false, true, false, true]) {
        let sub = sub(&fixture);
        let found = store(&fixture, &sub, 5, evidence, password).await?;
        let wanted = PendingChange {
            side: Side::Old,
            sub,
            token: found.token,
            first: after(5),
            last: after(5),
            evidence,
            password_at: password.then_some(after(5)),
            administrator_at: None,
            claimed_at: None,
            not_before: Time::ZERO,
            attempts: 0,
            reason: None,
        };
        assert_eq!(found, wanted);
    }
    Ok(())
}

async fn changes_of_one_account_become_one_pending_change<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let sub = sub(&fixture);
    let first = store(&fixture, &sub, 0, Evidence::Confirmed, true).await?;
    let second = store(&fixture, &sub, 10, Evidence::Changed, false).await?;
    assert_eq!((second.first, second.last), (after(0), after(10)));
    assert_eq!((second.evidence, second.password_at), (Evidence::Changed, Some(after(0))));
    assert_eq!(second.token, first.token + 1);
    let third = store(&fixture, &sub, 20, Evidence::Deleted, true).await?;
    assert_eq!((third.first, third.last), (after(0), after(20)));
    assert_eq!((third.evidence, third.password_at), (Evidence::Deleted, Some(after(20))));
    assert_eq!(third.token, first.token + 2);
    Ok(())
}

async fn of_two_changes_at_one_moment_the_later_one_counts<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let sub = sub(&fixture);
    store(&fixture, &sub, 10, Evidence::Hint, false).await?;
    let found = store(&fixture, &sub, 10, Evidence::Deleted, false).await?;
    assert_eq!(
        (found.first, found.last, found.evidence),
        (after(10), after(10), Evidence::Deleted)
    );
    Ok(())
}

async fn a_hint_overrides_no_evidence_and_is_counted<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    for evidence in [Evidence::Changed, Evidence::Confirmed, Evidence::Deleted] {
        let sub = sub(&fixture);
        let mut seen = store(&fixture, &sub, 10, evidence, true).await?;
        for (late, first) in [(10, 10), (20, 10), (5, 5), (15, 5)] {
            let found = store(&fixture, &sub, late, Evidence::Hint, false).await?;
            assert_eq!((found.first, found.last), (after(first), after(10)));
            assert_eq!((found.evidence, found.password_at), (evidence, Some(after(10))));
            assert_eq!(
                found.token,
                seen.token + 1,
                "TokenNeverRepeats: a worker that saw {seen:?} must not clear it"
            );
            seen = found;
        }
    }
    Ok(())
}

async fn evidence_overrides_hints_of_any_time<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    for late in [5, 10, 15, 20, 25] {
        let sub = sub(&fixture);
        store(&fixture, &sub, 10, Evidence::Hint, false).await?;
        let hints = store(&fixture, &sub, 20, Evidence::Hint, false).await?;
        assert_eq!(
            (hints.first, hints.last, hints.evidence),
            (after(10), after(10), Evidence::Hint)
        );
        let found = store(&fixture, &sub, late, Evidence::Confirmed, false).await?;
        assert_eq!((found.first, found.last), (after(late.min(10)), after(late)));
        assert_eq!((found.evidence, found.token), (Evidence::Confirmed, hints.token + 1));
    }
    Ok(())
}

async fn the_order_of_changes_does_not_affect_their_pending_change<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let changes = [
        (1, Evidence::Hint, false),
        (2, Evidence::Changed, true),
        (3, Evidence::Hint, true),
        (4, Evidence::Confirmed, false),
    ];
    for turn in 0..24 {
        let mut left = changes.to_vec();
        let mut order = Vec::new();
        for (size, step) in [(4, 6), (3, 2), (2, 1), (1, 1)] {
            order.push(left.remove(turn / step % size));
        }
        let sub = sub(&fixture);
        let mut found = None;
        for (late, evidence, password) in &order {
            found = Some(store(&fixture, &sub, *late, *evidence, *password).await?);
        }
        let found = found.context("no pending change is stored")?;
        assert_eq!((found.first, found.last), (after(1), after(4)), "{order:?}");
        assert_eq!(found.evidence, Evidence::Confirmed, "{order:?}");
        assert_eq!(found.password_at, Some(after(3)), "{order:?}");
    }
    Ok(())
}

async fn an_older_change_that_arrives_late_is_counted_and_overrides_nothing<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let sub = sub(&fixture);
    let before = store(&fixture, &sub, 10, Evidence::Deleted, false).await?;
    let found = store(&fixture, &sub, 5, Evidence::Changed, false).await?;
    assert_eq!((found.last, found.evidence), (after(10), Evidence::Deleted));
    assert_eq!(found.token, before.token + 1);
    // "Drained at a moment" means that nothing older is pending. So the oldest change must be
    // known.
    assert_eq!(found.first, after(5));
    let found = store(&fixture, &sub, 7, Evidence::Changed, false).await?;
    assert_eq!((found.first, found.last), (after(5), after(10)));
    assert_eq!(found.token, before.token + 2);
    Ok(())
}

async fn a_password_event_that_arrives_late_is_kept<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let sub = sub(&fixture);
    store(&fixture, &sub, 10, Evidence::Changed, false).await?;
    let mut known = Vec::new();
    for late in [5, 8, 6] {
        let found = store(&fixture, &sub, late, Evidence::Changed, true).await?;
        assert_eq!((found.first, found.last), (after(5), after(10)));
        known.push(found.password_at);
    }
    assert_eq!(known, [Some(after(5)), Some(after(8)), Some(after(8))]);
    Ok(())
}

async fn password_events_are_kept_per_author_and_source<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let sub = sub(&fixture);
    let ledger = fixture.ledger();
    for (late, administrator, claimed) in [
        (10, false, false),
        (20, true, false),
        (30, false, true),
        (40, true, true),
        (5, true, false),
        (7, false, true),
    ] {
        let change = change(&fixture, &sub, late, Evidence::Changed, true);
        ledger.store_pending(&ChangeEvent { administrator, claimed, ..change }).await?;
    }
    let found = ledger.read_pending(Side::Old, &sub).await?.context("the pending change")?;
    assert_eq!(found.password_at, Some(after(10)), "only what was seen, and by the person");
    assert_eq!(found.administrator_at, Some(after(20)));
    assert_eq!(found.claimed_at, Some(after(40)));
    Ok(())
}

async fn pending_read_first_a_changed_pending_change_is_not_cleared<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let sub = sub(&fixture);
    let ledger = fixture.ledger();
    for late in [10, -10] {
        let seen = store(&fixture, &sub, 0, Evidence::Changed, false).await?;
        let touched = store(&fixture, &sub, late, Evidence::Changed, false).await?;
        assert!(!ledger.clear_pending(Side::Old, &sub, seen.token).await?);
        assert_eq!(stored(&fixture, &sub).await?, touched);
        assert!(ledger.clear_pending(Side::Old, &sub, touched.token).await?);
        assert_eq!(ledger.read_pending(Side::Old, &sub).await?, None);
        assert!(!ledger.clear_pending(Side::Old, &sub, touched.token).await?);
    }
    Ok(())
}

async fn token_never_repeats_after_a_clear<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let sub = sub(&fixture);
    let mut seen = BTreeSet::new();
    for _ in 0..CLEARED {
        let token = store(&fixture, &sub, 0, Evidence::Changed, false).await?.token;
        assert!(seen.insert(token), "a token came again after {} clears", seen.len());
        assert!(fixture.ledger().clear_pending(Side::Old, &sub, token).await?);
    }
    Ok(())
}

async fn a_new_change_does_not_wait_for_the_back_off_of_an_old_one<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let sub = sub(&fixture);
    for late in [10, -10, 0] {
        let of = change(&fixture, &sub, 0, Evidence::Changed, false);
        let token = store(&fixture, &sub, 0, Evidence::Changed, false).await?.token;
        let until = NOON + Duration::from_mins(1);
        for attempts in 1..=2 {
            assert!(fixture.back_off(&of, token, until, Reason::Busy).await?);
            let found = stored(&fixture, &sub).await?;
            assert_eq!((found.not_before, found.attempts), (until, attempts));
            assert_eq!(found.reason.as_deref(), Some(Reason::Busy.name()));
            assert_eq!(found.token, token, "a delay is no change");
        }
        let found = store(&fixture, &sub, late, Evidence::Changed, false).await?;
        assert_eq!((found.not_before, found.attempts), (Time::ZERO, 0));
        assert_eq!(found.reason, None);
        assert!(fixture.ledger().clear_pending(Side::Old, &sub, found.token).await?);
    }
    Ok(())
}

async fn only_an_unchanged_pending_change_is_delayed<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let sub = sub(&fixture);
    let of = change(&fixture, &sub, 0, Evidence::Changed, false);
    assert!(!fixture.back_off(&of, 7, NOON, Reason::Busy).await?, "there is no pending change");
    assert_eq!(fixture.ledger().read_pending(Side::Old, &sub).await?, None);
    let seen = store(&fixture, &sub, 0, Evidence::Changed, false).await?;
    let touched = store(&fixture, &sub, 1, Evidence::Changed, false).await?;
    assert!(!fixture.back_off(&of, seen.token, NOON, Reason::Busy).await?);
    assert_eq!(stored(&fixture, &sub).await?, touched);
    Ok(())
}

async fn every_account_has_its_own_pending_change<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let sub = sub(&fixture);
    let one = store(&fixture, &sub, 0, Evidence::Changed, false).await?;
    assert_eq!(fixture.ledger().read_pending(Side::New, &sub).await?, None, "the namesake");
    assert!(!fixture.ledger().clear_pending(Side::New, &sub, one.token).await?);
    assert_eq!(stored(&fixture, &sub).await?, one);
    Ok(())
}

async fn each_of_many_simultaneous_changes_is_counted<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let sub = sub(&fixture);
    let before = store(&fixture, &sub, 8, Evidence::Changed, false).await?;
    let mut pending_changes = JoinSet::new();
    for late in 0..AT_ONCE {
        let fixture = fixture.clone();
        let evidence = if late % 4 == 1 { Evidence::Hint } else { Evidence::Confirmed };
        let change = change(&fixture, &sub, late, evidence, late == 3);
        pending_changes.spawn(async move { fixture.ledger().store_pending(&change).await });
    }
    while let Some(done) = pending_changes.join_next().await {
        done??;
    }
    let found = stored(&fixture, &sub).await?;
    assert_eq!(found.token, before.token + u128::from(AT_ONCE.unsigned_abs()));
    assert_eq!((found.first, found.last), (after(0), after(AT_ONCE - 1)));
    assert_eq!((found.evidence, found.password_at), (Evidence::Confirmed, Some(after(3))));
    Ok(())
}
