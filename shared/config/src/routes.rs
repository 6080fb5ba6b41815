//! `[capture]`, `[sweep]` and the pools' `triggers`: how changes are detected.

use std::collections::BTreeMap;
use std::time::Duration;

use poolbridge_core::side::{BySide, Side};

use super::reader::Section;

/// A slot in a pool's settings for a trigger function, where capture may be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TriggerSlot {
    /// Before a sign-up: the guard's slot.
    PreSignUp,
    /// After a sign-up or a new password is confirmed.
    PostConfirmation,
    /// After a sign-in.
    PostAuthentication,
    /// Before token generation, token refreshes included. The event shows the groups.
    PreTokenGeneration,
    /// Before a message is sent, such as the code for a new address.
    CustomMessage,
}

impl TriggerSlot {
    /// Every slot, in the order in which a person's actions reach them.
    pub const ALL: [Self; 5] = [
        Self::PreSignUp,
        Self::PostConfirmation,
        Self::PostAuthentication,
        Self::PreTokenGeneration,
        Self::CustomMessage,
    ];

    /// The slot's name in `LambdaConfig` and in `bridge.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PreSignUp => "PreSignUp",
            Self::PostConfirmation => "PostConfirmation",
            Self::PostAuthentication => "PostAuthentication",
            Self::PreTokenGeneration => "PreTokenGeneration",
            Self::CustomMessage => "CustomMessage",
        }
    }

    /// The slot of a `triggerSource`, found by its prefix, because AWS has added suffixes over
    /// time.
    pub fn of_source(source: &str) -> Option<Self> {
        let (family, _) = source.split_once('_')?;
        match family {
            "PreSignUp" => Some(Self::PreSignUp),
            "PostConfirmation" => Some(Self::PostConfirmation),
            "PostAuthentication" => Some(Self::PostAuthentication),
            "TokenGeneration" => Some(Self::PreTokenGeneration),
            "CustomMessage" => Some(Self::CustomMessage),
            _ => None,
        }
    }
}

/// The optional routes. Confirmed sign-ups and passwords are always captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    /// Whether sign-ins are captured, as hints.
    pub post_authentication: bool,
    /// Whether token generation is captured, as a hint.
    pub pre_token_generation: bool,
    /// Whether messages with the code for a new address are captured, as hints. A pool that sends
    /// none calls no trigger, and no such message proves that the address changed. So they
    /// guarantee no delay.
    pub custom_message: bool,
    /// How often a pass of the sweep begins; `None`: never.
    pub sweep_every: Option<Duration>,
    /// The percentage of each pool's listing quota that the sweep uses.
    pub sweep_quota_percent: u8,
    /// The chained functions, which capture calls if both want the same slot.
    pub chained: BySide<BTreeMap<TriggerSlot, String>>,
}

impl Routes {
    /// The slots where capture should be attached.
    pub fn slots(&self, signup_guard: bool) -> Vec<TriggerSlot> {
        let wanted = |slot: &TriggerSlot| match slot {
            TriggerSlot::PreSignUp => signup_guard,
            TriggerSlot::PostConfirmation => true,
            TriggerSlot::PostAuthentication => self.post_authentication,
            TriggerSlot::PreTokenGeneration => self.pre_token_generation,
            TriggerSlot::CustomMessage => self.custom_message,
        };
        TriggerSlot::ALL.into_iter().filter(wanted).collect()
    }
}

/// The ARN of a function (`arn:aws:lambda:<region>:<account>:function:<name>[:<qualifier>]`)
/// without a version or alias.
pub fn unqualified(arn: &str) -> &str {
    arn.match_indices(':').nth(6).map_or(arn, |(end, _)| &arn[..end])
}

/// Whether two ARNs name one function, regardless of alias or version.
pub fn same_function(one: &str, other: &str) -> bool {
    unqualified(one) == unqualified(other)
}

/// The slots of `wanted` that do not hold the function with the ARN `ours`. A version or an alias
/// of it counts as the function itself. `attached`: the function in each slot of the pool.
pub fn missing_triggers(
    wanted: &[TriggerSlot],
    attached: &BTreeMap<TriggerSlot, String>,
    ours: &str,
) -> Vec<TriggerSlot> {
    let is_ours = |arn: &String| same_function(arn, ours);
    wanted.iter().copied().filter(|slot| !attached.get(slot).is_some_and(is_ours)).collect()
}

/// A pass costs some table reads per account, and part of the pools' listing quota.
const EVERY: Duration = Duration::from_hours(6);

