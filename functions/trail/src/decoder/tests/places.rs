//! Every place where AWS is known to put the pool and the account of an event.

use super::*;

#[test]
fn the_pool_is_found_in_every_known_place() {
    let update =
        || without(call("UpdateUserAttributes"), "/detail/requestParameters", "userPoolId");
    let new = json!("us-east-1_B");
    let places = [
        json!({"requestParameters": {"userPoolId": new}}),
        json!({"additionalEventData": {"sub": SUB, "userPoolId": new}}),
        json!({"additionalEventData": {"sub": SUB, "requestParameters": {"userPoolId": [new]}}}),
        json!({"serviceEventDetails": {"userPoolId": new}}),
        json!({"responseElements": {"userPoolId": new}}),
        json!({"userPoolId": new}),
        json!({"requestParameters": {"userPoolId": HIDDEN}, "userPoolId": new}),
    ];
    for place in places {
        let mut event = update();
        for (name, value) in place.as_object().unwrap() {
            event["detail"][name] = value.clone();
        }
        assert_eq!(account_event(&event).place, EventPool::Pool(Side::New), "{place}");
    }
    let unsaid = |old, new| EventPool::Unsaid(BySide { old, new });
    assert_eq!(account_event(&update()).place, unsaid(true, false));
    let other = with(update(), "/detail/awsRegion", json!("us-east-1"));
    assert_eq!(account_event(&other).place, unsaid(false, true));
    for region in [json!(null), json!(7)] {
        let event = with(update(), "/detail/awsRegion", region);
        assert_eq!(account_event(&event).place, unsaid(true, true));
        assert_eq!(hear(&event).pool, None);
    }
}

#[test]
fn the_sub_is_found_in_every_known_place_and_is_never_a_name() {
    let bare = || {
        let event = with(call("UpdateUserAttributes"), "/detail/additionalEventData", json!({}));
        with(event, "/detail/requestParameters/username", json!("5c4e7a52-6c1f-4a50-b5b0"))
    };
    let places = [
        ("additionalEventData", json!({"sub": SUB})),
        ("additionalEventData", json!({"sub": [SUB]})),
        ("additionalEventData", json!({"userSub": SUB})),
        ("additionalEventData", json!({"requestParameters": {"sub": [SUB]}})),
        ("additionalEventData", json!({"sub": HIDDEN, "requestParameters": {"sub": SUB}})),
        ("responseElements", json!({"userSub": SUB})),
    ];
    for (name, value) in places {
        let mut event = bare();
        event["detail"][name] = value.clone();
        assert_eq!(account_event(&event).sub.as_str(), SUB, "{value}");
    }
    let place = EventPool::Pool(Side::Old);
    let unnamed = [
        json!({}),
        json!(null),
        json!({"sub": HIDDEN}),
        json!({"sub": null}),
        json!({"sub": 7}),
        json!({"sub": ""}),
        json!({"sub": [SUB, SUB]}),
        json!({"sub": "ada@example.com"}),
        json!({"sub": "Ada Lovelace"}),
        json!({"sub": "+49301234567"}),
        json!({"sub": "x".repeat(129)}),
    ];
    for value in unnamed {
        let event = with(bare(), "/detail/additionalEventData", value.clone());
        assert_eq!(outcome(&event), Ok(Detection::Sweep { place, unnamed: true }), "{value}");
    }
}

#[test]
fn an_event_without_a_sub_is_left_to_a_sweep_if_a_sweep_can_find_it() {
    let nameless = |event: Value| with(event, "/detail/additionalEventData", json!({}));
    let of = |name: &str| outcome(&nameless(call(name)));
    let place = EventPool::Pool(Side::Old);
    assert_eq!(of("AdminDeleteUser"), Ok(Detection::Sweep { place, unnamed: true }));
    assert_eq!(of("AdminDisableUser"), Ok(Detection::Sweep { place, unnamed: true }));
    // capture need not be attached, and no trigger fires for every person.
    assert_eq!(of("ConfirmSignUp"), Ok(Detection::Sweep { place, unnamed: true }));
    assert_eq!(of("ConfirmForgotPassword"), Err(Ignored::Unnamed));
    // No listing shows these changes.
    assert_eq!(of("ChangePassword"), Err(Ignored::Unnamed));
    assert_eq!(of("SetUserMFAPreference"), Err(Ignored::Unnamed));
    // The operation is unknown, but the event concerns a person.
    assert_eq!(of("MoveUserElsewhere"), Ok(Detection::Sweep { place, unnamed: true }));
    let pool = json!({"userPoolId": "eu-west-1_A", "poolName": "people"});
    let event = with(nameless(call("UpdateUserPool")), "/detail/requestParameters", pool);
    let heard = outcome(&event);
    let settings = PoolEvent::Settings;
    assert!(matches!(heard, Ok(Detection::Pool { place: of, event, .. })
            if of == place && event == settings));
}
