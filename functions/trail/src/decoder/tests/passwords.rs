//! What `AdminSetUserPassword` by an administrator proves. A temporary password is not the person's
//! choice. If `permanent` is not shown, the account's status decides.

use serde_json::{Value, json};

use super::{HIDDEN, account_event, call, own_call, with, without};
use crate::decoder::Evidence;

/// The event with that `permanent`, or without it.
fn set_password(permanent: Option<Value>) -> Value {
    let mut event = call("AdminSetUserPassword");
    let request = &mut event["detail"]["requestParameters"];
    request["password"] = json!(HIDDEN);
    if let Some(permanent) = permanent {
        request["permanent"] = permanent;
    }
    event
}

/// What the event reports: whether a password was set, and whether by an administrator.
fn said(event: &Value) -> (bool, bool) {
    let found = account_event(event);
    // In every case the account changed, so apply reads its status.
    assert_eq!(found.evidence, Evidence::Changed, "{event}");
    (found.password, found.administrator)
}

#[test]
fn a_permanent_password_counts_as_set_by_an_administrator() {
    for shown in [json!(true), json!("true")] {
        assert_eq!(said(&set_password(Some(shown.clone()))), (true, true), "{shown}");
    }
}

#[test]
fn a_temporary_password_does_not_count_as_the_persons() {
    for shown in [json!(false), json!("false")] {
        assert_eq!(said(&set_password(Some(shown.clone()))), (false, false), "{shown}");
    }
}

#[test]
fn a_password_of_hidden_kind_is_decided_by_the_accounts_status() {
    for hidden in [None, Some(json!(HIDDEN)), Some(json!(null)), Some(json!(0)), Some(json!([]))] {
        let shown = format!("{hidden:?}");
        // `administrator` makes the worker read the status before the password counts.
        assert_eq!(said(&set_password(hidden)), (true, true), "{shown}");
    }
    let all = with(set_password(None), "/detail/requestParameters", json!(HIDDEN));
    let all = with(all, "/detail/additionalEventData", json!({"sub": super::SUB}));
    let mut named = all.clone();
    named["detail"]["userPoolId"] = json!("eu-west-1_A");
    assert_eq!(said(&named), (true, true), "the whole request is hidden");
    let none = without(named, "/detail", "requestParameters");
    assert_eq!(said(&none), (true, true), "the event has no request");
}

#[test]
fn a_password_set_by_the_person_is_never_an_administrators() {
    for permanent in [json!(true), json!(false), json!(HIDDEN)] {
        let mut event = own_call("ChangePassword");
        event["detail"]["requestParameters"]["permanent"] = permanent.clone();
        assert_eq!(said(&event), (true, false), "{permanent}");
    }
}
