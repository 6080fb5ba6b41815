//! What can be done to a person, and which route notices it: the one table that the trail decides
//! by, that the coverage of a deployed bridge is told from, and that the rules of the deployment
//! take their names from.
//!
//! Names are those of `CloudTrail`'s `eventName`: operations of the user pools API, and requests to
//! the pages of managed login and the classic hosted UI, as AWS's page "Amazon Cognito logging in
//! AWS `CloudTrail`" lists them. Which triggers fire is from "Customizing user pool workflows with
//! Lambda triggers".

use serde_json::{Value, json};

use crate::config::TriggerSlot;

/// What an event of `CloudTrail` about an operation proves, if the call succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Told {
    /// Nothing that either pool must know of.
    Nothing,
    /// Perhaps something: the account is worth a look.
    Hint,
    /// Something of the account was changed.
    Changed,
    /// The account left UNCONFIRMED.
    Confirmed,
    /// The account was deleted.
    Deleted,
    /// Something of many accounts, none of which is named: only a sweep finds out whose.
    Many,
}

/// One thing that can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The `eventName`.
    pub name: &'static str,
    /// Where one name stands for several deeds: the `challengeName` that this row is about.
    pub challenge: Option<&'static str>,
    /// The trigger that tells of it, at once, if capture is attached there. See
    /// [`Self::trigger_proves`] for whether that is to be relied on.
    pub trigger: Option<TriggerSlot>,
    /// What the trail makes of it.
    pub told: Told,
    /// Whether a comparison of both pools finds what it changed.
    pub sweep: bool,
    /// Whether it certainly set the account's password, by the person's or somebody's wish.
    pub password: bool,
}

impl Operation {
    /// Whether the trail notices it.
    pub const fn trail(&self) -> bool {
        !matches!(self.told, Told::Nothing)
    }

    /// Whether its trigger tells of it each time, and of all of it, so that it bounds how late it
    /// is noticed. Otherwise the trigger is a help and no bound:
    ///
    /// - The one after a sign-in, or before tokens, does not know that a password was set.
    /// - The one before a message fires where a code is sent for a new address, for nothing else,
    ///   and before the deed is done.
    pub const fn trigger_proves(&self) -> bool {
        match self.trigger {
            None | Some(PreSignUp | CustomMessage) => false,
            Some(PostConfirmation) => true,
            Some(PostAuthentication | PreTokenGeneration) => !self.password,
        }
    }

    /// Whether a comparison of both pools finds all of it: it never finds that a password was set.
    pub const fn sweep_proves(&self) -> bool {
        self.sweep && !self.password
    }

    /// Whether it deletes an account.
    pub const fn deletes(&self) -> bool {
        matches!(self.told, Told::Deleted)
    }

    /// Whether it is a request to a page of managed login or of the classic hosted UI.
    pub fn is_form(&self) -> bool {
        self.name.ends_with("_POST") || self.name.ends_with("_GET")
    }

    /// The row of an event's `eventName` and `challengeName`.
    pub fn find(name: &str, challenge: Option<&str>) -> Option<&'static Self> {
        let rows = || OPERATIONS.iter().filter(|row| row.name == name);
        let exactly = rows().find(|row| row.challenge.is_some() && row.challenge == challenge);
        exactly.or_else(|| rows().find(|row| row.challenge.is_none()))
    }

    const fn of(name: &'static str, told: Told) -> Self {
        Self { name, challenge: None, trigger: None, told, sweep: true, password: false }
    }

    const fn at(mut self, trigger: TriggerSlot) -> Self {
        self.trigger = Some(trigger);
        self
    }

    const fn answering(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// What a listing does not show.
    const fn unlisted(mut self) -> Self {
        self.sweep = false;
        self
    }

    const fn password(mut self) -> Self {
        self.password = true;
        self
    }
}

use Told::{Changed, Confirmed, Deleted, Hint, Many, Nothing};
use TriggerSlot::{
    CustomMessage, PostAuthentication, PostConfirmation, PreSignUp, PreTokenGeneration,
};

const fn row(name: &'static str, told: Told) -> Operation {
    Operation::of(name, told)
}

