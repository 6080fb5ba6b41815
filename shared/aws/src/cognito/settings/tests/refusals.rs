//! Pools that keep what a call leaves out, and pools that refuse their own current settings, as
//! public reports describe real pools. Only a real pool can show whether the service still behaves
//! so.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::super::refusal::refused_settings;
use super::super::{Administration, NotWritten, PoolSettings, Written};
use super::OURS;
use super::wire::administration_at;
use crate::loopback::{Loopback, Reply};
use poolbridge_config::TriggerSlot;

/// A pool as the reports describe it.
fn people(changes: &Value) -> Value {
    let mut pool = json!({
        "Id": "us-east-1_A", "Name": "people", "LambdaConfig": {},
        "Policies": {
            "PasswordPolicy": { "MinimumLength": 12, "TemporaryPasswordValidityDays": 7 },
        },
        "AutoVerifiedAttributes": ["email"], "MfaConfiguration": "OPTIONAL",
        "UserPoolTier": "ESSENTIALS",
        "AdminCreateUserConfig": { "AllowAdminCreateUserOnly": false },
    });
    for (name, value) in changes.as_object().into_iter().flatten() {
        pool[name] = value.clone();
    }
    pool
}

/// How a pool treats a setting that a call leaves out.
#[derive(Clone, Copy)]
enum Omitted {
    Kept,
    Reset,
}

/// A pool that refuses the requests for which `refuses` returns a reply.
fn pool(pool: Value, omitted: Omitted, refuses: fn(&Value) -> Option<Reply>) -> Loopback {
    let pool = Arc::new(Mutex::new(pool));
    Loopback::new(move |(operation, body), _| {
        let mut pool = pool.lock().unwrap();
        match operation.as_str() {
            "DescribeUserPool" => Reply::Well(json!({ "UserPool": *pool })),
            "GetUserPoolMfaConfig" => {
                let code = json!({ "SmsAuthenticationMessage": "{####}" });
                let factors = json!({ "MfaConfiguration": pool["MfaConfiguration"],
                    "SmsMfaConfiguration": code });
                Reply::Well(factors)
            }
            "SetUserPoolMfaConfig" => {
                pool["MfaConfiguration"] = body["MfaConfiguration"].clone();
                Reply::Well(json!({}))
            }
            _ => {
                if let Some(refusal) = refuses(body) {
                    return refusal;
                }
                if matches!(omitted, Omitted::Reset) && body.get("MfaConfiguration").is_none() {
                    pool["MfaConfiguration"] = json!("OFF");
                }
                for (name, value) in body.as_object().unwrap() {
                    match name.as_str() {
                        "UserPoolId" => {}
                        "PoolName" => pool["Name"] = value.clone(),
                        name => pool[name] = value.clone(),
                    }
                }
                Reply::Well(json!({}))
            }
        }
    })
}

fn writes(loopback: &Loopback) -> Vec<Value> {
    let requests = loopback.requests().into_iter();
    requests.filter(|(name, _)| name == "UpdateUserPool").map(|(_, body)| body).collect()
}

async fn attached(loopback: &Loopback) -> Result<Written, NotWritten> {
    let administration = administration_at(&loopback.endpoint_url).await;
    let found = administration.read().await.unwrap();
    let wanted = found.clone().with_function(TriggerSlot::PreSignUp, OURS);
    administration.write(&found, &wanted).await
}

/// The administration, the pool's current settings, and the settings to return to.
async fn back(loopback: &Loopback, dump: Value) -> (Administration, PoolSettings, PoolSettings) {
    let administration = administration_at(&loopback.endpoint_url).await;
    let found = administration.read().await.unwrap();
    let dump = super::settings(&dump);
    let wanted = dump.with_the_rest_of(&found);
    (administration, found, wanted)
}

#[tokio::test]
async fn a_setting_newer_than_the_backup_is_removed_although_the_pool_keeps_omitted_settings() {
    let since = json!({
        "UserAttributeUpdateSettings": {
            "AttributesRequireVerificationBeforeUpdate": ["email"],
        },
        "UserPoolAddOns": { "AdvancedSecurityMode": "AUDIT" },
        "UserPoolTags": { "team": "identity" }, "DeletionProtection": "ACTIVE",
        "LambdaConfig": { "PreSignUp": OURS },
    });
    let mut before = people(&json!({}));
    before.as_object_mut().unwrap().remove("LambdaConfig");
    let loopback = pool(people(&since), Omitted::Kept, |_| None);
    let (administration, found, wanted) = back(&loopback, before).await;
    assert_eq!(wanted.may_stay(&found), [""; 0]);
    assert_eq!(administration.write(&found, &wanted).await, Ok(Written::Stands));
    assert_eq!(writes(&loopback).len(), 1);
}

#[tokio::test]
async fn a_setting_that_no_value_removes_is_named_before_the_write() {
    let since = json!({
        "DeviceConfiguration": { "ChallengeRequiredOnNewDevice": true },
        "Policies": {
            "PasswordPolicy": { "MinimumLength": 12, "TemporaryPasswordValidityDays": 7 },
            "SignInPolicy": { "AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"] },
        },
    });
    let loopback = pool(people(&since), Omitted::Kept, |_| None);
    let (administration, found, wanted) = back(&loopback, people(&json!({}))).await;
    assert_eq!(wanted.may_stay(&found), ["DeviceConfiguration", "Policies.SignInPolicy"]);
    let written = administration.write(&found, &wanted).await.unwrap();
    let Written::Wrong(left) = written else { panic!("{written:?}") };
    assert!(left.contains(&"DeviceConfiguration".to_owned()), "{left:?}");
    // A value for it would turn device tracking on for every person.
    assert_eq!(writes(&loopback)[0].get("DeviceConfiguration"), None);
}

