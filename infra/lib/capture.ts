/**
 * capture: the pools' own trigger. It stands inside people's sign-ups and sign-ins, so it may do
 * two things, leave a mark and send a change, and read nothing.
 */
import { Annotations, Duration } from 'aws-cdk-lib';
import type { IWidget } from 'aws-cdk-lib/aws-cloudwatch';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Function } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

import { watch } from './alarm';
import type { Blueprint } from './blueprint';
import type { ChangeQueue } from './change-queue';
import { graph } from './dashboard';
import { RustFunction } from './rust-function';
import type { StateTable } from './state-table';
import { outOfReach, userPoolArn } from './user-pool';

// Cognito gives up after 5 seconds whatever stands here; the program bounds itself well below.
const TIMEOUT = Duration.seconds(5);

export interface CaptureProps {
  readonly state: StateTable;
  readonly changes: ChangeQueue;
}

export class Capture extends Construct {
  readonly function: Function;
  readonly dashboardRow: IWidget[];

  constructor(scope: Construct, id: string, blueprint: Blueprint, props: CaptureProps) {
    super(scope, id);
    const { state, changes } = props;
    const { function: itself, role } = new RustFunction(this, 'Capture', blueprint, {
      program: 'capture',
      description: 'Marks an account whose sign-up or password was confirmed, and sends the change',
      timeout: TIMEOUT,
      memorySize: 128,
      environment: {
        POOLBRIDGE_TABLE: state.table.tableName,
        POOLBRIDGE_QUEUE_URL: changes.queue.queueUrl,
      },
    });
    this.function = itself;
    state.grantMarking(role);
    changes.grantSending(role);
    this.letPoolsIn(blueprint);
    this.watchItself(blueprint);
    this.dashboardRow = this.widgets(blueprint);
  }

  private letPoolsIn(blueprint: Blueprint): void {
    for (const pool of blueprint.configuration.pools) {
      const obstacle = outOfReach(this, pool);
      if (obstacle !== undefined) {
        Annotations.of(this).addInfoV2(
          `poolbridge:${pool.side}-pool-out-of-reach`,
          `${obstacle}: its triggers cannot call capture. `
            + 'They need the small capture stack over there.',
        );
        continue;
      }
      // The pool's ARN names its account, so nobody else's pool of the same id can come in.
      this.function.addPermission(`${pool.side}-pool`, {
        principal: new ServicePrincipal('cognito-idp.amazonaws.com'),
        sourceArn: userPoolArn(this, pool),
      });
    }
  }

  private watchItself(blueprint: Blueprint): void {
    const minute = Duration.minutes(1);
    watch(this, blueprint, {
      article: 'capture-errors',
      says: 'capture broke off, so people may be failing to sign up, sign in or set a password.',
      metric: this.function.metricErrors({ period: minute }),
      above: 0,
    });
    watch(this, blueprint, {
      article: 'capture-throttles',
      says: 'Lambda had no room for capture, so people may be failing to sign up or sign in.',
      metric: this.function.metricThrottles({ period: minute }),
      above: 0,
    });
    watch(this, blueprint, {
      article: 'capture-failed-open',
      says: 'capture let people through but could not note their change everywhere it should.',
      metric: blueprint.metrics.of('capture', 'capture_failed'),
      above: 0,
    });
  }

  private widgets({ metrics }: Blueprint): IWidget[] {
    return [
      graph('Captured', [
        metrics.of('capture', 'captured').with({ label: 'captured' }),
        metrics.of('capture', 'capture_failed').with({ label: 'failed open' }),
      ]),
      graph('Time added to a sign-in, milliseconds', [
        metrics.of('capture', 'capture_milliseconds', 'p50').with({ label: 'median' }),
        metrics.of('capture', 'capture_milliseconds', 'p99').with({ label: '99 of 100' }),
      ]),
      graph('Calls', [
        this.function.metricInvocations({ label: 'calls' }),
        this.function.metricErrors({ label: 'errors' }),
        this.function.metricThrottles({ label: 'throttles' }),
      ]),
      graph('Duration, milliseconds', [
        this.function.metricDuration({ statistic: 'p50', label: 'median' }),
        this.function.metricDuration({ statistic: 'Maximum', label: 'longest' }),
      ]),
    ];
  }
}
