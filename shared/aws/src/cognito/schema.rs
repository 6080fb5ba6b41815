//! Reads the pool schema: attributes, groups, factors, and what the app clients may write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_cognitoidentityprovider::operation::get_user_pool_mfa_config as mfa;
use aws_sdk_cognitoidentityprovider::types::{
    AccountRecoverySettingType, AliasAttributeType, AttributeDataType,
    NumberAttributeConstraintsType, PasswordPolicyType, SchemaAttributeType, SmsMfaConfigType,
    SoftwareTokenMfaConfigType, StringAttributeConstraintsType, UserAttributeUpdateSettingsType,
    UserPoolMfaType, UserPoolPolicyType, UserPoolType, UsernameAttributeType,
    UsernameConfigurationType, VerifiedAttributeType,
};
use poolbridge_core::account::{AttributeSchema, DataType, PoolSchema};
use poolbridge_core::error::PortError;
use poolbridge_core::limits;
use poolbridge_core::mapping::STANDARD;
use poolbridge_core::names::{AttributeName, GroupName};
use poolbridge_core::profile::Factor;

use super::CognitoPool;
use super::account::unreadable;
use crate::error::lacks_operation;

/// The verified flags of the two addresses, which every pool also has.
const VERIFIED_FLAGS: [&str; 2] = ["email_verified", "phone_number_verified"];

/// The largest page of `ListGroups` and `ListUserPoolClients`.
const PAGE: i32 = 60;

/// A pool's schema, and what only this adapter needs of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Described {
    pub(super) schema: Arc<PoolSchema>,
    /// The minimum length of a password.
    pub(super) password_length: usize,
}

impl Described {
    /// Whether the pool itself creates the stored username, so that it equals the `sub`.
    pub(super) fn addressed_by_sub(&self) -> bool {
        !self.schema.username_attributes.is_empty()
    }
}

impl CognitoPool {
    /// Reads the pool schema. It fails as a whole, because half a schema would block fields that
    /// the pool accepts.
    pub(super) async fn describe(&self) -> Result<Described, PortError> {
        if self.options.schema_only {
            return self.schema().await;
        }
        let (mut described, groups, factors) =
            tokio::try_join!(self.schema(), self.list_groups(), self.allowed_factors())?;
        let schema = Arc::make_mut(&mut described.schema);
        schema.groups = groups;
        (schema.factors, schema.mfa_required) = factors;
        if self.options.client_attributes {
            schema.client_writable = self.client_writable(schema).await?;
        }
        Ok(described)
    }

    async fn schema(&self) -> Result<Described, PortError> {
        const OPERATION: &str = "DescribeUserPool";
        let request = self.client.describe_user_pool().user_pool_id(&self.id);
        let answer = self.read_once(OPERATION, request.send()).await?;
        let mut described = answer.user_pool.as_ref().map(of_pool).ok_or(unreadable(OPERATION))?;
        Arc::make_mut(&mut described.schema).provider_groups = self.provider_groups();
        Ok(described)
    }

    /// The name prefix of the groups that this pool creates for federated users: "a group whose
    /// name is the user pool ID followed by the provider's name" (the guide, "Adding groups").
    fn provider_groups(&self) -> String {
        format!("{}_", self.id)
    }

    /// Every group of the pool except those of identity providers; none if groups are not copied.
    pub(super) async fn list_groups(&self) -> Result<BTreeSet<GroupName>, PortError> {
        const OPERATION: &str = "ListGroups";
        let mut found = BTreeSet::new();
        if !self.options.groups {
            return Ok(found);
        }
        let provider = self.provider_groups();
        let mut token = None;
        for _ in 0..limits::GROUP_PAGES_MAX {
            let request = self.client.list_groups().user_pool_id(&self.id).limit(PAGE);
            let request = request.set_next_token(token.take());
            let page = self.read_once(OPERATION, request.send()).await?;
            for group in page.groups() {
                let group = group_name(group.group_name(), OPERATION)?;
                if !group.as_str().starts_with(&provider) {
                    found.insert(group);
                }
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(found);
            }
        }
        Err(unreadable(OPERATION))
    }

