//! Tests which files are accepted, which are refused, and the exact error texts.

use std::time::Duration;

use poolbridge_core::mapping::Normal;
use poolbridge_core::policy::{MatchBy, Provision};
use poolbridge_core::profile::Field;

use super::*;

const WHOLE: &str = r#"
name = "acme"

[old]
user_pool_id = "eu-west-1_AbCdEfGhI"
client_id = "1example23456789"                 # the proof client

[new]
user_pool_id = "us-east-1_JkLmNoPqR"
client_id = "2example23456789"
role_arn = "arn:aws:iam::111122223333:role/poolbridge"

[identity]
match = "email"

[policy]
provision = { to_new = "lazy", to_old = "eager" }
conflicts = "active-wins"
deletes = "disable"
groups = true
totp = "refuse"
stale_passwords = "close"
silent_proof = true
signup_guard = true
settle = "10s"
pilots = ["5c4e7a52-6c1f-4a50-b5b0-0e8d1e4f3a11", "00112233445566778899aabbccddeeff"]

[[attribute]]
old = "custom:dept"
new = "custom:department"
prefix = { new = "dept-" }
values = { a = "alpha", b = "beta" }
default = "a"

[[attribute]]
field = "phone_number"
normalise = "e164"
country = "US"

[[attribute]]
field = "nickname"
drop = true

[capture]
post_authentication = true
custom_message = true
"#;

/// The smallest valid file.
const LEAST: &str = "name = \"acme\"
[old]
user_pool_id = \"eu-west-1_A\"
[new]
user_pool_id = \"eu-west-1_B\"
[identity]
match = \"email\"
";

fn config_errors(text: &str) -> String {
    Configuration::parse("bridge.toml", text).unwrap_err().to_string()
}

fn with(more: &str) -> String {
    format!("{LEAST}{more}")
}

#[test]
fn a_complete_file_is_read() {
    let configuration = Configuration::parse("bridge.toml", WHOLE).unwrap();
    assert_eq!(configuration.name, "acme");
    assert_eq!(configuration.pools.old.region(), Some("eu-west-1"));
    assert_eq!(configuration.pools.new.region(), Some("us-east-1"));
    let policy = &configuration.policy;
    assert_eq!(policy.provision.new, Provision::Lazy);
    assert_eq!(policy.provision.old, Provision::Eager);
    assert_eq!(policy.match_by, MatchBy::Email);
    assert_eq!(policy.settle, Duration::from_secs(10));
    assert_eq!(policy.clock_allowance, poolbridge_core::limits::CLOCK_ALLOWANCE);
    assert!(configuration.routes.post_authentication && configuration.routes.custom_message);
    assert!(!configuration.routes.pre_token_generation);
    assert_eq!(configuration.pilots.len(), 2);
    let rule = |name: &str| {
        let field = Field::from_name(name).unwrap();
        policy.mapping.rules().find(|rule| rule.field == field).cloned()
    };
    let department = rule("custom:department").unwrap();
    assert_eq!(department.attribute.old.unwrap().as_str(), "custom:dept");
    assert_eq!(department.prefix.new, "dept-");
    assert_eq!(department.values.len(), 2);
    assert_eq!(department.default.as_deref(), Some("a"));
    assert!(matches!(rule("phone_number").unwrap().normal[..], [Normal::E164(_)]));
    assert!(rule("nickname").is_none());
    assert!(rule("email").is_some());
}

#[test]
fn a_missing_setting_keeps_the_cautious_default() {
    let configuration = Configuration::parse("bridge.toml", LEAST).unwrap();
    assert_eq!(configuration.policy.provision.new, Provision::Lazy);
    assert_eq!(configuration.totp, Totp::Refuse);
    assert!(configuration.silent_evidence && configuration.signup_guard);
    assert!(!configuration.routes.post_authentication && !configuration.routes.custom_message);
}

#[test]
fn the_example_file_of_infra_is_valid() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/example/bridge.toml");
    if let Ok(text) = std::fs::read_to_string(path) {
        Configuration::parse("bridge.toml", &text).unwrap();
    }
}

