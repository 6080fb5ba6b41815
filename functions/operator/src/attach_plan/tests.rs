//! Plans for pools with different triggers, requests and backups.

use std::collections::BTreeMap;

use poolbridge_aws::cognito::settings::{PoolSettings, SlotOwner};
use poolbridge_config::TriggerSlot;
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use serde_json::{Value, json};

use super::{
    AttachPlan, AttachRefusal, AttachRequest, attach, detach, needs_backup, needs_backups, restore,
};

pub(crate) const CAPTURE: &str = "arn:aws:lambda:eu-west-1:111111111111:function:acme-capture";
pub(crate) const WELCOME: &str = "arn:aws:lambda:eu-west-1:111111111111:function:welcome";

/// A pool with these triggers.
pub(crate) fn pool(triggers: &Value) -> PoolSettings {
    let pool = json!({ "UserPool": { "Id": "eu-west-1_A", "Name": "people",
        "LambdaConfig": triggers, "DeletionProtection": "ACTIVE" }, "MfaConfig": {} });
    PoolSettings::of_backup(&pool.to_string()).unwrap()
}

pub(crate) fn request<'a>(
    slots: &[TriggerSlot],
    chained: &'a BTreeMap<TriggerSlot, String>,
) -> AttachRequest<'a> {
    let slots = slots.to_vec();
    AttachRequest { side: Side::Old, pool: "eu-west-1_A", capture: CAPTURE, slots, chained }
}

fn chained(slot: TriggerSlot, arn: &str) -> BTreeMap<TriggerSlot, String> {
    BTreeMap::from([(slot, arn.to_owned())])
}

fn owner(plan: &AttachPlan, slot: TriggerSlot) -> SlotOwner {
    plan.wanted.holder(slot)
}

const CONFIRMED: TriggerSlot = TriggerSlot::PostConfirmation;
const SIGN_UP: TriggerSlot = TriggerSlot::PreSignUp;

#[test]
fn attach_takes_an_empty_slot_and_keeps_an_attached_one() {
    let none = BTreeMap::new();
    let plan = attach(&pool(&json!({})), &request(&[CONFIRMED], &none), &[]);
    assert!(plan.is_due() && plan.steps.len() == 1 && plan.warnings.is_empty());
    assert_eq!(owner(&plan, CONFIRMED), SlotOwner::Function(CAPTURE.to_owned()));
    let again = attach(&plan.wanted, &request(&[CONFIRMED], &none), &[]);
    assert!(!again.is_due() && again.refused.is_empty());
    assert_eq!(again.kept, [CONFIRMED]);
}

#[test]
fn attach_refuses_a_function_that_bridge_toml_does_not_name() {
    let found = pool(&json!({ "PostConfirmation": WELCOME }));
    for other in [BTreeMap::new(), chained(CONFIRMED, "arn:other"), chained(SIGN_UP, WELCOME)] {
        let plan = attach(&found, &request(&[CONFIRMED], &other), &[]);
        let foreign = AttachRefusal::Foreign { slot: CONFIRMED, arn: WELCOME.to_owned() };
        assert_eq!(plan.refused, [foreign]);
        assert!(!plan.is_due());
    }
    let named = chained(CONFIRMED, WELCOME);
    let plan = attach(&found, &request(&[CONFIRMED], &named), &[]);
    assert!(plan.is_due());
    assert_eq!(plan.steps[0].chained.as_deref(), Some(WELCOME));
}

#[test]
fn one_refused_slot_leaves_the_whole_pool_unchanged() {
    let none = BTreeMap::new();
    let found = pool(&json!({ "PreSignUp": WELCOME }));
    let plan = attach(&found, &request(&[CONFIRMED, SIGN_UP], &none), &[]);
    assert_eq!((plan.steps.len(), plan.refused.len(), plan.is_due()), (1, 1, false));
}

#[test]
fn capture_never_calls_itself() {
    let qualified = format!("{CAPTURE}:live");
    for arn in [CAPTURE, qualified.as_str()] {
        let itself = chained(CONFIRMED, arn);
        let plan = attach(&pool(&json!({})), &request(&[CONFIRMED], &itself), &[]);
        assert_eq!(plan.refused, [AttachRefusal::Itself { slot: CONFIRMED }]);
    }
    // Capture under another alias is not a foreign function.
    let none = BTreeMap::new();
    let found = pool(&json!({ "PostConfirmation": qualified }));
    let plan = attach(&found, &request(&[CONFIRMED], &none), &[]);
    assert!(plan.is_due() && plan.steps[0].chained.is_none());
}

