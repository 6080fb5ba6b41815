//! What the protocol expects of the queue.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use anyhow::Context as _;
use poolbridge_core::change::{ChangeEvent, Evidence};
use poolbridge_core::drain::QueueCounts;
use poolbridge_core::error::PortError;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::Outbox;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::difference::{ServiceBehaviour, StackDifference};
use super::{Case, cases, resources};

/// How long a received message is hidden, and a little more.
const HIDDEN: Duration = Duration::from_millis(resources::HIDDEN_SECONDS * 1_000);

/// A margin on top of a wait.
const MOMENT: Duration = Duration::from_millis(200);

/// How long a FIFO queue remembers a deduplication id.
const REMEMBERED: Duration = Duration::from_mins(5);

/// A received message.
#[derive(Debug)]
pub struct ReadMessage<R> {
    /// What it carries.
    pub change: ChangeEvent,
    /// The receipt to answer with.
    pub receipt: R,
    /// How often it was received, including this time.
    pub receives: u32,
}

/// A fixture with a queue and its dead-letter queue, as the reader sees both. A message is hidden
/// for [`resources::HIDDEN_SECONDS`] and received at most [`limits::RECEIVES_MAX`] times.
pub trait QueueFixture: Clone + Send + Sync + 'static {
    /// The sender's type.
    type Outbox: Outbox;
    /// The receipt that a receiver answers with.
    type Receipt: Clone + Debug + Send + Sync;

    /// A sender.
    fn outbox(&self) -> &Self::Outbox;

    /// A number that was never returned before.
    fn nonce(&self) -> u128;

    /// Which service the fixture behaves like.
    fn pool_behaviour(&self) -> &ServiceBehaviour;

    /// One message, if there is one to receive.
    fn receive(
        &self,
    ) -> impl Future<Output = Result<Option<ReadMessage<Self::Receipt>>, PortError>> + Send;

    /// Deletes a message.
    fn delete(&self, receipt: &Self::Receipt)
    -> impl Future<Output = Result<(), PortError>> + Send;

    /// Shows the message again after that time.
    fn show_after(
        &self,
        receipt: &Self::Receipt,
        after: Duration,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// The queue's counters.
    fn counts(&self) -> impl Future<Output = Result<QueueCounts, PortError>> + Send;

    /// The number of messages in the dead-letter queue.
    fn dead(&self) -> impl Future<Output = Result<u64, PortError>> + Send;

    /// Empties both.
    fn empty(&self) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Lets time pass.
    fn wait(&self, span: Duration) -> impl Future<Output = ()> + Send;
}

/// Every case. They share one queue, so they run one after the other.
pub fn cases<S: QueueFixture>() -> Vec<Case<S>> {
    cases![
        an_empty_queue_has_nothing,
        a_change_comes_out_as_it_went_in,
        changes_of_one_account_come_in_order_one_at_a_time,
        an_account_does_not_wait_for_another,
        unique_deduplication_id_an_id_is_accepted_once,
        unique_deduplication_id_equal_changes_with_other_ids_are_two_messages,
        an_id_is_forgotten_after_five_minutes,
        a_message_that_was_not_answered_comes_again,
        a_delayed_message_returns_at_its_time,
        an_old_receipt_deletes_nothing,
        counters_show_where_messages_are,
        a_message_received_too_often_is_a_dead_letter,
    ]
}

fn change(fixture: &impl QueueFixture, sub: &Sub) -> ChangeEvent {
    ChangeEvent {
        side: Side::Old,
        sub: sub.clone(),
        at: Time(1_795_000_000_000),
        evidence: Evidence::Changed,
        password: false,
        administrator: false,
        // A received message is not trusted.
        claimed: true,
        id: fixture.nonce(),
    }
}

fn sub(fixture: &impl QueueFixture) -> Sub {
    Sub::try_from(format!("{:032x}", fixture.nonce()).as_str()).expect("32 digits")
}

async fn receive<S: QueueFixture>(fixture: &S) -> anyhow::Result<ReadMessage<S::Receipt>> {
    fixture.receive().await?.context("nothing came")
}

async fn nothing<S: QueueFixture>(fixture: &S) -> anyhow::Result<()> {
    let came = fixture.receive().await?;
    assert!(came.is_none(), "received {came:?}");
    Ok(())
}

/// Sends changes of one account.
async fn sent<S: QueueFixture>(
    fixture: &S,
    sub: &Sub,
    count: usize,
) -> anyhow::Result<Vec<ChangeEvent>> {
    let changes: Vec<ChangeEvent> = (0..count).map(|_| change(fixture, sub)).collect();
    for change in &changes {
        fixture.outbox().send(change).await?;
    }
    Ok(changes)
}

