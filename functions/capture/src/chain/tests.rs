use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;

use poolbridge_aws::client::bounded;
use poolbridge_config::unqualified;

use super::*;

const EVENT: &str = r#"{ "a" : 1.0, "a":"\u00e9" }"#;

fn shown(answer: &ChainAnswer) -> (&str, &str) {
    match answer {
        Ok(answer) => ("", answer.get()),
        Err(error) => (&error.error_type, &error.error_message),
    }
}

#[test]
fn an_answer_is_passed_on_byte_for_byte() {
    for text in [EVENT, "null", "7", r#""text""#, "123456789012345678901234567890"] {
        assert_eq!(shown(&answer_of(None, text.as_bytes())), ("", text));
    }
}

#[test]
fn output_that_is_not_json_becomes_a_json_string() {
    assert_eq!(shown(&answer_of(None, b"")), ("", r#""""#));
    assert_eq!(shown(&answer_of(None, b"<html>")), ("", r#""<html>""#));
    assert_eq!(shown(&answer_of(None, b"\xff{}")), ("", "\"\u{fffd}{}\""));
}

#[test]
fn an_error_keeps_its_type_and_its_message() {
    let table: [(&str, (&str, &str)); 5] = [
        (
            r#"{"errorMessage":"not you","errorType":"Denied","stackTrace":["x"]}"#,
            ("Denied", "not you"),
        ),
        (
            r#"{"errorMessage":"Task timed out after 3.00 seconds"}"#,
            ("Unhandled", "Task timed out after 3.00 seconds"),
        ),
        (r#"{"errorType":"Runtime.ExitError"}"#, ("Runtime.ExitError", "Unhandled")),
        ("", ("Unhandled", "Unhandled")),
        ("[1]", ("Unhandled", "Unhandled")),
    ];
    for (payload, expected) in table {
        assert_eq!(shown(&answer_of(Some("Unhandled"), payload.as_bytes())), expected, "{payload}");
    }
}

#[test]
fn invariant_09_an_error_never_prints() {
    let error = answer_of(Some("Unhandled"), br#"{"errorMessage":"ada@example.com is taken"}"#);
    assert_eq!(format!("{error:?}"), "Err(FunctionError(…))");
}

#[test]
fn a_failed_call_reports_its_error_code() {
    let mut error = PortError::new(ErrorKind::Throttled, "Invoke");
    let message = |error: &PortError| FunctionError::not_invoked(error).error_message;
    assert_eq!(message(&error), "invocation failed due to error throttled");
    error.code = Some("TooManyRequestsException".to_owned());
    assert_eq!(message(&error), "invocation failed due to error TooManyRequestsException");
}

#[test]
fn an_arn_names_a_region_and_a_function() {
    let arn = "arn:aws:lambda:eu-west-1:111122223333:function:welcome";
    assert_eq!(region_of(arn), Some("eu-west-1"));
    for qualified in [arn, &format!("{arn}:live"), &format!("{arn}:$LATEST")] {
        assert_eq!(unqualified(qualified), arn);
    }
    assert_eq!((region_of("nonsense"), unqualified("nonsense")), (None, "nonsense"));
}

/// A scripted Lambda service. Each connection gets one answer, and the service counts requests.
/// Without an answer, it closes the connection or leaves it open in silence.
struct Lambda {
    url: String,
    requests: Arc<AtomicUsize>,
}

#[derive(Clone, Copy)]
enum Says {
    ChainAnswer(u16, &'static str, &'static str),
    HangsUp,
    Nothing,
}

impl Lambda {
    fn that(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for mut stream in listener.incoming().flatten() {
                let path = read(&stream);
                counted.fetch_add(1, Ordering::SeqCst);
                match says {
                    Says::ChainAnswer(status, headers, body) => {
                        assert!(path.contains("/2015-03-31/functions/"), "{path}");
                        let length = body.len();
                        let head =
                            format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}");
                        let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
                        // The connection stays open: the next call must not use it.
                        kept.push(stream);
                    }
                    Says::HangsUp => drop(stream),
                    Says::Nothing => kept.push(stream),
                }
            }
        });
        Self { url, requests }
    }

    async fn called(&self, patience: Duration) -> Result<ChainAnswer, PortError> {
        let credentials = Credentials::new("key", "secret", None, None, "test");
        let sdk = bounded(aws_config::defaults(BehaviorVersion::v2026_01_12()))
            .empty_test_environment()
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials)
            .endpoint_url(&self.url)
            .load()
            .await;
        let arn = "arn:aws:lambda:eu-west-1:111122223333:function:welcome";
        let chain = Chain::new(&sdk, [arn, arn]);
        // Clients exist before the first event, and no call was made.
        assert_eq!(chain.clients.keys().collect::<Vec<_>>(), ["eu-west-1"]);
        assert_eq!(self.requests.load(Ordering::SeqCst), 0);
        let first = chain.call(arn, EVENT, patience).await;
        assert_eq!(self.requests.load(Ordering::SeqCst), 1, "expected exactly one attempt");
        if first.is_ok() {
            // A second event uses a connection of its own.
            assert!(chain.call(arn, EVENT, patience).await.is_ok());
            assert_eq!(self.requests.load(Ordering::SeqCst), 2);
        }
        first
    }
}

/// Reads one request, checks that its body is the event's exact text, and returns its path.
fn read(stream: &std::net::TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut path, mut length) = (String::new(), 0);
    reader.read_line(&mut path).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line == "\r\n" {
            break;
        }
        let (name, value) = line.trim_end().split_once(": ").unwrap();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    assert_eq!(body, EVENT.as_bytes());
    path
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_chained_function_is_called_once_with_the_exact_event() {
    let well = Lambda::that(Says::ChainAnswer(200, "", EVENT)).called(LONG).await.unwrap();
    assert_eq!(shown(&well), ("", EVENT));
    let error = "x-amz-function-error: Unhandled\r\n";
    let body = r#"{"errorType":"Denied","errorMessage":"not you"}"#;
    let badly = Lambda::that(Says::ChainAnswer(200, error, body)).called(LONG).await.unwrap();
    assert_eq!(shown(&badly), ("Denied", "not you"));
}

#[tokio::test]
async fn every_failure_is_reported_after_one_attempt() {
    for (says, kind) in [
        (
            Says::ChainAnswer(429, "x-amzn-errortype: TooManyRequestsException\r\n", "{}"),
            ErrorKind::Throttled,
        ),
        (
            Says::ChainAnswer(404, "x-amzn-errortype: ResourceNotFoundException\r\n", "{}"),
            ErrorKind::Missing,
        ),
        (
            Says::ChainAnswer(403, "x-amzn-errortype: AccessDeniedException\r\n", "{}"),
            ErrorKind::Denied,
        ),
        (Says::ChainAnswer(500, "x-amzn-errortype: ServiceException\r\n", "{}"), ErrorKind::Broken),
        (Says::HangsUp, ErrorKind::NoAnswer),
    ] {
        let error = Lambda::that(says).called(LONG).await.unwrap_err();
        assert_eq!((error.kind, error.operation), (kind, "Invoke"));
    }
    let error = Lambda::that(Says::Nothing).called(Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoAnswer);
}
