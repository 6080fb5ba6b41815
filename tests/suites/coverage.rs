//! Every operation that can change a person runs in each of the two pools and must be detected: by
//! a trigger, by `CloudTrail`'s event, and, with that event withheld, by the sweep alone. One
//! deployment by the CDK app, with its rules on the bus, serves all cases.

#[path = "coverage/attached.rs"]
mod attached;
#[path = "coverage/operations.rs"]
mod operations;
#[path = "coverage/unsupported.rs"]
mod unsupported;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use poolbridge_config::operations::{Detects, OPERATIONS, Operation};
use poolbridge_core::side::Side;
use poolbridge_tests::deployment::cloudtrail;
use poolbridge_tests::deployment::polling::until;
use poolbridge_tests::deployment::{Deployment, DeploymentKind};
use serde_json::json;

use operations::{AccountOperation, By};

/// Longer than anything takes that happens by itself, even on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// How an operation is detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// By the pool's own trigger, or by `CloudTrail`'s event on the bus.
    Events,
    /// By the sweep alone: `CloudTrail`'s event never arrives.
    SweepOnly,
}

async fn deploy() -> anyhow::Result<Deployment> {
    let stack = Deployment::start_stack(DeploymentKind::Cdk).await?;
    Deployment::deploy(stack, DeploymentKind::Cdk).await
}

#[tokio::test]
async fn every_operation_on_each_pool_ends_with_both_pools_agreeing() {
    let bridge = deploy().await.expect("the bridge cannot be deployed");
    let result = run_operations(&bridge).await;
    if let Err(error) = result {
        panic!("{error:?}\n{}{}", bridge.log_tails(40).await, bridge.stack.logs(10));
    }
    bridge.stop().expect("the stack does not stop");
}

async fn run_operations(bridge: &Deployment) -> anyhow::Result<()> {
    // The two routes use different people. Otherwise the sweep might find only what was found
    // before.
    for route in [Route::Events, Route::SweepOnly] {
        let mut done = Vec::new();
        for side in Side::BOTH {
            for operation in AccountOperation::ALL {
                if route == Route::SweepOnly && !operation.visible_in_listing() {
                    continue;
                }
                let name = format!("{}-{side}-{route:?}", operation.name()).to_lowercase();
                done.push(
                    operation.prepare(bridge, side, &name).await.with_context(|| name.clone())?,
                );
            }
        }
        bridge.wait_until_processed().await?;
        for person in &done {
            let context = || format!("{} of {}", person.operation.name(), person.name);
            let sub = person.operation.perform(bridge, person).await.with_context(context)?;
            if route == Route::Events
                && let By::Trail(author) = person.operation.by()
            {
                let pool = bridge.pool(person.side);
                let operation = person.operation.operation();
                let event = cloudtrail::event(pool, operation, &author, Some(&sub));
                bridge.services.send_trail_event(&event).await.with_context(context)?;
            }
        }
        for person in &done {
            let what = format!("{} of {} by {route:?}", person.operation.name(), person.name);
            until(&what, LIMIT, async || {
                if route == Route::SweepOnly {
                    sweep(bridge).await?;
                }
                Ok(match person.operation.disagrees(bridge, person).await? {
                    None => ControlFlow::Break(()),
                    Some(wrong) => ControlFlow::Continue(wrong),
                })
            })
            .await?;
        }
        ensure!(bridge.dead_letters().await? == 0, "there are dead letters");
    }
    bridge.assert_no_personal_data(&[], &["demo-trail", "demo-sweep"]).await.map(drop)
}

/// Starts or continues a pass of the sweep, as the schedule does.
async fn sweep(bridge: &Deployment) -> anyhow::Result<()> {
    let event = json!({"poolbridge": "sweep"}).to_string();
    bridge.services.invoke("demo-sweep", event.as_bytes(), LIMIT).await.map(drop)
}

/// Every operation of the table either runs here or is listed in `unsupported`.
#[test]
fn no_operation_of_the_table_is_left_out() {
    let done: BTreeSet<&str> =
        AccountOperation::ALL.iter().map(|operation| operation.operation()).collect();
    let unsupported: BTreeSet<&str> =
        unsupported::UNSUPPORTED.iter().map(|(name, _)| *name).collect();
    // An operation that no route must detect changes no person. Another test covers the operations
    // that change a pool's settings.
    let about_people = |operation: &&Operation| {
        operation.is_noticed() && !matches!(operation.detects, Detects::Pool(_))
    };
    let named = OPERATIONS.iter().filter(about_people).map(|operation| operation.name);
    let missing: Vec<&str> =
        named.filter(|name| !done.contains(name) && !unsupported.contains(name)).collect();
    assert!(missing.is_empty(), "no case runs {missing:?}");
    let both: Vec<_> = done.intersection(&unsupported).collect();
    assert!(both.is_empty(), "{both:?} run here, but are listed as unsupported");
}
