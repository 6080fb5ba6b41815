//! One match over every action: what poolbridge does to an account, and the call that does it.

use std::collections::BTreeMap;

use aws_sdk_cognitoidentityprovider as cognito;
use aws_sdk_cognitoidentityprovider::operation::admin_set_user_mfa_preference as mfa;
use aws_sdk_cognitoidentityprovider::types::builders::{
    EmailMfaSettingsTypeBuilder, SmsMfaSettingsTypeBuilder, SoftwareTokenMfaSettingsTypeBuilder,
};
use aws_sdk_cognitoidentityprovider::types::{
    AttributeType, EmailMfaSettingsType, SmsMfaSettingsType, SoftwareTokenMfaSettingsType,
};
use poolbridge_core::account::{AccountRef, NewAccount};
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::AttributeName;
use poolbridge_core::ports::Pool;
use poolbridge_core::profile::Factor;
use poolbridge_core::step::Action;
use poolbridge_core::time::Time;

use super::CognitoPool;
use super::account::of_creation;
use super::call::{send, unsent};
use super::password;
use crate::error::lacks_operation;

/// The key in `ClientMetadata` that shows the team's triggers, and poolbridge's, what poolbridge
/// caused.
const MARK: &str = "poolbridge";

/// The value of that key for a creation.
const BIRTH: &str = "birth";

/// The value of that key for an update.
const UPDATE: &str = "update";

/// The error code for a password that the account had before.
const USED_BEFORE: &str = "PasswordHistoryPolicyViolationException";

impl CognitoPool {
    /// Performs one action. Every action is idempotent. The write is sent again only if the attempt
    /// before certainly did nothing.
    pub(super) async fn carry_out(
        &self,
        account: &AccountRef,
        action: &Action,
        deadline: Time,
    ) -> Result<(), PortError> {
        let operation = action.operation();
        // The username is looked up before the write, so a port error of the lookup means that the
        // write did nothing.
        let name = &match self.name_of(account, operation).await {
            // No account has that `sub` any more, so there is nothing to delete.
            Err(error) if error.kind == ErrorKind::AccountGone && *action == Action::Delete => {
                return Ok(());
            }
            name => name.map_err(unsent)?,
        };
        let (pool, client) = (&self.id, &self.client);
        macro_rules! write {
            ($request:expr) => {
                self.write_patiently(operation, deadline, |departure| {
                    send!($request.user_pool_id(pool).username(name), departure)
                })
                .await
                .map(drop)
            };
        }
        match action {
            Action::Disable => write!(client.admin_disable_user()),
            Action::Enable => write!(client.admin_enable_user()),
            Action::SetAttributes { fields } => {
                let attributes = attributes(fields.values().flatten(), operation)?;
                if attributes.is_empty() {
                    return Ok(());
                }
                write!(
                    client
                        .admin_update_user_attributes()
                        .set_user_attributes(Some(attributes.clone()))
                        .client_metadata(MARK, UPDATE)
                )
            }
            Action::AddToGroup(group) => {
                write!(client.admin_add_user_to_group().group_name(group.as_str()))
            }
            Action::RemoveFromGroup(group) => {
                write!(client.admin_remove_user_from_group().group_name(group.as_str()))
            }
            Action::SetFactors(factors) if factors.is_empty() => Ok(()),
            Action::SetFactors(factors) => write!(preference(client, factors)),
            Action::Delete => match write!(client.admin_delete_user()) {
                // The account is deleted already, perhaps by an attempt whose answer was lost.
                Err(error) if error.kind == ErrorKind::AccountGone => Ok(()),
                result => result,
            },
            Action::SetRandomPassword => self.close_password(name, deadline).await,
            Action::SignOut => match write!(client.admin_user_global_sign_out()) {
                // An emulator that cannot end sessions must not block the other actions.
                Err(error) if self.emulated && lacks_operation(&error) => Ok(()),
                result => result,
            },
        }
    }

    /// Sets a permanent random password. If the pool's password history refuses it, one more is
    /// drawn. Forty random characters never repeat, but the pool's check may be wrong.
    async fn close_password(&self, name: &str, deadline: Time) -> Result<(), PortError> {
        match self.set_random_password(name, deadline).await {
            Err(error) if error.code.as_deref() == Some(USED_BEFORE) => {
                self.set_random_password(name, deadline).await
            }
            result => result,
        }
    }

