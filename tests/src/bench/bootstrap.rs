//! Measures the functions' own processes without Lambda: processor time, memory, start.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::process::{self, EnvVars};
use super::runtime::Runtime;
use super::scenarios::event;
use super::target::each;
use crate::deployment::aws::nonce;
use crate::deployment::{APPLY, Deployment};

/// The mean is taken over this many invocations.
const INVOCATIONS: usize = 300;

/// Invocations before the measured ones: they open connections and fill caches.
const WARM_UP: usize = 10;

/// Starts of each program. The report shows the median.
const STARTS: usize = 5;

/// Memory of the smallest Lambda function (Lambda quota), in kilobytes.
const MEMORY_KILOBYTES: u64 = 128 * 1024;

/// How long a start takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StartTime {
    /// Time until the bootstrap asks for its first event.
    ready: Duration,
    /// Time until the bootstrap answers its first event.
    answered: Duration,
}

/// What was measured.
#[derive(Clone, Debug)]
pub(super) struct StartFigures {
    /// Capture's processor time for [`INVOCATIONS`], in milliseconds.
    processor_milliseconds: usize,
    capture_kilobytes: u64,
    apply_kilobytes: u64,
    capture_start: StartTime,
    apply_start: StartTime,
}

/// A running bootstrap. Dropping it kills the process.
struct Bootstrap {
    process: Child,
    runtime: Runtime,
    start: StartTime,
}

