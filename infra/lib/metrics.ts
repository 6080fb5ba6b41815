/**
 * The metrics that the functions publish, by the names in metrics.json, which their own test
 * writes. An unknown name fails the synthesis, because an alarm on it would never fire.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';

import { ConfigError } from './config-error';
import { INFRA } from './infra';

/** The functions that publish metrics. */
export type Publisher = 'capture' | 'trail' | 'apply' | 'sweep';

/** The content of metrics.json. */
export interface MetricNames extends Readonly<Record<Publisher, readonly string[]>> {
  readonly namespace: string;
  readonly dimensions: readonly string[];
}

/** Reads metrics.json. */
export function readMetricNames(): MetricNames {
  return JSON.parse(readFileSync(resolve(INFRA, 'metrics.json'), 'utf8')) as MetricNames;
}

/** The metrics of one bridge. */
export class BridgeMetrics {
  constructor(
    private readonly bridgeName: string,
    private readonly names: MetricNames,
  ) {
    if (names.dimensions.join() !== 'name') {
      throw new ConfigError(
        `metrics.json has the dimensions ${names.dimensions.join(', ')}; the CDK app supports only `
          + '"name"',
        'add the value of the new dimension to infra/lib/metrics.ts',
      );
    }
  }

  /** One metric, by default summed over five minutes. */
  of(publisher: Publisher, metricName: string, statistic = 'Sum', region?: string): Metric {
    if (!this.names[publisher].includes(metricName)) {
      throw new ConfigError(
        `${publisher} publishes no metric named ${metricName}`,
        'use a name from infra/metrics.json',
      );
    }
    return new Metric({
      namespace: this.names.namespace,
      metricName,
      dimensionsMap: { name: this.bridgeName },
      statistic,
      period: Duration.minutes(5),
      ...(region === undefined ? {} : { region }),
    });
  }
}
