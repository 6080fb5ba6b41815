/** What stands beside a pool that the bridge's own stack cannot reach. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';

import { lay, template, type World } from './world';

const OWN = 'user_pool_id = "us-east-1_AAAAAAAAA"';
const ABROAD = 'user_pool_id = "eu-west-1_CCCCCCCCC"';
const GUEST = 'user_pool_id = "us-east-1_BBBBBBBBB"\n'
  + 'role_arn = "arn:aws:iam::111122223333:role/poolbridge"';

function bridge(after: string): string {
  return `name = "acme"\n[old]\n${OWN}\n[new]\n${after}\n`;
}

function beside(world: World): Stack | undefined {
  return world.app.node.tryFindChild('poolbridge-capture-new') as Stack | undefined;
}

test('a pool in another Region gets a capture of its own there', () => {
  const world = lay({ configuration: bridge(ABROAD) });
  const stack = beside(world);
  assert.equal(stack?.region, 'eu-west-1');
  const ground = Template.fromStack(stack ?? assert.fail());
  ground.hasResourceProperties('AWS::Lambda::Function', {
    FunctionName: 'acme-capture-new',
    Environment: { Variables: Match.objectLike({ POOLBRIDGE_HOME_REGION: 'us-east-1' }) },
  });
  ground.hasResourceProperties('AWS::Lambda::Permission', {
    Principal: 'cognito-idp.amazonaws.com',
  });
  const arns = JSON.stringify(ground.toJSON());
  assert.match(arns, /arn:aws:dynamodb:us-east-1:/);
  assert.match(arns, /:table\/acme/);
  assert.match(arns, /arn:aws:sqs:us-east-1:/);
});

test('the trail of a pool elsewhere is handed on to the bus where the bridge is', () => {
  const stack = beside(lay({ configuration: bridge(ABROAD) }));
  const ground = Template.fromStack(stack ?? assert.fail());
  const rules = Object.values(ground.findResources('AWS::Events::Rule'));
  assert.equal(rules.length, 2);
  for (const rule of rules) {
    const targets = JSON.stringify(rule['Properties'].Targets);
    assert.match(targets, /arn:aws:events:us-east-1:/);
    assert.match(targets, /:event-bus\/default/);
  }
});

test('nobody elsewhere may do more than capture may', () => {
  const stack = beside(lay({ configuration: bridge(ABROAD) }));
  const policies = Template.fromStack(stack ?? assert.fail()).findResources('AWS::IAM::Policy');
  const sids = Object.entries(policies)
    .filter(([id]) => id.startsWith('Capture'))
    .flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement)
    .map(({ Sid }: { Sid: string }) => Sid);
  assert.deepEqual(sids.sort(), [
    'LeaveMarks', 'ReadForGuard', 'SearchNewPool', 'SearchOldPool', 'SendChanges',
    'UseKeyThroughTable', 'WriteLog',
  ]);
});

test('a pool of another account gets its stack there once our own account is known', () => {
  assert.equal(beside(lay({ configuration: bridge(GUEST) })), undefined);
  const world = lay({ configuration: bridge(GUEST), context: { account: '444455556666' } });
  const stack = beside(world);
  assert.equal(stack?.account, '111122223333');
  const text = JSON.stringify(Template.fromStack(stack ?? assert.fail()).toJSON());
  assert.match(text, /arn:aws:dynamodb:us-east-1:444455556666:table\/acme/);
});

test('the bridge lets in that one role, and that account\'s trail', () => {
  const ground = template({
    configuration: bridge(GUEST),
    context: { account: '444455556666' },
  });
  const guest = { ArnLike: { 'aws:PrincipalArn': 'arn:*:iam::111122223333:role/acme-capture-new' } };
  ground.hasResourceProperties('AWS::SQS::QueuePolicy', {
    PolicyDocument: {
      Statement: Match.arrayWith([Match.objectLike({
        Action: 'sqs:SendMessage', Condition: guest,
      })]),
    },
  });
  ground.hasResourceProperties('AWS::DynamoDB::Table', {
    ResourcePolicy: {
      PolicyDocument: { Statement: [Match.objectLike({ Condition: guest })] },
    },
  });
  ground.hasResourceProperties('AWS::Events::EventBusPolicy', {
    Action: 'events:PutEvents', Principal: '111122223333',
  });
});

test('two pools beside the stack need nothing elsewhere', () => {
  const both = bridge('user_pool_id = "us-east-1_BBBBBBBBB"');
  assert.equal(beside(lay({ configuration: both })), undefined);
});

test('no rule is broken elsewhere either', () => {
  const world = lay({ configuration: bridge(GUEST), context: { account: '444455556666' } });
  world.app.synth();
});
