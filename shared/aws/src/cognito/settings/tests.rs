//! Tests the table against the model, and the triggers.

mod refusals;
mod wire;

use std::collections::BTreeSet;

use aws_sdk_cognitoidentityprovider::operation::update_user_pool::UpdateUserPoolInput;
use aws_sdk_cognitoidentityprovider::operation::update_user_pool::builders::UpdateUserPoolInputBuilder;
use aws_sdk_cognitoidentityprovider::types::UserPoolType;
use serde_json::{Value, json};

use super::member::{Handling, MEMBERS, fate};
use poolbridge_config::same_function;

use super::{PoolSettings, SlotOwner};
use poolbridge_config::TriggerSlot;

/// The parts of the newest published model that matter here.
const MODEL: &str = include_str!("../../../model/cognito-idp.json");

const OURS: &str = "arn:aws:lambda:eu-west-1:111111111111:function:acme-capture";
const THEIRS: &str = "arn:aws:lambda:eu-west-1:111111111111:function:welcome";

/// A pool with a value in every setting that can be sent, and with unknown settings inside known
/// ones.
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

fn settings(pool: &Value) -> PoolSettings {
    let pool = json!({ "UserPool": pool });
    PoolSettings::of_answers(&pool, json!({ "MfaConfiguration": "OPTIONAL" })).unwrap()
}

fn changed(path: &str, value: Value) -> PoolSettings {
    let mut pool = rich();
    *pool.pointer_mut(path).unwrap() = value;
    settings(&pool)
}

fn triggers(triggers: Value) -> PoolSettings {
    changed("/LambdaConfig", triggers)
}

