//! The sign-up guard with its clients. The decision is core's ([`poolbridge_core::guard`]).

use std::fmt;
use std::sync::Arc;

use aws_config::SdkConfig;
use poolbridge_aws::client::pool_client;
use poolbridge_aws::clock::SystemClock;
use poolbridge_aws::cognito::{CognitoPool, PoolOptions};
use poolbridge_aws::dynamodb::DynamoLedger;
use poolbridge_config::Configuration;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::guard::{Guard, GuardDecision, SignUpRequest};
use poolbridge_core::limits;
use poolbridge_core::policy::Policy;
use poolbridge_core::side::{BySide, Side};
use tokio::time::timeout;

/// What the guard of both pools needs. Created at start-up, when no sign-up waits: a sign-up has
/// little time.
pub(crate) struct SignUpGuard {
    clock: Arc<SystemClock>,
    policy: Policy,
    ledger: DynamoLedger,
    pools: BySide<CognitoPool>,
}

impl fmt::Debug for SignUpGuard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SignUpGuard")
    }
}

impl SignUpGuard {
    /// Creates the clients without any call. `ledger` need not have a key.
    pub(crate) async fn new(
        sdk: &SdkConfig,
        clock: &Arc<SystemClock>,
        configuration: &Configuration,
        ledger: DynamoLedger,
    ) -> Self {
        let pool = async |side| {
            let settings = configuration.pools.get(side);
            let client = pool_client(sdk, settings, clock).await;
            let options = PoolOptions { schema_only: true, ..PoolOptions::default() };
            CognitoPool::new(&client, settings, side, options, clock)
        };
        Self {
            clock: Arc::clone(clock),
            policy: configuration.policy.clone(),
            ledger: ledger.without_usernames(),
            pools: BySide { old: pool(Side::Old).await, new: pool(Side::New).await },
        }
    }

    /// Decides about one sign-up, within [`limits::GUARD_TIME_MAX`].
    ///
    /// # Errors
    ///
    /// The guard could not decide. The configuration then says what happens to the sign-up.
    pub(crate) async fn decide(&self, request: &SignUpRequest) -> Result<GuardDecision, PortError> {
        let guard = Guard {
            policy: &self.policy,
            there: self.pools.get(request.side.other()),
            ledger: &self.ledger,
            clock: &*self.clock,
        };
        let decided = timeout(limits::GUARD_TIME_MAX, Box::pin(guard.decide(request))).await;
        decided.unwrap_or_else(|_| Err(PortError::new(ErrorKind::NoAnswer, "ListUsers")))
    }
}