#[test]
fn attach_refuses_unclear_slots_and_unknown_settings() {
    let none = BTreeMap::new();
    let unclear = pool(&json!({ "PostConfirmation": 7 }));
    let plan = attach(&unclear, &request(&[CONFIRMED], &none), &[]);
    assert_eq!(plan.refused, [AttachRefusal::Unclear { slot: CONFIRMED }]);
    let text = pool(&json!({})).dump().replace("DeletionProtection", "UnknownSetting");
    let newer = PoolSettings::of_backup(&text).unwrap();
    let plan = attach(&newer, &request(&[CONFIRMED], &none), &[]);
    let names = vec!["UnknownSetting".to_owned()];
    assert_eq!(plan.refused, [AttachRefusal::UnsupportedSetting { names }]);
    // The setting does not matter if nothing is written.
    let plan = attach(&newer, &request(&[], &none), &[]);
    assert_eq!(plan.refused, []);
}

#[test]
fn attach_warns_of_a_missing_function_and_of_a_surplus_slot() {
    let named = chained(CONFIRMED, WELCOME);
    let plan = attach(&pool(&json!({})), &request(&[CONFIRMED], &named), &[]);
    assert!(plan.is_due() && plan.warnings[0].contains("capture will call that function"));
    let none = BTreeMap::new();
    let plan = attach(&pool(&json!({ "PreSignUp": CAPTURE })), &request(&[CONFIRMED], &none), &[]);
    assert!(plan.warnings[0].contains("does not ask for it"));
}

#[test]
fn detach_restores_exactly_the_former_triggers() {
    let none = BTreeMap::new();
    for before in [json!({}), Value::Null, json!({ "PostConfirmation": WELCOME })] {
        let found = pool(&before);
        let named = chained(CONFIRMED, WELCOME);
        let chained = if before["PostConfirmation"].is_null() { &none } else { &named };
        let plan = attach(&found, &request(&[CONFIRMED], chained), &[]);
        let attached = plan.wanted;
        // The newest backup has capture in it: a second run of attach made it for one more slot.
        let backups = [(Time(2), attached.clone()), (Time(1), found.clone())];
        let plan = detach(&attached, &request(&[CONFIRMED], chained), &backups);
        assert!(plan.is_due() && plan.warnings.is_empty(), "{:?}", plan.warnings);
        let left = plan.wanted.differences(&found);
        assert!(left.is_empty(), "{left:?}");
        let again = detach(&plan.wanted, &request(&[CONFIRMED], chained), &backups);
        assert!(!again.is_due());
    }
}

#[test]
fn detach_leaves_a_slot_that_another_function_holds_now() {
    let none = BTreeMap::new();
    let backups = [(Time(1), pool(&json!({})))];
    let found = pool(&json!({ "PostConfirmation": WELCOME, "PreSignUp": CAPTURE }));
    let plan = detach(&found, &request(&[CONFIRMED, SIGN_UP], &none), &backups);
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(owner(&plan, CONFIRMED), SlotOwner::Function(WELCOME.to_owned()));
    assert_eq!(owner(&plan, SIGN_UP), SlotOwner::Empty);
}

#[test]
fn detach_warns_if_backup_and_bridge_toml_disagree() {
    let attached = pool(&json!({ "PostConfirmation": CAPTURE }));
    let before = |triggers: Value| vec![(Time(1), pool(&triggers))];
    let named = chained(CONFIRMED, "arn:aws:lambda:eu-west-1:1:function:newer");
    let none = BTreeMap::new();
    let welcome = json!({ "PostConfirmation": WELCOME });
    let check = |chained: &BTreeMap<_, _>, backups: &[(Time, PoolSettings)], to: Option<&str>| {
        let plan = detach(&attached, &request(&[CONFIRMED], chained), backups);
        assert_eq!(owner(&plan, CONFIRMED).function(), to);
        assert_eq!(plan.warnings.len(), 1);
        assert!(plan.is_due());
    };
    check(&named, &before(welcome.clone()), named.get(&CONFIRMED).map(String::as_str));
    check(&named, &before(json!({})), named.get(&CONFIRMED).map(String::as_str));
    check(&none, &before(welcome), Some(WELCOME));
    check(&none, &[], None);
}

#[test]
fn whole_detach_restores_every_setting_that_can_be_written() {
    let none = BTreeMap::new();
    let backup = pool(&json!({ "PostConfirmation": WELCOME }));
    let changed = backup.dump().replace("ACTIVE", "INACTIVE").replace("eu-west-1_A", "eu-west-1_X");
    let found = PoolSettings::of_backup(&changed).unwrap();
    let backups = [(Time(1), backup)];
    let plan = restore(&found, &request(&[], &none), &backups).unwrap();
    assert_eq!(plan.settings, ["DeletionProtection"]);
    assert!(plan.is_due() && plan.warnings[0].ends_with(": Id"), "{:?}", plan.warnings);
    assert!(plan.warnings[1].contains("its settings backup of 1970-01-01"), "{:?}", plan.warnings);
    let again = restore(&backups[0].1, &request(&[], &none), &backups).unwrap();
    assert!(!again.is_due() && again.warnings.is_empty());
}