    /// The factors that the pool offers, and whether it requires one of every person.
    async fn allowed_factors(&self) -> Result<(BTreeSet<Factor>, bool), PortError> {
        let request = self.client.get_user_pool_mfa_config().user_pool_id(&self.id);
        match self.read_once("GetUserPoolMfaConfig", request.send()).await {
            Ok(answer) => {
                let required = answer.mfa_configuration() == Some(&UserPoolMfaType::On);
                Ok((of_factors(&answer), required))
            }
            // A local stack may lack the operation, and then has no factors either.
            Err(error) if self.emulated && lacks_operation(&error) => Ok((BTreeSet::new(), false)),
            Err(error) => Err(error),
        }
    }

    /// The attributes that the holder of some app client's token may write. The proof client counts
    /// too: a caller who learns its id could use it like any other.
    async fn client_writable(
        &self,
        schema: &PoolSchema,
    ) -> Result<BTreeSet<AttributeName>, PortError> {
        const OPERATION: &str = "DescribeUserPoolClient";
        let Some(clients) = self.app_clients().await? else {
            return Ok(mutable(schema));
        };
        let mut writable = BTreeSet::new();
        for client in clients {
            let request = self.client.describe_user_pool_client().user_pool_id(&self.id);
            let answer = self.read_once(OPERATION, request.client_id(client).send()).await?;
            let client = answer.user_pool_client.ok_or(unreadable(OPERATION))?;
            match client.write_attributes {
                Some(named) if !named.is_empty() => writable.extend(named.iter().filter_map(name)),
                // Its page says that a client without a list may write every mutable attribute.
                _ => writable.extend(mutable(schema)),
            }
        }
        Ok(writable)
    }

