/** Alarms. The synthesis fails for an alarm without an article in the runbook. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { Arn, ArnFormat, Stack } from 'aws-cdk-lib';
import {
  Alarm, ComparisonOperator, type IMetric, TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';

import type { BridgeProps } from './bridge-props';
import { ConfigError } from './config-error';
import { INFRA } from './infra';

export interface AlarmProps {
  /** What happens, in one or two sentences. */
  readonly description: string;
  readonly metric: IMetric;
  /** The highest value that is still in order; 0 by default. */
  readonly threshold?: number;
  /** How many consecutive periods of the metric; 1 by default. */
  readonly periods?: number;
  /** For a metric that a schedule publishes, day and night: a missing value fires the alarm. */
  readonly missingIsBreaching?: boolean;
  /** The end of the alarm's name, if the bridge has several alarms for this article. */
  readonly nameSuffix?: string | undefined;
}

/**
 * Creates an alarm, which notifies the topics that the settings name, if any. Its name is the
 * bridge's name and the heading of the runbook article.
 */
export function addAlarm(
  scope: Construct,
  bridge: BridgeProps,
  runbookArticle: string,
  props: AlarmProps,
): void {
  const { description, metric, threshold = 0, periods = 1, nameSuffix } = props;
  if (!runbookArticles().includes(runbookArticle)) {
    throw new ConfigError(
      `the alarm ${runbookArticle} has no article in infra/RUNBOOK.md`,
      `write one under the heading "### ${runbookArticle}"`,
    );
  }
  const { configuration, settings } = bridge;
  const alarm = new Alarm(scope, `Alarm-${runbookArticle}`, {
    alarmName: [configuration.name, runbookArticle, nameSuffix ?? []].flat().join('-'),
    alarmDescription: `${description} What to do: ${settings.runbook}#${runbookArticle}`,
    metric,
    threshold,
    comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
    evaluationPeriods: periods,
    // Most metrics have no values without traffic, and that is in order.
    treatMissingData: props.missingIsBreaching === true
      ? TreatMissingData.BREACHING
      : TreatMissingData.NOT_BREACHING,
  });
  for (const [index, arn] of topicsInRegion(scope, bridge).entries()) {
    const topic = Topic.fromTopicArn(scope, `Topic-${runbookArticle}-${index}`, arn);
    alarm.addAlarmAction(new SnsAction(topic));
    alarm.addOkAction(new SnsAction(topic));
  }
}

/** The topics in the Region of this stack: a CloudWatch alarm reaches no others. */
export function topicsInRegion(scope: Construct, { settings }: BridgeProps): string[] {
  const { region } = Stack.of(scope);
  return settings.alarmTopicArns
    .filter((arn) => Arn.split(arn, ArnFormat.NO_RESOURCE_NAME).region === region);
}

/** The headings of the runbook articles: all headings of the third level, and only those. */
export function runbookArticles(): string[] {
  const runbook = readFileSync(resolve(INFRA, 'RUNBOOK.md'), 'utf8');
  return [...runbook.matchAll(/^### (.*)$/gm)].map(([, heading]) => (heading ?? '').trim());
}
