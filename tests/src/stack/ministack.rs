//! ministack: Lambda, SQS, `DynamoDB`, `CloudFormation` and other AWS services in one process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use serde_json::json;

use super::Install;
use super::http;
use super::program::ProgramSpec;

/// The Region and the keys of everything on the stack. A key id that is not twelve digits means
/// account 000000000000.
pub const REGION: &str = "us-east-1";
/// See [`REGION`].
pub const KEY: &str = "test";

/// A function for a pool's `PreSignUp` trigger. A confirmed sign-up verifies the address on AWS,
/// but not on cognito-local. So on this stack, this function verifies the address at sign-up.
pub const VERIFIES_AT_SIGN_UP: &str = "\
def handler(event, context):
    event['response']['autoVerifyEmail'] = 'email' in event['request']['userAttributes']
    return event
";

/// Deploys a small Python function for the tests, with its `handler` in one source text.
pub(super) async fn deploy_python(
    url: &str,
    name: &str,
    source: &str,
    timeout_seconds: u32,
) -> anyhow::Result<()> {
    // A template is the only way to deploy source without an archive.
    let template = json!({"Resources": {"Function": {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": name, "Runtime": "python3.12", "Handler": "index.handler",
            "Role": "arn:aws:iam::000000000000:role/any", "Code": {"ZipFile": source},
            "Timeout": timeout_seconds,
        },
    }}});
    let template = percent_encoded(&template.to_string());
    let version = "Action=CreateStack&Version=2010-05-15";
    let body = format!("{version}&StackName=python-{name}&TemplateBody={template}");
    let scope = format!("{KEY}/20260101/{REGION}/cloudformation/aws4_request");
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        // ministack reads the service from here. It does not check the signature, so there is none.
        ("authorization", &format!("AWS4-HMAC-SHA256 Credential={scope}")),
    ];
    let limit = Duration::from_secs(30);
    let answer = http::request("POST", url, &headers, body.as_bytes(), limit).await?;
    let text = String::from_utf8_lossy(&answer.body);
    ensure!(answer.status == 200, "deploying {name}: {} {text}", answer.status);
    Ok(())
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// `endpoint` is the address that functions call: ministack itself, or the proxy in front of it.
pub(super) fn program_spec<'program_spec>(
    install: &Install,
    folder: &Path,
    port: u16,
    endpoint: &str,
    more: &'program_spec BTreeMap<String, String>,
) -> ProgramSpec<'program_spec> {
    let temporary = folder.join("tmp");
    let own: [(&str, OsString); 19] = [
        ("PATH", install.path.clone()),
        ("HOME", folder.into()),
        ("TMPDIR", temporary.into()),
        ("STATE_DIR", folder.join("state").into()),
        ("PYTHONPATH", install.site.clone().into()),
        ("PYTHONUNBUFFERED", "1".into()),
        // PYTHONPATH is a folder of the repository, in which no file may appear.
        ("PYTHONDONTWRITEBYTECODE", "1".into()),
        // Without the first it listens on the whole network, without the second on a fixed port.
        ("BIND_HOST", "127.0.0.1".into()),
        ("IOT_MTLS_ENABLED", "0".into()),
        ("GATEWAY_PORT", port.to_string().into()),
        ("MINISTACK_HOST", "127.0.0.1".into()),
        ("LAMBDA_EXECUTOR", "local".into()),
        ("PERSIST_STATE", "0".into()),
        // From here on for the functions, which inherit this environment.
        ("AWS_ENDPOINT_URL", endpoint.into()),
        ("AWS_ACCESS_KEY_ID", KEY.into()),
        ("AWS_SECRET_ACCESS_KEY", KEY.into()),
        ("AWS_DEFAULT_REGION", REGION.into()),
        ("AWS_REGION", REGION.into()),
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
    ];
    let more = more.iter().map(|(name, value)| (name.as_str(), OsString::from(value)));
    ProgramSpec {
        name: "ministack".to_owned(),
        command: vec![install.python.clone().into(), "-m".into(), "ministack".into()],
        environment: own.into_iter().chain(more).collect(),
        health: format!("http://127.0.0.1:{port}/_ministack/health"),
    }
}