    /// The ids of all app clients; `None` if there are more than the adapter reads.
    async fn app_clients(&self) -> Result<Option<Vec<String>>, PortError> {
        const OPERATION: &str = "ListUserPoolClients";
        let mut found = Vec::new();
        let mut token = None;
        // A page may be short, but as many pages as clients are more than enough.
        for _ in 0..limits::APP_CLIENTS_MAX {
            let request = self.client.list_user_pool_clients().user_pool_id(&self.id);
            let request = request.max_results(PAGE).set_next_token(token.take());
            let page = self.read_once(OPERATION, request.send()).await?;
            for client in page.user_pool_clients() {
                found.push(client.client_id().ok_or(unreadable(OPERATION))?.to_owned());
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() || found.len() > limits::APP_CLIENTS_MAX {
                break;
            }
        }
        let complete = token.is_none() && found.len() <= limits::APP_CLIENTS_MAX;
        Ok(complete.then_some(found))
    }
}

/// A group's name. A name that cannot be decoded makes the list unreadable: without it, the group
/// would seem to be missing.
pub(super) fn group_name(
    name: Option<&str>,
    operation: &'static str,
) -> Result<GroupName, PortError> {
    name.and_then(|name| GroupName::try_from(name).ok()).ok_or(unreadable(operation))
}

fn name(name: impl AsRef<str>) -> Option<AttributeName> {
    AttributeName::try_from(name.as_ref()).ok()
}

fn mutable(schema: &PoolSchema) -> BTreeSet<AttributeName> {
    let attributes = schema.attributes.iter().filter(|(_, attribute)| attribute.mutable);
    attributes.map(|(name, _)| name.clone()).collect()
}

/// The part of the schema that `DescribeUserPool` shows.
fn of_pool(pool: &UserPoolType) -> Described {
    let verified_first = pool
        .user_attribute_update_settings()
        .map(UserAttributeUpdateSettingsType::attributes_require_verification_before_update)
        .unwrap_or_default();
    let by_code = pool.auto_verified_attributes().iter().chain(verified_first);
    let username = pool.username_attributes().iter().map(UsernameAttributeType::as_str);
    let alias = pool.alias_attributes().iter().map(AliasAttributeType::as_str);
    let schema = PoolSchema {
        attributes: schema(pool.schema_attributes()),
        username_attributes: username.filter_map(name).collect(),
        alias_attributes: alias.filter_map(name).collect(),
        verified_by_code: by_code.map(VerifiedAttributeType::as_str).filter_map(name).collect(),
        // A pool that was created without the setting is case-sensitive, which is the API's
        // default.
        case_sensitive: pool
            .username_configuration()
            .is_none_or(UsernameConfigurationType::case_sensitive),
        recovery: pool.account_recovery_setting().map(recovery),
        ..PoolSchema::default()
    };
    let policy = pool.policies().and_then(UserPoolPolicyType::password_policy);
    let least = policy.and_then(PasswordPolicyType::minimum_length).unwrap_or_default();
    let password_length = usize::try_from(least).unwrap_or_default();
    Described { schema: Arc::new(schema), password_length }
}

/// The schema, with what every pool has: the standard attributes and the two verified flags. Pools
/// differ in which of these a description lists, but every pool accepts them all. A description
/// without a schema gives no information, so the result stays empty.
fn schema(listed: &[SchemaAttributeType]) -> BTreeMap<AttributeName, AttributeSchema> {
    let mut attributes: BTreeMap<_, _> = listed.iter().filter_map(of_attribute).collect();
    if !attributes.is_empty() {
        for name in STANDARD.into_iter().chain(VERIFIED_FLAGS).filter_map(name) {
            attributes.entry(name).or_default();
        }
    }
    attributes
}

/// The addresses that receive the code for a forgotten password. `admin_only` is none, and so is a
/// mechanism that this version does not know.
fn recovery(setting: &AccountRecoverySettingType) -> BTreeSet<AttributeName> {
    let mechanisms = setting.recovery_mechanisms().iter();
    let addresses = mechanisms.filter_map(|mechanism| match mechanism.name().as_str() {
        "verified_email" => name("email"),
        "verified_phone_number" => name("phone_number"),
        _ => None,
    });
    addresses.collect()
}

/// One attribute of the schema, by its name in accounts (`custom:` included).
fn of_attribute(attribute: &SchemaAttributeType) -> Option<(AttributeName, AttributeSchema)> {
    let name = name(attribute.name().filter(|name| *name != "sub")?)?;
    let text = attribute.string_attribute_constraints();
    let length = |bound: Option<&str>| bound.and_then(|bound| bound.parse().ok());
    let numbers = attribute.number_attribute_constraints();
    let number = |bound: Option<&str>| bound.and_then(|bound| bound.parse().ok());
    let schema = AttributeSchema {
        // "Mutable" may be left out and then defaults to true, says the page of
        // `SchemaAttributeType`.
        mutable: attribute.mutable().unwrap_or(true),
        required: attribute.required().unwrap_or(false),
        shortest: length(text.and_then(StringAttributeConstraintsType::min_length)),
        longest: length(text.and_then(StringAttributeConstraintsType::max_length)),
        least: number(numbers.and_then(NumberAttributeConstraintsType::min_value)),
        most: number(numbers.and_then(NumberAttributeConstraintsType::max_value)),
        data_type: attribute.attribute_data_type().map_or(DataType::String, of_data_type),
    };
    Some((name, schema))
}

/// An attribute of a type that this version does not know counts as text.
fn of_data_type(of: &AttributeDataType) -> DataType {
    match of.as_str() {
        "Number" => DataType::Number,
        "DateTime" => DataType::DateTime,
        "Boolean" => DataType::Boolean,
        _ => DataType::String,
    }
}

/// The factors that a person of this pool can enable.
fn of_factors(answer: &mfa::GetUserPoolMfaConfigOutput) -> BTreeSet<Factor> {
    let off = answer.mfa_configuration().is_none_or(|state| *state == UserPoolMfaType::Off);
    if off {
        return BTreeSet::new();
    }
    // If the SMS configuration is present and empty, the pool cannot send a code.
    let sms = answer.sms_mfa_configuration().and_then(SmsMfaConfigType::sms_configuration);
    let totp =
        answer.software_token_mfa_configuration().is_some_and(SoftwareTokenMfaConfigType::enabled);
    let allowed = [
        (Factor::Sms, sms.is_some()),
        (Factor::Email, answer.email_mfa_configuration().is_some()),
        (Factor::Totp, totp),
    ];
    allowed.into_iter().filter_map(|(factor, on)| on.then_some(factor)).collect()
}

#[cfg(test)]
mod tests;
