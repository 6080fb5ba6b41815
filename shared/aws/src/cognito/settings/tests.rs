//! The table against the model, the triggers, and the way there and back over a real connection.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_cognitoidentityprovider::operation::update_user_pool::UpdateUserPoolInput;
use aws_sdk_cognitoidentityprovider::operation::update_user_pool::builders::UpdateUserPoolInputBuilder;
use aws_sdk_cognitoidentityprovider::types::UserPoolType;
use poolbridge_core::fault::FaultKind;
use serde_json::{Value, json};

use super::super::loopback::{Loopback, Reply};
use super::member::{Fate, MEMBERS, fate};
use super::{Administration, Holder, NotRead, NotWritten, Settings, Written, same_function};
use crate::client::{PoolSettings, bounded, pool_client};
use crate::clock::SystemClock;
use crate::config::TriggerSlot;

const OURS: &str = "arn:aws:lambda:eu-west-1:111111111111:function:acme-capture";
const THEIRS: &str = "arn:aws:lambda:eu-west-1:111111111111:function:welcome";

/// A pool with something in every setting that can be sent, and one that no model knows within one
/// that it does.
fn rich() -> Value {
    json!({
        "Id": "us-east-1_A", "Name": "people", "Arn": "arn:aws:cognito-idp:x:1:userpool/a",
        "CreationDate": 1.5, "LastModifiedDate": 2.5, "EstimatedNumberOfUsers": 7,
        "SchemaAttributes": [{"Name": "sub"}], "UsernameAttributes": ["email"],
        "UsernameConfiguration": {"CaseSensitive": false}, "Domain": "people",
        "Policies": {
            "PasswordPolicy": {"MinimumLength": 12, "TemporaryPasswordValidityDays": 3},
            "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]},
            "PolicyOfTomorrow": {"Strict": true},
        },
        "DeletionProtection": "ACTIVE",
        "LambdaConfig": {
            "CustomMessage": THEIRS, "UserMigration": THEIRS, "KMSKeyID": "key",
            "CustomEmailSender": {"LambdaVersion": "V1_0", "LambdaArn": THEIRS},
            "PreTokenGenerationConfig": {"LambdaVersion": "V2_0", "LambdaArn": THEIRS},
            "TriggerOfTomorrow": THEIRS,
        },
        "AutoVerifiedAttributes": ["email", "phone_number"],
        "SmsVerificationMessage": "code {####}", "EmailVerificationMessage": "code {####}",
        "EmailVerificationSubject": "code", "SmsAuthenticationMessage": "{####}",
        "VerificationMessageTemplate": {"DefaultEmailOption": "CONFIRM_WITH_CODE"},
        "UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]},
        "MfaConfiguration": "OPTIONAL",
        "DeviceConfiguration": {"ChallengeRequiredOnNewDevice": true},
        "EmailConfiguration": {"EmailSendingAccount": "DEVELOPER", "SourceArn": "ses"},
        "SmsConfiguration": {"SnsCallerArn": "role", "ExternalId": "external"},
        "UserPoolTags": {"team": "identity", "aws:cloudformation:stack-name": "pools"},
        "AdminCreateUserConfig": {
            "AllowAdminCreateUserOnly": true, "UnusedAccountValidityDays": 3,
            "InviteMessageTemplate": {"EmailSubject": "welcome"},
        },
        "UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"},
        "AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": "admin_only", "Priority": 1}]},
        "UserPoolTier": "PLUS", "KeyConfiguration": {"KeyType": "AWS_OWNED_KEY"},
        "IssuerConfiguration": {"Type": "ORIGINAL"},
        "AcrConfiguration": {"level": {"AcrValue": "urn:level"}},
    })
}

fn settings(pool: &Value) -> Settings {
    let pool = json!({ "UserPool": pool });
    Settings::of_answers(&pool, json!({ "MfaConfiguration": "OPTIONAL" })).unwrap()
}

fn changed(path: &str, value: Value) -> Settings {
    let mut pool = rich();
    *pool.pointer_mut(path).unwrap() = value;
    settings(&pool)
}

fn triggers(triggers: Value) -> Settings {
    changed("/LambdaConfig", triggers)
}

