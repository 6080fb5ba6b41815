//! A user pool as people, their applications and the help desk use it. None of these calls goes
//! through the fault-injecting proxies, because they are not the bridge's calls.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use poolbridge_core::side::Side;
use serde_json::{Value, json};

use super::values::Values;
use crate::stack::CODE;
use crate::stack::http::{ServiceError, call};

/// One user pool.
#[derive(Clone, Debug)]
pub struct UserPool {
    /// The side of the pool.
    pub side: Side,
    /// Its id.
    pub id: String,
    /// The app client of the people's application.
    pub client: String,
    pub(super) url: String,
    pub(super) values: Values,
}

/// An account, as an administrator reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminView {
    /// The stored username.
    pub username: String,
    /// The `sub`.
    pub sub: String,
    /// The status, such as `CONFIRMED`.
    pub status: String,
    /// Whether the account may sign in.
    pub enabled: bool,
    /// Every attribute except the `sub`.
    pub attributes: BTreeMap<String, String>,
}

impl AdminView {
    /// An attribute's value, empty if there is none.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

impl UserPool {
    /// Calls one operation of the pool.
    pub async fn call(&self, operation: &str, input: &Value) -> anyhow::Result<Value> {
        call(&self.url, &format!("AWSCognitoIdentityProviderService.{operation}"), input)
            .await
            .with_context(|| format!("{operation} in the {} pool", self.side))
    }

    /// A person signs up, not confirmed yet. Returns the `sub`.
    pub async fn sign_up(
        &self,
        username: &str,
        password: &str,
        attributes: &[(&str, &str)],
    ) -> anyhow::Result<String> {
        self.values.note(username)?;
        self.values.note(password)?;
        let input = json!({"ClientId": self.client, "Username": username, "Password": password,
            "UserAttributes": self.attributes(attributes)?});
        let answer = self.call("SignUp", &input).await?;
        answer["UserSub"].as_str().map(str::to_owned).context("a sign-up without a sub")
    }

    /// The person confirms with the code that the pool sent. This fires the pool's trigger.
    pub async fn confirm(&self, username: &str) -> anyhow::Result<()> {
        let input =
            json!({"ClientId": self.client, "Username": username, "ConfirmationCode": CODE});
        self.call("ConfirmSignUp", &input).await.map(drop)
    }

    /// The person forgot the password and sets another. This fires the pool's trigger.
    pub async fn reset_password(&self, username: &str, password: &str) -> anyhow::Result<()> {
        self.values.note(password)?;
        let asked = json!({"ClientId": self.client, "Username": username});
        self.call("ForgotPassword", &asked).await?;
        let input = json!({"ClientId": self.client, "Username": username, "Password": password,
            "ConfirmationCode": CODE});
        self.call("ConfirmForgotPassword", &input).await.map(drop)
    }

