//! microburst: a proxy in front of one program of the stack. It throttles, delays and loses
//! answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};

use super::Install;
use super::http;
use super::program::ProgramSpec;

/// The faults of one proxy. Rules have microburst's own form, for example:
///
/// ```json
/// [{"service": "cognito-idp", "operation": "AdminCreateUser", "probability": 0.3,
///   "error": {"code": "TooManyRequestsException", "status": 400}},
///  {"service": "cognito-idp", "times": 1, "response": {"abort_bytes": 0}},
///  {"service": "dynamodb", "reset": true},
///  {"service": "sqs", "latency": 400}]
/// ```
///
/// They mean: three calls in ten are throttled; one is executed and its answer lost; the connection
/// is reset before the call; 400 ms more. The first rule that matches decides.
#[derive(Clone, Debug)]
pub struct Faults {
    url: String,
}

impl Faults {
    pub(super) fn of(proxy: &str) -> Self {
        Self { url: format!("{proxy}/_microburst") }
    }

    /// Replaces all rules with these.
    pub async fn set(&self, rules: &Value) -> anyhow::Result<()> {
        self.control("POST", "rules", rules).await.map(drop)
    }

    /// Removes every rule and clears the record of what was fired.
    pub async fn clear(&self) -> anyhow::Result<()> {
        self.set(&json!([])).await?;
        self.control("DELETE", "fired", &Value::Null).await.map(drop)
    }

    /// The faults injected since the last [`Self::clear`], oldest first. The proxy remembers the
    /// last thousand.
    pub async fn fired(&self) -> anyhow::Result<Vec<Value>> {
        let events = self.control("GET", "fired?limit=1000", &Value::Null).await?;
        Ok(events.as_array().cloned().unwrap_or_default())
    }

    /// From now on, counts every call of this service by operation, and changes nothing.
    pub async fn count(&self, service: &str) -> anyhow::Result<()> {
        self.clear().await?;
        self.set(&json!([{"service": service, "latency": 0}])).await
    }

    /// How many calls of each operation matched a rule since the last [`Self::clear`].
    pub async fn counts(&self) -> anyhow::Result<BTreeMap<String, usize>> {
        let mut counts = BTreeMap::new();
        for event in self.fired().await? {
            let operation = event.get("operation").and_then(Value::as_str).unwrap_or_default();
            *counts.entry(operation.to_owned()).or_insert(0) += 1;
        }
        Ok(counts)
    }

    async fn control(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/{path}", self.url);
        let headers = [("content-type", "application/json")];
        let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(body)? };
        let answer = http::request(method, &url, &headers, &bytes, Duration::from_secs(10)).await?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status == 200, "{method} {url}: {} {text}", answer.status);
        Ok(serde_json::from_slice(&answer.body)?)
    }
}

/// A proxy on `port` in front of `upstream`.
pub(super) fn program_spec(
    install: &Install,
    folder: &Path,
    behind: &str,
    port: u16,
    upstream: u16,
) -> ProgramSpec<'static> {
    let (port, upstream) = (port.to_string(), format!("http://127.0.0.1:{upstream}"));
    let arguments = ["-m", "microburst", "--host", "127.0.0.1", "--no-resign"];
    let mut command = vec![install.python.clone().into()];
    command.extend(arguments.map(Into::into));
    command.extend(["--port", &port, "--upstream", &upstream].map(Into::into));
    ProgramSpec {
        name: format!("faults-before-{behind}"),
        command,
        environment: vec![
            ("PATH", install.path.clone()),
            ("HOME", folder.into()),
            ("TMPDIR", folder.into()),
            ("PYTHONUNBUFFERED", "1".into()),
        ],
        health: format!("http://127.0.0.1:{port}/_microburst/health"),
    }
}
