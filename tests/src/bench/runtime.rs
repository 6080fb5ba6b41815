//! The part of the Lambda runtime API that a bootstrap needs, so that the benchmark can start and
//! measure the process itself. It hands out one event at a time and takes the answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// Much longer than any answer takes, even on a busy machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// What the bootstrap reported.
enum BootstrapReport {
    /// It asked for an event for the first time, or again.
    Asked(Instant),
    /// It answered.
    Answered(Vec<u8>),
    /// It reported an error.
    Failed(String),
}

/// Lambda's side of one bootstrap. Dropping it ends the service.
pub(super) struct Runtime {
    /// Host and port, for `AWS_LAMBDA_RUNTIME_API`.
    pub(super) address: String,
    events: mpsc::Sender<Vec<u8>>,
    said: mpsc::Receiver<BootstrapReport>,
    _service: JoinSet<()>,
}

impl Runtime {
    pub(super) async fn listen() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listening")?;
        let address = listener.local_addr()?.to_string();
        let (events, waiting) = mpsc::channel(1);
        let (tell, said) = mpsc::channel(16);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut service = JoinSet::new();
        service.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (waiting, tell) = (Arc::clone(&waiting), tell.clone());
                // If a bootstrap ends during a request, the missing answer shows it.
                connections.spawn(async move { drop(serve(stream, &waiting, &tell).await) });
            }
        });
        Ok(Self { address, events, said, _service: service })
    }

    /// Waits until the bootstrap has started and asks for its first event.
    pub(super) async fn asked(&mut self) -> anyhow::Result<Instant> {
        match self.next().await? {
            BootstrapReport::Asked(when) => Ok(when),
            BootstrapReport::Answered(_) => bail!("an answer without a request"),
            BootstrapReport::Failed(error) => bail!("the bootstrap failed: {error}"),
        }
    }

    /// Hands out an event. Waits for the answer and for the request for the next event.
    pub(super) async fn invoke(&mut self, event: &[u8]) -> anyhow::Result<(Vec<u8>, Instant)> {
        self.events.send(event.to_vec()).await.context("the runtime has ended")?;
        let answer = match self.next().await? {
            BootstrapReport::Answered(answer) => (answer, Instant::now()),
            BootstrapReport::Failed(error) => bail!("the bootstrap failed: {error}"),
            BootstrapReport::Asked(_) => {
                bail!("the bootstrap asked for an event before it answered")
            }
        };
        self.asked().await?;
        Ok(answer)
    }

    async fn next(&mut self) -> anyhow::Result<BootstrapReport> {
        let said = tokio::time::timeout(ANSWER_LIMIT, self.said.recv()).await;
        said.with_context(|| format!("the bootstrap is silent for {ANSWER_LIMIT:?}"))?
            .context("the runtime has ended")
    }
}

/// Serves one connection, which the bootstrap keeps open.
async fn serve(
    stream: TcpStream,
    waiting: &Mutex<mpsc::Receiver<Vec<u8>>>,
    tell: &mpsc::Sender<BootstrapReport>,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some((path, body)) = request(&mut stream).await? {
        if path.ends_with("/invocation/next") {
            tell.send(BootstrapReport::Asked(Instant::now())).await?;
            let Some(event) = waiting.lock().await.recv().await else { return Ok(()) };
            let deadline = SystemTime::now() + ANSWER_LIMIT;
            let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                 lambda-runtime-aws-request-id: bench\r\n\
                 lambda-runtime-deadline-ms: {deadline}\r\n\
                 lambda-runtime-invoked-function-arn: bench\r\ncontent-length: {}\r\n\r\n",
                event.len()
            );
            stream.write_all(&[head.as_bytes(), &event].concat()).await?;
            continue;
        }
        let said = if path.ends_with("/response") {
            BootstrapReport::Answered(body)
        } else {
            BootstrapReport::Failed(String::from_utf8_lossy(&body).into_owned())
        };
        tell.send(said).await?;
        stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await?;
    }
    Ok(())
}

/// The path and body of one request; none when the connection ends.
async fn request(stream: &mut BufReader<TcpStream>) -> anyhow::Result<Option<(String, Vec<u8>)>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).context("no path")?.to_owned();
    let mut fields = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => fields.insert(name.to_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    anyhow::ensure!(!fields.contains_key("transfer-encoding"), "a body in chunks");
    let length = fields.get("content-length").map_or(Ok(0), |length| length.parse())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some((path, body)))
}
