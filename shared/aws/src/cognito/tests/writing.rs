//! Tests writes and creations: each is sent once, in time, and counts as not done only with proof.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_credential_types::provider::{ProvideCredentials, future};
use poolbridge_core::account::NewAccount;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::limits;
use poolbridge_core::names::{AttributeName, Username};
use poolbridge_core::ports::{Clock, Pool};
use poolbridge_core::profile::{Factor, Field};
use poolbridge_core::step::Action;
use serde_json::{Value, json};

use super::{account, account_ref, count, described, listed, plain};
use crate::client::SendGuard;
use crate::cognito::CognitoPool;
use crate::loopback::{Loopback, Reply, pool_at, pool_of};

async fn disable(pool: &CognitoPool, clock: &impl Clock) -> Result<(), PortError> {
    let deadline = clock.now() + Duration::from_secs(5);
    pool.write(&account_ref(Some("ada")), &Action::Disable, deadline).await
}

#[tokio::test]
async fn a_write_that_certainly_did_nothing_is_retried() {
    let loopback = plain(|_, count| match count {
        0 => Reply::Badly(400, "TooManyRequestsException"),
        _ => Reply::Well(json!({})),
    });
    let (pool, clock) = loopback.pool_and_clock().await;
    disable(&pool, &*clock).await.unwrap();
    assert_eq!(count(&loopback, "AdminDisableUser"), 2);
}

#[tokio::test]
async fn a_write_that_may_have_happened_is_not_retried() {
    for (reply, kind) in [
        (Reply::Lost, ErrorKind::NoAnswer),
        (Reply::Badly(500, "InternalErrorException"), ErrorKind::Broken),
    ] {
        let loopback = plain(move |_, _| reply.clone());
        let (pool, clock) = loopback.pool_and_clock().await;
        let error = disable(&pool, &*clock).await.unwrap_err();
        assert_eq!((error.kind, error.may_have_happened()), (kind, true));
        assert_eq!(count(&loopback, "AdminDisableUser"), 1);
    }
}

#[tokio::test]
async fn a_throttled_pool_is_remembered_and_an_hourly_limit_is_not_retried() {
    let loopback = plain(|_, _| Reply::Badly(400, "LimitExceededException"));
    let (pool, clock) = loopback.pool_and_clock().await;
    assert_eq!(pool.throttled(), None);
    let error = disable(&pool, &*clock).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Throttled);
    assert_eq!(count(&loopback, "AdminDisableUser"), 1);
    assert!(pool.throttled().is_some());
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let loopback = plain(|_, _| Reply::Well(json!({})));
    let (pool, clock) = loopback.pool_and_clock().await;
    let past = clock.now() - Duration::from_millis(1);
    let error = pool.write(&account_ref(Some("ada")), &Action::Enable, past).await.unwrap_err();
    assert_eq!((error.kind, error.operation), (ErrorKind::NotSent, "AdminEnableUser"));
    assert_eq!(count(&loopback, "AdminEnableUser"), 0);
}

#[tokio::test]
async fn a_delayed_request_is_not_sent_after_the_deadline() {
    let loopback = plain(|_, _| Reply::Well(json!({})));
    let (pool, clock) = loopback.pool_and_clock().await;
    for (ahead, leaves) in [(0, false), (60, true)] {
        let deadline = clock.now() + Duration::from_secs(ahead);
        let departure = SendGuard::before(deadline, &clock);
        // This call has no overrides, which would end it earlier.
        let request = pool.client.admin_enable_user().user_pool_id("us-east-1_A").username("ada");
        let sent = request.customize().interceptor(departure.clone()).send().await;
        assert_eq!((sent.is_ok(), departure.left()), (leaves, leaves));
        assert_eq!(count(&loopback, "AdminEnableUser"), usize::from(leaves));
    }
}

#[tokio::test]
async fn the_wait_for_an_answer_ends_at_the_deadline() {
    let loopback = plain(|_, _| Reply::Late(Duration::from_secs(20), json!({})));
    let (pool, clock) = loopback.pool_and_clock().await;
    pool.schema().await.unwrap();
    let before = clock.now();
    let deadline = before + Duration::from_millis(300);
    let error = pool.write(&account_ref(Some("ada")), &Action::Enable, deadline).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoAnswer);
    assert!(clock.now().since(before) < Duration::from_secs(3));
}

