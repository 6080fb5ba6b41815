//! Plans, from what was found and asked for.

use std::collections::BTreeMap;

use poolbridge_aws::cognito::settings::{PoolSettings, SlotOwner};
use poolbridge_config::{Configuration, TriggerSlot};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;
use serde_json::{Value, json};

use super::plan::{
    AttachPlan, AttachRefusal, AttachRequest, asks_for_dumps, attach, detach, needs_dump, restore,
    slots,
};

pub(crate) const OURS: &str = "arn:aws:lambda:eu-west-1:111111111111:function:acme-capture";
pub(crate) const THEIRS: &str = "arn:aws:lambda:eu-west-1:111111111111:function:welcome";

/// A pool with those triggers.
pub(crate) fn pool(triggers: &Value) -> PoolSettings {
    let pool = json!({ "UserPool": { "Id": "eu-west-1_A", "Name": "people",
        "LambdaConfig": triggers, "DeletionProtection": "ACTIVE" }, "MfaConfig": {} });
    PoolSettings::of_backup(&pool.to_string()).unwrap()
}

pub(crate) fn wishes<'a>(
    slots: &[TriggerSlot],
    chained: &'a BTreeMap<TriggerSlot, String>,
) -> AttachRequest<'a> {
    let slots = slots.to_vec();
    AttachRequest { side: Side::Old, pool: "eu-west-1_A", capture: OURS, slots, chained }
}

fn chained(slot: TriggerSlot, arn: &str) -> BTreeMap<TriggerSlot, String> {
    BTreeMap::from([(slot, arn.to_owned())])
}

fn held(plan: &AttachPlan, slot: TriggerSlot) -> SlotOwner {
    plan.wanted.holder(slot)
}

const CONFIRMED: TriggerSlot = TriggerSlot::PostConfirmation;
const SIGN_UP: TriggerSlot = TriggerSlot::PreSignUp;

#[test]
fn an_empty_slot_is_taken_and_a_taken_one_stays() {
    let nothing = BTreeMap::new();
    let plan = attach(&pool(&json!({})), &wishes(&[CONFIRMED], &nothing), &[]);
    assert!(plan.is_due() && plan.steps.len() == 1 && plan.warnings.is_empty());
    assert_eq!(held(&plan, CONFIRMED), SlotOwner::Function(OURS.to_owned()));
    let again = attach(&plan.wanted, &wishes(&[CONFIRMED], &nothing), &[]);
    assert!(!again.is_due() && again.refused.is_empty());
    assert_eq!(again.kept, [CONFIRMED]);
}

#[test]
fn a_stranger_is_refused_until_bridge_toml_names_exactly_that_one() {
    let found = pool(&json!({ "PostConfirmation": THEIRS }));
    for other in [BTreeMap::new(), chained(CONFIRMED, "arn:other"), chained(SIGN_UP, THEIRS)] {
        let plan = attach(&found, &wishes(&[CONFIRMED], &other), &[]);
        let foreign = AttachRefusal::Foreign { slot: CONFIRMED, arn: THEIRS.to_owned() };
        assert_eq!(plan.refused, [foreign]);
        assert!(!plan.is_due());
    }
    let named = chained(CONFIRMED, THEIRS);
    let plan = attach(&found, &wishes(&[CONFIRMED], &named), &[]);
    assert!(plan.is_due());
    assert_eq!(plan.steps[0].chained.as_deref(), Some(THEIRS));
}

#[test]
fn one_refused_slot_leaves_the_whole_pool_as_it_is() {
    let nothing = BTreeMap::new();
    let found = pool(&json!({ "PreSignUp": THEIRS }));
    let plan = attach(&found, &wishes(&[CONFIRMED, SIGN_UP], &nothing), &[]);
    assert_eq!((plan.steps.len(), plan.refused.len(), plan.is_due()), (1, 1, false));
}

