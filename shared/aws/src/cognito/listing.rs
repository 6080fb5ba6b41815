//! Lists a pool page by page for the sweep. The SDK makes no retries here, so the code that sets
//! the pace sees every throttle.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_cognitoidentityprovider as cognito;
use aws_sdk_cognitoidentityprovider::types::{
    LambdaConfigType, PreTokenGenerationVersionConfigType, UserType,
};
use aws_smithy_types::retry::RetryConfig;
use poolbridge_core::account::{Account, PoolSchema};
use poolbridge_core::error::PortError;
use poolbridge_core::names::{GroupName, Sub};
use poolbridge_core::ports::Pool as _;
use poolbridge_sweep_core::ports::{AccountLister, Page, PageStream};
use poolbridge_sweep_core::shard::Prefix;

use super::account::{of_listing, unreadable};
use super::{CognitoPool, PAGE, filter};
use crate::error::port_error;
use poolbridge_config::TriggerSlot;

/// One pool that the sweep lists.
#[derive(Clone, Debug)]
pub struct PoolLister(pub Arc<CognitoPool>);

/// What a pool reports about itself that changes from day to day.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Overview {
    /// About how many accounts it has (`EstimatedNumberOfUsers`).
    pub estimate: Option<u64>,
    /// The ARN of the function in each slot where poolbridge may attach one of its own.
    pub triggers: BTreeMap<TriggerSlot, String>,
}

impl CognitoPool {
    /// Reads the pool's overview (`DescribeUserPool`), anew each time.
    pub async fn overview(&self) -> Result<Overview, PortError> {
        const OPERATION: &str = "DescribeUserPool";
        let request = self.client.describe_user_pool().user_pool_id(&self.id);
        let answer = self.read_once(OPERATION, request.send()).await?;
        let pool = answer.user_pool.ok_or(unreadable(OPERATION))?;
        Ok(Overview {
            estimate: u64::try_from(pool.estimated_number_of_users).ok(),
            triggers: pool.lambda_config.as_ref().map(triggers).unwrap_or_default(),
        })
    }
}

fn triggers(config: &LambdaConfigType) -> BTreeMap<TriggerSlot, String> {
    let tokens = config.pre_token_generation_config();
    let tokens = tokens.map(PreTokenGenerationVersionConfigType::lambda_arn);
    let standing = [
        (TriggerSlot::PreSignUp, config.pre_sign_up()),
        (TriggerSlot::PostConfirmation, config.post_confirmation()),
        (TriggerSlot::PostAuthentication, config.post_authentication()),
        // If both settings are present, the pool keeps the older one equal to the newer one.
        (TriggerSlot::PreTokenGeneration, tokens.or(config.pre_token_generation())),
        (TriggerSlot::CustomMessage, config.custom_message()),
    ];
    let standing = standing.into_iter().filter_map(|(slot, arn)| Some((slot, arn?.to_owned())));
    standing.filter(|(_, arn)| !arn.is_empty()).collect()
}

impl AccountLister for PoolLister {
    type Accounts = AccountListing;
    type Members = MemberListing;

    async fn schema(&self) -> Result<Arc<PoolSchema>, PortError> {
        self.0.schema().await
    }

    async fn estimate(&self) -> Result<Option<u64>, PortError> {
        Ok(self.0.overview().await?.estimate)
    }

    fn accounts(&self, prefix: &Prefix) -> AccountListing {
        let filter = (!prefix.is_whole()).then(|| filter::of_prefix(prefix.as_str()));
        AccountListing { pool: Arc::clone(&self.0), filter, place: ListingPosition::Beginning }
    }

    fn members(&self, group: &GroupName) -> MemberListing {
        let group = group.as_str().to_owned();
        MemberListing { pool: Arc::clone(&self.0), group, place: ListingPosition::Beginning }
    }
}

/// The position of a listing. The page token never leaves it, because a token expires after an
/// hour.
#[derive(Clone, PartialEq, Eq)]
enum ListingPosition {
    Beginning,
    After(String),
    End,
}

impl ListingPosition {
    fn token(&self) -> Option<String> {
        match self {
            Self::After(token) => Some(token.clone()),
            Self::Beginning | Self::End => None,
        }
    }

    /// A page may be empty although more pages follow. Only a missing token marks the last page.
    fn next(token: Option<String>) -> Self {
        token.filter(|token| !token.is_empty()).map_or(Self::End, Self::After)
    }
}

