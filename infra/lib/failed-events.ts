/**
 * Events that a function could not process after retries. The queue keeps them for four days, a
 * long weekend, and has an alarm, because no other place shows them.
 */
import { Duration, Validations } from 'aws-cdk-lib';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { watch } from './alarm';
import type { Blueprint } from './blueprint';
import type { Side } from './configuration';

export interface FailedEventsProps {
  /** The function's program. */
  readonly program: string;
  /** What an event in the queue means, in one sentence. */
  readonly says: string;
  /** The pool's side, if this is a capture stack and not the bridge's own stack. */
  readonly suffix?: Side;
}

export class FailedEvents extends Construct {
  readonly queue: Queue;

  constructor(scope: Construct, id: string, blueprint: Blueprint, props: FailedEventsProps) {
    super(scope, id);
    const { program, says, suffix } = props;
    const { name } = blueprint.configuration;
    this.queue = new Queue(this, 'Queue', {
      queueName: [name, program, 'failed', suffix ?? []].flat().join('-'),
      // Kept only as long as needed to read it, because a CloudTrail event concerns a person.
      // CloudTrail hides attribute values and usernames in it, and shows the caller, its IP address
      // and its user agent.
      retentionPeriod: Duration.days(4),
      // EventBridge must be able to write here; a customer-managed key would have to allow it.
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
    });
    Validations.of(this.queue).acknowledge({
      id: 'AwsSolutions::AwsSolutions-SQS3',
      reason: 'It is the last stop itself: nothing reads it but a person.',
    });
    watch(this, blueprint, {
      article: `${program}-failed-events`,
      ...(suffix === undefined ? {} : { suffix }),
      says,
      metric: this.queue.metricApproximateNumberOfMessagesVisible({
        statistic: 'Maximum',
        period: Duration.minutes(1),
      }),
      above: 0,
    });
  }
}
