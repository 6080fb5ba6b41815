//! cognito-local: one process per user pool. Its triggers call Lambda functions.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::Install;
use super::ministack::{KEY, REGION};
use super::program::ProgramSpec;

/// Every confirmation code that a pool "sends".
pub const CODE: &str = "123456";

/// Seeds need a creation time, always the same one.
const MADE_AT: &str = "2026-01-01T00:00:00.000Z";

/// The settings of a pool without accounts.
#[derive(Clone, Debug)]
pub struct PoolSeed {
    /// Such as `us-east-1_OldPool01`; the prefix before the underscore is the pool's Region.
    pub id: String,
    /// The ids of its app clients. Every client may use every flow: flows are not enforced.
    pub clients: Vec<String>,
    /// `email`, `phone_number` or neither: whether people sign up with an address as username.
    pub username_attributes: Vec<String>,
    /// Described as AWS would; cognito-local finds no account by an alias.
    pub alias_attributes: Vec<String>,
    /// Addresses to which the pool sends codes at sign-up.
    pub auto_verified_attributes: Vec<String>,
    /// Described as AWS would; cognito-local is always case-sensitive.
    pub case_sensitive: bool,
    /// Custom attributes, without `custom:`, and whether they can be changed.
    pub custom: BTreeMap<String, bool>,
    /// Standard attributes that cannot be changed.
    pub immutable: Vec<String>,
    /// Whether the schema lists no standard attribute except the `sub`.
    pub bare: bool,
    /// Triggers by Cognito's names, such as `PostConfirmation`, with the function each one calls.
    pub triggers: BTreeMap<String, String>,
}

impl PoolSeed {
    /// A pool in which people choose a username, with one app client.
    pub fn new(id: &str, client: &str) -> Self {
        Self {
            id: id.to_owned(),
            clients: vec![client.to_owned()],
            username_attributes: Vec::new(),
            alias_attributes: Vec::new(),
            auto_verified_attributes: Vec::new(),
            case_sensitive: false,
            custom: BTreeMap::new(),
            immutable: Vec::new(),
            bare: false,
            triggers: BTreeMap::new(),
        }
    }

    /// One more app client.
    #[must_use]
    pub fn client(mut self, client: &str) -> Self {
        self.clients.push(client.to_owned());
        self
    }

    /// People sign up with their e-mail address, to which the pool sends codes.
    #[must_use]
    pub fn by_email(mut self) -> Self {
        self.username_attributes = vec!["email".to_owned()];
        self.auto_verified_attributes = vec!["email".to_owned()];
        self
    }

    /// One more custom attribute, which can be changed.
    #[must_use]
    pub fn custom(mut self, name: &str) -> Self {
        self.custom.insert(name.to_owned(), true);
        self
    }

    /// A pool whose schema lists only its custom attributes.
    #[must_use]
    pub const fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// Calls `function` on `trigger`.
    #[must_use]
    pub fn trigger(mut self, trigger: &str, function: &str) -> Self {
        self.triggers.insert(trigger.to_owned(), function.to_owned());
        self
    }

    fn options(&self) -> Value {
        let region = self.id.split('_').next().unwrap_or(REGION);
        let mut options = json!({
            "Id": self.id,
            "Name": self.id,
            "Arn": format!("arn:aws:cognito-idp:{region}:000000000000:userpool/{}", self.id),
            "CreationDate": MADE_AT,
            "LastModifiedDate": MADE_AT,
            "MfaConfiguration": "OFF",
            "EstimatedNumberOfUsers": 0,
            "UsernameConfiguration": {"CaseSensitive": self.case_sensitive},
            "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": false},
            "AccountRecoverySetting":
                {"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]},
            "Policies": {"PasswordPolicy": {
                "MinimumLength": 8, "RequireUppercase": true, "RequireLowercase": true,
                "RequireNumbers": true, "RequireSymbols": true, "TemporaryPasswordValidityDays": 7,
            }},
            "LambdaConfig": self.lambda_config(),
            "SchemaAttributes": self.schema(),
        });
        // AWS leaves these out when they are empty. cognito-local takes an empty list of verified
        // addresses for a pool that requires one.
        for (name, list) in [
            ("UsernameAttributes", &self.username_attributes),
            ("AliasAttributes", &self.alias_attributes),
            ("AutoVerifiedAttributes", &self.auto_verified_attributes),
        ] {
            if let (false, Some(options)) = (list.is_empty(), options.as_object_mut()) {
                options.insert(name.to_owned(), json!(list));
            }
        }
        options
    }

    fn lambda_config(&self) -> Value {
        let arn =
            |name: &String| json!(format!("arn:aws:lambda:{REGION}:000000000000:function:{name}"));
        self.triggers.iter().map(|(trigger, name)| (trigger.clone(), arn(name))).collect()
    }

