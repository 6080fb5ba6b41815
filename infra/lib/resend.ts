/**
 * resend: a schedule on which apply sends pending changes again that are due. It recovers a change
 * whose message was lost, used up its tries, or was never sent.
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

// The event by which apply tells this call from a batch of changes: it has no `Records`.
const EVENT = { poolbridge: 'resend' };

// A change uses up its tries in the queue within 15 minutes. After that, this schedule sends it
// again. After twice that time, something is wrong.
const AGE_LIMIT = Duration.minutes(30);

export interface ResendProps {
  /** The function `apply`. */
  readonly function: Function;
}

export class Resend extends Construct {
  readonly dashboardRow: IWidget[];

  constructor(scope: Construct, id: string, blueprint: Blueprint, props: ResendProps) {
    super(scope, id);
    // A call that found no capacity is useless once the next one is due.
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
      // Every call publishes it. If none does, the schedule has stopped or the table does not
      // answer. A call may fall on either side of a period's edge, so only three missing values in
      // a row count.
      silenceIsFault: true,
      periods: 3,
    });
    watch(this, blueprint, {
      article: 'pool-restored',
      says: 'A pool was restored to a point in time, or deleted. Only disables are written.',
      // Every call publishes it until an operator decides, so the alarm lasts as long.
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