#[test]
fn whole_detach_restores_the_settings_from_before_capture_after_an_interruption() {
    let none = BTreeMap::new();
    let request = request(&[CONFIRMED, SIGN_UP], &none);
    let before = pool(&json!({ "CustomMessage": WELCOME }));
    let partly = pool(&json!({ "CustomMessage": WELCOME, "PostConfirmation": CAPTURE }));
    let attached = attach(&before, &request, &[]).wanted;
    // A run that was interrupted before its write has stored the newest backup.
    let backups = [(Time(3), attached.clone()), (Time(2), partly), (Time(1), before.clone())];
    let plan = restore(&attached, &request, &backups).unwrap();
    assert_eq!(plan.wanted.differences(&before), [""; 0]);
    assert!(plan.is_due());
    let again = restore(&plan.wanted, &request, &backups).unwrap();
    assert!(!again.is_due(), "the second run changes the pool: {:?}", again.settings);
    // If every backup has capture in it, none shows the former settings.
    assert!(restore(&attached, &request, &backups[..2]).is_none());
    assert!(restore(&attached, &request, &[]).is_none());
}

#[test]
fn backup_is_needed_only_if_the_pool_differs_from_the_newest_one() {
    let before = pool(&json!({}));
    let attached = pool(&json!({ "PostConfirmation": CAPTURE }));
    assert!(needs_backup(&before, &[]));
    assert!(!needs_backup(&before, &[(Time(1), before.clone())]));
    assert!(needs_backup(&before, &[(Time(2), attached), (Time(1), before.clone())]));
}

#[test]
fn attach_warns_if_capture_replaced_a_function_that_bridge_toml_no_longer_names() {
    let (none, named) = (BTreeMap::new(), chained(CONFIRMED, WELCOME));
    let newer = chained(CONFIRMED, "arn:aws:lambda:eu-west-1:1:function:newer");
    let with_welcome = || pool(&json!({ "PostConfirmation": WELCOME }));
    let attached = pool(&json!({ "PostConfirmation": CAPTURE }));
    let backups = [(Time(2), attached.clone()), (Time(1), with_welcome())];
    let warnings = |slots: &[TriggerSlot], chained: &BTreeMap<_, _>, backups: &[_]| {
        let plan = attach(&attached, &request(slots, chained), backups);
        assert!(plan.refused.is_empty());
        plan.warnings
    };
    // With and without the slot in the request.
    for slots in [[CONFIRMED].as_slice(), &[]] {
        let shown = warnings(slots, &none, &backups);
        let line = format!("`PostConfirmation = \"{WELCOME}\"` back under [old.triggers]");
        assert_eq!(shown.len(), 1);
        assert!(shown[0].contains(&line) && shown[0].contains("poolbridge detach"), "{shown:?}");
        assert!(!shown[0].contains("no harm"), "{shown:?}");
    }
    // No warning: the function is chained, or another one is, or it was gone before capture.
    assert_eq!(warnings(&[CONFIRMED], &named, &backups), [""; 0]);
    assert_eq!(warnings(&[CONFIRMED], &newer, &backups), [""; 0]);
    let gone = [(Time(2), pool(&json!({}))), (Time(1), with_welcome())];
    assert_eq!(warnings(&[CONFIRMED], &none, &gone), [""; 0]);
    assert_eq!(warnings(&[CONFIRMED], &none, &[]), [""; 0]);
    // Backups are needed only if capture holds a slot without a chained function.
    assert!(needs_backups(&attached, &request(&[], &none)));
    assert!(!needs_backups(&attached, &request(&[], &named)));
    assert!(!needs_backups(&with_welcome(), &request(&[], &none)));
}

/// The pool, with some of its settings changed.
fn with(changes: &Value) -> PoolSettings {
    let mut settings: Value = serde_json::from_str(&pool(&json!({})).dump()).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        settings["UserPool"][name] = value.clone();
    }
    PoolSettings::of_backup(&settings.to_string()).unwrap()
}

#[test]
fn plan_warns_of_settings_that_cognito_may_refuse_or_keep() {
    let none = BTreeMap::new();
    let request = request(&[CONFIRMED], &none);
    let audit = json!({ "AdvancedSecurityMode": "AUDIT" });
    let lite = with(&json!({ "UserPoolTier": "LITE", "UserPoolAddOns": audit }));
    let plan = attach(&lite, &request, &[]);
    assert!(plan.is_due());
    assert!(plan.warnings[0].contains("UserPoolAddOns and UserPoolTier"), "{:?}", plan.warnings);
    let backups = [(Time(1), with(&json!({ "MfaConfiguration": "ON" })))];
    let devices = json!({ "ChallengeRequiredOnNewDevice": true });
    let now = with(&json!({ "MfaConfiguration": "OPTIONAL", "DeviceConfiguration": devices }));
    let plan = restore(&now, &request, &backups).unwrap();
    let warns = |word: &str| plan.warnings.iter().any(|warning| warning.contains(word));
    assert!(warns("may stay as they are: DeviceConfiguration"), "{:?}", plan.warnings);
    assert!(warns("MfaConfiguration of the old pool goes back to ON"), "{:?}", plan.warnings);
}
