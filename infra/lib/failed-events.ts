/** A queue with an alarm, for events that a function or an EventBridge rule could not process. */
import { Duration, Validations } from 'aws-cdk-lib';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { addAlarm } from './alarm';
import type { BridgeProps } from './bridge-props';
import type { Side } from './configuration';

export interface FailedEventsProps {
  /** The function's program. */
  readonly program: string;
  /** The description of the alarm. */
  readonly description: string;
  /** The pool's side, in a capture stack. */
  readonly side?: Side;
}

export class FailedEvents extends Construct {
  readonly queue: Queue;

  constructor(scope: Construct, id: string, bridge: BridgeProps, props: FailedEventsProps) {
    super(scope, id);
    const { program, description, side } = props;
    this.queue = new Queue(this, 'Queue', {
      queueName: [bridge.configuration.name, program, 'failed', side ?? []].flat().join('-'),
      // A long weekend and no longer, because a CloudTrail event concerns a person. CloudTrail
      // hides attribute values and usernames in it, and shows the caller's IP address and user
      // agent.
      retentionPeriod: Duration.days(4),
      // EventBridge must be able to write here; a customer-managed key would have to allow it.
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
    });
    Validations.of(this.queue).acknowledge({
      id: 'AwsSolutions::AwsSolutions-SQS3',
      reason: 'This queue is itself the end of a failed event, and only a person reads it.',
    });
    addAlarm(this, bridge, `${program}-failed-events`, {
      nameSuffix: side,
      description,
      metric: this.queue.metricApproximateNumberOfMessagesVisible({
        statistic: 'Maximum',
        period: Duration.minutes(1),
      }),
    });
  }
}
