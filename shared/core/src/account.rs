//! An account as its pool returns it, and the pool schema.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::names::{AttributeName, GroupName, Sub, Username};
use crate::outcome::Reason;
use crate::profile::Factor;
use crate::time::Time;

/// The longest value, in characters, of an attribute whose schema sets no lower limit: Cognito's
/// own limit.
const VALUE_LENGTH_MAX: usize = 2048;

/// Cognito's status of an account. `Enabled` is a separate flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Signed up, not confirmed. The person cannot sign in, and apply does not carry it over.
    Unconfirmed,
    /// The person can sign in.
    Confirmed,
    /// The account has a temporary password.
    ForceChangePassword,
    /// The person must use forgot-password first.
    ResetRequired,
    /// The account is federated: it comes from an identity provider.
    ExternalProvider,
    /// A status that this version does not know. It is treated as confirmed and never written.
    Other,
}

/// An account, as one read of its pool returned it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Account {
    /// The pool's identifier of the account.
    pub sub: Sub,
    /// The name by which the adapter reads the account.
    pub username: Username,
    /// Attribute values as text, as the pool returns them, without `sub`.
    pub attributes: BTreeMap<AttributeName, String>,
    /// Whether the person may sign in.
    pub enabled: bool,
    /// The account's status.
    pub status: Status,
    /// The account's groups. `None`: they were not read, or not all of them.
    pub groups: Option<BTreeSet<GroupName>>,
    /// The second factors that are switched on. `None`: they were not read (a listing has none).
    pub factors: Option<BTreeSet<Factor>>,
    /// When the account was created.
    pub created: Time,
    /// When the account was last modified, by the pool. Memberships need not move it.
    pub modified: Time,
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The team chose the names of attributes and groups; the values belong to a person.
        formatter
            .debug_struct("Account")
            .field("sub", &self.sub)
            .field("attributes", &self.attributes.keys().collect::<Vec<_>>())
            .field("enabled", &self.enabled)
            .field("status", &self.status)
            .field("groups", &self.groups)
            .field("factors", &self.factors)
            .field("modified", &self.modified)
            .finish_non_exhaustive()
    }
}

/// How to read an account. The adapter chooses between the two by the pool schema.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountRef {
    /// The identifier that every observation must return (`SameSub`).
    pub sub: Sub,
    /// The username, if it is known.
    pub username: Option<Username>,
}

impl Account {
    /// How to read this account again.
    pub fn account_ref(&self) -> AccountRef {
        AccountRef { sub: self.sub.clone(), username: Some(self.username.clone()) }
    }

    /// Whether the account is federated: its person signs in with an identity provider, without a
    /// password here. A local account to which an identity is linked stays local.
    ///
    /// The username of a federated account is `<Provider>_<user id there>`, also in a pool whose
    /// usernames are addresses. A provider's name has no underscore after its second character
    /// (page of `CreateIdentityProvider`). So two federated accounts with one username belong to
    /// one provider and one user id.
    pub fn federated(&self) -> bool {
        self.status == Status::ExternalProvider
    }
}

/// The data type of an attribute, from the pool schema (`AttributeDataType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum DataType {
    /// Text.
    #[default]
    String,
    /// A number.
    Number,
    /// A point in time.
    DateTime,
    /// Yes or no.
    Boolean,
}

/// What one attribute of a pool schema can hold. The default is what Cognito documents for a
/// standard attribute: mutable, not required, and no limit except the pool's own 2,048 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AttributeSchema {
    /// Whether it can change after the creation of the account.
    pub mutable: bool,
    /// Whether every account must have it.
    pub required: bool,
    /// The smallest number of characters (`MinLength`).
    pub shortest: Option<usize>,
    /// The largest number of characters. Cognito's own limit is 2,048.
    pub longest: Option<usize>,
    /// The smallest number (`MinValue`), for an attribute of numbers.
    pub least: Option<i128>,
    /// The largest number (`MaxValue`), for an attribute of numbers.
    pub most: Option<i128>,
    /// Its data type.
    pub data_type: DataType,
}

