//! The table itself: one row per operation.

use poolbridge_core::restore::RestoreStage;

use super::Detects::{Changed, Confirmed, Deleted, Hint, Many, Nothing};
use super::{Operation, PoolEvent, pool, quiet, read, row};
use crate::TriggerSlot::{CustomMessage, PostAuthentication, PostConfirmation, PreTokenGeneration};

/// Every operation of the newest published service model (`shared/aws/model/cognito-idp.json`), and
/// the requests to pages that can change a person.
///
/// - A page of managed login answers with an HTTP status and without an error code, so a refused
///   request may look like one that succeeded. So it is a hint and never proves that a password was
///   set (the trigger does). Otherwise a stranger who posts a wrong code could make the other
///   pool's password out of date.
/// - A password that an administrator sets with `AdminCreateUser` is temporary. The person has not
///   chosen it, so it makes no password out of date.
/// - Listings show attributes, the enabled flag and, group by group, members. They show neither
///   passwords nor factors. A phone number that becomes a factor is listed, but as an attribute.
/// - If a new address must be verified, Cognito sends a code, and the trigger before that message
///   fires. No trigger fires when the person enters the code (`VerifyUserAttribute`), and a request
///   for another code (`GetUserAttributeVerificationCode`) changes nothing.
/// - The table also holds requests to pages and answers to challenges, which the model lacks.
pub const OPERATIONS: [Operation; 174] = [
    // Accounts are created.
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
    // Whether the person may sign in.
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
    row("MfaRegister_POST", Hint).unlisted(),
    row("mfa_phone_register_POST", Hint).unlisted(),
    row("mfa_phone_verify_POST", Hint).unlisted(),
    row("passkeys_add_POST", Hint).unlisted(),
    // These answers may also enrol a factor, verify an address or confirm a person.
    row("RespondToAuthChallenge", Hint).answering("MFA_SETUP").at(PostAuthentication).unlisted(),
    row("AdminRespondToAuthChallenge", Hint)
        .answering("MFA_SETUP")
        .at(PostAuthentication)
        .unlisted(),
    row("RespondToAuthChallenge", Hint).answering("EMAIL_OTP").at(PostAuthentication),
    row("AdminRespondToAuthChallenge", Hint).answering("EMAIL_OTP").at(PostAuthentication),
    row("RespondToAuthChallenge", Hint).answering("SMS_OTP").at(PostAuthentication),
    row("AdminRespondToAuthChallenge", Hint).answering("SMS_OTP").at(PostAuthentication),
    // Sign-ins change little, and there are many, so the trail does not process them, to save cost.
    row("InitiateAuth", Nothing).at(PostAuthentication),
    row("AdminInitiateAuth", Nothing).at(PostAuthentication),
    row("RespondToAuthChallenge", Nothing).at(PostAuthentication),
    row("AdminRespondToAuthChallenge", Nothing).at(PostAuthentication),
    row("GetTokensFromRefreshToken", Nothing).at(PreTokenGeneration),
    // poolbridge does not copy sessions and devices, and a sent code is no change.
    row("GlobalSignOut", Nothing).unlisted(),
    row("AdminUserGlobalSignOut", Nothing).unlisted(),
    row("RevokeToken", Nothing).unlisted(),
    row("ResendConfirmationCode", Nothing).unlisted(),
    row("GetUserAttributeVerificationCode", Nothing).unlisted(),
    row("AssociateSoftwareToken", Nothing).unlisted(),
    // Sessions, devices, tokens and feedback concern a person or a client. poolbridge copies none
    // of them.
    quiet("RevokeUserSession"),
    quiet("AdminRevokeUserSession"),
    quiet("ConfirmDevice"),
    quiet("ForgetDevice"),
    quiet("UpdateDeviceStatus"),
    quiet("AdminForgetDevice"),
    quiet("AdminUpdateDeviceStatus"),
    quiet("StartWebAuthnRegistration"),
    quiet("UpdateAuthEventFeedback"),
    quiet("AdminUpdateAuthEventFeedback"),
    quiet("GetClientToken"),
    quiet("GetDerivedToken"),
    // The pool is restored or deleted, which changes many people without naming them.
    pool("InitiatePointInTimeRecovery", PoolEvent::Restore(RestoreStage::Prepared)),
    pool("CancelPointInTimeRecovery", PoolEvent::Restore(RestoreStage::Cancelled)),
    pool("StartPointInTimeRecovery", PoolEvent::Restore(RestoreStage::Started)),
    pool("DeleteUserPool", PoolEvent::Restore(RestoreStage::Deleted)),
    // Settings that affect people: triggers, clients, providers, schema, limits.
    pool("UpdateUserPool", PoolEvent::Settings),
    pool("SetUserPoolMfaConfig", PoolEvent::Settings),
    pool("AddCustomAttributes", PoolEvent::Settings),
    pool("CreateUserPoolClient", PoolEvent::Settings),
    pool("UpdateUserPoolClient", PoolEvent::Settings),
    pool("DeleteUserPoolClient", PoolEvent::Settings),
    pool("AddUserPoolClientSecret", PoolEvent::Settings),
    pool("DeleteUserPoolClientSecret", PoolEvent::Settings),
    pool("CreateIdentityProvider", PoolEvent::Settings),
    pool("UpdateIdentityProvider", PoolEvent::Settings),
    pool("DeleteIdentityProvider", PoolEvent::Settings),
    pool("SetRiskConfiguration", PoolEvent::Settings),
    pool("SetUserPoolSessionConfiguration", PoolEvent::Settings),
    pool("SetUserPoolClientSessionConfiguration", PoolEvent::Settings),
    pool("SetLogDeliveryConfiguration", PoolEvent::Settings),
    pool("UpdateProvisionedLimit", PoolEvent::Settings),
    pool("CreateUserPoolReplica", PoolEvent::Settings),
    pool("UpdateUserPoolReplica", PoolEvent::Settings),
    pool("DeleteUserPoolReplica", PoolEvent::Settings),
    pool("CreateUserPoolDomain", PoolEvent::Settings),
    pool("UpdateUserPoolDomain", PoolEvent::Settings),
    pool("DeleteUserPoolDomain", PoolEvent::Settings),
    pool("CreateResourceServer", PoolEvent::Settings),
    pool("UpdateResourceServer", PoolEvent::Settings),
    pool("DeleteResourceServer", PoolEvent::Settings),
    pool("CreateCIMDPolicy", PoolEvent::Settings),
    pool("UpdateCIMDPolicy", PoolEvent::Settings),
    pool("DeleteCIMDPolicy", PoolEvent::Settings),
    pool("UpdateClientMetadataURLState", PoolEvent::Settings),
    // Branding, texts and tags, import jobs that are not started, and pools outside the bridge.
    pool("CreateUserPool", PoolEvent::Unwatched),
    pool("CreateUserImportJob", PoolEvent::Unwatched),
    pool("CreateManagedLoginBranding", PoolEvent::Unwatched),
    pool("UpdateManagedLoginBranding", PoolEvent::Unwatched),
    pool("DeleteManagedLoginBranding", PoolEvent::Unwatched),
    pool("SetUICustomization", PoolEvent::Unwatched),
    pool("CreateTerms", PoolEvent::Unwatched),
    pool("UpdateTerms", PoolEvent::Unwatched),
    pool("DeleteTerms", PoolEvent::Unwatched),
    pool("TagResource", PoolEvent::Unwatched),
    pool("UntagResource", PoolEvent::Unwatched),
    // Reads.
    read("AdminGetDevice"),
    read("AdminGetUser"),
    read("AdminGetUserAuthFactors"),
    read("AdminListDevices"),
    read("AdminListGroupsForUser"),
    read("AdminListUserAuthEvents"),
    read("AdminListUserSessions"),
    read("DescribeCIMDPolicy"),
    read("DescribeIdentityProvider"),
    read("DescribeManagedLoginBranding"),
    read("DescribeManagedLoginBrandingByClient"),
    read("DescribePointInTimeRecovery"),
    read("DescribeResourceServer"),
    read("DescribeRiskConfiguration"),
    read("DescribeTerms"),
    read("DescribeTermsByClient"),
    read("DescribeUserImportJob"),
    read("DescribeUserPool"),
    read("DescribeUserPoolClient"),
    read("DescribeUserPoolDomain"),
    read("GetCSVHeader"),
    read("GetDevice"),
    read("GetGroup"),
    read("GetIdentityProviderByIdentifier"),
    read("GetLogDeliveryConfiguration"),
    read("GetProvisionedLimit"),
    read("GetSigningCertificate"),
    read("GetUICustomization"),
    read("GetUser"),
    read("GetUserAuthFactors"),
    read("GetUserPoolClientSessionConfiguration"),
    read("GetUserPoolMfaConfig"),
    read("GetUserPoolSessionConfiguration"),
    read("ListCIMDPolicies"),
    read("ListClientMetadataURLs"),
    read("ListDevices"),
    read("ListGroups"),
    read("ListIdentityProviders"),
    read("ListPointInTimeRecoveries"),
    read("ListResourceServers"),
    read("ListTagsForResource"),
    read("ListTerms"),
    read("ListUserImportJobs"),
    read("ListUserPoolClientSecrets"),
    read("ListUserPoolClients"),
    read("ListUserPoolReplicas"),
    read("ListUserPools"),
    read("ListUserSessions"),
    read("ListUsers"),
    read("ListUsersInGroup"),
    read("ListWebAuthnCredentials"),
];
