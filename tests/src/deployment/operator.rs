//! The real command line, run as an operator runs it.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::process::Command;

/// `poolbridge`, with the environment that the deployment's outputs tell.
#[derive(Debug)]
pub struct Operator {
    pub(super) program: PathBuf,
    pub(super) environment: Vec<(String, String)>,
    pub(super) said: Mutex<Vec<String>>,
}

/// What a command said, and how it ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Data.
    pub data: String,
    /// Talk.
    pub talk: String,
}

impl Operator {
    /// The same with some variables set otherwise. What it says is kept apart.
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

    /// Runs a command to its end, at most `limit`.
    pub async fn run(&self, arguments: &[&str], limit: Duration) -> anyhow::Result<Outcome> {
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
        let outcome = Outcome {
            code: output.status.code(),
            data: text(&output.stdout),
            talk: text(&output.stderr),
        };
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend([outcome.data.clone(), outcome.talk.clone()]);
        Ok(outcome)
    }

    /// The same command line, with that variable not set.
    #[must_use]
    pub fn without(&self, variable: &str) -> Self {
        let mut environment = self.environment.clone();
        environment.retain(|(name, _)| name != variable);
        Self { program: self.program.clone(), environment, said: Mutex::default() }
    }

    /// Runs a command that must succeed.
    pub async fn succeed(&self, arguments: &[&str]) -> anyhow::Result<Outcome> {
        let outcome = self.run(arguments, Duration::from_secs(30)).await?;
        let Outcome { code, data, talk } = &outcome;
        let shown = arguments.join(" ");
        ensure!(*code == Some(0), "`poolbridge {shown}` ended with {code:?}\n{data}{talk}");
        Ok(outcome)
    }

    /// Runs a command that must succeed and answer JSON.
    pub async fn ask(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let outcome = self.succeed(&[arguments, &["--json"]].concat()).await?;
        serde_json::from_str(&outcome.data).with_context(|| {
            format!("`poolbridge {}` --json: {}", arguments.join(" "), outcome.data)
        })
    }

    /// Everything that the command line has said so far.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
