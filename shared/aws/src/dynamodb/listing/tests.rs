use serde_json::{Value, json};

use super::*;
use crate::loopback::{Loopback, LoopbackRequest, Reply, config_at};

#[tokio::test]
async fn jobs_return_in_order_and_none_is_lost() {
    let jobs = (0..100_u64).map(|n| async move {
        tokio::time::sleep(std::time::Duration::from_micros(n * 37 % 50)).await;
        Ok(n)
    });
    let answers: Vec<u64> = at_once(jobs).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_panicking_job_fails_alone() {
    let jobs = (0..3).map(|n| async move {
        assert_ne!(n, 1, "planted panic");
        Ok(n)
    });
    let kinds: Vec<bool> = at_once(jobs).await.iter().map(Result::is_ok).collect();
    assert_eq!(kinds, [true, false, true]);
}

/// A table that the service simulates.
async fn table(service: &Loopback) -> DynamoLedger {
    let client = aws_sdk_dynamodb::Client::new(&config_at(&service.endpoint_url).await);
    DynamoLedger::new(client, "acme").without_usernames()
}

/// The partition of a query.
fn asked(request: &LoopbackRequest) -> &str {
    let values = &request.1["ExpressionAttributeValues"];
    values[":pk"]["S"].as_str().or_else(|| values[":shard"]["S"].as_str()).unwrap_or_default()
}

/// The shard number of a query.
fn shard_of(request: &LoopbackRequest) -> u32 {
    asked(request).rsplit('#').next().unwrap().parse().unwrap()
}

/// The item of a pending change of that account, stored at that time.
fn pending_item(name: &str, first: u32, attempts: u32) -> Value {
    json!({
        "v": { "N": "1" }, "side": { "S": "old" }, "sub": { "S": name }, "seq": { "N": "9" },
        "first": { "N": first.to_string() }, "last": { "N": first.to_string() },
        "evidence": { "S": "changed" }, "attempts": { "N": attempts.to_string() },
    })
}

/// An item of a future version.
fn newer_item() -> Value {
    json!({ "v": { "N": "2" } })
}

fn subs(pending_changes: &PendingChanges) -> Vec<&str> {
    pending_changes.pending_changes.iter().map(|pending| pending.sub.as_str()).collect()
}

/// A shard of three pages, of which the second is empty.
fn three_pages() -> Loopback {
    Loopback::new(|request, _| {
        let next = |page: &str| json!({ "pk": { "S": "p" }, "sk": { "S": page } });
        Reply::Well(match request.1["ExclusiveStartKey"]["sk"]["S"].as_str() {
            None => json!({ "Items": [pending_item("a", 1, 0)], "LastEvaluatedKey": next("2") }),
            Some("2") => json!({ "Items": [], "LastEvaluatedKey": next("3") }),
            Some(_) => json!({ "Items": [pending_item("b", 2, 0), newer_item()] }),
        })
    })
}

#[tokio::test]
async fn a_shard_is_read_to_its_last_page() {
    let service = three_pages();
    let pending_changes = table(&service).await.pending_in_shard(7, 100).await.unwrap();
    assert_eq!(subs(&pending_changes), ["a", "b"]);
    assert_eq!((pending_changes.unreadable, pending_changes.more), (1, false));
    let requests = service.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!((asked(request), &request.1["ConsistentRead"]), ("PENDING#7", &json!(true)));
        assert_eq!(request.1["TableName"], "acme");
    }
    let limits: Vec<&Value> = requests.iter().map(|request| &request.1["Limit"]).collect();
    assert_eq!(
        limits,
        [&json!(100), &json!(99), &json!(99)],
        "a page requests no more than is still missing"
    );
}

#[tokio::test]
async fn a_listing_stops_at_the_requested_number_and_reports_more() {
    let service = three_pages();
    let pending_changes = table(&service).await.pending_in_shard(7, 1).await.unwrap();
    assert_eq!((subs(&pending_changes), pending_changes.more), (vec!["a"], true));
    assert_eq!(service.requests().len(), 1);
    let all = table(&three_pages()).await.pending_in_shard(7, 3).await.unwrap();
    assert_eq!(
        (all.pending_changes.len(), all.unreadable, all.more),
        (2, 1, false),
        "the listing is complete"
    );
}

