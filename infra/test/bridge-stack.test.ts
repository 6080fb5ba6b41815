/** Properties of the stack that the documentation and the functions rely on. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';

import { Match } from 'aws-cdk-lib/assertions';

import { INFRA } from '../lib/infra';
import { OPERATIONS_FILE } from '../lib/trail-events';
import { EXAMPLE, template } from './fixture';

const QUEUE = 'AWS::SQS::Queue';
const FUNCTION = 'AWS::Lambda::Function';
const TABLE = 'AWS::DynamoDB::Table';
const DASHBOARD = 'AWS::CloudWatch::Dashboard';

test('resources have fixed names', () => {
  template().hasResourceProperties(FUNCTION, { FunctionName: 'acme-capture' });
  template().hasResourceProperties(FUNCTION, { FunctionName: 'acme-apply' });
  template().hasResourceProperties(TABLE, { TableName: 'acme' });
  template().hasResourceProperties(QUEUE, { QueueName: 'acme.fifo' });
  template().hasResourceProperties(QUEUE, { QueueName: 'acme-dead-letter.fifo' });
  template().hasResourceProperties(DASHBOARD, { DashboardName: 'poolbridge-acme' });
});

test('a change becomes a dead letter after 12 receives', () => {
  const [deadLetters] = Object.keys(template().findResources(QUEUE, {
    Properties: { QueueName: 'acme-dead-letter.fifo' },
  }));
  template().hasResourceProperties(QUEUE, {
    QueueName: 'acme.fifo',
    RedrivePolicy: {
      deadLetterTargetArn: { 'Fn::GetAtt': [deadLetters, 'Arn'] },
      maxReceiveCount: 12,
    },
  });
});

test('FIFO queues keep order per account and do not deduplicate by content', () => {
  for (const name of ['acme', 'acme-bulk', 'acme-dead-letter']) {
    template().hasResourceProperties(QUEUE, {
      QueueName: `${name}.fifo`,
      FifoQueue: true,
      ContentBasedDeduplication: false,
      DeduplicationScope: 'messageGroup',
      FifoThroughputLimit: 'perMessageGroupId',
    });
  }
});

test('queues are encrypted, keep changes for 14 days and failed events for 4', () => {
  template().allResourcesProperties(QUEUE, { SqsManagedSseEnabled: true });
  const days = Object.values(template().findResources(QUEUE)).map(({ Properties }) => [
    Properties.QueueName, Properties.MessageRetentionPeriod / (24 * 60 * 60),
  ]);
  assert.deepEqual(Object.fromEntries(days), {
    'acme.fifo': 14,
    'acme-bulk.fifo': 14,
    'acme-dead-letter.fifo': 14,
    // These events hold IP addresses.
    'acme-trail-failed': 4,
    'acme-sweep-failed': 4,
  });
});

test('runbook states how long the queue keeps failed events', () => {
  const article = /### trail-failed-events\n[^]*?\n### /
    .exec(readFileSync(resolve(INFRA, 'RUNBOOK.md'), 'utf8'))?.[0] ?? '';
  assert.match(article, /keeps these events for four days/);
  assert.match(article, /IP addresses/);
});

test('bulk work has its own queue and concurrency', () => {
  const [bulk] = Object.keys(template().findResources(QUEUE, {
    Properties: { QueueName: 'acme-bulk.fifo' },
  }));
  template().hasResourceProperties('AWS::Lambda::EventSourceMapping', {
    EventSourceArn: { 'Fn::GetAtt': [bulk, 'Arn'] },
    FunctionResponseTypes: ['ReportBatchItemFailures'],
    ScalingConfig: { MaximumConcurrency: 2 },
  });
  template().resourceCountIs('AWS::Lambda::EventSourceMapping', 2);
});

test('rules pass the operations of operations.json and no sign-ins', () => {
  const { calls, pool, forms, challenges } = JSON.parse(readFileSync(OPERATIONS_FILE, 'utf8'));
  const patterns = Object.values(template().findResources('AWS::Events::Rule'))
    .map(({ Properties }) => Properties.EventPattern)
    .filter((pattern) => pattern !== undefined);
  const named = patterns.flatMap((pattern) => pattern.detail.eventName as string[]);
  assert.deepEqual(named.sort(), [...calls, ...pool, ...forms, ...Object.keys(challenges)].sort());
  for (const signIn of ['InitiateAuth', 'AdminInitiateAuth', 'login_POST']) {
    assert.ok(!named.includes(signIn), signIn);
  }
  template().hasResourceProperties('AWS::Events::Rule', {
    Name: 'acme-trail-challenges',
    EventPattern: {
      detail: {
        requestParameters: {
          challengeName: ['NEW_PASSWORD_REQUIRED', 'MFA_SETUP', 'EMAIL_OTP', 'SMS_OTP'],
        },
      },
    },
  });
  // The quota of EventBridge for an event pattern.
  assert.ok(patterns.every((pattern) => JSON.stringify(pattern).length <= 2048));
});

test('only the rule for links gets read-only events', () => {
  const { forms } = JSON.parse(readFileSync(OPERATIONS_FILE, 'utf8')) as { forms: string[] };
  const rules = Object.values(template().findResources('AWS::Events::Rule'))
    .filter(({ Properties }) => Properties.EventPattern !== undefined)
    .map(({ Properties: { Name, State, EventPattern } }) => ({ Name, State, EventPattern }));
  const all = rules.filter(({ State }) => State !== 'ENABLED');
  assert.deepEqual(all, [{
    Name: 'acme-trail-links',
    State: 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS',
    EventPattern: {
      'source': ['aws.cognito-idp'],
      'detail-type': ['AWS Service Event via CloudTrail'],
      'detail': { eventName: forms.filter((form) => form.endsWith('_GET')) },
    },
  }]);
  assert.ok(all[0]?.EventPattern.detail.eventName.includes('Confirm_With_Link_GET'));
});

test('rule for calls does not filter by pool, so that it passes people\'s own calls', () => {
  const { Properties } = Object.values(template().findResources('AWS::Events::Rule', {
    Properties: { Name: 'acme-trail-calls' },
  }))[0] ?? assert.fail();
  assert.deepEqual(Object.keys(Properties.EventPattern.detail).sort(), ['errorCode', 'eventName']);
  for (const own of ['UpdateUserAttributes', 'DeleteUser', 'ChangePassword']) {
    assert.ok(Properties.EventPattern.detail.eventName.includes(own), own);
  }
});

test('trail gets both types of CloudTrail events, and failed events go to a queue', () => {
  for (const detailType of ['AWS API Call via CloudTrail', 'AWS Service Event via CloudTrail']) {
    template().hasResourceProperties('AWS::Events::Rule', {
      State: 'ENABLED',
      EventPattern: Match.objectLike({
        'source': ['aws.cognito-idp'], 'detail-type': [detailType],
      }),
      Targets: [Match.objectLike({ DeadLetterConfig: Match.anyValue() })],
    });
  }
  template().hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
    MaximumRetryAttempts: 2,
    DestinationConfig: { OnFailure: Match.anyValue() },
  });
});

test('schedule calls the sweep every 15 minutes unless it is off', () => {
  const rule = { Name: 'acme-sweep', ScheduleExpression: 'rate(15 minutes)' };
  template().hasResourceProperties('AWS::Events::Rule', { ...rule, State: 'ENABLED' });
  const example = readFileSync(EXAMPLE, 'utf8');
  const off = example.replace('[sweep]\nenabled = true', '[sweep]\nenabled = false');
  template({ configuration: off })
    .hasResourceProperties('AWS::Events::Rule', { ...rule, State: 'DISABLED' });
});

test('a call of the sweep times out before the next one', () => {
  // Only a local stack may have a pass every second.
  const example = readFileSync(EXAMPLE, 'utf8')
    .replace('[old]\n', '[old]\nendpoint_url = "http://127.0.0.1:4566"\n');
  for (const [every, rate, timeout] of [
    ['168h', 'rate(15 minutes)', 900], ['5m', 'rate(5 minutes)', 300], ['1s', 'rate(1 minute)', 60],
  ] as const) {
    const configuration = example.replace('every = "6h"', `every = "${every}"`);
    const stack = template({ configuration });
    stack.hasResourceProperties('AWS::Events::Rule', {
      Name: 'acme-sweep', ScheduleExpression: rate,
    });
    stack.hasResourceProperties(FUNCTION, { FunctionName: 'acme-sweep', Timeout: timeout });
  }
});

test('trail gets the roles of apply and sweep, and sweep the capture of each pool', () => {
  const role = (owner: string): unknown => {
    const [id] = Object.keys(template().findResources('AWS::IAM::Role'))
      .filter((found) => found.startsWith(owner));
    return { 'Fn::GetAtt': [id, 'Arn'] };
  };
  template().hasResourceProperties(FUNCTION, {
    FunctionName: 'acme-trail',
    Environment: {
      Variables: {
        POOLBRIDGE_CONFIG: 'bridge.toml',
        POOLBRIDGE_TABLE: reference(),
        POOLBRIDGE_QUEUE_URL: reference(),
        POOLBRIDGE_OWN_ROLES: { 'Fn::Join': ['', [role('Apply'), ',', role('Sweep')]] },
      },
    },
  });
  const [capture] = Object.keys(template().findResources(FUNCTION, {
    Properties: { FunctionName: 'acme-capture' },
  }));
  template().hasResourceProperties(FUNCTION, {
    FunctionName: 'acme-sweep',
    MemorySize: 256,
    Environment: {
      Variables: {
        POOLBRIDGE_CONFIG: 'bridge.toml',
        POOLBRIDGE_TABLE: reference(),
        POOLBRIDGE_QUEUE_URL: reference(),
        POOLBRIDGE_BULK_QUEUE_URL: reference(),
        POOLBRIDGE_KEY: reference(),
        // The example's old pool is in another Region, so its capture is there.
        POOLBRIDGE_CAPTURE_OLD: {
          'Fn::Join': ['', Match.arrayWith([':function:acme-capture-old'])],
        },
        POOLBRIDGE_CAPTURE_NEW: { 'Fn::GetAtt': [capture, 'Arn'] },
      },
    },
  });
});

test('visibility timeout is six times the timeout of apply', () => {
  template().hasResourceProperties(QUEUE, { QueueName: 'acme.fifo', VisibilityTimeout: 180 });
  template().hasResourceProperties(FUNCTION, { FunctionName: 'acme-apply', Timeout: 30 });
});

test('apply gets batches of 10 and returns only failed messages', () => {
  template().hasResourceProperties('AWS::Lambda::EventSourceMapping', {
    BatchSize: 10,
    FunctionResponseTypes: ['ReportBatchItemFailures'],
    ScalingConfig: { MaximumConcurrency: 4 },
  });
  template({ context: { maximumConcurrency: '9' } })
    .hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      ScalingConfig: { MaximumConcurrency: 9 },
    });
});

test('schedule calls apply every 5 minutes to send due changes again', () => {
  const [apply] = Object.keys(template().findResources(FUNCTION, {
    Properties: { FunctionName: 'acme-apply' },
  }));
  const [rule] = Object.keys(template().findResources('AWS::Events::Rule', {
    Properties: { Name: 'acme-resend' },
  }));
  const arn = { 'Fn::GetAtt': [apply, 'Arn'] };
  template().hasResourceProperties('AWS::Events::Rule', {
    Name: 'acme-resend',
    ScheduleExpression: 'rate(5 minutes)',
    State: 'ENABLED',
    Targets: [Match.objectLike({ Arn: arn, Input: '{"poolbridge":"resend"}' })],
  });
  template().hasResourceProperties('AWS::Lambda::Permission', {
    Action: 'lambda:InvokeFunction',
    FunctionName: arn,
    Principal: 'events.amazonaws.com',
    SourceArn: { 'Fn::GetAtt': [rule, 'Arn'] },
  });
  // No retries: the next call comes soon.
  template().hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
    FunctionName: { Ref: apply },
    MaximumRetryAttempts: 0,
    MaximumEventAgeInSeconds: 300,
  });
});

test('table has its own key, point-in-time recovery and expiry', () => {
  const [key] = Object.keys(template().findResources('AWS::KMS::Key'));
  template().hasResourceProperties('AWS::KMS::Key', { EnableKeyRotation: true });
  template().hasResourceProperties(TABLE, {
    BillingMode: 'PAY_PER_REQUEST',
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
    SSESpecification: {
      SSEEnabled: true,
      SSEType: 'KMS',
      KMSMasterKeyId: { 'Fn::GetAtt': [key, 'Arn'] },
    },
    PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    TimeToLiveSpecification: { AttributeName: 'expires_at', Enabled: true },
  });
});

test('index by_state holds only the state and the accounts', () => {
  template().hasResourceProperties(TABLE, {
    GlobalSecondaryIndexes: [{
      IndexName: 'by_state',
      KeySchema: [
        { AttributeName: 'state_shard', KeyType: 'HASH' },
        { AttributeName: 'updated_at', KeyType: 'RANGE' },
      ],
      Projection: { ProjectionType: 'INCLUDE', NonKeyAttributes: ['state', 'accounts'] },
    }],
    AttributeDefinitions: Match.arrayWith([
      { AttributeName: 'state_shard', AttributeType: 'S' },
      { AttributeName: 'updated_at', AttributeType: 'N' },
    ]),
  });
});

const RETAINED = [TABLE, 'AWS::KMS::Key', 'AWS::SecretsManager::Secret'];

test('table, key and secret outlive the stack', () => {
  for (const type of RETAINED) {
    template().allResources(type, { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
  }
  template().hasResourceProperties(TABLE, { DeletionProtectionEnabled: true });
});

test('a removable stack retains no resource', () => {
  const removable = template({ context: { removable: 'true' } });
  const resources: Record<string, { Type: string; DeletionPolicy?: string }> =
    removable.toJSON()['Resources'];
  for (const [id, resource] of Object.entries(resources)) {
    assert.notEqual(resource.DeletionPolicy, 'Retain', id);
  }
  removable.hasResourceProperties(TABLE, { DeletionProtectionEnabled: false });
});

test('functions have the runtime and processor of their programs', () => {
  template().allResourcesProperties(FUNCTION, {
    Runtime: 'provided.al2023',
    Architectures: ['x86_64'],
    Handler: 'bootstrap',
    LoggingConfig: Match.objectLike({ LogFormat: 'JSON' }),
  });
  template({ context: { architecture: 'arm64' } })
    .allResourcesProperties(FUNCTION, { Architectures: ['arm64'] });
});

test('capture has 10 seconds, 512 MB, and only the variables it needs', () => {
  template().hasResourceProperties(FUNCTION, {
    FunctionName: 'acme-capture',
    // More than the 5 seconds of Cognito, which a chained function may use up.
    Timeout: 10,
    // Enough processor power for the first connections, while a person waits.
    MemorySize: 512,
    Environment: {
      // All of them: capture gets no key.
      Variables: {
        POOLBRIDGE_CONFIG: 'bridge.toml',
        POOLBRIDGE_TABLE: reference(),
        POOLBRIDGE_QUEUE_URL: reference(),
      },
    },
  });
});

test('apply gets the table, the queues and the secret', () => {
  template().hasResourceProperties(FUNCTION, {
    FunctionName: 'acme-apply',
    MemorySize: 256,
    Environment: {
      Variables: {
        POOLBRIDGE_CONFIG: 'bridge.toml',
        POOLBRIDGE_TABLE: reference(),
        POOLBRIDGE_QUEUE_URL: reference(),
        POOLBRIDGE_BULK_QUEUE_URL: reference(),
        POOLBRIDGE_DEAD_LETTER_URL: reference(),
        POOLBRIDGE_KEY: reference(),
      },
    },
  });
  template().hasResourceProperties('AWS::SecretsManager::Secret', {
    GenerateSecretString: { PasswordLength: 64, ExcludePunctuation: true },
  });
});

test('CloudWatch keeps logs for 30 days or as the settings say', () => {
  template().resourceCountIs('AWS::Logs::LogGroup', 4);
  template().allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 30 });
  template({ context: { logRetentionDays: 7 } })
    .allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 7 });
});

test('stack outputs every variable of the command line', () => {
  for (const output of [
    'Table', 'QueueUrl', 'BulkQueueUrl', 'DeadLetterUrl', 'Key', 'CaptureOld', 'CaptureNew',
  ]) {
    template().hasOutput(`Poolbridge${output}`, {});
  }
  template().hasOutput('CaptureFunction', {});
  template().hasOutput('ApplyFunction', {});
  const lines = JSON.stringify(template().findOutputs('PoolbridgeEnvironment'));
  for (const variable of [
    'TABLE', 'QUEUE_URL', 'BULK_QUEUE_URL', 'DEAD_LETTER_URL', 'KEY', 'CAPTURE_OLD', 'CAPTURE_NEW',
  ]) {
    assert.match(lines, new RegExp(`export POOLBRIDGE_${variable}=`));
  }
});

function reference(): Match {
  return Match.objectLike({ Ref: Match.anyValue() });
}
