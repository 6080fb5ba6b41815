use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{ServiceError, call, request};
use super::program::signal_group;
use super::*;

const OLD: &str = "us-east-1_OldPool01";
const NEW: &str = "us-east-1_NewPool01";
const FUNCTION: &str = "hears";
const PRINTS: &str = "\
import json
def handler(event, context):
    print(json.dumps(event))
    return event
";

/// Set in the process in which `hold_until_killed` keeps a stack: the file that it reports to.
const REPORT: &str = "POOLBRIDGE_STACK_REPORT";

fn two_pools() -> Options {
    let old = PoolSeed::new(OLD, "old-app").by_email().custom("dept");
    let new = PoolSeed::new(NEW, "new-app").client("new-proof").custom("department");
    Options {
        ministack: true,
        pools: vec![
            old.trigger("PostConfirmation", FUNCTION).trigger("PreSignUp", "verifies"),
            new,
        ],
        faults: vec![Place::Pool(1)],
        ..Options::default()
    }
}

#[tokio::test]
async fn pools_are_separate_triggers_fire_and_nothing_is_left() {
    let stack = Stack::start(two_pools()).await.unwrap();
    stack.deploy_python(FUNCTION, PRINTS).await.unwrap();
    stack.deploy_python("verifies", VERIFIES_AT_SIGN_UP).await.unwrap();
    let (old, new) = (stack.pool_url(0), stack.pool_url(1));

    // A person signs up in the old pool. The confirmation reaches the function.
    let person = json!({"ClientId": "old-app", "Username": "ann@example.com",
        "Password": "Correct-Horse-1", "UserAttributes": [{"Name": "custom:dept", "Value": "x"}]});
    let sub = cognito(&old, "SignUp", person).await.unwrap()["UserSub"].clone();
    let code = json!({"ClientId": "old-app", "Username": "ann@example.com",
        "ConfirmationCode": CODE});
    cognito(&old, "ConfirmSignUp", code).await.unwrap();
    let account = cognito(&old, "AdminGetUser", named(OLD, "ann@example.com")).await.unwrap();
    assert_eq!((&account["Username"], &account["UserStatus"]), (&sub, &json!("CONFIRMED")));
    let verified = json!({"Name": "email_verified", "Value": "true"});
    assert!(account["UserAttributes"].as_array().unwrap().contains(&verified), "{account}");
    let heard = heard(&stack).await;
    assert_eq!(heard["triggerSource"], "PostConfirmation_ConfirmSignUp");
    assert_eq!((&heard["userPoolId"], &heard["userName"]), (&json!(OLD), &sub));

    // The new pool has another shape, holds no account of the old one, and keeps what is created in
    // it.
    assert_eq!(
        refused(cognito(&new, "AdminGetUser", named(NEW, "ann")).await),
        "UserNotFoundException"
    );
    assert_eq!(
        refused(cognito(&new, "AdminGetUser", named(OLD, "ann")).await),
        "ResourceNotFoundException"
    );
    let mut made = named(NEW, "bob");
    made["MessageAction"] = json!("SUPPRESS");
    let user = cognito(&new, "AdminCreateUser", made).await.unwrap()["User"].clone();
    assert_eq!(
        (&user["Username"], &user["UserStatus"]),
        (&json!("bob"), &json!("FORCE_CHANGE_PASSWORD"))
    );
    for (pool, url, users) in [(OLD, &old, 1), (NEW, &new, 1)] {
        let listed = cognito(url, "ListUsers", json!({"UserPoolId": pool})).await.unwrap();
        assert_eq!(listed["Users"].as_array().unwrap().len(), users);
    }
    let described = cognito(&old, "DescribeUserPool", json!({"UserPoolId": OLD})).await.unwrap();
    assert_eq!(described["UserPool"]["UsernameAttributes"], json!(["email"]));
    let schema = described["UserPool"]["SchemaAttributes"].as_array().unwrap();
    assert!(schema.iter().any(|attribute| attribute["Name"] == "custom:dept"));

    let (groups, folder) = (stack.groups(), stack.folder().to_owned());
    assert_eq!(groups.len(), 4);
    assert!(groups.iter().all(|group| signal_group(*group, "0")), "{}", stack.logs(5));
    stack.stop().unwrap();
    assert_gone(&groups, &folder);
}

#[tokio::test]
async fn faults_are_injected_and_counted_but_not_on_direct_calls() {
    let options =
        Options { ministack: false, pools: vec![PoolSeed::new(NEW, "app")], ..two_pools() };
    let stack = Stack::start(Options { faults: vec![Place::Pool(0)], ..options }).await.unwrap();
    let faults = stack.faults(Place::Pool(0));
    let list = || json!({"UserPoolId": NEW});
    let throttle = json!([{"service": "cognito-idp", "operation": "ListUsers", "times": 1,
        "error": {"code": "TooManyRequestsException", "status": 400}}]);
    faults.set(&throttle).await.unwrap();
    cognito(&stack.pool_url_direct(0), "ListUsers", list()).await.unwrap();
    let throttled = cognito(&stack.pool_url(0), "ListUsers", list()).await;
    assert_eq!(refused(throttled), "TooManyRequestsException");
    cognito(&stack.pool_url(0), "ListUsers", list()).await.unwrap();
    assert_eq!(faults.counts().await.unwrap(), [("ListUsers".to_owned(), 1)].into());

    // Executed, but the answer is lost.
    let lose = json!([{"service": "cognito-idp", "times": 1, "response": {"abort_bytes": 0}}]);
    faults.set(&lose).await.unwrap();
    let mut made = named(NEW, "eve");
    made["MessageAction"] = json!("SUPPRESS");
    let no_answer = cognito(&stack.pool_url(0), "AdminCreateUser", made).await.unwrap_err();
    assert!(no_answer.downcast_ref::<ServiceError>().is_none(), "an answer came: {no_answer:#}");
    cognito(&stack.pool_url(0), "AdminGetUser", named(NEW, "eve")).await.unwrap();

    faults.count("cognito-idp").await.unwrap();
    for _ in 0..3 {
        cognito(&stack.pool_url(0), "AdminGetUser", named(NEW, "eve")).await.unwrap();
    }
    cognito(&stack.pool_url(0), "ListUsers", list()).await.unwrap();
    let counted = [("AdminGetUser".to_owned(), 3), ("ListUsers".to_owned(), 1)];
    assert_eq!(faults.counts().await.unwrap(), counted.into());
    faults.clear().await.unwrap();
    assert_eq!(faults.fired().await.unwrap(), Vec::<Value>::new());
}

