use super::*;
use poolbridge_core::side::BySide;

#[test]
fn the_infrastructure_lists_every_metric() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/metrics.json");
    let document = figures_document();
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
fn the_set_of_metrics_is_closed_and_written_by_name() {
    let capture = CaptureMetrics::default().metrics().map(|(name, _)| name);
    assert_eq!(capture, CAPTURE_FIGURES);
    let batch = BatchMetrics::default().metrics();
    let pending_changes = PendingMetrics::default().metrics();
    let apply: Vec<&str> = batch.iter().chain(&pending_changes).map(|(name, _)| *name).collect();
    assert_eq!(apply, APPLY_FIGURES);
    let summary = Summary {
        number: 1,
        began: Time(0),
        ended: Time(2_000),
        counts: BySide::default(),
        estimate: BySide::default(),
        missing: BySide::default(),
        departed: BySide::default(),
        groups_unread: 0,
        doubt: None,
        members_doubt: None,
    };
    let pass = pass_figures(&summary);
    let tick = SweepMetrics::default().metrics();
    let sweep: Vec<&str> = pass.iter().chain(&tick).map(|(name, _)| *name).collect();
    assert_eq!(sweep, SWEEP_FIGURES);
    assert_eq!(pass[16].1, MetricValue::Seconds(2));
}

#[test]
fn a_line_is_embedded_metric_format() {
    let metrics = CaptureMetrics {
        captured: 1,
        duration: Duration::from_millis(12),
        guard_refused: 1,
        errors_answered: 1,
        ..CaptureMetrics::default()
    };
    let written: Value =
        serde_json::from_str(&line("acme", Time(1_700_000_000_123), &metrics.metrics())).unwrap();
    assert_eq!(
        written,
        json!({
            "_aws": {
                "Timestamp": 1_700_000_000_123_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "poolbridge",
                    "Dimensions": [["name"]],
                    "Metrics": [
                        { "Name": "captured", "Unit": "Count" },
                        { "Name": "capture_failed", "Unit": "Count" },
                        { "Name": "capture_milliseconds", "Unit": "Milliseconds" },
                        { "Name": "guard_refused", "Unit": "Count" },
                        { "Name": "guard_failed_open", "Unit": "Count" },
                        { "Name": "chain_failed", "Unit": "Count" },
                        { "Name": "errors_answered", "Unit": "Count" },
                    ],
                }],
            },
            "name": "acme",
            "captured": 1,
            "capture_failed": 0,
            "capture_milliseconds": 12,
            "guard_refused": 1,
            "guard_failed_open": 0,
            "chain_failed": 0,
            "errors_answered": 1,
        })
    );
}

#[test]
fn the_age_of_the_oldest_pending_change_is_in_seconds() {
    let metrics = PendingMetrics {
        pending_changes: 3,
        oldest: Duration::from_millis(95_900),
        undecided: 1,
        other_configuration: 1,
    }
    .metrics();
    let emitted: Value = serde_json::from_str(&line("acme", Time(1), &metrics)).unwrap();
    assert_eq!(
        (&emitted["pending_changes"], &emitted["oldest_pending_seconds"]),
        (&json!(3), &json!(95))
    );
    let units = &emitted["_aws"]["CloudWatchMetrics"][0]["Metrics"];
    assert_eq!((&units[0]["Unit"], &units[1]["Unit"]), (&json!("Count"), &json!("Seconds")));
}

#[test]
fn a_metric_without_a_value_is_left_out_and_many_values_are_a_list() {
    let none = line("acme", Time(1), &BatchMetrics::default().metrics());
    assert!(!none.contains("lag_milliseconds"), "{none}");
    let lags = vec![Duration::from_millis(5); 150];
    let many = BatchMetrics { lags, ..BatchMetrics::default() };
    let many: Value = serde_json::from_str(&line("acme", Time(1), &many.metrics())).unwrap();
    assert_eq!(many["lag_milliseconds"].as_array().unwrap().len(), VALUES_MAX);
}

