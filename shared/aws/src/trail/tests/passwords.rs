//! What an administrator's `AdminSetUserPassword` tells: a temporary password is not the person's choice
//!; where `permanent` is not shown, the account's status tells.

use serde_json::{Value, json};

use super::{HIDDEN, call, deed, own_call, with, without};
use crate::trail::Proof;

/// The event with that `permanent`, or without one.
fn set_password(permanent: Option<Value>) -> Value {
    let mut event = call("AdminSetUserPassword");
    let request = &mut event["detail"]["requestParameters"];
    request["password"] = json!(HIDDEN);
    if let Some(permanent) = permanent {
        request["permanent"] = permanent;
    }
    event
}

/// What the event says of the password: whether one was set, and whether by an administrator.
fn said(event: &Value) -> (bool, bool) {
    let deed = deed(event);
    // Whatever was set, the account was changed: its status is worth a look.
    assert_eq!(deed.proof, Proof::Changed, "{event}");
    (deed.password, deed.administrator)
}

#[test]
fn permanent_password_is_an_administrators() {
    for shown in [json!(true), json!("true")] {
        assert_eq!(said(&set_password(Some(shown.clone()))), (true, true), "{shown}");
    }
}

#[test]
fn temporary_password_is_no_password_of_the_persons() {
    for shown in [json!(false), json!("false")] {
        assert_eq!(said(&set_password(Some(shown.clone()))), (false, false), "{shown}");
    }
}

#[test]
fn password_of_which_the_kind_is_hidden_is_left_to_the_accounts_status() {
    for hidden in [None, Some(json!(HIDDEN)), Some(json!(null)), Some(json!(0)), Some(json!([]))] {
        let shown = format!("{hidden:?}");
        // `administrator` makes the worker read the status before it counts.
        assert_eq!(said(&set_password(hidden)), (true, true), "{shown}");
    }
    let all = with(set_password(None), "/detail/requestParameters", json!(HIDDEN));
    let all = with(all, "/detail/additionalEventData", json!({"sub": super::SUB}));
    let mut named = all.clone();
    named["detail"]["userPoolId"] = json!("eu-west-1_A");
    assert_eq!(said(&named), (true, true), "nothing of the request is shown");
    let none = without(named, "/detail", "requestParameters");
    assert_eq!(said(&none), (true, true), "there is no request at all");
}

#[test]
fn password_that_the_person_set_is_no_administrators_whatever_else_is_shown() {
    for permanent in [json!(true), json!(false), json!(HIDDEN)] {
        let mut event = own_call("ChangePassword");
        event["detail"]["requestParameters"]["permanent"] = permanent.clone();
        assert_eq!(said(&event), (true, false), "{permanent}");
    }
}
