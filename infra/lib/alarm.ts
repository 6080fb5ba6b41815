/**
 * Alarms, each with an article in the runbook: whoever is woken by one is led to what to do. An
 * alarm without its article fails the synthesis.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import {
  Alarm, ComparisonOperator, type Metric, TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';

import type { Blueprint } from './blueprint';
import { INFRA } from './infra';
import { Mistake } from './mistake';

/** One thing to watch. */
export interface Watched {
  /** Heading of the runbook's article, and the alarm's name after the bridge's own. */
  readonly article: string;
  /** What has happened, in a sentence for somebody who has just been woken. */
  readonly says: string;
  readonly metric: Metric;
  /** The most that is still in order. */
  readonly above: number;
  /** How many periods of the metric in a row; one unless told otherwise. */
  readonly periods?: number;
}

/** Raises an alarm on a metric, and sends it to the team's topic where there is one. */
export function watch(scope: Construct, blueprint: Blueprint, watched: Watched): Alarm {
  const { article, says, metric, above, periods = 1 } = watched;
  if (!runbookArticles().includes(article)) {
    throw new Mistake(
      `the alarm ${article} has no article in infra/RUNBOOK.md`,
      `write one under the heading "### ${article}"`,
    );
  }
  const { runbook, alarmTopicArn } = blueprint.settings;
  const alarm = new Alarm(scope, `Alarm-${article}`, {
    alarmName: `${blueprint.configuration.name}-${article}`,
    alarmDescription: `${says} What to do: ${runbook}#${article}`,
    metric,
    threshold: above,
    comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
    evaluationPeriods: periods,
    // No traffic is no fault: a quiet night must not wake anybody.
    treatMissingData: TreatMissingData.NOT_BREACHING,
  });
  if (alarmTopicArn !== undefined) {
    const topic = Topic.fromTopicArn(scope, `Topic-${article}`, alarmTopicArn);
    alarm.addAlarmAction(new SnsAction(topic));
    alarm.addOkAction(new SnsAction(topic));
  }
  return alarm;
}

/** The headings of the runbook's articles: the third level, and nothing else stands on it. */
export function runbookArticles(path: string = resolve(INFRA, 'RUNBOOK.md')): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('### '))
    .map((line) => line.slice('### '.length).trim());
}
