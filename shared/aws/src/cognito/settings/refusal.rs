//! Finds the settings that a refused `UpdateUserPool` concerns. The service's text may quote the
//! team's own values, so only poolbridge's own names for the settings leave this file.

use poolbridge_core::error::{ErrorKind, PortError};
use serde_json::Value;

use super::PoolSettings;
use super::member::MEMBERS;
use super::neutral::is_neutral;

/// The setting of required second factors.
pub(super) const MFA: &str = "MfaConfiguration";

/// Words in the service's texts, and the setting that each stands for.
const WORDS: [(&str, &str); 15] = [
    ("mfa", MFA),
    ("multi-factor", MFA),
    ("sms", "SmsConfiguration"),
    ("email", "EmailConfiguration"),
    ("advanced security", "UserPoolAddOns"),
    ("threat protection", "UserPoolAddOns"),
    ("tier", "UserPoolTier"),
    ("feature plan", "UserPoolTier"),
    ("lambda", "LambdaConfig"),
    ("trigger", "LambdaConfig"),
    ("password", "Policies"),
    ("tag", "UserPoolTags"),
    ("device", "DeviceConfiguration"),
    ("recovery", "AccountRecoverySetting"),
    ("template", "VerificationMessageTemplate"),
];

/// Settings that only some plans have.
const BY_TIER: [&str; 3] = ["UserPoolAddOns", "AcrConfiguration", "KeyConfiguration"];

/// The names of the settings in `body` that a refusal concerns: those that the text names;
/// otherwise those that its words stand for. If the plan lacks a feature, also the plan and the
/// settings that depend on it.
pub(super) fn refused_settings(
    text: Option<&str>,
    code: Option<&str>,
    body: &Value,
) -> Vec<String> {
    let text = text.unwrap_or_default().to_lowercase();
    let sent = |name: &str| body.get(name).is_some_and(|value| !is_neutral(name, value));
    let names = MEMBERS.iter().map(|(name, _)| *name).filter(|name| sent(name));
    // Whole words only: "validation" does not mean the member `Id`.
    let words: Vec<&str> = text.split(|letter: char| !letter.is_alphanumeric()).collect();
    let mut found: Vec<&str> =
        names.filter(|name| words.contains(&name.to_lowercase().as_str())).collect();
    if found.is_empty() {
        let words = WORDS.iter().filter(|(word, name)| text.contains(word) && sent(name));
        found = words.map(|(_, name)| *name).collect();
    }
    if code == Some("FeatureUnavailableInTierException") {
        found.push("UserPoolTier");
        found.extend(BY_TIER.into_iter().filter(|name| sent(name)));
    }
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(str::to_owned).collect()
}

/// The part of an error message that names these settings.
pub(super) fn named_settings(about: &[String]) -> String {
    if about.is_empty() {
        return "; the service does not say which setting it refuses".to_owned();
    }
    format!("; the refusal is about {}", about.join(", "))
}

/// Removes required second factors from the body, if the service may have refused the body because
/// of them and `found` requires them too. Only `SetUserPoolMfaConfig` may turn them on, and reports
/// say that a call without them keeps them. Returns whether the call is worth repeating.
pub(super) fn leave_factors_out(
    body: &mut Value,
    found: &PoolSettings,
    error: &PortError,
    about: &[String],
) -> bool {
    let unchanged = found.requires_factors() && body.get(MFA).is_some_and(|it| it == "ON");
    let invalid = error.kind == ErrorKind::Invalid
        && error.code.as_deref() == Some("InvalidParameterException");
    let perhaps = about.is_empty() || about.iter().any(|name| name == MFA);
    if !(unchanged && invalid && perhaps) {
        return false;
    }
    body.as_object_mut().is_some_and(|body| body.remove(MFA).is_some())
}
