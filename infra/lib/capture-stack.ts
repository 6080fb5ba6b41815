/**
 * The capture stack of a pool that the bridge's own stack cannot reach: a trigger only calls a
 * function of its own Region, and an event bus only gets the CloudTrail events of its own account.
 * The stack holds capture, and rules that forward CloudTrail events to the bridge's bus.
 *
 * It forwards the events and does not process them. So only one function reads the table's
 * accounts, and the other account gets only the access that capture needs. This stack names the
 * bridge's resources and does not import them, so that neither stack depends on the other.
 */
import { Annotations, Arn, type ArnComponents, CfnOutput, Stack, Validations } from 'aws-cdk-lib';
import { EventBus as Bus } from 'aws-cdk-lib/aws-events';
import { EventBus } from 'aws-cdk-lib/aws-events-targets';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';

import { topicsInRegion } from './alarm';
import type { BridgeProps } from './bridge-props';
import { addCaptureAlarms, CaptureFunction } from './capture';
import type { PoolConfiguration } from './configuration';
import { FailedEvents } from './failed-events';
import { allow } from './grant';
import {
  KEY_ACTIONS, keyAlias, leadingKeys, PENDING_PARTITIONS, viaDynamoDb,
} from './state-table';
import { addTrailRules } from './trail-events';
import { accountOf, guardGrants, isCrossAccount } from './user-pool';

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
    private readonly bridge: BridgeProps,
    private readonly pool: PoolConfiguration,
  ) {
    const { configuration, settings } = bridge;
    const account = isCrossAccount(pool, settings) ? accountOf(pool) : settings.account;
    super(scope, id, {
      stackName: `poolbridge-${remoteCaptureName(configuration.name, pool)}`,
      description: `Captures changes of the ${pool.side} pool for the bridge ${configuration.name}`,
      env: { region: pool.region, ...(account === undefined ? {} : { account }) },
      terminationProtection: !settings.removable,
    });
    this.homeAccount = settings.account ?? this.account;
    const capture = this.capture();
    addCaptureAlarms(this, bridge, capture.function, pool.side);
    this.forwardTrail();
    if (settings.alarmTopicArns.length > 0 && topicsInRegion(this, bridge).length === 0) {
      Annotations.of(this).addWarningV2(
        'poolbridge:no-topic-in-region',
        `alarmTopicArn names no topic in ${pool.region}: `
          + `the alarms of the capture stack of the ${pool.side} pool notify no one`,
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
      region: this.bridge.settings.region,
      account: this.homeAccount,
      partition: this.partition,
    }, this);
  }

  private capture(): CaptureFunction {
    const { configuration, settings } = this.bridge;
    const { name } = configuration;
    const { region } = settings;
    const table = this.home('dynamodb', { resource: 'table', resourceName: name });
    const queueName = `${name}.fifo`;
    const capture = new CaptureFunction(this, this.bridge, {
      functionName: remoteCaptureName(name, this.pool),
      pools: [this.pool],
      environment: {
        POOLBRIDGE_HOME_REGION: region,
        POOLBRIDGE_TABLE: table,
        POOLBRIDGE_QUEUE_URL:
          `https://sqs.${region}.${this.urlSuffix}/${this.homeAccount}/${queueName}`,
      },
    });
    allow(
      capture.role,
      {
        sid: 'StorePendingChanges',
        actions: ['dynamodb:UpdateItem'],
        resources: [table],
        conditions: leadingKeys(PENDING_PARTITIONS),
      },
      {
        sid: 'SendChanges',
        actions: ['sqs:SendMessage'],
        resources: [this.home('sqs', { resource: queueName })],
      },
      {
        sid: 'UseKeyThroughTable',
        actions: KEY_ACTIONS,
        // AWS generates a key's id; the bridge chooses its alias.
        resources: [this.home('kms', { resource: 'key', resourceName: '*' })],
        conditions: {
          ...viaDynamoDb(region),
          'ForAnyValue:StringEquals': { 'kms:ResourceAliases': keyAlias(name) },
        },
      },
      ...guardGrants(this, configuration, [this.pool.side], table),
    );
    Validations.of(capture.role).acknowledge({
      id: 'AwsSolutions::AwsSolutions-IAM5'
        + `[Resource::arn:aws:kms:${region}:${settings.account ?? '<AWS::AccountId>'}:key/*]`,
      reason: 'AWS generates the id of a key; the condition names the one key by its alias.',
    });
    return capture;
  }

  /** Forwards CloudTrail events to the bridge's bus, and keeps those that did not arrive. */
  private forwardTrail(): void {
    const { name } = this.bridge.configuration;
    const { side } = this.pool;
    const failed = new FailedEvents(this, 'Failed', this.bridge, {
      program: 'trail',
      side,
      description: `EventBridge could not forward CloudTrail events of the ${side} pool to the `
        + 'bridge. A queue keeps them for 4 days.',
    });
    const role = new Role(this, 'ForwardTrail', {
      description: `Forwards CloudTrail events of the ${side} pool to the bridge ${name}`,
      assumedBy: new ServicePrincipal('events.amazonaws.com'),
    });
    const bus = Bus.fromEventBusArn(this, 'Home', this.home('events', {
      resource: 'event-bus',
      resourceName: 'default',
    }));
    addTrailRules(this, {
      bridgeName: name,
      suffix: `-${side}`,
      purpose: 'Forwards CloudTrail events to the bridge',
      target: new EventBus(bus, { role, deadLetterQueue: failed.queue }),
    });
  }
}
