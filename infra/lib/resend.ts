/**
 * resend: a clock that asks apply, every few minutes, to send again the marks that are due. It is
 * what finds a change whose message was lost, ran out of tries, or never came to be.
 */
import { Duration } from 'aws-cdk-lib';
import type { IWidget } from 'aws-cdk-lib/aws-cloudwatch';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { Function } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

import { watch } from './alarm';
import type { Blueprint } from './blueprint';
import { graph } from './dashboard';

const EVERY = Duration.minutes(5);

// What apply tells from a batch of changes: it bears no `Records`.
const EVENT = { poolbridge: 'resend' };

// A change has its tries in the queue within 15 minutes; after that it travels with this clock.
// Twice that much, and it does not travel.
const AGE_LIMIT = Duration.minutes(30);

export interface ResendProps {
  /** apply itself. */
  readonly function: Function;
}

export class Resend extends Construct {
  readonly dashboardRow: IWidget[];

  constructor(scope: Construct, id: string, blueprint: Blueprint, props: ResendProps) {
    super(scope, id);
    // A call that found no room is of no use once the next one is due; it brings its own.
    props.function.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: EVERY });
    new Rule(this, 'Rule', {
      ruleName: `${blueprint.configuration.name}-resend`,
      description: 'Has apply send again the changes that are marked and due',
      schedule: Schedule.rate(EVERY),
      targets: [
        new LambdaFunction(props.function, {
          event: RuleTargetInput.fromObject(EVENT),
          retryAttempts: 0,
          maxEventAge: EVERY,
        }),
      ],
    });
    const oldest = blueprint.metrics.of('apply', 'oldest_mark_seconds', 'Maximum');
    watch(this, blueprint, {
      article: 'marks-are-old',
      says: 'A captured change is not in the other pool after 30 minutes, or nobody looks.',
      metric: oldest,
      above: AGE_LIMIT.toSeconds(),
      // Every call tells it. If none does, the clock stands still, or the table does not answer. A
      // call may fall to either side of a period's edge: only three empty ones in a row count.
      silenceIsFault: true,
      periods: 3,
    });
    watch(this, blueprint, {
      article: 'pool-restored',
      says: 'A pool was restored to a point in time, or deleted. Only disables are written.',
      // Told by every call until an operator decides, so the alarm lasts as long.
      metric: blueprint.metrics.of('apply', 'undecided_restores', 'Maximum')
        .with({ period: Duration.minutes(10) }),
      above: 0,
    });
    watch(this, blueprint, {
      article: 'other-configuration',
      says: 'For 15 minutes apply has run another bridge.toml than the one in force: edits wait.',
      metric: blueprint.metrics.of('apply', 'other_configuration', 'Maximum'),
      above: 0,
      // A deployment and the `poolbridge resume` after it take a few minutes.
      periods: 3,
    });
    this.dashboardRow = [
      graph('Marked accounts', [
        blueprint.metrics.of('apply', 'marks', 'Maximum').with({ label: 'marks' }),
      ]),
      graph('Age of the oldest mark, seconds', [oldest.with({ label: 'oldest' })]),
    ];
  }
}
