//! What pools and `CloudTrail` really send: every trigger source, with the fields that "Customizing
//! user pool workflows with Lambda triggers" shows, as AWS and the emulators write them; and the
//! events that "Amazon Cognito logging in AWS `CloudTrail`" and its examples show.

use poolbridge_config::operations::OPERATIONS;
use serde_json::{Value, json};

use super::{MARK, NUMBER_MARK};
use crate::world::chance::{Chooser as _, Seeded};

/// The old pool's id.
pub const OLD_POOL: &str = "eu-west-1_AbCdEfGhI";

/// The new pool's id.
pub const NEW_POOL: &str = "us-east-1_JkLmNoPqR";

/// A role of the bridge's own.
pub const OWN_ROLE: &str = "arn:aws:iam::111122223333:role/acme-apply";

/// The `sub` values of the events. No two have the same beginning.
pub(super) const SUBS: [&str; 8] = [
    "0b8a6c1e-2f4d-4a7b-9c3e-5d6f7a8b9c0d",
    "17c2d3e4-5f60-4718-a92b-3c4d5e6f7081",
    "2a9b8c7d-6e5f-4031-b2c4-d5e6f7a8b9c0",
    "3d4e5f60-7182-4394-85a6-b7c8d9eafb0c",
    "4f3e2d1c-0b9a-4877-9665-544332211000",
    "5c4e7a52-6c1f-4a50-b5b0-0e8d1e4f3a11",
    "6a7b8c9d-0e1f-4203-8425-364758697a8b",
    "7e8f9a0b-1c2d-4e3f-a4b5-c6d7e8f90a1b",
];

const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

const SOURCES: [&str; 33] = [
    "PreSignUp_SignUp",
    "PreSignUp_AdminCreateUser",
    "PreSignUp_ExternalProvider",
    "PostConfirmation_ConfirmSignUp",
    "PostConfirmation_ConfirmSignUp",
    "PostConfirmation_ConfirmForgotPassword",
    "PostConfirmation_ConfirmForgotPassword",
    "PostConfirmation_SomethingNew",
    "PreAuthentication_Authentication",
    "PostAuthentication_Authentication",
    "PostAuthentication_Authentication",
    "DefineAuthChallenge_Authentication",
    "CreateAuthChallenge_Authentication",
    "VerifyAuthChallengeResponse_Authentication",
    "TokenGeneration_HostedAuth",
    "TokenGeneration_Authentication",
    "TokenGeneration_NewPasswordChallenge",
    "TokenGeneration_AuthenticateDevice",
    "TokenGeneration_RefreshTokens",
    "TokenGeneration_ClientCredentials",
    "UserMigration_Authentication",
    "UserMigration_ForgotPassword",
    "InboundFederation_ExternalProvider",
    "CustomMessage_SignUp",
    "CustomMessage_UpdateUserAttribute",
    "CustomMessage_VerifyUserAttribute",
    "CustomMessage_Authentication",
    "CustomEmailSender_UpdateUserAttribute",
    "CustomEmailSender_AccountTakeOverNotification",
    "CustomSMSSender_VerifyUserAttribute",
    "CustomSmsSender_ForgotPassword",
    "SomethingNew_Altogether",
    "",
];

/// A value of a person: unique, and with the mark.
fn marked(chance: &mut Seeded, what: &str) -> String {
    format!("{MARK}-{what}-{:x}{MARK}", chance.draw() % 4096)
}

fn pick<'a>(chance: &mut Seeded, from: &[&'a str]) -> &'a str {
    from[chance.choose(from.len(), "which")]
}

fn pool(chance: &mut Seeded) -> &'static str {
    [OLD_POOL, NEW_POOL, "eu-west-1_SomeOther"][chance.weigh(&[6, 6, 1], "pool")]
}

/// The attributes of an account. In AWS's own test events flags are booleans, elsewhere strings.
fn attributes(chance: &mut Seeded, sub: Option<&str>) -> Value {
    let flag = if chance.happens(3, "words") { json!(true) } else { json!("true") };
    let phone = format!("+4930{NUMBER_MARK}");
    let mut attributes = json!({
        "email": format!("{}@example.com", marked(chance, "mail")),
        "email_verified": flag,
        "phone_number": if chance.happens(4, "none") { Value::Null } else { json!(phone) },
        "phone_number_verified": "false",
        "cognito:user_status": "CONFIRMED",
        "given_name": marked(chance, "name"),
        "address": json!({"formatted": marked(chance, "street")}).to_string(),
        "custom:dept": marked(chance, "dept"),
    });
    if let Some(sub) = sub {
        attributes["sub"] = json!(sub);
    }
    if chance.happens(6, "federated") {
        attributes["identities"] =
            json!([{"userId": marked(chance, "user"), "providerName": "Acme"}]).to_string().into();
    }
    attributes
}

