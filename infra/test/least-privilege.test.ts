/** The roles have these permissions and no others. A new grant needs a line here too. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bridgeToml, template } from './fixture';

interface Statement {
  readonly Sid?: string;
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource?: unknown;
  readonly Principal?: unknown;
  readonly Condition?: unknown;
}

interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, unknown>;
}

const POOL_CALLS = [
  'AdminAddUserToGroup', 'AdminCreateUser', 'AdminDisableUser',
  'AdminEnableUser', 'AdminGetUser', 'AdminListGroupsForUser', 'AdminRemoveUserFromGroup',
  'AdminSetUserMFAPreference', 'AdminSetUserPassword', 'AdminUpdateUserAttributes',
  'AdminUserGlobalSignOut', 'DescribeUserPool', 'GetGroup', 'GetUserPoolMfaConfig', 'ListGroups',
  'ListUsers',
].map((call) => `cognito-idp:${call}`);

const KEY_CALLS = [
  'Decrypt', 'DescribeKey', 'Encrypt', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext',
  'ReEncryptFrom', 'ReEncryptTo',
].map((call) => `kms:${call}`);

const LOG_CALLS = ['logs:CreateLogStream', 'logs:PutLogEvents'];

const SEARCH = ['cognito-idp:DescribeUserPool', 'cognito-idp:ListUsers'];

const LISTING = [
  'DescribeUserPool', 'GetUserPoolMfaConfig', 'ListGroups', 'ListUsers', 'ListUsersInGroup',
].map((call) => `cognito-idp:${call}`);

const CAPTURE_GRANTS = {
  WriteLog: LOG_CALLS,
  StorePendingChanges: ['dynamodb:UpdateItem'],
  UseKeyThroughTable: KEY_CALLS,
  SendChanges: ['sqs:SendMessage'],
};

test('capture without the guard may only store and send changes', () => {
  const statements = statementsOf('Capture', bridge('[policy]\nsignup_guard = false'));
  assert.deepEqual(bySid(statements), CAPTURE_GRANTS);
});

test('capture with the guard may also search the pools and read person records', () => {
  // Two pools in the stack's Region, so that the guard searches both.
  const statements = statementsOf('Capture', bridge(''));
  assert.deepEqual(bySid(statements), {
    ...CAPTURE_GRANTS,
    ReadForGuard: ['dynamodb:GetItem'],
    SearchOldPool: SEARCH,
    SearchNewPool: SEARCH,
  });
  const reads = statements.find((statement) => statement.Sid === 'ReadForGuard');
  assert.deepEqual(reads?.Condition, {
    'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['ACCOUNT#*', 'PERSON#*', 'CONTROL'] },
  });
  const pending = statements.find((statement) => statement.Sid === 'StorePendingChanges');
  assert.deepEqual(pending?.Condition, {
    'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['PENDING#*', 'COUNTER#0'] },
  });
});

test('capture may invoke only the chained functions that bridge.toml names', () => {
  const own = 'arn:aws:lambda:us-east-1:111122223333:function:own-sign-up';
  const statements = statementsOf('Capture', bridge(`[old.triggers]\nPreSignUp = "${own}"`));
  const call = statements.find((statement) => statement.Sid === 'InvokeChainedFunctions');
  assert.deepEqual([call?.Action, call?.Resource], ['lambda:InvokeFunction', own]);
  const other = own.replace('sign-up', 'words');
  const both = statementsOf('Capture', bridge(
    '[capture]\ncustom_message = true\n'
      + `[old.triggers]\nPreSignUp = "${own}"\nCustomMessage = "${other}"`,
  ));
  const calls = both.find((statement) => statement.Sid === 'InvokeChainedFunctions');
  assert.deepEqual(calls?.Resource, [own, other]);
});

test('trail may find people, store and send changes, and record routes and restores', () => {
  const statements = statementsOf('Trail');
  assert.deepEqual(bySid(statements), {
    ...CAPTURE_GRANTS,
    FindPeople: ['dynamodb:GetItem'],
    RecordRoutes: ['dynamodb:UpdateItem'],
    RecordRestores: ['dynamodb:GetItem', 'dynamodb:UpdateItem'],
    // To check a pool's triggers after its settings were changed.
    ReadOldPoolSettings: ['cognito-idp:DescribeUserPool'],
    ReadNewPoolSettings: ['cognito-idp:DescribeUserPool'],
    // Lambda sends failed events with trail's role.
    ...sendFailed(statements),
  });
  const restores = statements.find((statement) => statement.Sid === 'RecordRestores');
  assert.deepEqual(restores?.Condition, {
    'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['CONTROL'] },
  });
});

test('sweep may read the table, write cursors, and send bulk work', () => {
  const statements = statementsOf('Sweep');
  assert.deepEqual(bySid(statements), {
    WriteLog: LOG_CALLS,
    ReadTable: ['dynamodb:BatchGetItem', 'dynamodb:GetItem', 'dynamodb:Query'],
    StoreCursors: ['dynamodb:DeleteItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'],
    ReadSecret: ['secretsmanager:GetSecretValue'],
    UseKeyThroughTable: KEY_CALLS,
    SendBulkWork: ['sqs:GetQueueAttributes', 'sqs:SendMessage'],
    ListOldPool: LISTING,
    ListNewPool: LISTING,
    ...sendFailed(statements),
  });
  const cursors = statements.find((statement) => statement.Sid === 'StoreCursors');
  assert.deepEqual(cursors?.Condition, {
    'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['CURSOR#*', 'ROUTE#*'] },
  });
});

test('apply may write the table, consume both queues, and write both pools', () => {
  assert.deepEqual(bySid(statementsOf('Apply')), {
    WriteLog: LOG_CALLS,
    WriteTable: [
      'dynamodb:ConditionCheckItem', 'dynamodb:DeleteItem', 'dynamodb:GetItem',
      'dynamodb:PutItem', 'dynamodb:Query', 'dynamodb:UpdateItem',
    ],
    QueryByState: ['dynamodb:Query'],
    ReadSecret: ['secretsmanager:GetSecretValue'],
    UseKeyThroughTable: KEY_CALLS,
    ConsumeChanges: [
      'sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes',
      'sqs:ReceiveMessage', 'sqs:SendMessage',
    ],
    ConsumeBulkWork: [
      'sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes',
      'sqs:ReceiveMessage',
    ],
    SynchroniseOldPool: POOL_CALLS,
    SynchroniseNewPool: POOL_CALLS,
  });
});

test('capture that serves one pool may not search that pool', () => {
  const sids = Object.keys(bySid(statementsOf('Capture')));
  assert.ok(sids.includes('SearchOldPool') && !sids.includes('SearchNewPool'), sids.join());
});

test('only apply may call the administrative API of a pool', () => {
  for (const owner of ['Capture', 'Trail', 'Sweep'] as const) {
    const calls = statementsOf(owner).flatMap(({ Action }) => [Action].flat());
    assert.deepEqual(calls.filter((call) => call.startsWith('cognito-idp:Admin')), [], owner);
  }
});

test('sweep may not list groups if groups are not synchronised', () => {
  const statements = bySid(statementsOf('Sweep', bridge('[policy]\ngroups = false')));
  assert.deepEqual(statements['ListOldPool'], LISTING.filter((call) => !call.includes('Group')));
});

test('functions may use the key only through DynamoDB', () => {
  for (const owner of ['Capture', 'Trail', 'Apply', 'Sweep'] as const) {
    const use = statementsOf(owner).find((statement) => statement.Sid === 'UseKeyThroughTable');
    assert.deepEqual(use?.Condition, {
      StringEquals: { 'kms:ViaService': 'dynamodb.us-east-1.amazonaws.com' },
    });
  }
});

test('apply may not write groups if groups are not synchronised', () => {
  const statements = bySid(statementsOf('Apply', bridge('[policy]\ngroups = false')));
  const writes = ['cognito-idp:AdminAddUserToGroup', 'cognito-idp:AdminRemoveUserFromGroup'];
  const allowed = POOL_CALLS.filter((call) => !writes.includes(call));
  assert.deepEqual(statements['SynchroniseOldPool'], allowed);
  assert.deepEqual(statements['SynchroniseNewPool'], allowed);
});

test('apply may delete accounts only with deletes = "delete"', () => {
  const call = 'cognito-idp:AdminDeleteUser';
  for (const [deletes, more] of [['delete', [call]], ['disable', []], ['keep', []]] as const) {
    const statements = bySid(statementsOf('Apply', bridge(`[policy]\ndeletes = "${deletes}"`)));
    const allowed = [...POOL_CALLS, ...more].sort();
    assert.deepEqual(statements['SynchroniseOldPool'], allowed);
    assert.deepEqual(statements['SynchroniseNewPool'], allowed);
  }
});

test('apply may read app clients only if an attribute matches accounts', () => {
  const calls = ['cognito-idp:DescribeUserPoolClient', 'cognito-idp:ListUserPoolClients'];
  for (const [match, more] of [['custom:old_sub', calls], ['username', []]] as const) {
    const statements = bySid(statementsOf('Apply', bridge('', match)));
    const allowed = [...POOL_CALLS, ...more].sort();
    assert.deepEqual(statements['SynchroniseOldPool'], allowed);
    assert.deepEqual(statements['SynchroniseNewPool'], allowed);
  }
});

test('only these policies contain a wildcard', () => {
  const found: string[] = [];
  for (const [id, resource] of Object.entries(resources())) {
    for (const statement of everyStatement(resource.Properties)) {
      const { Effect, Action, Resource: on, Principal } = statement;
      if (JSON.stringify([Action, on ?? '', Principal ?? '']).includes('*')) {
        found.push(`${resource.Type} ${id.replace(/[0-9A-F]{8}$/, '')}: ${Effect} ${Action}`);
      }
    }
  }
  assert.deepEqual(found.sort(), [
    // A key policy applies to its own key only, and names it "*". Without this statement the
    // account could never change the policy again.
    'AWS::KMS::Key StateKey: Allow kms:*',
    // Denies every call without TLS.
    'AWS::SQS::QueuePolicy BulkQueuePolicy: Deny sqs:*',
    'AWS::SQS::QueuePolicy ChangesDeadLetterQueuePolicy: Deny sqs:*',
    'AWS::SQS::QueuePolicy ChangesQueuePolicy: Deny sqs:*',
    'AWS::SQS::QueuePolicy SweepFailedQueuePolicy: Deny sqs:*',
    'AWS::SQS::QueuePolicy TrailFailedQueuePolicy: Deny sqs:*',
  ]);
});

test('roles have no managed policies, and only Lambda may assume them', () => {
  for (const [id, resource] of Object.entries(resources())) {
    if (resource.Type === 'AWS::IAM::Role') {
      assert.equal(resource.Properties['ManagedPolicyArns'], undefined, id);
      assert.deepEqual(
        everyStatement(resource.Properties).map(({ Principal }) => Principal),
        [{ Service: 'lambda.amazonaws.com' }],
        id,
      );
    }
  }
});

function resources(configuration?: string): Record<string, Resource> {
  const options = configuration === undefined ? undefined : { configuration };
  return template(options).toJSON()['Resources'] as Record<string, Resource>;
}

type Owner = 'Capture' | 'Trail' | 'Apply' | 'Sweep';

function statementsOf(owner: Owner, configuration?: string): Statement[] {
  return Object.entries(resources(configuration))
    .filter(([id, resource]) => resource.Type === 'AWS::IAM::Policy' && id.startsWith(owner))
    .flatMap(([, resource]) => everyStatement(resource.Properties));
}

/** All statements in a resource, in whichever property they are. */
function everyStatement(value: unknown): Statement[] {
  if (typeof value !== 'object' || value === null) {
    return [];
  }
  const own = (value as { Statement?: Statement[] }).Statement ?? [];
  return [...own, ...Object.values(value).flatMap(everyStatement)];
}

function bySid(statements: Statement[]): Record<string, string[]> {
  return Object.fromEntries(statements.map(({ Sid, Action }) => [Sid, [Action].flat().sort()]));
}

/** A bridge of two pools in the stack's Region, with more lines. */
function bridge(more: string, match?: string): string {
  const [oldPool, newPool] = ['A', 'B'].map((id) => `user_pool_id = "us-east-1_${id.repeat(9)}"`);
  return bridgeToml(oldPool ?? '', newPool ?? '', more, match);
}

/** The statement for sending failed events. CDK gives it no Sid. */
function sendFailed(statements: Statement[]): Record<string, string[]> {
  const unnamed = statements.filter(({ Sid }) => Sid === undefined);
  assert.deepEqual(unnamed.map(({ Action }) => Action), [
    ['sqs:GetQueueAttributes', 'sqs:GetQueueUrl', 'sqs:SendMessage'],
  ]);
  return bySid(unnamed);
}
