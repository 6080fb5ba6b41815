/**
 * trail: processes CloudTrail events about the two pools, as EventBridge delivers them. AWS calls
 * this delivery best effort, and it is late. The sweep finds what it misses.
 */
import { Duration } from 'aws-cdk-lib';
import type { IWidget } from 'aws-cdk-lib/aws-cloudwatch';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import type { Function } from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { Construct } from 'constructs';

import { watch } from './alarm';
import type { Blueprint } from './blueprint';
import type { ChangeQueue } from './change-queue';
import { graph } from './dashboard';
import { FailedEvents } from './failed-events';
import { RustFunction } from './rust-function';
import type { Side } from './configuration';
import type { StateTable } from './state-table';
import { layTrailRule, trailRules } from './trail-events';
import { trailGrant } from './user-pool';

export interface TrailProps {
  readonly state: StateTable;
  readonly changes: ChangeQueue;
  /** Roles with which the bridge itself calls the pools: trail ignores their calls. */
  readonly ownRoles: readonly IRole[];
  /** The capture function of each pool, by its ARN. */
  readonly captures: Readonly<Record<Side, string>>;
}

export class Trail extends Construct {
  readonly function: Function;
  readonly dashboardRow: IWidget[];

  constructor(scope: Construct, id: string, blueprint: Blueprint, props: TrailProps) {
    super(scope, id);
    const { state, changes, ownRoles, captures } = props;
    const failed = new FailedEvents(this, 'Failed', blueprint, {
      program: 'trail',
      says: 'Events of the trail could not be noted although they were tried again.',
    });
    const { function: itself, role } = new RustFunction(this, 'Trail', blueprint, {
      program: 'trail',
      description: 'Marks an account of which CloudTrail tells, and sends the change',
      timeout: Duration.seconds(30),
      memorySize: 128,
      environment: {
        POOLBRIDGE_TABLE: state.table.tableName,
        POOLBRIDGE_QUEUE_URL: changes.queue.queueUrl,
        POOLBRIDGE_OWN_ROLES: ownRoles.map(({ roleArn }) => roleArn).join(','),
        POOLBRIDGE_CAPTURE_OLD: captures.old,
        POOLBRIDGE_CAPTURE_NEW: captures.new,
      },
    });
    this.function = itself;
    state.grantMarking(role);
    state.grantResolving(role);
    state.grantNotingRestores(role);
    for (const pool of blueprint.configuration.pools) {
      role.addToPrincipalPolicy(trailGrant(this, pool));
    }
    changes.grantSending(role);
    itself.configureAsyncInvoke({
      retryAttempts: 2,
      maxEventAge: Duration.hours(6),
      onFailure: new SqsDestination(failed.queue),
    });
    for (const rule of trailRules()) {
      layTrailRule(this, rule, {
        ruleName: `${blueprint.configuration.name}-trail-${rule.id.toLowerCase()}`,
        description: `${rule.says}, as a trail tells of them`,
        // The bus retries for a day, and then moves what it could not deliver to this queue.
        targets: [new LambdaFunction(itself, { deadLetterQueue: failed.queue })],
      });
    }
    this.watchItself(blueprint);
    this.dashboardRow = this.widgets(blueprint);
  }

  private watchItself(blueprint: Blueprint): void {
    watch(this, blueprint, {
      article: 'trail-failed',
      says: 'trail could not note a change everywhere it should.',
      metric: blueprint.metrics.of('trail', 'trail_failed'),
      above: 0,
    });
    watch(this, blueprint, {
      article: 'triggers-missing',
      says: 'A change of a pool\'s settings took capture out of its triggers.',
      metric: blueprint.metrics.of('trail', 'trail_triggers_missing', 'Maximum'),
      above: 0,
      suffix: 'after-change',
    });
  }

  private widgets({ metrics }: Blueprint): IWidget[] {
    return [
      graph('Events of the trail', [
        metrics.of('trail', 'trail_captured').with({ label: 'noted' }),
        metrics.of('trail', 'trail_dropped').with({ label: 'no news' }),
        metrics.of('trail', 'trail_unresolved').with({ label: 'left to the sweep' }),
        metrics.of('trail', 'trail_failed').with({ label: 'failed' }),
        metrics.of('trail', 'trail_restores').with({ label: 'pool restored or deleted' }),
      ]),
      graph('Calls', [
        this.function.metricInvocations({ label: 'calls' }),
        this.function.metricErrors({ label: 'errors' }),
        this.function.metricThrottles({ label: 'throttles' }),
      ]),
    ];
  }
}
