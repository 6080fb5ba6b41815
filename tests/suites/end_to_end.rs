//! End to end: the real functions on the local stack, with pools, queue and table between them and
//! fault injection in front. One deployment serves the whole suite; its cases run one after the
//! other.

#[path = "end_to_end/attach.rs"]
mod attach;
#[path = "end_to_end/capture.rs"]
mod capture;
#[path = "end_to_end/links.rs"]
mod links;
#[path = "end_to_end/messages.rs"]
mod messages;
#[path = "end_to_end/operator.rs"]
mod operator;
#[path = "end_to_end/outage.rs"]
mod outage;
#[path = "end_to_end/propagation.rs"]
mod propagation;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use poolbridge_core::side::Side;
use poolbridge_tests::deployment::polling::until;
use poolbridge_tests::deployment::user_pool::AdminView;
use poolbridge_tests::deployment::{Deployment, DeploymentKind};
use poolbridge_tests::stack::{Faults, Place};
use tokio::sync::{Mutex, OnceCell};

/// Longer than anything takes that happens by itself, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// The operations that change an account. All others only read.
const WRITES: [&str; 10] = [
    "AdminAddUserToGroup",
    "AdminCreateUser",
    "AdminDeleteUserAttributes",
    "AdminDisableUser",
    "AdminEnableUser",
    "AdminRemoveUserFromGroup",
    "AdminSetUserMFAPreference",
    "AdminSetUserPassword",
    "AdminUpdateUserAttributes",
    "AdminUserGlobalSignOut",
];

/// The process never drops it, but no part of it outlives the process.
static BRIDGE: OnceCell<Mutex<Deployment>> = OnceCell::const_new();

/// Runs one case on the suite's deployment, and afterwards searches for private values left behind.
async fn run_case(case: impl AsyncFnOnce(&Deployment) -> anyhow::Result<()>) {
    let deploy = || async {
        let stack = Deployment::start_stack(DeploymentKind::Calls).await?;
        Deployment::deploy(stack, DeploymentKind::Calls).await.map(Mutex::new)
    };
    let bridge = BRIDGE.get_or_try_init(deploy).await.expect("the bridge cannot be deployed");
    let bridge = bridge.lock().await;
    for place in [Place::Ministack, Place::Pool(0), Place::Pool(1)] {
        // A failed case may have left its faults.
        bridge.stack.faults(place).clear().await.expect("the proxies do not answer");
    }
    let result = match case(&bridge).await {
        Ok(()) => bridge.assert_no_personal_data(&[], &[]).await.map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = result {
        panic!("{error:?}\n{}{}", bridge.log_tails(40).await, bridge.stack.logs(10));
    }
}

/// A person who signed up in the old pool and is in both pools now.
struct SignedUpPerson {
    name: String,
    old: String,
    new: String,
}

/// A person signs up and confirms in the old pool.
async fn sign_up(bridge: &Deployment, name: &str) -> anyhow::Result<String> {
    let email = format!("{name}@example.com");
    let attributes = [("email", email.as_str()), ("custom:dept", "Department-One")];
    let sub = bridge.old.sign_up(name, "Correct-Horse-77", &attributes).await?;
    bridge.old.confirm(name).await?;
    Ok(sub)
}

/// A person signs up in the old pool and arrives in the new one.
async fn request(bridge: &Deployment, name: &str) -> anyhow::Result<SignedUpPerson> {
    let old = sign_up(bridge, name).await?;
    let new = arrival(bridge, name).await?.sub;
    bridge.wait_until_processed().await?;
    Ok(SignedUpPerson { name: name.to_owned(), old, new })
}

/// The person's account in the new pool, once it exists and is confirmed.
async fn arrival(bridge: &Deployment, name: &str) -> anyhow::Result<AdminView> {
    bridge
        .shows(Side::New, &format!("{name}@example.com"), |it| {
            (it.status != "CONFIRMED").then(|| it.status.clone())
        })
        .await
}

/// Whether the person is in the new pool.
async fn arrived(bridge: &Deployment, name: &str) -> anyhow::Result<bool> {
    Ok(bridge.new.account(&format!("{name}@example.com")).await?.is_some())
}

/// Waits until an attribute has the wanted value.
async fn attribute(
    bridge: &Deployment,
    side: Side,
    sub: &str,
    name: &str,
    wanted: &str,
) -> anyhow::Result<()> {
    let wrong = |it: &AdminView| {
        let found = it.attribute(name);
        (found != wanted).then(|| format!("{name} is {found}"))
    };
    bridge.shows(side, sub, wrong).await.map(drop)
}

/// Waits until `apply` has delayed a change of that account for that reason.
async fn put_off(bridge: &Deployment, sub: &str, reason: &str) -> anyhow::Result<()> {
    until(&format!("a change put off as {reason}"), LIMIT, async || {
        let handled = bridge.handled(sub).await?;
        let found = handled.iter().any(|it| it.outcome == "retry" && it.reason == reason);
        Ok(if found {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(format!("{handled:?}"))
        })
    })
    .await
}

/// `poolbridge drain`, which must exit with 0.
async fn drain(bridge: &Deployment) -> anyhow::Result<()> {
    let limit = LIMIT + Duration::from_secs(15);
    let outcome = bridge.operator.run(&["drain", "--timeout", "30s"], limit).await?;
    ensure!(outcome.code == Some(0), "drain ended with {:?}: {}", outcome.code, outcome.data);
    ensure!(bridge.dead_letters().await? == 0, "there are dead letters");
    Ok(())
}

/// The bridge's calls to both pools, from `count` on.
struct CountedCalls([Faults; 2]);

impl CountedCalls {
    async fn count(bridge: &Deployment) -> anyhow::Result<Self> {
        let faults = [0, 1].map(|pool| bridge.stack.faults(Place::Pool(pool)));
        for faults in &faults {
            faults.count("cognito-idp").await?;
        }
        Ok(Self(faults))
    }

    /// The number of writes, and of all calls.
    async fn so_far(&self) -> anyhow::Result<(usize, usize)> {
        let mut all: BTreeMap<String, usize> = BTreeMap::new();
        for faults in &self.0 {
            for (operation, count) in faults.counts().await.context("counting calls")? {
                *all.entry(operation).or_insert(0) += count;
            }
        }
        let writes = WRITES.iter().filter_map(|operation| all.get(*operation)).sum();
        Ok((writes, all.values().sum()))
    }
}
