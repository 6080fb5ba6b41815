//! Whether the pool still shows its accounts: asked before anybody is taken for deleted.

use poolbridge_core::account::Account;
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::Pool;

use super::CognitoPool;
use super::account::of_listing;

impl CognitoPool {
    /// Whether some other account than `except` reads under its own `sub`, its groups included.
    ///
    /// One page of `ListUsers`, without a filter (it bills nobody), and one `AdminGetUser` as a rule,
    /// which makes that account's owner a billed monthly user of the pool. A pool lists in an order of
    /// its own, so it is the same account most times, and the price one user a month.
    pub(super) async fn somebody_reads(&self, except: &Sub) -> Result<bool, Fault> {
        const OPERATION: &str = "ListUsers";
        let asked = i32::try_from(limits::CANARY_ACCOUNTS_MAX + 1).unwrap_or(super::PAGE);
        let mut left = limits::CANARY_ACCOUNTS_MAX;
        let mut token = None;
        for _ in 0..limits::FIND_PAGES_MAX {
            let request = self.client.list_users().user_pool_id(&self.id).limit(asked);
            let request = request.set_pagination_token(token.take());
            let page = self.read_once(OPERATION, request.send()).await?;
            // An account that cannot be understood is no canary, and no reason to stop either.
            let listed =
                page.users.unwrap_or_default().into_iter().filter_map(|it| of_listing(it).ok());
            let mut listed: Vec<_> = listed.filter(|account| account.sub != *except).collect();
            // Local accounts first: a federated one counts too, but its pool may bill more for it.
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
            // A page may be empty though more follow.
            token = page.pagination_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Whether the pool lists this account's groups, as it must for a person who is looked at.
    /// `true` where groups do not travel.
    async fn lists_groups(&self, account: &Account) -> Result<bool, Fault> {
        if !self.options.groups {
            return Ok(true);
        }
        match self.groups(&account.handle()).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.kind == FaultKind::AccountGone => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}
