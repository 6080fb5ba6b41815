//! Calls to AWS, sorted by what they cost in quota or on the bill.

use std::collections::BTreeMap;

use anyhow::ensure;
use serde_json::json;

use crate::stack::{Faults, Place, Stack};

/// A proxy remembers this many calls and forgets older ones.
const LOG_CALLS_MAX: usize = 1_000;

/// The kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CallKind {
    /// `AdminGetUser`, which makes the person a billed monthly user of the pool.
    AccountRead,
    /// A listing or a membership list.
    PoolRead,
    /// Changes an account of a pool.
    PoolWrite,
    /// Puts a message into a queue.
    Sent,
    /// Changes the visibility of a message, so that it returns later.
    PutOff,
    /// Changes items of the table. A transaction counts as one call, however many items it writes.
    TableWrite,
    /// Reads an item of the table.
    TableRead,
    /// Reads a pool's settings or the key. Both are read at the start; the settings again every few
    /// minutes.
    StartTime,
    /// Anything else. There should be none.
    Other,
}

/// The kind of each operation. An operation that is not listed counts as [`CallKind::Other`].
const KINDS: [(CallKind, &[&str]); 8] = [
    (CallKind::AccountRead, &["AdminGetUser"]),
    (CallKind::PoolRead, &["AdminListGroupsForUser", "GetGroup", "ListUsers", "ListUsersInGroup"]),
    (
        CallKind::PoolWrite,
        &[
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
        ],
    ),
    (CallKind::Sent, &["SendMessage", "SendMessageBatch"]),
    (CallKind::PutOff, &["ChangeMessageVisibility", "ChangeMessageVisibilityBatch"]),
    (
        CallKind::TableWrite,
        &["BatchWriteItem", "DeleteItem", "PutItem", "TransactWriteItems", "UpdateItem"],
    ),
    (CallKind::TableRead, &["BatchGetItem", "GetItem", "Query", "Scan", "TransactGetItems"]),
    (
        CallKind::StartTime,
        &[
            "DescribeUserPool",
            "DescribeUserPoolClient",
            "GetSecretValue",
            "GetUserPoolMfaConfig",
            "ListGroups",
            "ListUserPoolClients",
        ],
    ),
];

/// Number of calls per operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CallCounts(pub(super) BTreeMap<String, usize>);

impl CallCounts {
    /// The calls of that kind.
    pub(super) fn of(&self, kind: CallKind) -> usize {
        let sorted = self.0.iter().filter(|(operation, _)| kind_of(operation) == kind);
        sorted.map(|(_, count)| count).sum()
    }

    /// All calls.
    pub(super) fn all(&self) -> usize {
        self.0.values().sum()
    }
}

fn kind_of(operation: &str) -> CallKind {
    let found = KINDS.iter().find(|(_, operations)| operations.contains(&operation));
    found.map_or(CallKind::Other, |(kind, _)| *kind)
}

/// The proxies in front of both pools and the services. Only the bridge calls through them.
pub(super) struct Counter([Faults; 3]);

impl Counter {
    pub(super) fn of(stack: &Stack) -> Self {
        Self([Place::Ministack, Place::Pool(0), Place::Pool(1)].map(|place| stack.faults(place)))
    }

    /// Clears the counters. From now on, counts every call of every service.
    pub(super) async fn begin(&self) -> anyhow::Result<()> {
        for faults in &self.0 {
            faults.clear().await?;
            faults.set(&json!([{"latency": 0}])).await?;
        }
        Ok(())
    }

    /// The calls since [`Self::begin`].
    pub(super) async fn calls(&self) -> anyhow::Result<CallCounts> {
        let mut calls = CallCounts::default();
        for faults in &self.0 {
            let counts = faults.counts().await?;
            let total: usize = counts.values().sum();
            ensure!(
                total < LOG_CALLS_MAX,
                "a proxy counted {total} calls and may have forgotten some"
            );
            for (operation, count) in counts {
                *calls.0.entry(operation).or_default() += count;
            }
        }
        Ok(calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_has_one_kind_and_an_unknown_one_counts_as_other() {
        let all = || KINDS.iter().flat_map(|(_, operations)| operations.iter());
        for operation in all() {
            assert_eq!(all().filter(|other| other == &operation).count(), 1, "{operation}");
        }
        let calls = [("AdminGetUser", 2), ("PutItem", 3), ("DeleteItem", 1), ("NewThing", 5)];
        let calls = CallCounts(calls.map(|(name, count)| (name.to_owned(), count)).into());
        assert_eq!((calls.of(CallKind::AccountRead), calls.of(CallKind::TableWrite)), (2, 4));
        assert_eq!((calls.of(CallKind::Other), calls.all()), (5, 11));
    }
}
