//! The real command line, run as an operator runs it.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// The time within which a command stops. It finishes its current batch first.
const STOPS_WITHIN: Duration = Duration::from_mins(1);

/// `poolbridge`, with the environment from the deployment's outputs.
#[derive(Debug)]
pub struct Operator {
    pub(super) program: PathBuf,
    pub(super) environment: Vec<(String, String)>,
    pub(super) said: Mutex<Vec<String>>,
}

/// The output and the exit code of a command.
#[derive(Clone, Debug)]
pub struct CommandOutput {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output: data.
    pub data: String,
    /// Standard error: messages.
    pub stderr: String,
}

/// A command that runs until it is stopped. Dropping it kills it.
#[derive(Debug)]
pub struct Started<'a> {
    operator: &'a Operator,
    child: Child,
    reported: JoinHandle<String>,
}

impl Started<'_> {
    /// Stops it by `SIGTERM`, as an operator does, and waits for its end. Returns all its output.
    pub async fn stop(mut self) -> anyhow::Result<String> {
        let id = self.child.id().context("it ended before it was stopped")?;
        let status = Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        ensure!(status.success(), "kill ended with {status}");
        let ended = tokio::time::timeout(STOPS_WITHIN, self.child.wait());
        let status = ended.await.context("it does not stop")??;
        let text = self.reported.await?;
        ensure!(status.success(), "it ended with {status}: {text}");
        let mut said = self.operator.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.push(text.clone());
        Ok(text)
    }
}

impl Operator {
    /// The same with some variables changed. Its output is kept separately.
    #[must_use]
    pub fn with(&self, variables: &[(&str, &str)]) -> Self {
        let changed = |name: &str| variables.iter().any(|(other, _)| *other == name);
        let stays = self.environment.iter().filter(|(name, _)| !changed(name)).cloned();
        let added = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Self {
            program: self.program.clone(),
            environment: stays.chain(added).collect(),
            said: Mutex::default(),
        }
    }

    /// Runs a command to its end, for at most `limit`.
    pub async fn run(&self, arguments: &[&str], limit: Duration) -> anyhow::Result<CommandOutput> {
        let shown = format!("poolbridge {}", arguments.join(" "));
        let child = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let output = tokio::time::timeout(limit, child.wait_with_output())
            .await
            .with_context(|| format!("`{shown}` did not end within {limit:?}"))??;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let outcome = CommandOutput {
            code: output.status.code(),
            data: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend([outcome.data.clone(), outcome.stderr.clone()]);
        Ok(outcome)
    }

    /// Starts a command that runs until it is stopped.
    pub fn start(&self, arguments: &[&str]) -> anyhow::Result<Started<'_>> {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let pipes = (child.stdout.take(), child.stderr.take());
        // The output is read at once: a full pipe would block the command.
        let reported = tokio::spawn(async move {
            let (mut data, mut messages) = (String::new(), String::new());
            let (Some(mut stdout), Some(mut stderr)) = pipes else { return messages };
            let read = tokio::join!(
                stdout.read_to_string(&mut data),
                stderr.read_to_string(&mut messages)
            );
            if read.0.is_err() || read.1.is_err() {
                messages.push_str("(and what cannot be read)");
            }
            data + &messages
        });
        Ok(Started { operator: self, child, reported })
    }

    /// The same command line without that variable.
    #[must_use]
    pub fn without(&self, variable: &str) -> Self {
        let mut environment = self.environment.clone();
        environment.retain(|(name, _)| name != variable);
        Self { program: self.program.clone(), environment, said: Mutex::default() }
    }

    /// Runs a command that must succeed.
    pub async fn succeed(&self, arguments: &[&str]) -> anyhow::Result<CommandOutput> {
        let outcome = self.run(arguments, Duration::from_secs(30)).await?;
        let CommandOutput { code, data, stderr } = &outcome;
        let shown = arguments.join(" ");
        ensure!(*code == Some(0), "`poolbridge {shown}` ended with {code:?}\n{data}{stderr}");
        Ok(outcome)
    }

    /// Runs a command that must succeed and print JSON.
    pub async fn ask(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let outcome = self.succeed(&[arguments, &["--json"]].concat()).await?;
        serde_json::from_str(&outcome.data).with_context(|| {
            format!("`poolbridge {}` --json: {}", arguments.join(" "), outcome.data)
        })
    }

    /// All output of the command line so far.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