#[tokio::test]
async fn a_write_to_an_unreachable_pool_did_nothing() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [format!("http://{gone}"), "http://pool.invalid".to_owned()] {
        let (pool, clock) = pool_at(&address).await;
        let error = disable(&pool, &*clock).await.unwrap_err();
        assert_eq!((error.kind, error.may_have_happened()), (ErrorKind::NotSent, false));
        let deadline = clock.now() + Duration::from_secs(2);
        let error = pool.create(&ada(), deadline).await.unwrap_err();
        assert_eq!((error.kind, error.operation), (ErrorKind::NotSent, "AdminCreateUser"));
    }
}

fn ada() -> NewAccount {
    let email = AttributeName::try_from("email").unwrap();
    let attributes = BTreeMap::from([(email, "ada@example.com".to_owned())]);
    NewAccount { username: Username::try_from("ada").unwrap(), attributes }
}

#[tokio::test]
async fn invariant_13_and_14_a_creation_sends_no_message_is_marked_and_takes_no_alias() {
    let loopback = plain(|_, _| Reply::Well(json!({ "User": listed("ada", &[("sub", "s-1")]) })));
    let (pool, clock) = loopback.pool_and_clock().await;
    let made = pool.create(&ada(), clock.now() + limits::CALL_TIME_MAX).await.unwrap();
    assert_eq!(made, account_ref(Some("ada")));
    let (_, body) = loopback.requests().pop().unwrap();
    assert_eq!(body["MessageAction"], "SUPPRESS");
    assert_eq!(body["ForceAliasCreation"], false);
    assert_eq!(body["ClientMetadata"]["poolbridge"], "birth");
    assert_eq!(body.get("TemporaryPassword"), None);
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_or_throttled_is_not_sent_twice() {
    for (reply, kind) in [
        (Reply::Lost, ErrorKind::NoAnswer),
        (Reply::Badly(400, "TooManyRequestsException"), ErrorKind::Throttled),
        (Reply::Badly(400, "AliasExistsException"), ErrorKind::Exists),
        (Reply::Badly(400, "UsernameExistsException"), ErrorKind::Exists),
    ] {
        let loopback = plain(move |_, _| reply.clone());
        let (pool, clock) = loopback.pool_and_clock().await;
        let deadline = clock.now() + limits::CALL_TIME_MAX;
        assert_eq!(pool.create(&ada(), deadline).await.unwrap_err().kind, kind);
        assert_eq!(count(&loopback, "AdminCreateUser"), 1);
    }
}

#[tokio::test]
async fn a_creation_without_a_name_in_the_answer_is_read_back_or_may_have_happened() {
    let loopback = plain(|request, _| match request.0.as_str() {
        "AdminGetUser" => Reply::Well(account("ada", "s-1")),
        _ => Reply::Well(json!({ "User": {} })),
    });
    let (pool, clock) = loopback.pool_and_clock().await;
    let deadline = clock.now() + limits::CALL_TIME_MAX;
    assert_eq!(pool.create(&ada(), deadline).await.unwrap(), account_ref(Some("ada")));

    let loopback = plain(|request, _| match request.0.as_str() {
        "AdminGetUser" => Reply::Badly(400, "UserNotFoundException"),
        _ => Reply::Well(json!({})),
    });
    let (pool, clock) = loopback.pool_and_clock().await;
    let deadline = clock.now() + limits::CALL_TIME_MAX;
    assert!(pool.create(&ada(), deadline).await.unwrap_err().may_have_happened());
}

#[tokio::test]
async fn an_account_is_addressed_as_its_pool_requires() {
    let by_sub = json!({ "UsernameAttributes": ["email"] });
    for (schema, username, wanted) in [
        (by_sub, Some("ada@example.com"), "s-1"),
        (json!({}), Some("ada"), "ada"),
        (json!({ "AliasAttributes": ["email"] }), Some("ada"), "ada"),
        (json!({}), None, "ada"),
        (json!({ "AliasAttributes": ["email"] }), None, "ada"),
    ] {
        let pool = schema.clone();
        let loopback = Loopback::new(move |request, _| {
            described(request, &pool, || match request.0.as_str() {
                "ListUsers" => Reply::Well(json!({ "Users": [listed("ada", &[("sub", "s-1")])] })),
                "AdminGetUser" => Reply::Well(account("ada", "s-1")),
                _ => Reply::Well(json!({})),
            })
        });
        let (pool, clock) = loopback.pool_and_clock().await;
        let deadline = clock.now() + limits::CALL_TIME_MAX;
        pool.write(&account_ref(username), &Action::SignOut, deadline).await.unwrap();
        let (operation, body) = loopback.requests().pop().unwrap();
        assert_eq!(operation, "AdminUserGlobalSignOut");
        assert_eq!(body["Username"], wanted, "{schema}");
    }
}

#[tokio::test]
async fn one_update_carries_all_fields_and_an_empty_value() {
    let loopback = plain(|_, _| Reply::Well(json!({})));
    let (pool, clock) = loopback.pool_and_clock().await;
    let name = |text: &str| AttributeName::try_from(text).unwrap();
    let nickname = BTreeMap::from([(name("nickname"), String::new())]);
    let fields = BTreeMap::from([(Field::Attribute(name("nickname")), nickname)]);
    let deadline = clock.now() + limits::CALL_TIME_MAX;
    let action = Action::SetAttributes { fields };
    pool.write(&account_ref(Some("ada")), &action, deadline).await.unwrap();
    let (_, body) = loopback.requests().pop().unwrap();
    assert_eq!(body["UserAttributes"], json!([{ "Name": "nickname", "Value": "" }]));
    assert_eq!(body["ClientMetadata"]["poolbridge"], "update");
}

#[tokio::test]
async fn only_the_named_factors_are_changed() {
    let loopback = plain(|_, _| Reply::Well(json!({})));
    let (pool, clock) = loopback.pool_and_clock().await;
    let deadline = clock.now() + limits::CALL_TIME_MAX;
    let action = Action::SetFactors(BTreeMap::from([(Factor::Email, true)]));
    pool.write(&account_ref(Some("ada")), &action, deadline).await.unwrap();
    let (_, body) = loopback.requests().pop().unwrap();
    assert_eq!(body["EmailMfaSettings"]["Enabled"], true);
    assert_eq!(body.get("SMSMfaSettings"), None);
    assert_eq!(body.get("SoftwareTokenMfaSettings"), None);
}

#[tokio::test]
async fn a_password_that_the_history_refuses_is_drawn_once_more() {
    let loopback = plain(|_, count| match count {
        0 => Reply::Badly(400, "PasswordHistoryPolicyViolationException"),
        _ => Reply::Well(json!({})),
    });
    let (pool, clock) = loopback.pool_and_clock().await;
    let deadline = clock.now() + limits::CALL_TIME_MAX;
    pool.write(&account_ref(Some("ada")), &Action::SetRandomPassword, deadline).await.unwrap();
    let sent: Vec<Value> = loopback
        .requests()
        .into_iter()
        .filter(|(operation, _)| operation == "AdminSetUserPassword")
        .map(|(_, body)| body)
        .collect();
    assert_eq!(sent.len(), 2);
    assert_ne!(sent[0]["Password"], sent[1]["Password"]);
    assert_eq!(sent[1]["Permanent"], true);
}

#[tokio::test]
async fn a_write_whose_lookup_failed_did_nothing() {
    let loopback = Loopback::new(|_, _| Reply::Lost);
    let (pool, clock) = loopback.pool_and_clock().await;
    let error = disable(&pool, &*clock).await.unwrap_err();
    assert_eq!((error.kind, error.may_have_happened()), (ErrorKind::NotSent, false));
    assert_eq!(count(&loopback, "AdminDisableUser"), 0);
}

/// Credentials that never arrive.
#[derive(Debug)]
struct Never;

impl ProvideCredentials for Never {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(std::future::pending())
    }
}

#[tokio::test]
async fn a_write_that_waits_for_credentials_until_the_deadline_did_nothing() {
    let loopback = plain(|_, _| Reply::Well(json!({})));
    let (pool, clock) = pool_of(&loopback.endpoint_url, Never).await;
    let deadline = clock.now() + Duration::from_millis(200);
    let error = pool.create(&ada(), deadline).await.unwrap_err();
    assert_eq!((error.kind, error.operation), (ErrorKind::NotSent, "AdminCreateUser"));
    assert_eq!(count(&loopback, "AdminCreateUser"), 0);
}
