//! Deploys as an operator does: `cdk bootstrap`, `cdk deploy`, and the stack's outputs.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::{NAME, Names};
use crate::stack::{REGION, Stack};

/// A synthesis takes six seconds on two cores, a deployment to the local stack takes one.
const LIMIT: Duration = Duration::from_mins(2);

/// Lines of the tool's output that an error shows.
const TAIL_LINES: usize = 30;

pub(super) async fn deploy(
    stack: &Stack,
    folder: &Path,
    configuration: &Path,
    operator: &Path,
) -> anyhow::Result<Names> {
    let infra = infra()?;
    let environment = format!("aws://000000000000/{REGION}");
    cdk(stack, folder, &infra, &["bootstrap", "--app", "", &environment]).await?;
    let outputs = folder.join("outputs.json");
    let context = |key: &str, value: &Path| format!("{key}={}", value.display());
    let arguments = [
        "deploy",
        "--require-approval=never",
        "--context=removable=true",
        "--context",
        &context("config", configuration),
        "--context",
        &context("operator", operator),
        "--context",
        &context("bootstraps", &folder.join("lambda")),
        "--output",
        &folder.join("cdk.out").display().to_string(),
        "--outputs-file",
        &outputs.display().to_string(),
    ];
    cdk(stack, folder, &infra, &arguments).await?;
    let outputs: Value = serde_json::from_slice(&std::fs::read(&outputs)?)?;
    let output = |name: &str| {
        let value = outputs[format!("poolbridge-{NAME}")][name].as_str();
        value.map(str::to_owned).with_context(|| format!("the stack has no output {name}"))
    };
    Ok(Names {
        table: output("PoolbridgeTable")?,
        queue_url: output("PoolbridgeQueueUrl")?,
        bulk_queue_url: output("PoolbridgeBulkQueueUrl")?,
        captures: [output("PoolbridgeCaptureOld")?, output("PoolbridgeCaptureNew")?],
        dead_letter_url: output("PoolbridgeDeadLetterUrl")?,
        key: output("PoolbridgeKey")?,
    })
}

/// The folder of the CDK app, which must be installed and compiled.
fn infra() -> anyhow::Result<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let infra = tests.parent().context("the package stands alone")?.join("infra");
    let ready = infra.join("dist/bin/poolbridge.js").is_file() && tool(&infra).is_file();
    ensure!(ready, "the CDK app is not built\nhint: in `infra`, run `npm ci && npm run build`");
    Ok(infra)
}

fn tool(infra: &Path) -> PathBuf {
    infra.join("node_modules/aws-cdk/bin/cdk")
}

async fn cdk(stack: &Stack, folder: &Path, infra: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let shown = format!("cdk {}", arguments.first().unwrap_or(&""));
    let child = Command::new("node")
        .arg(tool(infra))
        .args(arguments)
        .current_dir(infra)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        // The tool's own files are in the deployment's folder and are removed with it.
        .envs([("HOME", folder), ("TMPDIR", folder)])
        .envs(stack.environment())
        .envs([("CDK_DISABLE_CLI_TELEMETRY", "true"), ("NODE_NO_WARNINGS", "1")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start node")?;
    let output = tokio::time::timeout(LIMIT, child.wait_with_output())
        .await
        .with_context(|| format!("`{shown}` did not end within {LIMIT:?}"))??;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n");
    ensure!(output.status.success(), "`{shown}` ended with {}:\n{tail}", output.status);
    Ok(())
}
