/** What stands beside a pool that the bridge's own stack cannot reach. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Stack } from 'aws-cdk-lib';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';

import { lay, mistakeOf, template, type World } from './world';

const OWN = 'user_pool_id = "us-east-1_AAAAAAAAA"';
const ABROAD = 'user_pool_id = "eu-west-1_CCCCCCCCC"';
const FOREIGN = 'user_pool_id = "us-east-1_BBBBBBBBB"\n'
  + 'role_arn = "arn:aws:iam::111122223333:role/poolbridge"';
const HOME = '444455556666';
const OWN_ROLE = `${OWN}\nrole_arn = "arn:aws:iam::${HOME}:role/pool"`;

// Two accounts, and a guard that can look from either into the other.
const ACCOUNTS = {
  configuration: bridge(FOREIGN, OWN_ROLE),
  context: { account: HOME },
};

function bridge(after: string, before = OWN, more = ''): string {
  const match = '[identity]\nmatch = "email"';
  return `name = "acme"\n[old]\n${before}\n[new]\n${after}\n${match}\n${more}`;
}

function beside(world: World): Stack | undefined {
  return world.app.node.tryFindChild('poolbridge-capture-new') as Stack | undefined;
}

function ground(world: World): Template {
  return Template.fromStack(beside(world) ?? assert.fail('no stack is beside the pool'));
}

test('a pool in another Region gets a capture of its own there', () => {
  const world = lay({ configuration: bridge(ABROAD) });
  assert.equal(beside(world)?.region, 'eu-west-1');
  assert.equal(beside(world)?.stackName, 'poolbridge-acme-capture-new');
  ground(world).hasResourceProperties('AWS::Lambda::Function', {
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
  ground(world).hasResourceProperties('AWS::Lambda::Permission', {
    Principal: 'cognito-idp.amazonaws.com',
    SourceArn: { 'Fn::Join': ['', Match.arrayWith([':userpool/eu-west-1_CCCCCCCCC'])] },
  });
});

test('whatever a capture elsewhere fails at wakes somebody there', () => {
  const alarms = Object.values(ground(lay({ configuration: bridge(ABROAD) }))
    .findResources('AWS::CloudWatch::Alarm'));
  assert.deepEqual(alarms.map(({ Properties }) => Properties.AlarmName).sort(), [
    'acme-capture-errors-new', 'acme-capture-failed-open-new', 'acme-capture-throttles-new',
    'acme-chain-failed-new', 'acme-guard-failed-open-new', 'acme-trail-failed-events-new',
  ]);
});

test('alarms use the topics of their own Region, and it is said where there is none', () => {
  const [here, there] = ['us-east-1', 'eu-west-1']
    .map((region) => `arn:aws:sns:${region}:111122223333:on-call`);
  const laid = (alarmTopicArn?: string): World =>
    lay({ configuration: bridge(ABROAD), context: { alarmTopicArn } });
  const both = laid(`${here}, ${there}`);
  Template.fromStack(both.stack)
    .allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [here] });
  ground(both).allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [there] });
  const warnings = (world: World): unknown[] =>
    Annotations.fromStack(beside(world) ?? assert.fail())
      .findWarning('*', Match.stringLikeRegexp('no alarmTopicArn is in eu-west-1'));
  assert.deepEqual([laid(here), both, laid()].map((world) => warnings(world).length), [1, 0, 0]);
});

test('the trail of a pool elsewhere is handed on to the bus where the bridge is', () => {
  const there = ground(lay({ configuration: bridge(ABROAD) }));
  const home = Template.fromStack(lay({ configuration: bridge(ABROAD) }).stack);
  // What is only read there is heard here too: both rules have to let it through.
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
      // What does not get there is kept.
      DeadLetterConfig: { Arn: Match.anyValue() },
    })],
  });
  there.hasResourceProperties('AWS::SQS::Queue', { QueueName: 'acme-trail-failed-new' });
});

test('nobody elsewhere may do more than capture may, and hand events on', () => {
  const policies = ground(lay({ configuration: bridge(ABROAD) })).findResources('AWS::IAM::Policy');
  const of = (owner: string): { Sid?: string; Action: unknown; Condition?: unknown }[] =>
    Object.entries(policies)
      .filter(([id]) => id.startsWith(owner))
      .flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement);
  const capture = of('Capture');
  assert.deepEqual(capture.map(({ Sid }) => Sid).sort(), [
    'LeaveMarks', 'ReadForGuard', 'SearchOldPool', 'SendChanges', 'UseKeyThroughTable', 'WriteLog',
  ]);
  const key = capture.find(({ Sid }) => Sid === 'UseKeyThroughTable');
  assert.deepEqual(key?.Condition, {
    'StringEquals': { 'kms:ViaService': 'dynamodb.us-east-1.amazonaws.com' },
    'ForAnyValue:StringEquals': { 'kms:ResourceAliases': 'alias/poolbridge-acme' },
  });
  assert.deepEqual(of('HandOn').map(({ Action }) => Action), ['events:PutEvents']);
  assert.equal(Object.keys(policies).length, 2);
});

test('a capture elsewhere may call the functions of its own pool alone', () => {
  const arn = (region: string, name: string): string =>
    `arn:aws:lambda:${region}:111122223333:function:${name}`;
  const world = lay({
    configuration: bridge(ABROAD, OWN, `[old.triggers]
      PreSignUp = "${arn('us-east-1', 'team-old')}"
      [new.triggers]
      PreSignUp = "${arn('eu-west-1', 'team-new')}"`),
  });
  const called = (found: Template): unknown[] =>
    Object.values(found.findResources('AWS::IAM::Policy'))
      .flatMap(({ Properties }) => Properties.PolicyDocument.Statement)
      .filter(({ Sid }) => Sid === 'CallTheTeamsFunctions')
      .map(({ Resource }) => Resource);
  assert.deepEqual(called(Template.fromStack(world.stack)), [arn('us-east-1', 'team-old')]);
  assert.deepEqual(called(ground(world)), [arn('eu-west-1', 'team-new')]);
});

test('one page shows a capture in another Region as well', () => {
  const text = JSON.stringify(Template.fromStack(lay({ configuration: bridge(ABROAD) }).stack)
    .findResources('AWS::CloudWatch::Dashboard'));
  assert.match(text, /capture beside the new pool, in eu-west-1/);
  assert.match(text, /acme-capture-new/);
});

test('a pool of another account gets its stack there once our own account is said', () => {
  const configuration = bridge(FOREIGN, OWN, '[policy]\nsignup_guard = false');
  // Whose credentials are at hand says nothing: they may be that account's.
  const guessed = lay({ configuration, environment: { CDK_DEFAULT_ACCOUNT: '111122223333' } });
  assert.equal(beside(guessed), undefined);
  Annotations.fromStack(guessed.stack)
    .hasWarning('*', Match.stringLikeRegexp('no capture is laid there'));
  const world = lay({ configuration, context: { account: HOME } });
  assert.equal(beside(world)?.account, '111122223333');
  assert.equal(world.stack.account, HOME);
  const text = JSON.stringify(ground(world).toJSON());
  assert.match(text, new RegExp(`arn:aws:dynamodb:us-east-1:${HOME}:table/acme`));
});

test('a guard that could not look into the other account is refused, and not left to fail', () => {
  const words = mistakeOf({ configuration: bridge(FOREIGN), context: { account: HOME } });
  assert.match(words, /the guard beside the new pool could not look into the old pool/);
  assert.match(words, /hint: give \[old\] a role_arn .* acme-capture-new may assume/);
});

test('where both pools have a role, each guard takes on the other one\'s', () => {
  const world = lay(ACCOUNTS);
  // A role of our own account moves nothing: that pool is served by the stack's own capture.
  assert.equal(world.app.node.tryFindChild('poolbridge-capture-old'), undefined);
  const assumed = (found: Template, owner: string): unknown[] =>
    Object.entries(found.findResources('AWS::IAM::Policy'))
      .filter(([id]) => id.startsWith(owner))
      .flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement)
      .filter(({ Action }) => Action === 'sts:AssumeRole')
      .map(({ Resource }) => Resource);
  const roles = ['arn:aws:iam::111122223333:role/poolbridge', `arn:aws:iam::${HOME}:role/pool`];
  assert.deepEqual(assumed(Template.fromStack(world.stack), 'Capture'), [roles[0]]);
  assert.deepEqual(assumed(ground(world), 'Capture'), [roles[1]]);
  assert.deepEqual(assumed(Template.fromStack(world.stack), 'Sweep').sort(), roles);
});

test('the bridge lets in that one role, for marks and changes, and that account\'s trail', () => {
  const own = template(ACCOUNTS);
  const guest = {
    ArnLike: { 'aws:PrincipalArn': 'arn:*:iam::111122223333:role/acme-capture-new' },
  };
  const items = (keys: string[]): unknown => ({
    ...guest, 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': keys },
  });
  own.hasResourceProperties('AWS::SQS::QueuePolicy', {
    PolicyDocument: {
      Statement: Match.arrayWith([Match.objectLike({
        Sid: 'SendChangesOfNewPool', Action: 'sqs:SendMessage', Condition: guest,
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
  // Events of Cognito's trail, and none that the account makes up for other rules of ours.
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

test('without the guard, the guest reads nothing', () => {
  const statements = template({
    ...ACCOUNTS, configuration: bridge(FOREIGN, OWN, '[policy]\nsignup_guard = false'),
  }).findResources('AWS::DynamoDB::Table');
  assert.doesNotMatch(JSON.stringify(statements), /GetItem/);
});

test('two pools beside the stack need nothing elsewhere, and let nobody in', () => {
  const both = lay({ configuration: bridge('user_pool_id = "us-east-1_BBBBBBBBB"') });
  assert.equal(beside(both), undefined);
  Template.fromStack(both.stack).resourceCountIs('AWS::Events::EventBusPolicy', 0);
});

test('no rule is broken elsewhere either', () => {
  lay(ACCOUNTS).app.synth();
  lay({ configuration: bridge(ABROAD) }).app.synth();
  lay({ configuration: bridge(ABROAD), context: { account: HOME } }).app.synth();
});
