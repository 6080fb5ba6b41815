/**
 * Which of CloudTrail's events are worth a look: whatever changes an account or a group, by an API
 * call or through managed login. Sign-ins are left out, since each would be an invocation.
 *
 * A call that failed changed nothing, and a call of our own is known to us; the function drops both
 * again by itself, since nobody promises that an event bears these fields.
 */
import type { EventPattern } from 'aws-cdk-lib/aws-events';
import { Match } from 'aws-cdk-lib/aws-events';

const CALLS = [
  'AddCustomAttributes', 'AdminAddUserToGroup', 'AdminConfirmSignUp', 'AdminCreateUser',
  'AdminDeleteSoftwareToken', 'AdminDeleteUser', 'AdminDeleteUserAttributes',
  'AdminDisableProviderForUser', 'AdminDisableUser', 'AdminEnableUser',
  'AdminLinkProviderForUser', 'AdminRemoveUserFromGroup', 'AdminResetUserPassword',
  'AdminSetUserMFAPreference', 'AdminSetUserPassword', 'AdminSetUserSettings',
  'AdminUpdateUserAttributes', 'AssociateSoftwareToken', 'ChangePassword',
  'CompleteWebAuthnRegistration', 'ConfirmForgotPassword', 'ConfirmSignUp', 'CreateGroup',
  'DeleteGroup', 'DeleteUser', 'DeleteUserAttributes', 'DeleteWebAuthnCredential',
  'SetUserMFAPreference', 'SetUserSettings', 'SignUp', 'StartUserImportJob', 'UpdateGroup',
  'UpdateUserAttributes', 'VerifySoftwareToken', 'VerifyUserAttribute',
];

// Classic and new pages; the names of the pages are all that CloudTrail's documentation promises.
const PAGES = [
  'Confirm_POST', 'ConfirmForgotPassword_POST', 'ResetPassword_POST', 'Signup_POST',
  'confirmForgotPassword_POST', 'confirmUser_POST', 'forgotPassword_POST', 'passkeys_add_POST',
  'resetPassword_POST', 'signup_POST', 'signup_confirm_POST',
];

/** Calls of the API, people's own among them, which bear no pool. */
export const API_CALLS: EventPattern = {
  source: ['aws.cognito-idp'],
  detailType: ['AWS API Call via CloudTrail'],
  detail: { eventName: CALLS, errorCode: Match.doesNotExist() },
};

/** What people do on the pages that Cognito itself serves. */
export const MANAGED_LOGIN: EventPattern = {
  source: ['aws.cognito-idp'],
  detailType: ['AWS Service Event via CloudTrail'],
  detail: { eventName: PAGES },
};
