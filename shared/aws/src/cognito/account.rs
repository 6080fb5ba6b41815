//! Converts an account from the SDK's types to core's.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cognitoidentityprovider::operation::admin_get_user::AdminGetUserOutput;
use aws_sdk_cognitoidentityprovider::types::{
    AttributeType, DeliveryMediumType, MfaOptionType, UserStatusType, UserType,
};
use aws_smithy_types::DateTime;
use poolbridge_core::account::{Account, AccountRef, Status};
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::{AttributeName, Sub, Username};
use poolbridge_core::profile::Factor;
use poolbridge_core::time::Time;

/// The port error for an answer that cannot be decoded.
pub(super) const fn unreadable(operation: &'static str) -> PortError {
    PortError::new(ErrorKind::Unreadable, operation)
}

/// The account that `AdminGetUser` returned.
pub(super) fn of_read(read: AdminGetUserOutput) -> Result<Account, PortError> {
    const OPERATION: &str = "AdminGetUser";
    let factors = factors(read.user_mfa_setting_list.as_deref(), read.mfa_options());
    let attributes = read.user_attributes.unwrap_or_default();
    Ok(Account {
        sub: sub_of(&attributes).ok_or(unreadable(OPERATION))?,
        username: username(&read.username).ok_or(unreadable(OPERATION))?,
        attributes: kept(attributes),
        enabled: read.enabled,
        status: status(read.user_status.as_ref()),
        groups: None,
        factors: Some(factors),
        created: time(read.user_create_date),
        modified: time(read.user_last_modified_date),
    })
}

/// One account of a listing. A listing shows neither groups nor factors.
pub(super) fn of_listing(listed: UserType) -> Result<Account, PortError> {
    const OPERATION: &str = "ListUsers";
    let name = listed.username.as_deref().and_then(username);
    let attributes = listed.attributes.unwrap_or_default();
    Ok(Account {
        sub: sub_of(&attributes).ok_or(unreadable(OPERATION))?,
        username: name.ok_or(unreadable(OPERATION))?,
        attributes: kept(attributes),
        enabled: listed.enabled,
        status: status(listed.user_status.as_ref()),
        groups: None,
        factors: None,
        created: time(listed.user_create_date),
        modified: time(listed.user_last_modified_date),
    })
}

/// The handle of a new account, or nothing if the answer does not name the account.
pub(super) fn of_creation(made: Option<&UserType>) -> Option<AccountRef> {
    let made = made?;
    let sub = sub_of(made.attributes())?;
    Some(AccountRef { sub, username: Some(made.username().and_then(username)?) })
}

fn username(text: &str) -> Option<Username> {
    Username::try_from(text).ok()
}

fn sub_of(attributes: &[AttributeType]) -> Option<Sub> {
    let sub = attributes.iter().find(|attribute| attribute.name == "sub")?;
    Sub::try_from(sub.value.as_deref()?).ok()
}

/// The attributes that poolbridge may copy. It leaves out what the pool itself sets: `sub`, the
/// list of linked identities, and anything under `cognito:`.
fn kept(attributes: Vec<AttributeType>) -> BTreeMap<AttributeName, String> {
    let own = |name: &str| matches!(name, "sub" | "identities") || name.starts_with("cognito:");
    let foreign = attributes.into_iter().filter(|attribute| !own(&attribute.name));
    foreign
        .filter_map(|attribute| {
            let name = AttributeName::try_from(attribute.name.as_str()).ok()?;
            Some((name, attribute.value?))
        })
        .collect()
}

fn status(status: Option<&UserStatusType>) -> Status {
    match status {
        Some(UserStatusType::Unconfirmed) => Status::Unconfirmed,
        Some(UserStatusType::Confirmed) => Status::Confirmed,
        Some(UserStatusType::ForceChangePassword) => Status::ForceChangePassword,
        Some(UserStatusType::ResetRequired) => Status::ResetRequired,
        Some(UserStatusType::ExternalProvider) => Status::ExternalProvider,
        // The page of `UserType` says that archived, compromised and unknown are no longer in use.
        _ => Status::Other,
    }
}

/// The enabled factors. poolbridge does not copy passkeys or any later kind of factor.
///
/// `MFAOptions` is obsolete and covers SMS only. If the older call (`AdminSetUserSettings`) enabled
/// the SMS factor, the account has it there and has no `UserMFASettingList`. So `MFAOptions` counts
/// only if that list is missing. AWS's own Amplify library reads the two in the same way.
fn factors(settings: Option<&[String]>, options: &[MfaOptionType]) -> BTreeSet<Factor> {
    let Some(settings) = settings else {
        let sms =
            |option: &&MfaOptionType| option.delivery_medium() == Some(&DeliveryMediumType::Sms);
        return options.iter().find(sms).map(|_| Factor::Sms).into_iter().collect();
    };
    let known = settings.iter().filter_map(|setting| match setting.as_str() {
        "SMS_MFA" => Some(Factor::Sms),
        "EMAIL_OTP" => Some(Factor::Email),
        "SOFTWARE_TOKEN_MFA" => Some(Factor::Totp),
        _ => None,
    });
    known.collect()
}

