//! The table, the queue and the pools for the functions under test: they accept everything, hold no
//! account, and check what they receive.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::checks::unexpected_request_field;

/// How many bad requests are kept.
const WRONG_MAX: usize = 10;

/// One request: the operation and its body.
pub type ServiceRequest = (String, Value);

/// The requests so far.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// How many, by operation.
    pub counts: BTreeMap<String, u64>,
    /// Requests that carry too much, with the reason.
    pub wrong: Vec<(&'static str, ServiceRequest)>,
}

impl Asked {
    fn add(&mut self, request: ServiceRequest) {
        *self.counts.entry(request.0.clone()).or_default() += 1;
        if let Some(wrong) =
            unexpected_request_field(&request).filter(|_| self.wrong.len() < WRONG_MAX)
        {
            self.wrong.push((wrong, request));
        }
    }
}

/// The services, on a loopback port, until the process ends.
#[derive(Clone, Debug)]
pub struct FakeServices {
    /// Their endpoint.
    pub endpoint: String,
    asked: Arc<Mutex<Asked>>,
}

impl FakeServices {
    /// Starts them.
    pub fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listening")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let asked = Arc::new(Mutex::new(Asked::default()));
        let kept = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                // If a client ends during a request, its own missing answer shows it.
                thread::spawn(move || drop(serve(stream, &kept)));
            }
        });
        Ok(Self { endpoint, asked })
    }

    /// The requests so far.
    pub fn asked(&self) -> Asked {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Asked>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let (mut operation, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            match name.to_ascii_lowercase().as_str() {
                "x-amz-target" => {
                    value.trim().rsplit('.').next().unwrap_or_default().clone_into(&mut operation);
                }
                "content-length" => length = value.trim().parse()?,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let body = serde_json::from_slice(&body).context("a request that is no JSON")?;
        let answer = answer(&operation, &body).to_string();
        kept.lock().unwrap_or_else(PoisonError::into_inner).add((operation, body));
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\n\
             content-length: {}\r\n\r\n",
            answer.len()
        );
        stream.get_mut().write_all(format!("{head}{answer}").as_bytes())?;
    }
}

fn answer(operation: &str, body: &Value) -> Value {
    match operation {
        "SendMessage" => json!({"MessageId": "1", "MD5OfMessageBody": "x", "SequenceNumber": "1"}),
        "DescribeUserPool" => json!({"UserPool": {
            "Id": body["UserPoolId"], "SchemaAttributes": [], "AliasAttributes": ["email"],
        }}),
        "ListUsers" => json!({"Users": []}),
        _ => json!({}),
    }
}
