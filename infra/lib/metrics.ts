/**
 * The names under which the functions publish figures, taken from the list that their own program
 * writes. A figure that is renamed there and not here fails the synthesis, instead of leaving an
 * alarm that watches nothing and stays green for ever.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';

import { INFRA } from './infra';
import { Mistake } from './mistake';

/** Who publishes a figure. */
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

/** The figures of one bridge. */
export class BridgeMetrics {
  constructor(
    private readonly bridgeName: string,
    private readonly names: MetricNames = readMetricNames(),
  ) {
    // The value of a dimension that is not the name could not be known here.
    if (names.dimensions.join() !== 'name') {
      throw new Mistake(
        `metrics.json has the dimensions ${names.dimensions.join(', ')}, and only "name" is known`,
        'teach infra/lib/metrics.ts where the value of the new dimension comes from',
      );
    }
  }

  /** One figure, summed over five minutes unless told otherwise. */
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
