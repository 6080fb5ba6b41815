//! Tests the adapter against a pool on the loopback interface.

mod deleting;
mod guard;
mod writing;

use std::time::Duration;

use poolbridge_core::account::{Account, AccountRef, Status};
use poolbridge_core::error::ErrorKind;
use poolbridge_core::names::{GroupName, Sub, Username};
use poolbridge_core::ports::{Clock, Pool, Search, SearchAnswer};
use poolbridge_core::step::Action;
use poolbridge_core::time::Time;
use serde_json::{Value, json};

use super::CognitoPool;
use crate::loopback::{Loopback, LoopbackRequest, Reply};

fn account_ref(username: Option<&str>) -> AccountRef {
    let username = username.map(|name| Username::try_from(name).unwrap());
    AccountRef { sub: Sub::try_from("s-1").unwrap(), username }
}

fn account(username: &str, sub: &str) -> Value {
    json!({ "Username": username, "Enabled": true, "UserStatus": "CONFIRMED",
            "UserAttributes": [{ "Name": "sub", "Value": sub }] })
}

fn listed(username: &str, attributes: &[(&str, &str)]) -> Value {
    let attributes: Vec<Value> =
        attributes.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
    json!({ "Username": username, "Enabled": true, "Attributes": attributes })
}

/// Answers the calls about the pool itself; the test answers the others.
fn described(request: &LoopbackRequest, pool: &Value, other: impl FnOnce() -> Reply) -> Reply {
    match request.0.as_str() {
        "DescribeUserPool" => Reply::Well(json!({ "UserPool": pool })),
        "ListGroups" => Reply::Well(json!({ "Groups": [] })),
        "GetUserPoolMfaConfig" => Reply::Well(json!({ "MfaConfiguration": "OFF" })),
        _ => other(),
    }
}

/// A plain pool that answers all other calls by `reply`.
fn plain(reply: impl Fn(&LoopbackRequest, usize) -> Reply + Send + Sync + 'static) -> Loopback {
    Loopback::new(move |request, count| described(request, &json!({}), || reply(request, count)))
}

async fn found(pool: &CognitoPool, search: &Search) -> Vec<Account> {
    match pool.find(search).await.unwrap() {
        SearchAnswer::Accounts(found) => found,
        SearchAnswer::CannotBeSearched => panic!("the search cannot be asked"),
    }
}

fn count(pool: &Loopback, operation: &str) -> usize {
    pool.operations().iter().filter(|found| *found == operation).count()
}

#[tokio::test]
async fn a_schema_is_read_once_for_concurrent_callers() {
    let loopback = Loopback::new(|request, _| {
        described(request, &json!({ "AutoVerifiedAttributes": ["email"] }), || Reply::Lost)
    });
    let pool = loopback.pool().await;
    let (one, two) = tokio::join!(pool.schema(), pool.schema());
    assert_eq!(one, two);
    assert_eq!(one.unwrap().verified_by_code.len(), 1);
    pool.schema().await.unwrap();
    assert_eq!(loopback.operations().len(), 3, "{:?}", loopback.operations());
}

#[tokio::test]
async fn unreadable_groups_are_a_port_error_and_not_an_empty_list() {
    let loopback = Loopback::new(|request, _| match request.0.as_str() {
        "ListGroups" => Reply::Badly(400, "AccessDeniedException"),
        _ => described(request, &json!({}), || Reply::Lost),
    });
    let pool = loopback.pool().await;
    let (one, two) = tokio::join!(pool.schema(), pool.schema());
    assert_eq!(one.unwrap_err().kind, ErrorKind::Denied);
    assert_eq!(two.unwrap_err().kind, ErrorKind::Denied);
    assert_eq!(count(&loopback, "ListGroups"), 1, "the waiting caller shares the port error");
}

#[tokio::test]
async fn an_emulator_without_the_mfa_operation_has_no_factors() {
    let loopback = Loopback::new(|request, _| match request.0.as_str() {
        "GetUserPoolMfaConfig" => Reply::Badly(400, "UnknownOperationException"),
        _ => described(request, &json!({}), || Reply::Lost),
    });
    assert!(loopback.pool().await.schema().await.unwrap().factors.is_empty());
}

