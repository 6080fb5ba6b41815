//! Changes without obstacles.

use anyhow::ensure;
use poolbridge_core::change::ChangeEvent;
use poolbridge_core::side::Side;
use poolbridge_tests::deployment::aws::{changed, message, nonce};
use poolbridge_tests::deployment::{Deployment, GROUP};
use poolbridge_tests::world::chance::{Chooser as _, Seeded};

use super::{CountedCalls, arrival, attribute, request, run_case, sign_up};

#[tokio::test]
async fn a_sign_up_travels_with_its_attributes() {
    run_case(async |bridge| {
        let sub = sign_up(bridge, "sign-up-one").await?;
        let new = arrival(bridge, "sign-up-one").await?;
        attribute(bridge, Side::New, &new.sub, "custom:department", "dept-Department-One").await?;
        ensure!(new.attribute("email_verified") == "true", "the address came unverified");
        ensure!(new.sub != sub, "two accounts with one sub");
        ensure!(bridge.new.groups(&new.username).await?.is_empty(), "a group that no edit added");
        bridge.wait_until_processed().await
    })
    .await;
}

#[tokio::test]
async fn invariant_04_three_deliveries_in_random_order_make_no_additional_pool_write() {
    run_case(async |bridge| {
        let mut changes = Vec::new();
        let mut people = Vec::new();
        for name in ["thrice-one", "thrice-two", "thrice-three"] {
            people.push(request(bridge, name).await?);
        }
        let calls = CountedCalls::count(bridge).await?;
        for person in &people {
            bridge.old.edit(&person.name, &[("given_name", "Thrice-Given")]).await?;
            changes.push(changed(Side::Old, &person.old)?);
        }
        bridge.new.add_to_group(&people[0].new, GROUP).await?;
        changes.push(changed(Side::New, &people[0].new)?);

        // One write for each edit, although three messages report each.
        deliver(bridge, &changes, 1).await?;
        for person in &people {
            attribute(bridge, Side::New, &person.new, "given_name", "Thrice-Given").await?;
        }
        let (writes, _) = calls.so_far().await?;
        ensure!(writes == 4, "{writes} writes for four edits");
        let groups = bridge.old.groups(&people[0].name).await?;
        ensure!(groups.contains(GROUP), "the membership did not travel: {groups:?}");

        // The same again: apply reads all of them and writes nothing.
        let calls = CountedCalls::count(bridge).await?;
        deliver(bridge, &changes, 2).await?;
        let (writes, all) = calls.so_far().await?;
        ensure!(writes == 0 && all > 0, "{writes} writes among {all} calls for nothing new");
        ensure!(bridge.dead_letters().await? == 0, "there are dead letters");
        Ok(())
    })
    .await;
}

/// Delivers each change three times, in an order that follows from the seed.
async fn deliver(bridge: &Deployment, changes: &[ChangeEvent], seed: u64) -> anyhow::Result<()> {
    let mut deliveries: Vec<&ChangeEvent> = changes.iter().flat_map(|it| [it, it, it]).collect();
    let mut chance = Seeded::new(seed);
    while !deliveries.is_empty() {
        let next = chance.choose(deliveries.len(), "which message comes next");
        let (group, body) = message(deliveries.swap_remove(next));
        bridge.services.send(&bridge.names.queue_url, &group, nonce(), &body).await?;
    }
    bridge.wait_until_processed().await
}