async fn an_empty_queue_has_nothing<S: QueueFixture>(fixture: S) -> anyhow::Result<()> {
    fixture.empty().await?;
    nothing(&fixture).await?;
    assert_eq!(fixture.counts().await?, QueueCounts::default());
    assert_eq!(fixture.dead().await?, 0);
    Ok(())
}

async fn a_change_comes_out_as_it_went_in<S: QueueFixture>(fixture: S) -> anyhow::Result<()> {
    fixture.empty().await?;
    for (evidence, side) in
        Evidence::ALL.into_iter().zip([Side::Old, Side::New, Side::New, Side::Old])
    {
        let plain = change(&fixture, &sub(&fixture));
        let (password, administrator) =
            (evidence == Evidence::Confirmed, evidence == Evidence::Changed);
        let wanted = ChangeEvent { evidence, side, password, administrator, ..plain };
        fixture.outbox().send(&wanted).await?;
        let came = receive(&fixture).await?;
        assert_eq!((&came.change, came.receives), (&wanted, 1));
        fixture.delete(&came.receipt).await?;
    }
    nothing(&fixture).await
}

async fn changes_of_one_account_come_in_order_one_at_a_time<S: QueueFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    fixture.empty().await?;
    let sub = sub(&fixture);
    for wanted in sent(&fixture, &sub, 4).await? {
        let came = receive(&fixture).await?;
        assert_eq!(came.change, wanted);
        // A later message of the account waits until the one before is deleted.
        nothing(&fixture).await?;
        fixture.delete(&came.receipt).await?;
    }
    nothing(&fixture).await
}

async fn an_account_does_not_wait_for_another<S: QueueFixture>(fixture: S) -> anyhow::Result<()> {
    fixture.empty().await?;
    let shared = sub(&fixture);
    let first = change(&fixture, &shared);
    // The same `sub` in the other pool is another account.
    let namesake = ChangeEvent { side: Side::New, ..change(&fixture, &shared) };
    let other = change(&fixture, &sub(&fixture));
    for change in [&first, &namesake, &other] {
        fixture.outbox().send(change).await?;
    }
    let mut came = Vec::new();
    for _ in 0..3 {
        came.push(receive(&fixture).await?.change);
    }
    for wanted in [first, namesake, other] {
        assert!(came.contains(&wanted));
    }
    Ok(())
}

async fn unique_deduplication_id_an_id_is_accepted_once<S: QueueFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    fixture.empty().await?;
    let sub = sub(&fixture);
    let wanted = change(&fixture, &sub);
    // Only the id decides, whatever else the message says. The queue accepts the second one and
    // drops it.
    let same_id = ChangeEvent { evidence: Evidence::Hint, password: true, ..wanted.clone() };
    fixture.outbox().send(&wanted).await?;
    fixture.outbox().send(&same_id).await?;
    let came = receive(&fixture).await?;
    assert_eq!(came.change, wanted);
    fixture.outbox().send(&wanted).await?;
    fixture.delete(&came.receipt).await?;
    // The queue remembers the id after its message is deleted.
    fixture.outbox().send(&wanted).await?;
    nothing(&fixture).await?;
    // The id belongs to one account. A change of another account with that id is another change.
    let other = ChangeEvent { side: Side::New, ..wanted };
    fixture.outbox().send(&other).await?;
    assert_eq!(receive(&fixture).await?.change, other);
    Ok(())
}

async fn unique_deduplication_id_equal_changes_with_other_ids_are_two_messages<S: QueueFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    fixture.empty().await?;
    let changes = sent(&fixture, &sub(&fixture), 2).await?;
    assert_eq!(changes[0], ChangeEvent { id: changes[0].id, ..changes[1].clone() });
    for wanted in changes {
        let came = receive(&fixture).await?;
        assert_eq!(came.change, wanted);
        fixture.delete(&came.receipt).await?;
    }
    nothing(&fixture).await
}

async fn an_id_is_forgotten_after_five_minutes<S: QueueFixture>(fixture: S) -> anyhow::Result<()> {
    fixture.empty().await?;
    let wanted = change(&fixture, &sub(&fixture));
    fixture.outbox().send(&wanted).await?;
    fixture.delete(&receive(&fixture).await?.receipt).await?;
    if fixture.pool_behaviour().differ(StackDifference::DeduplicationEndsLate) {
        // AWS forgets the id after five minutes. The case shows only that the queue still knows it
        // a while later.
        fixture.wait(HIDDEN).await;
        fixture.outbox().send(&wanted).await?;
        return nothing(&fixture).await;
    }
    fixture.wait(REMEMBERED.saturating_sub(MOMENT)).await;
    fixture.outbox().send(&wanted).await?;
    nothing(&fixture).await?;
    fixture.wait(MOMENT).await;
    fixture.outbox().send(&wanted).await?;
    assert_eq!(receive(&fixture).await?.change, wanted);
    Ok(())
}

