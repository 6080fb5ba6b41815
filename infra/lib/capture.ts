/**
 * capture: the pools' own trigger. It runs inside people's sign-ups and sign-ins, so it has few
 * permissions. It may store a pending change, send a change, and call the chained functions. As the
 * sign-up guard it may list the other pool and read the table.
 */
import { Annotations, Duration } from 'aws-cdk-lib';
import { type IMetric, type IWidget, MathExpression } from 'aws-cdk-lib/aws-cloudwatch';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Function, IFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

import { watch } from './alarm';
import type { Blueprint } from './blueprint';
import type { ChangeQueue } from './change-queue';
import type { PoolConfiguration, Side } from './configuration';
import { graph } from './dashboard';
import { RustFunction } from './rust-function';
import type { StateTable } from './state-table';
import { guardGrants, outOfReach, userPoolArn } from './user-pool';

// Cognito gives up after 5 seconds, and the program limits its own work to well below that. A
// chained function may take all of those 5 seconds, and this time-out must not cut off an answer
// that comes in time.
const TIMEOUT = Duration.seconds(10);

// Lambda assigns processor power by memory: a whole processor at 1,769 MB. The program needs little
// memory. But a person waits while the first event of each instance opens its encrypted
// connections, within Cognito's 5 seconds. At 128 MB it would have a fourteenth of a processor.
const MEMORY = 512;

export interface CaptureFunctionProps {
  /** Its name and its role's name, if not the default of bridge name and program. */
  readonly functionName?: string;
  /** The pools whose triggers call it. */
  readonly pools: readonly PoolConfiguration[];
  readonly environment: Record<string, string>;
}

/**
 * The function itself, in any stack. It may write its log and call the chained functions. The pools
 * that it serves may call it.
 */
export class CaptureFunction extends RustFunction {
  constructor(scope: Construct, blueprint: Blueprint, props: CaptureFunctionProps) {
    const { pools, functionName, environment } = props;
    super(scope, 'Capture', blueprint, {
      program: 'capture',
      description: 'Marks an account whose sign-up or password was confirmed, and sends the change',
      timeout: TIMEOUT,
      memorySize: MEMORY,
      ...(functionName === undefined ? {} : { functionName, roleName: functionName }),
      environment,
    });
    const chained = pools.flatMap((pool) => pool.chained);
    if (chained.length > 0) {
      this.role.addToPrincipalPolicy(new PolicyStatement({
        sid: 'CallTheTeamsFunctions',
        actions: ['lambda:InvokeFunction'],
        resources: [...new Set(chained)],
      }));
    }
    for (const pool of pools) {
      // The pool's ARN names its account, so a pool with the same id elsewhere cannot call it.
      this.function.addPermission(`${pool.side}-pool`, {
        principal: new ServicePrincipal('cognito-idp.amazonaws.com'),
        sourceArn: userPoolArn(this, pool),
      });
    }
  }
}

/** Creates the alarms of a capture, in its own stack, because metrics stay in their Region. */
export function watchCapture(
  scope: Construct,
  blueprint: Blueprint,
  capture: IFunction,
  suffix?: Side,
): void {
  const { metrics } = blueprint;
  const named = suffix === undefined ? {} : { suffix };
  watch(scope, blueprint, {
    ...named,
    article: 'capture-errors',
    says: 'capture broke off, so people may be failing to sign up, sign in or set a password.',
    metric: crashes(blueprint, capture),
    above: 0,
  });
  watch(scope, blueprint, {
    ...named,
    article: 'capture-throttles',
    says: 'Lambda had no room for capture, so people may be failing to sign up or sign in.',
    metric: capture.metricThrottles({ period: Duration.minutes(1) }),
    above: 0,
  });
  watch(scope, blueprint, {
    ...named,
    article: 'capture-failed-open',
    says: 'capture let people through but could not note their change everywhere it should.',
    metric: metrics.of('capture', 'capture_failed'),
    above: 0,
  });
  watch(scope, blueprint, {
    ...named,
    article: 'guard-failed-open',
    says: 'The guard could not judge a sign-up, and let it through: an address may be taken.',
    metric: metrics.of('capture', 'guard_failed_open'),
    above: 0,
  });
  watch(scope, blueprint, {
    ...named,
    article: 'chain-failed',
    says: 'A function of the team\'s that capture calls could not be called: people see errors.',
    metric: metrics.of('capture', 'chain_failed'),
    above: 0,
  });
}

