use poolbridge_core::capture::Captured;
use poolbridge_core::change::Evidence;
use poolbridge_core::error::ErrorKind;
use poolbridge_core::names::Sub;
use poolbridge_core::restore::RestoreStage;
use serde_json::{Value, json};

use poolbridge_aws::loopback::{Loopback, Reply, config_at};

use super::*;

#[test]
fn an_event_comes_again_only_if_nothing_was_stored() {
    fn error<T>() -> Result<T, PortError> {
        Err(PortError::new(ErrorKind::NoAnswer, "UpdateItem"))
    }
    let event = AccountEvent {
        place: EventPool::Pool(Side::Old),
        sub: Sub::try_from("s-1").unwrap(),
        at: Time(7),
        evidence: Evidence::Deleted,
        password: true,
        administrator: false,
        id: Some(5),
    };
    let change = &event.changes(BySide::default(), 1)[0];
    let captured = |pending, message| DetectionLine {
        captured: vec![(change.clone(), Captured { pending, message })],
        ..DetectionLine::default()
    };
    let decoded = TrailEvent {
        operation: "AdminDeleteUser",
        pool: None,
        at: None,
        outcome: Err(Ignored::Unreadable),
    };
    let came_to = |detection: &DetectionLine| {
        let metrics = metrics(detection, &decoded);
        (is_lost(detection), metrics.captured, metrics.failed)
    };
    assert_eq!(came_to(&captured(Ok(()), Ok(()))), (false, 1, 0));
    assert_eq!(came_to(&captured(error(), Ok(()))), (false, 1, 1));
    assert_eq!(came_to(&captured(Ok(()), error())), (false, 1, 1));
    assert_eq!(came_to(&captured(error(), error())), (true, 0, 1));
    let swept =
        |wanted| DetectionLine { swept: vec![(Side::Old, wanted)], ..DetectionLine::default() };
    assert_eq!(came_to(&swept(Ok(()))), (false, 0, 0));
    assert_eq!(came_to(&swept(error())), (true, 0, 1));
    let looked =
        |look| DetectionLine { pools: vec![(Side::Old, look)], ..DetectionLine::default() };
    assert_eq!(came_to(&looked(Ok(PoolCheck::Triggers(vec![])))), (false, 0, 0));
    assert_eq!(came_to(&looked(error())), (true, 0, 1));
    let slots = vec![TriggerSlot::PreSignUp, TriggerSlot::PostConfirmation];
    let missing = metrics(&looked(Ok(PoolCheck::Triggers(slots))), &decoded);
    assert_eq!((missing.triggers_missing, missing.restores), (2, 0));
    let restored = metrics(&looked(Ok(PoolCheck::Restore(RestoreStage::Started))), &decoded);
    assert_eq!((restored.triggers_missing, restored.restores), (0, 1));
    let dropped = |refusal| DetectionLine { refusal: Some(refusal), ..DetectionLine::default() };
    assert_eq!(came_to(&dropped(Ignored::OwnCall)), (false, 0, 0));
    assert_eq!(came_to(&dropped(Ignored::Unreadable)), (false, 0, 1));
}

/// The capture function of each pool, as the pool should name it.
const CAPTURE: &str = "arn:aws:lambda:eu-west-1:111122223333:function:acme-capture";

/// The trail of a bridge whose pools, table and queue are all at that address. The sign-up guard
/// has a slot of its own, so capture should be attached in two.
async fn trail_at(url: &str) -> TrailHandler {
    let file = format!(
        "name = \"acme\"\n[old]\nuser_pool_id = \"eu-west-1_A\"\nclient_id = \"a\"\n\
         endpoint_url = \"{url}\"\n[new]\nuser_pool_id = \"eu-west-1_B\"\nclient_id = \"b\"\n\
         endpoint_url = \"{url}\"\n[identity]\nmatch = \"email\"\n\
         [policy]\nprovision = \"lazy\"\nsignup_guard = true\n"
    );
    let configuration = Configuration::parse("bridge.toml", &file).unwrap();
    let (sdk, clock) = (config_at(url).await, SystemClock::new());
    let ours = Some(CAPTURE.to_owned());
    let services = TrailServices {
        decoder: TrailDecoder::new(&configuration, &[]),
        ledger: table(&sdk, &clock, "acme"),
        outbox: SqsOutbox::new(queue_client(&sdk, &clock), format!("{url}/1/acme.fifo")),
        pools: BySide {
            old: of_pool(&sdk, &clock, &configuration, Side::Old, ours.clone()).await,
            new: of_pool(&sdk, &clock, &configuration, Side::New, ours).await,
        },
    };
    let telemetry = Telemetry::new(configuration.name, Output::Test);
    TrailHandler { services: Ok(services), clock, telemetry, due: BySide::default() }
}

