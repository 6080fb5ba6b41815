/**
 * The way of bulk work: what the sweep finds travels here, apart from the live changes, so that ten
 * thousand of its messages delay nobody who is changing something now.
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

// The sweep keeps some two thousand messages outstanding, which apply works off within minutes.
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
      // What crashed apply crashed apply, whichever way it came.
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

  /** Lets a function send bulk work, and see how much of it is outstanding. */
  grantSending(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({
      sid: 'SendBulkWork',
      actions: ['sqs:GetQueueAttributes', 'sqs:SendMessage'],
      resources: [this.queue.queueArn],
    }));
  }

  /** Lets a function take bulk work off the queue, and put it back for later. */
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