/// The event that a pool sends to its trigger.
pub(super) fn trigger(chance: &mut Seeded) -> Value {
    let source = pick(chance, &SOURCES);
    let sub = pick(chance, &SUBS);
    // A person who only signs up has no `sub`, and neither has a program. On one emulator, migrated
    // people have none.
    let program = source == "TokenGeneration_ClientCredentials";
    let without = program || source.starts_with("PreSignUp") || source.starts_with("UserMigration");
    let sub = (!without && !chance.happens(12, "no sub")).then_some(sub);
    let attributes = if program { json!({}) } else { attributes(chance, sub) };
    let mut request = json!({"userAttributes": attributes});
    let metadata = json!({"campaign": marked(chance, "metadata")});
    let mut response = json!({});
    match source.split('_').next().unwrap_or_default() {
        "PreSignUp" => {
            request["validationData"] = [Value::Null, metadata][chance.choose(2, "data")].clone();
            for name in ["autoConfirmUser", "autoVerifyEmail", "autoVerifyPhone"] {
                response[name] = json!(false);
            }
        }
        "TokenGeneration" => {
            let groups = json!({
                "groupsToOverride": ["admins", marked(chance, "group")],
                "iamRolesToOverride": [], "preferredRole": null,
            });
            request["groupConfiguration"] =
                if chance.happens(4, "bare") { json!({}) } else { groups };
            request["scopes"] = json!(["aws.cognito.signin.user.admin"]);
            response = json!({"claimsOverrideDetails": null});
        }
        "UserMigration" => {
            request = json!({"password": marked(chance, "password"), "validationData": metadata});
            response = json!({"userAttributes": null, "forceAliasCreation": null});
        }
        "CustomMessage" => {
            // A placeholder, as AWS documents. A real code must stay unseen too.
            let code = marked(chance, "code");
            let shown = if chance.happens(2, "code") { code } else { "{####}".to_owned() };
            request["codeParameter"] = json!(shown);
            request["linkParameter"] = json!("{##Click Here##}");
            request["usernameParameter"] = json!("None");
            let words = marked(chance, "message");
            response = json!({"smsMessage": "None", "emailMessage": words, "emailSubject": null});
        }
        "CustomEmailSender" | "CustomSMSSender" | "CustomSmsSender" => {
            request["type"] = json!("customEmailSenderRequestV1");
            request["code"] = json!(marked(chance, "code"));
        }
        "VerifyAuthChallengeResponse" => {
            request["privateChallengeParameters"] = json!({"answer": marked(chance, "answer")});
            request["challengeAnswer"] = json!(marked(chance, "answer"));
        }
        "InboundFederation" => {
            request = json!({
                "providerName": "Acme", "providerType": "OIDC",
                "attributes": {"idToken": {"email": marked(chance, "token")}},
            });
        }
        "PostAuthentication" if chance.happens(2, "device") => {
            request["newDeviceUsed"] = json!(true);
        }
        _ => request["clientMetadata"] = metadata,
    }
    let name = match sub {
        Some(sub) if chance.happens(3, "sub") => sub.to_owned(),
        _ => marked(chance, "user"),
    };
    let client = "1example23456789";
    json!({
        "version": if chance.happens(4, "number") { json!(1) } else { json!("1") },
        "triggerSource": source,
        "region": pick(chance, &["eu-west-1", "us-east-1", "local"]),
        "userPoolId": pool(chance),
        "userName": name,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": client},
        "request": request,
        "response": response,
    })
}

/// The caller, as `userIdentity` shows it. A session holds the username where people sign in to an
/// AWS account with it.
fn identity(chance: &mut Seeded) -> Value {
    let session = marked(chance, "session");
    match chance.weigh(&[6, 4, 1, 1, 1, 1], "who") {
        0 => json!({
            "type": "AssumedRole", "principalId": format!("AROAEXAMPLE:{session}@example.com"),
            "arn": format!("arn:aws:sts::111122223333:assumed-role/App/{session}@example.com"),
            "accountId": "111122223333",
            "sessionContext": {"sessionIssuer": {
                "type": "Role", "arn": "arn:aws:iam::111122223333:role/App", "userName": "App",
            }},
        }),
        1 => json!({"type": "Unknown", "principalId": "Anonymous"}),
        2 => {
            let arn = format!("arn:aws:iam::111122223333:user/{session}");
            json!({"type": "IAMUser", "userName": session, "arn": arn})
        }
        3 => json!({"accountId": "111122223333"}),
        4 => json!({
            "type": "AssumedRole",
            "arn": "arn:aws:sts::111122223333:assumed-role/acme-apply/acme-apply",
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": OWN_ROLE}},
        }),
        _ => Value::Null,
    }
}