#[test]
fn capture_never_calls_itself() {
    let qualified = format!("{OURS}:live");
    for arn in [OURS, qualified.as_str()] {
        let itself = chained(CONFIRMED, arn);
        let plan = attach(&pool(&json!({})), &wishes(&[CONFIRMED], &itself), &[]);
        assert_eq!(plan.refused, [AttachRefusal::Itself { slot: CONFIRMED }]);
    }
    // Capture under another alias is not a stranger either.
    let nothing = BTreeMap::new();
    let found = pool(&json!({ "PostConfirmation": qualified }));
    let plan = attach(&found, &wishes(&[CONFIRMED], &nothing), &[]);
    assert!(plan.is_due() && plan.steps[0].chained.is_none());
}

#[test]
fn contradictions_and_settings_of_tomorrow_are_refused() {
    let nothing = BTreeMap::new();
    let unclear = pool(&json!({ "PostConfirmation": 7 }));
    let plan = attach(&unclear, &wishes(&[CONFIRMED], &nothing), &[]);
    assert_eq!(plan.refused, [AttachRefusal::Unclear { slot: CONFIRMED }]);
    let text = pool(&json!({})).dump().replace("DeletionProtection", "SettingOfTomorrow");
    let newer = PoolSettings::of_backup(&text).unwrap();
    let plan = attach(&newer, &wishes(&[CONFIRMED], &nothing), &[]);
    let names = vec!["SettingOfTomorrow".to_owned()];
    assert_eq!(plan.refused, [AttachRefusal::UnsupportedSetting { names }]);
    // Where nothing has to be written it does no harm.
    let plan = attach(&newer, &wishes(&[], &nothing), &[]);
    assert_eq!(plan.refused, []);
}

#[test]
fn what_is_odd_is_warned_of() {
    let named = chained(CONFIRMED, THEIRS);
    let plan = attach(&pool(&json!({})), &wishes(&[CONFIRMED], &named), &[]);
    assert!(plan.is_due() && plan.warnings[0].contains("capture will call it"));
    let nothing = BTreeMap::new();
    let plan = attach(&pool(&json!({ "PreSignUp": OURS })), &wishes(&[CONFIRMED], &nothing), &[]);
    assert!(plan.warnings[0].contains("does not ask for it any more"));
}

#[test]
fn detach_gives_back_exactly_what_there_was() {
    let nothing = BTreeMap::new();
    for before in [json!({}), Value::Null, json!({ "PostConfirmation": THEIRS })] {
        let found = pool(&before);
        let named = chained(CONFIRMED, THEIRS);
        let chained = if before["PostConfirmation"].is_null() { &nothing } else { &named };
        let plan = attach(&found, &wishes(&[CONFIRMED], chained), &[]);
        let attached = plan.wanted;
        // A second run of attach, for one more slot, has left a dump in which the first is ours.
        let dumps = [(Time(2), attached.clone()), (Time(1), found.clone())];
        let plan = detach(&attached, &wishes(&[CONFIRMED], chained), &dumps);
        assert!(plan.is_due() && plan.warnings.is_empty(), "{:?}", plan.warnings);
        let left = plan.wanted.differences(&found);
        assert!(left.is_empty(), "{left:?}");
        let again = detach(&plan.wanted, &wishes(&[CONFIRMED], chained), &dumps);
        assert!(!again.is_due());
    }
}

#[test]
fn detach_leaves_a_slot_alone_that_somebody_else_took_since() {
    let nothing = BTreeMap::new();
    let dumps = [(Time(1), pool(&json!({})))];
    let found = pool(&json!({ "PostConfirmation": THEIRS, "PreSignUp": OURS }));
    let plan = detach(&found, &wishes(&[CONFIRMED, SIGN_UP], &nothing), &dumps);
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(held(&plan, CONFIRMED), SlotOwner::Function(THEIRS.to_owned()));
    assert_eq!(held(&plan, SIGN_UP), SlotOwner::Nobody);
}