    fn schema(&self) -> Vec<Value> {
        let text = "name given_name family_name middle_name nickname preferred_username profile \
                    picture website email gender zoneinfo locale phone_number address";
        let changes = |name: &str| !self.immutable.iter().any(|immutable| immutable == name);
        let mut schema = vec![attribute("sub", "String", false, Some((1, 2048)))];
        if !self.bare {
            let texts = text.split_whitespace();
            schema.extend(
                texts.map(|name| attribute(name, "String", changes(name), Some((0, 2048)))),
            );
            schema.push(attribute("birthdate", "String", changes("birthdate"), Some((10, 10))));
            schema.push(attribute("updated_at", "Number", true, None));
            schema.push(attribute("email_verified", "Boolean", true, None));
            schema.push(attribute("phone_number_verified", "Boolean", true, None));
        }
        schema.extend(self.custom.iter().map(|(name, mutable)| {
            attribute(&format!("custom:{name}"), "String", *mutable, Some((0, 2048)))
        }));
        schema
    }
}

/// The process for one pool, on `port`. Its triggers call the functions at `lambda`.
pub(super) fn program_spec(
    install: &Install,
    folder: &Path,
    seed: &PoolSeed,
    port: u16,
    lambda: &str,
) -> anyhow::Result<ProgramSpec<'static>> {
    write_seed(folder, seed, lambda).with_context(|| format!("the seed of pool {}", seed.id))?;
    Ok(again(install, folder, seed, port))
}

/// The process for a pool whose files exist already.
pub(super) fn again(
    install: &Install,
    folder: &Path,
    seed: &PoolSeed,
    port: u16,
) -> ProgramSpec<'static> {
    ProgramSpec {
        name: format!("pool-{}", seed.id),
        command: vec!["node".into(), install.cognito_local.clone().into()],
        environment: vec![
            ("PATH", install.path.clone()),
            ("HOME", folder.into()),
            ("TMPDIR", folder.into()),
            ("PORT", port.to_string().into()),
            ("HOST", "127.0.0.1".into()),
            ("CODE", CODE.into()),
            ("AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE", "1".into()),
        ],
        health: format!("http://127.0.0.1:{port}/health"),
    }
}

/// The pool's data as it is now: cognito-local writes it at each change.
pub(super) fn data(folder: &Path) -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
    let db = folder.join(".cognito/db");
    let files = fs::read_dir(&db).with_context(|| db.display().to_string())?;
    files
        .map(|file| {
            let path = file?.path();
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            Ok((path, bytes))
        })
        .collect()
}

/// cognito-local reads these files only at its start.
fn write_seed(folder: &Path, seed: &PoolSeed, lambda: &str) -> anyhow::Result<()> {
    let home = folder.join(".cognito");
    fs::create_dir_all(home.join("db"))?;
    let credentials = json!({"accessKeyId": KEY, "secretAccessKey": KEY});
    let config = json!({
        "LambdaClient": {"endpoint": lambda, "region": REGION, "credentials": credentials},
        "TriggerFunctions": seed.triggers,
        // By default, every pool would use e-mail addresses as usernames.
        "UserPoolDefaults": {"UsernameAttributes": seed.username_attributes},
    });
    let client = |id: &String| {
        json!({
            "ClientId": id, "ClientName": id, "UserPoolId": seed.id,
            "CreationDate": MADE_AT, "LastModifiedDate": MADE_AT,
            "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH",
                "ALLOW_REFRESH_TOKEN_AUTH"],
            "AccessTokenValidity": 1, "IdTokenValidity": 1, "RefreshTokenValidity": 1,
            "TokenValidityUnits":
                {"AccessToken": "hours", "IdToken": "hours", "RefreshToken": "days"},
        })
    };
    let clients: Value = seed.clients.iter().map(|id| (id.clone(), client(id))).collect();
    let pool = json!({"Users": {}, "Groups": {}, "Options": seed.options()});
    write_json(&home.join("config.json"), &config)?;
    write_json(&home.join("db/clients.json"), &json!({"Clients": clients}))?;
    write_json(&home.join(format!("db/{}.json", seed.id)), &pool)
}

fn write_json(path: &Path, value: &Value) -> anyhow::Result<()> {
    fs::write(path, serde_json::to_vec(value)?).with_context(|| path.display().to_string())
}

fn attribute(name: &str, kind: &str, mutable: bool, length: Option<(u32, u32)>) -> Value {
    let mut attribute = json!({
        "Name": name,
        "AttributeDataType": kind,
        "DeveloperOnlyAttribute": false,
        "Mutable": mutable,
        "Required": name == "sub",
    });
    if let (Some((least, most)), Some(fields)) = (length, attribute.as_object_mut()) {
        let bounds = json!({"MinLength": least.to_string(), "MaxLength": most.to_string()});
        fields.insert("StringAttributeConstraints".to_owned(), bounds);
    }
    attribute
}
