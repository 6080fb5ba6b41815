//! For tests: a service on the loopback interface that answers by a script and remembers its
//! requests. It usually plays a pool, and can play any service that speaks JSON. Tests send real
//! requests through the real client, so they assume nothing about either.

#![expect(clippy::unwrap_used, reason = "a test's own service: a panic fails the test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use poolbridge_core::side::Side;
use serde_json::Value;

use crate::client::{bounded, pool_client};
use crate::clock::SystemClock;
use crate::cognito::{CognitoPool, PoolOptions};
use poolbridge_config::PoolConfig;

/// The service's reaction to one request.
#[derive(Clone)]
pub enum Reply {
    /// A successful answer.
    Well(Value),
    /// An error code with an HTTP status.
    Badly(u16, &'static str),
    /// An error code with status 400 and a message, as the service words it.
    Explained(&'static str, &'static str),
    /// No answer: the service reads the request and closes the connection.
    Lost,
    /// A successful answer with this `Date` header.
    Dated(&'static str, Value),
    /// A successful answer after this delay.
    Late(Duration, Value),
}

/// One request: the operation and its body.
pub type LoopbackRequest = (String, Value);

type Script = dyn Fn(&LoopbackRequest, usize) -> Reply + Send + Sync;

/// A pool that answers by a script.
pub struct Loopback {
    /// Where the service answers.
    pub endpoint_url: String,
    requests: Arc<Mutex<Vec<LoopbackRequest>>>,
}

impl Loopback {
    /// Answers each request by the script. The script also gets the number of earlier requests for
    /// that operation.
    pub fn new(script: impl Fn(&LoopbackRequest, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint_url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (script, seen): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                thread::spawn(move || serve(&stream, &*script, &seen));
            }
        });
        Self { endpoint_url, requests }
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<LoopbackRequest> {
        self.requests.lock().unwrap().clone()
    }

    /// The operation names of the requests so far.
    pub fn operations(&self) -> Vec<String> {
        self.requests().into_iter().map(|(operation, _)| operation).collect()
    }

    /// The adapter and its clock, connected to this pool.
    pub async fn pool_and_clock(&self) -> (CognitoPool, Arc<SystemClock>) {
        pool_at(&self.endpoint_url).await
    }

    /// The adapter, connected to this pool.
    pub async fn pool(&self) -> CognitoPool {
        self.pool_and_clock().await.0
    }
}

/// The adapter and its clock, connected to that address.
pub async fn pool_at(endpoint_url: &str) -> (CognitoPool, Arc<SystemClock>) {
    pool_of(endpoint_url, Credentials::new("key", "secret", None, None, "test")).await
}

/// The same, with the test's own credentials.
pub async fn pool_of(
    endpoint_url: &str,
    credentials: impl ProvideCredentials + 'static,
) -> (CognitoPool, Arc<SystemClock>) {
    let base = base(credentials).await;
    let settings = PoolConfig {
        user_pool_id: "us-east-1_A".to_owned(),
        region: None,
        role_arn: None,
        endpoint_url: Some(endpoint_url.to_owned()),
        client_id: None,
    };
    let clock = SystemClock::new();
    let client = pool_client(&base, &settings, &clock).await;
    let options = PoolOptions { groups: true, ..PoolOptions::default() };
    let pool = CognitoPool::new(&client, &settings, Side::New, options, &clock);
    (pool, clock)
}

/// The configuration that all of poolbridge's clients share, with these credentials and no
/// environment.
async fn base(credentials: impl ProvideCredentials + 'static) -> SdkConfig {
    bounded(aws_config::defaults(BehaviorVersion::v2026_01_12()))
        .empty_test_environment()
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .load()
        .await
}

/// The configuration of a client for any service at that address.
pub async fn config_at(endpoint_url: &str) -> SdkConfig {
    let base = base(Credentials::new("key", "secret", None, None, "test")).await;
    base.into_builder().endpoint_url(endpoint_url).build()
}

/// Answers one request per connection and closes it.
fn serve(mut stream: &TcpStream, script: &Script, seen: &Mutex<Vec<LoopbackRequest>>) {
    let Some(request) = read(stream) else { return };
    let count = {
        let mut seen = seen.lock().unwrap();
        let count = seen.iter().filter(|(operation, _)| *operation == request.0).count();
        seen.push(request.clone());
        count
    };
    let mut head = "content-type: application/x-amz-json-1.1\r\nconnection: close".to_owned();
    let (status, body) = match script(&request, count) {
        Reply::Well(body) => (200, body),
        Reply::Badly(status, code) => (status, serde_json::json!({ "__type": code })),
        Reply::Explained(code, text) => {
            (400, serde_json::json!({ "__type": code, "message": text }))
        }
        Reply::Lost => return,
        Reply::Dated(date, body) => {
            head = format!("{head}\r\ndate: {date}");
            (200, body)
        }
        Reply::Late(pause, body) => {
            thread::sleep(pause);
            (200, body)
        }
    };
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status} X\r\n{head}\r\ncontent-length: {}\r\n\r\n", body.len());
    // The client may have disconnected meanwhile; some tests check exactly that.
    let _ = stream.write_all((head + &body).as_bytes());
}

fn read(stream: &TcpStream) -> Option<LoopbackRequest> {
    let mut reader = BufReader::new(stream);
    let (mut operation, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line == "\r\n" {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "x-amz-target" => value.rsplit('.').next()?.clone_into(&mut operation),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((operation, serde_json::from_slice(&body).ok()?))
}
