/**
 * The capture stack of a pool that the bridge's own stack cannot reach: a trigger only calls a
 * function of its own Region, and an event bus only gets the CloudTrail events of its own account.
 * The stack holds capture, and rules that forward CloudTrail events to the bridge's bus.
 *
 * The events are forwarded and not processed here. So only one function reads the table's accounts,
 * and only one queue holds failed events. The other account gets only the access that capture
 * needs. This stack names the bridge's resources and does not import them, so that neither stack
 * waits for the other.
 */
import { Annotations, Arn, type ArnComponents, CfnOutput, Stack, Validations } from 'aws-cdk-lib';
import { EventBus as Bus } from 'aws-cdk-lib/aws-events';
import { EventBus } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';

import { topicsHere } from './alarm';
import type { Blueprint } from './blueprint';
import { CaptureFunction, watchCapture } from './capture';
import type { PoolConfiguration } from './configuration';
import { FailedEvents } from './failed-events';
import { KEY_CALLS, keyAlias, leading, MARKING_PARTITIONS } from './state-table';
import { layTrailRule, trailRules } from './trail-events';
import { accountOf, guardGrants, isForeign } from './user-pool';

/** The name of the capture function of that pool, and of its role. */
export function remoteCaptureName(bridgeName: string, pool: PoolConfiguration): string {
  return `${bridgeName}-capture-${pool.side}`;
}

export class CaptureStack extends Stack {
  /** The bridge's own account, which may be this one. */
  private readonly homeAccount: string;

  constructor(
    scope: Construct,
    id: string,
    private readonly blueprint: Blueprint,
    private readonly pool: PoolConfiguration,
  ) {
    const { configuration, settings } = blueprint;
    const account = isForeign(pool, settings) ? accountOf(pool.roleArn ?? '') : settings.account;
    super(scope, id, {
      stackName: `poolbridge-${remoteCaptureName(configuration.name, pool)}`,
      description: `Captures changes of the ${pool.side} pool for ${configuration.name}`,
      env: { region: pool.region, ...(account === undefined ? {} : { account }) },
      terminationProtection: !settings.removable,
    });
    this.homeAccount = settings.account ?? this.account;
    const capture = this.capture();
    watchCapture(this, blueprint, capture.function, pool.side);
    this.handOn();
    if (settings.alarmTopicArns.length > 0 && topicsHere(this, blueprint).length === 0) {
      Annotations.of(this).addWarningV2(
        'poolbridge:no-topic-here',
        `no alarmTopicArn is in ${pool.region}: `
          + `the alarms beside the ${pool.side} pool reach nobody`,
      );
    }
    new CfnOutput(this, 'CaptureFunction', { value: capture.function.functionArn });
  }

  /** The ARN of a resource in the bridge's own Region and account. */
  private home(service: string, components: Partial<ArnComponents>): string {
    return Arn.format({
      service,
      resource: '',
      ...components,
      region: this.blueprint.settings.region,
      account: this.homeAccount,
      partition: this.partition,
    }, this);
  }

  private capture(): CaptureFunction {
    const { configuration, settings } = this.blueprint;
    const table = this.home('dynamodb', { resource: 'table', resourceName: configuration.name });
    const queueName = `${configuration.name}.fifo`;
    const queues = `https://sqs.${settings.region}.${this.urlSuffix}`;
    const capture = new CaptureFunction(this, this.blueprint, {
      functionName: remoteCaptureName(configuration.name, this.pool),
      pools: [this.pool],
      environment: {
        POOLBRIDGE_HOME_REGION: settings.region,
        POOLBRIDGE_TABLE: table,
        POOLBRIDGE_QUEUE_URL: `${queues}/${this.homeAccount}/${queueName}`,
      },
    });
    const queue = this.home('sqs', { resource: queueName });
    const grants = [
      ...this.grants(table, queue),
      ...guardGrants(this, configuration, [this.pool.side], table),
    ];
    grants.forEach((grant) => capture.role.addToPrincipalPolicy(grant));
    const account = settings.account ?? '<AWS::AccountId>';
    Validations.of(capture.role).acknowledge({
      id: 'AwsSolutions::AwsSolutions-IAM5'
        + `[Resource::arn:aws:kms:${settings.region}:${account}:key/*]`,
      reason: 'The id of a key is made up by AWS; the condition names the one key by its alias.',
    });
    return capture;
  }

  private grants(table: string, queue: string): PolicyStatement[] {
    const { configuration, settings } = this.blueprint;
    return [
      new PolicyStatement({
        sid: 'LeaveMarks',
        actions: ['dynamodb:UpdateItem'],
        resources: [table],
        conditions: leading(MARKING_PARTITIONS),
      }),
      new PolicyStatement({
        sid: 'SendChanges',
        actions: ['sqs:SendMessage'],
        resources: [queue],
      }),
      new PolicyStatement({
        sid: 'UseKeyThroughTable',
        actions: KEY_CALLS,
        // AWS generates a key's id; the bridge chooses its alias.
        resources: [this.home('kms', { resource: 'key', resourceName: '*' })],
        conditions: {
          'StringEquals': { 'kms:ViaService': `dynamodb.${settings.region}.amazonaws.com` },
          'ForAnyValue:StringEquals': { 'kms:ResourceAliases': keyAlias(configuration.name) },
        },
      }),
    ];
  }

  /** Forwards CloudTrail events to the bridge's bus, and keeps those that did not arrive. */
  private handOn(): void {
    const { name } = this.blueprint.configuration;
    const { side } = this.pool;
    const failed = new FailedEvents(this, 'Failed', this.blueprint, {
      program: 'trail',
      suffix: side,
      says: `Events of the ${side} pool's trail could not be handed on to the bridge.`,
    });
    const role = new Role(this, 'HandOn', {
      description: `Hands the trail of the ${side} pool on to ${name}`,
      assumedBy: new ServicePrincipal('events.amazonaws.com'),
    });
    const bus = Bus.fromEventBusArn(this, 'Home', this.home('events', {
      resource: 'event-bus',
      resourceName: 'default',
    }));
    for (const rule of trailRules()) {
      layTrailRule(this, rule, {
        ruleName: `${name}-trail-${rule.id.toLowerCase()}-${side}`,
        description: `${rule.says}, for the bus where the bridge is`,
        targets: [new EventBus(bus, { role, deadLetterQueue: failed.queue })],
      });
    }
  }
}
