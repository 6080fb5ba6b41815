//! Reads and writes settings over a real connection.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use poolbridge_core::error::ErrorKind;
use serde_json::{Value, json};

use super::super::member::{Handling, MEMBERS};
use super::super::{Administration, NotWritten, Written};
use super::{OURS, THEIRS, rich, settings};
use crate::client::{bounded, pool_client};
use crate::clock::SystemClock;
use crate::loopback::{Loopback, Reply};
use poolbridge_config::PoolConfig;
use poolbridge_config::TriggerSlot;

/// A pool that treats `UpdateUserPool` as documented: what a call leaves out is lost.
struct Played {
    loopback: Loopback,
    pool: Arc<Mutex<Value>>,
}

impl Played {
    /// The pool answers `refusals` first. It calls `spoil` with each write.
    fn new(pool: Value, refusals: Vec<Reply>, spoil: fn(&mut Value)) -> Self {
        let pool = Arc::new(Mutex::new(pool));
        let kept = Arc::clone(&pool);
        let loopback = Loopback::new(move |(operation, body), count| match operation.as_str() {
            "DescribeUserPool" => Reply::Well(json!({ "UserPool": *kept.lock().unwrap() })),
            "GetUserPoolMfaConfig" => Reply::Well(json!({ "MfaConfiguration": "OPTIONAL" })),
            _ if count < refusals.len() => refusals[count].clone(),
            _ => {
                update(&mut kept.lock().unwrap(), body);
                spoil(&mut kept.lock().unwrap());
                Reply::Well(json!({}))
            }
        });
        Self { loopback, pool }
    }

    async fn administration(&self) -> Administration {
        administration_at(&self.loopback.endpoint_url).await
    }

    fn writes(&self) -> usize {
        self.loopback.operations().iter().filter(|it| *it == "UpdateUserPool").count()
    }
}

/// The administration of the pool at that address.
pub(super) async fn administration_at(endpoint_url: &str) -> Administration {
    let base = bounded(aws_config::defaults(BehaviorVersion::v2026_01_12()))
        .empty_test_environment()
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .load()
        .await;
    let settings = PoolConfig {
        user_pool_id: "us-east-1_A".to_owned(),
        region: None,
        role_arn: None,
        endpoint_url: Some(endpoint_url.to_owned()),
        client_id: None,
    };
    let client = pool_client(&base, &settings, &SystemClock::new()).await;
    Administration::new(client, settings.user_pool_id)
}

fn update(pool: &mut Value, body: &Value) {
    for (name, fate) in MEMBERS {
        let sent = match fate {
            Handling::Sent => name,
            Handling::SentAs(other) => other,
            Handling::LeftOut | Handling::Fixed | Handling::Moving => continue,
        };
        match body.get(sent) {
            // Only AWS changes its own tags.
            Some(tags) if name == "UserPoolTags" => pool[name]["team"] = tags["team"].clone(),
            Some(value) => pool[name] = value.clone(),
            None => drop(pool.as_object_mut().unwrap().remove(name)),
        }
    }
    pool["LastModifiedDate"] = json!(99);
}

async fn written(played: &Played) -> Result<Written, NotWritten> {
    let administration = played.administration().await;
    let before = administration.read().await.unwrap();
    let wanted = before.clone().with_function(TriggerSlot::PostConfirmation, OURS);
    administration.write(&before, &wanted).await
}

#[tokio::test]
async fn a_write_changes_the_wanted_slot_and_nothing_else() {
    let played = Played::new(rich(), vec![], |_| {});
    assert_eq!(written(&played).await, Ok(Written::Stands));
    let mut found = played.pool.lock().unwrap().clone();
    assert_eq!(found["LambdaConfig"]["PostConfirmation"], OURS);
    found["LambdaConfig"].as_object_mut().unwrap().remove("PostConfirmation");
    found["LastModifiedDate"] = rich()["LastModifiedDate"].clone();
    found["AdminCreateUserConfig"]["UnusedAccountValidityDays"] = json!(3);
    assert_eq!(found, rich());
    // A second write has nothing to do.
    let administration = played.administration().await;
    let stands = administration.read().await.unwrap();
    assert_eq!(administration.write(&stands, &stands).await, Ok(Written::Stands));
    assert_eq!(played.writes(), 1);
}