/// The shortest interval: a pass cannot begin more often than the schedule calls the sweep.
const EVERY_MIN: Duration = Duration::from_mins(5);

/// The longest interval between two passes. A pending change lives longer, but people should not
/// wait so long.
const EVERY_MAX: Duration = Duration::from_hours(24 * 7);

/// The team keeps half of the listing quota.
const QUOTA_PERCENT: u8 = 50;

/// Reads the three tables. `name` is the bridge's name.
pub(crate) fn routes(top: &Section<'_, '_>, local: bool, name: Option<&str>) -> Routes {
    let capture = top.section("capture");
    if let Some(capture) = &capture {
        capture.knows(&["post_authentication", "pre_token_generation", "custom_message"]);
    }
    let flag = |key| capture.as_ref().and_then(|it| it.flag(key)).unwrap_or(false);
    let sweep = top.section("sweep");
    if let Some(sweep) = &sweep {
        sweep.knows(&["every", "quota_percent", "enabled"]);
    }
    let enabled = sweep.as_ref().and_then(|it| it.flag("enabled")).unwrap_or(true);
    let every = sweep.as_ref().map_or(EVERY, |sweep| every(sweep, local));
    Routes {
        post_authentication: flag("post_authentication"),
        pre_token_generation: flag("pre_token_generation"),
        custom_message: flag("custom_message"),
        sweep_every: enabled.then_some(every),
        sweep_quota_percent: sweep.as_ref().map_or(QUOTA_PERCENT, quota_percent),
        chained: BySide::from_fn(|side| chained(top, side, name)),
    }
}

fn every(sweep: &Section<'_, '_>, local: bool) -> Duration {
    let Some(found) = sweep.span("every") else { return EVERY };
    let shortest = if local { Duration::from_secs(1) } else { EVERY_MIN };
    if found.value < shortest || found.value > EVERY_MAX {
        let hint = "from 5m to 168h; 6h is what most teams want";
        sweep.mistake_at(found.line, "`[sweep] every` is out of bounds", hint);
        return EVERY;
    }
    found.value
}

fn quota_percent(sweep: &Section<'_, '_>) -> u8 {
    let Some(found) = sweep.find("quota_percent") else { return QUOTA_PERCENT };
    let number = found.value.as_integer().and_then(|it| it.as_str().parse::<u8>().ok());
    let percent = number.filter(|percent| (1..=100).contains(percent));
    if percent.is_none() {
        let hint = "a whole number from 1 to 100: the rest is left to the team's own calls";
        sweep.mistake_at(found.line, "`[sweep] quota_percent` is not a percentage", hint);
    }
    percent.unwrap_or(QUOTA_PERCENT)
}

/// `[old.triggers]`: slot to the ARN of the chained function.
fn chained(top: &Section<'_, '_>, side: Side, name: Option<&str>) -> BTreeMap<TriggerSlot, String> {
    let Some(triggers) = top.section(side.name()).and_then(|pool| pool.section("triggers")) else {
        return BTreeMap::new();
    };
    triggers.knows(&TriggerSlot::ALL.map(TriggerSlot::name));
    let mut chained = BTreeMap::new();
    for slot in TriggerSlot::ALL {
        let Some(found) = triggers.text(slot.name()) else { continue };
        if !is_function(found.value) {
            let message = format!("`[{side}.triggers] {}` is not a function's ARN", slot.name());
            let hint =
                "as the pool's settings show it: arn:aws:lambda:<region>:<account>:function:<name>";
            triggers.mistake_at(found.line, message, hint);
        } else if name.is_some_and(|name| is_capture(found.value, name)) {
            let message =
                format!("`[{side}.triggers] {}` names capture itself, for ever", slot.name());
            let hint = "name the team's own function, or leave the line out if it has none";
            triggers.mistake_at(found.line, message, hint);
        } else {
            chained.insert(slot, found.value.to_owned());
        }
    }
    chained
}

/// Whether a text is the ARN of a function, with or without a version or alias. One with a wildcard
/// is not: capture is allowed to invoke the function of that very ARN.
pub(crate) fn is_function(text: &str) -> bool {
    let letters = |text: &str, more: &str| {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || more.contains(letter);
        !text.is_empty() && text.chars().all(plain)
    };
    let parts: Vec<&str> = text.split(':').collect();
    let ["arn", partition, "lambda", region, account, "function", name, rest @ ..] =
        parts.as_slice()
    else {
        return false;
    };
    let qualified = match rest {
        [] => true,
        [qualifier] => letters(qualifier, "_-$"),
        _ => false,
    };
    qualified
        && letters(partition, "-")
        && letters(region, "-")
        && account.len() == 12
        && account.chars().all(|digit| digit.is_ascii_digit())
        && letters(name, "_-")
}