    /// Whether this password opens the account.
    pub async fn signs_in(&self, username: &str, password: &str) -> anyhow::Result<bool> {
        let input = json!({"ClientId": self.client, "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": {"USERNAME": username, "PASSWORD": password}});
        match self.call("InitiateAuth", &input).await {
            Ok(answer) => Ok(answer.pointer("/AuthenticationResult/AccessToken").is_some()),
            Err(error) => match refusal(&error) {
                Some("InvalidPasswordException" | "NotAuthorizedException") => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// The help desk creates an account with a permanent password. No trigger fires.
    pub async fn create(
        &self,
        username: &str,
        password: &str,
        attributes: &[(&str, &str)],
    ) -> anyhow::Result<String> {
        self.values.note(username)?;
        let mut input = self.named(username);
        input["MessageAction"] = json!("SUPPRESS");
        input["UserAttributes"] = self.attributes(attributes)?;
        self.call("AdminCreateUser", &input).await?;
        self.set_password(username, password).await?;
        let account = self.account(username).await?.context("a new account that is not there")?;
        Ok(account.sub)
    }

    /// The help desk sets a password. No trigger fires.
    pub async fn set_password(&self, username: &str, password: &str) -> anyhow::Result<()> {
        self.values.note(password)?;
        let mut input = self.named(username);
        input["Password"] = json!(password);
        input["Permanent"] = json!(true);
        self.call("AdminSetUserPassword", &input).await.map(drop)
    }

    /// The help desk changes attributes. No trigger fires.
    pub async fn edit(&self, username: &str, attributes: &[(&str, &str)]) -> anyhow::Result<()> {
        let mut input = self.named(username);
        input["UserAttributes"] = self.attributes(attributes)?;
        self.call("AdminUpdateUserAttributes", &input).await.map(drop)
    }

    /// The help desk disables the account. No trigger fires.
    pub async fn disable(&self, username: &str) -> anyhow::Result<()> {
        self.call("AdminDisableUser", &self.named(username)).await.map(drop)
    }

    /// A person signs in. Returns the access token.
    pub async fn token(&self, username: &str, password: &str) -> anyhow::Result<String> {
        let input = json!({"ClientId": self.client, "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": {"USERNAME": username, "PASSWORD": password}});
        let answer = self.call("InitiateAuth", &input).await?;
        let token = answer.pointer("/AuthenticationResult/AccessToken").and_then(Value::as_str);
        token.map(str::to_owned).context("a sign-in without a token")
    }

    /// A person signs in. Returns the id token.
    pub async fn id_token(&self, username: &str, password: &str) -> anyhow::Result<String> {
        let input = json!({"ClientId": self.client, "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": {"USERNAME": username, "PASSWORD": password}});
        let answer = self.call("InitiateAuth", &input).await?;
        let token = answer.pointer("/AuthenticationResult/IdToken").and_then(Value::as_str);
        token.map(str::to_owned).context("a sign-in without a token")
    }

    /// A person calls an operation on their own account, with their access token.
    pub async fn call_as_user(
        &self,
        operation: &str,
        token: &str,
        mut input: Value,
    ) -> anyhow::Result<()> {
        input["AccessToken"] = json!(token);
        self.call(operation, &input).await.map(drop)
    }

    /// The help desk calls an operation that needs only the account's name.
    pub async fn administer(
        &self,
        operation: &str,
        username: &str,
        more: Value,
    ) -> anyhow::Result<()> {
        let mut input = self.named(username);
        if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
            input.extend(more);
        }
        self.call(operation, &input).await.map(drop)
    }

    /// The functions in the pool's trigger settings.
    pub async fn triggers(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let described = self.call("DescribeUserPool", &json!({"UserPoolId": self.id})).await?;
        let config = described["UserPool"]["LambdaConfig"].as_object().cloned();
        let name = |arn: &Value| {
            let arn = arn.as_str().or_else(|| arn["LambdaArn"].as_str())?;
            arn.rsplit(':').next().map(str::to_owned)
        };
        Ok(config
            .into_iter()
            .flatten()
            .filter_map(|(slot, arn)| {
                let slot = slot.strip_suffix("Config").unwrap_or(&slot).to_owned();
                Some((slot, name(&arn)?))
            })
            .collect())
    }

    /// Creates a group.
    pub async fn create_group(&self, group: &str) -> anyhow::Result<()> {
        let input = json!({"UserPoolId": self.id, "GroupName": group});
        self.call("CreateGroup", &input).await.map(drop)
    }

    /// An account joins a group. No trigger fires.
    pub async fn add_to_group(&self, username: &str, group: &str) -> anyhow::Result<()> {
        let mut input = self.named(username);
        input["GroupName"] = json!(group);
        self.call("AdminAddUserToGroup", &input).await.map(drop)
    }

    /// The groups of an account, by its stored username (cognito-local accepts only that here).
    pub async fn groups(&self, username: &str) -> anyhow::Result<BTreeSet<String>> {
        let answer = self.call("AdminListGroupsForUser", &self.named(username)).await?;
        let groups = answer["Groups"].as_array().cloned().unwrap_or_default();
        let name = |group: &Value| group["GroupName"].as_str().map(str::to_owned);
        groups.iter().map(|group| name(group).context("a group without a name")).collect()
    }

    /// Reads an account by username or `sub`, or by address if people sign in with it.
    pub async fn account(&self, username: &str) -> anyhow::Result<Option<AdminView>> {
        let answer = match self.call("AdminGetUser", &self.named(username)).await {
            Ok(answer) => answer,
            Err(error) if refusal(&error) == Some("UserNotFoundException") => return Ok(None),
            Err(error) => return Err(error),
        };
        let account = account(&answer)?;
        for value in account.attributes.values() {
            self.values.note(value)?;
        }
        Ok(Some(account))
    }

    /// The one account with that e-mail address, if there is one.
    pub async fn account_of(&self, email: &str) -> anyhow::Result<Option<AdminView>> {
        let filter = format!("email = \"{email}\"");
        let listed =
            self.call("ListUsers", &json!({"UserPoolId": self.id, "Filter": filter})).await?;
        match listed["Users"][0]["Username"].as_str() {
            Some(username) => self.account(username).await,
            None => Ok(None),
        }
    }

    /// Records a value of a person that no other call here records.
    pub fn note(&self, value: &str) -> anyhow::Result<()> {
        self.values.note(value)
    }

    /// The number of accounts in the pool.
    pub async fn size(&self) -> anyhow::Result<usize> {
        let listed = self.call("ListUsers", &json!({"UserPoolId": self.id})).await?;
        Ok(listed["Users"].as_array().map_or(0, Vec::len))
    }

    fn named(&self, username: &str) -> Value {
        json!({"UserPoolId": self.id, "Username": username})
    }

    fn attributes(&self, attributes: &[(&str, &str)]) -> anyhow::Result<Value> {
        for (_, value) in attributes {
            self.values.note(value)?;
        }
        let pairs = attributes.iter().map(|(name, value)| json!({"Name": name, "Value": value}));
        Ok(pairs.collect())
    }
}

fn account(answer: &Value) -> anyhow::Result<AdminView> {
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let pairs = answer["UserAttributes"].as_array().cloned().unwrap_or_default();
    let pair = |pair: &Value| {
        Some((pair["Name"].as_str()?.to_owned(), pair["Value"].as_str()?.to_owned()))
    };
    let mut attributes: BTreeMap<_, _> = pairs.iter().filter_map(pair).collect();
    let sub = attributes.remove("sub").context("an account without a sub")?;
    Ok(AdminView {
        username: text("Username"),
        sub,
        status: text("UserStatus"),
        enabled: answer["Enabled"].as_bool().unwrap_or_default(),
        attributes,
    })
}

/// The error code of a service's answer, if the error is one.
pub fn refusal(error: &anyhow::Error) -> Option<&str> {
    error.downcast_ref::<ServiceError>().map(|refusal| refusal.code.as_str())
}