#[test]
fn detach_says_where_dump_and_bridge_toml_disagree() {
    let attached = pool(&json!({ "PostConfirmation": OURS }));
    let before = |triggers: Value| vec![(Time(1), pool(&triggers))];
    let named = chained(CONFIRMED, "arn:aws:lambda:eu-west-1:1:function:newer");
    let nothing = BTreeMap::new();
    let theirs = json!({ "PostConfirmation": THEIRS });
    let check = |chained: &BTreeMap<_, _>, dumps: &[(Time, PoolSettings)], to: Option<&str>| {
        let plan = detach(&attached, &wishes(&[CONFIRMED], chained), dumps);
        assert_eq!(held(&plan, CONFIRMED).function(), to);
        assert_eq!(plan.warnings.len(), 1);
        assert!(plan.is_due());
    };
    check(&named, &before(theirs.clone()), named.get(&CONFIRMED).map(String::as_str));
    check(&named, &before(json!({})), named.get(&CONFIRMED).map(String::as_str));
    check(&nothing, &before(theirs), Some(THEIRS));
    check(&nothing, &[], None);
}

#[test]
fn a_whole_dump_is_written_back_as_far_as_it_can_be() {
    let nothing = BTreeMap::new();
    let dump = pool(&json!({ "PostConfirmation": THEIRS }));
    let spoilt = dump.dump().replace("ACTIVE", "INACTIVE").replace("eu-west-1_A", "eu-west-1_X");
    let found = PoolSettings::of_backup(&spoilt).unwrap();
    let dumps = [(Time(1), dump)];
    let plan = restore(&found, &wishes(&[], &nothing), &dumps).unwrap();
    assert_eq!(plan.settings, ["DeletionProtection"]);
    assert!(plan.is_due() && plan.warnings[0].ends_with(": Id"), "{:?}", plan.warnings);
    assert!(plan.warnings[1].contains("its dump of 1970-01-01"), "{:?}", plan.warnings);
    let again = restore(&dumps[0].1, &wishes(&[], &nothing), &dumps).unwrap();
    assert!(!again.is_due() && again.warnings.is_empty());
}

#[test]
fn interrupted_or_repeated_a_whole_restoration_goes_to_what_was_before_capture() {
    let nothing = BTreeMap::new();
    let wishes = wishes(&[CONFIRMED, SIGN_UP], &nothing);
    let before = pool(&json!({ "CustomMessage": THEIRS }));
    let partly = pool(&json!({ "CustomMessage": THEIRS, "PostConfirmation": OURS }));
    let attached = attach(&before, &wishes, &[]).wanted;
    // Interrupted before its write, a run has left a dump of the pool as it is still.
    let dumps = [(Time(3), attached.clone()), (Time(2), partly), (Time(1), before.clone())];
    let plan = restore(&attached, &wishes, &dumps).unwrap();
    assert_eq!(plan.wanted.differences(&before), [""; 0]);
    assert!(plan.is_due());
    let again = restore(&plan.wanted, &wishes, &dumps).unwrap();
    assert!(!again.is_due(), "the pool is toggled: {:?}", again.settings);
    // Where capture stood in every one of them, none tells what was there before.
    assert!(restore(&attached, &wishes, &dumps[..2]).is_none());
    assert!(restore(&attached, &wishes, &[]).is_none());
}

#[test]
fn a_dump_is_made_only_where_the_newest_does_not_say_the_same() {
    let before = pool(&json!({}));
    let attached = pool(&json!({ "PostConfirmation": OURS }));
    assert!(needs_dump(&before, &[]));
    assert!(!needs_dump(&before, &[(Time(1), before.clone())]));
    assert!(needs_dump(&before, &[(Time(2), attached), (Time(1), before.clone())]));
}