impl Default for AttributeSchema {
    fn default() -> Self {
        Self {
            mutable: true,
            required: false,
            shortest: None,
            longest: None,
            least: None,
            most: None,
            data_type: DataType::String,
        }
    }
}

impl AttributeSchema {
    /// Why the pool rejects this value, as far as its schema shows. `None` for an empty value,
    /// which deletes the attribute, and for a number that is not an integer: then the pool decides.
    pub fn refusal(&self, text: &str) -> Option<Reason> {
        let length = text.chars().count();
        if length == 0 {
            return None;
        }
        if length > self.longest.unwrap_or(VALUE_LENGTH_MAX) {
            return Some(Reason::TooLong);
        }
        if self.shortest.is_some_and(|shortest| length < shortest) {
            return Some(Reason::TooShort);
        }
        let number = text.trim().parse::<i128>().ok()?;
        let below = self.least.is_some_and(|least| number < least);
        let above = self.most.is_some_and(|most| number > most);
        (below || above).then_some(Reason::OutOfRange)
    }
}

/// The pool schema: what a pool can hold. The adapter reads it once and caches it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct PoolSchema {
    /// The attributes of the schema, with the `custom:` prefix.
    pub attributes: BTreeMap<AttributeName, AttributeSchema>,
    /// Attributes that serve as the username (`UsernameAttributes`). The username is the `sub`.
    pub username_attributes: BTreeSet<AttributeName>,
    /// Attributes that serve as sign-in aliases (`AliasAttributes`).
    pub alias_attributes: BTreeSet<AttributeName>,
    /// Attributes that make the pool send a code when an unverified value is written.
    pub verified_by_code: BTreeSet<AttributeName>,
    /// Whether usernames and addresses are case-sensitive.
    pub case_sensitive: bool,
    /// The groups that exist.
    pub groups: BTreeSet<GroupName>,
    /// The second factors that the pool offers.
    pub factors: BTreeSet<Factor>,
    /// Whether every user must give a second factor at sign-in (`MfaConfiguration` ON).
    pub mfa_required: bool,
    /// Attributes that some app client may write. Their values never prove an identity.
    pub client_writable: BTreeSet<AttributeName>,
    /// The prefix of the group names that Cognito creates for federated users: the pool id and an
    /// underscore (as in `eu-west-1_AbCdEfGhI_Google`). Empty if the id is not known.
    pub provider_groups: String,
    /// Addresses to which the pool sends the code for a forgotten password
    /// (`AccountRecoverySetting`). Empty if only administrators recover accounts. `None`: the pool
    /// has no such setting, and then any verified address serves.
    pub recovery: Option<BTreeSet<AttributeName>>,
}

impl PoolSchema {
    /// Whether `factor` is on for an account of this pool. `None` if that cannot be known.
    ///
    /// - The pool never asks for a factor that it does not offer, whatever the account's own
    ///   settings say.
    /// - A pool that requires a second factor asks every user with a phone number for a code by
    ///   SMS, verified or not, unless an authenticator app is registered. `UserMFASettingList` does
    ///   not show that.
    /// - Whether such a pool asks for a code by e-mail in the same way is not documented.
    pub fn factor_of(&self, account: &Account, factor: Factor) -> Option<bool> {
        let listed = account.factors.as_ref()?;
        if !self.factors.contains(&factor) {
            return None;
        }
        if listed.contains(&factor) {
            return Some(true);
        }
        let federated = account.status == Status::ExternalProvider;
        if !self.mfa_required || federated || listed.contains(&Factor::Totp) {
            return Some(false);
        }
        let others = Factor::TRAVELLING.into_iter().any(|other| listed.contains(&other));
        let holds = |name: &str| {
            account.attributes.iter().any(|(it, value)| it.as_str() == name && !value.is_empty())
        };
        let by_phone = self.factors.contains(&Factor::Sms) && holds("phone_number");
        match factor {
            Factor::Sms if by_phone => (!others).then_some(true),
            Factor::Email if holds("email") && !by_phone && !others => None,
            Factor::Sms | Factor::Email | Factor::Totp => Some(false),
        }
    }

