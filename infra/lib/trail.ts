/**
 * trail: processes CloudTrail events about the two pools, which EventBridge delivers. The delivery
 * is best-effort and delayed. The sweep detects what trail misses.
 */
import { Duration } from 'aws-cdk-lib';
import type { IWidget } from 'aws-cdk-lib/aws-cloudwatch';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import type { Function } from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { Construct } from 'constructs';

import { addAlarm } from './alarm';
import type { BridgeProps, CaptureArns } from './bridge-props';
import { graph } from './dashboard';
import { FailedEvents } from './failed-events';
import { allow } from './grant';
import { RustFunction } from './rust-function';
import type { SharedResources } from './shared-resources';
import { addTrailRules } from './trail-events';
import { trailGrants } from './user-pool';

export class Trail extends Construct {
  readonly dashboardRow: IWidget[];

  /** `ownRoles` are the roles with which the bridge calls the pools: trail ignores their calls. */
  constructor(
    scope: Construct,
    id: string,
    bridge: BridgeProps,
    { state, changes }: SharedResources,
    captures: CaptureArns,
    ownRoles: readonly IRole[],
  ) {
    super(scope, id);
    const { configuration } = bridge;
    const failed = new FailedEvents(this, 'Failed', bridge, {
      program: 'trail',
      description: 'trail could not process CloudTrail events, or EventBridge could not deliver '
        + 'them. A queue keeps them for 4 days.',
    });
    const { function: trail, role } = new RustFunction(this, 'Trail', bridge, {
      program: 'trail',
      description: 'Stores and sends a change for each account that a CloudTrail event names',
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
    state.grantPendingChanges(role);
    state.grantTrail(role);
    allow(role, ...trailGrants(this, configuration));
    changes.grantSending(role);
    trail.configureAsyncInvoke({
      retryAttempts: 2,
      maxEventAge: Duration.hours(6),
      onFailure: new SqsDestination(failed.queue),
    });
    addTrailRules(this, {
      bridgeName: configuration.name,
      purpose: 'Sends CloudTrail events to trail',
      // The bus retries for a day, and then moves what it could not deliver to this queue.
      target: new LambdaFunction(trail, { deadLetterQueue: failed.queue }),
    });
    this.addAlarms(bridge);
    this.dashboardRow = this.widgets(bridge, trail);
  }

  private addAlarms(bridge: BridgeProps): void {
    addAlarm(this, bridge, 'trail-failed', {
      description: 'trail failed to store a change, to send it, or both.',
      metric: bridge.metrics.of('trail', 'trail_failed'),
    });
    addAlarm(this, bridge, 'triggers-missing', {
      nameSuffix: 'after-change',
      description: 'A change of a pool\'s settings removed capture from at least one trigger.',
      metric: bridge.metrics.of('trail', 'trail_triggers_missing', 'Maximum'),
    });
  }

  private widgets({ metrics }: BridgeProps, trail: Function): IWidget[] {
    return [
      graph('CloudTrail events', [
        metrics.of('trail', 'trail_captured').with({ label: 'captured' }),
        metrics.of('trail', 'trail_dropped').with({ label: 'ignored' }),
        metrics.of('trail', 'trail_unresolved').with({ label: 'left to the sweep' }),
        metrics.of('trail', 'trail_failed').with({ label: 'failed' }),
        metrics.of('trail', 'trail_restores').with({ label: 'pool restored or deleted' }),
      ]),
      graph('Calls', [
        trail.metricInvocations({ label: 'calls' }),
        trail.metricErrors({ label: 'errors' }),
        trail.metricThrottles({ label: 'throttles' }),
      ]),
    ];
  }
}
