/**
 * The names of the metrics that the functions publish, from the list that their own program writes.
 * If a metric is renamed there and not here, the synthesis fails. Otherwise an alarm would watch
 * nothing and never fire.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';

import { INFRA } from './infra';
import { Mistake } from './mistake';

/** The function that publishes a metric. */
export type Publisher = 'capture' | 'trail' | 'apply' | 'sweep';

/** The shape of metrics.json. */
export interface MetricNames {
  readonly namespace: string;
  readonly dimensions: readonly string[];
  readonly capture: readonly string[];
  readonly trail: readonly string[];
  readonly apply: readonly string[];
  readonly sweep: readonly string[];
}

/** The list that the functions' program wrote. */
export const METRICS_FILE = resolve(INFRA, 'metrics.json');

/** Reads metrics.json. */
export function readMetricNames(path: string = METRICS_FILE): MetricNames {
  return JSON.parse(readFileSync(path, 'utf8')) as MetricNames;
}

/** The metrics of one bridge. */
export class BridgeMetrics {
  constructor(
    private readonly bridgeName: string,
    private readonly names: MetricNames = readMetricNames(),
  ) {
    // The value of any dimension other than the name is unknown here.
    if (names.dimensions.join() !== 'name') {
      throw new Mistake(
        `metrics.json has the dimensions ${names.dimensions.join(', ')}, and only "name" is known`,
        'teach infra/lib/metrics.ts where the value of the new dimension comes from',
      );
    }
  }

  /** One metric, by default summed over five minutes. */
  of(publisher: Publisher, metricName: string, statistic = 'Sum', region?: string): Metric {
    if (!this.names[publisher].includes(metricName)) {
      throw new Mistake(
        `${publisher} publishes no metric named ${metricName}`,
        'infra/metrics.json is written by the functions\' own program: use a name that is in it',
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