#[test]
fn every_error_is_reported_with_its_line_in_one_run() {
    let text = r#"name = "Acme!"
colour = "red"
[old]
user_pool_id = "AbCdEfGhI"
role_arn = "admin"
[new]
endpoint_url = "localhost:9229"
[identity]
match = "e-mail"
[policy]
provision = "eagerly"
conflict = "hold"
settle = "soon"
groups = "yes"
[[attribute]]
old = "dept"
new = "custom:department"
[[attribute]]
field = "phone_number"
normalise = ["e164", "upper"]
country = "XX"
[[attribute]]
old = "email"
new = "custom:mail"
[[attribute]]
field = "sub"
"#;
    let codes: Vec<&str> = poolbridge_core::normalise::Country::codes().collect();
    let expected = format!(
        r#"bridge.toml has 16 mistakes:
  line 1: `name` cannot name the deployed resources
    hint: 2 to 32 lower-case letters, digits or hyphens, a letter first: name = "acme"
  line 2: `colour` is not known
    hint: known here: name, operator_roles, old, new, identity, policy, attribute, capture, sweep
  line 4: `[old] user_pool_id` is not a pool's id
    hint: it stands in the pool's overview: user_pool_id = "eu-west-1_AbCdEfGhI"
  line 5: `[old] role_arn` is not the ARN of an IAM role
    hint: such as arn:aws:iam::111122223333:role/poolbridge
  line 6: `[new] user_pool_id` is missing
    hint: it stands in the pool's overview: user_pool_id = "eu-west-1_AbCdEfGhI"
  line 7: `[new] endpoint_url` is not a web address
    hint: such as http://127.0.0.1:4566
  line 9: `[identity] match` cannot be "e-mail"
    hint: did you mean "email"?
  line 11: `[policy] provision` cannot be "eagerly"
    hint: did you mean "eager"?
  line 12: `[policy] conflict` is not known
    hint: did you mean `conflicts`?
  line 13: `[policy] settle` is no span of time: "soon"
    hint: write a whole number and ms, s, m or h: "10s"
  line 14: `[policy] groups` must be true or false, not a text
    hint: write true or false
  line 16: no pool has an attribute named "dept"
    hint: custom attributes bear their prefix: "custom:dept"
  line 20: `[[attribute]] normalise` cannot be "upper"
    hint: one of: e164, lowercase, trim, number, date
  line 21: `[[attribute]] country` "XX" is not known
    hint: one of: {}
  line 22: [[attribute]] email and phone_number map only to themselves
    hint: write `field = "email"`; what differs can be a `prefix`
  line 25: [[attribute]] this attribute is the pool's own and never maps
    hint: take the rule out; verified flags travel with their address"#,
        codes.join(", ")
    );
    let found = config_errors(text);
    assert_eq!(found, expected);
}

