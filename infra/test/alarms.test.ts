/** Each alarm has a runbook article, and reads a metric that the functions or AWS publish. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';

import { runbookArticles } from '../lib/alarm';
import { INFRA } from '../lib/infra';
import { readMetricNames } from '../lib/metrics';
import { applyCalls, sweepCalls } from '../lib/user-pool';
import { configErrorOf, EXAMPLE, template } from './fixture';

interface Metric {
  readonly Namespace: string;
  readonly MetricName: string;
  readonly Dimensions?: readonly { readonly Name: string; readonly Value: unknown }[];
}

interface Alarm extends Partial<Metric> {
  readonly AlarmName: string;
  readonly AlarmDescription: string;
  readonly AlarmActions?: string[];
  readonly OKActions?: string[];
  readonly Threshold: number;
  readonly TreatMissingData: string;
  /** The metrics of an expression, and the expression itself. */
  readonly Metrics?: readonly {
    readonly Expression?: string;
    readonly MetricStat?: { readonly Metric: Metric };
  }[];
}

const RUNBOOK = readFileSync(resolve(INFRA, 'RUNBOOK.md'), 'utf8');

test('alarms have these names, metrics and thresholds', () => {
  const found = Object.fromEntries(alarms().map((alarm) => [
    alarm.AlarmName,
    `${metricsOf(alarm).map(({ Namespace, MetricName }) => `${Namespace} ${MetricName}`)
      .join(' - ')} > ${alarm.Threshold}`,
  ]));
  assert.deepEqual(found, {
    'acme-dead-letter-not-empty': 'AWS/SQS ApproximateNumberOfMessagesVisible > 0',
    'acme-changes-are-late': 'AWS/SQS ApproximateAgeOfOldestMessage > 900',
    'acme-capture-errors': 'AWS/Lambda Errors - poolbridge errors_answered > 0',
    'acme-capture-throttles': 'AWS/Lambda Throttles > 0',
    'acme-capture-failed-open': 'poolbridge capture_failed > 0',
    'acme-apply-errors': 'AWS/Lambda Errors > 0',
    'acme-apply-throttles': 'AWS/Lambda Throttles > 0',
    'acme-malformed-changes': 'poolbridge malformed > 0',
    'acme-apply-panics': 'poolbridge panics > 0',
    'acme-breaker-open': 'poolbridge breaker_held > 0',
    'acme-pending-changes-are-old': 'poolbridge oldest_pending_seconds > 1800',
    'acme-other-configuration': 'poolbridge other_configuration > 0',
    'acme-guard-failed-open': 'poolbridge guard_failed_open > 0',
    'acme-chained-function-failed': 'poolbridge chain_failed > 0',
    'acme-trail-failed': 'poolbridge trail_failed > 0',
    'acme-trail-failed-events': 'AWS/SQS ApproximateNumberOfMessagesVisible > 0',
    'acme-bulk-is-late': 'AWS/SQS ApproximateAgeOfOldestMessage > 7200',
    'acme-sweep-failed-events': 'AWS/SQS ApproximateNumberOfMessagesVisible > 0',
    'acme-sweep-overdue': 'poolbridge sweep_since_pass_seconds > 194400',
    'acme-sweep-errors': 'poolbridge sweep_faults > 0',
    'acme-sweep-listing-incomplete': 'poolbridge sweep_unconcluded > 0',
    'acme-sweep-uncovered': 'poolbridge sweep_uncovered > 0',
    'acme-triggers-missing': 'poolbridge triggers_missing > 0',
    'acme-triggers-missing-after-change': 'poolbridge trail_triggers_missing > 0',
    'acme-pool-restored': 'poolbridge undecided_restores > 0',
    'acme-writes-paused': 'poolbridge writes_paused > 0',
    'acme-doubtful-claims': 'poolbridge doubtful > 0',
  });
});

test('the functions publish every poolbridge metric that an alarm reads', () => {
  const { namespace, capture, trail, apply, sweep } = readMetricNames();
  const published = [...capture, ...trail, ...apply, ...sweep];
  const own = alarms().flatMap(metricsOf).filter((it) => !it.Namespace.startsWith('AWS/'));
  assert.ok(own.length > 0);
  for (const { Namespace, MetricName, Dimensions } of own) {
    assert.equal(Namespace, namespace);
    assert.ok(published.includes(MetricName), MetricName);
    assert.deepEqual(Dimensions, [{ Name: 'name', Value: 'acme' }]);
  }
});

test('synthesis fails if the functions publish no metric of that name', () => {
  const names = readMetricNames();
  const renamed = { ...names, apply: names.apply.map((name) => name.replace('panics', 'crashes')) };
  assert.match(configErrorOf({ metricNames: renamed }), /apply publishes no metric named panics/);
  const divided = { ...names, dimensions: ['name', 'side'] };
  assert.match(configErrorOf({ metricNames: divided }), /dimensions name, side/);
});

