/** The capture stack of a pool that the bridge's own stack cannot reach. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Stack } from 'aws-cdk-lib';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';

import {
  bridgeToml, configErrorOf, createTestApp, template, type TestApp,
} from './fixture';

const LOCAL = 'user_pool_id = "us-east-1_AAAAAAAAA"';
const OTHER_REGION = 'user_pool_id = "eu-west-1_CCCCCCCCC"';
const OTHER_ACCOUNT = 'user_pool_id = "us-east-1_BBBBBBBBB"\n'
  + 'role_arn = "arn:aws:iam::111122223333:role/poolbridge"';
const HOME = '444455556666';
const LOCAL_WITH_ROLE = `${LOCAL}\nrole_arn = "arn:aws:iam::${HOME}:role/pool"`;

// Two accounts, and a role for the guard in each.
const TWO_ACCOUNTS = {
  configuration: bridge(OTHER_ACCOUNT, LOCAL_WITH_ROLE),
  context: { account: HOME },
};

function bridge(newPool: string, oldPool = LOCAL, more = ''): string {
  return bridgeToml(oldPool, newPool, more);
}

function otherRegion(): TestApp {
  return createTestApp({ configuration: bridge(OTHER_REGION) });
}

function captureStack({ app }: TestApp): Stack | undefined {
  return app.node.tryFindChild('poolbridge-capture-new') as Stack | undefined;
}

function captureTemplate(testApp: TestApp): Template {
  return Template.fromStack(captureStack(testApp) ?? assert.fail('there is no capture stack'));
}

test('a pool in another Region gets a capture stack there', () => {
  const testApp = otherRegion();
  assert.equal(captureStack(testApp)?.region, 'eu-west-1');
  assert.equal(captureStack(testApp)?.stackName, 'poolbridge-acme-capture-new');
  captureTemplate(testApp).hasResourceProperties('AWS::Lambda::Function', {
    FunctionName: 'acme-capture-new',
    Timeout: 10,
    Environment: {
      Variables: {
        POOLBRIDGE_CONFIG: 'bridge.toml',
        POOLBRIDGE_HOME_REGION: 'us-east-1',
        POOLBRIDGE_TABLE: {
          'Fn::Join': ['', Match.arrayWith(['arn:aws:dynamodb:us-east-1:', ':table/acme'])],
        },
        POOLBRIDGE_QUEUE_URL: {
          'Fn::Join': ['', Match.arrayWith(['https://sqs.us-east-1.', '/acme.fifo'])],
        },
      },
    },
  });
  captureTemplate(testApp).hasResourceProperties('AWS::Lambda::Permission', {
    Principal: 'cognito-idp.amazonaws.com',
    SourceArn: { 'Fn::Join': ['', Match.arrayWith([':userpool/eu-west-1_CCCCCCCCC'])] },
  });
});

test('capture stack has alarms for all failures in it', () => {
  const alarms = Object.values(
    captureTemplate(otherRegion()).findResources('AWS::CloudWatch::Alarm'),
  );
  assert.deepEqual(alarms.map(({ Properties }) => Properties.AlarmName).sort(), [
    'acme-capture-errors-new', 'acme-capture-failed-open-new', 'acme-capture-throttles-new',
    'acme-chained-function-failed-new', 'acme-guard-failed-open-new',
    'acme-trail-failed-events-new',
  ]);
});

test('alarms use the topics of their Region, and synthesis warns if there is none', () => {
  const [here, there] = ['us-east-1', 'eu-west-1']
    .map((region) => `arn:aws:sns:${region}:111122223333:on-call`);
  const laid = (alarmTopicArn?: string): TestApp =>
    createTestApp({ configuration: bridge(OTHER_REGION), context: { alarmTopicArn } });
  const both = laid(`${here}, ${there}`);
  Template.fromStack(both.stack)
    .allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [here] });
  captureTemplate(both).allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [there] });
  const warnings = (testApp: TestApp): unknown[] =>
    Annotations.fromStack(captureStack(testApp) ?? assert.fail())
      .findWarning('*', Match.stringLikeRegexp('alarmTopicArn names no topic in eu-west-1'));
  assert.deepEqual([laid(here), both, laid()].map((it) => warnings(it).length), [1, 0, 0]);
});

test('capture stack forwards CloudTrail events to the bus of the bridge', () => {
  const there = captureTemplate(otherRegion());
  const home = Template.fromStack(otherRegion().stack);
  // An event must pass the rules of both stacks.
  const rules = (found: Template): unknown[] =>
    Object.values(found.findResources('AWS::Events::Rule'))
      .flatMap(({ Properties: { EventPattern, State } }) =>
        EventPattern === undefined ? [] : [{ EventPattern, State }]);
  assert.deepEqual(rules(there), rules(home));
  there.resourceCountIs('AWS::Events::Rule', 5);
  there.allResourcesProperties('AWS::Events::Rule', {
    Targets: [Match.objectLike({
      Arn: {
        'Fn::Join': ['', Match.arrayWith(['arn:aws:events:us-east-1:', ':event-bus/default'])],
      },
      DeadLetterConfig: { Arn: Match.anyValue() },
    })],
  });
  there.hasResourceProperties('AWS::SQS::Queue', { QueueName: 'acme-trail-failed-new' });
});

test('capture stack grants only what capture and the forwarding need', () => {
  const policies = captureTemplate(otherRegion()).findResources('AWS::IAM::Policy');
  const of = (owner: string): { Sid?: string; Action: unknown; Condition?: unknown }[] =>
    Object.entries(policies)
      .filter(([id]) => id.startsWith(owner))
      .flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement);
  const capture = of('Capture');
  assert.deepEqual(capture.map(({ Sid }) => Sid).sort(), [
    'ReadForGuard', 'SearchOldPool', 'SendChanges', 'StorePendingChanges', 'UseKeyThroughTable',
    'WriteLog',
  ]);
  const key = capture.find(({ Sid }) => Sid === 'UseKeyThroughTable');
  assert.deepEqual(key?.Condition, {
    'StringEquals': { 'kms:ViaService': 'dynamodb.us-east-1.amazonaws.com' },
    'ForAnyValue:StringEquals': { 'kms:ResourceAliases': 'alias/poolbridge-acme' },
  });
  assert.deepEqual(of('ForwardTrail').map(({ Action }) => Action), ['events:PutEvents']);
  assert.equal(Object.keys(policies).length, 2);
});

test('each capture may invoke the chained functions of its own pools only', () => {
  const arn = (region: string, name: string): string =>
    `arn:aws:lambda:${region}:111122223333:function:${name}`;
  const testApp = createTestApp({
    configuration: bridge(OTHER_REGION, LOCAL, `[old.triggers]
      PreSignUp = "${arn('us-east-1', 'own-old')}"
      [new.triggers]
      PreSignUp = "${arn('eu-west-1', 'own-new')}"`),
  });
  const called = (found: Template): unknown[] =>
    Object.values(found.findResources('AWS::IAM::Policy'))
      .flatMap(({ Properties }) => Properties.PolicyDocument.Statement)
      .filter(({ Sid }) => Sid === 'InvokeChainedFunctions')
      .map(({ Resource }) => Resource);
  assert.deepEqual(called(Template.fromStack(testApp.stack)), [arn('us-east-1', 'own-old')]);
  assert.deepEqual(called(captureTemplate(testApp)), [arn('eu-west-1', 'own-new')]);
});

test('dashboard shows a capture in another Region', () => {
  const text = JSON.stringify(Template.fromStack(otherRegion().stack)
    .findResources('AWS::CloudWatch::Dashboard'));
  assert.match(text, /capture of the new pool, in eu-west-1/);
  assert.match(text, /acme-capture-new/);
});

test('a pool in another account gets a capture stack only if the settings name the account', () => {
  const configuration = bridge(OTHER_ACCOUNT, LOCAL, '[policy]\nsignup_guard = false');
  // The credentials do not count: they may belong to the other account.
  const environment = { CDK_DEFAULT_ACCOUNT: '111122223333' };
  const unknown = createTestApp({ configuration, environment });
  assert.equal(captureStack(unknown), undefined);
  Annotations.fromStack(unknown.stack)
    .hasWarning('*', Match.stringLikeRegexp('This synthesis creates no capture for the pool'));
  const testApp = createTestApp({ configuration, context: { account: HOME } });
  assert.equal(captureStack(testApp)?.account, '111122223333');
  assert.equal(testApp.stack.account, HOME);
  const text = JSON.stringify(captureTemplate(testApp).toJSON());
  assert.match(text, new RegExp(`arn:aws:dynamodb:us-east-1:${HOME}:table/acme`));
});

test('synthesis fails if the guard cannot search the other pool', () => {
  const text = configErrorOf({ configuration: bridge(OTHER_ACCOUNT), context: { account: HOME } });
  assert.match(text, /the sign-up guard of the new pool cannot search the old pool/);
  assert.match(text, /hint: set \[old\] role_arn .* acme-capture-new may assume/);
});

test('if both pools have a role, each guard assumes the role of the other pool', () => {
  const testApp = createTestApp(TWO_ACCOUNTS);
  // The role of the old pool is in the bridge's own account, so the bridge's capture serves it.
  assert.equal(testApp.app.node.tryFindChild('poolbridge-capture-old'), undefined);
  const assumed = (found: Template, owner: string): unknown[] =>
    Object.entries(found.findResources('AWS::IAM::Policy'))
      .filter(([id]) => id.startsWith(owner))
      .flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement)
      .filter(({ Action }) => Action === 'sts:AssumeRole')
      .map(({ Resource }) => Resource);
  const roles = ['arn:aws:iam::111122223333:role/poolbridge', `arn:aws:iam::${HOME}:role/pool`];
  assert.deepEqual(assumed(Template.fromStack(testApp.stack), 'Capture'), [roles[0]]);
  assert.deepEqual(assumed(captureTemplate(testApp), 'Capture'), [roles[1]]);
  assert.deepEqual(assumed(Template.fromStack(testApp.stack), 'Sweep').sort(), roles);
});

test('bridge grants the other account only what its capture and its CloudTrail events need', () => {
  const own = template(TWO_ACCOUNTS);
  const onlyCapture = {
    ArnLike: { 'aws:PrincipalArn': 'arn:*:iam::111122223333:role/acme-capture-new' },
  };
  const items = (keys: string[]): unknown => ({
    ...onlyCapture, 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': keys },
  });
  own.hasResourceProperties('AWS::SQS::QueuePolicy', {
    PolicyDocument: {
      Statement: Match.arrayWith([Match.objectLike({
        Sid: 'SendChangesOfNewPool', Action: 'sqs:SendMessage', Condition: onlyCapture,
      })]),
    },
  });
  own.hasResourceProperties('AWS::DynamoDB::Table', {
    ResourcePolicy: {
      PolicyDocument: {
        Statement: [
          Match.objectLike({
            Action: 'dynamodb:UpdateItem', Condition: items(['PENDING#*', 'COUNTER#0']),
          }),
          Match.objectLike({
            Action: 'dynamodb:GetItem', Condition: items(['ACCOUNT#*', 'PERSON#*', 'CONTROL']),
          }),
        ],
      },
    },
  });
  // CloudTrail events of Cognito, and no events for other rules.
  own.hasResourceProperties('AWS::Events::EventBusPolicy', {
    EventBusName: 'default',
    Statement: Match.objectLike({
      Action: 'events:PutEvents',
      Condition: {
        'ForAllValues:StringEquals': {
          'events:source': ['aws.cognito-idp'],
          'events:detail-type': [
            'AWS API Call via CloudTrail', 'AWS Service Event via CloudTrail',
          ],
        },
      },
    }),
  });
});

test('without the guard the other account may read nothing', () => {
  const statements = template({
    ...TWO_ACCOUNTS, configuration: bridge(OTHER_ACCOUNT, LOCAL, '[policy]\nsignup_guard = false'),
  }).findResources('AWS::DynamoDB::Table');
  assert.doesNotMatch(JSON.stringify(statements), /GetItem/);
});

test('two pools in the stack\'s Region and account need no capture stack', () => {
  const both = createTestApp({ configuration: bridge('user_pool_id = "us-east-1_BBBBBBBBB"') });
  assert.equal(captureStack(both), undefined);
  Template.fromStack(both.stack).resourceCountIs('AWS::Events::EventBusPolicy', 0);
});

test('capture stacks violate no cdk-nag rule', () => {
  createTestApp(TWO_ACCOUNTS).app.synth();
  otherRegion().app.synth();
  createTestApp({ configuration: bridge(OTHER_REGION), context: { account: HOME } }).app.synth();
});
