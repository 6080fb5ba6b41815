//! The sign-up guard with the real adapters: what each search asks, and what its answers decide.

use poolbridge_config::Configuration;
use poolbridge_core::error::ErrorKind;
use poolbridge_core::guard::{Guard, GuardDecision, SignUpRequest};
use poolbridge_core::limits;
use poolbridge_core::names::{AttributeName, Username};
use poolbridge_core::side::Side;
use serde_json::{Value, json};

use crate::client::pool_client;
use crate::clock::SystemClock;
use crate::cognito::{CognitoPool, PoolOptions};
use crate::dynamodb::DynamoLedger;
use crate::loopback::{Loopback, Reply, config_at};

const PAT: &str = "pat@example.com";

/// A confirmed account of the old pool with a verified address.
fn resident(name: &str, attribute: &str, value: &str) -> Value {
    let pair = |name: &str, value: &str| json!({"Name": name, "Value": value});
    let attributes = [pair("sub", name), pair(attribute, value), pair("email_verified", "true")];
    json!({
        "Username": name, "Enabled": true, "UserStatus": "CONFIRMED", "Attributes": attributes,
    })
}

/// Whether `ListUsers` shows that account for that filter, as its page describes filters.
fn shown(account: &Value, filter: &str) -> bool {
    let (attribute, rest) = filter.split_once(' ').unwrap();
    let (by, quoted) = rest.split_once(' ').unwrap();
    let mut value = String::new();
    let mut letters = quoted[1..quoted.len() - 1].chars();
    while let Some(letter) = letters.next() {
        value.push(if letter == '\\' { letters.next().unwrap() } else { letter });
    }
    let attributes = account["Attributes"].as_array().unwrap();
    let held = attributes.iter().find(|it| it["Name"] == attribute);
    let held = held.map_or(&account["Username"], |it| &it["Value"]);
    let named = attribute == "username" || held != &account["Username"];
    let held = held.as_str().unwrap();
    named && if by == "^=" { held.starts_with(&value) } else { held == value }
}

/// Pools that refuse a filter of more than 256 characters, and an empty table. `more`: each listing
/// announces a further page.
fn pools(residents: Vec<Value>, more: bool) -> Loopback {
    Loopback::new(move |(operation, body), _| match operation.as_str() {
        "DescribeUserPool" => Reply::Well(json!({"UserPool": {
            "Id": body["UserPoolId"], "AliasAttributes": ["email", "preferred_username"],
        }})),
        "ListUsers" => {
            let filter = body["Filter"].as_str().unwrap();
            if filter.chars().count() > limits::SEARCH_FILTER_MAX {
                return Reply::Badly(400, "InvalidParameterException");
            }
            let found = residents.iter().filter(|account| shown(account, filter));
            let mut answer = json!({"Users": found.collect::<Vec<_>>()});
            if more {
                answer["PaginationToken"] = json!("more");
            }
            Reply::Well(answer)
        }
        _ => Reply::Well(json!({})),
    })
}

/// The guard's decision about a sign-up in the new pool with that username and these attributes.
async fn decided(
    pools: &Loopback,
    called: &str,
    attributes: &[(&str, &str)],
) -> Result<GuardDecision, ErrorKind> {
    let url = &pools.endpoint_url;
    let file = format!(
        "name = \"acme\"\n[old]\nuser_pool_id = \"eu-west-1_A\"\nendpoint_url = \"{url}\"\n\
         [new]\nuser_pool_id = \"eu-west-1_B\"\nendpoint_url = \"{url}\"\n\
         [identity]\nmatch = \"email\"\n[policy]\nprovision = \"lazy\"\n"
    );
    let configuration = Configuration::parse("bridge.toml", &file).unwrap();
    let (sdk, clock) = (config_at(url).await, SystemClock::new());
    let ledger = DynamoLedger::new(aws_sdk_dynamodb::Client::new(&sdk), "acme").without_usernames();
    let settings = &configuration.pools.old;
    let client = pool_client(&sdk, settings, &clock).await;
    let options = PoolOptions { schema_only: true, ..PoolOptions::default() };
    let there = &CognitoPool::new(&client, settings, Side::Old, options, &clock);
    let guard = Guard { policy: &configuration.policy, there, ledger: &ledger, clock: &*clock };
    let pair = |(name, value): &(&str, &str)| {
        (AttributeName::try_from(*name).unwrap(), (*value).to_owned())
    };
    let request = SignUpRequest {
        side: Side::New,
        username: Some(Username::try_from(called).unwrap()),
        attributes: attributes.iter().map(pair).collect(),
    };
    guard.decide(&request).await.map_err(|error| error.kind)
}