#[tokio::test]
async fn two_stacks_run_at_the_same_time() {
    let one = || Options { pools: vec![PoolSeed::new(NEW, "app")], ..Options::default() };
    let (first, second) = tokio::join!(Stack::start(one()), Stack::start(one()));
    let (first, second) = (first.unwrap(), second.unwrap());
    let mut made = named(NEW, "bob");
    made["MessageAction"] = json!("SUPPRESS");
    cognito(&first.pool_url(0), "AdminCreateUser", made).await.unwrap();
    let other = cognito(&second.pool_url(0), "AdminGetUser", named(NEW, "bob")).await;
    assert_eq!(refused(other), "UserNotFoundException");
}

#[tokio::test]
async fn a_program_that_does_not_start_reports_the_reason() {
    let environment = [("GATEWAY_PORT".to_owned(), "no-port".to_owned())].into();
    let options = Options { ministack: true, environment, ..Options::default() };
    let error = Stack::start(options).await.err().unwrap().to_string();
    assert!(error.contains("ministack ended"), "{error}");
    assert!(error.contains("no-port"), "its own words are missing: {error}");
}

#[tokio::test]
async fn nothing_outlives_a_holder_that_is_killed() {
    // The same test, in a process of its own, is the holder: see `hold_elsewhere`.
    if let Some(report) = std::env::var_os(REPORT).map(PathBuf::from) {
        return hold_until_killed(report).await;
    }
    let report = std::env::temp_dir().join(format!("poolbridge-report-{}", std::process::id()));
    let _ = fs::remove_file(&report);
    let mut holder = Holder(hold_elsewhere(&report));
    let text = wait_for(|| fs::read_to_string(&report).ok().filter(|text| text.ends_with("end\n")));
    let mut lines = text.lines();
    let folder = PathBuf::from(lines.next().unwrap());
    let groups: Vec<u32> = lines.filter_map(|line| line.parse().ok()).collect();
    assert_eq!(groups.len(), 4);
    assert!(groups.iter().all(|group| signal_group(*group, "0")));

    // After SIGKILL, the holder runs no handler and no drop.
    holder.kill();
    assert_gone(&groups, &folder);
    fs::remove_file(&report).unwrap();
}

async fn hold_until_killed(report: PathBuf) {
    let stack = Stack::start(two_pools()).await.unwrap();
    stack.deploy_python(FUNCTION, PRINTS).await.unwrap();
    call_function(&stack).await;
    let groups: Vec<String> = stack.groups().iter().map(u32::to_string).collect();
    let text = format!("{}\n{}\nend\n", stack.folder().display(), groups.join("\n"));
    fs::write(report, text).unwrap();
    // Limited, in case the process that should kill this one is killed first.
    tokio::time::sleep(Duration::from_mins(2)).await;
}

/// The other process. It is killed at the latest when the test ends, however it ends.
struct Holder(Child);

impl Holder {
    fn kill(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.kill();
    }
}

fn hold_elsewhere(report: &Path) -> Child {
    // The path of a test begins with its module's path without the crate.
    let module = module_path!().split_once("::").unwrap().1;
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::nothing_outlives_a_holder_that_is_killed")])
        .env(REPORT, report)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

fn wait_for<T>(mut seen: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(value) = seen() {
            return value;
        }
        assert!(Instant::now() < deadline, "it did not happen within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn assert_gone(groups: &[u32], folder: &Path) {
    for group in groups {
        wait_for(|| (!signal_group(*group, "0")).then_some(()));
    }
    wait_for(|| (!folder.exists()).then_some(()));
}

fn named(pool: &str, username: &str) -> Value {
    json!({"UserPoolId": pool, "Username": username})
}

async fn cognito(url: &str, operation: &str, input: Value) -> anyhow::Result<Value> {
    call(url, &format!("AWSCognitoIdentityProviderService.{operation}"), &input).await
}

fn refused(answer: anyhow::Result<Value>) -> String {
    answer.unwrap_err().downcast::<ServiceError>().unwrap().code
}

async fn call_function(stack: &Stack) {
    let url = format!("{}/2015-03-31/functions/{FUNCTION}/invocations", stack.ministack_url());
    let answer = request("POST", &url, &[], b"{}", Duration::from_secs(30)).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"{}".as_slice()));
}

async fn heard(stack: &Stack) -> Value {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        let input = json!({"logGroupName": format!("/aws/lambda/{FUNCTION}")});
        let events = call(&stack.ministack_url(), "Logs_20140328.FilterLogEvents", &input).await;
        let events = events.unwrap_or_default()["events"].as_array().cloned().unwrap_or_default();
        let mut lines = events.iter().filter_map(|event| event["message"].as_str());
        if let Some(event) = lines.find_map(|line| serde_json::from_str(line).ok()) {
            return event;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the function heard nothing\n{}", stack.logs(40));
}
