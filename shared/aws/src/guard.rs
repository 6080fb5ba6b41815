//! The sign-up guard: searches the other pool for the identity of a sign-up.
//!
//! It lists accounts (which fires no trigger and bills no monthly user), reads the table, and
//! writes nothing. core decides what to search for and which accounts stand aside
//! ([`poolbridge_core::guard`]).

use std::fmt;
use std::sync::Arc;

use aws_config::SdkConfig;
use poolbridge_core::account::Account;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::guard::{GuardDecision, Lookup, SignUpRequest, holds, lookups, stands_aside};
use poolbridge_core::limits;
use poolbridge_core::policy::{Phase, Policy};
use poolbridge_core::ports::{Clock as _, Ledger as _, Pool as _, SearchAnswer};
use poolbridge_core::side::{BySide, Side};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::pool_client;
use crate::clock::SystemClock;
use crate::cognito::{CognitoPool, PoolOptions};
use crate::config::Configuration;
use crate::dynamodb::DynamoLedger;

/// The guard of both pools: it checks a sign-up in one pool against the other pool.
pub struct Guard {
    clock: Arc<SystemClock>,
    policy: Policy,
    ledger: DynamoLedger,
    /// Created at start-up, when no sign-up waits: a sign-up has little time.
    pools: BySide<Arc<CognitoPool>>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Guard")
    }
}

impl Guard {
    /// Creates the guard without any call. `ledger` need not have a key.
    pub async fn new(
        sdk: &SdkConfig,
        clock: &Arc<SystemClock>,
        configuration: &Configuration,
        ledger: DynamoLedger,
    ) -> Self {
        let pool = async |side| {
            let settings = configuration.pools.get(side);
            let client = pool_client(sdk, settings, clock).await;
            let options = PoolOptions { schema_only: true, ..PoolOptions::default() };
            Arc::new(CognitoPool::new(&client, settings, side, options, clock))
        };
        let pools = BySide { old: pool(Side::Old).await, new: pool(Side::New).await };
        Self {
            clock: Arc::clone(clock),
            policy: configuration.policy.clone(),
            ledger: ledger.without_usernames(),
            pools,
        }
    }

    /// Decides about one sign-up, within [`limits::GUARD_TIME_MAX`]. A port error means that the
    /// guard could not decide; the configuration then says what happens to the sign-up.
    pub async fn judge(&self, request: &SignUpRequest) -> Result<GuardDecision, PortError> {
        let judged = timeout(limits::GUARD_TIME_MAX, Box::pin(self.look(request))).await;
        judged.unwrap_or_else(|_| Err(PortError::new(ErrorKind::NoAnswer, "ListUsers")))
    }

    async fn look(&self, request: &SignUpRequest) -> Result<GuardDecision, PortError> {
        let (control, held) = tokio::join!(self.ledger.control(), self.held(request));
        // After the move no person signs in to the old pool any more.
        if control?.phase == Phase::Complete {
            return Ok(GuardDecision::Passes);
        }
        Ok(if held? { GuardDecision::Refused } else { GuardDecision::Passes })
    }

    /// Whether an account of the other pool holds the identity and does not stand aside
    /// ([`stands_aside`]).
    ///
    /// All searches are awaited, so that a search that fails or cannot be asked does not hide what
    /// another one finds. The guard does not search for a value that no account can hold.
    async fn held(&self, request: &SignUpRequest) -> Result<bool, PortError> {
        const OPERATION: &str = "ListUsers";
        let there = request.side.other();
        let pool = self.pools.get(there);
        let schema = pool.schema().await?;
        let mut searches = JoinSet::new();
        let all = lookups(&self.policy, request, &schema).into_iter();
        for lookup in all.filter(|lookup| lookup.search.is_worth_asking(&schema)) {
            let pool = Arc::clone(pool);
            searches.spawn(async move { (pool.find(&lookup.search).await, lookup) });
        }
        let mut unanswered = None;
        while let Some(searched) = searches.join_next().await {
            let Ok((answer, lookup)) = searched else {
                unanswered = Some(PortError::new(ErrorKind::Unreadable, OPERATION));
                continue;
            };
            let answered = match answer {
                Ok(SearchAnswer::Accounts(found)) => self.stands(request, &lookup, &found).await,
                Ok(SearchAnswer::CannotBeSearched) => {
                    Err(PortError::new(ErrorKind::Invalid, OPERATION))
                }
                Err(error) => Err(error),
            };
            match answered {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => unanswered = Some(error),
            }
        }
        unanswered.map_or(Ok(false), Err)
    }

    /// Whether one of the accounts found holds the identity and does not stand aside.
    async fn stands(
        &self,
        request: &SignUpRequest,
        lookup: &Lookup,
        found: &[Account],
    ) -> Result<bool, PortError> {
        let there = request.side.other();
        for account in found.iter().filter(|account| holds(lookup, account)) {
            let record = self.ledger.find(there, &account.sub).await?;
            let aside = record.is_some_and(|record| {
                let now = self.clock.now();
                stands_aside(&record, request.side, now, self.policy.bound())
            });
            if !aside {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests;