/**
 * Errors that capture did not return on purpose. Lambda also counts a sign-up as an error if the
 * guard or the chained function refuses it, and that must not wake the person on call.
 *
 * Lambda counts at the start of a call and capture at its end. So a call across the turn of a
 * minute counts as a crash: that is rare, and better than a late alarm for a real one.
 */
function crashes({ metrics, settings }: Blueprint, capture: IFunction): IMetric {
  const period = Duration.minutes(1);
  const errors = capture.metricErrors({ period });
  if (settings.removable) {
    // A demonstration runs on a local stack, which does not support metric math.
    return errors;
  }
  return new MathExpression({
    expression: 'errors - FILL(answered, 0)',
    label: 'crashes',
    period,
    usingMetrics: {
      errors,
      answered: metrics.of('capture', 'errors_answered').with({ period }),
    },
  });
}

/** The metrics of a capture, for the dashboard; `region` if it runs in another one. */
export function captureWidgets(
  { metrics }: Blueprint,
  capture: IFunction,
  region?: string,
): IWidget[] {
  const own = (name: string, label: string, statistic = 'Sum'): IMetric =>
    metrics.of('capture', name, statistic, region).with({ label });
  const there = region === undefined ? {} : { region };
  return [
    graph('Captured, and sign-ups that were judged', [
      own('captured', 'captured'),
      own('capture_failed', 'failed open'),
      own('guard_refused', 'sign-ups refused'),
      own('guard_failed_open', 'sign-ups not judged'),
    ]),
    graph('Time added to a sign-in, milliseconds', [
      own('capture_milliseconds', 'median', 'p50'),
      own('capture_milliseconds', '99 of 100', 'p99'),
    ]),
    graph('Calls', [
      capture.metricInvocations({ label: 'calls', ...there }),
      capture.metricErrors({ label: 'errors', ...there }),
      own('errors_answered', 'errors on purpose'),
      own('chain_failed', 'the team\'s function not called'),
      capture.metricThrottles({ label: 'throttles', ...there }),
    ]),
    graph('Duration, milliseconds', [
      capture.metricDuration({ statistic: 'p50', label: 'median', ...there }),
      capture.metricDuration({ statistic: 'Maximum', label: 'longest', ...there }),
    ]),
  ];
}

export interface CaptureProps {
  readonly state: StateTable;
  readonly changes: ChangeQueue;
}

/** The capture of the bridge's own stack, for the pools that can reach it. */
export class Capture extends Construct {
  readonly function: Function;
  readonly dashboardRow: IWidget[];

  constructor(scope: Construct, id: string, blueprint: Blueprint, props: CaptureProps) {
    super(scope, id);
    const { state, changes } = props;
    const { configuration, settings } = blueprint;
    const pools = configuration.pools.filter((pool) => {
      const obstacle = outOfReach(pool, settings);
      if (obstacle !== undefined) {
        Annotations.of(this).addInfoV2(
          `poolbridge:${pool.side}-pool-out-of-reach`,
          `${obstacle}: its triggers cannot call capture. `
            + 'They call the capture of the small stack over there.',
        );
      }
      return obstacle === undefined;
    });
    const { function: itself, role } = new CaptureFunction(this, blueprint, {
      pools,
      environment: {
        POOLBRIDGE_TABLE: state.table.tableName,
        POOLBRIDGE_QUEUE_URL: changes.queue.queueUrl,
      },
    });
    this.function = itself;
    state.grantMarking(role);
    changes.grantSending(role);
    const sides = pools.map(({ side }) => side);
    guardGrants(this, configuration, sides, state.table.tableArn)
      .forEach((grant) => role.addToPrincipalPolicy(grant));
    watchCapture(this, blueprint, this.function);
    this.dashboardRow = captureWidgets(blueprint, this.function);
  }
}
