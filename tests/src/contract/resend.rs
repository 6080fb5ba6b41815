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

use super::queue::QueueFixture;
use super::{Case, cases};

/// The adapters of the table and of the queue, and their clock.
pub trait ResendFixture: QueueFixture {
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
pub fn cases<S: ResendFixture>() -> Vec<Case<S>> {
    cases![
        a_due_change_is_sent_again_once_and_then_waits,
        while_stopped_only_unobserved_changes_are_sent_again,
        a_changed_pending_change_does_not_wait,
    ]
}

/// Stores a pending change of an account that changed that long ago.
async fn has_pending<S: ResendFixture>(fixture: &S, ago: Duration) -> anyhow::Result<ChangeEvent> {
    let nonce = QueueFixture::nonce(fixture);
    let sub = Sub::try_from(format!("{nonce:032x}").as_str()).context("32 digits")?;
    let at = fixture.clock().now() - ago;
    let id = QueueFixture::nonce(fixture);
    let (side, evidence) = (Side::New, Evidence::Changed);
    let (password, administrator, claimed) = (true, false, false);
    let change = ChangeEvent { side, sub, at, evidence, password, administrator, claimed, id };
    fixture.table().store_pending(&change).await?;
    Ok(change)
}

async fn pending_of<S: ResendFixture>(
    fixture: &S,
    change: &ChangeEvent,
) -> anyhow::Result<PendingChange> {
    let pending = fixture.table().read_pending(change.side, &change.sub).await?;
    pending.context("the pending change is gone")
}

async fn resend<S: ResendFixture>(fixture: &S) -> anyhow::Result<ResendResult> {
    Ok(resend_due(fixture.table(), fixture.sender(), fixture.clock(), CONFIGURATION).await?)
}

/// Receives and deletes every message of the queue.
async fn sent<S: ResendFixture>(fixture: &S) -> anyhow::Result<Vec<ChangeEvent>> {
    let mut all = Vec::new();
    while let Some(delivery) = fixture.receive().await? {
        QueueFixture::delete(fixture, &delivery.receipt).await?;
        all.push(delivery.change);
    }
    Ok(all)
}

async fn a_due_change_is_sent_again_once_and_then_waits<S: ResendFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    fixture.empty().await?;
    let due = has_pending(&fixture, Duration::from_mins(2)).await?;
    let live = has_pending(&fixture, Duration::from_secs(5)).await?;
    let off = has_pending(&fixture, Duration::from_mins(3)).await?;
    let (before, token) =
        (pending_of(&fixture, &due).await?, pending_of(&fixture, &off).await?.token);
    let until = fixture.clock().now() + Duration::from_hours(1);
    let put_off = fixture.table().back_off(off.side, &off.sub, token, until, Reason::Busy).await?;
    ensure!(put_off, "the change was not delayed");
    let first = resend(&fixture).await?;
    assert_eq!((first.sent, first.failed, first.paused), (1, 0, false));
    assert!(
        first.pending_changes >= 3 && first.oldest >= Some(Duration::from_mins(3)),
        "{first:?}"
    );
    let messages = sent(&fixture).await?;
    assert_eq!(messages.len(), 1);
    let again = &messages[0];
    // The message carries all that the pending change says, under a new id. So no queue drops it as
    // a duplicate (UniqueDeduplicationId).
    assert_eq!(*again, ChangeEvent { id: again.id, claimed: true, ..due.clone() });
    assert_ne!(again.id, due.id);
    let after = pending_of(&fixture, &due).await?;
    let not_before = after.not_before;
    assert!(not_before > fixture.clock().now() + Duration::from_mins(5), "no longer than a run");
    assert_eq!(
        after,
        PendingChange { not_before, ..before },
        "a delay is no change and no attempt"
    );
    // The next run finds nothing to do, even if a worker has observed the account meanwhile.
    assert_eq!(resend(&fixture).await?.sent, 0);
    assert_eq!(sent(&fixture).await?, []);
    assert_eq!(pending_of(&fixture, &live).await?.not_before, Time::ZERO);
    assert_eq!(pending_of(&fixture, &off).await?.not_before, until);
    for change in [due, live, off] {
        let token = pending_of(&fixture, &change).await?.token;
        assert!(fixture.table().clear_pending(change.side, &change.sub, token).await?);
    }
    Ok(())
}

/// A change that apply has not observed yet may be a disable, which passes a pause (invariant 10).
/// A change that an observation found to be no disable waits.
async fn while_stopped_only_unobserved_changes_are_sent_again<S: ResendFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    for (stop, reason) in [
        (StopReason::Pause, Reason::Paused),
        (StopReason::OtherConfiguration, Reason::OtherConfiguration),
    ] {
        fixture.empty().await?;
        let unseen = has_pending(&fixture, Duration::from_mins(2)).await?;
        let observed = has_pending(&fixture, Duration::from_mins(3)).await?;
        let token = pending_of(&fixture, &observed).await?.token;
        let now = fixture.clock().now();
        ensure!(fixture.table().back_off(observed.side, &observed.sub, token, now, reason).await?);
        let before = pending_of(&fixture, &observed).await?;
        fixture.stop(Some(stop)).await?;
        let stopped = resend(&fixture).await?;
        fixture.stop(None).await?;
        let paused = stop == StopReason::Pause;
        assert_eq!((stopped.sent, stopped.failed), (1, 0), "{stop:?}: {stopped:?}");
        assert_eq!((stopped.paused, stopped.other_configuration), (paused, !paused));
        assert!(stopped.pending_changes >= 2 && stopped.oldest >= Some(Duration::from_mins(3)));
        let subs: Vec<Sub> = sent(&fixture).await?.into_iter().map(|change| change.sub).collect();
        assert_eq!(
            subs.as_slice(),
            std::slice::from_ref(&unseen.sub),
            "{stop:?}: a change that may be a disable"
        );
        assert_eq!(pending_of(&fixture, &observed).await?, before, "{stop:?}");
        let after = resend(&fixture).await?;
        assert_eq!((after.sent, after.paused, after.other_configuration), (1, false, false));
        sent(&fixture).await?;
        for change in [unseen, observed] {
            let token = pending_of(&fixture, &change).await?.token;
            assert!(fixture.table().clear_pending(change.side, &change.sub, token).await?);
        }
    }
    Ok(())
}

async fn a_changed_pending_change_does_not_wait<S: ResendFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let old = has_pending(&fixture, Duration::from_mins(2)).await?;
    let seen = pending_of(&fixture, &old).await?;
    let newer =
        ChangeEvent { at: fixture.clock().now(), id: QueueFixture::nonce(&fixture), ..old.clone() };
    fixture.table().store_pending(&newer).await?;
    let until = fixture.clock().now() + Duration::from_hours(1);
    fixture.table().rest(vec![seen], until).await?;
    let touched = pending_of(&fixture, &old).await?;
    assert_eq!(touched.not_before, Time::ZERO, "a new change waits because of an old one");
    assert!(fixture.table().clear_pending(old.side, &old.sub, touched.token).await?);
    // A pending change that was cleared is not stored again.
    fixture.table().rest(vec![touched], until).await?;
    assert_eq!(fixture.table().read_pending(old.side, &old.sub).await?, None);
    Ok(())
}
