/**
 * The queue of changes: a FIFO queue with one group per account, and a dead-letter queue for
 * messages that crashed apply or that it cannot decode.
 */
import { Duration } from 'aws-cdk-lib';
import { type IWidget, SingleValueWidget } from 'aws-cdk-lib/aws-cloudwatch';
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import {
  DeduplicationScope, FifoThroughputLimit, Queue, QueueEncryption, type QueueProps,
} from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { watch } from './alarm';
import type { Blueprint } from './blueprint';
import { graph } from './dashboard';

/** The longest time that apply may take for one batch. */
export const APPLY_TIMEOUT = Duration.seconds(30);

// AWS asks for six times the function's time-out, so that a message does not reappear while Lambda
// still tries to deliver its first copy.
export const VISIBILITY_TIMEOUT = Duration.seconds(6 * APPLY_TIMEOUT.toSeconds());

// apply acknowledges a change that must wait after 5 receives, and its pending change stays in the
// table. So more than twice that many receives mean a crash, a kill or an undecodable message.
export const RECEIVES_MOST = 12;

// The longest retention of SQS. A pending change outlasts even that.
const RETENTION = Duration.days(14);

// A change that waits takes at most five receives of 3 minutes. An older one means a backlog.
const AGE_LIMIT = Duration.minutes(15);

/** The common properties of all queues of changes. */
export const FIFO: QueueProps = {
  fifo: true,
  // Each capture is a change of its own, even if equal: a queue that compared them would lose one.
  contentBasedDeduplication: false,
  // AWS calls both settings together high throughput. Order matters only within one account.
  deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
  fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
  retentionPeriod: RETENTION,
  // Not the table's key: a change must survive the failure of the table or of the queue, and one
  // key for both would disable both at once. A message holds no personal data.
  encryption: QueueEncryption.SQS_MANAGED,
  enforceSSL: true,
};

export class ChangeQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetterQueue: Queue;
  readonly dashboardRow: IWidget[];

  constructor(scope: Construct, id: string, blueprint: Blueprint) {
    super(scope, id);
    const { name } = blueprint.configuration;
    this.deadLetterQueue = new Queue(this, 'DeadLetterQueue', {
      ...FIFO,
      queueName: `${name}-dead-letter.fifo`,
    });
    this.queue = new Queue(this, 'Queue', {
      ...FIFO,
      queueName: `${name}.fifo`,
      visibilityTimeout: VISIBILITY_TIMEOUT,
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount: RECEIVES_MOST },
    });
    this.watchBoth(blueprint);
    this.dashboardRow = this.widgets();
  }

  /** Lets a function send changes. */
  grantSending(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({
      sid: 'SendChanges',
      actions: ['sqs:SendMessage'],
      resources: [this.queue.queueArn],
    }));
  }

  /** Lets a function take changes off the queue, return them for later, and send them again. */
  grantWorking(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({
      sid: 'WorkOnChanges',
      actions: [
        'sqs:ChangeMessageVisibility',
        'sqs:DeleteMessage',
        'sqs:GetQueueAttributes',
        'sqs:ReceiveMessage',
        'sqs:SendMessage',
      ],
      resources: [this.queue.queueArn],
    }));
  }

  private watchBoth(blueprint: Blueprint): void {
    watch(this, blueprint, {
      article: 'dead-letter-not-empty',
      says: 'Changes crashed apply or could not be read by it. Keep the letters: where a mark '
        + 'failed, its letter is the only trace of the change.',
      metric: this.deadLetterQueue.metricApproximateNumberOfMessagesVisible({
        statistic: 'Maximum',
        period: Duration.minutes(1),
      }),
      above: 0,
    });
    watch(this, blueprint, {
      article: 'changes-are-late',
      says: 'The oldest change has waited for more than 15 minutes: the pools are drifting apart.',
      metric: this.queue.metricApproximateAgeOfOldestMessage({
        statistic: 'Maximum',
        period: Duration.minutes(1),
      }),
      above: AGE_LIMIT.toSeconds(),
      // One late person means back-off, which ends by itself. Five minutes in a row mean a backlog.
      periods: 5,
    });
  }

  private widgets(): IWidget[] {
    const age = this.queue.metricApproximateAgeOfOldestMessage({ statistic: 'Maximum' });
    return [
      graph('Changes in the queue', [
        this.queue.metricApproximateNumberOfMessagesVisible({ label: 'waiting' }),
        this.queue.metricApproximateNumberOfMessagesNotVisible({ label: 'in flight' }),
      ]),
      graph('Age of the oldest change, seconds', [age]),
      graph('Changes sent and done', [
        this.queue.metricNumberOfMessagesSent({ label: 'sent' }),
        this.queue.metricNumberOfMessagesDeleted({ label: 'done' }),
      ]),
      new SingleValueWidget({
        title: 'Dead letters',
        width: 6,
        height: 6,
        metrics: [
          this.deadLetterQueue.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum' }),
        ],
      }),
    ];
  }
}