test('every alarm links to its article, and every article has an alarm', () => {
  const linked = new Set(alarms().map((alarm) => {
    const [, article] = / What to do: infra\/RUNBOOK\.md#(.*)$/.exec(alarm.AlarmDescription) ?? [];
    // Several alarms may link to one article. Their names differ in the end.
    assert.ok(`${alarm.AlarmName}-`.startsWith(`acme-${article}-`), alarm.AlarmName);
    return article;
  }));
  assert.deepEqual([...linked].sort(), runbookArticles().sort());
});

test('every article has a description, an investigation and a resolution', () => {
  const [, alarmsOn = ''] = RUNBOOK.split('\n## Alarms\n');
  const [articles = ''] = alarmsOn.split('\n## ');
  for (const article of articles.split('\n### ').slice(1)) {
    const headings = article.split('\n').filter((line) => line.startsWith('#### '));
    const title = article.split('\n', 1)[0];
    assert.deepEqual(
      headings,
      ['#### Description', '#### Investigation', '#### Resolution'],
      title,
    );
  }
});

test('every link inside the runbook leads to one of its articles', () => {
  const links = [...RUNBOOK.matchAll(/\]\(#([^)]*)\)/g)].map(([, article]) => article ?? '');
  for (const article of links) {
    assert.ok(runbookArticles().includes(article), article);
  }
});

test('alarm on pending changes reads the oldest one in three periods', () => {
  template().hasResourceProperties('AWS::CloudWatch::Alarm', {
    AlarmName: 'acme-pending-changes-are-old',
    Statistic: 'Maximum',
    Period: 300,
    EvaluationPeriods: 3,
  });
});

test('no article tells the reader to purge a queue', () => {
  assert.doesNotMatch(RUNBOOK, /purge-queue/);
});

test('runbook names every call that the role of a pool must allow', () => {
  const [, rights = ''] = RUNBOOK.split('\nWhat a `role_arn` role must allow');
  const [article = ''] = rights.split('\n## ');
  const named = [...article.matchAll(/`(cognito-idp:\w+)`/g)].map(([, call]) => call ?? '');
  const choices = { deletesAccounts: true, groups: true, matchedByAttribute: true };
  const calls = new Set([...applyCalls(choices), ...sweepCalls(choices)]);
  assert.deepEqual([...new Set(named)].sort(), [...calls].sort());
});

test('alarms link to the runbook that the settings name', () => {
  const runbook = 'https://wiki.example.com/poolbridge';
  for (const alarm of alarms({ runbook })) {
    assert.match(alarm.AlarmDescription, /What to do: https:\/\/wiki\.example\.com\/poolbridge#/);
  }
});

test('alarms notify the topic when they fire and when they end', () => {
  const alarmTopicArn = 'arn:aws:sns:us-east-1:111122223333:on-call';
  for (const alarm of alarms({ alarmTopicArn })) {
    assert.deepEqual(alarm.AlarmActions, [alarmTopicArn]);
    assert.deepEqual(alarm.OKActions, [alarmTopicArn]);
  }
  assert.ok(alarms().every((alarm) => alarm.AlarmActions === undefined));
});

test('missing values fire only the alarms on schedules', () => {
  const breaching = alarms().filter((alarm) => alarm.TreatMissingData !== 'notBreaching');
  assert.deepEqual(breaching.map((alarm) => alarm.AlarmName).sort(), [
    'acme-pending-changes-are-old', 'acme-sweep-overdue',
  ]);
});

test('overdue alarm follows the interval of the sweep, and is absent if the sweep is off', () => {
  const example = readFileSync(EXAMPLE, 'utf8');
  const overdue = (configuration: string): Alarm | undefined =>
    alarms(undefined, configuration).find((alarm) => alarm.AlarmName === 'acme-sweep-overdue');
  const off = example.replace('[sweep]\nenabled = true', '[sweep]\nenabled = false');
  assert.equal(overdue(off), undefined);
  const week = example.replace('every = "6h"', 'every = "168h"');
  assert.equal(overdue(week)?.Threshold, (7 + 2) * 24 * 60 * 60);
});

test('alarm on capture errors ignores errors that capture returns on purpose', () => {
  const crashes = alarms().find((alarm) => alarm.AlarmName === 'acme-capture-errors');
  const [expression] = crashes?.Metrics?.flatMap((it) => it.Expression ?? []) ?? [];
  assert.equal(expression, 'errors - FILL(answered, 0)');
});

test('stack has no composite alarm', () => {
  template().resourceCountIs('AWS::CloudWatch::CompositeAlarm', 0);
});

function alarms(context?: Record<string, unknown>, configuration?: string): Alarm[] {
  const changed = context !== undefined || configuration !== undefined;
  const found = template(changed ? { context, configuration } : undefined);
  return Object.values(found.findResources('AWS::CloudWatch::Alarm'))
    .map((resource) => resource['Properties'] as Alarm);
}

/** The metric of an alarm, or those of its expression in their order. */
function metricsOf({ Namespace, MetricName, Dimensions = [], Metrics }: Alarm): Metric[] {
  if (Namespace !== undefined && MetricName !== undefined) {
    return [{ Namespace, MetricName, Dimensions }];
  }
  return (Metrics ?? []).flatMap(({ MetricStat }) => MetricStat?.Metric ?? []);
}