/// A `CloudTrail` event, as `EventBridge` delivers it.
pub(super) fn trail(chance: &mut Seeded) -> Value {
    let row = &OPERATIONS[chance.choose(OPERATIONS.len(), "operation")];
    let sub = pick(chance, &SUBS);
    let name = match chance.weigh(&[20, 1, 1, 1], "name") {
        0 => row.name,
        1 => "MoveUserElsewhere",
        2 => "UpdateUserPool",
        _ => "AdminGetUser",
    };
    let region = pick(chance, &["eu-west-1", "us-east-1", "sa-east-1"]);
    let identity = identity(chance);
    let anonymous = identity["type"] == "Unknown";
    let (request, answer, more) = if row.is_form() {
        form(chance, sub)
    } else if anonymous {
        (self_service(chance), Value::Null, json!({"sub": sub}))
    } else {
        by_administrator(chance, row.challenge, sub)
    };
    let mut detail = json!({
        "eventVersion": "1.10", "userIdentity": identity,
        "eventTime": format!("2026-11-{:02}T09:58:40Z", 1 + chance.choose(28, "day")),
        "eventSource": "cognito-idp.amazonaws.com", "eventName": name, "awsRegion": region,
        "sourceIPAddress": "192.0.2.1", "userAgent": "Mozilla/5.0 (Macintosh)",
        "requestParameters": request, "responseElements": answer, "additionalEventData": more,
        "requestID": "85d1b9a0-3127-45bb-88cc-3e652d779e0b",
        "eventID": format!("{:08x}-3f3c-4b2a-9d6e-0f1e2d3c4b5a", chance.draw() & 0xffff_ffff),
        "readOnly": name == "AdminGetUser", "managementEvent": true,
        "recipientAccountId": "111122223333", "eventCategory": "Management",
    });
    if row.is_form() {
        detail["errorCode"] = json!("");
        detail["errorMessage"] = json!("");
        detail["serviceEventDetails"] = json!({"serviceAccountId": "111122223333"});
    }
    if chance.happens(8, "failed") {
        detail["errorCode"] = json!("NotAuthorizedException");
        detail["errorMessage"] = json!(format!("{} is not known", marked(chance, "message")));
    }
    let kind = if row.is_form() {
        "AWS Service Event via CloudTrail"
    } else {
        "AWS API Call via CloudTrail"
    };
    json!({
        "version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602", "detail-type": kind,
        "source": "aws.cognito-idp", "account": "111122223333", "time": "2026-11-22T10:00:01Z",
        "region": region, "resources": [], "detail": detail,
    })
}

/// What a page was sent: lists of texts.
fn form(chance: &mut Seeded, sub: &str) -> (Value, Value, Value) {
    let clear = chance.happens(4, "clear");
    let name = if clear { marked(chance, "user") } else { HIDDEN.to_owned() };
    let mut sent = json!({
        "client_id": ["1example23456789"], "code": [HIDDEN], "_csrf": [HIDDEN],
        "username": [name],
    });
    if chance.happens(2, "named") {
        sent["sub"] = json!([sub]);
    }
    let more = json!({
        "responseParameters": {"status": 302.0}, "requestParameters": sent,
        "userPoolDomain": "acme.auth.eu-west-1.amazoncognito.com", "userPoolId": pool(chance),
    });
    (Value::Null, Value::Null, more)
}

/// A call that a person made about their own account: it names no pool.
fn self_service(chance: &mut Seeded) -> Value {
    // One list of hidden values, each value hidden by itself, or none hidden.
    let values = [
        json!(HIDDEN),
        json!([{"name": "email", "value": HIDDEN}]),
        json!([{"name": "email", "value": format!("{}@example.com", marked(chance, "mail"))}]),
    ];
    json!({
        "accessToken": HIDDEN, "clientId": "1example23456789",
        "userAttributes": values[chance.weigh(&[6, 3, 1], "hidden")],
    })
}

fn by_administrator(
    chance: &mut Seeded,
    challenge: Option<&str>,
    sub: &str,
) -> (Value, Value, Value) {
    let mut request = self_service(chance);
    let clear = chance.happens(6, "clear");
    request["username"] = json!(if clear { marked(chance, "user") } else { HIDDEN.to_owned() });
    request["userPoolId"] = json!(pool(chance));
    request["groupName"] = json!(marked(chance, "group"));
    if let Some(challenge) = challenge {
        request["challengeName"] = json!(challenge);
    }
    let person = json!({"user": {
        "username": marked(chance, "user"),
        "attributes": [
            {"name": "sub", "value": sub},
            {"name": "email", "value": marked(chance, "mail")},
        ],
    }});
    let answer = if chance.happens(6, "an answer") { person } else { Value::Null };
    let more = if chance.happens(8, "unnamed") { json!({}) } else { json!({"sub": sub}) };
    (request, answer, more)
}