    /// Whether the pool asks for that factor by its own rule, not because of the account's setting.
    pub fn requires_of_everyone(&self, account: &Account, factor: Factor) -> bool {
        let listed = account.factors.as_ref().is_some_and(|listed| listed.contains(&factor));
        !listed && self.factor_of(account, factor) == Some(true)
    }

    /// The second factors that are in force for an account of this pool: those of
    /// [`PoolSchema::factor_of`], and an authenticator app, which counts wherever it is registered.
    pub fn factors_in_force(&self, account: &Account) -> Option<BTreeSet<Factor>> {
        let listed = account.factors.as_ref()?;
        let totp = listed.contains(&Factor::Totp).then_some(Factor::Totp);
        let on = |factor: &Factor| self.factor_of(account, *factor) == Some(true);
        Some(Factor::TRAVELLING.into_iter().filter(on).chain(totp).collect())
    }

    /// Whether an address in that attribute is a sign-in name, so that accounts cannot share it.
    pub fn signs_in_by(&self, attribute: &AttributeName) -> bool {
        self.username_attributes.contains(attribute) || self.alias_attributes.contains(attribute)
    }

    /// Whether Cognito created this group in this pool for the users of one identity provider.
    /// Cognito manages the memberships of such a group itself, so apply never carries them over.
    pub fn is_provider_group(&self, group: &GroupName) -> bool {
        !self.provider_groups.is_empty() && group.as_str().starts_with(&self.provider_groups)
    }

    /// Whether the pool may report success for a write of that attribute and keep another value.
    /// Public reports say so about custom numbers (`aws-sdk-go` issue 3658). The pool keeps text
    /// and the standard attributes as they are.
    pub fn may_coerce(&self, attribute: &AttributeName) -> bool {
        let data_type = self.attributes.get(attribute).map(|schema| schema.data_type);
        let number = matches!(data_type, Some(DataType::Number | DataType::DateTime));
        number && attribute.as_str().starts_with("custom:")
    }
}

/// An account to be created. The creation intent fixes and stores it before the call
/// (`CreationIntentFirst`).
#[derive(Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The `Username` parameter of the call.
    pub username: Username,
    /// The attributes with which the account is created.
    pub attributes: BTreeMap<AttributeName, String>,
}

