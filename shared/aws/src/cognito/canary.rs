//! Checks that the pool still shows its accounts, before an account counts as deleted.

use poolbridge_core::account::Account;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::Pool;

use super::CognitoPool;
use super::account::of_listing;

impl CognitoPool {
    /// Whether an account other than `except` can be read and still has its own `sub`, groups
    /// included.
    ///
    /// The check takes one page of `ListUsers` without a filter, which bills no user. It usually
    /// takes one `AdminGetUser`, which makes that account's owner a billed monthly active user of
    /// the pool. A pool lists in an order of its own, so it is usually the same account, and the
    /// cost is one user per month.
    pub(super) async fn someone_reads(&self, except: &Sub) -> Result<bool, PortError> {
        const OPERATION: &str = "ListUsers";
        let asked = i32::try_from(limits::CANARY_ACCOUNTS_MAX + 1).unwrap_or(super::PAGE);
        let mut left = limits::CANARY_ACCOUNTS_MAX;
        let mut token = None;
        for _ in 0..limits::FIND_PAGES_MAX {
            let request = self.client.list_users().user_pool_id(&self.id).limit(asked);
            let request = request.set_pagination_token(token.take());
            let page = self.read_once(OPERATION, request.send()).await?;
            // An account that cannot be decoded is no canary account, and no reason to stop.
            let listed =
                page.users.unwrap_or_default().into_iter().filter_map(|it| of_listing(it).ok());
            let mut listed: Vec<_> = listed.filter(|account| account.sub != *except).collect();
            // Local accounts come first: a federated account counts too, but its pool may bill more
            // for it.
            listed.sort_by_key(Account::federated);
            for account in listed {
                if left == 0 {
                    return Ok(false);
                }
                left -= 1;
                let found = self
                    .get(account.username.reveal())
                    .await?
                    .filter(|found| found.sub == account.sub);
                if let Some(found) = found
                    && self.lists_groups(&found).await?
                {
                    return Ok(true);
                }
            }
            // A page may be empty although more pages follow.
            token = page.pagination_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Whether the pool lists this account's groups, as it must for a person who is observed.
    /// `true` if groups are not copied.
    async fn lists_groups(&self, account: &Account) -> Result<bool, PortError> {
        if !self.options.groups {
            return Ok(true);
        }
        match self.groups(&account.account_ref()).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == ErrorKind::AccountGone => Ok(false),
            Err(error) => Err(error),
        }
    }
}
