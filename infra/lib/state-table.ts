/**
 * The state table, the key that encrypts it, and the secret from which its fingerprints are made.
 * They are kept or removed together: each is useless without the others.
 */
import { RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import type { IWidget } from 'aws-cdk-lib/aws-cloudwatch';
import {
  AttributeType, BillingMode, ProjectionType, Table, TableEncryption,
} from 'aws-cdk-lib/aws-dynamodb';
import {
  type Conditions, type IGrantable, type IPrincipal, PolicyStatement,
} from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';

import type { BridgeProps } from './bridge-props';
import { graph } from './dashboard';
import { allow, type Grant } from './grant';

/** The sparse index of the people who are not in step. */
const BY_STATE = 'by_state';

/**
 * The partitions that capture writes: pending changes, and the count of captures that left neither
 * a pending change nor a message.
 */
export const PENDING_PARTITIONS = ['PENDING#*', 'COUNTER#0'];

/** The partitions that the sign-up guard reads: the person of an account, and the phase. */
export const GUARD_PARTITIONS = ['ACCOUNT#*', 'PERSON#*', 'CONTROL'];

/** The key permissions that a caller of the table needs. */
export const KEY_ACTIONS = [
  'Decrypt', 'DescribeKey', 'Encrypt', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext',
  'ReEncryptFrom', 'ReEncryptTo',
].map((action) => `kms:${action}`);

/** The condition that limits access to these partitions. */
export function leadingKeys(partitions: string[]): Conditions {
  return { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': partitions } };
}

/** The condition that limits the use of the key to DynamoDB: no caller can decrypt by itself. */
export function viaDynamoDb(region: string): Conditions {
  return { StringEquals: { 'kms:ViaService': `dynamodb.${region}.amazonaws.com` } };
}

/** The alias of the table's key, for a caller that cannot know its id. */
export function keyAlias(bridgeName: string): string {
  return `alias/poolbridge-${bridgeName}`;
}

/** A capture function in another account, and whether it may read for the sign-up guard. */
export interface RemoteCapture {
  readonly principals: IPrincipal[];
  readonly conditions: Conditions;
  readonly guard: boolean;
}

export class StateTable extends Construct {
  readonly table: Table;
  readonly secret: Secret;
  readonly dashboardRow: IWidget[];
  private readonly key: Key;

  constructor(scope: Construct, id: string, bridge: BridgeProps) {
    super(scope, id);
    const { name } = bridge.configuration;
    const { removable } = bridge.settings;
    // The pools do not show which accounts are linked, so the table outlives its stack.
    const removalPolicy = removable ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN;
    this.key = new Key(this, 'Key', {
      description: `Encrypts the state table of the bridge ${name}`,
      alias: keyAlias(name),
      enableKeyRotation: true,
      removalPolicy,
    });
    this.table = new Table(this, 'Table', {
      tableName: name,
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.STRING },
      billingMode: BillingMode.PAY_PER_REQUEST,
      encryption: TableEncryption.CUSTOMER_MANAGED,
      encryptionKey: this.key,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      timeToLiveAttribute: 'expires_at',
      deletionProtection: !removable,
      removalPolicy,
    });
    this.table.addGlobalSecondaryIndex({
      indexName: BY_STATE,
      partitionKey: { name: 'state_shard', type: AttributeType.STRING },
      sortKey: { name: 'updated_at', type: AttributeType.NUMBER },
      // Not the whole item: a lease changes none of these, so it costs the index no write. A
      // listing of people reads a page here, and then the few person records that it shows.
      projectionType: ProjectionType.INCLUDE,
      nonKeyAttributes: ['state', 'accounts'],
    });
    this.secret = new Secret(this, 'Secret', {
      description: `The bridge ${name} derives its fingerprint and encryption keys from this`,
      // No name of its own: a deleted secret keeps its name for weeks and would block a new one.
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      removalPolicy,
    });
    Validations.of(this.secret).acknowledge({
      id: 'AwsSolutions::AwsSolutions-SMG4',
      reason: 'Every fingerprint in the table depends on this secret, so a rotation would make all '
        + 'of them unreadable at once.',
    });
    this.dashboardRow = this.widgets(bridge);
  }

  /** Lets a function store pending changes only: it cannot read or write a person record. */
  grantPendingChanges(grantee: IGrantable): void {
    allow(
      grantee,
      this.partitions('StorePendingChanges', ['dynamodb:UpdateItem'], PENDING_PARTITIONS),
      this.useKey(),
    );
  }

  /**
   * Lets trail find the person of an account, record that CloudTrail events arrive, and record in
   * the control item that a pool was restored or deleted.
   */
  grantTrail(grantee: IGrantable): void {
    allow(
      grantee,
      this.partitions('FindPeople', ['dynamodb:GetItem'], ['ACCOUNT#*']),
      this.partitions('RecordRoutes', ['dynamodb:UpdateItem'], ['ROUTE#*']),
      this.partitions('RecordRestores', ['dynamodb:GetItem', 'dynamodb:UpdateItem'], ['CONTROL']),
    );
  }

  /** Lets the sweep read everything, and write only its progress. */
  grantSweep(grantee: IGrantable): void {
    allow(
      grantee,
      {
        sid: 'ReadTable',
        actions: ['dynamodb:BatchGetItem', 'dynamodb:GetItem', 'dynamodb:Query'],
        resources: [this.table.tableArn],
      },
      this.partitions(
        'StoreCursors',
        ['dynamodb:DeleteItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'],
        ['CURSOR#*', 'ROUTE#*'],
      ),
      this.readSecret(),
      this.useKey(),
    );
  }

  /** Lets apply read and write every item, query the index, and read the secret. */
  grantApply(grantee: IGrantable): void {
    allow(
      grantee,
      {
        sid: 'WriteTable',
        // IAM has no action for a transaction: the actions of its parts are allowed.
        actions: [
          'dynamodb:ConditionCheckItem', 'dynamodb:DeleteItem', 'dynamodb:GetItem',
          'dynamodb:PutItem', 'dynamodb:Query', 'dynamodb:UpdateItem',
        ],
        resources: [this.table.tableArn],
      },
      {
        sid: 'QueryByState',
        actions: ['dynamodb:Query'],
        resources: [`${this.table.tableArn}/index/${BY_STATE}`],
      },
      this.readSecret(),
      this.useKey(),
    );
  }

  /**
   * Lets a capture function in another account store pending changes and, as the sign-up guard,
   * read person records. These policies limit the partitions too, because that account can change
   * the policies of its own role.
   */
  grantRemoteCapture({ principals, conditions, guard }: RemoteCapture): void {
    const allowInTable = (action: string, partitions: string[]): void => {
      this.table.addToResourcePolicy(new PolicyStatement({
        principals,
        actions: [action],
        // A table's policy can only apply to that table.
        resources: ['*'],
        conditions: { ...conditions, ...leadingKeys(partitions) },
      }));
    };
    allowInTable('dynamodb:UpdateItem', PENDING_PARTITIONS);
    if (guard) {
      allowInTable('dynamodb:GetItem', GUARD_PARTITIONS);
    }
    this.key.addToResourcePolicy(new PolicyStatement({
      principals,
      actions: KEY_ACTIONS,
      resources: ['*'],
      conditions: { ...conditions, ...viaDynamoDb(Stack.of(this).region) },
    }));
  }

  private partitions(sid: string, actions: string[], partitions: string[]): Grant {
    return { sid, actions, resources: [this.table.tableArn], conditions: leadingKeys(partitions) };
  }

  private readSecret(): Grant {
    return {
      sid: 'ReadSecret',
      actions: ['secretsmanager:GetSecretValue'],
      resources: [this.secret.secretArn],
    };
  }

  private useKey(): Grant {
    return {
      sid: 'UseKeyThroughTable',
      actions: KEY_ACTIONS,
      resources: [this.key.keyArn],
      conditions: viaDynamoDb(Stack.of(this).region),
    };
  }

  private widgets({ metrics }: BridgeProps): IWidget[] {
    return [
      graph('Changes held or rejected', [
        metrics.of('apply', 'held').with({ label: 'held' }),
        metrics.of('apply', 'rejected').with({ label: 'rejected' }),
      ]),
      graph('Capacity units', [
        this.table.metricConsumedReadCapacityUnits({ label: 'read' }),
        this.table.metricConsumedWriteCapacityUnits({ label: 'written' }),
      ]),
      graph('Throttled requests', [
        this.table.metric('ReadThrottleEvents', { statistic: 'Sum', label: 'reads' }),
        this.table.metric('WriteThrottleEvents', { statistic: 'Sum', label: 'writes' }),
      ]),
    ];
  }
}
