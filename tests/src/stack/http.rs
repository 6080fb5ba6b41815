//! An HTTP client with what the local stack needs: one request per connection.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The answer of a program.
#[derive(Debug)]
pub struct Answer {
    /// The status code, such as 200.
    pub status: u16,
    /// The body, decoded if it came in chunks.
    pub body: Vec<u8>,
}

/// A service's own error answer.
#[derive(Debug)]
pub struct ServiceError {
    /// The HTTP status.
    pub status: u16,
    /// The error's code without its namespace, such as `UserNotFoundException`.
    pub code: String,
    /// The service's message.
    pub message: String,
}

impl std::fmt::Display for ServiceError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}: {}", self.status, self.code, self.message)
    }
}

impl std::error::Error for ServiceError {}

/// Sends one request and reads the whole answer, all within `limit`.
pub async fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    limit: Duration,
) -> anyhow::Result<Answer> {
    tokio::time::timeout(limit, exchange(method, url, headers, body))
        .await
        .with_context(|| format!("{method} {url}: no answer within {limit:?}"))?
        .with_context(|| format!("{method} {url}"))
}

/// Calls one operation of a service that speaks AWS JSON, such as
/// `AWSCognitoIdentityProviderService.AdminGetUser`. An error answer is a [`ServiceError`].
pub async fn call(url: &str, target: &str, input: &Value) -> anyhow::Result<Value> {
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
    let body = serde_json::to_vec(input)?;
    let answer = request("POST", url, &headers, &body, Duration::from_secs(30)).await?;
    let output: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status == 200 {
        return Ok(output);
    }
    let text = |name: &str| output.get(name).and_then(Value::as_str).unwrap_or_default();
    let code = text("__type").rsplit('#').next().unwrap_or_default().to_owned();
    let message = if text("message").is_empty() { text("Message") } else { text("message") };
    Err(ServiceError { status: answer.status, code, message: message.to_owned() }.into())
}

async fn exchange(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> anyhow::Result<Answer> {
    let rest = url.strip_prefix("http://").context("only http is spoken here")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut head = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.extend([*name, ": ", *value, "\r\n"]);
    }
    head.push_str("\r\n");

    let mut stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;

    let end = find(&bytes, b"\r\n\r\n").context("the connection closed before an answer")?;
    let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).to_lowercase();
    let body = bytes.get(end + 4..).unwrap_or_default();
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let field = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find_map(|(key, value)| (key == name).then(|| value.trim().to_owned()))
    };
    if field("transfer-encoding").is_some_and(|value| value == "chunked") {
        return Ok(Answer { status, body: join_chunks(body)? });
    }
    if let Some(length) = field("content-length") {
        ensure!(body.len() == length.parse::<usize>()?, "the connection closed within the answer");
    }
    Ok(Answer { status, body: body.to_vec() })
}

fn join_chunks(mut rest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(end) = find(rest, b"\r\n") {
        let line = std::str::from_utf8(rest.get(..end).unwrap_or_default())?;
        let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)?;
        if size == 0 {
            return Ok(body);
        }
        let chunk = rest.get(end + 2..end + 2 + size).context("a chunk is cut short")?;
        body.extend_from_slice(chunk);
        rest = rest.get(end + 2 + size + 2..).unwrap_or_default();
    }
    bail!("the last chunk is missing")
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