/// Every operation by which a person of a pool can come to differ, and those besides that name a
/// person and change nothing of theirs that travels.
///
/// - A page of managed login answers with an HTTP status and not with an error code, so a request
///   that was refused may look like one that succeeded: it is a hint and never proves that a
///   password was set (the trigger does). To take it for proof would let a stranger who posts a
///   wrong code make the other pool's password out of date.
/// - A password that an administrator gives with `AdminCreateUser` is a temporary one: the person
///   has chosen none, so it makes nobody's password out of date.
/// - Listings show attributes, the enabled flag and, group by group, members. They show neither
///   passwords nor factors.
/// - A new address that is to be verified has a code sent, and the trigger before that message
///   fires. Nothing fires when the code is given back (`VerifyUserAttribute`), and to ask for
///   another (`GetUserAttributeVerificationCode`) changes nothing.
pub const OPERATIONS: [Operation; 61] = [
    // Accounts come to be.
    row("SignUp", Hint).at(PostConfirmation),
    row("ConfirmSignUp", Confirmed).at(PostConfirmation).password(),
    row("AdminConfirmSignUp", Confirmed).at(PostConfirmation).password(),
    row("AdminCreateUser", Changed),
    row("StartUserImportJob", Many),
    row("StopUserImportJob", Many),
    row("Signup_POST", Hint).at(PostConfirmation),
    row("Confirm_POST", Hint).at(PostConfirmation),
    row("Confirm_With_Link_GET", Hint).at(PostConfirmation),
    row("signup_POST", Hint).at(PostConfirmation),
    row("signup_confirm_POST", Hint).at(PostConfirmation),
    row("confirmUser_GET", Hint).at(PostConfirmation),
    // Attributes.
    row("UpdateUserAttributes", Changed).at(CustomMessage),
    row("AdminUpdateUserAttributes", Changed).at(CustomMessage),
    row("DeleteUserAttributes", Changed),
    row("AdminDeleteUserAttributes", Changed),
    row("VerifyUserAttribute", Changed),
    row("AdminLinkProviderForUser", Changed),
    row("AdminDisableProviderForUser", Changed),
    // May they sign in at all.
    row("AdminDisableUser", Changed),
    row("AdminEnableUser", Changed),
    row("DeleteUser", Deleted),
    row("AdminDeleteUser", Deleted),
    // Groups.
    row("AdminAddUserToGroup", Changed),
    row("AdminRemoveUserFromGroup", Changed),
    row("CreateGroup", Many),
    row("UpdateGroup", Many),
    row("DeleteGroup", Many),
    // Passwords.
    row("ConfirmForgotPassword", Changed).at(PostConfirmation).unlisted().password(),
    row("ChangePassword", Changed).unlisted().password(),
    row("AdminSetUserPassword", Changed).unlisted().password(),
    row("AdminResetUserPassword", Changed).unlisted(),
    row("RespondToAuthChallenge", Changed)
        .answering("NEW_PASSWORD_REQUIRED")
        .at(PostAuthentication)
        .password(),
    row("AdminRespondToAuthChallenge", Changed)
        .answering("NEW_PASSWORD_REQUIRED")
        .at(PostAuthentication)
        .password(),
    row("ConfirmForgotPassword_POST", Hint).at(PostConfirmation).unlisted(),
    row("ResetPassword_POST", Hint).at(PostConfirmation).unlisted(),
    row("forgotPassword_POST", Hint).at(PostConfirmation).unlisted(),
    row("ForgotPassword", Nothing).unlisted(),
    // Factors.
    row("SetUserMFAPreference", Changed).unlisted(),
    row("AdminSetUserMFAPreference", Changed).unlisted(),
    row("SetUserSettings", Changed).unlisted(),
    row("AdminSetUserSettings", Changed).unlisted(),
    row("VerifySoftwareToken", Hint).unlisted(),
    row("AdminDeleteSoftwareToken", Hint).unlisted(),
    row("CompleteWebAuthnRegistration", Hint).unlisted(),
    row("DeleteWebAuthnCredential", Hint).unlisted(),
    row("MfaRegister_POST", Hint),
    row("mfa_phone_register_POST", Hint),
    row("mfa_phone_verify_POST", Hint),
    row("passkeys_add_POST", Hint).unlisted(),
    // Sign-ins change little, and there are many of them: the trail is not paid for them.
    row("InitiateAuth", Nothing).at(PostAuthentication),
    row("AdminInitiateAuth", Nothing).at(PostAuthentication),
    row("RespondToAuthChallenge", Nothing).at(PostAuthentication),
    row("AdminRespondToAuthChallenge", Nothing).at(PostAuthentication),
    row("GetTokensFromRefreshToken", Nothing).at(PreTokenGeneration),
    // Sessions and devices do not travel; codes are no change.
    row("GlobalSignOut", Nothing).unlisted(),
    row("AdminUserGlobalSignOut", Nothing).unlisted(),
    row("RevokeToken", Nothing).unlisted(),
    row("ResendConfirmationCode", Nothing).unlisted(),
    row("GetUserAttributeVerificationCode", Nothing).unlisted(),
    row("AssociateSoftwareToken", Nothing).unlisted(),
];

