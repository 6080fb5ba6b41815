use poolbridge_core::capture::Captured;
use poolbridge_core::fault::FaultKind;
use poolbridge_core::names::Sub;
use poolbridge_core::restore::Stage;
use serde_json::{Value, json};

use super::*;
use crate::cognito::loopback::{Loopback, Reply, config_at};

fn deed(place: Place) -> Deed {
    let sub = Sub::try_from("s-1").unwrap();
    let (proof, password, administrator) = (Proof::Deleted, true, false);
    Deed { place, sub, at: Time(7), proof, password, administrator, id: Some(5) }
}

fn told(deed: &Deed, known: BySide<bool>) -> Vec<(Side, Proof)> {
    let changes = changes(deed, known, 9);
    assert!(changes.iter().all(|it| it.at == Time(7) && it.password));
    let ids: std::collections::BTreeSet<u128> = changes.iter().map(|it| it.id).collect();
    assert_eq!(ids.len(), changes.len(), "an id appears twice");
    changes.into_iter().map(|it| (it.side, it.proof)).collect()
}

#[test]
fn an_event_without_a_pool_belongs_to_the_pools_that_know_the_account() {
    let nowhere = BySide::default();
    let both = BySide { old: true, new: true };
    let new = BySide { old: false, new: true };
    let in_pool = deed(Place::Pool(Side::Old));
    assert_eq!(told(&in_pool, nowhere), [(Side::Old, Proof::Deleted)]);
    let unsaid = deed(Place::Unsaid(both));
    assert_eq!(told(&unsaid, new), [(Side::New, Proof::Deleted)]);
    let hints = [(Side::Old, Proof::Hint), (Side::New, Proof::Hint)];
    assert_eq!(told(&unsaid, nowhere), hints);
    let of_region = deed(Place::Unsaid(new));
    assert_eq!(told(&of_region, nowhere), [(Side::New, Proof::Hint)]);
}

#[test]
fn the_same_event_is_the_same_capture() {
    let deed = deed(Place::Pool(Side::New));
    let id = |deed: &Deed, nonce| changes(deed, BySide::default(), nonce)[0].id;
    assert_eq!(id(&deed, 1), id(&deed, 2));
    let without = Deed { id: None, ..deed };
    assert_ne!(id(&without, 1), id(&without, 2));
}

#[test]
fn an_event_comes_again_only_if_nothing_was_stored() {
    fn fault<T>() -> Result<T, Fault> {
        Err(Fault::new(FaultKind::NoAnswer, "UpdateItem"))
    }
    let change = &changes(&deed(Place::Pool(Side::Old)), BySide::default(), 1)[0];
    let captured = |mark, message| HeardLine {
        captured: vec![(change.clone(), Captured { mark, message })],
        ..HeardLine::default()
    };
    let hearing = Hearing {
        operation: "AdminDeleteUser",
        pool: None,
        at: None,
        outcome: Err(NotHeard::Unreadable),
    };
    let came_to = |told: &HeardLine| {
        let figures = figures(told, &hearing);
        (is_lost(told), figures.captured, figures.failed)
    };
    assert_eq!(came_to(&captured(Ok(()), Ok(()))), (false, 1, 0));
    assert_eq!(came_to(&captured(fault(), Ok(()))), (false, 1, 1));
    assert_eq!(came_to(&captured(Ok(()), fault())), (false, 1, 1));
    assert_eq!(came_to(&captured(fault(), fault())), (true, 0, 1));
    let swept = |wanted| HeardLine { swept: vec![(Side::Old, wanted)], ..HeardLine::default() };
    assert_eq!(came_to(&swept(Ok(()))), (false, 0, 0));
    assert_eq!(came_to(&swept(fault())), (true, 0, 1));
    let looked = |look| HeardLine { pools: vec![(Side::Old, look)], ..HeardLine::default() };
    assert_eq!(came_to(&looked(Ok(PoolLook::Triggers(vec![])))), (false, 0, 0));
    assert_eq!(came_to(&looked(fault())), (true, 0, 1));
    let slots = vec![TriggerSlot::PreSignUp, TriggerSlot::PostConfirmation];
    let missing = figures(&looked(Ok(PoolLook::Triggers(slots))), &hearing);
    assert_eq!((missing.triggers_missing, missing.restores), (2, 0));
    let restored = figures(&looked(Ok(PoolLook::Restore(Stage::Started))), &hearing);
    assert_eq!((restored.triggers_missing, restored.restores), (0, 1));
    let dropped = |refusal| HeardLine { refusal: Some(refusal), ..HeardLine::default() };
    assert_eq!(came_to(&dropped(NotHeard::OwnCall)), (false, 0, 0));
    assert_eq!(came_to(&dropped(NotHeard::Unreadable)), (false, 0, 1));
}

/// The capture function of each pool, as the pool should name it.
const CAPTURE: &str = "arn:aws:lambda:eu-west-1:111122223333:function:acme-capture";

/// The trail of a bridge whose pools, table and queue are all at that address. The sign-up guard
/// has a slot of its own, so capture should be attached in two.
async fn trail_at(url: &str) -> TrailLine {
    let file = format!(
        "name = \"acme\"\n[old]\nuser_pool_id = \"eu-west-1_A\"\nclient_id = \"a\"\n\
         endpoint_url = \"{url}\"\n[new]\nuser_pool_id = \"eu-west-1_B\"\nclient_id = \"b\"\n\
         endpoint_url = \"{url}\"\n[identity]\nmatch = \"email\"\n\
         [policy]\nprovision = \"lazy\"\nsignup_guard = true\n"
    );
    let configuration = Configuration::parse("bridge.toml", &file).unwrap();
    let (sdk, clock) = (config_at(url).await, SystemClock::new());
    let ours = Some(CAPTURE.to_owned());
    let line = Line {
        listener: Listener::new(&configuration, &[]),
        ledger: table(&sdk, &clock, "acme"),
        outbox: SqsOutbox::new(queue_client(&sdk, &clock), format!("{url}/1/acme.fifo")),
        pools: BySide {
            old: of_pool(&sdk, &clock, &configuration, Side::Old, ours.clone()).await,
            new: of_pool(&sdk, &clock, &configuration, Side::New, ours).await,
        },
    };
    let telemetry = Telemetry::new(configuration.name, Output::Talk);
    TrailLine { line: Ok(line), clock, telemetry, due: BySide::default() }
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
    let (_, figures) = trail.told(trail.line.as_ref().unwrap(), &event).await;
    assert_eq!(trail.event(&event).await, Ok(()), "a missing trigger needs no retry");
    (figures.triggers_missing, figures.failed, service)
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
    assert_eq!(trail.event(&of_settings("UpdateUserPool")).await, Err(NotNoted::Nowhere));
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
    let stored = |stage: Stage, opens| vec![(stage.name().to_owned(), opens)];
    let prepared = noted_by("InitiatePointInTimeRecovery").await;
    assert_eq!(prepared, stored(Stage::Prepared, false));
    assert_eq!(noted_by("StartPointInTimeRecovery").await, stored(Stage::Started, true));
    assert_eq!(noted_by("DeleteUserPool").await, stored(Stage::Deleted, true));
}