#[test]
fn each_error_has_its_message() {
    let table: &[(&str, &str)] = &[
        ("[policy]\nsettle = \"6m\"", "line 9: `[policy] settle` is longer than 5m"),
        ("[policy]\nsettle = \"1s\"", "line 9: `[policy] settle` is shorter than 2s"),
        ("[policy]\npilots = [\"ada@example.com\"]", "line 9: `[policy] pilots` holds something"),
        ("[policy]\npilots = [7]", "line 9: `[policy] pilots` must be a list of texts"),
        ("[policy]\nprovision = 3", "line 9: `[policy] provision` must be a text in quotes"),
        ("[policy]\nprovision = { to_mew = \"lazy\" }", "did you mean `to_new`?"),
        ("[policy]\ntotp = \"reenrol\"", "did you mean \"re-enrol\"?"),
        ("[capture]\npost_authentication = 1", "must be true or false, not a number"),
        ("[capture]\ncustom_message = \"yes\"", "must be true or false, not a text"),
        (
            "[old.triggers]\nPreSignUp = \"welcome\"",
            "line 9: `[old.triggers] PreSignUp` is not a function's ARN",
        ),
        (
            "[new.triggers]\nPreSignUp = \
             \"arn:aws:lambda:eu-west-1:111122223333:function:acme-capture\"",
            "line 9: `[new.triggers] PreSignUp` names capture itself",
        ),
        ("[[attribute]]\ndrop = true", "line 8: `[[attribute]] drop` does not say what"),
        (
            "[[attribute]]\nfield = \"name\"\ndrop = true\ndefault = \"x\"",
            "stand together with `drop`",
        ),
        ("[[attribute]]\nold = \"custom:a\"", "a rule needs `old` and `new`, or `field`"),
        ("[[attribute]]\nfield = \"name\"\nconstant = \"x\"", "a constant needs exactly one of"),
        ("[[attribute]]\nfield = \"name\"\nold = \"name\"", "stand together with `old` and `new`"),
        ("[[attribute]]\nfield = \"name\"\nprefix = \"x\"", "does not say on which side"),
        ("[[attribute]]\nfield = \"name\"\ncountry = \"US\"", "says nothing without `normalise`"),
        ("[[attribute]]\nfield = \"name\"\nnormalise = \"e164\"", "needs a `country`"),
        ("[[attribute]]\nfield = \"given_nam\"", "did you mean \"given_name\""),
        (
            "[[attribute]]\nold=\"custom:a\"\nnew=\"name\"\n[[attribute]]\nold=\"custom:b\"\n\
             new=\"name\"",
            "line 11: [[attribute]] two rules name the same attribute of one pool",
        ),
        ("[attribute]\nold = \"name\"", "write it as [[attribute]]"),
        ("identity = 3\n", "line 8"),
    ];
    for (more, expected) in table {
        let found = config_errors(&with(more));
        assert!(found.contains(expected), "{more}\n{found}");
        assert!(found.contains("hint: "), "{found}");
        assert!(!found.contains("ada@example.com"), "{found}");
    }
}

#[test]
fn the_two_pools_must_differ() {
    let found = config_errors(&LEAST.replace("_B", "_A"));
    assert!(found.contains("line 4: `[old]` and `[new]` name the same user pool"), "{found}");
}

#[test]
fn invalid_toml_is_an_error_with_its_line() {
    let found = config_errors(&with("[policy]\nsettle = \nthis is not toml\n"));
    assert!(found.contains("line 9: "), "{found}");
    assert!(found.contains("line 10: "), "{found}");
}

#[test]
fn the_name_is_known_even_if_other_settings_are_invalid() {
    let config_errors = Configuration::parse("bridge.toml", "name = \"acme\"\nx = 1").unwrap_err();
    assert_eq!(config_errors.name.as_deref(), Some("acme"));
    assert_eq!(name_without_configuration(&config_errors), "acme");
}

#[test]
fn the_hash_covers_the_meaning_and_not_the_bytes() {
    let hash = |text: &str| Configuration::parse("bridge.toml", text).unwrap().hash;
    let plain = hash(LEAST);
    assert_eq!(plain.len(), 64);
    assert_eq!(plain, hash(&with("# a comment\n[policy]\nsettle = \"10000ms\"\n")));
    let endpoint = LEAST.replace("_A\"", "_A\"\nendpoint_url = \"http://127.0.0.1:1\"");
    assert_eq!(plain, hash(&endpoint));
    for other in [
        with("[policy]\nconflicts = \"hold\"\n"),
        with("[policy]\nsettle = \"11s\"\n"),
        with("[[attribute]]\nold = \"custom:a\"\nnew = \"custom:b\"\n"),
        with("[[attribute]]\nfield = \"nickname\"\ndrop = true\n"),
        LEAST.replace("_B", "_C"),
    ] {
        assert_ne!(plain, hash(&other), "{other}");
    }
}

#[test]
fn two_pools_on_this_machine_need_no_clock_allowance() {
    let at = |url: &str| {
        let endpoint = format!("\"\nendpoint_url = \"{url}\"");
        let text = LEAST.replace("_A\"", &format!("_A{endpoint}"));
        let text = text.replace("_B\"", &format!("_B{endpoint}"));
        Configuration::parse("bridge.toml", &text).unwrap().policy.clock_allowance
    };
    for here in ["http://127.0.0.1:4566", "http://localhost", "http://[::1]:4566/x"] {
        assert_eq!(at(here), Duration::ZERO, "{here}");
    }
    for there in ["https://vpce.example.com", "http://localhost@example.com", "http://10.0.0.1"] {
        assert_eq!(at(there), poolbridge_core::limits::CLOCK_ALLOWANCE, "{there}");
    }
}