/// The names that the deployment's rules let through to the trail, in the order of the table.
/// Where only one challenge matters it is named, since sign-ins bear the same `eventName`.
pub fn operations_document() -> Value {
    let heard = || OPERATIONS.iter().filter(|row| row.trail());
    let plain = || heard().filter(|row| row.challenge.is_none());
    let calls: Vec<&str> = plain().filter(|row| !row.is_form()).map(|row| row.name).collect();
    let forms: Vec<&str> = plain().filter(|row| row.is_form()).map(|row| row.name).collect();
    let challenges: serde_json::Map<String, Value> =
        heard().filter_map(|row| Some((row.name.to_owned(), json!([row.challenge?])))).collect();
    json!({ "calls": calls, "forms": forms, "challenges": challenges })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_infrastructure_knows_every_operation() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/operations.json");
        let document = operations_document();
        if std::env::var_os("POOLBRIDGE_WRITE_OPERATIONS").is_some() {
            let text = serde_json::to_string_pretty(&document).unwrap();
            std::fs::write(path, format!("{text}\n")).unwrap();
        }
        let known: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(known, document, "run this test with POOLBRIDGE_WRITE_OPERATIONS=1");
    }

    #[test]
    fn every_row_is_found_by_its_own_name() {
        let mut names = BTreeSet::new();
        for row in &OPERATIONS {
            assert!(names.insert((row.name, row.challenge)), "{} stands twice", row.name);
            assert_eq!(Operation::find(row.name, row.challenge), Some(row));
        }
        let sign_in = Operation::find("RespondToAuthChallenge", Some("SMS_MFA")).unwrap();
        assert_eq!((sign_in.challenge, sign_in.told), (None, Nothing));
        let other = Operation::find("UpdateUserAttributes", Some("NEW_PASSWORD_REQUIRED")).unwrap();
        assert_eq!(other.told, Changed);
        assert_eq!(Operation::find("updateuserattributes", None), None);
    }

    #[test]
    fn what_a_page_is_sent_proves_nothing() {
        for row in OPERATIONS.iter().filter(|row| row.is_form()) {
            assert_eq!((row.told, row.password), (Hint, false), "{}", row.name);
        }
    }

    /// What promises nothing must not bound anything.
    #[test]
    fn a_route_counts_only_for_what_it_proves() {
        let row = |name, challenge| Operation::find(name, challenge).unwrap();
        for name in ["RespondToAuthChallenge", "AdminRespondToAuthChallenge"] {
            let password = row(name, Some("NEW_PASSWORD_REQUIRED"));
            assert!(!password.trigger_proves() && !password.sweep_proves() && password.trail());
            assert!(row(name, None).trigger_proves());
        }
        for name in ["UpdateUserAttributes", "AdminUpdateUserAttributes"] {
            assert_eq!(row(name, None).trigger, Some(CustomMessage));
            assert!(!row(name, None).trigger_proves() && row(name, None).sweep_proves());
        }
        let confirmed = row("ConfirmSignUp", None);
        assert!(confirmed.trigger_proves() && !confirmed.sweep_proves());
        assert!(OPERATIONS.iter().all(|row| !(row.password && row.sweep_proves())));
        for name in ["VerifyUserAttribute", "GetUserAttributeVerificationCode"] {
            assert_eq!(row(name, None).trigger, None, "{name}");
        }
    }

    /// Whatever the pinned SDK can do to a user, or to a group, is in the table.
    #[test]
    fn nothing_that_changes_a_person_is_forgotten() {
        let called = |name: &str| OPERATIONS.iter().any(|row| row.name == name && row.trail());
        let changes = [
            "AdminAddUserToGroup",
            "AdminConfirmSignUp",
            "AdminCreateUser",
            "AdminDeleteSoftwareToken",
            "AdminDeleteUser",
            "AdminDeleteUserAttributes",
            "AdminDisableProviderForUser",
            "AdminDisableUser",
            "AdminEnableUser",
            "AdminLinkProviderForUser",
            "AdminRemoveUserFromGroup",
            "AdminResetUserPassword",
            "AdminSetUserMFAPreference",
            "AdminSetUserPassword",
            "AdminSetUserSettings",
            "AdminUpdateUserAttributes",
            "ChangePassword",
            "CompleteWebAuthnRegistration",
            "ConfirmForgotPassword",
            "ConfirmSignUp",
            "CreateGroup",
            "DeleteGroup",
            "DeleteUser",
            "DeleteUserAttributes",
            "DeleteWebAuthnCredential",
            "SetUserMFAPreference",
            "SetUserSettings",
            "SignUp",
            "StartUserImportJob",
            "UpdateGroup",
            "UpdateUserAttributes",
            "VerifySoftwareToken",
            "VerifyUserAttribute",
        ];
        for name in changes {
            assert!(called(name), "{name}");
        }
    }
}
