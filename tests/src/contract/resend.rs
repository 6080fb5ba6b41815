//! Pending changes that the clock sends again. These cases run the real functions on the real
//! adapters, because only the adapters can do it. `ledger` tests what core promises about pending
//! changes.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use poolbridge_aws::dynamodb::DynamoLedger;
use poolbridge_aws::resend::{ResendResult, resend_due};
use poolbridge_aws::sqs::SqsOutbox;
use poolbridge_core::change::{ChangeEvent, Evidence, PendingChange};
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::Reason;
use poolbridge_core::ports::{Clock, Ledger as _};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::queue::QueueStand;
use super::{Case, cases};

/// The adapters of the table and of the queue, and their clock.
pub trait ResendStand: QueueStand {
    /// The clock's type.
    type Clock: Clock;

    /// The table.
    fn table(&self) -> &DynamoLedger;

    /// The queue, as a sender sees it.
    fn sender(&self) -> &SqsOutbox;

    /// The clock.
    fn clock(&self) -> &Self::Clock;

    /// Stops everything but disables, for that reason; `None` lets the bridge continue.
    fn stop(&self, stop: Option<StopReason>) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Why only a disable may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// An operator paused the bridge.
    Pause,
    /// Another configuration is active.
    OtherConfiguration,
}

/// The configuration of the cases.
const CONFIGURATION: &str = "the one of the cases";

/// Every case. They need the queue for themselves.
pub fn cases<S: ResendStand>() -> Vec<Case<S>> {
    cases![
        a_due_change_is_sent_again_once_and_then_rests,
        while_stopped_only_unobserved_changes_are_sent_again,
        a_changed_pending_change_does_not_rest,
    ]
}

/// Stores a pending change of an account that changed that long ago.
async fn has_pending<S: ResendStand>(stand: &S, ago: Duration) -> anyhow::Result<ChangeEvent> {
    let nonce = QueueStand::nonce(stand);
    let sub = Sub::try_from(format!("{nonce:032x}").as_str()).context("32 digits")?;
    let at = stand.clock().now() - ago;
    let id = QueueStand::nonce(stand);
    let (side, evidence) = (Side::New, Evidence::Changed);
    let (password, administrator, claimed) = (true, false, false);
    let change = ChangeEvent { side, sub, at, evidence, password, administrator, claimed, id };
    stand.table().store_pending(&change).await?;
    Ok(change)
}

async fn pending_of<S: ResendStand>(
    stand: &S,
    change: &ChangeEvent,
) -> anyhow::Result<PendingChange> {
    let pending = stand.table().read_pending(change.side, &change.sub).await?;
    pending.context("the pending change is gone")
}

async fn resend<S: ResendStand>(stand: &S) -> anyhow::Result<ResendResult> {
    Ok(resend_due(stand.table(), stand.sender(), stand.clock(), CONFIGURATION).await?)
}

/// Receives and deletes every message of the queue.
async fn sent<S: ResendStand>(stand: &S) -> anyhow::Result<Vec<ChangeEvent>> {
    let mut all = Vec::new();
    while let Some(delivery) = stand.receive().await? {
        QueueStand::delete(stand, &delivery.receipt).await?;
        all.push(delivery.change);
    }
    Ok(all)
}