/// A missing date counts as older than any other, so it settles nothing.
fn time(date: Option<DateTime>) -> Time {
    date.and_then(|date| date.to_millis().ok()).map_or(Time::ZERO, Time)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn attribute(name: &str, value: &str) -> AttributeType {
        AttributeType::builder().name(name).value(value).build().unwrap()
    }

    fn listed(attributes: &[(&str, &str)]) -> UserType {
        let attributes = attributes.iter().map(|(name, value)| attribute(name, value)).collect();
        UserType::builder().username("ada").set_attributes(Some(attributes)).build()
    }

    /// A listed account with these attributes, for the tests of this folder.
    pub(in crate::cognito) fn account(attributes: &[(&str, &str)]) -> Account {
        let with_sub = [&[("sub", "s-1")], attributes].concat();
        of_listing(listed(&with_sub)).unwrap()
    }

    #[test]
    fn attributes_that_the_pool_sets_are_not_copied() {
        let own = [("identities", "[]"), ("cognito:user_status", "CONFIRMED")];
        let account = account(&[own[0], own[1], ("email", "ada@example.com"), ("custom:a", "")]);
        let names: Vec<&str> = account.attributes.keys().map(AttributeName::as_str).collect();
        assert_eq!(names, ["custom:a", "email"]);
        assert_eq!(account.sub.as_str(), "s-1");
        assert_eq!((account.groups, account.factors), (None, None), "a listing shows neither");
    }

    #[test]
    fn an_answer_without_sub_or_username_is_unreadable() {
        let nameless = UserType::builder().attributes(attribute("sub", "s-1")).build();
        for answer in [listed(&[("email", "ada@example.com")]), listed(&[("sub", "")]), nameless] {
            assert_eq!(of_creation(Some(&answer)), None);
            assert_eq!(of_listing(answer).unwrap_err().kind, ErrorKind::Unreadable);
        }
        assert_eq!(of_creation(None), None);
        let nameless = AdminGetUserOutput::builder().username("").build().unwrap();
        assert_eq!(of_read(nameless).unwrap_err().kind, ErrorKind::Unreadable);
    }

    #[test]
    fn an_account_that_was_read_has_dates_status_and_factors() {
        let settings = ["SMS_MFA", "WEB_AUTHN_MFA", "SOFTWARE_TOKEN_MFA", "EMAIL_OTP"];
        let read = AdminGetUserOutput::builder()
            .username("ada")
            .user_attributes(attribute("sub", "s-1"))
            .enabled(true)
            .user_status(UserStatusType::ResetRequired)
            .set_user_mfa_setting_list(Some(settings.map(str::to_owned).to_vec()))
            .user_create_date(DateTime::from_millis(1_795_381_639_250))
            .build()
            .unwrap();
        let account = of_read(read).unwrap();
        let all = BTreeSet::from([Factor::Sms, Factor::Email, Factor::Totp]);
        assert_eq!(account.factors, Some(all));
        assert_eq!((account.enabled, account.status), (true, Status::ResetRequired));
        assert_eq!((account.created, account.modified), (Time(1_795_381_639_250), Time::ZERO));
    }

    #[test]
    fn an_account_without_mfa_settings_has_no_factor_rather_than_unknown_factors() {
        let read = AdminGetUserOutput::builder().username("ada");
        let read = read.user_attributes(attribute("sub", "s-1")).build().unwrap();
        let account = of_read(read).unwrap();
        assert_eq!((account.factors, account.status), (Some(BTreeSet::new()), Status::Other));
    }

    #[test]
    fn sms_from_mfa_options_counts_only_without_the_newer_list() {
        let sms = MfaOptionType::builder()
            .delivery_medium(DeliveryMediumType::Sms)
            .attribute_name("phone_number")
            .build();
        let read = |settings: Option<Vec<String>>| {
            let read = AdminGetUserOutput::builder()
                .username("ada")
                .user_attributes(attribute("sub", "s-1"))
                .mfa_options(sms.clone())
                .set_user_mfa_setting_list(settings)
                .build();
            of_read(read.unwrap()).unwrap().factors
        };
        assert_eq!(read(None), Some([Factor::Sms].into()));
        assert_eq!(read(Some(Vec::new())), Some(BTreeSet::new()), "switched off by the newer call");
        let totp = vec!["SOFTWARE_TOKEN_MFA".to_owned()];
        assert_eq!(read(Some(totp)), Some([Factor::Totp].into()));
    }
}
