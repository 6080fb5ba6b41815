/**
 * What stands beside a pool that the bridge's own stack cannot reach, because a trigger only calls a
 * function of its own Region, and a bus only hears the trail of its own account: capture, and rules
 * that hand the trail's events on to the bus where the bridge is. It keeps nothing.
 *
 * Everything over there is named, not imported: neither stack waits for the other.
 */
import { Arn, type ArnComponents, CfnOutput, Stack, Validations } from 'aws-cdk-lib';
import { EventBus as Bus, Rule } from 'aws-cdk-lib/aws-events';
import { EventBus } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';

import type { Blueprint } from './blueprint';
import { captureFunction } from './capture';
import type { PoolConfiguration } from './configuration';
import { API_CALLS, MANAGED_LOGIN } from './trail-events';
import { ALIAS, KEY_CALLS, MARKING_PARTITIONS } from './state-table';
import { guardGrants, userPoolArn } from './user-pool';

export interface CaptureStackProps {
  readonly pool: PoolConfiguration;
  /** The account of the bridge's own stack; undefined where it is this stack's own as well. */
  readonly homeAccount?: string;
}

/** The account of a role. */
export function accountOf(roleArn: string): string {
  return roleArn.split(':')[4] ?? '';
}

/** What the function beside that pool is called. */
export function remoteCaptureName(bridgeName: string, pool: PoolConfiguration): string {
  return `${bridgeName}-capture-${pool.side}`;
}

export class CaptureStack extends Stack {
  constructor(scope: Construct, id: string, blueprint: Blueprint, props: CaptureStackProps) {
    const { configuration, settings } = blueprint;
    const { pool, homeAccount } = props;
    super(scope, id, {
      stackName: `poolbridge-${remoteCaptureName(configuration.name, pool)}`,
      description: `Captures changes of the ${pool.side} pool for ${configuration.name}`,
      env: {
        region: pool.region,
        ...(pool.roleArn === undefined ? {} : { account: accountOf(pool.roleArn) }),
      },
      terminationProtection: !settings.removable,
    });
    const home = (service: string, components: Partial<ArnComponents>): string => Arn.format({
      service,
      resource: '',
      ...components,
      region: settings.region,
      account: homeAccount ?? this.account,
      partition: this.partition,
    }, this);
    const table = home('dynamodb', { resource: 'table', resourceName: configuration.name });
    const queueName = `${configuration.name}.fifo`;
    const account = homeAccount ?? this.account;
    const { function: capture, role } = captureFunction(this, blueprint, {
      functionName: remoteCaptureName(configuration.name, pool),
      sides: [pool.side],
      environment: {
        POOLBRIDGE_HOME_REGION: settings.region,
        POOLBRIDGE_TABLE: table,
        POOLBRIDGE_QUEUE_URL:
          `https://sqs.${settings.region}.${this.urlSuffix}/${account}/${queueName}`,
      },
    });
    const statements = [
      new PolicyStatement({
        sid: 'LeaveMarks',
        actions: ['dynamodb:UpdateItem'],
        resources: [table],
        conditions: {
          'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': MARKING_PARTITIONS },
        },
      }),
      new PolicyStatement({
        sid: 'SendChanges',
        actions: ['sqs:SendMessage'],
        resources: [home('sqs', { resource: queueName })],
      }),
      new PolicyStatement({
        sid: 'UseKeyThroughTable',
        actions: KEY_CALLS,
        // A key's id is made up by AWS; its alias is ours.
        resources: [home('kms', { resource: 'key', resourceName: '*' })],
        conditions: {
          'StringEquals': { 'kms:ViaService': `dynamodb.${settings.region}.amazonaws.com` },
          'ForAnyValue:StringEquals': { 'kms:ResourceAliases': ALIAS(configuration.name) },
        },
      }),
      ...guardGrants(this, configuration, table),
    ];
    const anyKey = `arn:aws:kms:${settings.region}:${homeAccount ?? '<AWS::AccountId>'}:key/*`;
    Validations.of(role).acknowledge({
      id: `AwsSolutions::AwsSolutions-IAM5[Resource::${anyKey}]`,
      reason: 'The id of a key is made up by AWS; the condition names the one key by its alias.',
    });
    statements.forEach((statement) => role.addToPrincipalPolicy(statement));
    capture.addPermission(`${pool.side}-pool`, {
      principal: new ServicePrincipal('cognito-idp.amazonaws.com'),
      sourceArn: userPoolArn(this, pool),
    });
    const bus = Bus.fromEventBusArn(this, 'Home', home('events', {
      resource: 'event-bus',
      resourceName: 'default',
    }));
    for (const [rule, eventPattern] of [['Calls', API_CALLS], ['Pages', MANAGED_LOGIN]] as const) {
      new Rule(this, rule, {
        ruleName: `${configuration.name}-trail-${rule.toLowerCase()}-${pool.side}`,
        description: 'Hands the trail\'s events on to the bus where the bridge is',
        eventPattern,
        targets: [new EventBus(bus)],
      });
    }
    new CfnOutput(this, 'CaptureFunction', { value: capture.functionArn });
  }
}
