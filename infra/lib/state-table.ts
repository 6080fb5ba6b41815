/**
 * The state table, the key that encrypts it, and the secret from which its fingerprints are made.
 * They are kept or removed together: without the secret the table is unreadable, and without the
 * table the secret is useless.
 */
import { RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import type { IWidget } from 'aws-cdk-lib/aws-cloudwatch';
import {
  AttributeType, BillingMode, ProjectionType, Table, TableEncryption,
} from 'aws-cdk-lib/aws-dynamodb';
import { type IGrantable, type IPrincipal, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';

import type { Blueprint } from './blueprint';
import { graph } from './dashboard';

/** The sparse index of the people who are not in step. */
export const BY_STATE = 'by_state';

/**
 * The partitions that capture writes: pending changes, and the count of captures that were neither
 * stored nor sent.
 */
export const MARKING_PARTITIONS = ['PENDING#*', 'COUNTER#0'];

/**
 * The partitions that the sign-up guard reads: whose an account is, and whether the move is over.
 */
export const GUARD_PARTITIONS = ['ACCOUNT#*', 'PERSON#*', 'CONTROL'];

/** The condition that limits access to these partitions. */
export function leading(partitions: string[]): Record<string, Record<string, string[]>> {
  return { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': partitions } };
}

/** The alias of the table's key, for a caller that cannot know its id. */
export function keyAlias(bridgeName: string): string {
  return `alias/poolbridge-${bridgeName}`;
}

/** The key permissions that a caller of the table needs. */
export const KEY_CALLS = [
  'kms:Decrypt',
  'kms:DescribeKey',
  'kms:Encrypt',
  'kms:GenerateDataKey',
  'kms:GenerateDataKeyWithoutPlaintext',
  'kms:ReEncryptFrom',
  'kms:ReEncryptTo',
];

/** A caller from another account, and whether it may read. */
export interface Guest {
  readonly principals: IPrincipal[];
  readonly conditions: Record<string, Record<string, string>>;
  readonly reads: boolean;
}

export class StateTable extends Construct {
  readonly table: Table;
  readonly secret: Secret;
  readonly dashboardRow: IWidget[];
  private readonly key: Key;

  constructor(scope: Construct, id: string, blueprint: Blueprint) {
    super(scope, id);
    const { name } = blueprint.configuration;
    const { removable } = blueprint.settings;
    // The pools cannot show which accounts are linked, so the table outlives its stack.
    const removalPolicy = removable ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN;
    this.key = new Key(this, 'Key', {
      description: `State of the user pool bridge ${name}`,
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
      description: `Fingerprint and sealing keys of the user pool bridge ${name} derive from this`,
      // No name of its own: a deleted secret keeps its name for weeks and would block a new one.
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      removalPolicy,
    });
    Validations.of(this.secret).acknowledge({
      id: 'AwsSolutions::AwsSolutions-SMG4',
      reason: 'Every fingerprint in the table was made with this secret: a rotation would make all '
        + 'of them unreadable at once. Old keys stay readable until everything is re-recorded, '
        + 'which is a deed of the bridge, not of a schedule.',
    });
    this.dashboardRow = this.widgets(blueprint);
  }

  /** Lets a function store pending changes only: it cannot read or write a person record. */
  grantMarking(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({
      sid: 'LeaveMarks',
      actions: ['dynamodb:UpdateItem'],
      resources: [this.table.tableArn],
      conditions: leading(MARKING_PARTITIONS),
    }));
    this.grantKeyThroughTable(grantee);
  }

  /** Lets a function find the person of an account, and store that its route works. */
  grantResolving(grantee: IGrantable): void {
    const grants = [
      new PolicyStatement({
        sid: 'ResolveAccounts',
        actions: ['dynamodb:GetItem'],
        resources: [this.table.tableArn],
        conditions: leading(['ACCOUNT#*']),
      }),
      new PolicyStatement({
        sid: 'TellOfRoutes',
        actions: ['dynamodb:UpdateItem'],
        resources: [this.table.tableArn],
        conditions: leading(['ROUTE#*']),
      }),
    ];
    grants.forEach((grant) => grantee.grantPrincipal.addToPrincipalPolicy(grant));
  }

  /** Lets a function store in the control item that a pool was restored or deleted. */
  grantNotingRestores(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({
      sid: 'NoteRestores',
      actions: ['dynamodb:GetItem', 'dynamodb:UpdateItem'],
      resources: [this.table.tableArn],
      conditions: leading(['CONTROL']),
    }));
  }

  /** Lets a function read everything, and write only its progress. */
  grantComparing(grantee: IGrantable): void {
    const grants = [
      new PolicyStatement({
        sid: 'ReadLedger',
        actions: ['dynamodb:BatchGetItem', 'dynamodb:GetItem', 'dynamodb:Query'],
        resources: [this.table.tableArn],
      }),
      new PolicyStatement({
        sid: 'KeepCursors',
        actions: ['dynamodb:DeleteItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'],
        resources: [this.table.tableArn],
        conditions: leading(['CURSOR#*', 'ROUTE#*']),
      }),
      this.readSecret(),
    ];
    grants.forEach((grant) => grantee.grantPrincipal.addToPrincipalPolicy(grant));
    this.grantKeyThroughTable(grantee);
  }

  private readSecret(): PolicyStatement {
    return new PolicyStatement({
      sid: 'ReadSecret',
      actions: ['secretsmanager:GetSecretValue'],
      resources: [this.secret.secretArn],
    });
  }

  /** Lets a function maintain the ledger: every item, the index, and the secret. */
  grantLedger(grantee: IGrantable): void {
    const grants = [
      new PolicyStatement({
        sid: 'KeepLedger',
        // IAM has no action for a transaction: the actions of its parts are allowed.
        actions: [
          'dynamodb:ConditionCheckItem',
          'dynamodb:DeleteItem',
          'dynamodb:GetItem',
          'dynamodb:PutItem',
          'dynamodb:Query',
          'dynamodb:UpdateItem',
        ],
        resources: [this.table.tableArn],
      }),
      new PolicyStatement({
        sid: 'QueryByState',
        actions: ['dynamodb:Query'],
        resources: [`${this.table.tableArn}/index/${BY_STATE}`],
      }),
      this.readSecret(),
    ];
    grants.forEach((grant) => grantee.grantPrincipal.addToPrincipalPolicy(grant));
    this.grantKeyThroughTable(grantee);
  }

  /**
   * Lets a caller of another account store pending changes, and read person records if it guards
   * sign-ups. The partitions are limited here again, because that account can change its own
   * policies.
   */
  letIn(guest: Guest): void {
    const { principals, conditions, reads } = guest;
    const doors: [action: string, partitions: string[]][] = [
      ['dynamodb:UpdateItem', MARKING_PARTITIONS],
      ...(reads ? [['dynamodb:GetItem', GUARD_PARTITIONS] as [string, string[]]] : []),
    ];
    for (const [action, partitions] of doors) {
      this.table.addToResourcePolicy(new PolicyStatement({
        principals,
        actions: [action],
        // A table's policy can only apply to that table.
        resources: ['*'],
        conditions: { ...conditions, ...leading(partitions) },
      }));
    }
    this.key.addToResourcePolicy(new PolicyStatement({
      principals,
      actions: KEY_CALLS,
      resources: ['*'],
      conditions: {
        ...conditions,
        StringEquals: { 'kms:ViaService': `dynamodb.${Stack.of(this).region}.amazonaws.com` },
      },
    }));
  }

  /** The table's key, but only through DynamoDB: no function can decrypt anything itself. */
  private grantKeyThroughTable(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({
      sid: 'UseKeyThroughTable',
      actions: KEY_CALLS,
      resources: [this.key.keyArn],
      conditions: {
        StringEquals: { 'kms:ViaService': `dynamodb.${Stack.of(this).region}.amazonaws.com` },
      },
    }));
  }

  private widgets({ metrics }: Blueprint): IWidget[] {
    return [
      graph('Changes that ended held or refused', [
        metrics.of('apply', 'held').with({ label: 'held' }),
        metrics.of('apply', 'refused').with({ label: 'refused' }),
      ]),
      graph('Units read and written', [
        this.table.metricConsumedReadCapacityUnits({ label: 'read' }),
        this.table.metricConsumedWriteCapacityUnits({ label: 'written' }),
      ]),
      graph('Throttled', [
        this.table.metric('ReadThrottleEvents', { statistic: 'Sum', label: 'reads' }),
        this.table.metric('WriteThrottleEvents', { statistic: 'Sum', label: 'writes' }),
      ]),
    ];
  }
}
