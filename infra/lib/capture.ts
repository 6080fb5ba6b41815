/**
 * capture: the pools' own trigger. It runs inside sign-ups and sign-ins, so it has few permissions.
 * It may store a pending change, send a change, and call the chained functions. As the sign-up
 * guard it may list the other pool and read the table.
 */
import { Annotations, Duration } from 'aws-cdk-lib';
import { type IMetric, type IWidget, MathExpression } from 'aws-cdk-lib/aws-cloudwatch';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Function, IFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

import { addAlarm } from './alarm';
import type { BridgeProps } from './bridge-props';
import type { PoolConfiguration, Side } from './configuration';
import { graph } from './dashboard';
import { allow } from './grant';
import { RustFunction } from './rust-function';
import type { SharedResources } from './shared-resources';
import { guardGrants, reachProblem, userPoolArn } from './user-pool';

// Cognito gives up after 5 seconds, and the program limits its own work to well below that. A
// chained function may take all of those 5 seconds, and this time-out must not cut off an answer
// that comes in time.
const TIMEOUT = Duration.seconds(10);

// Lambda assigns processor power by memory: a whole processor at 1,769 MB. The program needs little
// memory. But a person waits while the first event of each instance opens its encrypted
// connections, within Cognito's 5 seconds. At 128 MB it would have a fourteenth of a processor.
const MEMORY = 512;

export interface CaptureFunctionProps {
  /** See RustFunctionProps. */
  readonly functionName?: string;
  /** The pools whose triggers call it. */
  readonly pools: readonly PoolConfiguration[];
  readonly environment: Record<string, string>;
}

/** The function itself, in any stack, with the grant for its chained functions. */
export class CaptureFunction extends RustFunction {
  constructor(scope: Construct, bridge: BridgeProps, props: CaptureFunctionProps) {
    const { pools, functionName, environment } = props;
    super(scope, 'Capture', bridge, {
      program: 'capture',
      description: 'Stores and sends a change when a sign-up or a password is confirmed',
      timeout: TIMEOUT,
      memorySize: MEMORY,
      functionName,
      environment,
    });
    const chained = pools.flatMap((pool) => pool.chained);
    if (chained.length > 0) {
      allow(this.role, {
        sid: 'InvokeChainedFunctions',
        actions: ['lambda:InvokeFunction'],
        resources: [...new Set(chained)],
      });
    }
    for (const pool of pools) {
      // The ARN names the account, so a pool with the same id in another account cannot call it.
      this.function.addPermission(`${pool.side}-pool`, {
        principal: new ServicePrincipal('cognito-idp.amazonaws.com'),
        sourceArn: userPoolArn(this, pool),
      });
    }
  }
}

/** Creates the alarms of a capture, in its own stack, because metrics stay in their Region. */
export function addCaptureAlarms(
  scope: Construct,
  bridge: BridgeProps,
  capture: IFunction,
  nameSuffix?: Side,
): void {
  const add = (runbookArticle: string, metric: IMetric, description: string): void =>
    addAlarm(scope, bridge, runbookArticle, { metric, description, nameSuffix });
  const { metrics } = bridge;
  add('capture-errors', crashes(bridge, capture),
    'capture crashed or timed out. People may fail to sign up, sign in or set a password.');
  add('capture-throttles', capture.metricThrottles({ period: Duration.minutes(1) }),
    'Lambda throttles capture. People may fail to sign up or sign in.');
  add('capture-failed-open', metrics.of('capture', 'capture_failed'),
    'capture let a person continue, but failed to store the change, to send it, or both.');
  add('guard-failed-open', metrics.of('capture', 'guard_failed_open'),
    'The sign-up guard got no answer and let a sign-up pass. The new account may hold a name that '
      + 'a person of the other pool signs in by.');
  add('chained-function-failed', metrics.of('capture', 'chain_failed'),
    'capture could not call a chained function. People fail to sign up or sign in.');
}

/**
 * Errors that capture did not return on purpose. Lambda also counts a sign-up as an error if the
 * guard or the chained function refuses it, and that is no failure of capture.
 *
 * Lambda counts at the start of a call and capture at its end. So a refused call that spans two
 * minutes counts as a crash. That is rare, and better than a late alarm for a real crash.
 */
function crashes({ metrics, settings }: BridgeProps, capture: IFunction): IMetric {
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

/** The metrics of a capture for the dashboard, with its Region if that is another one. */
export function captureWidgets(
  { metrics }: BridgeProps,
  capture: IFunction,
  region?: string,
): IWidget[] {
  const own = (name: string, label: string, statistic = 'Sum'): IMetric =>
    metrics.of('capture', name, statistic, region).with({ label });
  const inRegion = region === undefined ? {} : { region };
  return [
    graph('Captured changes, and decisions of the sign-up guard', [
      own('captured', 'captured'),
      own('capture_failed', 'failed open'),
      own('guard_refused', 'sign-ups refused'),
      own('guard_failed_open', 'sign-ups passed without an answer'),
    ]),
    graph('Time added to a sign-in, milliseconds', [
      own('capture_milliseconds', 'median', 'p50'),
      own('capture_milliseconds', '99th percentile', 'p99'),
    ]),
    graph('Calls', [
      capture.metricInvocations({ label: 'calls', ...inRegion }),
      capture.metricErrors({ label: 'errors', ...inRegion }),
      own('errors_answered', 'errors on purpose'),
      own('chain_failed', 'chained function not called'),
      capture.metricThrottles({ label: 'throttles', ...inRegion }),
    ]),
    graph('Duration, milliseconds', [
      capture.metricDuration({ statistic: 'p50', label: 'median', ...inRegion }),
      capture.metricDuration({ statistic: 'Maximum', label: 'longest', ...inRegion }),
    ]),
  ];
}

/** The capture of the bridge's own stack, for the pools whose triggers can call it. */
export class Capture extends Construct {
  readonly function: Function;
  readonly dashboardRow: IWidget[];

  constructor(scope: Construct, id: string, bridge: BridgeProps, shared: SharedResources) {
    super(scope, id);
    const { state, changes } = shared;
    const { configuration, settings } = bridge;
    const pools = configuration.pools.filter((pool) => {
      const problem = reachProblem(pool, settings);
      if (problem !== undefined) {
        Annotations.of(this).addInfoV2(
          `poolbridge:${pool.side}-pool-out-of-reach`,
          `${problem}. Its triggers call the capture function of its own capture stack.`,
        );
      }
      return problem === undefined;
    });
    const capture = new CaptureFunction(this, bridge, {
      pools,
      environment: {
        POOLBRIDGE_TABLE: state.table.tableName,
        POOLBRIDGE_QUEUE_URL: changes.queue.queueUrl,
      },
    });
    this.function = capture.function;
    state.grantPendingChanges(capture.role);
    changes.grantSending(capture.role);
    const sides = pools.map(({ side }) => side);
    allow(capture.role, ...guardGrants(this, configuration, sides, state.table.tableArn));
    addCaptureAlarms(this, bridge, this.function);
    this.dashboardRow = captureWidgets(bridge, this.function);
  }
}