#[test]
fn each_component_needs_only_its_part_of_the_environment() {
    let some = |names: &'static [&'static str]| {
        move |name: &str| names.contains(&name).then(|| "arn:aws:value".to_owned())
    };
    let two = some(&["POOLBRIDGE_TABLE", "POOLBRIDGE_QUEUE_URL"]);
    assert!(Environment::read(Component::Capture, false, &two).is_ok());
    let missing = |component| {
        let list = Environment::read(component, false, &two).unwrap_err();
        list.into_iter().map(|config_error| config_error.message).collect::<Vec<_>>()
    };
    assert_eq!(missing(Component::Apply), ["POOLBRIDGE_KEY is not set"]);
    assert_eq!(
        missing(Component::Operator),
        ["POOLBRIDGE_DEAD_LETTER_URL is not set"],
        "most commands need no key"
    );
    assert_eq!(Environment::read(Component::Capture, false, &|_| None).unwrap_err().len(), 2);
}

#[test]
fn a_function_in_another_region_reads_the_home_region() {
    let home = |value: &'static str| {
        let variable = move |name: &str| {
            Some(if name == "POOLBRIDGE_HOME_REGION" { value } else { "x" }.to_owned())
        };
        Environment::read(Component::Capture, false, &variable).unwrap().home_region
    };
    assert_eq!(home("eu-west-1").as_deref(), Some("eu-west-1"));
    assert_eq!(home(" "), None);
}

#[test]
fn a_key_in_clear_text_is_only_for_a_local_stack() {
    let variable = |_: &str| Some("hex:00ff".to_owned());
    assert!(Environment::read(Component::Apply, true, &variable).is_ok());
    let list = Environment::read(Component::Apply, false, &variable).unwrap_err();
    assert_eq!(list[0].message, "POOLBRIDGE_KEY holds the key itself");
    let shown = format!("{:?}", Environment::read(Component::Apply, true, &variable).unwrap());
    assert!(!shown.contains("\"hex:00ff\"]") && shown.contains('…'), "{shown}");
}

#[test]
fn relative_paths_start_at_the_package() {
    let variable = |name: &str| match name {
        "LAMBDA_TASK_ROOT" => Some("/var/task".to_owned()),
        "POOLBRIDGE_CONFIG" => Some("other.toml".to_owned()),
        _ => None,
    };
    assert_eq!(configuration_path(&variable), Path::new("/var/task/other.toml"));
    assert_eq!(configuration_path(&|_| None), Path::new("bridge.toml"));
}

#[test]
fn a_missing_file_is_reported_with_the_other_errors() {
    let variable =
        |name: &str| (name == "POOLBRIDGE_CONFIG").then(|| "/nowhere/bridge.toml".to_owned());
    let found = load_from(Component::Apply, variable).unwrap_err().to_string();
    assert!(found.contains("the file cannot be read: entity not found"), "{found}");
    assert!(found.contains("POOLBRIDGE_KEY is not set"), "{found}");
}

/// Arbitrary text, or arbitrary damage to a valid file, gives errors and never a panic.
#[test]
fn arbitrary_text_never_panics() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % 0xffff_ffff).unwrap()
    };
    let pieces = ["[", "]", "=", "\"", "{", "}", "\n", ".", "'''", "é", "\0", "[[attribute]]", "1"];
    for _ in 0..3000 {
        let mut text: Vec<char> = WHOLE.chars().collect();
        for _ in 0..=next() % 6 {
            let at = next() % text.len();
            let piece = pieces[next() % pieces.len()].chars();
            match next() % 3 {
                0 => text.truncate(at.max(1)),
                1 => drop(text.splice(at..at, piece).collect::<Vec<_>>()),
                _ => drop(text.splice(at..(at + 1 + next() % 9).min(text.len()), piece)),
            }
        }
        let text: String = text.into_iter().collect();
        match Configuration::parse("bridge.toml", &text) {
            Ok(_) => {}
            Err(config_errors) => assert!(!config_errors.list.is_empty(), "{text}"),
        }
    }
}