impl fmt::Debug for NewAccount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NewAccount")
            .field("attributes", &self.attributes.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(required: bool, factors: &[Factor]) -> PoolSchema {
        let factors = factors.iter().copied().collect();
        PoolSchema { factors, mfa_required: required, ..PoolSchema::default() }
    }

    fn account(attributes: &[(&str, &str)], listed: &[Factor]) -> Account {
        let attributes = attributes
            .iter()
            .map(|(name, value)| (AttributeName::try_from(*name).unwrap(), (*value).to_owned()));
        Account {
            sub: Sub::try_from("s-1").unwrap(),
            username: Username::try_from("pat").unwrap(),
            attributes: attributes.collect(),
            enabled: true,
            status: Status::Confirmed,
            groups: None,
            factors: Some(listed.iter().copied().collect()),
            created: Time::ZERO,
            modified: Time::ZERO,
        }
    }

    const PHONE: [(&str, &str); 2] =
        [("phone_number", "+15550100"), ("phone_number_verified", "false")];

    #[test]
    fn a_pool_that_requires_a_factor_asks_for_an_sms_code_if_there_is_a_phone_number() {
        let required = pool(true, &[Factor::Sms, Factor::Totp]);
        let with_phone = account(&PHONE, &[]);
        assert_eq!(required.factor_of(&with_phone, Factor::Sms), Some(true));
        assert!(required.requires_of_everyone(&with_phone, Factor::Sms));
        assert_eq!(required.factors_in_force(&with_phone), Some([Factor::Sms].into()));
        let optional = pool(false, &[Factor::Sms, Factor::Totp]);
        assert_eq!(optional.factor_of(&with_phone, Factor::Sms), Some(false));
        let without = account(&[("phone_number", "")], &[]);
        assert_eq!(required.factor_of(&without, Factor::Sms), Some(false));
        let by_app = account(&PHONE, &[Factor::Totp]);
        assert_eq!(required.factor_of(&by_app, Factor::Sms), Some(false));
        assert_eq!(required.factors_in_force(&by_app), Some([Factor::Totp].into()));
        let federated = Account { status: Status::ExternalProvider, ..with_phone };
        assert_eq!(required.factor_of(&federated, Factor::Sms), Some(false));
    }

    #[test]
    fn a_factor_is_unknown_where_the_behaviour_of_the_pool_is_not_documented() {
        let both = pool(true, &[Factor::Sms, Factor::Email]);
        let email = account(&[("email", "pat@example.com")], &[]);
        assert_eq!(both.factor_of(&email, Factor::Email), None);
        assert_eq!(both.factor_of(&account(&PHONE, &[Factor::Email]), Factor::Sms), None);
        assert_eq!(both.factor_of(&account(&PHONE, &[Factor::Sms]), Factor::Email), Some(false));
        let unread = Account { factors: None, ..email };
        assert_eq!(both.factor_of(&unread, Factor::Sms), None);
        assert_eq!(both.factors_in_force(&unread), None);
    }

    #[test]
    fn a_factor_that_the_pool_does_not_offer_is_not_in_force() {
        let by_app_only = pool(true, &[Factor::Totp]);
        let preference = account(&PHONE, &[Factor::Sms, Factor::Totp]);
        assert_eq!(by_app_only.factor_of(&preference, Factor::Sms), None);
        assert_eq!(by_app_only.factors_in_force(&preference), Some([Factor::Totp].into()));
        // A registered app counts even if the pool asks for no factor.
        let off = pool(false, &[]);
        assert_eq!(off.factors_in_force(&preference), Some([Factor::Totp].into()));
    }

    #[test]
    fn a_value_outside_the_schema_limits_is_rejected_with_the_reason() {
        let text = AttributeSchema { shortest: Some(3), longest: Some(5), ..Default::default() };
        // The limits count characters, not bytes.
        let cases = [
            ("", None),
            ("äö", Some(Reason::TooShort)),
            ("äöü", None),
            ("äöüäö", None),
            ("äöüäöü", Some(Reason::TooLong)),
        ];
        for (value, reason) in cases {
            assert_eq!(text.refusal(value), reason, "{value:?}");
        }
        let number = AttributeSchema { least: Some(-1), most: Some(5), ..Default::default() };
        let cases = [
            ("-2", Some(Reason::OutOfRange)),
            ("-1", None),
            ("5", None),
            ("6", Some(Reason::OutOfRange)),
            ("many", None),
            ("", None),
        ];
        for (value, reason) in cases {
            assert_eq!(number.refusal(value), reason, "{value:?}");
        }
        let open = AttributeSchema::default();
        assert_eq!(open.refusal(&"x".repeat(2048)), None);
        assert_eq!(open.refusal(&"x".repeat(2049)), Some(Reason::TooLong));
    }

    #[test]
    fn provider_groups_begin_with_the_pool_id() {
        let group = |name| GroupName::try_from(name).unwrap();
        let schema =
            PoolSchema { provider_groups: "eu-west-1_Old_".to_owned(), ..PoolSchema::default() };
        assert!(schema.is_provider_group(&group("eu-west-1_Old_Google")));
        assert!(!schema.is_provider_group(&group("eu-west-1_Older_Google")));
        assert!(!schema.is_provider_group(&group("staff")));
        assert!(!PoolSchema::default().is_provider_group(&group("staff")));
    }
}
