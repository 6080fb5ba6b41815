/**
 * The queue of changes: a FIFO queue with one message group per account, and a dead-letter queue
 * for messages that apply did not finish.
 */
import { Duration } from 'aws-cdk-lib';
import { type IWidget, SingleValueWidget } from 'aws-cdk-lib/aws-cloudwatch';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import {
  DeduplicationScope, FifoThroughputLimit, Queue, QueueEncryption, type QueueProps,
} from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { addAlarm } from './alarm';
import type { BridgeProps } from './bridge-props';
import { graph, queueGraph } from './dashboard';
import { allow } from './grant';

/** The longest time that apply may take for one batch. */
export const APPLY_TIMEOUT = Duration.seconds(30);

// AWS asks for six times the function's time-out, so that a message does not reappear while Lambda
// still tries to deliver its first copy.
export const VISIBILITY_TIMEOUT = Duration.seconds(6 * APPLY_TIMEOUT.toSeconds());

// apply acknowledges a change that must wait after 5 receives, and it stays pending in the table.
// So more than twice that many receives mean a crash, a kill or an undecodable message.
export const RECEIVES_MAX = 12;

// A change that waits takes at most five receives of 3 minutes. An older one means a backlog.
const AGE_LIMIT = Duration.minutes(15);

/** What a consumer of a queue needs. */
export const CONSUME_ACTIONS = [
  'sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes',
  'sqs:ReceiveMessage',
];

/** The common properties of all FIFO queues. */
export const FIFO: QueueProps = {
  fifo: true,
  // Each capture is a change of its own, even if equal: a queue that compared them would lose one.
  contentBasedDeduplication: false,
  // AWS calls both settings together high throughput. Order matters only within one account.
  deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
  fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
  // The longest retention of SQS. A pending change lasts even longer.
  retentionPeriod: Duration.days(14),
  // Not the table's key: a change must survive the failure of the table or of the queue, and one
  // key for both would disable both at once. A message holds no personal data.
  encryption: QueueEncryption.SQS_MANAGED,
  enforceSSL: true,
};

export class ChangeQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetterQueue: Queue;
  readonly dashboardRow: IWidget[];

  constructor(scope: Construct, id: string, bridge: BridgeProps) {
    super(scope, id);
    const { name } = bridge.configuration;
    this.deadLetterQueue = new Queue(this, 'DeadLetterQueue', {
      ...FIFO,
      queueName: `${name}-dead-letter.fifo`,
    });
    this.queue = new Queue(this, 'Queue', {
      ...FIFO,
      queueName: `${name}.fifo`,
      visibilityTimeout: VISIBILITY_TIMEOUT,
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount: RECEIVES_MAX },
    });
    this.addAlarms(bridge);
    this.dashboardRow = this.widgets();
  }

  /** Lets a function send changes. */
  grantSending(grantee: IGrantable): void {
    allow(grantee, {
      sid: 'SendChanges',
      actions: ['sqs:SendMessage'],
      resources: [this.queue.queueArn],
    });
  }

  /** Lets a function receive changes, delete them, return them for later, and send them again. */
  grantConsuming(grantee: IGrantable): void {
    allow(grantee, {
      sid: 'ConsumeChanges',
      actions: [...CONSUME_ACTIONS, 'sqs:SendMessage'],
      resources: [this.queue.queueArn],
    });
  }

  private addAlarms(bridge: BridgeProps): void {
    const everyMinute = { statistic: 'Maximum', period: Duration.minutes(1) };
    addAlarm(this, bridge, 'dead-letter-not-empty', {
      description: 'apply did not finish at least one change in 12 receives. Do not purge the dead '
        + 'letters: a dead letter may be the only trace of its change.',
      metric: this.deadLetterQueue.metricApproximateNumberOfMessagesVisible(everyMinute),
    });
    addAlarm(this, bridge, 'changes-are-late', {
      description: 'For 5 minutes the oldest change in the queue has been older than 15 minutes: '
        + 'the pools drift apart.',
      metric: this.queue.metricApproximateAgeOfOldestMessage(everyMinute),
      threshold: AGE_LIMIT.toSeconds(),
      // A single late person means back-off, which ends by itself. Five minutes mean a backlog.
      periods: 5,
    });
  }

  private widgets(): IWidget[] {
    const age = this.queue.metricApproximateAgeOfOldestMessage({ statistic: 'Maximum' });
    return [
      queueGraph('Changes in the queue', this.queue),
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
