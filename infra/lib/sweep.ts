/**
 * sweep: compares both pools with the baseline, and sends the people who differ to apply. It lists
 * accounts, for which AWS bills no user, and writes to no pool. A schedule calls it at least every
 * 15 minutes. It continues the current pass, begins the next one if it is due, or ends at once.
 */
import { Duration } from 'aws-cdk-lib';
import type { IWidget } from 'aws-cdk-lib/aws-cloudwatch';
import type { Role } from 'aws-cdk-lib/aws-iam';
import type { Function } from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { Construct } from 'constructs';

import { addAlarm } from './alarm';
import type { BridgeProps, CaptureArns } from './bridge-props';
import { graph } from './dashboard';
import { FailedEvents } from './failed-events';
import { allow } from './grant';
import { RustFunction } from './rust-function';
import { addSchedule } from './schedule';
import type { SharedResources } from './shared-resources';
import { sweepGrants } from './user-pool';

// The longest run that Lambda allows. A call lasts until the next one is due, so a pass of a large
// pool continues without a gap, and no two calls overlap.
const INTERVAL_MAX = Duration.minutes(15);
// The shortest interval of an EventBridge schedule.
const INTERVAL_MIN = Duration.minutes(1);

// A pass of a large pool takes hours. After two days, something is wrong.
const PASS_MAX = Duration.days(2);

// At least four calls, so that the alarm lasts as long as its cause and one slow call does not fire
// it.
const ALARM_PERIOD = Duration.hours(1);

/**
 * How often the function is called. A pass that is due every five minutes needs a shorter interval.
 */
function callInterval(everySeconds: number | undefined): Duration {
  const minutes = Math.floor((everySeconds ?? Infinity) / 60);
  const longest = Math.min(minutes, INTERVAL_MAX.toMinutes());
  return Duration.minutes(Math.max(longest, INTERVAL_MIN.toMinutes()));
}

export class Sweep extends Construct {
  readonly role: Role;
  readonly dashboardRow: IWidget[];

  constructor(
    scope: Construct,
    id: string,
    bridge: BridgeProps,
    { state, changes, bulk }: SharedResources,
    captures: CaptureArns,
  ) {
    super(scope, id);
    const { configuration } = bridge;
    const every = callInterval(configuration.sweepEvery);
    const failed = new FailedEvents(this, 'Failed', bridge, {
      program: 'sweep',
      description: 'A call of the sweep failed. The next call continues where this one stopped.',
    });
    const { function: sweep, role } = new RustFunction(this, 'Sweep', bridge, {
      program: 'sweep',
      description: 'Compares both pools with the baseline, and sends the people who differ',
      timeout: every,
      memorySize: 256,
      environment: {
        POOLBRIDGE_TABLE: state.table.tableName,
        POOLBRIDGE_QUEUE_URL: changes.queue.queueUrl,
        POOLBRIDGE_BULK_QUEUE_URL: bulk.queue.queueUrl,
        POOLBRIDGE_KEY: state.secret.secretArn,
        POOLBRIDGE_CAPTURE_OLD: captures.old,
        POOLBRIDGE_CAPTURE_NEW: captures.new,
      },
    });
    this.role = role;
    state.grantSweep(role);
    bulk.grantSending(role);
    allow(role, ...sweepGrants(this, configuration));
    // No reserved concurrency: Lambda refuses it if too little would be left for other functions,
    // as in every new account, and CDK cannot see that. Two sweeps at once would list twice. The
    // cursor lets only one of them write, and apply tolerates messages that both send.
    addSchedule(this, {
      function: sweep,
      ruleName: `${configuration.name}-sweep`,
      description: 'Calls the sweep to continue a pass, or to begin one that is due',
      every,
      event: { poolbridge: 'sweep' },
      enabled: configuration.sweepEvery !== undefined,
      onFailure: new SqsDestination(failed.queue),
    });
    this.addAlarms(bridge);
    this.dashboardRow = this.widgets(bridge, sweep);
  }

  private addAlarms(bridge: BridgeProps): void {
    const { metrics } = bridge;
    const { sweepEvery } = bridge.configuration;
    const period = ALARM_PERIOD;
    if (sweepEvery !== undefined) {
      addAlarm(this, bridge, 'sweep-overdue', {
        description: 'The last pass of the sweep began more than `[sweep] every` plus 2 days ago, '
          + 'or the sweep has not reported for 1 hour.',
        metric: metrics.of('sweep', 'sweep_since_pass_seconds', 'Maximum').with({ period }),
        threshold: Math.round(sweepEvery) + PASS_MAX.toSeconds(),
        // Every call publishes this metric.
        missingIsBreaching: true,
      });
    }
    addAlarm(this, bridge, 'sweep-errors', {
      description: 'Calls of the sweep have failed for 3 hours. The sweep detects changes late.',
      metric: metrics.of('sweep', 'sweep_faults').with({ period }),
      // A call fails from time to time, and the next one continues.
      periods: 3,
    });
    addAlarm(this, bridge, 'sweep-listing-incomplete', {
      description: 'A listing of the sweep ended early, or misses too many accounts. The sweep '
        + 'concludes nothing from the missing accounts.',
      metric: metrics.of('sweep', 'sweep_unconcluded'),
    });
    addAlarm(this, bridge, 'sweep-uncovered', {
      description: 'The sweep found accounts whose `sub` starts with none of its prefixes.',
      metric: metrics.of('sweep', 'sweep_uncovered'),
    });
    addAlarm(this, bridge, 'triggers-missing', {
      description: 'At least one trigger of a pool does not call capture, although it should.',
      metric: metrics.of('sweep', 'triggers_missing', 'Maximum').with({ period }),
    });
  }

  private widgets({ metrics }: BridgeProps, sweep: Function): IWidget[] {
    return [
      graph('Accounts compared', [
        metrics.of('sweep', 'sweep_accounts').with({ label: 'compared' }),
        metrics.of('sweep', 'sweep_differing').with({ label: 'differing' }),
        metrics.of('sweep', 'sweep_unknown').with({ label: 'not known yet' }),
        metrics.of('sweep', 'sweep_missing').with({ label: 'missing' }),
      ]),
      graph('Pages listed', [metrics.of('sweep', 'sweep_pages').with({ label: 'pages' })]),
      graph('Since the last pass began, seconds', [
        metrics.of('sweep', 'sweep_since_pass_seconds', 'Maximum').with({ label: 'last pass' }),
      ]),
      graph('Calls', [
        sweep.metricInvocations({ label: 'calls' }),
        sweep.metricErrors({ label: 'crashes' }),
        metrics.of('sweep', 'sweep_faults').with({ label: 'errors' }),
        metrics.of('sweep', 'triggers_missing', 'Maximum').with({ label: 'triggers missing' }),
      ]),
    ];
  }
}
