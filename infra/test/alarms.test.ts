/** Whoever is woken finds out why, and every figure that is watched exists. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';

import { runbookArticles } from '../lib/alarm';
import { INFRA } from '../lib/infra';
import { readMetricNames } from '../lib/metrics';
import { poolCalls, sweepCalls } from '../lib/user-pool';
import { EXAMPLE, mistakeOf, template } from './world';

interface Alarm {
  readonly AlarmName: string;
  readonly AlarmDescription: string;
  readonly AlarmActions?: string[];
  readonly OKActions?: string[];
  readonly Threshold: number;
  readonly TreatMissingData: string;
  /** Of one figure, and no list. */
  readonly Namespace?: string;
  readonly MetricName?: string;
  readonly Dimensions?: readonly Dimension[];
  /** Of several figures and an expression. */
  readonly Metrics?: readonly { readonly Expression?: string; readonly MetricStat?: Stat }[];
}

interface Dimension {
  readonly Name: string;
  readonly Value: unknown;
}

interface Figure {
  readonly Namespace: string;
  readonly MetricName: string;
  readonly Dimensions: readonly Dimension[];
}

interface Stat {
  readonly Metric: Figure;
}

const RUNBOOK = readFileSync(resolve(INFRA, 'RUNBOOK.md'), 'utf8');

test('what must wake somebody does', () => {
  const watched = Object.fromEntries(alarms().map((alarm) => [
    alarm.AlarmName,
    `${figuresOf(alarm).map(({ Namespace, MetricName }) => `${Namespace} ${MetricName}`)
      .join(' - ')} > ${alarm.Threshold}`,
  ]));
  assert.deepEqual(watched, {
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
    'acme-marks-are-old': 'poolbridge oldest_mark_seconds > 1800',
    'acme-other-configuration': 'poolbridge other_configuration > 0',
    'acme-guard-failed-open': 'poolbridge guard_failed_open > 0',
    'acme-chain-failed': 'poolbridge chain_failed > 0',
    'acme-trail-failed': 'poolbridge trail_failed > 0',
    'acme-trail-failed-events': 'AWS/SQS ApproximateNumberOfMessagesVisible > 0',
    'acme-bulk-is-late': 'AWS/SQS ApproximateAgeOfOldestMessage > 7200',
    'acme-sweep-failed-events': 'AWS/SQS ApproximateNumberOfMessagesVisible > 0',
    'acme-sweep-overdue': 'poolbridge sweep_since_pass_seconds > 194400',
    'acme-sweep-faults': 'poolbridge sweep_faults > 0',
    'acme-sweep-listing-suspicious': 'poolbridge sweep_unconcluded > 0',
    'acme-sweep-uncovered': 'poolbridge sweep_uncovered > 0',
    'acme-triggers-missing': 'poolbridge triggers_missing > 0',
    'acme-triggers-missing-after-change': 'poolbridge trail_triggers_missing > 0',
    'acme-pool-restored': 'poolbridge undecided_restores > 0',
    'acme-writes-paused': 'poolbridge writes_paused > 0',
    'acme-doubtful-claims': 'poolbridge doubtful > 0',
  });
});

test('every figure of ours that is watched is one that the functions publish', () => {
  const { namespace, capture, trail, apply, sweep } = readMetricNames();
  const published = [...capture, ...trail, ...apply, ...sweep];
  const ours = alarms().flatMap(figuresOf).filter((it) => !it.Namespace.startsWith('AWS/'));
  assert.ok(ours.length > 0);
  for (const { Namespace, MetricName, Dimensions } of ours) {
    assert.equal(Namespace, namespace);
    assert.ok(published.includes(MetricName), MetricName);
    assert.deepEqual(Dimensions, [{ Name: 'name', Value: 'acme' }]);
  }
});

test('a figure that is renamed in the functions alone fails the synthesis', () => {
  const names = readMetricNames();
  const renamed = { ...names, apply: names.apply.map((name) => name.replace('panics', 'faults')) };
  assert.match(mistakeOf({ metricNames: renamed }), /apply publishes no metric named panics/);
  const divided = { ...names, dimensions: ['name', 'side'] };
  assert.match(mistakeOf({ metricNames: divided }), /dimensions name, side/);
});