/// A `CloudTrail` event for a call that changed the old pool's settings.
fn of_settings(operation: &str) -> String {
    let detail = json!({
        "eventSource": "cognito-idp.amazonaws.com", "eventName": operation,
        "eventTime": "2026-11-22T09:58:40Z", "awsRegion": "eu-west-1", "readOnly": false,
        "userIdentity": {"type": "AssumedRole", "principalId": "AROAEXAMPLE:cloudformation"},
        "requestParameters": {"userPoolId": "eu-west-1_A"},
        "eventID": "ed24f1e5-3f3c-4b2a-9d6e-0f1e2d3c4b5a", "eventType": "AwsApiCall",
    });
    json!({"source": "aws.cognito-idp", "detail": detail}).to_string()
}

/// Processes an `UpdateUserPool` event while the old pool has these triggers.
async fn after_update(triggers: Value) -> (u64, u64, Loopback) {
    let pool = json!({"UserPool": {"Id": "eu-west-1_A", "Name": "a", "LambdaConfig": triggers}});
    let service = Loopback::new(move |(operation, _), _| match operation.as_str() {
        "DescribeUserPool" => Reply::Well(pool.clone()),
        _ => Reply::Well(json!({})),
    });
    let trail = trail_at(&service.endpoint_url).await;
    let event = of_settings("UpdateUserPool");
    let (_, metrics) = trail.detection(trail.services.as_ref().unwrap(), &event).await;
    assert_eq!(trail.event(&event).await, Ok(()), "a missing trigger needs no retry");
    (metrics.triggers_missing, metrics.failed, service)
}

#[tokio::test]
async fn an_update_that_removes_the_triggers_is_detected_by_its_own_event() {
    let (missing, failed, service) = after_update(json!({})).await;
    assert_eq!((missing, failed), (2, 0), "a template deployment removed capture");
    let described = service.requests().into_iter().find(|(name, _)| name == "DescribeUserPool");
    assert_eq!(described.unwrap().1["UserPoolId"], "eu-west-1_A", "the event's own pool");
    let elsewhere = json!({
        "PostConfirmation": "arn:aws:lambda:eu-west-1:111122223333:function:acme-capture-2",
        "PreSignUp": format!("{CAPTURE}:live"),
    });
    assert_eq!(after_update(elsewhere).await.0, 1, "another function is in one slot");
    let ours = json!({"PreSignUp": CAPTURE, "PostConfirmation": CAPTURE});
    assert_eq!(after_update(ours).await.0, 0);
}

#[tokio::test]
async fn an_update_of_an_unreadable_pool_comes_again() {
    let service = Loopback::new(|(operation, _), _| match operation.as_str() {
        "DescribeUserPool" => Reply::Badly(400, "NotAuthorizedException"),
        _ => Reply::Well(json!({})),
    });
    let trail = trail_at(&service.endpoint_url).await;
    assert_eq!(trail.event(&of_settings("UpdateUserPool")).await, Err(NotRecorded::Nowhere));
}

/// What a restore event of the old pool writes into the control item: the stage of the restore, and
/// whether the circuit breaker opens.
async fn noted_by(operation: &str) -> Vec<(String, bool)> {
    let service = Loopback::new(|_, _| Reply::Well(json!({})));
    let trail = trail_at(&service.endpoint_url).await;
    assert_eq!(trail.event(&of_settings(operation)).await, Ok(()), "{operation}");
    let written = service.requests().into_iter().filter_map(|(name, body)| {
        let values = &body["ExpressionAttributeValues"];
        let stage = values[":restores"]["M"]["old"]["M"]["stage"]["S"].as_str()?.to_owned();
        (name == "UpdateItem").then(|| (stage, values.get(":breaker").is_some()))
    });
    written.collect()
}

#[tokio::test]
async fn a_restore_event_is_stored_and_opens_the_breaker_if_people_may_have_changed() {
    let stored = |stage: RestoreStage, opens| vec![(stage.name().to_owned(), opens)];
    let prepared = noted_by("InitiatePointInTimeRecovery").await;
    assert_eq!(prepared, stored(RestoreStage::Prepared, false));
    assert_eq!(noted_by("StartPointInTimeRecovery").await, stored(RestoreStage::Started, true));
    assert_eq!(noted_by("DeleteUserPool").await, stored(RestoreStage::Deleted, true));
}
