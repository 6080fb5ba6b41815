/**
 * What a function could not take although it was tried again: kept for four days, a long weekend,
 * and alarmed, since nobody else knows of it.
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
  /** What has happened when there is one, in a sentence. */
  readonly says: string;
  /** The pool beside which it stands, where that is not the bridge's own stack. */
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
      // No longer than it takes to look: an event of the trail is about a person. CloudTrail hides
      // attribute values and usernames in it, and shows who called, from which IP address, and with
      // what user agent.
      retentionPeriod: Duration.days(4),
      // EventBridge must be able to write here; a key of our own would have to let it.
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