/// Whether an ARN is that of the bridge's own capture function. The function's name shows it, both
/// in the bridge's stack and in the capture stack of a pool elsewhere.
fn is_capture(arn: &str, name: &str) -> bool {
    let function = arn.split(':').nth(6).and_then(|function| function.strip_prefix(name));
    matches!(function, Some("-capture" | "-capture-old" | "-capture-new"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Configuration;

    #[test]
    fn each_mistake_in_a_route_has_its_line() {
        let least = "name = \"acme\"\n[old]\nuser_pool_id = \"eu-west-1_A\"\n[new]\n\
                     user_pool_id = \"eu-west-1_B\"\n[identity]\nmatch = \"email\"\n";
        for (lines, expected) in [
            ("[sweep]\nenabled = \"no\"", "line 9: `[sweep] enabled` must be true or false"),
            ("[sweep]\nevery = \"six hours\"", "line 9: `[sweep] every` is no span of time"),
            ("[sweep]\nevery = \"1m\"", "line 9: `[sweep] every` is out of bounds"),
            ("[sweep]\nquota_percent = 0", "line 9: `[sweep] quota_percent` is not a percentage"),
            ("[sweeps]", "line 8: `sweeps` is not known\n    hint: did you mean `sweep`?"),
            ("[old.triggers]\nCustom = \"x\"", "line 9: `[old] triggers.Custom` is not known"),
        ] {
            let text = format!("{least}{lines}\n");
            let found = Configuration::parse("bridge.toml", &text).unwrap_err().to_string();
            assert!(found.contains(expected), "{lines}\n{found}");
        }
    }

    #[test]
    fn function_arn_names_exactly_one_function() {
        let good = "arn:aws:lambda:eu-west-1:111122223333:function:our_sign-up";
        for arn in [good.to_owned(), format!("{good}:live"), format!("{good}:$LATEST")] {
            assert!(is_function(&arn), "{arn}");
        }
        for arn in [
            "welcome".to_owned(),
            good.replace("our_sign-up", "*"),
            good.replace("eu-west-1", "*"),
            good.replace("111122223333", "11112222333x"),
            format!("{good}:"),
            format!("{good}:live:more"),
        ] {
            assert!(!is_function(&arn), "{arn}");
        }
    }

    const OURS: &str = "arn:aws:lambda:eu-west-1:123456789012:function:acme-capture";

    #[test]
    fn each_detection_route_wants_its_own_trigger() {
        let text = "name = \"acme\"\n[old]\nuser_pool_id = \"eu-west-1_A\"\n\
                    [new]\nuser_pool_id = \"eu-west-1_B\"\n[identity]\nmatch = \"email\"\n";
        let mut routes = Configuration::parse("bridge.toml", text).unwrap().routes;
        assert_eq!(routes.slots(false), [TriggerSlot::PostConfirmation]);
        routes.custom_message = true;
        let wanted = [TriggerSlot::PostConfirmation, TriggerSlot::CustomMessage];
        assert_eq!(routes.slots(false), wanted);
        (routes.post_authentication, routes.pre_token_generation) = (true, true);
        assert_eq!(routes.slots(true), TriggerSlot::ALL);
    }

    #[test]
    fn a_missing_or_foreign_trigger_is_reported() {
        let wanted = [TriggerSlot::PreSignUp, TriggerSlot::PostConfirmation];
        let missing = |attached: &[(TriggerSlot, &str)]| {
            let attached = attached.iter().map(|(slot, arn)| (*slot, (*arn).to_owned()));
            missing_triggers(&wanted, &attached.collect(), OURS)
        };
        assert_eq!(missing(&[]), wanted);
        let alias = format!("{OURS}:live");
        let both =
            [(TriggerSlot::PreSignUp, alias.as_str()), (TriggerSlot::PostConfirmation, OURS)];
        assert_eq!(missing(&both), []);
        let other = format!("{OURS}-2");
        let theirs =
            [(TriggerSlot::PreSignUp, other.as_str()), (TriggerSlot::PostConfirmation, OURS)];
        assert_eq!(missing(&theirs), [TriggerSlot::PreSignUp]);
    }
}
