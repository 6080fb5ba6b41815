/**
 * The ledger's ground: the state table, the key it is encrypted with, and the secret that its
 * fingerprints are made with. They live and die together: without the secret the table says
 * nothing, without the table the secret is of no use.
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

/** The sparse index of who is not in step. */
export const BY_STATE = 'by_state';

/** Who captures writes these: marks, and the count of captures that could leave none. */
export const MARKING_PARTITIONS = ['PENDING#*', 'COUNTER#0'];

/** Who guards sign-ups reads these: whose an account is, and whether the move is over. */
export const GUARD_PARTITIONS = ['ACCOUNT#*', 'PERSON#*', 'CONTROL'];

/** That nothing is touched but these partitions. */
export function leading(partitions: string[]): Record<string, Record<string, string[]>> {
  return { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': partitions } };
}

/** The name of the table's key, for whoever cannot know its id. */
export function keyAlias(bridgeName: string): string {
  return `alias/poolbridge-${bridgeName}`;
}

/** What a caller of the table needs of its key. */
export const KEY_CALLS = [
  'kms:Decrypt',
  'kms:DescribeKey',
  'kms:Encrypt',
  'kms:GenerateDataKey',
  'kms:GenerateDataKeyWithoutPlaintext',
  'kms:ReEncryptFrom',
  'kms:ReEncryptTo',
];

/** Somebody of another account, and what they come for. */
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
    // Who is linked to whom cannot be read back from the pools, so a stack that goes leaves it.
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
      // Not the whole item: a lease touches none of these, so it costs the index no write. Whoever
      // lists people reads a page here and then the few persons it shows.
      projectionType: ProjectionType.INCLUDE,
      nonKeyAttributes: ['state', 'accounts'],
    });
    this.secret = new Secret(this, 'Secret', {
      description: `Fingerprint and sealing keys of the user pool bridge ${name} derive from this`,
      // No name of its own: a deleted secret keeps its name for weeks, and would stand in the way.
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

  /** Lets a function leave marks, and nothing else: it can read nobody and touch no person. */
  grantMarking(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({
      sid: 'LeaveMarks',
      actions: ['dynamodb:UpdateItem'],
      resources: [this.table.tableArn],
      conditions: leading(MARKING_PARTITIONS),
    }));
    this.grantKeyThroughTable(grantee);
  }

  /** Lets a function find out whose account it is, and say that it is alive. */
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

  /** Lets a function note in the control item that a pool was restored or deleted. */
  grantNotingRestores(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({
      sid: 'NoteRestores',
      actions: ['dynamodb:GetItem', 'dynamodb:UpdateItem'],
      resources: [this.table.tableArn],
      conditions: leading(['CONTROL']),
    }));
  }

  /** Lets a function read everything, and write only how far it has come. */
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

  /** Lets a function keep the ledger: every item, the index, and the secret. */
  grantLedger(grantee: IGrantable): void {
    const grants = [
      new PolicyStatement({
        sid: 'KeepLedger',
        // A transaction has no action of its own in IAM: its parts are what is allowed.
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
   * Lets somebody of another account leave marks, and read people if they guard sign-ups. Which
   * items is said here once more: what their own policies say is that account's to change.
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
        // A table's policy can only speak of that table.
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

  /** The table's key, but only in DynamoDB's hands: no function can decrypt anything by itself. */
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