#[tokio::test]
async fn a_failed_page_is_a_port_error_and_not_the_end() {
    let service = Loopback::new(|request, _| {
        if !request.1["ExclusiveStartKey"].is_null() {
            return Reply::Badly(400, "AccessDeniedException");
        }
        let next = json!({ "pk": { "S": "p" }, "sk": { "S": "2" } });
        Reply::Well(json!({ "Items": [pending_item("a", 1, 0)], "LastEvaluatedKey": next }))
    });
    let error = table(&service).await.pending_in_shard(7, 100).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
}

/// One pending change in every shard: that of shard `n` was stored at `n + 1`, and every fourth was
/// postponed.
fn one_in_every_shard() -> Loopback {
    Loopback::new(|request, _| {
        let shard = shard_of(request);
        let attempts = u32::from(shard.is_multiple_of(4));
        Reply::Well(json!({ "Items": [pending_item(&format!("s-{shard}"), shard + 1, attempts)] }))
    })
}

#[tokio::test]
async fn the_summary_counts_pending_changes_of_every_shard() {
    let service = one_in_every_shard();
    let summary = table(&service).await.pending_summary().await.unwrap();
    let oldest = Some(poolbridge_core::time::Time(1));
    let wanted = PendingSummary { count: 64, oldest, put_off: 16, unreadable: 0 };
    assert_eq!(summary, wanted);
    let mut shards: Vec<u32> = service.requests().iter().map(shard_of).collect();
    shards.sort_unstable();
    assert_eq!(shards, (0..PENDING_SHARDS).collect::<Vec<u32>>(), "each shard once");
}

#[tokio::test]
async fn an_unreadable_pending_change_is_counted_in_any_shard() {
    for broken in [0, 1, PENDING_SHARDS - 1] {
        let service = Loopback::new(move |request, _| {
            let items = if shard_of(request) == broken { vec![newer_item()] } else { Vec::new() };
            Reply::Well(json!({ "Items": items }))
        });
        let summary = table(&service).await.pending_summary().await.unwrap();
        assert_eq!((summary.count, summary.unreadable), (1, 1), "shard {broken}");
        let pending_changes = table(&service).await.pending_changes(10).await.unwrap();
        assert_eq!(
            (pending_changes.unreadable, pending_changes.more),
            (1, false),
            "shard {broken}"
        );
    }
}

#[tokio::test]
async fn pending_changes_are_listed_from_every_shard_up_to_the_requested_number() {
    let service = one_in_every_shard();
    let all = table(&service).await.pending_changes(100).await.unwrap();
    let distinct: std::collections::BTreeSet<&str> = subs(&all).into_iter().collect();
    assert_eq!((all.pending_changes.len(), distinct.len(), all.more), (64, 64, false));
    for (most, more) in [(64, false), (63, true), (20, true), (1, true)] {
        let some = table(&one_in_every_shard()).await.pending_changes(most).await.unwrap();
        assert_eq!((some.pending_changes.len(), some.more), (most, more), "{most} requested");
    }
}

#[tokio::test]
async fn people_are_listed_from_every_shard_longest_unchanged_first() {
    let id = |shard: u32| PersonId::from_nonce(u128::from(shard)).to_string();
    let service = Loopback::new(move |request, _| match request.0.as_str() {
        "Query" => {
            let shard = shard_of(request);
            let at = (100 - shard).to_string();
            let pk = format!("PERSON#{}", id(shard));
            Reply::Well(json!({ "Items": [{ "pk": { "S": pk }, "updated_at": { "N": at } }] }))
        }
        // No person record can be read, and the listing reports each of them.
        _ => Reply::Well(json!({ "Item": newer_item() })),
    });
    let people = table(&service).await.people(PersonState::Held, 3).await.unwrap();
    let unreadable: Vec<String> = people.unreadable.iter().map(|(id, _)| id.to_string()).collect();
    let wanted: Vec<String> = (STATE_SHARDS - 3..STATE_SHARDS)
        .rev()
        .map(|n| PersonId::from_nonce(u128::from(n)).to_string())
        .collect();
    assert_eq!((unreadable, people.more), (wanted, true));
    let queries: Vec<String> = service
        .requests()
        .iter()
        .filter(|request| request.0 == "Query")
        .map(|request| asked(request).to_owned())
        .collect();
    assert_eq!(queries.len(), 16);
    assert!(queries.iter().all(|shard| shard.starts_with("held#")), "{queries:?}");
}
