//! A hundred thousand payloads, unbroken and broken, through capture and trail: no function panics,
//! capture answers with the event it received, and no personal value leaves in a log line, a
//! message or an item.
//!
//! `POOLBRIDGE_SEED` gives another hundred thousand, `POOLBRIDGE_PAYLOADS` another number of them.
//! The functions take their settings from the environment, and a process cannot safely change its
//! own environment. So the suite prepares everything here and starts itself once more with the
//! variables set.

#![expect(clippy::print_stdout, reason = "a suite prints what it found")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use poolbridge_tests::payloads::checks::{leak, unexpected_log_field};
use poolbridge_tests::payloads::{
    FakeServices, NEW_POOL, OLD_POOL, OWN_ROLE, Payload, run_payloads,
};
use serde_json::Value;
use serde_json::value::RawValue;

/// Set in the process that runs the functions: the numbers of its payloads, `<first>..<end>`.
const RANGE: &str = "POOLBRIDGE_PAYLOADS_RANGE";

/// Processes at the same time.
const PARTS: u64 = 2;

fn setting(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(otherwise, |given| given.parse().expect("a number"))
}

fn seed() -> u64 {
    setting("POOLBRIDGE_SEED", 1)
}

#[test]
fn payloads_of_every_shape_are_answered_and_leak_no_value() {
    if let Ok(range) = std::env::var(RANGE) {
        return run_range(&range);
    }
    let count = setting("POOLBRIDGE_PAYLOADS", 100_000);
    let services = FakeServices::start().unwrap();
    let folder = Folder::make(&services.endpoint);
    let part = |at: u64| (count * at / PARTS)..(count * (at + 1) / PARTS);
    let children: Vec<_> = (0..PARTS)
        .map(|at| (at, folder.command(&services.endpoint, at, &part(at)).spawn().unwrap()))
        .collect();
    let mut counts = LogCounts::default();
    for (at, mut child) in children {
        let ended = child.wait().unwrap();
        // The lines come first, because they show the reason.
        let mut last = String::new();
        for line in folder.said(at).lines().map(|line| line.expect("a text")) {
            if line.starts_with('{') {
                counts.line(&line);
            }
            last = line;
        }
        let stderr = std::fs::read_to_string(folder.file("talk", at)).unwrap();
        assert_eq!(leak(&stderr), None, "{stderr}");
        assert!(ended.success(), "seed {}: {last}\n{stderr}", seed());
    }
    let asked = services.asked();
    assert!(asked.wrong.is_empty(), "requests say too much (seed {}): {:?}", seed(), asked.wrong);
    counts.requests = asked.counts;
    println!("{count} payloads of seed {}: {counts:#?}", seed());
    counts.is_of_everything(count);
}

/// Counts of what the functions logged and requested.
#[derive(Debug, Default)]
struct LogCounts {
    metrics: BTreeMap<String, u64>,
    reasons: BTreeMap<String, u64>,
    requests: BTreeMap<String, u64>,
}

impl LogCounts {
    fn line(&mut self, line: &str) {
        let shown = line.chars().take(400).collect::<String>();
        assert_eq!(
            unexpected_log_field(line),
            None,
            "a line says too much (seed {}): {shown}",
            seed()
        );
        let fields: Value = serde_json::from_str(line).expect("the line was checked above");
        if let Some(reason) = fields["reason"].as_str() {
            *self.reasons.entry(reason.to_owned()).or_default() += 1;
        }
        let names = ["captured", "capture_failed", "guard_refused", "guard_failed_open"];
        let trail = ["trail_captured", "trail_dropped", "trail_unresolved", "trail_failed"];
        for name in names.iter().chain(&trail) {
            let count = fields[name].as_u64().unwrap_or_default();
            *self.metrics.entry((*name).to_owned()).or_default() += count;
        }
    }

