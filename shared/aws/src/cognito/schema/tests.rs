//! What a pool says about itself, read into the schema.

use super::*;
use aws_sdk_cognitoidentityprovider::types::{
    EmailMfaConfigType, RecoveryOptionNameType, RecoveryOptionType, SmsConfigurationType,
};
use mfa::GetUserPoolMfaConfigOutput;

fn attribute(name: &str) -> AttributeName {
    AttributeName::try_from(name).unwrap()
}

fn custom(name: &str, mutable: Option<bool>, longest: Option<&str>) -> SchemaAttributeType {
    let constraints = longest
        .map(|longest| StringAttributeConstraintsType::builder().max_length(longest).build());
    SchemaAttributeType::builder()
        .name(name)
        .set_mutable(mutable)
        .set_string_attribute_constraints(constraints)
        .build()
}

fn pool() -> UserPoolType {
    let updates = UserAttributeUpdateSettingsType::builder()
        .attributes_require_verification_before_update(VerifiedAttributeType::PhoneNumber);
    let password = PasswordPolicyType::builder().minimum_length(64).build();
    UserPoolType::builder()
        .schema_attributes(custom("sub", Some(false), None))
        .schema_attributes(custom("custom:dept", None, Some("20")))
        .schema_attributes(custom("custom:hired", Some(false), Some("many")))
        .username_attributes(UsernameAttributeType::Email)
        .auto_verified_attributes(VerifiedAttributeType::Email)
        .user_attribute_update_settings(updates.build())
        .policies(UserPoolPolicyType::builder().password_policy(password).build())
        .username_configuration(
            UsernameConfigurationType::builder().case_sensitive(false).build().unwrap(),
        )
        .build()
}

#[test]
fn a_description_yields_schema_and_options() {
    let described = of_pool(&pool());
    assert!(described.addressed_by_sub());
    assert_eq!(described.password_length, 64);
    let schema = described.schema;
    let dept = AttributeSchema { longest: Some(20), ..AttributeSchema::default() };
    let hired = AttributeSchema { mutable: false, ..AttributeSchema::default() };
    assert_eq!(schema.attributes.get(&attribute("custom:dept")), Some(&dept));
    assert_eq!(schema.attributes.get(&attribute("custom:hired")), Some(&hired));
    assert!(!schema.attributes.contains_key(&attribute("sub")));
    let by_code = [attribute("email"), attribute("phone_number")];
    assert_eq!(schema.verified_by_code, BTreeSet::from(by_code));
    assert!(schema.signs_in_by(&attribute("email")) && !schema.case_sensitive);
    let writable = mutable(&schema);
    assert!(writable.contains(&attribute("custom:dept")));
    assert!(!writable.contains(&attribute("custom:hired")));
}

#[test]
fn standard_attributes_and_verified_flags_exist_in_every_pool() {
    let schema = of_pool(&pool()).schema;
    for name in STANDARD.into_iter().chain(VERIFIED_FLAGS) {
        let found = schema.attributes.get(&attribute(name));
        assert_eq!(found, Some(&AttributeSchema::default()), "{name}");
    }
    let listed = SchemaAttributeType::builder().name("email").mutable(false).build();
    let listed = UserPoolType::builder().schema_attributes(listed).build();
    let email = of_pool(&listed).schema.attributes[&attribute("email")].clone();
    assert!(!email.mutable, "the description of a standard attribute wins");
    let silent = of_pool(&UserPoolType::builder().build());
    assert!(silent.schema.attributes.is_empty(), "no schema means no attributes");
}

#[test]
fn a_schema_has_bounds_and_required_attributes() {
    let text = StringAttributeConstraintsType::builder().min_length("3").max_length("20");
    let numbers = NumberAttributeConstraintsType::builder().min_value("0").max_value("5");
    let pool = UserPoolType::builder()
        .schema_attributes(
            SchemaAttributeType::builder()
                .name("custom:nick")
                .required(true)
                .string_attribute_constraints(text.build())
                .build(),
        )
        .schema_attributes(
            SchemaAttributeType::builder()
                .name("custom:level")
                .number_attribute_constraints(numbers.build())
                .build(),
        )
        .build();
    let attributes = &of_pool(&pool).schema.attributes;
    let (shortest, longest) = (Some(3), Some(20));
    let nick = AttributeSchema { required: true, shortest, longest, ..AttributeSchema::default() };
    let level = AttributeSchema { least: Some(0), most: Some(5), ..AttributeSchema::default() };
    assert_eq!(attributes.get(&attribute("custom:nick")), Some(&nick));
    assert_eq!(attributes.get(&attribute("custom:level")), Some(&level));
}

#[test]
fn a_short_description_means_the_api_defaults() {
    let described = of_pool(&UserPoolType::builder().build());
    assert!(described.schema.case_sensitive && !described.addressed_by_sub());
}

#[test]
fn a_description_shows_by_which_addresses_people_recover() {
    use RecoveryOptionNameType::{AdminOnly, VerifiedEmail, VerifiedPhoneNumber};
    let recovery = |names: &[RecoveryOptionNameType]| {
        let mut setting = AccountRecoverySettingType::builder();
        for (priority, name) in (1..).zip(names) {
            let mechanism = RecoveryOptionType::builder().name(name.clone()).priority(priority);
            setting = setting.recovery_mechanisms(mechanism.build().unwrap());
        }
        let pool = UserPoolType::builder().account_recovery_setting(setting.build());
        of_pool(&pool.build()).schema.recovery.clone()
    };
    let (email, phone) = (attribute("email"), attribute("phone_number"));
    assert_eq!(recovery(&[AdminOnly]), Some(BTreeSet::new()));
    assert_eq!(recovery(&[VerifiedEmail]), Some(BTreeSet::from([email.clone()])));
    let both = Some(BTreeSet::from([email, phone]));
    assert_eq!(recovery(&[VerifiedPhoneNumber, VerifiedEmail]), both);
    assert_eq!(of_pool(&UserPoolType::builder().build()).schema.recovery, None);
}

#[test]
fn a_factor_is_allowed_only_if_it_is_set_up() {
    let all = GetUserPoolMfaConfigOutput::builder()
        .mfa_configuration(UserPoolMfaType::Optional)
        .software_token_mfa_configuration(
            SoftwareTokenMfaConfigType::builder().enabled(true).build(),
        )
        .email_mfa_configuration(EmailMfaConfigType::builder().build());
    let sender = SmsConfigurationType::builder().sns_caller_arn("arn").build();
    let sms = SmsMfaConfigType::builder().sms_configuration(sender).build();
    let whole = all.clone().sms_mfa_configuration(sms).build();
    assert_eq!(of_factors(&whole), BTreeSet::from([Factor::Sms, Factor::Email, Factor::Totp]));
    let empty = all.clone().sms_mfa_configuration(SmsMfaConfigType::builder().build());
    assert_eq!(of_factors(&empty.build()), BTreeSet::from([Factor::Email, Factor::Totp]));
    let off = all.mfa_configuration(UserPoolMfaType::Off).build();
    assert_eq!(of_factors(&off), BTreeSet::new());
}
