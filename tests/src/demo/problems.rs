//! The demo with obstacles: a pause, a conflict, and a person that apply must hold.

use anyhow::ensure;
use poolbridge_core::side::Side;
use serde_json::{Value, json};

use super::narrator::Narrator;
use super::people::{marlene, thorsten};
use super::story::{Pair, account, differs, first_difference};
use crate::deployment::Deployment;
use crate::deployment::aws::changed;
use crate::deployment::user_pool::AdminView;

pub(super) async fn run(
    narrator: &mut Narrator,
    bridge: &Deployment,
    marlene: &Pair,
    johannes: &Pair,
) -> anyhow::Result<()> {
    Narrator::heading("The bridge is paused, and both sides change the same thing.");
    pause(narrator, bridge, marlene).await?;
    disable(narrator, bridge, johannes).await?;
    conflict(narrator, bridge, marlene).await?;
    Narrator::heading("An account is held.");
    held(narrator, bridge).await
}

async fn pause(narrator: &mut Narrator, bridge: &Deployment, pair: &Pair) -> anyhow::Result<()> {
    let words = "`poolbridge pause`: edits of one field on both sides are captured, and wait";
    narrator
        .claim(words, async {
            bridge.operator.succeed(&["pause", "to show a conflict", "--yes"]).await?;
            let (old, new) = (&pair.old.sub, &pair.new.sub);
            bridge.old.edit(marlene::USERNAME, &[("locale", "locale-of-old")]).await?;
            bridge.new.edit(new, &[("locale", "locale-of-new")]).await?;
            bridge.send(&changed(Side::Old, old)?, 1).await?;
            bridge.send(&changed(Side::New, new)?, 1).await?;
            bridge.wait_until_processed().await?;
            let status = bridge.operator.ask(&["status"]).await?;
            let pending = &status["pending"]["count"];
            ensure!(*pending == 2, "pending is {pending}, not 2: {status}");
            let old = account(bridge, Side::Old, old).await?;
            let new = account(bridge, Side::New, new).await?;
            ensure!(old.attribute("locale") == "locale-of-old", "the old pool was written");
            ensure!(new.attribute("locale") == "locale-of-new", "the new pool was written");
            Ok(())
        })
        .await
}

async fn disable(narrator: &mut Narrator, bridge: &Deployment, pair: &Pair) -> anyhow::Result<()> {
    let words = "Johannes is disabled in both pools at once: a pause holds no disable";
    narrator
        .claim(words, async {
            bridge.old.disable(&pair.old.username).await?;
            bridge.send(&changed(Side::Old, &pair.old.sub)?, 1).await?;
            let locked = |it: &AdminView| it.enabled.then(|| "he is not disabled".to_owned());
            bridge.shows(Side::New, &pair.new.sub, locked).await
        })
        .await
        .map(drop)
}

async fn conflict(narrator: &mut Narrator, bridge: &Deployment, pair: &Pair) -> anyhow::Result<()> {
    let words =
        "`poolbridge explain` shows what the next run would do: write `locale` in the new pool";
    narrator
        .claim(words, async {
            let explanation = bridge.operator.ask(&["explain", &pair.old.sub]).await?;
            let steps = explanation["next"]["steps"].as_array().cloned().unwrap_or_default();
            let step = |it: &Value| it["side"] == "new" && it["fields"] == json!(["locale"]);
            ensure!(steps.len() == 1 && steps.iter().all(step), "the next steps: {steps:?}");
            Ok(())
        })
        .await?;
    let words = "`poolbridge resume`: the active pool wins, as bridge.toml says, on both sides";
    narrator
        .claim(words, async {
            bridge.operator.succeed(&["resume", "--yes"]).await?;
            let wanted = [("locale", "locale-of-old")];
            bridge.shows(Side::New, &pair.new.sub, |it| first_difference(it, &wanted)).await?;
            bridge.wait_until_processed().await?;
            bridge.shows(Side::Old, &pair.old.sub, |it| first_difference(it, &wanted)).await
        })
        .await?;
    let words = "the conflict and its outcome are recorded: `poolbridge explain` shows them";
    narrator
        .claim(words, async {
            let explanation = bridge.operator.ask(&["explain", &pair.new.sub]).await?;
            let decisions = explanation["decisions"].as_array().cloned().unwrap_or_default();
            let is_conflict = |it: &Value| {
                it["kind"] == "conflict" && it["fields"].to_string().contains("locale")
            };
            ensure!(decisions.iter().any(is_conflict), "no such decision: {explanation}");
            Ok(())
        })
        .await
}

async fn held(narrator: &mut Narrator, bridge: &Deployment) -> anyhow::Result<()> {
    let words =
        "Thorsten has no verified address, so he is held: he could not sign in to the new pool";
    let sub = narrator
        .claim(words, async {
            let attributes = [("email", thorsten::EMAIL), ("given_name", "Thorsten")];
            let (name, password) = (thorsten::USERNAME, thorsten::PASSWORD);
            let sub = bridge.old.create(name, password, &attributes).await?;
            bridge.send(&changed(Side::Old, &sub)?, 1).await?;
            bridge.wait_until_processed().await?;
            let explanation = bridge.operator.ask(&["explain", &sub]).await?;
            ensure!(explanation["state"] == "held", "he is not held: {explanation}");
            ensure!(bridge.new.account(thorsten::EMAIL).await?.is_none(), "he is in the new pool");
            Ok(sub)
        })
        .await?;
    let words =
        "`poolbridge people --state held` lists him by his `sub`, with the reason no-way-in";
    narrator
        .claim(words, async {
            let people = bridge.operator.ask(&["people", "--state", "held"]).await?;
            let text = people.to_string();
            ensure!(text.contains(&sub) && text.contains("no-way-in"), "it says: {text}");
            Ok(())
        })
        .await?;
    let words = "he verifies his address, `poolbridge retry` tries again, and he is in both pools";
    narrator
        .claim(words, async {
            let verified = [("email", thorsten::EMAIL), ("email_verified", "true")];
            bridge.old.edit(thorsten::USERNAME, &verified).await?;
            bridge.operator.succeed(&["retry", &sub, "--yes"]).await?;
            let confirmed = |it: &AdminView| differs("status", &it.status, "CONFIRMED");
            let new = bridge.shows(Side::New, thorsten::EMAIL, confirmed).await?;
            ensure!(new.attribute("given_name") == "Thorsten", "he came without his name");
            bridge.wait_until_processed().await
        })
        .await
}