async fn a_message_that_was_not_answered_comes_again<S: QueueFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    fixture.empty().await?;
    let changes = sent(&fixture, &sub(&fixture), 2).await?;
    for receives in 1..=2 {
        let came = receive(&fixture).await?;
        // The same message again, before the one behind it.
        assert_eq!((&came.change, came.receives), (&changes[0], receives));
        fixture.wait(HIDDEN / 2).await;
        nothing(&fixture).await?;
        fixture.wait(HIDDEN / 2 + MOMENT).await;
    }
    Ok(())
}

async fn a_delayed_message_returns_at_its_time<S: QueueFixture>(fixture: S) -> anyhow::Result<()> {
    fixture.empty().await?;
    let changes = sent(&fixture, &sub(&fixture), 2).await?;
    let came = receive(&fixture).await?;
    fixture.show_after(&came.receipt, Duration::ZERO).await?;
    let came = receive(&fixture).await?;
    assert_eq!((&came.change, came.receives), (&changes[0], 2));
    // Sooner or later than without the call.
    fixture.show_after(&came.receipt, HIDDEN / 2).await?;
    nothing(&fixture).await?;
    fixture.wait(HIDDEN / 2 + MOMENT).await;
    let came = receive(&fixture).await?;
    assert_eq!((&came.change, came.receives), (&changes[0], 3));
    fixture.show_after(&came.receipt, HIDDEN + HIDDEN / 2).await?;
    fixture.wait(HIDDEN + MOMENT).await;
    nothing(&fixture).await?;
    fixture.wait(HIDDEN / 2).await;
    assert_eq!(receive(&fixture).await?.receives, 4);
    Ok(())
}

async fn an_old_receipt_deletes_nothing<S: QueueFixture>(fixture: S) -> anyhow::Result<()> {
    fixture.empty().await?;
    let changes = sent(&fixture, &sub(&fixture), 1).await?;
    let first = receive(&fixture).await?;
    fixture.show_after(&first.receipt, Duration::ZERO).await?;
    let second = receive(&fixture).await?;
    // SQS may accept it silently or refuse it. The message stays in both cases.
    let _ = fixture.delete(&first.receipt).await;
    fixture.show_after(&second.receipt, Duration::ZERO).await?;
    let third = receive(&fixture).await?;
    assert_eq!((&third.change, third.receives), (&changes[0], 3));
    fixture.delete(&third.receipt).await?;
    nothing(&fixture).await?;
    assert!(fixture.counts().await?.empty());
    Ok(())
}

async fn counters_show_where_messages_are<S: QueueFixture>(fixture: S) -> anyhow::Result<()> {
    fixture.empty().await?;
    let counts = |waiting, in_flight| QueueCounts { waiting, in_flight, delayed: 0 };
    sent(&fixture, &sub(&fixture), 2).await?;
    sent(&fixture, &sub(&fixture), 1).await?;
    assert_eq!(fixture.counts().await?, counts(3, 0));
    let came = receive(&fixture).await?;
    let other = receive(&fixture).await?;
    assert_eq!(fixture.counts().await?, counts(1, 2));
    fixture.delete(&other.receipt).await?;
    assert_eq!(fixture.counts().await?, counts(1, 1));
    // A delayed message is still in flight: a queue whose messages all wait is not empty.
    fixture.show_after(&came.receipt, HIDDEN / 2).await?;
    assert_eq!(fixture.counts().await?, counts(1, 1));
    fixture.wait(HIDDEN / 2 + MOMENT).await;
    assert_eq!(fixture.counts().await?, counts(2, 0));
    Ok(())
}

async fn a_message_received_too_often_is_a_dead_letter<S: QueueFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    fixture.empty().await?;
    let changes = sent(&fixture, &sub(&fixture), 2).await?;
    for receives in 1..=limits::RECEIVES_MAX {
        let came = receive(&fixture).await?;
        assert_eq!((&came.change, came.receives), (&changes[0], receives));
        assert_eq!(fixture.dead().await?, 0);
        fixture.show_after(&came.receipt, Duration::ZERO).await?;
    }
    // No reader receives it again, and the message behind it is free.
    let came = receive(&fixture).await?;
    assert_eq!((&came.change, came.receives), (&changes[1], 1));
    assert_eq!(fixture.dead().await?, 1);
    fixture.delete(&came.receipt).await?;
    assert!(fixture.counts().await?.empty());
    Ok(())
}