#[tokio::test]
async fn the_clock_learns_from_date_headers() {
    let loopback =
        plain(|_, _| Reply::Dated("Wed, 01 Jan 2098 00:00:00 GMT", account("ada", "s-1")));
    let (pool, clock) = loopback.pool_and_clock().await;
    pool.read(&account_ref(Some("ada"))).await.unwrap();
    let year_2098 = Time(4_039_372_800_000);
    assert!(clock.now() >= year_2098, "{}", clock.now());
    assert!(clock.now().since(year_2098) < Duration::from_secs(30));
}

#[tokio::test]
async fn a_username_that_looks_like_a_sub_is_not_taken_for_the_sub() {
    // Another person chose Ada's `sub` as a username. The listing shows which account has the
    // `sub`.
    let loopback = plain(|request, _| match (request.0.as_str(), &request.1["Username"]) {
        ("AdminGetUser", name) if name == "s-1" => Reply::Well(account("s-1", "s-2")),
        ("AdminGetUser", _) => Reply::Well(account("ada", "s-1")),
        _ => Reply::Well(json!({ "Users": [listed("ada", &[("sub", "s-1")])] })),
    });
    let found = loopback.pool().await.read(&account_ref(None)).await.unwrap().unwrap();
    assert_eq!(found.sub.as_str(), "s-1");
}

#[tokio::test]
async fn an_alias_does_not_count_as_a_username() {
    let loopback = plain(|_, _| Reply::Well(account("grace", "s-2")));
    let pool = loopback.pool().await;
    let name = Username::try_from("ada").unwrap();
    assert_eq!(pool.read_name(&name).await.unwrap(), None);
}

#[tokio::test]
async fn a_missing_account_is_an_answer_and_a_missing_pool_is_a_port_error() {
    let loopback = plain(|request, _| match request.0.as_str() {
        "ListUsers" => Reply::Well(json!({ "Users": [] })),
        _ => Reply::Badly(400, "UserNotFoundException"),
    });
    let pool = loopback.pool().await;
    assert_eq!(pool.read(&account_ref(Some("ada"))).await.unwrap(), None);
    assert_eq!(pool.read(&account_ref(None)).await.unwrap(), None);
    let error = pool.groups(&account_ref(Some("ada"))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AccountGone);
    let loopback = plain(|_, _| Reply::Badly(400, "ResourceNotFoundException"));
    let error = loopback.pool().await.read(&account_ref(Some("ada"))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Missing, "the pool is gone, not the person");
}