    /// If the suite did not reach everything, its checks would prove little.
    fn is_of_everything(&self, count: u64) {
        let figure = |name: &str| self.metrics[name];
        for name in ["captured", "capture_failed", "trail_captured", "trail_dropped"] {
            assert!(figure(name) > count / 100, "{name}: {self:?}");
        }
        for name in ["trail_unresolved", "trail_failed"] {
            assert!(figure(name) > count / 1_000, "{name}: {self:?}");
        }
        let reasons = [
            "unreadable",
            "other-trigger",
            "other-pool",
            "no-sub",
            "failed-call",
            "read-only",
            "own-call",
            "other-operation",
            "no-person",
            "told-by-trigger",
            "unnamed",
        ];
        for reason in reasons {
            assert!(self.reasons.contains_key(reason), "nothing was {reason}: {self:?}");
        }
        let known =
            |reason: &String| reasons.contains(&reason.as_str()) || reason == "other-source";
        assert!(self.reasons.keys().all(known), "an unknown reason: {self:?}");
        for operation in ["UpdateItem", "GetItem", "SendMessage", "ListUsers"] {
            assert!(self.requests.contains_key(operation), "no {operation}: {self:?}");
        }
    }
}

/// The second process.
fn run_range(range: &str) {
    let (first, end) = range.split_once("..").expect("a range");
    let numbers = first.parse().expect("a number")..end.parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    match runtime.block_on(run_payloads(seed(), numbers)) {
        Ok(came) => println!("{came:?}"),
        Err(error) => {
            // The functions' own log withholds the text of a panic.
            println!("{error:#}");
            std::process::exit(1);
        }
    }
}

/// A folder with a `bridge.toml`. Dropping it removes the folder.
struct Folder(PathBuf);

impl Folder {
    fn make(endpoint: &str) -> Self {
        let path = std::env::temp_dir().join(format!("payloads-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder of our own");
        let pool = |side: &str, id: &str| {
            let ids = format!("user_pool_id = \"{id}\"\nclient_id = \"a\"");
            format!("[{side}]\n{ids}\nendpoint_url = \"{endpoint}\"\n")
        };
        let (old, new) = (pool("old", OLD_POOL), pool("new", NEW_POOL));
        let file = format!(
            "name = \"acme\"\n{old}{new}[identity]\nmatch = \"email\"\n\
             [policy]\nprovision = \"lazy\"\nsignup_guard = true\n\
             [capture]\npost_authentication = true\npre_token_generation = true\n\
             custom_message = true\n"
        );
        std::fs::write(path.join("bridge.toml"), file).expect("a file of our own");
        Self(path)
    }

    fn file(&self, kind: &str, part: u64) -> PathBuf {
        self.0.join(format!("{kind}-{part}"))
    }

    /// The output of a process: too large to hold in memory.
    fn said(&self, part: u64) -> BufReader<File> {
        BufReader::new(File::open(self.file("said", part)).expect("what was said"))
    }

    fn command(&self, endpoint: &str, part: u64, range: &Range<u64>) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
        let file = |kind| File::create(self.file(kind, part)).expect("a file of our own");
        let name = "payloads_of_every_shape_are_answered_and_leak_no_value";
        command
            .args([name, "--exact", "--nocapture"])
            .env_clear()
            .env(RANGE, format!("{}..{}", range.start, range.end))
            .env("POOLBRIDGE_SEED", seed().to_string())
            .env("POOLBRIDGE_CONFIG", self.0.join("bridge.toml"))
            .env("POOLBRIDGE_TABLE", "acme-state")
            .env("POOLBRIDGE_QUEUE_URL", format!("{endpoint}/000000000000/acme.fifo"))
            .env("POOLBRIDGE_OWN_ROLES", OWN_ROLE)
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .stdin(Stdio::null())
            .stdout(file("said"))
            .stderr(file("talk"));
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // If the removal fails, files stay in the system's folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The functions can read an unbroken payload, so the breaking makes the difference.
#[test]
fn payloads_are_mostly_json_and_of_both_kinds() {
    let count = 2_000;
    let payloads: Vec<Payload> = (0..count).map(|number| Payload::of(seed(), number)).collect();
    let json = payloads.iter().filter(|it| serde_json::from_str::<&RawValue>(it.text()).is_ok());
    let trail = payloads.iter().filter(|it| matches!(it, Payload::Trail(_)));
    assert!(json.count() as u64 > count * 3 / 4);
    assert!((count / 3..count * 2 / 3).contains(&(trail.count() as u64)));
}
