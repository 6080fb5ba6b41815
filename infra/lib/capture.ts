/**
 * capture: the pools' own trigger. It stands inside people's sign-ups and sign-ins, so it may leave a
 * mark and send a change, call the functions that stood there before it, and, as the guard of
 * sign-ups, look into the pools' listings and the table; nothing else.
 */
import { Annotations, Duration } from 'aws-cdk-lib';
import type { IWidget } from 'aws-cdk-lib/aws-cloudwatch';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Function } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

import { watch } from './alarm';
import type { Blueprint } from './blueprint';
import type { ChangeQueue } from './change-queue';
import type { Side } from './configuration';
import { graph } from './dashboard';
import { RustFunction } from './rust-function';
import type { StateTable } from './state-table';
import { guardGrants, outOfReach, userPoolArn } from './user-pool';

// Cognito gives up after 5 seconds whatever stands here; the program bounds its own work well below.
// A function of the team's may take all of those 5 seconds, and an answer that comes in time must
// not be cut off by a time-out of ours.
const TIMEOUT = Duration.seconds(10);

export interface CaptureProps {
  readonly state: StateTable;
  readonly changes: ChangeQueue;
}

/** What is particular about one such function. */
export interface CaptureFunctionProps {
  readonly functionName?: string;
  /** The pools whose triggers call it. */
  readonly sides: readonly Side[];
  readonly environment: Record<string, string>;
}

/** The function by itself: it may write its log, and call what it is to call beside its work. */
export function captureFunction(
  scope: Construct,
  blueprint: Blueprint,
  { sides, functionName, environment }: CaptureFunctionProps,
): RustFunction {
  const made = new RustFunction(scope, 'Capture', blueprint, {
    program: 'capture',
    description: 'Marks an account whose sign-up or password was confirmed, and sends the change',
    timeout: TIMEOUT,
    memorySize: 128,
    ...(functionName === undefined ? {} : { functionName, roleName: functionName }),
    environment,
  });
  const chained = blueprint.configuration.pools
    .filter(({ side }) => sides.includes(side))
    .flatMap((pool) => pool.chained);
  if (chained.length > 0) {
    made.role.addToPrincipalPolicy(new PolicyStatement({
      sid: 'CallTheTeamsFunctions',
      actions: ['lambda:InvokeFunction'],
      resources: [...new Set(chained)],
    }));
  }
  return made;
}

export class Capture extends Construct {
  readonly function: Function;
  readonly dashboardRow: IWidget[];

  constructor(scope: Construct, id: string, blueprint: Blueprint, props: CaptureProps) {
    super(scope, id);
    const { state, changes } = props;
    const served = blueprint.configuration.pools
      .filter((pool) => outOfReach(this, pool) === undefined)
      .map(({ side }) => side);
    const { function: itself, role } = captureFunction(this, blueprint, {
      sides: served,
      environment: {
        POOLBRIDGE_TABLE: state.table.tableName,
        POOLBRIDGE_QUEUE_URL: changes.queue.queueUrl,
      },
    });
    this.function = itself;
    state.grantMarking(role);
    changes.grantSending(role);
    guardGrants(this, blueprint.configuration, state.table.tableArn)
      .forEach((grant) => role.addToPrincipalPolicy(grant));
    this.letPoolsIn(blueprint);
    this.watchItself(blueprint);
    this.watchGuard(blueprint);
    this.dashboardRow = this.widgets(blueprint);
  }

  private letPoolsIn(blueprint: Blueprint): void {
    for (const pool of blueprint.configuration.pools) {
      const obstacle = outOfReach(this, pool);
      if (obstacle !== undefined) {
        Annotations.of(this).addInfoV2(
          `poolbridge:${pool.side}-pool-out-of-reach`,
          `${obstacle}: its triggers cannot call capture. `
            + 'They call the capture of the small stack over there.',
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

  private watchGuard(blueprint: Blueprint): void {
    watch(this, blueprint, {
      article: 'guard-failed-open',
      says: 'The guard could not judge a sign-up, and let it through: an address may be taken.',
      metric: blueprint.metrics.of('capture', 'guard_failed_open'),
      above: 0,
    });
    watch(this, blueprint, {
      article: 'chain-failed',
      says: 'A function of the team\'s that capture calls could not be called: people see errors.',
      metric: blueprint.metrics.of('capture', 'chain_failed'),
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