async fn a_due_change_is_sent_again_once_and_then_rests<S: ResendStand>(
    stand: S,
) -> anyhow::Result<()> {
    stand.empty().await?;
    let due = has_pending(&stand, Duration::from_mins(2)).await?;
    let live = has_pending(&stand, Duration::from_secs(5)).await?;
    let off = has_pending(&stand, Duration::from_mins(3)).await?;
    let (before, token) = (pending_of(&stand, &due).await?, pending_of(&stand, &off).await?.token);
    let until = stand.clock().now() + Duration::from_hours(1);
    let put_off = stand.table().back_off(off.side, &off.sub, token, until, Reason::Busy).await?;
    ensure!(put_off, "the change was not delayed");
    let first = resend(&stand).await?;
    assert_eq!((first.sent, first.failed, first.paused), (1, 0, false));
    assert!(
        first.pending_changes >= 3 && first.oldest >= Some(Duration::from_mins(3)),
        "{first:?}"
    );
    let messages = sent(&stand).await?;
    assert_eq!(messages.len(), 1);
    let again = &messages[0];
    // The message carries all that the pending change says, under a new id. So no queue drops it as
    // a duplicate (UniqueDeduplicationId).
    assert_eq!(*again, ChangeEvent { id: again.id, claimed: true, ..due.clone() });
    assert_ne!(again.id, due.id);
    let after = pending_of(&stand, &due).await?;
    let not_before = after.not_before;
    assert!(not_before > stand.clock().now() + Duration::from_mins(5), "no longer than a run");
    assert_eq!(
        after,
        PendingChange { not_before, ..before },
        "a delay is no change and no attempt"
    );
    // The next run finds nothing to do, even if a worker has observed the account meanwhile.
    assert_eq!(resend(&stand).await?.sent, 0);
    assert_eq!(sent(&stand).await?, []);
    assert_eq!(pending_of(&stand, &live).await?.not_before, Time::ZERO);
    assert_eq!(pending_of(&stand, &off).await?.not_before, until);
    for change in [due, live, off] {
        let token = pending_of(&stand, &change).await?.token;
        assert!(stand.table().clear_pending(change.side, &change.sub, token).await?);
    }
    Ok(())
}

/// A change that apply has not observed yet may be a disable, which passes a pause (invariant 10).
/// A change that an observation found to be no disable waits.
async fn while_stopped_only_unobserved_changes_are_sent_again<S: ResendStand>(
    stand: S,
) -> anyhow::Result<()> {
    for (stop, reason) in [
        (StopReason::Pause, Reason::Paused),
        (StopReason::OtherConfiguration, Reason::OtherConfiguration),
    ] {
        stand.empty().await?;
        let unseen = has_pending(&stand, Duration::from_mins(2)).await?;
        let judged = has_pending(&stand, Duration::from_mins(3)).await?;
        let token = pending_of(&stand, &judged).await?.token;
        let now = stand.clock().now();
        ensure!(stand.table().back_off(judged.side, &judged.sub, token, now, reason).await?);
        let before = pending_of(&stand, &judged).await?;
        stand.stop(Some(stop)).await?;
        let stopped = resend(&stand).await?;
        stand.stop(None).await?;
        let paused = stop == StopReason::Pause;
        assert_eq!((stopped.sent, stopped.failed), (1, 0), "{stop:?}: {stopped:?}");
        assert_eq!((stopped.paused, stopped.other_configuration), (paused, !paused));
        assert!(stopped.pending_changes >= 2 && stopped.oldest >= Some(Duration::from_mins(3)));
        let subs: Vec<Sub> = sent(&stand).await?.into_iter().map(|change| change.sub).collect();
        assert_eq!(
            subs.as_slice(),
            std::slice::from_ref(&unseen.sub),
            "{stop:?}: a change that may be a disable"
        );
        assert_eq!(pending_of(&stand, &judged).await?, before, "{stop:?}");
        let after = resend(&stand).await?;
        assert_eq!((after.sent, after.paused, after.other_configuration), (1, false, false));
        sent(&stand).await?;
        for change in [unseen, judged] {
            let token = pending_of(&stand, &change).await?.token;
            assert!(stand.table().clear_pending(change.side, &change.sub, token).await?);
        }
    }
    Ok(())
}

async fn a_changed_pending_change_does_not_rest<S: ResendStand>(stand: S) -> anyhow::Result<()> {
    let old = has_pending(&stand, Duration::from_mins(2)).await?;
    let seen = pending_of(&stand, &old).await?;
    let newer =
        ChangeEvent { at: stand.clock().now(), id: QueueStand::nonce(&stand), ..old.clone() };
    stand.table().store_pending(&newer).await?;
    let until = stand.clock().now() + Duration::from_hours(1);
    stand.table().rest(vec![seen], until).await?;
    let touched = pending_of(&stand, &old).await?;
    assert_eq!(touched.not_before, Time::ZERO, "a new change waits because of an old one");
    assert!(stand.table().clear_pending(old.side, &old.sub, touched.token).await?);
    // A pending change that was cleared is not stored again.
    stand.table().rest(vec![touched], until).await?;
    assert_eq!(stand.table().read_pending(old.side, &old.sub).await?, None);
    Ok(())
}