impl Bootstrap {
    /// Starts a program and lets it answer its first event.
    async fn start(program: &str, environment: &EnvVars, event: &[u8]) -> anyhow::Result<Self> {
        let mut runtime = Runtime::listen().await?;
        let path = program_path(program)?;
        let began = Instant::now();
        let process = Command::new(&path)
            .env_clear()
            .envs(environment)
            .env("AWS_LAMBDA_RUNTIME_API", &runtime.address)
            .env("AWS_LAMBDA_FUNCTION_NAME", format!("bench-{program}"))
            .envs([
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
                ("AWS_LAMBDA_LOG_GROUP_NAME", "bench"),
                ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", path.display()))?;
        let ready = runtime.asked().await.context("the bootstrap did not start")?;
        let (_, answered) = runtime.invoke(event).await?;
        let start = StartTime { ready: ready - began, answered: answered - began };
        Ok(Self { process, runtime, start })
    }

    fn id(&self) -> anyhow::Result<u32> {
        self.process.id().context("the bootstrap has ended")
    }
}

/// Measures both functions. `environment` holds their variables.
pub(super) async fn measure(
    bridge: &Deployment,
    environment: &EnvVars,
) -> anyhow::Result<StartFigures> {
    let queue_url = bridge.add_queue("bench-capture").await?;
    // No worker processes these messages, and the calls do not go through the counting proxies.
    let mut environment = environment.clone();
    environment.insert("POOLBRIDGE_QUEUE_URL".to_owned(), queue_url.clone());
    environment.insert("AWS_ENDPOINT_URL".to_owned(), bridge.stack.ministack_url_direct());

    let mut captured = 0;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let bootstrap = Bootstrap::start("capture", &environment, &sign_up_event(bridge)).await?;
        captured += 1;
        starts.push(bootstrap.start);
    }
    let capture_start = middle(starts);

    let mut bootstrap = Bootstrap::start("capture", &environment, &sign_up_event(bridge)).await?;
    for _ in 0..WARM_UP {
        bootstrap.runtime.invoke(&sign_up_event(bridge)).await?;
    }
    let id = bootstrap.id()?;
    let before = process::processor_milliseconds(id)?;
    for _ in 0..INVOCATIONS {
        let event = sign_up_event(bridge);
        let (answer, _) = bootstrap.runtime.invoke(&event).await?;
        ensure!(answer == event, "capture answered with another event");
    }
    let used = process::processor_milliseconds(id)? - before;
    let capture_kilobytes = process::memory_kilobytes(id)?;
    captured += 1 + WARM_UP + INVOCATIONS;
    let waiting = bridge.services.messages(&queue_url).await?.waiting;
    ensure!(waiting == captured as u64, "{waiting} messages for {captured} captures");

    let mut starts = Vec::new();
    for _ in 0..STARTS {
        // Without messages, apply does only its one-time work: clients, key, the pools' settings.
        starts.push(Bootstrap::start("apply", &environment, br#"{"Records":[]}"#).await?.start);
    }
    Ok(StartFigures {
        processor_milliseconds: usize::try_from(used)?,
        capture_kilobytes,
        apply_kilobytes: apply_kilobytes(bridge)?,
        capture_start,
        apply_start: middle(starts),
    })
}

/// The memory of the function that processed every scenario: the largest, if there are several.
fn apply_kilobytes(bridge: &Deployment) -> anyhow::Result<u64> {
    let endpoint = bridge.stack.ministack_url();
    let variables = [("AWS_LAMBDA_FUNCTION_NAME", APPLY), ("AWS_ENDPOINT_URL", endpoint.as_str())];
    let processes = process::with_variables(&variables)?;
    let memory = processes.into_iter().map(process::memory_kilobytes);
    memory.collect::<anyhow::Result<Vec<_>>>()?.into_iter().max().context("apply is not running")
}

/// A sign-up of an account that the bridge does not know yet.
fn sign_up_event(bridge: &Deployment) -> Vec<u8> {
    let nonce = nonce();
    let name = format!("sign-up-{nonce:032x}");
    let source = "PostConfirmation_ConfirmSignUp";
    event(&bridge.old.id, source, &name, &format!("{nonce:032x}")).to_string().into_bytes()
}

/// The path of a program in the folder of the running one.
fn program_path(program: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe().context("the path of this program")?.with_file_name(program);
    ensure!(fs::exists(&path)?, "{} is not built\nhint: run `make bench`", path.display());
    Ok(path)
}

fn middle(mut starts: Vec<StartTime>) -> StartTime {
    starts.sort_by_key(|start| start.answered);
    let middle = starts.len() / 2;
    starts.swap_remove(middle)
}

impl StartFigures {
    /// The missed targets, as text.
    pub(super) fn missed(&self) -> Vec<String> {
        let programs = [("capture", self.capture_kilobytes), ("apply", self.apply_kilobytes)];
        let missed = programs.into_iter().filter(|(_, used)| *used > MEMORY_KILOBYTES);
        missed
            .map(|(name, used)| format!("{name}: {} of memory (target 128 MB)", megabytes(used)))
            .collect()
    }

    /// One line per figure.
    pub(super) fn lines(&self) -> Vec<String> {
        let memory = |name: &str, used: u64| {
            let met = if used <= MEMORY_KILOBYTES { "met" } else { "missed" };
            format!("{name}: {} of memory at most, target 128 MB: {met}", megabytes(used))
        };
        let start = |name: &str, start: StartTime| {
            let (ready, answered) = (start.ready.as_millis(), start.answered.as_millis());
            format!("{name}: asks for events after {ready} ms, first answer after {answered} ms")
        };
        let each = each(self.processor_milliseconds, INVOCATIONS);
        vec![
            format!("capture: {each} ms of processor time an invocation, mean of {INVOCATIONS}"),
            memory("capture", self.capture_kilobytes),
            memory("apply", self.apply_kilobytes),
            start("capture", self.capture_start),
            start("apply", self.apply_start),
        ]
    }

    pub(super) fn value(&self) -> Value {
        let program = |used: u64, start: StartTime| {
            json!({
                "memory_kilobytes": used,
                "memory_kilobytes_at_most": MEMORY_KILOBYTES,
                "memory_met": used <= MEMORY_KILOBYTES,
                "start_ready_milliseconds": start.ready.as_millis(),
                "start_answered_milliseconds": start.answered.as_millis(),
            })
        };
        let mut capture = program(self.capture_kilobytes, self.capture_start);
        capture["processor"] = json!({
            "invocations": INVOCATIONS,
            "milliseconds": self.processor_milliseconds,
            "milliseconds_each": each(self.processor_milliseconds, INVOCATIONS),
        });
        json!({"capture": capture, "apply": program(self.apply_kilobytes, self.apply_start)})
    }
}

fn megabytes(kilobytes: u64) -> String {
    format!("{}.{} MB", kilobytes / 1024, kilobytes % 1024 * 10 / 1024)
}
