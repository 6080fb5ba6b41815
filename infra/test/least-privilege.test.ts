/** Nobody may do more than is written here. A new grant is added here too, or it does not pass. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { template } from './world';

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

const CAPTURES = {
  WriteLog: LOG_CALLS,
  LeaveMarks: ['dynamodb:UpdateItem'],
  UseKeyThroughTable: KEY_CALLS,
  SendChanges: ['sqs:SendMessage'],
};

test('without the guard, capture may leave a mark and send a change, and read nothing', () => {
  const statements = statementsOf('Capture', bridge('[policy]\nsignup_guard = false'));
  assert.deepEqual(bySid(statements), CAPTURES);
});

test('as the guard, capture may search the pools and read who it found', () => {
  // The example's old pool is in another Region; two pools beside the stack make both searches.
  const statements = statementsOf('Capture', bridge(''));
  assert.deepEqual(bySid(statements), {
    ...CAPTURES,
    ReadForGuard: ['dynamodb:GetItem'],
    SearchOldPool: SEARCH,
    SearchNewPool: SEARCH,
  });
  const reads = statements.find((statement) => statement.Sid === 'ReadForGuard');
  assert.deepEqual(reads?.Condition, {
    'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['ACCOUNT#*', 'PERSON#*', 'CONTROL'] },
  });
  const marks = statements.find((statement) => statement.Sid === 'LeaveMarks');
  assert.deepEqual(marks?.Condition, {
    'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['PENDING#*', 'COUNTER#0'] },
  });
});

test('capture may call the very functions that bridge.toml names, and no other', () => {
  const own = 'arn:aws:lambda:us-east-1:111122223333:function:team-sign-up';
  const statements = statementsOf('Capture', bridge(`[old.triggers]\nPreSignUp = "${own}"`));
  const call = statements.find((statement) => statement.Sid === 'CallTheTeamsFunctions');
  assert.deepEqual([call?.Action, call?.Resource], ['lambda:InvokeFunction', own]);
  const words = own.replace('sign-up', 'words');
  const both = statementsOf('Capture', bridge(
    '[capture]\ncustom_message = true\n'
      + `[old.triggers]\nPreSignUp = "${own}"\nCustomMessage = "${words}"`,
  ));
  const calls = both.find((statement) => statement.Sid === 'CallTheTeamsFunctions');
  assert.deepEqual(calls?.Resource, [own, words]);
});

test('trail may find out whose account it is, mark it, and say that it is alive', () => {
  const statements = statementsOf('Trail');
  assert.deepEqual(bySid(statements), {
    ...CAPTURES,
    ResolveAccounts: ['dynamodb:GetItem'],
    TellOfRoutes: ['dynamodb:UpdateItem'],
    NoteRestores: ['dynamodb:GetItem', 'dynamodb:UpdateItem'],
    // Whether capture still serves the triggers of a pool whose settings were changed.
    LookOldPool: ['cognito-idp:DescribeUserPool'],
    LookNewPool: ['cognito-idp:DescribeUserPool'],
    // Lambda itself puts there what trail failed at, in trail's name.
    ...sending(statements),
  });
  const restores = statements.find((statement) => statement.Sid === 'NoteRestores');
  assert.deepEqual(restores?.Condition, {
    'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['CONTROL'] },
  });
});

test('sweep may read everything, and write how far it came and what is to be looked at', () => {
  const statements = statementsOf('Sweep');
  assert.deepEqual(bySid(statements), {
    WriteLog: LOG_CALLS,
    ReadLedger: ['dynamodb:BatchGetItem', 'dynamodb:GetItem', 'dynamodb:Query'],
    KeepCursors: ['dynamodb:DeleteItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'],
    ReadSecret: ['secretsmanager:GetSecretValue'],
    UseKeyThroughTable: KEY_CALLS,
    SendBulkWork: ['sqs:GetQueueAttributes', 'sqs:SendMessage'],
    ListOldPool: LISTING,
    ListNewPool: LISTING,
    ...sending(statements),
  });
  const cursors = statements.find((statement) => statement.Sid === 'KeepCursors');
  assert.deepEqual(cursors?.Condition, {
    'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['CURSOR#*', 'ROUTE#*'] },
  });
});

test('apply may keep the ledger, work on the queue and keep the two pools in step', () => {
  assert.deepEqual(bySid(statementsOf('Apply')), {
    WriteLog: LOG_CALLS,
    KeepLedger: [
      'dynamodb:ConditionCheckItem', 'dynamodb:DeleteItem', 'dynamodb:GetItem',
      'dynamodb:PutItem', 'dynamodb:Query', 'dynamodb:UpdateItem',
    ],
    QueryByState: ['dynamodb:Query'],
    ReadSecret: ['secretsmanager:GetSecretValue'],
    UseKeyThroughTable: KEY_CALLS,
    WorkOnChanges: [
      'sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes',
      'sqs:ReceiveMessage', 'sqs:SendMessage',
    ],
    WorkOnBulk: [
      'sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes',
      'sqs:ReceiveMessage',
    ],
    KeepOldPoolInStep: POOL_CALLS,
    KeepNewPoolInStep: POOL_CALLS,
  });
});

test('a capture that serves one pool does not look into that one', () => {
  const sids = Object.keys(bySid(statementsOf('Capture')));
  assert.ok(sids.includes('SearchOldPool') && !sids.includes('SearchNewPool'), sids.join());
});

test('the sweep reads no account, which would bill everybody', () => {
  for (const owner of ['Capture', 'Trail', 'Sweep'] as const) {
    const calls = statementsOf(owner).flatMap(({ Action }) => [Action].flat());
    assert.deepEqual(calls.filter((call) => call.startsWith('cognito-idp:Admin')), [], owner);
  }
});

test('where groups do not travel, the sweep lists none', () => {
  const statements = bySid(statementsOf('Sweep', bridge('[policy]\ngroups = false')));
  assert.deepEqual(statements['ListOldPool'], LISTING.filter((call) => !call.includes('Group')));
});

test('the key is used in the table\'s hands only', () => {
  for (const owner of ['Capture', 'Trail', 'Apply', 'Sweep'] as const) {
    const use = statementsOf(owner).find((statement) => statement.Sid === 'UseKeyThroughTable');
    assert.deepEqual(use?.Condition, {
      StringEquals: { 'kms:ViaService': 'dynamodb.us-east-1.amazonaws.com' },
    });
  }
});

test('where groups do not travel, nothing may write any', () => {
  const statements = bySid(statementsOf('Apply', bridge('[policy]\ngroups = false')));
  const writes = ['cognito-idp:AdminAddUserToGroup', 'cognito-idp:AdminRemoveUserFromGroup'];
  const allowed = POOL_CALLS.filter((call) => !writes.includes(call));
  assert.deepEqual(statements['KeepOldPoolInStep'], allowed);
  assert.deepEqual(statements['KeepNewPoolInStep'], allowed);
});

test('accounts may be deleted only where the team chose that a deletion deletes', () => {
  const call = 'cognito-idp:AdminDeleteUser';
  for (const [deletes, more] of [['delete', [call]], ['disable', []], ['keep', []]] as const) {
    const statements = bySid(statementsOf('Apply', bridge(`[policy]\ndeletes = "${deletes}"`)));
    const allowed = [...POOL_CALLS, ...more].sort();
    assert.deepEqual(statements['KeepOldPoolInStep'], allowed);
    assert.deepEqual(statements['KeepNewPoolInStep'], allowed);
  }
});

test('app clients are read only where an attribute of the team\'s own matches accounts', () => {
  const calls = ['cognito-idp:DescribeUserPoolClient', 'cognito-idp:ListUserPoolClients'];
  for (const [match, more] of [['custom:old_sub', calls], ['username', []]] as const) {
    const statements = bySid(statementsOf('Apply', bridge('', match)));
    const allowed = [...POOL_CALLS, ...more].sort();
    assert.deepEqual(statements['KeepOldPoolInStep'], allowed);
    assert.deepEqual(statements['KeepNewPoolInStep'], allowed);
  }
});

test('no policy says "all", but for those that cannot say it otherwise', () => {
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
    // A key's policy can only speak of that key, and calls it "*". Without the account's own
    // right to administer it, nobody could ever mend the policy.
    'AWS::KMS::Key StateKey: Allow kms:*',
    // A refusal: nobody at all may use the queues without encryption on the way.
    'AWS::SQS::QueuePolicy BulkQueuePolicy: Deny sqs:*',
    'AWS::SQS::QueuePolicy ChangesDeadLetterQueuePolicy: Deny sqs:*',
    'AWS::SQS::QueuePolicy ChangesQueuePolicy: Deny sqs:*',
    'AWS::SQS::QueuePolicy SweepFailedQueuePolicy: Deny sqs:*',
    'AWS::SQS::QueuePolicy TrailFailedQueuePolicy: Deny sqs:*',
  ]);
});

test('no role has a policy that somebody else can change', () => {
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
  const wishes = configuration === undefined ? undefined : { configuration };
  return template(wishes).toJSON()['Resources'] as Record<string, Resource>;
}

type Owner = 'Capture' | 'Trail' | 'Apply' | 'Sweep';

function statementsOf(owner: Owner, configuration?: string): Statement[] {
  return Object.entries(resources(configuration))
    .filter(([id, resource]) => resource.Type === 'AWS::IAM::Policy' && id.startsWith(owner))
    .flatMap(([, resource]) => everyStatement(resource.Properties));
}

/** Every statement anywhere in a resource, whatever its policy is called there. */
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

/** A bridge of two pools beside the stack, with these lines more. */
function bridge(more: string, match = 'email'): string {
  return `name = "acme"
    [old]
    user_pool_id = "us-east-1_AAAAAAAAA"
    [new]
    user_pool_id = "us-east-1_BBBBBBBBB"
    [identity]
    match = "${match}"
    ${more}`;
}

/** The statement by which a function's own failures are sent away; CDK gives it no name. */
function sending(statements: Statement[]): Record<string, string[]> {
  const unnamed = statements.filter(({ Sid }) => Sid === undefined);
  assert.deepEqual(unnamed.map(({ Action }) => Action), [
    ['sqs:GetQueueAttributes', 'sqs:GetQueueUrl', 'sqs:SendMessage'],
  ]);
  return bySid(unnamed);
}
