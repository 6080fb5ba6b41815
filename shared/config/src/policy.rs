//! `[identity]` and `[policy]`: the team's choices.

use std::time::Duration;

use poolbridge_core::limits;
use poolbridge_core::mapping::{AttributeRule, Mapping, Normal};
use poolbridge_core::names::{AttributeName, Sub};
use poolbridge_core::policy::{ConflictRule, Deletes, MatchBy, Policy, Provision, StalePasswords};
use poolbridge_core::rules::ProtocolRules;
use poolbridge_core::side::{BySide, Side};

use super::reader::{RawValue, Section};
use super::{Configuration, Pilot, Routes, pool};
use crate::pool::PoolConfig;

const KEYS: [&str; 11] = [
    "provision",
    "conflicts",
    "deletes",
    "groups",
    "totp",
    "stale_passwords",
    "silent_proof",
    "signup_guard",
    "signup_guard_failure",
    "settle",
    "pilots",
];

/// The longest useful settle time: messages wait that long before apply processes them.
const SETTLE_MAX: Duration = Duration::from_mins(5);

/// The shortest settle time with AWS itself. AWS does not publish how stale its reads can be.
const SETTLE_MIN: Duration = Duration::from_secs(2);

/// What happens when a person with an authenticator app moves, since its secret cannot be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Totp {
    /// The password alone is no proof: the person resets the password.
    Refuse,
    /// The person signs in and must register the app again. This weakens security.
    ReEnrol,
    /// The person signs in without it for a while. This weakens security.
    Grace,
}

/// What happens to a sign-up that the guard could not decide because a pool or the table did not
/// answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GuardFailure {
    /// The sign-up goes through: a failure of poolbridge keeps no person out. It may take another
    /// person's address.
    Open,
    /// The sign-up is refused. The person may try again.
    Closed,
}

/// All settings of the two tables.
pub(crate) struct PolicyTables {
    match_by: Option<MatchBy>,
    provision: BySide<Provision>,
    conflicts: ConflictRule,
    deletes: Deletes,
    pub(crate) groups: bool,
    totp: Totp,
    stale_passwords: StalePasswords,
    silent_evidence: bool,
    signup_guard: bool,
    signup_guard_failure: GuardFailure,
    settle: Duration,
    pilots: Vec<Pilot>,
}

const PROVISION: [(&str, Provision); 2] = [("lazy", Provision::Lazy), ("eager", Provision::Eager)];

/// Reads `[identity]` and `[policy]`. A setting that is missing keeps the cautious default.
pub(crate) fn choices(top: &Section<'_, '_>, local: bool) -> PolicyTables {
    let mut choices = PolicyTables {
        match_by: match_by(top),
        provision: BySide { old: Provision::Lazy, new: Provision::Lazy },
        conflicts: ConflictRule::ActiveWins,
        deletes: Deletes::Disable,
        groups: true,
        totp: Totp::Refuse,
        stale_passwords: StalePasswords::Close,
        silent_evidence: true,
        signup_guard: true,
        signup_guard_failure: GuardFailure::Open,
        settle: limits::SETTLE,
        pilots: Vec::new(),
    };
    let Some(policy) = top.section("policy") else { return choices };
    policy.knows(&KEYS);
    choices.provision = provision(&policy);
    let words = [("active-wins", ConflictRule::ActiveWins), ("hold", ConflictRule::Hold)];
    choices.conflicts = policy.word("conflicts", &words).unwrap_or(choices.conflicts);
    let words =
        [("disable", Deletes::Disable), ("delete", Deletes::Delete), ("keep", Deletes::Keep)];
    choices.deletes = policy.word("deletes", &words).unwrap_or(choices.deletes);
    let words = [("refuse", Totp::Refuse), ("re-enrol", Totp::ReEnrol), ("grace", Totp::Grace)];
    choices.totp = policy.word("totp", &words).unwrap_or(choices.totp);
    let words = [("close", StalePasswords::Close), ("keep", StalePasswords::Keep)];
    choices.stale_passwords =
        policy.word("stale_passwords", &words).unwrap_or(choices.stale_passwords);
    choices.groups = policy.flag("groups").unwrap_or(true);
    choices.silent_evidence = policy.flag("silent_proof").unwrap_or(true);
    choices.signup_guard = policy.flag("signup_guard").unwrap_or(true);
    let words = [("open", GuardFailure::Open), ("closed", GuardFailure::Closed)];
    choices.signup_guard_failure =
        policy.word("signup_guard_failure", &words).unwrap_or(choices.signup_guard_failure);
    choices.settle = settle(&policy, local).unwrap_or(choices.settle);
    let pilots = policy.texts("pilots", false);
    choices.pilots = pilots.iter().filter_map(|found| pilot(&policy, found)).collect();
    choices
}