#[test]
fn every_member_of_both_models_has_its_fate() {
    let told: BTreeSet<&str> =
        UserPoolType::SCHEMA.members().iter().filter_map(|it| it.member_name()).collect();
    let listed: BTreeSet<&str> = MEMBERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(told, listed);
    assert_eq!(listed.len(), MEMBERS.len(), "a member is listed twice");
    let taken: BTreeSet<&str> =
        UpdateUserPoolInput::SCHEMA.members().iter().filter_map(|it| it.member_name()).collect();
    let sent = MEMBERS.iter().filter_map(|(name, fate)| match fate {
        Fate::Sent => Some(*name),
        Fate::SentAs(other) => Some(*other),
        Fate::Fixed | Fate::Moving => None,
    });
    assert_eq!(sent.chain(["UserPoolId"]).collect::<BTreeSet<_>>(), taken);
    assert_eq!(fate("SettingOfTomorrow"), None);
}

/// Does not compile unless both operations have the same shape for each member that is sent: only
/// then may whatever lies within one be sent as it was found.
#[expect(dead_code, reason = "that it compiles is what it shows")]
fn both_operations_share_their_shapes(pool: UserPoolType) -> UpdateUserPoolInputBuilder {
    UpdateUserPoolInput::builder()
        .set_account_recovery_setting(pool.account_recovery_setting)
        .set_acr_configuration(pool.acr_configuration)
        .set_admin_create_user_config(pool.admin_create_user_config)
        .set_auto_verified_attributes(pool.auto_verified_attributes)
        .set_deletion_protection(pool.deletion_protection)
        .set_device_configuration(pool.device_configuration)
        .set_email_configuration(pool.email_configuration)
        .set_email_verification_message(pool.email_verification_message)
        .set_email_verification_subject(pool.email_verification_subject)
        .set_issuer_configuration(pool.issuer_configuration)
        .set_key_configuration(pool.key_configuration)
        .set_lambda_config(pool.lambda_config)
        .set_mfa_configuration(pool.mfa_configuration)
        .set_policies(pool.policies)
        .set_pool_name(pool.name)
        .set_sms_authentication_message(pool.sms_authentication_message)
        .set_sms_configuration(pool.sms_configuration)
        .set_sms_verification_message(pool.sms_verification_message)
        .set_user_attribute_update_settings(pool.user_attribute_update_settings)
        .set_user_pool_add_ons(pool.user_pool_add_ons)
        .set_user_pool_tags(pool.user_pool_tags)
        .set_user_pool_tier(pool.user_pool_tier)
        .set_verification_message_template(pool.verification_message_template)
}

#[test]
fn everything_that_can_be_sent_is_sent_as_it_was_found() {
    let body = settings(&rich()).request("us-east-1_A").unwrap();
    assert_eq!((&body["UserPoolId"], &body["PoolName"]), (&json!("us-east-1_A"), &json!("people")));
    for (name, fate) in MEMBERS {
        match fate {
            Fate::Sent if !["UserPoolTags", "AdminCreateUserConfig"].contains(&name) => {
                assert_eq!(body[name], rich()[name], "{name}");
            }
            Fate::Sent | Fate::SentAs(_) => {}
            Fate::Fixed | Fate::Moving => assert!(body.get(name).is_none(), "{name} is sent"),
        }
    }
    // AWS's own tags, and the legacy twin of a setting that is sent, would be refused.
    assert_eq!(body["UserPoolTags"], json!({ "team": "identity" }));
    let invites = json!({
        "AllowAdminCreateUserOnly": true, "InviteMessageTemplate": { "EmailSubject": "welcome" },
    });
    assert_eq!(body["AdminCreateUserConfig"], invites);
}

#[test]
fn what_only_one_kind_of_pool_has_is_sent_there_alone() {
    let body = |pool: &Settings| pool.request("a").unwrap();
    let old = body(&changed("/Policies/PasswordPolicy", json!({ "MinimumLength": 12 })));
    assert_eq!(old["AdminCreateUserConfig"]["UnusedAccountValidityDays"], 3);
    assert!(body(&changed("/UserPoolTier", json!("LITE"))).get("AcrConfiguration").is_none());
    let without = body(&changed("/DeviceConfiguration", Value::Null));
    assert!(without.get("DeviceConfiguration").is_none(), "null would turn devices on");
}

#[test]
fn a_setting_that_nobody_knows_is_refused_by_name() {
    let mut pool = rich();
    pool["SettingOfTomorrow"] = json!({ "secret": "text" });
    pool["NothingOfTomorrow"] = Value::Null;
    let refused = settings(&pool).request("a").unwrap_err();
    assert_eq!(refused.0, ["SettingOfTomorrow"]);
    assert!(!format!("{refused} {refused:?} {:?}", settings(&pool)).contains("text"));
}

