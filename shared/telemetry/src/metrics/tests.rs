use std::time::Duration;

use poolbridge_core::side::BySide;
use poolbridge_core::time::Time;
use poolbridge_sweep_core::pass::{Counts, Doubt};

use super::*;

/// The published metrics by name.
fn emitted(metrics: &impl MetricSet) -> Value {
    metrics.values().into_iter().map(|(name, _, value)| (name.to_owned(), value)).collect()
}

#[test]
fn the_infrastructure_lists_every_metric() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/metrics.json");
    let document = metrics_document();
    if std::env::var_os("POOLBRIDGE_WRITE_METRICS").is_some() {
        let text = serde_json::to_string_pretty(&document).unwrap();
        std::fs::write(path, format!("{text}\n")).unwrap();
    }
    if let Ok(text) = std::fs::read_to_string(path) {
        let known: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(known, document, "run this test with POOLBRIDGE_WRITE_METRICS=1");
    }
}

#[test]
fn every_metric_of_a_pass_has_its_own_name_and_counts_both_pools() {
    let counts = |from: u64| Counts {
        pages: from,
        accounts: from + 1,
        memberships: from + 2,
        differing: from + 3,
        news: from + 4,
        unknown: from + 5,
        unreadable: from + 6,
        has_pending: from + 7,
        sent: from + 8,
        unexpected: from + 9,
        uncovered: from + 10,
    };
    let summary = Summary {
        number: 1,
        began: Time(1_000),
        ended: Time(61_000),
        counts: BySide { old: counts(100), new: counts(1_000) },
        estimate: BySide { old: Some(1_000), new: Some(302) },
        missing: BySide { old: 20, new: 1 },
        missing_memberships: BySide { old: 30, new: 2 },
        groups_unread: 40,
        doubt: None,
        members_doubt: None,
    };
    let mut wanted = json!({
        "sweep_pages": 1_100, "sweep_accounts": 1_102, "sweep_memberships": 1_104,
        "sweep_differing": 1_106, "sweep_news": 1_108, "sweep_unknown": 1_110,
        "sweep_unreadable": 1_112, "sweep_pending": 1_114, "sweep_sent": 1_116,
        "sweep_unexpected": 1_118, "sweep_uncovered": 1_120, "sweep_missing": 21,
        "sweep_missing_memberships": 32, "sweep_groups_unread": 40, "sweep_unconcluded": 0,
        "sweep_shortfall": 200, "sweep_pass_seconds": 60,
    });
    assert_eq!(emitted(&PassMetrics::from(&summary)), wanted);
    // A doubt about either leaves the pass without a conclusion. More accounts than estimated do
    // not.
    wanted["sweep_unconcluded"] = json!(1);
    wanted["sweep_shortfall"] = json!(0);
    let doubt = Some(Doubt::TooMany);
    let estimate = BySide { old: Some(1_101), new: None };
    for (doubt, members_doubt) in [(doubt, None), (None, doubt)] {
        let doubted = Summary { doubt, members_doubt, estimate, ..summary.clone() };
        assert_eq!(emitted(&PassMetrics::from(&doubted)), wanted);
    }
}

#[test]
fn removals_and_changes_held_by_the_breaker_are_counted_separately() {
    let decision =
        |kind| Decision { at: Time(1), kind, fields: Vec::new(), side: None, reason: None };
    let report = |outcome, kinds: &[DecisionKind]| Report {
        outcome,
        person: None,
        carried: Vec::new(),
        account_reads: 3,
        pool_writes: 5,
        decisions: kinds.iter().copied().map(decision).collect(),
        has_pending: false,
    };
    let counted = |report: &Report| {
        let mut batch = BatchMetrics::default();
        batch.count(report);
        assert_eq!((batch.account_reads, batch.pool_writes), (3, 5));
        (batch.removals, batch.breaker_held)
    };
    let held = |reason| Outcome::Held(reason);
    let later = |reason| Outcome::Retry(Duration::from_secs(1), reason);
    for kind in DecisionKind::ALL {
        let removed = matches!(kind, DecisionKind::Disabled | DecisionKind::Removed);
        assert_eq!(
            counted(&report(Outcome::Applied, &[kind])),
            (u64::from(removed), 0),
            "{kind:?}"
        );
    }
    let both = [DecisionKind::Disabled, DecisionKind::Removed, DecisionKind::Deleted];
    assert_eq!(counted(&report(Outcome::Applied, &both)), (2, 0));
    assert_eq!(counted(&report(held(Reason::Breaker), &[])), (0, 1));
    assert_eq!(counted(&report(later(Reason::Breaker), &[])), (0, 1));
    for outcome in [held(Reason::Conflict), later(Reason::Busy), Outcome::Rejected(Reason::TooLong)]
    {
        assert_eq!(counted(&report(outcome, &[])), (0, 0));
    }
}

/// Each metric that an alarm rests on, counted for several changes of one batch.
#[test]
fn a_batch_adds_up_what_its_changes_report() {
    let later = |reason| Outcome::Retry(Duration::from_secs(1), reason);
    let unproven = Decision {
        at: Time(1),
        kind: DecisionKind::PasswordIgnored,
        fields: Vec::new(),
        side: None,
        reason: Some(Reason::PasswordUnproven),
    };
    let report = |outcome, decisions: &[Decision]| Report {
        outcome,
        person: None,
        carried: Vec::new(),
        account_reads: 2,
        pool_writes: 1,
        decisions: decisions.to_vec(),
        has_pending: false,
    };
    let reports = [
        report(later(Reason::PortError(ErrorKind::WritesPaused)), &[]),
        report(Outcome::Held(Reason::NoRecovery), &[unproven]),
        report(later(Reason::Breaker), &[]),
    ];
    let mut batch = BatchMetrics::default();
    for report in reports.iter().chain(&reports) {
        batch.count(report);
    }
    assert_eq!((batch.account_reads, batch.pool_writes), (12, 6));
    assert_eq!((batch.writes_paused, batch.passwords_kept_open), (2, 2));
    assert_eq!((batch.doubtful, batch.breaker_held), (2, 2));
}
