/**
 * apply: takes changes off the queue and brings the two pools in step. It is the only function of
 * the bridge that may write to a pool.
 */
import type { IWidget } from 'aws-cdk-lib/aws-cloudwatch';
import type { Role } from 'aws-cdk-lib/aws-iam';
import { EventSourceMapping, type Function } from 'aws-cdk-lib/aws-lambda';
import { Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';

import { watch } from './alarm';
import type { Blueprint } from './blueprint';
import type { BulkQueue } from './bulk-queue';
import { APPLY_TIMEOUT, type ChangeQueue } from './change-queue';
import { graph } from './dashboard';
import { RustFunction } from './rust-function';
import type { StateTable } from './state-table';
import { poolGrant } from './user-pool';

// The lowest value that Lambda allows: bulk work is not urgent, and shares the pools' quotas.
const BULK_CONCURRENCY = 2;

export interface ApplyProps {
  readonly state: StateTable;
  readonly changes: ChangeQueue;
  readonly bulk: BulkQueue;
}

export class Apply extends Construct {
  readonly function: Function;
  readonly role: Role;
  readonly dashboardRow: IWidget[];

  constructor(scope: Construct, id: string, blueprint: Blueprint, props: ApplyProps) {
    super(scope, id);
    const { state, changes, bulk } = props;
    const { configuration, settings } = blueprint;
    const { function: itself, role } = new RustFunction(this, 'Apply', blueprint, {
      program: 'apply',
      description: 'Makes the two pools agree about each person whose account has changed',
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
    this.function = itself;
    this.role = role;
    state.grantLedger(role);
    changes.grantWorking(role);
    bulk.grantWorking(role);
    for (const pool of configuration.pools) {
      role.addToPrincipalPolicy(poolGrant(this, pool, configuration));
    }
    const concurrency = [
      ['Changes', changes.queue.queueArn, settings.maximumConcurrency],
      ['Bulk', bulk.queue.queueArn, BULK_CONCURRENCY],
    ] as const;
    for (const [source, eventSourceArn, maxConcurrency] of concurrency) {
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
      mapping.node.addDependency(role);
    }
    this.watchItself(blueprint);
    this.dashboardRow = this.widgets(blueprint);
  }

  private watchItself(blueprint: Blueprint): void {
    watch(this, blueprint, {
      article: 'apply-errors',
      says: 'apply broke off with a whole batch. The changes come back and are tried again.',
      metric: this.function.metricErrors({ period: Duration.minutes(5) }),
      above: 0,
    });
    watch(this, blueprint, {
      article: 'apply-throttles',
      says: 'Lambda had no room for apply: changes wait, and other functions may lack room too.',
      metric: this.function.metricThrottles({ period: Duration.minutes(5) }),
      above: 0,
    });
    watch(this, blueprint, {
      article: 'malformed-changes',
      says: 'apply dropped messages that it could not read. Somebody else may be sending to it.',
      metric: blueprint.metrics.of('apply', 'malformed'),
      above: 0,
    });
    watch(this, blueprint, {
      article: 'apply-panics',
      says: 'A fault of ours hit one person while everybody else went on. Their mark stands.',
      metric: blueprint.metrics.of('apply', 'panics'),
      above: 0,
    });
    watch(this, blueprint, {
      article: 'breaker-open',
      says: 'The circuit breaker is open: it holds removals of accounts, and passwords to be closed.',
      metric: blueprint.metrics.of('apply', 'breaker_held'),
      above: 0,
    });
    watch(this, blueprint, {
      article: 'doubtful-claims',
      says: 'Messages claim what nothing supports: a password that was set, or a change in the future.',
      metric: blueprint.metrics.of('apply', 'doubtful'),
      above: 0,
    });
    watch(this, blueprint, {
      article: 'writes-paused',
      says: 'A pool takes no writes: a recovery of it is prepared or runs. Changes wait.',
      metric: blueprint.metrics.of('apply', 'writes_paused'),
      above: 0,
      // One refusal may be temporary.
      periods: 2,
    });
  }

  private widgets({ metrics }: Blueprint): IWidget[] {
    const verdicts = ['applied', 'unchanged', 'retry', 'held', 'rejected', 'malformed', 'panics'];
    return [
      graph('What came of the changes', verdicts.map((verdict) =>
        metrics.of('apply', verdict).with({ label: verdict.replace('_', ' ') }))),
      graph('From the deed to both pools, milliseconds', [
        metrics.of('apply', 'lag_milliseconds', 'p50').with({ label: 'median' }),
        metrics.of('apply', 'lag_milliseconds', 'p99').with({ label: '99 of 100' }),
      ]),
      graph('Calls to the pools', [
        metrics.of('apply', 'account_reads').with({ label: 'accounts read' }),
        metrics.of('apply', 'pool_writes').with({ label: 'writes' }),
        metrics.of('apply', 'removals').with({ label: 'removals' }),
        metrics.of('apply', 'breaker_held').with({ label: 'removals held' }),
        metrics.of('apply', 'writes_paused').with({ label: 'writes paused by a pool' }),
        metrics.of('apply', 'passwords_kept_open').with({ label: 'passwords kept open' }),
        metrics.of('apply', 'messages').with({ label: 'messages' }),
      ]),
      graph('Duration of a batch, milliseconds', [
        metrics.of('apply', 'apply_milliseconds', 'p50').with({ label: 'one person, median' }),
        this.function.metricDuration({ statistic: 'p50', label: 'batch, median' }),
        this.function.metricDuration({ statistic: 'Maximum', label: 'batch, longest' }),
      ]),
    ];
  }
}
