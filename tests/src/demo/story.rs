//! The demo without faults: people sign up and edit, and both pools end up equal.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use poolbridge_core::side::Side;

use super::narrator::Narrator;
use super::people::{johannes, marlene};
use super::problems;
use crate::deployment::aws::changed;
use crate::deployment::polling::until;
use crate::deployment::user_pool::AdminView;
use crate::deployment::{Deployment, GROUP};

/// The two accounts of one person.
pub(super) struct Pair {
    /// The account in the old pool.
    pub(super) old: AdminView,
    /// The account in the new pool.
    pub(super) new: AdminView,
}

pub(super) async fn run(narrator: &mut Narrator, bridge: &Deployment) -> anyhow::Result<()> {
    Narrator::heading("People sign up.");
    let marlene = sign_up_in_the_old_pool(narrator, bridge).await?;
    let johannes = sign_up_in_the_new_pool(narrator, bridge).await?;
    Narrator::heading("A password is forgotten.");
    password_reset(narrator, bridge, &marlene).await?;
    Narrator::heading("People change, on both sides; the queue delivers everything three times.");
    edits(narrator, bridge, &marlene).await?;
    group(narrator, bridge, &johannes).await?;
    problems::run(narrator, bridge, &marlene, &johannes).await?;
    Narrator::heading("The operator checks.");
    status(narrator, bridge).await?;
    drain(narrator, bridge).await?;
    Narrator::heading("No personal data is left behind.");
    privacy(narrator, bridge).await
}

async fn sign_up_in_the_old_pool(
    narrator: &mut Narrator,
    bridge: &Deployment,
) -> anyhow::Result<Pair> {
    let words = "Marlene signs up in the old pool, with a username, and confirms";
    let sub = narrator
        .claim(words, async {
            let attributes = [
                ("email", marlene::EMAIL),
                ("phone_number", marlene::PHONE),
                ("given_name", "Marlene"),
                ("custom:dept", "Forecasting"),
                ("picture", "https://pictures.example.com/marlene"),
            ];
            let (name, password) = (marlene::USERNAME, marlene::PASSWORD);
            let sub = bridge.old.sign_up(name, password, &attributes).await?;
            ensure!(bridge.new.size().await? == 0, "the new pool is not empty");
            bridge.old.confirm(name).await?;
            Ok(sub)
        })
        .await?;
    let words = "poolbridge created and confirmed her account in the new pool, under her address";
    let new = narrator
        .claim(words, async {
            let confirmed = |it: &AdminView| differs("status", &it.status, "CONFIRMED");
            bridge.shows(Side::New, marlene::EMAIL_FOLDED, confirmed).await
        })
        .await?;
    let words = "the mapping rules applied: renamed, converted, in lower case, or left out";
    let new = narrator
        .claim(words, async {
            let wanted = [
                ("email", marlene::EMAIL_FOLDED),
                ("email_verified", "true"),
                ("phone_number", marlene::PHONE_E164),
                ("given_name", "Marlene"),
                ("custom:department", "dept-Forecasting"),
                ("custom:dept", ""),
                ("picture", ""),
            ];
            bridge.shows(Side::New, &new.sub, |it| first_difference(it, &wanted)).await
        })
        .await?;
    Narrator::aside("custom:dept -> custom:department, 030 9018-2031 -> +493090182031");
    let old = account(bridge, Side::Old, &sub).await?;
    ensure!(bridge.new.groups(&new.username).await?.is_empty(), "she is in a group already");
    ensure!(old.attribute("email") == marlene::EMAIL, "the old pool's spelling was changed");
    bridge.wait_until_processed().await?;
    Ok(Pair { old, new })
}

async fn sign_up_in_the_new_pool(
    narrator: &mut Narrator,
    bridge: &Deployment,
) -> anyhow::Result<Pair> {
    let words = "Johannes signs up in the new pool; poolbridge creates his account in the old one";
    narrator
        .claim(words, async {
            let attributes = [
                ("email", johannes::EMAIL),
                ("family_name", "Brandt-Keller"),
                ("custom:department", "dept-Logistics"),
            ];
            let (name, password) = (johannes::EMAIL, johannes::PASSWORD);
            let sub = bridge.new.sign_up(name, password, &attributes).await?;
            bridge.new.confirm(name).await?;
            let wanted = [
                ("email", johannes::EMAIL),
                ("email_verified", "true"),
                ("family_name", "Brandt-Keller"),
                ("custom:dept", "Logistics"),
            ];
            // A pool of addresses uses the `sub` as username, so the old pool's username is his
            // `sub`.
            let old = bridge.shows(Side::Old, &sub, |it| first_difference(it, &wanted)).await?;
            let confirmed = |it: &AdminView| differs("status", &it.status, "CONFIRMED");
            bridge.shows(Side::Old, &sub, confirmed).await?;
            bridge.wait_until_processed().await?;
            Ok(Pair { old, new: account(bridge, Side::New, &sub).await? })
        })
        .await
}