/// A line without its envelope: every metric by its name.
fn emitted(metrics: &[(&'static str, MetricValue)]) -> Value {
    let mut emitted: Value = serde_json::from_str(&line("acme", Time(1), metrics)).unwrap();
    let metrics = emitted.as_object_mut().unwrap();
    metrics.remove("_aws");
    metrics.remove(DIMENSION);
    emitted
}

/// A batch in which no two metrics are equal.
fn batch() -> BatchMetrics {
    BatchMetrics {
        messages: 1,
        applied: 2,
        unchanged: 3,
        retry: 4,
        held: 5,
        rejected: 6,
        malformed: 7,
        panics: 8,
        account_reads: 9,
        pool_writes: 10,
        removals: 11,
        breaker_held: 12,
        doubtful: 15,
        passwords_kept_open: 16,
        writes_paused: 17,
        lags: vec![Duration::from_millis(13)],
        durations: vec![Duration::from_millis(14)],
    }
}

#[test]
fn every_metric_of_a_batch_has_its_own_name() {
    let emitted = emitted(&batch().metrics());
    let wanted = json!({
        "messages": 1, "applied": 2, "unchanged": 3, "retry": 4, "held": 5, "rejected": 6,
        "malformed": 7, "panics": 8, "account_reads": 9, "pool_writes": 10, "removals": 11,
        "breaker_held": 12, "doubtful": 15, "passwords_kept_open": 16, "writes_paused": 17,
        "lag_milliseconds": 13, "apply_milliseconds": 14,
    });
    assert_eq!(emitted, wanted);
}

#[test]
fn two_parts_of_a_batch_add_up_metric_by_metric() {
    let mut sum = batch();
    sum.add(batch());
    let wanted = json!({
        "messages": 2, "applied": 4, "unchanged": 6, "retry": 8, "held": 10, "rejected": 12,
        "malformed": 14, "panics": 16, "account_reads": 18, "pool_writes": 20, "removals": 22,
        "breaker_held": 24, "doubtful": 30, "passwords_kept_open": 32, "writes_paused": 34,
        "lag_milliseconds": [13, 13], "apply_milliseconds": [14, 14],
    });
    assert_eq!(emitted(&sum.metrics()), wanted);
}

#[test]
fn every_metric_of_capture_and_of_a_sweep_run_has_its_own_name() {
    let capture = CaptureMetrics {
        captured: 1,
        failed: 2,
        duration: Duration::from_millis(3),
        guard_refused: 4,
        guard_failed_open: 5,
        chain_failed: 6,
        errors_answered: 7,
    };
    let wanted = json!({
        "captured": 1, "capture_failed": 2, "capture_milliseconds": 3, "guard_refused": 4,
        "guard_failed_open": 5, "chain_failed": 6, "errors_answered": 7,
    });
    assert_eq!(emitted(&capture.metrics()), wanted);
    let since_pass = Duration::from_secs(2);
    let tick = SweepMetrics { errors: 1, since_pass, triggers_missing: 3 };
    let wanted = json!({ "sweep_faults": 1, "sweep_since_pass_seconds": 2, "triggers_missing": 3 });
    assert_eq!(emitted(&tick.metrics()), wanted);
}

#[test]
fn every_failed_part_of_a_sweep_counts() {
    let mut tick = SweepMetrics::default();
    tick.count_faults(2);
    tick.count_faults(1);
    assert_eq!(tick.errors, 3);
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
        departed: BySide { old: 30, new: 2 },
        groups_unread: 40,
        doubt: None,
        members_doubt: None,
    };
    let mut wanted = json!({
        "sweep_pages": 1_100, "sweep_accounts": 1_102, "sweep_memberships": 1_104,
        "sweep_differing": 1_106, "sweep_news": 1_108, "sweep_unknown": 1_110,
        "sweep_unreadable": 1_112, "sweep_pending": 1_114, "sweep_sent": 1_116,
        "sweep_unexpected": 1_118, "sweep_uncovered": 1_120, "sweep_missing": 21,
        "sweep_departed": 32, "sweep_groups_unread": 40, "sweep_unconcluded": 0,
        "sweep_shortfall": 200, "sweep_pass_seconds": 60,
    });
    assert_eq!(emitted(&pass_figures(&summary)), wanted);
    // A doubt about either leaves the pass without a conclusion. More accounts than estimated do
    // not.
    wanted["sweep_unconcluded"] = json!(1);
    wanted["sweep_shortfall"] = json!(0);
    let doubt = Some(poolbridge_core::sweep::pass::Doubt::TooMany);
    let estimate = BySide { old: Some(1_101), new: None };
    for (doubt, members_doubt) in [(doubt, None), (None, doubt)] {
        let doubted = Summary { doubt, members_doubt, estimate, ..summary.clone() };
        assert_eq!(emitted(&pass_figures(&doubted)), wanted);
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

#[test]
fn several_values_of_a_metric_are_a_list_and_one_value_is_a_number() {
    let lags = |count: usize| vec![Duration::from_millis(5); count];
    let shown = |count| emitted(&BatchMetrics { lags: lags(count), ..batch() }.metrics());
    assert_eq!(shown(1)["lag_milliseconds"], json!(5));
    assert_eq!(shown(2)["lag_milliseconds"], json!([5, 5]));
    assert_eq!(shown(0).get("lag_milliseconds"), None);
}
