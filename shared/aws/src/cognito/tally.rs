//! Counts every request that is sent, by operation and pool, for the benchmark and for metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use poolbridge_core::side::Side;

/// The operations that change accounts of a pool.
const WRITES: [&str; 11] = [
    "AdminAddUserToGroup",
    "AdminCreateUser",
    "AdminDeleteUser",
    "AdminDeleteUserAttributes",
    "AdminDisableUser",
    "AdminEnableUser",
    "AdminRemoveUserFromGroup",
    "AdminSetUserMFAPreference",
    "AdminSetUserPassword",
    "AdminUpdateUserAttributes",
    "AdminUserGlobalSignOut",
];

/// The read that makes a person a billed monthly active user of the pool.
const ACCOUNT_READ: &str = "AdminGetUser";

/// The pool of a request, if it was for a pool, and the operation.
pub type Call = (Option<Side>, String);

/// Counts the requests that were sent, each attempt once. The process has one.
#[derive(Debug, Default)]
pub struct Tally {
    requests: Mutex<BTreeMap<Call, u64>>,
}

impl Tally {
    /// Creates counters at zero.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The interceptor that counts a client's requests. `side` is the client's pool; `None` for the
    /// table, the queue and other services.
    pub fn counter(self: &Arc<Self>, side: Option<Side>) -> RequestCounter {
        RequestCounter { tally: Arc::clone(self), side }
    }

    /// All counts so far.
    pub fn snapshot(&self) -> BTreeMap<Call, u64> {
        self.counts().clone()
    }

    /// How many times an account was read by name or `sub`.
    pub fn account_reads(&self) -> u64 {
        self.sum(|operation| operation == ACCOUNT_READ)
    }

    /// How many times an account was written, creations included.
    pub fn pool_writes(&self) -> u64 {
        self.sum(|operation| WRITES.contains(&operation))
    }

    fn sum(&self, counts: impl Fn(&str) -> bool) -> u64 {
        let requests = self.counts();
        let counted = requests.iter().filter(|((_, operation), _)| counts(operation));
        counted.map(|(_, count)| count).sum()
    }

    fn count(&self, side: Option<Side>, operation: &str) {
        *self.counts().entry((side, operation.to_owned())).or_default() += 1;
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<Call, u64>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the requests of one client.
#[derive(Clone, Debug)]
pub struct RequestCounter {
    tally: Arc<Tally>,
    side: Option<Side>,
}

#[dyn_dispatch_hint]
impl Intercept for RequestCounter {
    fn name(&self) -> &'static str {
        "RequestCounter"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(operation) = bag.load::<Metadata>() {
            self.tally.count(self.side, operation.name());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_pool_and_operation() {
        let tally = Tally::new();
        tally.count(Some(Side::Old), "AdminGetUser");
        tally.count(Some(Side::New), "AdminGetUser");
        tally.count(Some(Side::New), "AdminUpdateUserAttributes");
        tally.count(Some(Side::New), "ListUsers");
        tally.count(None, "UpdateItem");
        assert_eq!((tally.account_reads(), tally.pool_writes()), (2, 1));
        let key = (Some(Side::New), "AdminGetUser".to_owned());
        assert_eq!(tally.snapshot().get(&key), Some(&1));
    }

    #[test]
    fn every_action_counts_as_a_write() {
        use poolbridge_core::step::Deed;
        let plain =
            [Deed::Disable, Deed::Enable, Deed::SetRandomPassword, Deed::SignOut, Deed::Delete];
        let group = poolbridge_core::names::GroupName::try_from("g").unwrap();
        let rest = [
            Deed::SetAttributes { fields: BTreeMap::new() },
            Deed::SetFactors(BTreeMap::new()),
            Deed::AddToGroup(group.clone()),
            Deed::RemoveFromGroup(group),
        ];
        for deed in plain.into_iter().chain(rest) {
            assert!(WRITES.contains(&deed.operation()), "{deed:?} is not counted");
        }
    }
}