#[test]
fn differences_are_told_by_name_and_only_where_they_mean_something() {
    let before = settings(&rich());
    let names = |path: &str, value: Value| before.differences(&changed(path, value));
    assert_eq!(names("/LastModifiedDate", json!(9)), [""; 0]);
    assert_eq!(names("/EstimatedNumberOfUsers", json!(9)), [""; 0]);
    assert_eq!(names("/AutoVerifiedAttributes", json!(["phone_number", "email"])), [""; 0]);
    assert_eq!(names("/AutoVerifiedAttributes", json!(["email"])), ["AutoVerifiedAttributes"]);
    assert_eq!(names("/UserPoolTags/team", json!("other")), ["UserPoolTags"]);
    let policy = "Policies.PasswordPolicy.MinimumLength";
    assert_eq!(names("/Policies/PasswordPolicy/MinimumLength", json!(6)), [policy]);
    assert_eq!(names("/Policies/PolicyOfTomorrow", Value::Null), ["Policies.PolicyOfTomorrow"]);
    assert_eq!(names("/AdminCreateUserConfig/UnusedAccountValidityDays", json!(7)), [""; 0]);
    let mut factors = before.clone();
    factors.factors.insert("SmsMfaConfiguration".to_owned(), json!({ "a": 1 }));
    assert_eq!(before.differences(&factors), ["second factors: SmsMfaConfiguration"]);
    let empty = triggers(json!({}));
    let mut absent = empty.clone();
    absent.pool.remove("LambdaConfig");
    assert_eq!(empty.differences(&absent), [""; 0]);
}

#[test]
fn the_service_may_tell_the_function_before_tokens_in_either_form() {
    let plain = triggers(json!({ "PreTokenGeneration": OURS }));
    let versioned = |version: &str, arn: &str| {
        let config = json!({ "LambdaVersion": version, "LambdaArn": arn });
        triggers(json!({ "PreTokenGeneration": OURS, "PreTokenGenerationConfig": config }))
    };
    assert_eq!(plain.differences(&versioned("V1_0", OURS)), [""; 0]);
    assert!(!plain.differences(&versioned("V2_0", OURS)).is_empty());
    assert!(!plain.differences(&versioned("V1_0", THEIRS)).is_empty());
}

#[test]
fn a_slot_tells_who_holds_it() {
    let slot = TriggerSlot::PreTokenGeneration;
    let theirs = Holder::Function(THEIRS.to_owned());
    assert_eq!(settings(&rich()).holder(slot), theirs);
    assert_eq!(triggers(json!({ "PreTokenGeneration": THEIRS })).holder(slot), theirs);
    assert_eq!(triggers(json!({ "PreTokenGeneration": "" })).holder(slot), Holder::Nobody);
    assert_eq!(triggers(Value::Null).holder(slot), Holder::Nobody);
    for odd in [
        json!({ "PreTokenGeneration": 7 }),
        json!({ "PreTokenGenerationConfig": [] }),
        json!("text"),
        json!([]),
    ] {
        assert_eq!(triggers(odd.clone()).holder(slot), Holder::Unclear, "{odd}");
    }
    let both = json!({ "PreTokenGeneration": OURS,
        "PreTokenGenerationConfig": { "LambdaVersion": "V2_0", "LambdaArn": THEIRS } });
    assert_eq!(triggers(both).holder(slot), Holder::Unclear);
    assert!(same_function(OURS, &format!("{OURS}:live")));
    assert!(!same_function(OURS, THEIRS));
}

#[test]
fn attached_and_detached_every_kind_of_slot_is_as_before() {
    let versioned = json!({ "LambdaVersion": "V2_0", "LambdaArn": THEIRS });
    let befores = [
        json!({}),
        Value::Null,
        json!({ "PreTokenGeneration": THEIRS }),
        json!({ "PreTokenGenerationConfig": versioned }),
        json!({ "PreTokenGeneration": THEIRS, "PreTokenGenerationConfig": versioned }),
        json!({ "PostConfirmation": THEIRS, "CustomMessage": THEIRS }),
    ];
    for before in befores {
        let before = triggers(before);
        for slot in TriggerSlot::ALL {
            let attached = before.clone().with_function(slot, OURS);
            assert_eq!(attached.holder(slot), Holder::Function(OURS.to_owned()), "{slot:?}");
            assert_eq!(attached.token_event_version(), before.token_event_version());
            let others = TriggerSlot::ALL.into_iter().filter(|other| *other != slot);
            for other in others {
                assert_eq!(
                    attached.holder(other),
                    before.holder(other),
                    "{slot:?} moved {other:?}"
                );
            }
            let detached = attached.with_slot_of(slot, &before);
            assert_eq!(detached.with_triggers_told(), before.clone().with_triggers_told());
        }
    }
}