/// The accounts of a pool, page by page (`ListUsers`).
pub struct AccountListing {
    pool: Arc<CognitoPool>,
    filter: Option<String>,
    place: ListingPosition,
}

/// The accounts in a group, page by page (`ListUsersInGroup`).
pub struct MemberListing {
    pool: Arc<CognitoPool>,
    group: String,
    place: ListingPosition,
}

/// No SDK retries: every attempt is a call of its own.
fn once() -> cognito::config::Builder {
    cognito::config::Builder::new().retry_config(RetryConfig::disabled())
}

impl PageStream<Account> for AccountListing {
    async fn next(&mut self) -> Result<Option<Page<Account>>, PortError> {
        if self.place == ListingPosition::End {
            return Ok(None);
        }
        let request = self.pool.client.list_users().user_pool_id(&self.pool.id).limit(PAGE);
        let request = request.set_filter(self.filter.clone());
        let request = request.set_pagination_token(self.place.token());
        let answer = request.customize().config_override(once()).send().await;
        let answer = answer.map_err(|error| port_error("ListUsers", &error))?;
        self.place = ListingPosition::next(answer.pagination_token);
        Ok(Some(page(answer.users, Ok)))
    }
}

impl PageStream<Sub> for MemberListing {
    async fn next(&mut self) -> Result<Option<Page<Sub>>, PortError> {
        if self.place == ListingPosition::End {
            return Ok(None);
        }
        let request = self.pool.client.list_users_in_group().user_pool_id(&self.pool.id);
        let request = request.group_name(&self.group).limit(PAGE);
        let request = request.set_next_token(self.place.token());
        let answer = request.customize().config_override(once()).send().await;
        let answer = answer.map_err(|error| port_error("ListUsersInGroup", &error))?;
        self.place = ListingPosition::next(answer.next_token);
        Ok(Some(page(answer.users, |account| Ok(account.sub))))
    }
}

/// A page in core's types. An account that cannot be decoded is counted and does not fail the page.
fn page<T>(
    users: Option<Vec<UserType>>,
    show: impl Fn(Account) -> Result<T, PortError>,
) -> Page<T> {
    let mut page = Page { read: Vec::new(), unreadable: 0 };
    for user in users.unwrap_or_default() {
        match of_listing(user).and_then(&show) {
            Ok(shown) => page.read.push(shown),
            Err(_) => page.unreadable += 1,
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_cognitoidentityprovider::types::PreTokenGenerationLambdaVersionType;

    #[test]
    fn a_listing_ends_only_at_a_page_without_a_token() {
        assert!(
            ListingPosition::next(None) == ListingPosition::End
                && ListingPosition::next(Some(String::new())) == ListingPosition::End
        );
        let after = ListingPosition::next(Some("token".to_owned()));
        assert_eq!(after.token().as_deref(), Some("token"));
    }

    #[test]
    fn an_unreadable_account_does_not_fail_its_page() {
        let nameless = UserType::builder().build();
        let page = page(Some(vec![nameless.clone(), nameless]), Ok);
        assert_eq!((page.read.len(), page.unreadable), (0, 2));
    }

    #[test]
    fn the_characters_of_a_part_are_escaped_in_the_filter() {
        assert_eq!(filter::of_prefix("0f"), r#"sub ^= "0f""#);
        assert_eq!(filter::of_prefix("\"\\"), r#"sub ^= "\"\\""#);
    }

    #[test]
    fn the_overview_names_the_function_in_each_slot() {
        let newer = PreTokenGenerationVersionConfigType::builder()
            .lambda_arn("newer")
            .lambda_version(PreTokenGenerationLambdaVersionType::V20)
            .build();
        let config = LambdaConfigType::builder()
            .post_confirmation("ours")
            .pre_sign_up("")
            .custom_message("message")
            .pre_token_generation_config(newer.expect("the configuration is complete"))
            .build();
        let standing = triggers(&config);
        assert_eq!(standing.get(&TriggerSlot::PostConfirmation).map(String::as_str), Some("ours"));
        let tokens = standing.get(&TriggerSlot::PreTokenGeneration).map(String::as_str);
        assert_eq!((tokens, standing.len()), (Some("newer"), 3));
        let message = standing.get(&TriggerSlot::CustomMessage).map(String::as_str);
        assert_eq!(message, Some("message"));
    }
}