#[tokio::test]
async fn a_setting_that_changed_with_the_write_is_named() {
    let played = Played::new(rich(), vec![], |pool| pool["DeletionProtection"] = json!("INACTIVE"));
    let wrong = Written::Wrong(vec!["DeletionProtection".to_owned()]);
    assert_eq!(written(&played).await, Ok(wrong));
}

#[tokio::test]
async fn a_concurrent_change_is_not_overwritten() {
    let played = Played::new(rich(), vec![], |_| {});
    let administration = played.administration().await;
    let before = administration.read().await.unwrap();
    let wanted = before.clone().with_function(TriggerSlot::PostConfirmation, OURS);
    played.pool.lock().unwrap()["MfaConfiguration"] = json!("ON");
    let moved = Written::Moved(vec!["MfaConfiguration".to_owned()]);
    assert_eq!(administration.write(&before, &wanted).await, Ok(moved));
    assert_eq!(played.writes(), 0);
}

#[tokio::test]
async fn a_temporary_failure_is_retried_and_a_lasting_one_is_not() {
    let busy = Reply::Badly(400, "ConcurrentModificationException");
    let played = Played::new(rich(), vec![busy.clone(), Reply::Lost], |_| {});
    assert_eq!(written(&played).await, Ok(Written::Stands));
    assert_eq!(played.writes(), 3);
    let played = Played::new(rich(), vec![busy; 9], |_| {});
    let failed = written(&played).await.unwrap_err();
    assert!(failed.to_string().contains("ConcurrentModificationException"), "{failed}");
    assert!(played.writes() <= 4);
    let import = Reply::Badly(400, "UserImportInProgressException");
    let played = Played::new(rich(), vec![import; 9], |_| {});
    let failed = written(&played).await.unwrap_err();
    let NotWritten::Refused { error, .. } = failed else { panic!("{failed}") };
    assert_eq!((error.kind, played.writes()), (ErrorKind::Invalid, 1));
}

/// Removes the only trigger of a pool that once had no `LambdaConfig`. The pool calls `spoil` with
/// each write.
async fn emptied(spoil: fn(&mut Value)) -> (Played, Result<Written, NotWritten>) {
    let mut without = rich();
    without.as_object_mut().unwrap().remove("LambdaConfig");
    let earlier = settings(&without);
    let mut with = without;
    with["LambdaConfig"] = json!({ "PostConfirmation": OURS });
    let played = Played::new(with, vec![], spoil);
    let administration = played.administration().await;
    let before = administration.read().await.unwrap();
    let wanted = before.clone().with_slot_of(TriggerSlot::PostConfirmation, &earlier);
    let wanted = wanted.without_empty_triggers_unless(&earlier);
    let written = administration.write(&before, &wanted).await;
    (played, written)
}

#[tokio::test]
async fn removed_triggers_are_sent_as_an_empty_set_in_one_write() {
    let (played, written) = emptied(|_| {}).await;
    assert_eq!((written, played.writes()), (Ok(Written::Stands), 1));
    assert_eq!(played.pool.lock().unwrap()["LambdaConfig"], json!({}));
}

#[tokio::test]
async fn no_second_write_overwrites_a_setting_that_was_deployed_after_the_first() {
    let (played, written) = emptied(|pool| pool["DeletionProtection"] = json!("INACTIVE")).await;
    let wrong = vec!["DeletionProtection".to_owned()];
    assert_eq!((written, played.writes()), (Ok(Written::Wrong(wrong)), 1));
    assert_eq!(played.pool.lock().unwrap()["DeletionProtection"], "INACTIVE");
}

#[tokio::test]
async fn no_second_write_overwrites_a_trigger_that_was_deployed_after_the_first() {
    let (played, written) =
        emptied(|pool| pool["LambdaConfig"] = json!({ "PostConfirmation": THEIRS })).await;
    let wrong = vec!["LambdaConfig".to_owned()];
    assert_eq!((written, played.writes()), (Ok(Written::Wrong(wrong)), 1));
    assert_eq!(played.pool.lock().unwrap()["LambdaConfig"]["PostConfirmation"], THEIRS);
}
