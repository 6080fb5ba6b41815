/** Where a pool may be, and what follows for the grants and for its triggers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';

import { lay, template, type World } from './world';

const OWN = 'user_pool_id = "us-east-1_AAAAAAAAA"';
const ALSO_OWN = 'user_pool_id = "us-east-1_BBBBBBBBB"';
const ABROAD = 'user_pool_id = "eu-west-1_CCCCCCCCC"';
const ROLE = 'arn:aws:iam::111122223333:role/poolbridge';

function bridge(before: string, after: string): string {
  return `name = "acme"\n[old]\n${before}\n[new]\n${after}\n[identity]\nmatch = "email"\n`;
}

function own(userPoolId: string, region = 'us-east-1'): unknown {
  const account = { Ref: 'AWS::AccountId' };
  const arn = [`arn:aws:cognito-idp:${region}:`, account, `:userpool/${userPoolId}`];
  return { 'Fn::Join': ['', arn] };
}

/** How many pools' triggers may call a function. */
function poolsLetIn(ground: Template): number {
  return Object.keys(ground.findResources('AWS::Lambda::Permission', {
    Properties: { Principal: 'cognito-idp.amazonaws.com' },
  })).length;
}

/** What the operator is told at synthesis about pools that capture cannot serve. */
function told({ stack }: World): string[] {
  return Annotations.fromStack(stack)
    .findInfo('*', Match.anyValue())
    .map(({ entry }) => String(entry.data));
}

test('a pool beside the stack may call capture, by its own ARN and from this account', () => {
  const world = lay({ configuration: bridge(OWN, ALSO_OWN) });
  const ground = Template.fromStack(world.stack);
  assert.equal(poolsLetIn(ground), 2);
  for (const userPoolId of ['us-east-1_AAAAAAAAA', 'us-east-1_BBBBBBBBB']) {
    ground.hasResourceProperties('AWS::Lambda::Permission', {
      Action: 'lambda:InvokeFunction',
      Principal: 'cognito-idp.amazonaws.com',
      SourceArn: own(userPoolId),
    });
  }
  assert.deepEqual(told(world), []);
});

test('a pool in another Region is kept in step, and its triggers are left to a stack there', () => {
  const world = lay({ configuration: bridge(OWN, ABROAD) });
  const ground = Template.fromStack(world.stack);
  assert.equal(poolsLetIn(ground), 1);
  ground.hasResourceProperties('AWS::IAM::Policy', {
    PolicyDocument: {
      Statement: Match.arrayWith([Match.objectLike({
        Sid: 'KeepNewPoolInStep',
        Resource: own('eu-west-1_CCCCCCCCC', 'eu-west-1'),
      })]),
    },
  });
  const [message, ...rest] = told(world);
  assert.match(message ?? '', /new pool is in eu-west-1, and this stack in us-east-1/);
  assert.match(message ?? '', /call the capture of the small stack over there/);
  assert.deepEqual(rest, []);
});

test('the Region that bridge.toml names wins over the one in the pool\'s id', () => {
  const named = `${ABROAD}\nregion = "us-east-1"`;
  template({ configuration: bridge(OWN, named) })
    .hasResourceProperties('AWS::Lambda::Permission', { SourceArn: own('eu-west-1_CCCCCCCCC') });
});

test('a pool of another account is reached through its role and by nothing else', () => {
  const elsewhere = `${ALSO_OWN}\nrole_arn = "${ROLE}"`;
  const world = lay({ configuration: bridge(OWN, elsewhere) });
  const ground = Template.fromStack(world.stack);
  ground.hasResourceProperties('AWS::IAM::Policy', {
    PolicyDocument: {
      Statement: Match.arrayWith([Match.objectLike({
        Sid: 'AssumeNewPoolRole',
        Action: 'sts:AssumeRole',
        Resource: ROLE,
      })]),
    },
  });
  assert.doesNotMatch(JSON.stringify(ground.toJSON()), /userpool\/us-east-1_BBBBBBBBB/);
  assert.equal(poolsLetIn(ground), 1);
  assert.match(told(world).join(), /new pool belongs to another account/);
});