test('every alarm leads to its article, and every article belongs to an alarm', () => {
  const led = new Set(alarms().map((alarm) => {
    const [, article] = / What to do: infra\/RUNBOOK\.md#(.*)$/.exec(alarm.AlarmDescription) ?? [];
    // Several alarms may lead to one article: their names say what is special about each.
    assert.ok(`${alarm.AlarmName}-`.startsWith(`acme-${article}-`), alarm.AlarmName);
    return article;
  }));
  assert.deepEqual([...led].sort(), runbookArticles().sort());
});

test('every article says what happened, how to look and what to do', () => {
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

test('the oldest mark counts, whatever else was seen in its five minutes', () => {
  template().hasResourceProperties('AWS::CloudWatch::Alarm', {
    AlarmName: 'acme-marks-are-old', Statistic: 'Maximum', Period: 300, EvaluationPeriods: 3,
  });
});

test('no article tells anybody to purge a queue', () => {
  assert.doesNotMatch(RUNBOOK, /purge-queue/);
});

test('the runbook names every call that a role in a pool\'s own account must allow', () => {
  const [, rights = ''] = RUNBOOK.split('\nWhat a `role_arn` role must allow');
  const [article = ''] = rights.split('\n## ');
  const told = [...article.matchAll(/`(cognito-idp:\w+)`/g)].map(([, call]) => call ?? '');
  const choices = { deletesAccounts: true, groups: true, matchedByAttribute: true };
  const calls = new Set([...poolCalls(choices), ...sweepCalls(choices)]);
  assert.deepEqual([...new Set(told)].sort(), [...calls].sort());
});

test('the runbook may be published elsewhere', () => {
  const runbook = 'https://wiki.example.com/poolbridge';
  for (const alarm of alarms({ runbook })) {
    assert.match(alarm.AlarmDescription, /What to do: https:\/\/wiki\.example\.com\/poolbridge#/);
  }
});

test('alarms reach the team\'s topic, when they come and when they go', () => {
  const alarmTopicArn = 'arn:aws:sns:us-east-1:111122223333:on-call';
  for (const alarm of alarms({ alarmTopicArn })) {
    assert.deepEqual(alarm.AlarmActions, [alarmTopicArn]);
    assert.deepEqual(alarm.OKActions, [alarmTopicArn]);
  }
  assert.ok(alarms().every((alarm) => alarm.AlarmActions === undefined));
});

test('a quiet night wakes nobody, but for a clock that stands still', () => {
  const awake = alarms().filter((alarm) => alarm.TreatMissingData !== 'notBreaching');
  assert.deepEqual(awake.map((alarm) => alarm.AlarmName).sort(), [
    'acme-marks-are-old', 'acme-sweep-overdue',
  ]);
});

test('a sweep that is off is missed by nobody, and a rare one is not missed too early', () => {
  const example = readFileSync(EXAMPLE, 'utf8');
  const overdue = (configuration: string): Alarm | undefined =>
    alarms(undefined, configuration).find((alarm) => alarm.AlarmName === 'acme-sweep-overdue');
  const off = example.replace('[sweep]\nenabled = true', '[sweep]\nenabled = false');
  assert.equal(overdue(off), undefined);
  const week = example.replace('every = "6h"', 'every = "168h"');
  assert.equal(overdue(week)?.Threshold, (7 + 2) * 24 * 60 * 60);
});

test('an error that capture answers on purpose is no crash', () => {
  const crashes = alarms().find((alarm) => alarm.AlarmName === 'acme-capture-errors');
  const [expression] = crashes?.Metrics?.flatMap((it) => it.Expression ?? []) ?? [];
  assert.equal(expression, 'errors - FILL(answered, 0)');
});

test('no alarm is made of others', () => {
  template().resourceCountIs('AWS::CloudWatch::CompositeAlarm', 0);
});

function alarms(context?: Record<string, unknown>, configuration?: string): Alarm[] {
  const wishes = {
    ...(context === undefined ? {} : { context }),
    ...(configuration === undefined ? {} : { configuration }),
  };
  const found = template(Object.keys(wishes).length === 0 ? undefined : wishes);
  return Object.values(found.findResources('AWS::CloudWatch::Alarm'))
    .map((resource) => resource['Properties'] as Alarm);
}

/** What an alarm looks at: one figure, or those of its expression in their order. */
function figuresOf({ Namespace, MetricName, Dimensions, Metrics }: Alarm): Figure[] {
  if (Namespace !== undefined && MetricName !== undefined) {
    return [{ Namespace, MetricName, Dimensions: Dimensions ?? [] }];
  }
  return (Metrics ?? []).flatMap(({ MetricStat }) => MetricStat?.Metric ?? []);
}
