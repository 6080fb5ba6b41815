/**
 * resend: a schedule on which apply sends due pending changes again. It recovers a change whose
 * message was lost, used up its receives, or was never sent.
 */
import { Duration } from 'aws-cdk-lib';
import type { IWidget } from 'aws-cdk-lib/aws-cloudwatch';
import type { Function } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

import { addAlarm } from './alarm';
import type { BridgeProps } from './bridge-props';
import { graph } from './dashboard';
import { addSchedule } from './schedule';

// A change uses up its receives in the queue within 15 minutes. Then this schedule sends it again.
// Twice that time means a problem.
const AGE_LIMIT = Duration.minutes(30);

export class Resend extends Construct {
  readonly dashboardRow: IWidget[];

  constructor(scope: Construct, id: string, bridge: BridgeProps, apply: Function) {
    super(scope, id);
    const { configuration, metrics } = bridge;
    addSchedule(this, {
      function: apply,
      ruleName: `${configuration.name}-resend`,
      description: 'Calls apply to send due pending changes again',
      every: Duration.minutes(5),
      // apply recognises this call by the event, which has no `Records`.
      event: { poolbridge: 'resend' },
    });
    const oldest = metrics.of('apply', 'oldest_pending_seconds', 'Maximum');
    addAlarm(this, bridge, 'pending-changes-are-old', {
      description: 'A captured change has not been applied to the other pool for 30 minutes, or '
        + 'the scheduled run does not report.',
      metric: oldest,
      threshold: AGE_LIMIT.toSeconds(),
      // Every scheduled run publishes this metric. A run may fall on either side of a period's
      // edge, so three missing values in a row mean that the schedule or the table does not work.
      missingIsBreaching: true,
      periods: 3,
    });
    addAlarm(this, bridge, 'pool-restored', {
      description: 'A pool is being restored to a point in time, or was restored or deleted. '
        + 'poolbridge writes only disables until you decide.',
      // Every scheduled run publishes this metric until an operator decides.
      metric: metrics.of('apply', 'undecided_restores', 'Maximum')
        .with({ period: Duration.minutes(10) }),
    });
    addAlarm(this, bridge, 'other-configuration', {
      description: 'For 15 minutes apply has run another bridge.toml than the active one. Changes '
        + 'wait, except disables.',
      metric: metrics.of('apply', 'other_configuration', 'Maximum'),
      // A deployment and the `poolbridge resume` after it take a few minutes.
      periods: 3,
    });
    this.dashboardRow = [
      graph('Accounts with a pending change', [
        metrics.of('apply', 'pending_changes', 'Maximum').with({ label: 'pending' }),
      ]),
      graph('Age of the oldest pending change, seconds', [oldest.with({ label: 'oldest' })]),
    ];
  }
}
