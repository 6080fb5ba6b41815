/**
 * sweep: compares both pools with what was agreed, and sends who differs to be looked at. It lists,
 * which bills nobody, and writes no pool. A clock calls it every quarter of an hour; it goes on with
 * the pass that is under way, begins the next when it is due, or goes home again.
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

// The longest that Lambda allows, and how often it is called: passes of large pools go on at once.
const EVERY = Duration.minutes(15);

const EVENT = { poolbridge: 'sweep' };

// Two days without a whole pass: the pools may have drifted apart unseen.
const AGE_LIMIT = Duration.days(2);

export interface SweepProps {
  readonly state: StateTable;
  readonly changes: ChangeQueue;
  readonly bulk: BulkQueue;
  /** The function that serves each pool's triggers, by its ARN. */
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
    const failed = new FailedEvents(this, 'Failed', blueprint, {
      program: 'sweep',
      says: 'The sweep broke off although it was called again.',
    });
    const { function: itself, role } = new RustFunction(this, 'Sweep', blueprint, {
      program: 'sweep',
      description: 'Compares both pools with what was agreed, and sends who differs',
      timeout: EVERY,
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
    // No reserved concurrency: an account has ten to give away at first, and CDK cannot see that.
    // Two sweeps at once list twice and send twice; a lease in the table keeps the second one off.
    itself.configureAsyncInvoke({
      retryAttempts: 0,
      maxEventAge: EVERY,
      onFailure: new SqsDestination(failed.queue),
    });
    new Rule(this, 'Rule', {
      ruleName: `${configuration.name}-sweep`,
      description: 'Has the sweep go on, or begin when it is due',
      schedule: Schedule.rate(EVERY),
      enabled: configuration.sweep,
      targets: [
        new LambdaFunction(itself, {
          event: RuleTargetInput.fromObject(EVENT),
          retryAttempts: 0,
          maxEventAge: EVERY,
        }),
      ],
    });
    this.watchItself(blueprint);
    this.dashboardRow = this.widgets(blueprint);
  }

  private watchItself(blueprint: Blueprint): void {
    const { metrics } = blueprint;
    watch(this, blueprint, {
      article: 'sweep-overdue',
      says: 'No pass of the sweep has come to its end for two days.',
      metric: metrics.of('sweep', 'sweep_age_seconds', 'Maximum'),
      above: AGE_LIMIT.toSeconds(),
    });
    watch(this, blueprint, {
      article: 'sweep-listing-suspicious',
      says: 'A listing broke off or shrank, so the sweep concluded nothing from who is missing.',
      metric: metrics.of('sweep', 'sweep_suspicious'),
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
      metric: metrics.of('sweep', 'triggers_missing', 'Maximum'),
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
      graph('Since the last whole pass, seconds', [
        metrics.of('sweep', 'sweep_age_seconds', 'Maximum').with({ label: 'age' }),
      ]),
      graph('Calls', [
        this.function.metricInvocations({ label: 'calls' }),
        this.function.metricErrors({ label: 'errors' }),
      ]),
    ];
  }
}
