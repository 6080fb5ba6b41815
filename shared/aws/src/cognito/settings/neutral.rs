//! The values of settings that are equivalent to leaving the setting out.

use serde_json::{Value, json};

use super::trigger::TRIGGERS;

/// The neutral value of a member, which is equivalent to leaving it out; `None` if there is none.
///
/// - A `DeviceConfiguration` of any content turns device tracking on.
/// - Message texts have a minimum length, and account recovery has a minimum number of ways.
/// - SMS settings can be replaced but not removed.
pub(super) fn neutral(name: &str) -> Option<Value> {
    Some(match name {
        "AutoVerifiedAttributes" => json!([]),
        "UserAttributeUpdateSettings" => json!({ "AttributesRequireVerificationBeforeUpdate": [] }),
        TRIGGERS | "UserPoolTags" => json!({}),
        "MfaConfiguration" => json!("OFF"),
        "DeletionProtection" => json!("INACTIVE"),
        "UserPoolAddOns" => json!({ "AdvancedSecurityMode": "OFF" }),
        "EmailConfiguration" => json!({ "EmailSendingAccount": "COGNITO_DEFAULT" }),
        "AdminCreateUserConfig" => json!({ "AllowAdminCreateUserOnly": false }),
        _ => return None,
    })
}

/// Whether a member's value is equivalent to leaving it out.
pub(super) fn is_neutral(name: &str, value: &Value) -> bool {
    neutral(name).is_some_and(|neutral| *value == neutral)
}