    async fn set_random_password(&self, name: &str, deadline: Time) -> Result<(), PortError> {
        let operation = Action::SetRandomPassword.operation();
        let least = self.described().await.map_err(unsent)?.password_length;
        // The password exists only as long as its request and is stored nowhere. The SDK logs it
        // nowhere.
        let drawn = &password::random(least, operation)?;
        let (pool, client) = (&self.id, &self.client);
        self.write_patiently(operation, deadline, |departure| {
            let request = client.admin_set_user_password().user_pool_id(pool).username(name);
            send!(request.password(drawn).permanent(true), departure)
        })
        .await
        .map(drop)
    }

    /// Creates an account with one attempt. A second attempt could fail with "exists already"
    /// because of the first.
    pub(super) async fn bear(
        &self,
        account: &NewAccount,
        deadline: Time,
    ) -> Result<AccountRef, PortError> {
        const OPERATION: &str = "AdminCreateUser";
        let held = account.attributes.iter().filter(|(_, value)| !value.is_empty());
        let attributes = attributes(held, OPERATION)?;
        let request = self
            .client
            .admin_create_user()
            .user_pool_id(&self.id)
            .username(account.username.reveal())
            .set_user_attributes(Some(attributes))
            // The pool sends no message to the person (invariant 14) and takes no address from
            // another account (invariant 13).
            .message_action(cognito::types::MessageActionType::Suppress)
            .force_alias_creation(false)
            .client_metadata(MARK, BIRTH);
        let answer =
            self.write_once(OPERATION, deadline, |departure| send!(request, departure)).await?;
        if let Some(account_ref) = of_creation(answer.user.as_ref()) {
            return Ok(account_ref);
        }
        // The pool created the account, but the answer does not name it. If a call fails from here
        // on, the creation may still have happened.
        let lost = || PortError::new(ErrorKind::NoAnswer, OPERATION);
        let made = self.read_name(&account.username).await.map_err(|_| lost())?;
        made.map(|made| made.account_ref()).ok_or_else(lost)
    }
}

/// The attributes of one call, each named once. An empty value deletes the attribute, says the page
/// of `AdminUpdateUserAttributes`.
fn attributes<'a>(
    values: impl Iterator<Item = (&'a AttributeName, &'a String)>,
    operation: &'static str,
) -> Result<Vec<AttributeType>, PortError> {
    let once: BTreeMap<&str, &String> =
        values.map(|(name, value)| (name.as_str(), value)).collect();
    let built = once
        .into_iter()
        .map(|(name, value)| AttributeType::builder().name(name).value(value).build());
    built.collect::<Result<_, _>>().map_err(|_| PortError::new(ErrorKind::NotSent, operation))
}

/// The request that sets the named factors. It leaves out the others, which stay as they are.
fn preference(
    client: &cognito::Client,
    factors: &BTreeMap<Factor, bool>,
) -> mfa::builders::AdminSetUserMFAPreferenceFluentBuilder {
    let sms = factors.get(&Factor::Sms).map(|on| SmsMfaSettingsType::builder().enabled(*on));
    let email = factors.get(&Factor::Email).map(|on| EmailMfaSettingsType::builder().enabled(*on));
    let totp =
        factors.get(&Factor::Totp).map(|on| SoftwareTokenMfaSettingsType::builder().enabled(*on));
    client
        .admin_set_user_mfa_preference()
        .set_sms_mfa_settings(sms.map(SmsMfaSettingsTypeBuilder::build))
        .set_email_mfa_settings(email.map(EmailMfaSettingsTypeBuilder::build))
        .set_software_token_mfa_settings(totp.map(SoftwareTokenMfaSettingsTypeBuilder::build))
}

#[cfg(test)]
mod tests {
    use super::*;
    use poolbridge_core::profile::Field;

    #[test]
    fn the_attributes_of_all_fields_are_sent_in_one_call() {
        let name = |text: &str| AttributeName::try_from(text).unwrap();
        let pair = [("email", "ada@example.com"), ("email_verified", "true")];
        let pair = pair.map(|(key, value)| (name(key), value.to_owned()));
        let blank = BTreeMap::from([(name("nickname"), String::new())]);
        let fields = BTreeMap::from([
            (Field::Email, BTreeMap::from(pair)),
            (Field::Attribute(name("nickname")), blank),
        ]);
        let sent = attributes(fields.values().flatten(), "X").unwrap();
        let sent: Vec<_> = sent.iter().map(|one| (one.name(), one.value())).collect();
        let email = [("email", Some("ada@example.com")), ("email_verified", Some("true"))];
        assert_eq!(sent, [email[0], email[1], ("nickname", Some(""))]);
    }
}
