/**
 * Alarms. Each has an article in the runbook, which tells the person on call what to do. An alarm
 * without an article fails the synthesis.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { Arn, ArnFormat, Stack } from 'aws-cdk-lib';
import {
  Alarm, ComparisonOperator, type IMetric, TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';

import type { Blueprint } from './blueprint';
import { INFRA } from './infra';
import { Mistake } from './mistake';

/** One alarm to raise. */
export interface Watched {
  /** Heading of the runbook article, and the alarm's name after the bridge's own. */
  readonly article: string;
  /** What has happened, in one sentence for a person who was just woken. */
  readonly says: string;
  readonly metric: IMetric;
  /** The highest value that is still in order. */
  readonly above: number;
  /** How many consecutive periods of the metric; one by default. */
  readonly periods?: number;
  /**
   * For a metric that is published by schedule, day and night: a missing value counts as a bad one.
   */
  readonly silenceIsFault?: boolean;
  /**
   * The end of the alarm's name, if another stack of the bridge has an alarm for the same article.
   */
  readonly suffix?: string;
}

/** Creates an alarm on a metric, and sends it to the team's topics, if there are any. */
export function watch(scope: Construct, blueprint: Blueprint, watched: Watched): Alarm {
  const { article, says, metric, above, periods = 1, silenceIsFault = false } = watched;
  if (!runbookArticles().includes(article)) {
    throw new Mistake(
      `the alarm ${article} has no article in infra/RUNBOOK.md`,
      `write one under the heading "### ${article}"`,
    );
  }
  const { runbook } = blueprint.settings;
  const alarm = new Alarm(scope, `Alarm-${article}`, {
    alarmName: [blueprint.configuration.name, article, watched.suffix ?? []].flat().join('-'),
    alarmDescription: `${says} What to do: ${runbook}#${article}`,
    metric,
    threshold: above,
    comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
    evaluationPeriods: periods,
    // No traffic is no failure: a quiet night must not wake the person on call.
    treatMissingData: silenceIsFault
      ? TreatMissingData.BREACHING
      : TreatMissingData.NOT_BREACHING,
  });
  for (const [index, arn] of topicsHere(scope, blueprint).entries()) {
    const topic = Topic.fromTopicArn(scope, `Topic-${article}-${index}`, arn);
    alarm.addAlarmAction(new SnsAction(topic));
    alarm.addOkAction(new SnsAction(topic));
  }
  return alarm;
}

/**
 * The team's topics that an alarm of this stack can reach: CloudWatch alarms stay in their Region.
 */
export function topicsHere(scope: Construct, { settings }: Blueprint): string[] {
  const { region } = Stack.of(scope);
  return settings.alarmTopicArns
    .filter((arn) => Arn.split(arn, ArnFormat.NO_RESOURCE_NAME).region === region);
}

/** The headings of the runbook articles: all headings of the third level, and only those. */
export function runbookArticles(path: string = resolve(INFRA, 'RUNBOOK.md')): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('### '))
    .map((line) => line.slice('### '.length).trim());
}