fn match_by(top: &Section<'_, '_>) -> Option<MatchBy> {
    let hint = "add [identity] with match = \"email\" (or phone_number, username, an attribute)";
    if !top.has("identity") {
        top.reader.config_error(None, "`[identity]` is missing", hint);
    }
    let identity = top.section("identity")?;
    identity.knows(&["match"]);
    let found = identity.required("match", hint)?;
    match found.value {
        "email" => Some(MatchBy::Email),
        "phone_number" => Some(MatchBy::Phone),
        "username" => Some(MatchBy::Username),
        name if name.starts_with("custom:") || name.starts_with("dev:") => {
            let name = AttributeName::try_from(name);
            if name.is_err() {
                identity.mistake_at(found.line, "`[identity] match` is no attribute's name", hint);
            }
            name.ok().map(MatchBy::OldSub)
        }
        other => {
            let other: String = other.chars().take(64).collect();
            let known = ["email", "phone_number", "username"];
            let hint = super::config_error::nearest(&other, known).map_or_else(
                || "one of: email, phone_number, username, custom:<attribute>".to_owned(),
                |near| format!("did you mean \"{near}\"?"),
            );
            let message = format!("`[identity] match` cannot be \"{other}\"");
            identity.mistake_at(found.line, message, hint);
            None
        }
    }
}

/// One word for both directions, or one for each: `to_new` controls creations in the new pool.
fn provision(policy: &Section<'_, '_>) -> BySide<Provision> {
    let lazy = BySide { old: Provision::Lazy, new: Provision::Lazy };
    let Some(found) = policy.find("provision") else { return lazy };
    if found.value.as_table().is_none() {
        let word = policy.word("provision", &PROVISION).unwrap_or(Provision::Lazy);
        return BySide { old: word, new: word };
    }
    let Some(table) = policy.section("provision") else { return lazy };
    table.knows(&["to_new", "to_old"]);
    let word = |key| table.word(key, &PROVISION).unwrap_or(Provision::Lazy);
    BySide { old: word("to_old"), new: word("to_new") }
}

fn settle(policy: &Section<'_, '_>, local: bool) -> Option<Duration> {
    let found = policy.span("settle")?;
    if found.value > SETTLE_MAX {
        let hint = "nothing travels sooner than that; 10s is what most teams want";
        policy.mistake_at(found.line, "`[policy] settle` is longer than 5m", hint);
        return None;
    }
    if found.value < SETTLE_MIN && !local {
        let hint = "stale reads would be believed; less than 2s is for a local stack alone";
        policy.mistake_at(found.line, "`[policy] settle` is shorter than 2s", hint);
        return None;
    }
    Some(found.value)
}

/// A `sub`, or the fingerprint of a verified address; never an address itself.
fn pilot(policy: &Section<'_, '_>, found: &RawValue<&str>) -> Option<Pilot> {
    let hexadecimal = found.value.len() == 32 && !found.value.contains('+');
    if hexadecimal && let Ok(fingerprint) = u128::from_str_radix(found.value, 16) {
        return Some(Pilot::Address(fingerprint));
    }
    // A phone number in clear text is no `sub` either. Error messages repeat neither.
    let address = found.value.contains('@') || found.value.starts_with('+');
    match Sub::try_from(found.value) {
        Ok(sub) if !address => Some(Pilot::Sub(sub)),
        Ok(_) | Err(_) => {
            let message = "`[policy] pilots` holds something that is no sub and no fingerprint";
            let hint = "addresses do not belong into the file: name the person's `sub`";
            policy.mistake_at(found.line, message, hint);
            None
        }
    }
}

