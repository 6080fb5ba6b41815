/**
 * apply: receives changes and brings the two pools in step. It is the only function of the bridge
 * that may write to a pool.
 */
import { Duration } from 'aws-cdk-lib';
import type { IMetric, IWidget } from 'aws-cdk-lib/aws-cloudwatch';
import type { Role } from 'aws-cdk-lib/aws-iam';
import { EventSourceMapping, type Function } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

import { addAlarm } from './alarm';
import type { BridgeProps } from './bridge-props';
import { APPLY_TIMEOUT } from './change-queue';
import { graph } from './dashboard';
import { allow } from './grant';
import { RustFunction } from './rust-function';
import type { SharedResources } from './shared-resources';
import { applyGrants } from './user-pool';

// The lowest value that Lambda allows: bulk work is not urgent, and shares the pools' quotas.
const BULK_CONCURRENCY = 2;

export class Apply extends Construct {
  readonly function: Function;
  readonly role: Role;
  readonly dashboardRow: IWidget[];

  constructor(scope: Construct, id: string, bridge: BridgeProps, shared: SharedResources) {
    super(scope, id);
    const { state, changes, bulk } = shared;
    const { configuration, settings } = bridge;
    const apply = new RustFunction(this, 'Apply', bridge, {
      program: 'apply',
      description: 'Brings the two accounts of each person with a change in step',
      timeout: APPLY_TIMEOUT,
      memorySize: 256,
      environment: {
        POOLBRIDGE_TABLE: state.table.tableName,
        POOLBRIDGE_QUEUE_URL: changes.queue.queueUrl,
        POOLBRIDGE_BULK_QUEUE_URL: bulk.queue.queueUrl,
        POOLBRIDGE_DEAD_LETTER_URL: changes.deadLetterQueue.queueUrl,
        POOLBRIDGE_KEY: state.secret.secretArn,
      },
    });
    this.function = apply.function;
    this.role = apply.role;
    state.grantApply(this.role);
    changes.grantConsuming(this.role);
    bulk.grantConsuming(this.role);
    allow(this.role, ...applyGrants(this, configuration));
    const sources = [
      ['Changes', changes.queue.queueArn, settings.maximumConcurrency],
      ['Bulk', bulk.queue.queueArn, BULK_CONCURRENCY],
    ] as const;
    for (const [source, eventSourceArn, maxConcurrency] of sources) {
      const mapping = new EventSourceMapping(this, source, {
        target: this.function,
        eventSourceArn,
        // The most that a FIFO queue delivers at once. apply processes its people concurrently.
        batchSize: 10,
        // One failed message comes back alone; without this its whole batch would.
        reportBatchItemFailures: true,
        maxConcurrency,
      });
      // Lambda refuses a mapping if its function may not read the queue yet.
      mapping.node.addDependency(this.role);
    }
    this.addAlarms(bridge);
    this.dashboardRow = this.widgets(bridge);
  }

  private addAlarms(bridge: BridgeProps): void {
    const { metrics } = bridge;
    const period = Duration.minutes(5);
    addAlarm(this, bridge, 'apply-errors', {
      description: 'apply failed with a whole batch. The changes return to the queue, and apply '
        + 'receives them again.',
      metric: this.function.metricErrors({ period }),
    });
    addAlarm(this, bridge, 'apply-throttles', {
      description: 'Lambda throttles apply. Changes wait, and Lambda may throttle other functions '
        + 'too.',
      metric: this.function.metricThrottles({ period }),
    });
    addAlarm(this, bridge, 'malformed-changes', {
      description: 'apply dropped messages that it cannot decode. Another sender may use the '
        + 'queue.',
      metric: metrics.of('apply', 'malformed'),
    });
    addAlarm(this, bridge, 'apply-panics', {
      description: 'A bug in poolbridge stopped the work on one person. The change stays pending, '
        + 'and apply finishes the other people.',
      metric: metrics.of('apply', 'panics'),
    });
    addAlarm(this, bridge, 'breaker-open', {
      description: 'The circuit breaker is open: it holds removals of accounts and the closing of '
        + 'passwords.',
      metric: metrics.of('apply', 'breaker_held'),
    });
    addAlarm(this, bridge, 'doubtful-claims', {
      description: 'apply received messages without evidence for their claim: that a password was '
        + 'set, or that an event happens in the future.',
      metric: metrics.of('apply', 'doubtful'),
    });
    addAlarm(this, bridge, 'writes-paused', {
      description: 'A pool accepts no writes, for example during a recovery. Changes wait.',
      metric: metrics.of('apply', 'writes_paused'),
      // One refusal may be temporary.
      periods: 2,
    });
  }

  private widgets({ metrics }: BridgeProps): IWidget[] {
    const own = (name: string, label = name, statistic = 'Sum'): IMetric =>
      metrics.of('apply', name, statistic).with({ label });
    return [
      graph('Outcomes of changes', [
        'applied', 'unchanged', 'retry', 'held', 'rejected', 'malformed', 'panics',
      ].map((outcome) => own(outcome))),
      graph('From the event to both pools, milliseconds', [
        own('lag_milliseconds', 'median', 'p50'),
        own('lag_milliseconds', '99th percentile', 'p99'),
      ]),
      graph('Calls to the pools', [
        own('account_reads', 'accounts read'),
        own('pool_writes', 'writes'),
        own('removals'),
        own('breaker_held', 'held by the breaker'),
        own('writes_paused', 'writes paused by a pool'),
        own('passwords_kept_open', 'passwords kept open'),
        own('messages'),
      ]),
      graph('Duration, milliseconds', [
        own('apply_milliseconds', 'one person, median', 'p50'),
        this.function.metricDuration({ statistic: 'p50', label: 'batch, median' }),
        this.function.metricDuration({ statistic: 'Maximum', label: 'batch, longest' }),
      ]),
    ];
  }
}
