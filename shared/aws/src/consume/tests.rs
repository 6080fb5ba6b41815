//! Tests the batch consumer with scripted outside calls.

use std::sync::Mutex;

use poolbridge_core::change::Evidence;
use poolbridge_core::error::ErrorKind;
use poolbridge_core::names::Sub;
use poolbridge_core::side::Side;

use super::*;
use crate::sqs::QueueKind;
use poolbridge_telemetry::Output;

/// What happens to the change of one account.
#[derive(Clone, Copy)]
enum ScriptedOutcome {
    Ends(fn() -> Outcome),
    Panics,
    Hangs,
}

struct FakeHandler {
    fates: BTreeMap<&'static str, ScriptedOutcome>,
    has_pending: bool,
    /// The answer of `put_off`.
    takes_back_off: Result<bool, ()>,
    looked_at: Mutex<Vec<String>>,
    hidden: Mutex<Vec<(String, Duration)>>,
    put_off: Mutex<Vec<(String, Reason)>>,
    throttled: Option<Time>,
}

const NOW: Time = Time(1_700_000_000_000);

impl FakeHandler {
    fn with(fates: &[(&'static str, ScriptedOutcome)]) -> Self {
        Self {
            fates: fates.iter().copied().collect(),
            has_pending: true,
            takes_back_off: Ok(true),
            looked_at: Mutex::default(),
            hidden: Mutex::default(),
            put_off: Mutex::default(),
            throttled: None,
        }
    }

    fn hidden(&self) -> Vec<(String, Duration)> {
        let mut hidden = self.hidden.lock().unwrap().clone();
        hidden.sort();
        hidden
    }
}

impl MessageHandler for FakeHandler {
    fn now(&self) -> Time {
        NOW
    }

    fn throttled(&self) -> Option<Time> {
        self.throttled
    }

    async fn reconcile(&self, change: &ChangeEvent, _work: &Work) -> Report {
        let sub = change.sub.as_str();
        self.looked_at.lock().unwrap().push(sub.to_owned());
        let fate =
            self.fates.get(sub).copied().unwrap_or(ScriptedOutcome::Ends(|| Outcome::Applied));
        let outcome = match fate {
            ScriptedOutcome::Ends(outcome) => outcome(),
            ScriptedOutcome::Panics => panic!("planted panic"),
            ScriptedOutcome::Hangs => std::future::pending().await,
        };
        Report {
            outcome,
            person: None,
            carried: Vec::new(),
            account_reads: 1,
            pool_writes: 0,
            decisions: Vec::new(),
            has_pending: self.has_pending,
        }
    }

    async fn hide(&self, delivery: &Delivery, after: Duration) -> Result<(), PortError> {
        self.hidden.lock().unwrap().push((delivery.receipt.clone(), after));
        Ok(())
    }

    async fn put_off(
        &self,
        change: &ChangeEvent,
        _: Time,
        reason: Reason,
    ) -> Result<bool, PortError> {
        self.put_off.lock().unwrap().push((change.sub.to_string(), reason));
        self.takes_back_off.map_err(|()| PortError::new(ErrorKind::NoAnswer, "UpdateItem"))
    }
}

fn message(id: &str, sub: &str, receives: u32) -> Delivery {
    let change = ChangeEvent {
        side: Side::Old,
        sub: Sub::try_from(sub).unwrap(),
        at: NOW - Duration::from_secs(1),
        evidence: Evidence::Changed,
        password: false,
        administrator: false,
        claimed: false,
        id: 7,
    };
    Delivery {
        body: wire::encode(&change),
        receipt: format!("receipt-{id}"),
        receives,
        message_id: id.to_owned(),
        group: format!("old#{sub}"),
        line: QueueKind::Live,
    }
}

fn budget() -> TimeBudget {
    TimeBudget { end: Some(NOW + Duration::from_mins(1)), suspendable: false }
}

async fn run(handler: FakeHandler, deliveries: Vec<Delivery>) -> (Vec<String>, Arc<FakeHandler>) {
    let handler = Arc::new(handler);
    let telemetry = Telemetry::new("test".to_owned(), Output::Test);
    let failed = consume(&handler, &telemetry, deliveries, budget()).await;
    (failed, handler)
}

fn settling() -> Outcome {
    Outcome::Retry(Duration::from_secs(10), Reason::Settling)
}

fn outage() -> Outcome {
    Outcome::Retry(limits::RETRY_SOON, Reason::PortError(ErrorKind::NoAnswer))
}

fn paused() -> Outcome {
    Outcome::Retry(limits::RETRY_SLOWLY, Reason::Paused)
}

#[tokio::test]
async fn finished_messages_do_not_come_back() {
    let fates = [
        ("a", ScriptedOutcome::Ends(|| Outcome::Applied)),
        ("b", ScriptedOutcome::Ends(|| Outcome::Unchanged)),
        ("c", ScriptedOutcome::Ends(|| Outcome::Held(Reason::Conflict))),
        ("d", ScriptedOutcome::Ends(|| Outcome::Rejected(Reason::TooLong))),
    ];
    let messages = ["a", "b", "c", "d"].map(|sub| message(sub, sub, 1)).to_vec();
    let (failed, handler) = run(FakeHandler::with(&fates), messages).await;
    assert!(failed.is_empty());
    assert!(handler.hidden().is_empty());
}

#[tokio::test]
async fn a_group_stops_at_its_first_failure_and_others_continue() {
    let fates = [("a", ScriptedOutcome::Ends(settling))];
    let messages = vec![
        message("1", "a", 1),
        message("2", "b", 1),
        message("3", "a", 1),
        message("4", "b", 1),
    ];
    let (failed, handler) = run(FakeHandler::with(&fates), messages).await;
    assert_eq!(failed, ["1", "3"]);
    let ten = Duration::from_secs(10);
    let hidden = [("receipt-1".to_owned(), ten), ("receipt-3".to_owned(), ten)];
    assert_eq!(handler.hidden(), hidden);
    assert_eq!(handler.looked_at.lock().unwrap().iter().filter(|sub| *sub == "a").count(), 1);
}

#[tokio::test]
async fn a_panic_affects_one_person_and_loses_nothing() {
    let fates = [("a", ScriptedOutcome::Panics)];
    // Even after many receives: a message that crashes apply belongs in the dead-letter queue and
    // must not be deleted.
    let messages = vec![message("1", "a", 11), message("2", "b", 1)];
    let (failed, handler) = run(FakeHandler::with(&fates), messages).await;
    assert_eq!(failed, ["1"]);
    assert!(handler.put_off.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_undecodable_message_is_dropped_and_a_newer_version_is_kept() {
    let mut malformed = message("1", "a", 1);
    malformed.body = "{\"v\":1,\"side\":\"left\"}".to_owned();
    let mut large = message("2", "b", 1);
    large.body = "x".repeat(1024 * 1024);
    let mut newer = message("3", "c", 2);
    newer.body = newer.body.replace("\"v\":1", "\"v\":2");
    let (failed, handler) = run(FakeHandler::with(&[]), vec![malformed, large, newer]).await;
    assert_eq!(failed, ["3"]);
    assert_eq!(handler.hidden(), [("receipt-3".to_owned(), limits::RETRY_SLOWLY * 2)]);
    assert!(handler.looked_at.lock().unwrap().is_empty());
}

#[tokio::test]
async fn after_a_few_receives_only_the_pending_change_remembers() {
    let fates = [("a", ScriptedOutcome::Ends(outage))];
    let few = limits::LATER_RECEIVES_MAX;
    let (failed, handler) = run(FakeHandler::with(&fates), vec![message("1", "a", few - 1)]).await;
    assert_eq!(failed, ["1"]);
    assert!(handler.put_off.lock().unwrap().is_empty());
    let (failed, handler) = run(FakeHandler::with(&fates), vec![message("1", "a", few)]).await;
    assert!(failed.is_empty());
    assert_eq!(handler.put_off.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_locked_person_is_retried_soon_and_no_later_than_the_lease_ends() {
    fn busy() -> Outcome {
        Outcome::Retry(Duration::from_secs(35), Reason::Busy)
    }
    let mut waits = Vec::new();
    for receives in 1..limits::LATER_RECEIVES_MAX {
        let handler = FakeHandler::with(&[("anna", ScriptedOutcome::Ends(busy))]);
        let (_, handler) = run(handler, vec![message("m", "anna", receives)]).await;
        waits.push(handler.hidden()[0].1.as_secs());
    }
    assert_eq!(waits, [1, 4, 16, 35]);
}

#[tokio::test]
async fn during_a_pause_the_pending_change_remembers_at_once() {
    let fates = [("a", ScriptedOutcome::Ends(paused))];
    let (failed, handler) = run(FakeHandler::with(&fates), vec![message("1", "a", 1)]).await;
    assert!(failed.is_empty());
    assert_eq!(*handler.put_off.lock().unwrap(), [("a".to_owned(), Reason::Paused)]);
}

#[tokio::test]
async fn without_a_pending_change_the_message_is_kept() {
    let fates = [("a", ScriptedOutcome::Ends(paused))];
    let kept = |has_pending, takes_back_off| async move {
        let handler = FakeHandler { has_pending, takes_back_off, ..FakeHandler::with(&fates) };
        run(handler, vec![message("1", "a", 9)]).await.0
    };
    assert_eq!(kept(false, Ok(true)).await, ["1"]);
    assert_eq!(kept(true, Ok(false)).await, ["1"]);
    assert_eq!(kept(true, Err(())).await, ["1"]);
    assert!(kept(true, Ok(true)).await.is_empty());
}

#[tokio::test]
async fn a_hanging_person_is_dropped_before_the_process_ends() {
    let fates = [("a", ScriptedOutcome::Hangs)];
    let messages = vec![message("1", "a", 1), message("2", "b", 1)];
    let began = tokio::time::Instant::now();
    let life = ANSWER_TIME + Duration::from_millis(200);
    let budget = TimeBudget { end: Some(NOW + life), suspendable: false };
    let handler = Arc::new(FakeHandler::with(&fates));
    let telemetry = Telemetry::new("test".to_owned(), Output::Test);
    let failed = consume(&handler, &telemetry, messages, budget).await;
    assert_eq!(failed, ["1"]);
    assert!(began.elapsed() < life);
}

#[tokio::test]
async fn messages_without_a_group_form_groups_of_their_own() {
    let mut messages = vec![message("1", "a", 1), message("2", "b", 1)];
    for message in &mut messages {
        message.group = String::new();
    }
    let fates = [("a", ScriptedOutcome::Ends(settling))];
    assert_eq!(run(FakeHandler::with(&fates), messages).await.0, ["1"]);
}

#[test]
fn an_outage_of_hours_stays_below_the_queues_receive_limit() {
    let waits = (1..limits::RECEIVES_MAX).map(|receives| growing(limits::RETRY_SOON, receives));
    assert!(waits.sum::<Duration>() > Duration::from_hours(2));
    assert_eq!(growing(limits::RETRY_SOON, 1), limits::RETRY_SOON);
    assert_eq!(growing(limits::RETRY_SOON, u32::MAX), limits::RETRY_LONGEST);
    let long = limits::RETRY_LONGEST * 2;
    assert_eq!(growing(long, 3), long);
}

#[tokio::test]
async fn a_refused_batch_comes_back_complete() {
    let messages = [message("1", "a", 1), message("2", "b", 3)];
    let hidden = Mutex::new(Vec::new());
    let failed = refuse(&messages, &BTreeSet::new(), |delivery, after| {
        hidden.lock().unwrap().push((delivery.message_id.clone(), after));
        std::future::ready(Ok(()))
    })
    .await;
    assert_eq!(failed, ["1", "2"]);
    let expected = [("1".to_owned(), limits::RETRY_SOON), ("2".to_owned(), limits::RETRY_SOON * 4)];
    assert_eq!(*hidden.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_message_with_a_pending_change_does_not_become_a_dead_letter() {
    let often = limits::LATER_RECEIVES_MAX;
    let mut messages = [message("1", "a", often), message("2", "b", often - 1)].to_vec();
    messages.extend([message("3", "c", often), message("4", "d", often)]);
    messages[2].body = "no change".to_owned();
    let has_pending = store_all_pending(&messages, NOW, Duration::from_secs(1), |change| {
        let failed = change.sub.as_str() == "d";
        let error = PortError::new(ErrorKind::Throttled, "UpdateItem");
        std::future::ready(if failed { Err(error) } else { Ok(()) })
    })
    .await;
    let back = refuse(&messages, &has_pending, |_, _| std::future::ready(Ok(()))).await;
    // 2: not received often enough. 3: not decodable. 4: without a pending change.
    assert_eq!(back, ["2", "3", "4"]);
}

#[test]
fn work_stops_before_the_process_ends() {
    let end = NOW + Duration::from_secs(10);
    let budget = TimeBudget { end: Some(end), suspendable: false };
    let work = budget.work(NOW);
    assert_eq!(work.deadline, end - limits::STOP_BEFORE_DEADLINE);
    assert_eq!(work.invocation_end, end);
    let plain = TimeBudget { end: None, suspendable: true }.work(NOW);
    assert_eq!(plain.deadline, NOW + limits::PERSON_TIME_MAX);
    assert_eq!(plain.invocation_end, plain.deadline);
    assert!(plain.suspendable);
}

#[tokio::test]
async fn bulk_work_pauses_while_a_pool_throttles_and_live_work_does_not() {
    let until = NOW + Duration::from_secs(40);
    let handler = FakeHandler { throttled: Some(until), ..FakeHandler::with(&[]) };
    let bulk = Delivery { line: QueueKind::Bulk, ..message("m2", "two", 1) };
    let (failed, handler) = run(handler, vec![message("m1", "one", 1), bulk]).await;
    assert_eq!(failed, ["m2"]);
    assert_eq!(*handler.looked_at.lock().unwrap(), ["one"]);
    assert_eq!(handler.hidden(), [("receipt-m2".to_owned(), Duration::from_secs(40))]);
}
