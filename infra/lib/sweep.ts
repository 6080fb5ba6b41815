/**
 * sweep: compares both pools with the baseline, and sends the people who differ to apply. It lists
 * accounts, which bills no user, and writes to no pool. A schedule calls it at least every 15
 * minutes. It continues the current pass, begins the next one if it is due, or ends at once.
 */
import { Duration } from 'aws-cdk-lib';
import type { IWidget } from 'aws-cdk-lib/aws-cloudwatch';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { Role } from 'aws-cdk-lib/aws-iam';
import type { Function } from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { Construct } from 'constructs';

import { watch } from './alarm';
import type { Blueprint } from './blueprint';
import type { BulkQueue } from './bulk-queue';
import type { ChangeQueue } from './change-queue';
import type { Side } from './configuration';
import { graph } from './dashboard';
import { FailedEvents } from './failed-events';
import { RustFunction } from './rust-function';
import type { StateTable } from './state-table';
import { sweepGrant } from './user-pool';

// The longest run that Lambda allows. A call lasts until the next one is due, so a pass of a large
// pool continues without a gap, and no two calls overlap.
const TICK_LONGEST = Duration.minutes(15);
// The shortest interval of an EventBridge schedule.
const TICK_SHORTEST = Duration.minutes(1);

const EVENT = { poolbridge: 'sweep' };

// A pass of a large pool takes hours. After two days, something is wrong.
const PASS_LONGEST = Duration.days(2);

// At least four calls, so that the alarm lasts as long as its cause and one slow call does not fire
// it.
const LOOK_BACK = Duration.hours(1);

/**
 * How often the function is called. A pass that is due every five minutes needs a shorter interval.
 */
function tick(everySeconds: number | undefined): Duration {
  const minutes = Math.floor((everySeconds ?? Infinity) / 60);
  const longest = Math.min(minutes, TICK_LONGEST.toMinutes());
  return Duration.minutes(Math.max(longest, TICK_SHORTEST.toMinutes()));
}

export interface SweepProps {
  readonly state: StateTable;
  readonly changes: ChangeQueue;
  readonly bulk: BulkQueue;
  /** The capture function of each pool, by its ARN. */
  readonly captures: Readonly<Record<Side, string>>;
}

export class Sweep extends Construct {
  readonly function: Function;
  readonly role: Role;
  readonly dashboardRow: IWidget[];

  constructor(scope: Construct, id: string, blueprint: Blueprint, props: SweepProps) {
    super(scope, id);
    const { state, changes, bulk, captures } = props;
    const { configuration } = blueprint;
    const every = tick(configuration.sweepEvery);
    const failed = new FailedEvents(this, 'Failed', blueprint, {
      program: 'sweep',
      says: 'The sweep broke off. Its next call goes on where it had come to.',
    });
    const { function: itself, role } = new RustFunction(this, 'Sweep', blueprint, {
      program: 'sweep',
      description: 'Compares both pools with what was agreed, and sends who differs',
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
    this.function = itself;
    this.role = role;
    state.grantComparing(role);
    bulk.grantSending(role);
    for (const pool of configuration.pools) {
      role.addToPrincipalPolicy(sweepGrant(this, pool, configuration));
    }
    // No reserved concurrency: Lambda refuses it if too little would be left for other functions,
    // as in every new account, and CDK cannot see that. Two sweeps at once would list twice. The
    // cursor lets only one of them write, and apply processes twice what both send.
    itself.configureAsyncInvoke({
      retryAttempts: 0,
      maxEventAge: every,
      onFailure: new SqsDestination(failed.queue),
    });
    new Rule(this, 'Rule', {
      ruleName: `${configuration.name}-sweep`,
      description: 'Has the sweep go on, or begin when it is due',
      schedule: Schedule.rate(every),
      enabled: configuration.sweepEvery !== undefined,
      targets: [
        new LambdaFunction(itself, {
          event: RuleTargetInput.fromObject(EVENT),
          retryAttempts: 0,
          maxEventAge: every,
        }),
      ],
    });
    this.watchItself(blueprint);
    this.dashboardRow = this.widgets(blueprint);
  }

  private watchItself(blueprint: Blueprint): void {
    const { metrics } = blueprint;
    const { sweepEvery } = blueprint.configuration;
    if (sweepEvery !== undefined) {
      watch(this, blueprint, {
        article: 'sweep-overdue',
        says: 'The sweep is silent, or its last pass began two days earlier than it should have.',
        metric: metrics.of('sweep', 'sweep_since_pass_seconds', 'Maximum')
          .with({ period: LOOK_BACK }),
        above: Math.round(sweepEvery) + PASS_LONGEST.toSeconds(),
        // Every call publishes it. If none does, the schedule has stopped.
        silenceIsFault: true,
      });
    }
    watch(this, blueprint, {
      article: 'sweep-faults',
      says: 'For three hours the sweep has met with faults: what it notices comes late.',
      metric: metrics.of('sweep', 'sweep_faults').with({ period: LOOK_BACK }),
      above: 0,
      // A call fails from time to time, and the next one continues.
      periods: 3,
    });
    watch(this, blueprint, {
      article: 'sweep-listing-suspicious',
      says: 'A listing broke off or shrank, so the sweep concluded nothing from who is missing.',
      metric: metrics.of('sweep', 'sweep_unconcluded'),
      above: 0,
    });
    watch(this, blueprint, {
      article: 'sweep-uncovered',
      says: 'Accounts were met that no prefix of the sweep covers.',
      metric: metrics.of('sweep', 'sweep_uncovered'),
      above: 0,
    });
    watch(this, blueprint, {
      article: 'triggers-missing',
      says: 'A pool does not call capture any more where it should.',
      metric: metrics.of('sweep', 'triggers_missing', 'Maximum').with({ period: LOOK_BACK }),
      above: 0,
    });
  }

  private widgets({ metrics }: Blueprint): IWidget[] {
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
        this.function.metricInvocations({ label: 'calls' }),
        this.function.metricErrors({ label: 'errors' }),
        metrics.of('sweep', 'sweep_faults').with({ label: 'faults' }),
        metrics.of('sweep', 'triggers_missing', 'Maximum').with({ label: 'triggers missing' }),
      ]),
    ];
  }
}