impl PolicyTables {
    /// Combines all parts. `match_by` is present here, because its absence is an error.
    pub(crate) fn configuration(
        self,
        name: String,
        pools: BySide<PoolConfig>,
        mapping: Mapping,
        routes: Routes,
        hash: String,
    ) -> Configuration {
        let policy = Policy {
            match_by: self.match_by.unwrap_or(MatchBy::Email),
            provision: self.provision,
            conflicts: self.conflicts,
            deletes: self.deletes,
            groups: self.groups,
            stale_passwords: self.stale_passwords,
            settle: self.settle,
            clock_allowance: if pool::on_this_machine(&pools.old)
                && pool::on_this_machine(&pools.new)
            {
                Duration::ZERO
            } else {
                limits::CLOCK_ALLOWANCE
            },
            mapping,
            rules: ProtocolRules::WHOLE,
        };
        Configuration {
            name,
            pools,
            policy,
            totp: self.totp,
            silent_evidence: self.silent_evidence,
            signup_guard: self.signup_guard,
            signup_guard_failure: self.signup_guard_failure,
            operator_roles: Vec::new(),
            pilots: self.pilots,
            routes,
            hash,
        }
    }

    /// The choices as one list of words in a fixed order.
    pub(crate) fn canonical(&self) -> serde_json::Value {
        let match_by = match &self.match_by {
            Some(MatchBy::Email) | None => "email",
            Some(MatchBy::Phone) => "phone_number",
            Some(MatchBy::Username) => "username",
            Some(MatchBy::OldSub(name)) => name.as_str(),
        };
        let provision = [self.provision.old, self.provision.new].map(|one| match one {
            Provision::Lazy => "lazy",
            Provision::Eager => "eager",
        });
        let conflicts = match self.conflicts {
            ConflictRule::ActiveWins => "active-wins",
            ConflictRule::Hold => "hold",
        };
        let deletes = match self.deletes {
            Deletes::Disable => "disable",
            Deletes::Delete => "delete",
            Deletes::Keep => "keep",
        };
        let totp = match self.totp {
            Totp::Refuse => "refuse",
            Totp::ReEnrol => "re-enrol",
            Totp::Grace => "grace",
        };
        let stale_passwords = match self.stale_passwords {
            StalePasswords::Close => "close",
            StalePasswords::Keep => "keep",
        };
        let pilots: Vec<String> = self.pilots.iter().map(Pilot::canonical).collect();
        let settle = self.settle.as_millis().to_string();
        serde_json::json!([
            match_by,
            provision,
            conflicts,
            deletes,
            self.groups,
            totp,
            stale_passwords,
            self.silent_evidence,
            self.signup_guard,
            settle,
            pilots
        ])
    }
}

impl Pilot {
    fn canonical(&self) -> String {
        match self {
            Self::Sub(sub) => format!("sub {sub}"),
            Self::Address(fingerprint) => format!("address {fingerprint:032x}"),
        }
    }
}

/// One mapping rule as a list of words.
pub(crate) fn canonical_rule(rule: &AttributeRule) -> serde_json::Value {
    let name = |side: Side| rule.attribute.get(side).as_ref().map(AttributeName::as_str);
    let normal: Vec<String> = rule
        .normal
        .iter()
        .map(|normal| match normal {
            Normal::E164(country) => format!("e164 {}", country.code()),
            Normal::Lowercase => "lowercase".to_owned(),
            Normal::Trim => "trim".to_owned(),
            Normal::Number => "number".to_owned(),
            Normal::Date => "date".to_owned(),
        })
        .collect();
    let values: Vec<(&String, &String)> = rule.values.iter().collect();
    serde_json::json!([
        rule.field.to_string(),
        [name(Side::Old), name(Side::New)],
        normal,
        [&rule.prefix.old, &rule.prefix.new],
        values,
        rule.default,
        rule.constant
    ])
}
