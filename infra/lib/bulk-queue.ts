/**
 * The queue of bulk work. The sweep sends its differences here and not to the queue of changes, so
 * that they do not delay live changes.
 */
import { Duration } from 'aws-cdk-lib';
import type { IWidget } from 'aws-cdk-lib/aws-cloudwatch';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { addAlarm } from './alarm';
import type { BridgeProps } from './bridge-props';
import {
  type ChangeQueue, CONSUME_ACTIONS, FIFO, RECEIVES_MAX, VISIBILITY_TIMEOUT,
} from './change-queue';
import { graph, queueGraph } from './dashboard';
import { allow } from './grant';

// The sweep keeps some 2,000 messages outstanding. apply processes them within minutes.
const AGE_LIMIT = Duration.hours(2);

export class BulkQueue extends Construct {
  readonly queue: Queue;
  readonly dashboardRow: IWidget[];

  constructor(scope: Construct, id: string, bridge: BridgeProps, changes: ChangeQueue) {
    super(scope, id);
    this.queue = new Queue(this, 'Queue', {
      ...FIFO,
      queueName: `${bridge.configuration.name}-bulk.fifo`,
      visibilityTimeout: VISIBILITY_TIMEOUT,
      deadLetterQueue: { queue: changes.deadLetterQueue, maxReceiveCount: RECEIVES_MAX },
    });
    const age = this.queue.metricApproximateAgeOfOldestMessage({
      statistic: 'Maximum',
      period: Duration.minutes(5),
    });
    addAlarm(this, bridge, 'bulk-is-late', {
      description: 'The oldest message of the sweep has waited for more than 2 hours: apply does '
        + 'not keep up.',
      metric: age,
      threshold: AGE_LIMIT.toSeconds(),
    });
    this.dashboardRow = [
      queueGraph('Bulk work in the queue', this.queue),
      graph('Age of the oldest bulk work, seconds', [age]),
    ];
  }

  /** Lets a function send bulk work, and read how much of it is outstanding. */
  grantSending(grantee: IGrantable): void {
    allow(grantee, {
      sid: 'SendBulkWork',
      actions: ['sqs:GetQueueAttributes', 'sqs:SendMessage'],
      resources: [this.queue.queueArn],
    });
  }

  /** Lets a function receive bulk work, delete it, and return it for later. */
  grantConsuming(grantee: IGrantable): void {
    allow(grantee, {
      sid: 'ConsumeBulkWork',
      actions: CONSUME_ACTIONS,
      resources: [this.queue.queueArn],
    });
  }
}
