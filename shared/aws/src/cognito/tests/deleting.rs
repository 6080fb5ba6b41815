//! Tests deletions, and the canary that must be read before an account counts as deleted.

use poolbridge_core::error::ErrorKind;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::{Clock, Pool};
use poolbridge_core::step::Action;
use serde_json::{Value, json};

use super::{account, account_ref, count, listed, plain};
use crate::loopback::{Loopback, Reply};

/// A pool that lists these accounts and reads each with that `sub`; an account without one is
/// missing.
fn pool_of(accounts: &'static [(&'static str, &'static str, Option<&'static str>)]) -> Loopback {
    plain(move |request, _| {
        let users: Vec<Value> =
            accounts.iter().map(|(name, sub, _)| listed(name, &[("sub", *sub)])).collect();
        if request.0 == "ListUsers" {
            return Reply::Well(json!({ "Users": users }));
        }
        let asked = request.1["Username"].as_str().unwrap_or_default();
        let read = accounts.iter().find(|(name, ..)| *name == asked);
        match read.and_then(|(name, _, sub)| Some((name, (*sub)?))) {
            Some((name, sub)) => Reply::Well(account(name, sub)),
            None => Reply::Badly(400, "UserNotFoundException"),
        }
    })
}

async fn canary(loopback: &Loopback) -> bool {
    loopback.pool().await.canary(&Sub::try_from("s-1").unwrap()).await.unwrap()
}

#[tokio::test]
async fn another_readable_account_is_a_canary() {
    let loopback = pool_of(&[("ada", "s-1", None), ("eve", "s-2", Some("s-2"))]);
    assert!(canary(&loopback).await);
    assert_eq!((count(&loopback, "ListUsers"), count(&loopback, "AdminGetUser")), (1, 1));
    let filters: Vec<Value> =
        loopback.requests().into_iter().map(|(_, body)| body["Filter"].clone()).collect();
    assert!(filters.iter().all(Value::is_null), "the listing has no filter");
}

#[tokio::test]
async fn an_account_that_was_deleted_since_the_listing_is_skipped() {
    let loopback = pool_of(&[("ivy", "s-2", None), ("eve", "s-3", Some("s-3"))]);
    assert!(canary(&loopback).await);
    assert_eq!(count(&loopback, "AdminGetUser"), 2);
}

#[tokio::test]
async fn the_missed_account_an_unreadable_account_and_another_sub_are_no_canary() {
    assert!(!canary(&pool_of(&[])).await);
    assert!(!canary(&pool_of(&[("ada", "s-1", Some("s-1"))])).await, "it is the missed account");
    assert!(!canary(&pool_of(&[("eve", "s-2", None)])).await);
    assert!(
        !canary(&pool_of(&[("eve", "s-2", Some("s-9"))])).await,
        "another account has the name now"
    );
}

#[tokio::test]
async fn reads_for_a_canary_are_bounded() {
    let users: Vec<Value> =
        (0..60).map(|at| listed(&format!("u{at}"), &[("sub", &format!("x-{at}"))])).collect();
    let loopback = plain(move |request, _| match request.0.as_str() {
        "ListUsers" => Reply::Well(json!({ "Users": users })),
        _ => Reply::Badly(400, "UserNotFoundException"),
    });
    assert!(!canary(&loopback).await);
    assert_eq!(count(&loopback, "AdminGetUser"), limits::CANARY_ACCOUNTS_MAX);
}

#[tokio::test]
async fn a_denied_listing_is_a_port_error_and_no_answer() {
    let loopback = plain(|_, _| Reply::Badly(400, "AccessDeniedException"));
    let canary = loopback.pool().await.canary(&Sub::try_from("s-1").unwrap()).await;
    assert_eq!(canary.unwrap_err().kind, ErrorKind::Denied);
}

#[tokio::test]
async fn deleting_a_missing_account_succeeds() {
    let loopback = plain(|_, _| Reply::Badly(400, "UserNotFoundException"));
    let (pool, clock) = loopback.pool_and_clock().await;
    let deadline = clock.now() + limits::CALL_TIME_MAX;
    pool.write(&account_ref(Some("ada")), &Action::Delete, deadline).await.unwrap();
    assert_eq!(count(&loopback, "AdminDeleteUser"), 1);
    // The account is looked up by its `sub` and not found, so no call is needed.
    pool.write(&account_ref(None), &Action::Delete, deadline).await.unwrap();
    assert_eq!(count(&loopback, "AdminDeleteUser"), 1);
    let error =
        pool.write(&account_ref(Some("ada")), &Action::Disable, deadline).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AccountGone, "only a deletion succeeds without the account");
}

#[tokio::test]
async fn a_deletion_without_an_answer_may_have_happened() {
    let loopback = plain(|_, _| Reply::Lost);
    let (pool, clock) = loopback.pool_and_clock().await;
    let deadline = clock.now() + limits::CALL_TIME_MAX;
    let error = pool.write(&account_ref(Some("ada")), &Action::Delete, deadline).await.unwrap_err();
    assert!(error.may_have_happened());
    assert_eq!(count(&loopback, "AdminDeleteUser"), 1);
}

#[tokio::test]
async fn the_canary_check_reads_groups_as_for_a_person() {
    let users =
        json!({ "Users": [listed("ivy", &[("sub", "s-2")]), listed("eve", &[("sub", "s-3")])] });
    let answering = |listed: fn(&str) -> bool| {
        let users = users.clone();
        plain(move |request, _| {
            let name = request.1["Username"].as_str().unwrap_or_default();
            match request.0.as_str() {
                "ListUsers" => Reply::Well(users.clone()),
                "AdminGetUser" if name == "ivy" => Reply::Well(account("ivy", "s-2")),
                "AdminGetUser" => Reply::Well(account("eve", "s-3")),
                _ if listed(name) => Reply::Well(json!({ "Groups": [] })),
                _ => Reply::Badly(400, "UserNotFoundException"),
            }
        })
    };
    assert!(!canary(&answering(|_| false)).await, "without groups the account is no canary");
    let second = answering(|name| name == "eve");
    assert!(canary(&second).await);
    assert_eq!(count(&second, "AdminListGroupsForUser"), 2);
}