fn searches(pools: &Loopback) -> usize {
    pools.operations().iter().filter(|it| *it == "ListUsers").count()
}

/// Each character takes two in a filter, so no filter holds the name.
fn long_name() -> String {
    "\"".repeat(limits::USERNAME_MAX)
}

/// A legal address that no filter holds.
fn long_address() -> String {
    let part = "b".repeat(58);
    format!("{}@{part}.{part}.{part}.example", "a".repeat(64))
}

#[tokio::test]
async fn a_value_too_long_for_a_filter_does_not_hide_the_holder_of_another_value() {
    let pools = pools(vec![resident("pat", "email", PAT)], false);
    let (email, refused) = (("email", PAT), Ok(GuardDecision::Refused));
    assert_eq!(decided(&pools, &long_name(), &[email]).await, refused);
    let alias = "x".repeat(300);
    let both = [email, ("preferred_username", alias.as_str())];
    assert_eq!(decided(&pools, "stranger", &both).await, refused);
}

#[tokio::test]
async fn a_value_too_long_for_a_filter_passes_if_no_account_holds_it() {
    let pools = pools(vec![resident("pat", "email", PAT)], false);
    let alias = "x".repeat(300);
    for (called, attributes) in [
        (long_name().as_str(), vec![("email", "new@example.com")]),
        ("someone", vec![("email", long_address().as_str())]),
        ("someone", vec![("preferred_username", alias.as_str())]),
    ] {
        assert_eq!(decided(&pools, called, &attributes).await, Ok(GuardDecision::Passes));
    }
}

#[tokio::test]
async fn a_value_too_long_for_a_filter_is_refused_if_an_account_holds_it() {
    let (name, address, alias) = (long_name(), long_address(), "x".repeat(300));
    let pools = pools(
        vec![
            resident(&name, "email", "one@example.com"),
            resident("two", "email", &address),
            resident("three", "preferred_username", &alias),
        ],
        false,
    );
    let (email, refused) = (("email", "new@example.com"), Ok(GuardDecision::Refused));
    assert_eq!(decided(&pools, &name, &[email]).await, refused);
    assert_eq!(decided(&pools, "stranger", &[("email", &address)]).await, refused);
    let both = [email, ("preferred_username", alias.as_str())];
    assert_eq!(decided(&pools, "stranger", &both).await, refused);
    // An account whose value only starts like the searched one does not hold it.
    let longer = format!("{address}s");
    assert_eq!(decided(&pools, "newcomer", &[("email", &longer)]).await, Ok(GuardDecision::Passes));
}

#[tokio::test]
async fn an_endless_listing_gives_no_decision() {
    let pools = pools(Vec::new(), true);
    let decided = decided(&pools, "someone", &[("email", &long_address())]).await;
    assert_eq!(decided, Err(ErrorKind::Invalid), "the configuration decides about the sign-up");
}

/// The refusal of one search arrives first: the guard still waits for the others.
#[tokio::test]
async fn a_search_that_fails_early_hides_no_account_that_another_finds_late() {
    let pools = Loopback::new(|(operation, body), _| match operation.as_str() {
        "DescribeUserPool" => Reply::Well(json!({"UserPool": {
            "Id": body["UserPoolId"], "AliasAttributes": ["email", "preferred_username"],
        }})),
        "ListUsers" if body["Filter"].as_str().unwrap().starts_with("email ") => {
            std::thread::sleep(std::time::Duration::from_millis(200));
            Reply::Well(json!({"Users": [resident("pat", "email", PAT)]}))
        }
        "ListUsers" => Reply::Badly(400, "NotAuthorizedException"),
        _ => Reply::Well(json!({})),
    });
    let names = [("email", PAT), ("preferred_username", "pat-2")];
    assert_eq!(decided(&pools, "pat-2", &names).await, Ok(GuardDecision::Refused));
}

#[tokio::test]
async fn a_value_that_no_account_can_hold_is_not_searched_for() {
    let pools = pools(vec![resident("pat", "email", PAT)], false);
    let endless = "x".repeat(limits::ATTRIBUTE_MAX + 1);
    let email = ("email", "new@example.com");
    assert_eq!(decided(&pools, "someone", &[email]).await, Ok(GuardDecision::Passes));
    let usual = searches(&pools);
    let both = [email, ("preferred_username", endless.as_str())];
    assert_eq!(decided(&pools, "someone", &both).await, Ok(GuardDecision::Passes));
    assert_eq!(searches(&pools), usual * 2);
}
