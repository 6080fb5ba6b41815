/** The Region and account of a pool decide its grants and which capture its triggers may call. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';

import { bridgeToml, createTestApp, template, type TestApp } from './fixture';

const LOCAL = 'user_pool_id = "us-east-1_AAAAAAAAA"';
const ALSO_LOCAL = 'user_pool_id = "us-east-1_BBBBBBBBB"';
const OTHER_REGION = 'user_pool_id = "eu-west-1_CCCCCCCCC"';
const ROLE = 'arn:aws:iam::111122223333:role/poolbridge';

function poolArn(userPoolId: string, region = 'us-east-1'): unknown {
  const account = { Ref: 'AWS::AccountId' };
  const arn = [`arn:aws:cognito-idp:${region}:`, account, `:userpool/${userPoolId}`];
  return { 'Fn::Join': ['', arn] };
}

/** How many pools' triggers may call a function. */
function callingPools(stack: Template): number {
  return Object.keys(stack.findResources('AWS::Lambda::Permission', {
    Properties: { Principal: 'cognito-idp.amazonaws.com' },
  })).length;
}

/** The messages of the synthesis about pools that this capture cannot serve. */
function messages({ stack }: TestApp): string[] {
  return Annotations.fromStack(stack)
    .findInfo('*', Match.anyValue())
    .map(({ entry }) => String(entry.data));
}

test('a pool in the same Region and account may call capture by its own ARN', () => {
  const testApp = createTestApp({ configuration: bridgeToml(LOCAL, ALSO_LOCAL) });
  const stack = Template.fromStack(testApp.stack);
  assert.equal(callingPools(stack), 2);
  for (const userPoolId of ['us-east-1_AAAAAAAAA', 'us-east-1_BBBBBBBBB']) {
    stack.hasResourceProperties('AWS::Lambda::Permission', {
      Action: 'lambda:InvokeFunction',
      Principal: 'cognito-idp.amazonaws.com',
      SourceArn: poolArn(userPoolId),
    });
  }
  assert.deepEqual(messages(testApp), []);
});

test('apply writes a pool in another Region, whose triggers call the capture stack there', () => {
  const testApp = createTestApp({ configuration: bridgeToml(LOCAL, OTHER_REGION) });
  const stack = Template.fromStack(testApp.stack);
  assert.equal(callingPools(stack), 1);
  stack.hasResourceProperties('AWS::IAM::Policy', {
    PolicyDocument: {
      Statement: Match.arrayWith([Match.objectLike({
        Sid: 'SynchroniseNewPool',
        Resource: poolArn('eu-west-1_CCCCCCCCC', 'eu-west-1'),
      })]),
    },
  });
  const [message, ...rest] = messages(testApp);
  assert.match(message ?? '', /new pool is in eu-west-1, and this stack in us-east-1/);
  assert.match(message ?? '', /call the capture function of its own capture stack/);
  assert.deepEqual(rest, []);
});

test('the Region in bridge.toml overrides the one in the pool\'s id', () => {
  const configuration = bridgeToml(LOCAL, `${OTHER_REGION}\nregion = "us-east-1"`);
  template({ configuration }).hasResourceProperties('AWS::Lambda::Permission', {
    SourceArn: poolArn('eu-west-1_CCCCCCCCC'),
  });
});

test('the functions reach a pool in another account through its role only', () => {
  const newPool = `${ALSO_LOCAL}\nrole_arn = "${ROLE}"`;
  const testApp = createTestApp({ configuration: bridgeToml(LOCAL, newPool) });
  const stack = Template.fromStack(testApp.stack);
  stack.hasResourceProperties('AWS::IAM::Policy', {
    PolicyDocument: {
      Statement: Match.arrayWith([Match.objectLike({
        Sid: 'AssumeNewPoolRole',
        Action: 'sts:AssumeRole',
        Resource: ROLE,
      })]),
    },
  });
  assert.doesNotMatch(JSON.stringify(stack.toJSON()), /userpool\/us-east-1_BBBBBBBBB/);
  assert.equal(callingPools(stack), 1);
  assert.match(messages(testApp).join(), /new pool belongs to another account/);
});