async fn password_reset(
    narrator: &mut Narrator,
    bridge: &Deployment,
    pair: &Pair,
) -> anyhow::Result<()> {
    let (old, new) = (&bridge.old, &bridge.new);
    let leaked = marlene::PASSWORD_LEAKED;
    let words =
        "a password that the help desk gave Marlene in the new pool opens her account there";
    narrator
        .claim(words, async {
            new.set_password(&pair.new.sub, leaked).await?;
            ensure!(new.signs_in(marlene::EMAIL_FOLDED, leaked).await?, "she cannot sign in");
            Ok(())
        })
        .await?;
    let words =
        "she resets her password in the old pool: the new one works there, the first does not";
    narrator
        .claim(words, async {
            old.reset_password(marlene::USERNAME, marlene::PASSWORD_RESET).await?;
            let reset = old.signs_in(marlene::USERNAME, marlene::PASSWORD_RESET).await?;
            let first = old.signs_in(marlene::USERNAME, marlene::PASSWORD).await?;
            ensure!(reset && !first, "signs in with the new password: {reset}, the first: {first}");
            Ok(())
        })
        .await?;
    let words =
        "the other side's password is out of date and is closed: the leaked one opens nothing";
    narrator
        .claim(words, async {
            let limit = Duration::from_secs(30);
            until("the leaked password to be refused", limit, async || {
                Ok(if new.signs_in(marlene::EMAIL_FOLDED, leaked).await? {
                    ControlFlow::Continue("it still opens the account".to_owned())
                } else {
                    ControlFlow::Break(())
                })
            })
            .await?;
            bridge.wait_until_processed().await?;
            let still = old.signs_in(marlene::USERNAME, marlene::PASSWORD_RESET).await?;
            ensure!(still, "her own password no longer works");
            let story = bridge.operator.ask(&["explain", &pair.old.sub]).await?;
            ensure!(story["passwords"]["stale"] == "new", "explain does not show it: {story}");
            Ok(())
        })
        .await
}

async fn edits(narrator: &mut Narrator, bridge: &Deployment, pair: &Pair) -> anyhow::Result<()> {
    // Attribute edits fire no trigger on Cognito. CloudTrail or the sweep detects them.
    let writes = |handled: Vec<crate::deployment::LoggedMessage>| -> u64 {
        handled.iter().map(|it| it.pool_writes).sum()
    };
    let both = async || -> anyhow::Result<u64> {
        let (old, new) = (&pair.old.sub, &pair.new.sub);
        Ok(writes(bridge.handled(old).await?) + writes(bridge.handled(new).await?))
    };
    let before = both().await?;
    let words = "Marlene's family name changes in the old pool, and is the new pool's too";
    narrator
        .claim(words, async {
            let edit = [("family_name", "Lorenz-Hartmann"), ("nickname", "  Lenchen ")];
            bridge.old.edit(marlene::USERNAME, &edit).await?;
            bridge.send(&changed(Side::Old, &pair.old.sub)?, 3).await?;
            let wanted = [("family_name", "Lorenz-Hartmann"), ("nickname", "lenchen")];
            bridge.shows(Side::New, &pair.new.sub, |it| first_difference(it, &wanted)).await
        })
        .await?;
    let words = "her department changes in the new pool, and is the old pool's too";
    narrator
        .claim(words, async {
            let edit = [("custom:department", "dept-Procurement")];
            bridge.new.edit(&pair.new.sub, &edit).await?;
            bridge.send(&changed(Side::New, &pair.new.sub)?, 3).await?;
            let wanted = [("custom:dept", "Procurement"), ("nickname", "  Lenchen ")];
            bridge.shows(Side::Old, &pair.old.sub, |it| first_difference(it, &wanted)).await
        })
        .await?;
    let words = "six messages were delivered for these two edits, and two pool writes were made";
    narrator
        .claim(words, async {
            bridge.wait_until_processed().await?;
            let made = both().await? - before;
            ensure!(made == 2, "{made} writes were made");
            Ok(())
        })
        .await
}