#[test]
fn the_table_lists_every_member_of_both_models() {
    let model: Value = serde_json::from_str(MODEL).unwrap();
    let of = |part: &str| -> BTreeSet<String> {
        let names = model[part].as_array().unwrap().iter();
        names.map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let (described, taken) = (of("user_pool"), of("update_user_pool"));
    let described: BTreeSet<&str> = described.iter().map(String::as_str).collect();
    let taken: BTreeSet<&str> = taken.iter().map(String::as_str).collect();
    let listed: BTreeSet<&str> = MEMBERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(described, listed);
    assert_eq!(listed.len(), MEMBERS.len(), "a member is listed twice");
    let sent = MEMBERS.iter().filter_map(|(name, fate)| match fate {
        Handling::Sent | Handling::LeftOut => Some(*name),
        Handling::SentAs(other) => Some(*other),
        Handling::Fixed | Handling::Moving => None,
    });
    assert_eq!(sent.chain(["UserPoolId"]).collect::<BTreeSet<_>>(), taken);
    assert_eq!(fate("SettingOfTomorrow"), None);
    // The SDK that sends the calls knows no further member.
    let pinned = UserPoolType::SCHEMA.members().iter().filter_map(|it| it.member_name());
    assert!(pinned.collect::<BTreeSet<_>>().is_subset(&listed));
    let pinned = UpdateUserPoolInput::SCHEMA.members().iter().filter_map(|it| it.member_name());
    assert!(pinned.collect::<BTreeSet<_>>().is_subset(&taken));
}

/// If it were sent in part, the pool would replace it as a whole, and an omitted part turns the
/// feature on.
#[test]
fn dynamic_client_registration_is_never_sent_and_never_blocks_a_pool() {
    for value in [json!({ "EnableStatus": "DISABLED" }), json!({ "AllowedScopes": ["a"] })] {
        let mut pool = rich();
        pool["DcrConfiguration"] = value;
        let (with, without) = (settings(&pool), settings(&rich()));
        assert_eq!(with.request("a"), without.request("a"));
        // A change of it by another caller still counts as a difference.
        assert!(!with.differences(&without).is_empty());
        assert_eq!(without.with_the_rest_of(&with).differences(&with), [""; 0]);
    }
}

/// Compiles only if both operations have the same shape for each member that is sent. Only then may
/// poolbridge send nested settings unchanged.
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
fn every_setting_that_can_be_sent_is_sent_unchanged() {
    let body = settings(&rich()).request("us-east-1_A").unwrap();
    assert_eq!((&body["UserPoolId"], &body["PoolName"]), (&json!("us-east-1_A"), &json!("people")));
    for (name, fate) in MEMBERS {
        match fate {
            Handling::Sent if !["UserPoolTags", "AdminCreateUserConfig"].contains(&name) => {
                assert_eq!(body[name], rich()[name], "{name}");
            }
            Handling::Sent | Handling::SentAs(_) => {}
            Handling::LeftOut | Handling::Fixed | Handling::Moving => {
                assert!(body.get(name).is_none(), "{name} is sent");
            }
        }
    }
    // The service would refuse AWS's own tags and the legacy duplicate of a setting that is sent.
    assert_eq!(body["UserPoolTags"], json!({ "team": "identity" }));
    let invites = json!({
        "AllowAdminCreateUserOnly": true, "InviteMessageTemplate": { "EmailSubject": "welcome" },
    });
    assert_eq!(body["AdminCreateUserConfig"], invites);
}

#[test]
fn settings_of_one_kind_of_pool_are_sent_only_to_that_kind() {
    let body = |pool: &PoolSettings| pool.request("a").unwrap();
    let old = body(&changed("/Policies/PasswordPolicy", json!({ "MinimumLength": 12 })));
    assert_eq!(old["AdminCreateUserConfig"]["UnusedAccountValidityDays"], 3);
    assert!(body(&changed("/UserPoolTier", json!("LITE"))).get("AcrConfiguration").is_none());
    let without = body(&changed("/DeviceConfiguration", Value::Null));
    assert!(without.get("DeviceConfiguration").is_none(), "null would turn device tracking on");
}

#[test]
fn an_unknown_setting_is_refused_by_name() {
    let mut pool = rich();
    pool["SettingOfTomorrow"] = json!({ "secret": "text" });
    pool["NothingOfTomorrow"] = Value::Null;
    let refused = settings(&pool).request("a").unwrap_err();
    assert_eq!(refused.0, ["SettingOfTomorrow"]);
    assert!(!format!("{refused} {refused:?} {:?}", settings(&pool)).contains("text"));
}

#[test]
fn differences_show_names_and_leave_out_what_has_no_meaning() {
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
fn both_forms_of_the_pre_token_generation_trigger_compare_equal() {
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
fn a_slot_shows_which_function_holds_it() {
    let slot = TriggerSlot::PreTokenGeneration;
    let theirs = SlotOwner::Function(THEIRS.to_owned());
    assert_eq!(settings(&rich()).holder(slot), theirs);
    assert_eq!(triggers(json!({ "PreTokenGeneration": THEIRS })).holder(slot), theirs);
    assert_eq!(triggers(json!({ "PreTokenGeneration": "" })).holder(slot), SlotOwner::Empty);
    assert_eq!(triggers(Value::Null).holder(slot), SlotOwner::Empty);
    for odd in [
        json!({ "PreTokenGeneration": 7 }),
        json!({ "PreTokenGenerationConfig": [] }),
        json!("text"),
        json!([]),
    ] {
        assert_eq!(triggers(odd.clone()).holder(slot), SlotOwner::Unclear, "{odd}");
    }
    let both = json!({ "PreTokenGeneration": OURS,
        "PreTokenGenerationConfig": { "LambdaVersion": "V2_0", "LambdaArn": THEIRS } });
    assert_eq!(triggers(both).holder(slot), SlotOwner::Unclear);
    assert!(same_function(OURS, &format!("{OURS}:live")));
    assert!(!same_function(OURS, THEIRS));
}

#[test]
fn detach_restores_every_kind_of_slot() {
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
            assert_eq!(attached.holder(slot), SlotOwner::Function(OURS.to_owned()), "{slot:?}");
            assert_eq!(attached.token_event_version(), before.token_event_version());
            let others = TriggerSlot::ALL.into_iter().filter(|other| *other != slot);
            for other in others {
                assert_eq!(
                    attached.holder(other),
                    before.holder(other),
                    "{slot:?} changed {other:?}"
                );
            }
            let detached = attached.with_slot_of(slot, &before);
            assert_eq!(detached.with_triggers_told(), before.clone().with_triggers_told());
        }
    }
}

#[test]
fn an_event_version_that_was_changed_meanwhile_stays_when_the_earlier_function_returns() {
    let slot = TriggerSlot::PreTokenGeneration;
    let before = triggers(json!({ "PreTokenGeneration": THEIRS }));
    let config = |version: &str, arn: &str| json!({ "LambdaVersion": version, "LambdaArn": arn });
    for version in ["V2_0", "V3_0"] {
        let both = json!({ "PreTokenGeneration": THEIRS,
            "PreTokenGenerationConfig": config(version, THEIRS) });
        let alone = json!({ "PreTokenGenerationConfig": config(version, OURS) });
        let mut twice = alone.clone();
        twice["PreTokenGeneration"] = json!(OURS);
        for attached in [alone, twice] {
            assert_eq!(triggers(attached).with_slot_of(slot, &before), triggers(both.clone()));
        }
    }
    // The plain member alone means the first version, and an empty slot needs no version.
    let attached = |version: &str| {
        let config = config(version, OURS);
        triggers(json!({ "PreTokenGeneration": OURS, "PreTokenGenerationConfig": config }))
    };
    assert_eq!(attached("V1_0").with_slot_of(slot, &before), before);
    for empty in [json!({}), json!({ "PreTokenGeneration": "" })] {
        let empty = triggers(empty);
        assert_eq!(attached("V2_0").with_slot_of(slot, &empty), empty);
    }
}

#[test]
fn a_settings_backup_reads_back_unchanged() {
    let settings = settings(&rich());
    assert_eq!(PoolSettings::of_backup(&settings.dump()), Ok(settings));
    for text in ["", "{}", "[]", r#"{"UserPool":{}}"#, r#"{"UserPool":[],"MfaConfig":{}}"#] {
        assert!(PoolSettings::of_backup(text).is_err(), "{text}");
    }
}