#[test]
fn a_function_that_bridge_toml_does_not_name_any_more_is_not_stopped_in_silence() {
    let (nothing, named) = (BTreeMap::new(), chained(CONFIRMED, THEIRS));
    let newer = chained(CONFIRMED, "arn:aws:lambda:eu-west-1:1:function:newer");
    let theirs = || pool(&json!({ "PostConfirmation": THEIRS }));
    let attached = pool(&json!({ "PostConfirmation": OURS }));
    let dumps = [(Time(2), attached.clone()), (Time(1), theirs())];
    let warnings = |slots: &[TriggerSlot], chained: &BTreeMap<_, _>, dumps: &[_]| {
        let plan = attach(&attached, &wishes(slots, chained), dumps);
        assert!(plan.refused.is_empty());
        plan.warnings
    };
    // Whether the slot is asked for still or not.
    for slots in [[CONFIRMED].as_slice(), &[]] {
        let reported = warnings(slots, &nothing, &dumps);
        let line = format!("`PostConfirmation = \"{THEIRS}\"` back under [old.triggers]");
        assert_eq!(reported.len(), 1);
        assert!(
            reported[0].contains(&line) && reported[0].contains("poolbridge detach"),
            "{reported:?}"
        );
        assert!(!reported[0].contains("no harm"), "{reported:?}");
    }
    // Nobody is stopped who is called, was replaced by name, or was gone before capture came.
    assert_eq!(warnings(&[CONFIRMED], &named, &dumps), [""; 0]);
    assert_eq!(warnings(&[CONFIRMED], &newer, &dumps), [""; 0]);
    let gone = [(Time(2), pool(&json!({}))), (Time(1), theirs())];
    assert_eq!(warnings(&[CONFIRMED], &nothing, &gone), [""; 0]);
    assert_eq!(warnings(&[CONFIRMED], &nothing, &[]), [""; 0]);
    // The dumps are asked for where they can tell something.
    assert!(asks_for_dumps(&attached, &wishes(&[], &nothing)));
    assert!(!asks_for_dumps(&attached, &wishes(&[], &named)));
    assert!(!asks_for_dumps(&theirs(), &wishes(&[], &nothing)));
}

#[test]
fn the_slots_are_those_of_the_routes() {
    let text = r#"
        name = "acme"
        [old]
        user_pool_id = "eu-west-1_A"
        [new]
        user_pool_id = "eu-west-1_B"
        [identity]
        match = "email"
        [policy]
        provision = "eager"
    "#;
    let mut configuration = Configuration::parse("bridge.toml", text).unwrap();
    configuration.signup_guard = false;
    assert_eq!(slots(&configuration), [CONFIRMED]);
    configuration.signup_guard = true;
    configuration.routes.post_authentication = true;
    configuration.routes.pre_token_generation = true;
    assert!(!slots(&configuration).contains(&TriggerSlot::CustomMessage));
    configuration.routes.custom_message = true;
    assert_eq!(slots(&configuration), TriggerSlot::ALL);
}

/// The pool, with some of its settings changed.
fn with(changes: &Value) -> PoolSettings {
    let mut dump: Value = serde_json::from_str(&pool(&json!({})).dump()).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        dump["UserPool"][name] = value.clone();
    }
    PoolSettings::of_backup(&dump.to_string()).unwrap()
}

#[test]
fn a_plan_names_beforehand_what_the_service_may_refuse_or_keep() {
    let nothing = BTreeMap::new();
    let wishes = wishes(&[CONFIRMED], &nothing);
    let audit = json!({ "AdvancedSecurityMode": "AUDIT" });
    let lite = with(&json!({ "UserPoolTier": "LITE", "UserPoolAddOns": audit }));
    let plan = attach(&lite, &wishes, &[]);
    assert!(plan.is_due());
    assert!(plan.warnings[0].contains("UserPoolAddOns and UserPoolTier"), "{:?}", plan.warnings);
    let dumps = [(Time(1), with(&json!({ "MfaConfiguration": "ON" })))];
    let devices = json!({ "ChallengeRequiredOnNewDevice": true });
    let now = with(&json!({ "MfaConfiguration": "OPTIONAL", "DeviceConfiguration": devices }));
    let plan = restore(&now, &wishes, &dumps).unwrap();
    let said = |word: &str| plan.warnings.iter().any(|warning| warning.contains(word));
    assert!(said("may stay as they are: DeviceConfiguration"), "{:?}", plan.warnings);
    assert!(said("MfaConfiguration of the old pool goes back to ON"), "{:?}", plan.warnings);
}