async fn group(narrator: &mut Narrator, bridge: &Deployment, pair: &Pair) -> anyhow::Result<()> {
    let words = "Johannes joins a group in the new pool, and is a member in the old pool too";
    narrator
        .claim(words, async {
            bridge.new.add_to_group(&pair.new.username, GROUP).await?;
            bridge.send(&changed(Side::New, &pair.new.sub)?, 3).await?;
            until("a membership in the old pool", Duration::from_secs(30), async || {
                let groups = bridge.old.groups(&pair.old.username).await?;
                Ok(if groups.contains(GROUP) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(format!("{groups:?}"))
                })
            })
            .await?;
            bridge.wait_until_processed().await
        })
        .await
}

async fn status(narrator: &mut Narrator, bridge: &Deployment) -> anyhow::Result<()> {
    let words = "`poolbridge status --json`: three people in step, nothing pending, no dead letter";
    let status = narrator
        .claim(words, async {
            let status = bridge.operator.ask(&["status"]).await?;
            let is = |place: &str, wanted: serde_json::Value| {
                let found = status.pointer(place);
                ensure!(found == Some(&wanted), "{place} is {found:?}, not {wanted}: {status}");
                Ok(())
            };
            is("/phase", "follow".into())?;
            is("/active", "old".into())?;
            is("/people/synced", 3.into())?;
            is("/pending/count", 0.into())?;
            is("/queue/waiting", 0.into())?;
            is("/queue/in_flight", 0.into())?;
            is("/queue/delayed", 0.into())?;
            is("/queue/dead", 0.into())?;
            is("/throttled", serde_json::Value::Null)?;
            ensure!(status["drained"].is_boolean(), "`drained` is missing: {status}");
            Ok(status)
        })
        .await?;
    Narrator::aside(&format!("people: {}", status["people"]));
    Ok(())
}

async fn drain(narrator: &mut Narrator, bridge: &Deployment) -> anyhow::Result<()> {
    let words = "`poolbridge drain --timeout 20s` ends with 0: no captured change is pending";
    narrator
        .claim(words, async {
            let limit = Duration::from_secs(40);
            let outcome = bridge.operator.run(&["drain", "--timeout", "20s"], limit).await?;
            let (data, stderr) = (&outcome.data, &outcome.stderr);
            ensure!(outcome.code == Some(0), "it ended with {:?}\n{data}{stderr}", outcome.code);
            ensure!(bridge.dead_letters().await? == 0, "the dead-letter queue is not empty");
            Ok(())
        })
        .await
}

async fn privacy(narrator: &mut Narrator, bridge: &Deployment) -> anyhow::Result<()> {
    let words = "a queued message is read: it names a pool and a `sub`, and no more";
    let caught = narrator
        .claim(words, async {
            let message = bridge.catch_a_message(async {
                bridge.old.reset_password(marlene::USERNAME, marlene::PASSWORD).await
            });
            message.await
        })
        .await?;
    Narrator::aside(&caught.body);
    let words = "no table item, log line, message or answer holds a personal value";
    let scanned = narrator
        .claim(words, async {
            bridge.wait_until_processed().await?;
            bridge.assert_no_personal_data(&[caught.whole], &[]).await
        })
        .await?;
    Narrator::aside(&format!(
        "{} values looked for in {} items, {} log lines, {} message and {} answers",
        scanned.values, scanned.items, scanned.lines, scanned.messages, scanned.answers
    ));
    Ok(())
}

/// The account with that `sub`, which must exist.
pub(super) async fn account(
    bridge: &Deployment,
    side: Side,
    sub: &str,
) -> anyhow::Result<AdminView> {
    let account = bridge.pool(side).account(sub).await?;
    account.with_context(|| format!("the {side} pool has no account {sub}"))
}

/// The difference between found and wanted, as text.
pub(super) fn differs(what: &str, found: &str, wanted: &str) -> Option<String> {
    (found != wanted).then(|| format!("{what} is \"{found}\", not \"{wanted}\""))
}

/// The first attribute that differs from the wanted one.
pub(super) fn first_difference(account: &AdminView, wanted: &[(&str, &str)]) -> Option<String> {
    wanted.iter().find_map(|(name, value)| differs(name, account.attribute(name), value))
}
