//! One program of the stack: supervised, in its own process group and folder, with a log.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::http;

const SUPERVISOR: &str = include_str!("supervisor.sh");

/// A start takes one second on an idle machine, and has taken six on a busy one with two cores.
const START_LIMIT: Duration = Duration::from_mins(1);

/// It takes milliseconds to kill a group. After this limit, no signal ends it.
const STOP_LIMIT: Duration = Duration::from_secs(10);

const PAUSE: Duration = Duration::from_millis(10);

const TAIL_LINES: usize = 25;

/// What to run.
pub(super) struct ProgramSpec<'program_spec> {
    /// Its display name; also the name of its folder.
    pub(super) name: String,
    /// The program and its arguments.
    pub(super) command: Vec<OsString>,
    /// Its whole environment: it inherits no variable.
    pub(super) environment: Vec<(&'program_spec str, OsString)>,
    /// Answers 200 once the program is up.
    pub(super) health: String,
}

/// A supervised program. Dropping it ends it with its process group and removes its folder.
pub(super) struct Program {
    name: String,
    health: String,
    log: PathBuf,
    supervisor: Child,
}

impl Program {
    /// Starts the recipe in `folder`, which must exist and belongs to the program from now on.
    pub(super) fn start(program_spec: ProgramSpec<'_>, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join("log");
        let output = File::create(&log).with_context(|| format!("{}", log.display()))?;
        let supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(folder)
            .args(&program_spec.command)
            .env_clear()
            .envs(program_spec.environment)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Its own group: Ctrl-C reaches only this process, which then ends the whole group.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program_spec.name))?;
        Ok(Self { name: program_spec.name, health: program_spec.health, log, supervisor })
    }

    /// Waits until the program answers. If it does not, the error shows the end of its log.
    pub(super) async fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        let mut answered = false;
        while !answered {
            if let Some(status) = self.supervisor.try_wait()? {
                bail!("{} ended ({status}) before it answered{}", self.name, self.tail_as_cause());
            }
            if Instant::now() > deadline {
                let tail = self.tail_as_cause();
                bail!("{} did not answer within {START_LIMIT:?}{tail}", self.name);
            }
            let limit = Duration::from_secs(5);
            answered = http::request("GET", &self.health, &[], &[], limit)
                .await
                .is_ok_and(|answer| answer.status == 200);
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// The process group of the program, its supervisor and their children.
    pub(super) fn group(&self) -> u32 {
        self.supervisor.id()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The last `count` lines of the program's own log, without colours.
    pub(super) fn tail(&self, count: usize) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let text = plain(&String::from_utf8_lossy(&bytes));
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
    }

    fn tail_as_cause(&self) -> String {
        match self.tail(TAIL_LINES) {
            tail if tail.is_empty() => "; its log is empty".to_owned(),
            tail => format!("; its log ends:\n{tail}"),
        }
    }

    /// Signals the supervisor to end the group. Returns at once.
    pub(super) fn release(&mut self) {
        drop(self.supervisor.stdin.take());
    }

    /// Waits until the supervisor has ended, after it killed the group.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        self.release();
        let deadline = Instant::now() + STOP_LIMIT;
        while self.supervisor.try_wait()?.is_none() {
            if Instant::now() > deadline {
                signal_group(self.group(), "KILL");
                self.supervisor.wait()?;
                bail!("{} had to be killed from outside", self.name);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A drop cannot report the error; the group is killed in any case.
        let _ = self.finish();
    }
}

/// Sends a signal to a process group; false if there is no such group. `0` only checks.
pub(super) fn signal_group(group: u32, signal: &str) -> bool {
    Command::new("sh")
        .args(["-c", &format!("kill -s {signal} -- -{group}")])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Removes the escape sequences with which programs colour their logs.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}