#[test]
fn a_dump_reads_as_it_was_written() {
    let settings = settings(&rich());
    assert_eq!(Settings::of_dump(&settings.dump()), Ok(settings));
    for text in ["", "{}", "[]", r#"{"UserPool":{}}"#, r#"{"UserPool":[],"MfaConfig":{}}"#] {
        assert!(Settings::of_dump(text).is_err(), "{text}");
    }
}

/// A pool that takes `UpdateUserPool` as the service documents it: what is left out is lost.
struct Played {
    loopback: Loopback,
    pool: Arc<Mutex<Value>>,
}

impl Played {
    /// `refusals` come first; `spoil` happens to the pool with each write.
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
        let base = bounded(aws_config::defaults(BehaviorVersion::v2026_01_12()))
            .empty_test_environment()
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .load()
            .await;
        let settings = PoolSettings {
            user_pool_id: "us-east-1_A".to_owned(),
            region: None,
            role_arn: None,
            endpoint_url: Some(self.loopback.endpoint_url.clone()),
            client_id: None,
        };
        let client = pool_client(&base, &settings, &SystemClock::new()).await;
        Administration::new(client, settings.user_pool_id)
    }

    fn writes(&self) -> usize {
        self.loopback.operations().iter().filter(|it| *it == "UpdateUserPool").count()
    }
}

fn update(pool: &mut Value, body: &Value) {
    for (name, fate) in MEMBERS {
        let sent = match fate {
            Fate::Sent => name,
            Fate::SentAs(other) => other,
            Fate::Fixed | Fate::Moving => continue,
        };
        match body.get(sent) {
            // AWS's own tags are nobody else's to change.
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
async fn a_write_over_the_wire_moves_the_wanted_slot_and_nothing_else() {
    let played = Played::new(rich(), vec![], |_| {});
    assert_eq!(written(&played).await, Ok(Written::Stands));
    let mut found = played.pool.lock().unwrap().clone();
    assert_eq!(found["LambdaConfig"]["PostConfirmation"], OURS);
    found["LambdaConfig"].as_object_mut().unwrap().remove("PostConfirmation");
    found["LastModifiedDate"] = rich()["LastModifiedDate"].clone();
    found["AdminCreateUserConfig"]["UnusedAccountValidityDays"] = json!(3);
    assert_eq!(found, rich());
    // Once more there is nothing to do.
    let administration = played.administration().await;
    let stands = administration.read().await.unwrap();
    assert_eq!(administration.write(&stands, &stands).await, Ok(Written::Stands));
    assert_eq!(played.writes(), 1);
}

#[tokio::test]
async fn what_moved_though_it_should_not_have_is_named() {
    let played = Played::new(rich(), vec![], |pool| pool["DeletionProtection"] = json!("INACTIVE"));
    let wrong = Written::Wrong(vec!["DeletionProtection".to_owned()]);
    assert_eq!(written(&played).await, Ok(wrong));
}

#[tokio::test]
async fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
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
async fn an_unlucky_write_is_tried_again_and_a_hopeless_one_is_not() {
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
    let NotWritten::NotRead(NotRead::Fault(fault)) = failed else { panic!("{failed}") };
    assert_eq!((fault.kind, played.writes()), (FaultKind::Invalid, 1));
}

#[tokio::test]
async fn triggers_are_emptied_whatever_leaving_them_out_comes_to() {
    let mut without = rich();
    without.as_object_mut().unwrap().remove("LambdaConfig");
    let (earlier, mut with) = (settings(&without), without.clone());
    with["LambdaConfig"] = json!({ "PostConfirmation": OURS });
    // The second pool keeps its triggers when a call says nothing of them.
    for keeps in [false, true] {
        let spoil: fn(&mut Value) = if keeps {
            |pool| {
                let told = pool.get("LambdaConfig").is_some();
                if !told {
                    pool["LambdaConfig"] = json!({ "PostConfirmation": OURS });
                }
            }
        } else {
            |_| {}
        };
        let played = Played::new(with.clone(), vec![], spoil);
        let administration = played.administration().await;
        let before = administration.read().await.unwrap();
        let wanted = before.clone().with_slot_of(TriggerSlot::PostConfirmation, &earlier);
        let wanted = wanted.without_empty_triggers_unless(&earlier);
        assert_eq!(administration.write(&before, &wanted).await, Ok(Written::Stands));
        let found = played.pool.lock().unwrap().clone();
        let triggers = found.get("LambdaConfig").cloned();
        assert_eq!(triggers, keeps.then(|| json!({})));
    }
}