#[tokio::test]
async fn groups_are_read_completely_or_not_at_all() {
    let page = |name: &str, next: Value| {
        Reply::Well(json!({ "Groups": [{ "GroupName": name }], "NextToken": next }))
    };
    let whole = plain(move |_, count| match count {
        0 => page("admins", json!("more")),
        _ => page("staff", Value::Null),
    });
    let found = whole.pool().await.groups(&account_ref(Some("ada"))).await.unwrap();
    assert_eq!(found.len(), 2);
    let part = plain(move |_, count| match count {
        0 => page("admins", json!("more")),
        _ => Reply::Badly(400, "NotAuthorizedException"),
    });
    let error = part.pool().await.groups(&account_ref(Some("ada"))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    let endless = plain(move |_, _| page("admins", json!("more")));
    let error = endless.pool().await.groups(&account_ref(Some("ada"))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreadable);
}

#[tokio::test]
async fn a_search_continues_past_an_empty_page() {
    let ada = listed("ada", &[("sub", "s-1"), ("email", "ada@example.com")]);
    let pat = listed("pat", &[("sub", "s-2"), ("email", "Ada@example.com")]);
    let loopback = plain(move |_, count| match count {
        0 => Reply::Well(json!({ "Users": [], "PaginationToken": "more" })),
        _ => Reply::Well(json!({ "Users": [ada, pat] })),
    });
    let search = Search::Email("ada@example.com".to_owned());
    let found = found(&loopback.pool().await, &search).await;
    assert_eq!(found.len(), 2, "the caller decides whether case matters");
    assert_eq!((found[0].groups.as_ref(), found[0].factors.as_ref()), (None, None));
    let (_, body) = loopback.requests().pop().unwrap();
    assert_eq!(body["PaginationToken"], "more");
    assert_eq!(body["Filter"], r#"email = "ada@example.com""#);
}

#[tokio::test]
async fn groups_of_identity_providers_are_neither_listed_nor_read() {
    let groups =
        json!({ "Groups": [{ "GroupName": "us-east-1_A_Google" }, { "GroupName": "staff" }] });
    let loopback = Loopback::new(move |request, _| match request.0.as_str() {
        "ListGroups" | "AdminListGroupsForUser" => Reply::Well(groups.clone()),
        _ => described(request, &json!({}), || Reply::Lost),
    });
    let pool = loopback.pool().await;
    let staff = [GroupName::try_from("staff").unwrap()].into();
    let schema = pool.schema().await.unwrap();
    assert_eq!(schema.groups, staff);
    assert!(schema.is_provider_group(&GroupName::try_from("us-east-1_A_Google").unwrap()));
    assert_eq!(pool.groups(&account_ref(Some("ada"))).await.unwrap(), staff);
    assert_eq!(pool.every_group().await.unwrap(), staff);
}

#[tokio::test]
async fn a_group_lookup_reads_no_list_and_removes_a_missing_group_from_the_schema() {
    let groups = json!({ "Groups": [{ "GroupName": "staff" }, { "GroupName": "guests" }] });
    let loopback = Loopback::new(move |request, _| match request.0.as_str() {
        "ListGroups" => Reply::Well(groups.clone()),
        "GetGroup" if request.1["GroupName"] == "staff" => Reply::Well(json!({ "Group": {} })),
        "GetGroup" if request.1["GroupName"] == "guests" => {
            Reply::Badly(400, "ResourceNotFoundException")
        }
        "GetGroup" => Reply::Badly(400, "AccessDeniedException"),
        _ => described(request, &json!({}), || Reply::Lost),
    });
    let pool = loopback.pool().await;
    let group = |name| GroupName::try_from(name).unwrap();
    assert_eq!(pool.schema().await.unwrap().groups.len(), 2);
    assert!(pool.has_group(&group("staff")).await.unwrap());
    assert!(!pool.has_group(&group("guests")).await.unwrap());
    assert_eq!(pool.has_group(&group("other")).await.unwrap_err().kind, ErrorKind::Denied);
    assert_eq!(pool.schema().await.unwrap().groups, [group("staff")].into());
    assert_eq!(count(&loopback, "ListGroups"), 1);
}

#[tokio::test]
async fn a_search_that_cannot_be_asked_is_an_answer_and_no_port_error() {
    let refusing = plain(|_, _| Reply::Badly(400, "InvalidParameterException"));
    let pool = refusing.pool().await;
    let short = Search::Email("ada@example.com".to_owned());
    assert_eq!(pool.find(&short).await.unwrap(), SearchAnswer::CannotBeSearched);
    let throttled = plain(|_, _| Reply::Badly(400, "NotAuthorizedException"));
    let error = throttled.pool().await.find(&short).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    // A listing that does not end may have accounts that were not read.
    let endless = plain(|_, _| Reply::Well(json!({ "Users": [], "PaginationToken": "more" })));
    let answer = endless.pool().await.find(&short).await.unwrap();
    assert_eq!(answer, SearchAnswer::CannotBeSearched);
}

#[tokio::test]
async fn a_value_too_long_for_a_filter_matches_only_equal_values() {
    let long = format!("{}@example.com", "a".repeat(250));
    let other = format!("{long}.au");
    let users = json!({ "Users": [
        listed("ada", &[("sub", "s-1"), ("email", &long)]),
        listed("bob", &[("sub", "s-2"), ("email", &other)]),
    ] });
    let loopback = plain(move |_, _| Reply::Well(users.clone()));
    let answer = loopback.pool().await.find(&Search::Email(long)).await.unwrap();
    let SearchAnswer::Accounts(found) = answer else { panic!("the search cannot be asked") };
    assert_eq!(found.iter().map(|it| it.sub.as_str()).collect::<Vec<_>>(), ["s-1"]);
    let filter = loopback.requests().pop().unwrap().1["Filter"].as_str().unwrap().to_owned();
    assert!(filter.starts_with(r#"email ^= "aaa"#) && filter.len() == 256, "{filter}");
}

/// A pool whose usernames are addresses, and which finds a federated account by its username only.
fn with_federated(
    reply: impl Fn(&LoopbackRequest) -> Option<Reply> + Send + Sync + 'static,
) -> Loopback {
    let by_email = json!({ "UsernameAttributes": ["email"] });
    Loopback::new(move |request, _| {
        described(request, &by_email, || {
            reply(request).unwrap_or_else(|| match (request.0.as_str(), &request.1["Username"]) {
                ("ListUsers", _) => {
                    let mut federated = listed("Google_1", &[("sub", "s-1")]);
                    federated["UserStatus"] = json!("EXTERNAL_PROVIDER");
                    Reply::Well(json!({ "Users": [federated] }))
                }
                ("AdminGetUser", name) if name == "Google_1" => {
                    let mut federated = account("Google_1", "s-1");
                    federated["UserStatus"] = json!("EXTERNAL_PROVIDER");
                    Reply::Well(federated)
                }
                (_, name) if name == "Google_1" => Reply::Well(json!({ "Groups": [] })),
                _ => Reply::Badly(400, "UserNotFoundException"),
            })
        })
    })
}

#[tokio::test]
async fn a_federated_account_is_addressed_by_its_username() {
    let loopback = with_federated(|_| None);
    let pool = loopback.pool().await;
    for account_ref in [account_ref(Some("Google_1")), account_ref(None)] {
        let found = pool.read(&account_ref).await.unwrap().expect("the account exists");
        assert_eq!((found.sub.as_str(), found.status), ("s-1", Status::ExternalProvider));
        pool.groups(&account_ref).await.unwrap();
        let soon = pool.clock.now() + Duration::from_secs(10);
        pool.write(&account_ref, &Action::Disable, soon).await.unwrap();
    }
    let another = Sub::try_from("s-2").unwrap();
    assert!(pool.canary(&another).await.unwrap(), "a federated account is a canary");
}

#[tokio::test]
async fn the_canary_is_a_local_account_if_there_is_one() {
    let loopback = with_federated(|request| match (request.0.as_str(), &request.1["Username"]) {
        ("ListUsers", _) => {
            let mut federated = listed("Google_1", &[("sub", "s-1")]);
            federated["UserStatus"] = json!("EXTERNAL_PROVIDER");
            let local = listed("s-3", &[("sub", "s-3")]);
            Some(Reply::Well(json!({ "Users": [federated, local] })))
        }
        ("AdminGetUser", name) if name == "s-3" => Some(Reply::Well(account("s-3", "s-3"))),
        (_, name) if name == "s-3" => Some(Reply::Well(json!({ "Groups": [] }))),
        _ => None,
    });
    assert!(loopback.pool().await.canary(&Sub::try_from("s-2").unwrap()).await.unwrap());
    let asked = loopback.requests();
    let read = asked.iter().filter(|(operation, _)| operation == "AdminGetUser");
    assert_eq!(read.map(|(_, body)| body["Username"].clone()).collect::<Vec<_>>(), ["s-3"]);
}

#[tokio::test]
async fn a_pool_requires_a_factor_only_if_its_settings_say_on() {
    for (setting, required) in [("ON", true), ("OPTIONAL", false), ("OFF", false)] {
        let loopback = Loopback::new(move |request, _| match request.0.as_str() {
            "GetUserPoolMfaConfig" => Reply::Well(json!({"MfaConfiguration": setting})),
            _ => described(request, &json!({}), || Reply::Lost),
        });
        let schema = loopback.pool().await.schema().await.unwrap();
        assert_eq!(schema.mfa_required, required, "{setting}");
    }
}