fn refuses_required_factors(body: &Value) -> Option<Reply> {
    let refused = Reply::Explained("InvalidParameterException", "MFA cannot be turned on here");
    (body["MfaConfiguration"] == "ON").then_some(refused)
}

#[tokio::test]
async fn a_pool_that_requires_factors_accepts_a_trigger_and_keeps_requiring_them() {
    let required = json!({ "MfaConfiguration": "ON" });
    for omitted in [Omitted::Kept, Omitted::Reset] {
        let loopback = pool(people(&required), omitted, refuses_required_factors);
        assert_eq!(attached(&loopback).await, Ok(Written::Stands));
        let administration = administration_at(&loopback.endpoint_url).await;
        assert!(administration.read().await.unwrap().requires_factors());
        let set = loopback.operations().iter().filter(|it| *it == "SetUserPoolMfaConfig").count();
        assert_eq!(set, usize::from(matches!(omitted, Omitted::Reset)));
    }
    // If the service accepts them, they are sent unchanged.
    let loopback = pool(people(&required), Omitted::Reset, |_| None);
    assert_eq!(attached(&loopback).await, Ok(Written::Stands));
    assert_eq!(writes(&loopback)[0]["MfaConfiguration"], "ON");
}

#[tokio::test]
async fn required_factors_that_the_service_refuses_are_named() {
    let loopback = pool(people(&json!({})), Omitted::Kept, refuses_required_factors);
    let dump = people(&json!({ "MfaConfiguration": "ON" }));
    let (administration, found, wanted) = back(&loopback, dump).await;
    let error = administration.write(&found, &wanted).await.unwrap_err();
    let NotWritten::Refused { about, .. } = &error else { panic!("{error}") };
    assert_eq!(about, &["MfaConfiguration"]);
    let said = format!("{error} {error:?}");
    assert!(said.contains("MfaConfiguration") && !said.contains("turned on"), "{said}");
}

#[tokio::test]
async fn a_plan_without_a_feature_is_named_with_the_setting_that_needs_it() {
    let audit = json!({ "AdvancedSecurityMode": "AUDIT" });
    let lite = people(&json!({ "UserPoolTier": "LITE", "UserPoolAddOns": audit }));
    let loopback = pool(lite.clone(), Omitted::Kept, |body| {
        let described = body["UserPoolAddOns"]["AdvancedSecurityMode"] == "AUDIT";
        described.then_some(Reply::Badly(400, "FeatureUnavailableInTierException"))
    });
    // Before the write.
    assert_eq!(super::settings(&lite).at_odds(), ["UserPoolAddOns", "UserPoolTier"]);
    assert_eq!(super::settings(&people(&json!({}))).at_odds(), [""; 0]);
    // After the refusal.
    let error = attached(&loopback).await.unwrap_err();
    let NotWritten::Refused { about, .. } = &error else { panic!("{error}") };
    assert_eq!(about, &["UserPoolAddOns", "UserPoolTier"]);
    assert_eq!(writes(&loopback).len(), 1);
}

#[test]
fn a_refusal_names_settings_and_never_quotes_the_service() {
    let body = people(&json!({
        "SmsConfiguration": { "SnsCallerArn": "arn:secret" },
        "LambdaConfig": { "PreSignUp": OURS },
    }));
    let about = |text: &str| refused_settings(Some(text), Some("InvalidParameterException"), &body);
    let text = "1 validation error detected: Value 'arn:secret' at 'smsConfiguration.snsCallerArn' \
                failed to satisfy constraint";
    assert_eq!(about(text), ["SmsConfiguration"]);
    assert_eq!(about("Invalid MFA configuration given"), ["MfaConfiguration"]);
    assert_eq!(about("Trigger refused for ada@example.com"), ["LambdaConfig"]);
    assert_eq!(about("something else"), [""; 0]);
    // The service can refuse only settings that were sent.
    assert_eq!(about("userPoolTags is too long"), [""; 0]);
}

#[tokio::test]
async fn recoveries_are_read_by_an_operation_that_the_sdk_does_not_know() {
    let loopback = Loopback::new(|(operation, body), _| match operation.as_str() {
        "ListPointInTimeRecoveries" if body["UserPoolId"] == "us-east-1_A" => {
            let one = |status: &str| json!({ "RestoreId": "r", "RestoreStatus": status });
            let two = [one("RESTORING"), one("RESTORE_COMPLETED")];
            Reply::Well(json!({ "Restorations": two }))
        }
        _ => Reply::Badly(400, "UnknownOperationException"),
    });
    let administration = administration_at(&loopback.endpoint_url).await;
    let recoveries = administration.recoveries().await.unwrap();
    let open: Vec<_> = recoveries.iter().map(super::super::Recovery::is_open).collect();
    assert_eq!(open, [true, false]);
    assert_eq!(loopback.operations(), ["ListPointInTimeRecoveries"]);
}
