/**
 * The queue of bulk work. What the sweep finds is sent here, apart from the live changes, so that
 * ten thousand of its messages do not delay a person who changes something now.
 */
import { Duration } from 'aws-cdk-lib';
import type { IWidget } from 'aws-cdk-lib/aws-cloudwatch';
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { watch } from './alarm';
import type { Blueprint } from './blueprint';
import { type ChangeQueue, FIFO, RECEIVES_MOST, VISIBILITY_TIMEOUT } from './change-queue';
import { graph } from './dashboard';

// The sweep keeps some two thousand messages outstanding. apply processes them within minutes.
const AGE_LIMIT = Duration.hours(2);

export class BulkQueue extends Construct {
  readonly queue: Queue;
  readonly dashboardRow: IWidget[];

  constructor(scope: Construct, id: string, blueprint: Blueprint, changes: ChangeQueue) {
    super(scope, id);
    this.queue = new Queue(this, 'Queue', {
      ...FIFO,
      queueName: `${blueprint.configuration.name}-bulk.fifo`,
      visibilityTimeout: VISIBILITY_TIMEOUT,
      // A message that crashes apply goes to the same dead-letter queue from either queue.
      deadLetterQueue: { queue: changes.deadLetterQueue, maxReceiveCount: RECEIVES_MOST },
    });
    const age = this.queue.metricApproximateAgeOfOldestMessage({
      statistic: 'Maximum',
      period: Duration.minutes(5),
    });
    watch(this, blueprint, {
      article: 'bulk-is-late',
      says: 'What the sweep found has waited for more than two hours: apply does not keep up.',
      metric: age,
      above: AGE_LIMIT.toSeconds(),
    });
    this.dashboardRow = [
      graph('Bulk work in its queue', [
        this.queue.metricApproximateNumberOfMessagesVisible({ label: 'waiting' }),
        this.queue.metricApproximateNumberOfMessagesNotVisible({ label: 'in flight' }),
      ]),
      graph('Age of the oldest, seconds', [age]),
    ];
  }

  /** Lets a function send bulk work, and read how much of it is outstanding. */
  grantSending(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({
      sid: 'SendBulkWork',
      actions: ['sqs:GetQueueAttributes', 'sqs:SendMessage'],
      resources: [this.queue.queueArn],
    }));
  }

  /** Lets a function take bulk work off the queue, and return it for later. */
  grantWorking(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({
      sid: 'WorkOnBulk',
      actions: [
        'sqs:ChangeMessageVisibility',
        'sqs:DeleteMessage',
        'sqs:GetQueueAttributes',
        'sqs:ReceiveMessage',
      ],
      resources: [this.queue.queueArn],
    }));
  }
}
