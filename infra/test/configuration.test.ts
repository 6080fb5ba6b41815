/** What a person may get wrong is said in words: all of it together, and with a hint. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

import { readConfiguration } from '../lib/configuration';
import { newApp } from '../lib/ground';
import { INFRA } from '../lib/infra';
import { readSettings } from '../lib/settings';
import { EXAMPLE, mistakeOf, newFolder } from './world';

test('the example can be deployed', () => {
  assert.deepEqual(readConfiguration(EXAMPLE), {
    path: EXAMPLE,
    name: 'acme',
    pools: [
      { side: 'old', userPoolId: 'eu-west-1_AbCdEfGhI', region: 'eu-west-1', chained: [] },
      { side: 'new', userPoolId: 'us-east-1_JkLmNoPqR', region: 'us-east-1', chained: [] },
    ],
    groups: true,
    deletesAccounts: false,
    matchedByAttribute: false,
    signupGuard: true,
    sweepEvery: 6 * 60 * 60,
  });
});

test('a configuration that is missing is named, with a hint', () => {
  const words = mistakeOf({ context: { config: '/nowhere/bridge.toml' } });
  assert.match(words, /error: configuration \/nowhere\/bridge\.toml cannot be read \(ENOENT\)/);
  assert.match(words, /hint: infra\/example\/bridge\.toml shows every line/);
});

test('a configuration that is no TOML is named with line and column, and not quoted', () => {
  const words = mistakeOf({ configuration: 'name = "acme"\nsecret = hunter2\n' });
  assert.match(words, /given\.toml:2:10: /);
  assert.doesNotMatch(words, /hunter2/);
});

test('every mistake is told, not only the first', () => {
  const words = mistakeOf({
    configuration: `
      name = "Acme Inc"
      policy = "lazy"
      [old]
      user_pool_id = "pool"
      role_arn = "root"
      [old.triggers]
      PreSignUp = "team"
      Custom = "arn:aws:lambda:us-east-1:111122223333:function:team"
      [new]
      region = 7
      triggers = "none"
      [sweep]
      enabled = "no"
      every = "six hours"
      [new.branding]
      [sweeps]
    `,
  });
  for (const point of [
    /`name` must be 2 to 32/,
    /`policy` must be a table/,
    /`\[old\] user_pool_id` is not a pool id/,
    /`\[old\] role_arn` is not the ARN of an IAM role/,
    /`\[new\] user_pool_id` is missing/,
    /`\[new\] region` must be a text/,
    /`\[old\.triggers\] PreSignUp` is not the ARN of a Lambda function/,
    /`\[old\.triggers\] Custom` is not one of PreSignUp, .*, CustomMessage/,
    /`triggers` must be a table, written `\[new\.triggers\]`/,
    /`\[sweep\] enabled` must be true or false/,
    /`\[sweep\] every` is no span of time/,
    /`\[new\] branding` is not one of user_pool_id, .*, triggers/,
    /`sweeps` is not one of name, .*, sweep/,
  ]) {
    assert.match(words, point);
  }
});

test('pools that are missing, and pools that are one, are mistakes', () => {
  assert.match(mistakeOf({ configuration: 'name = "acme"' }), /`\[old\]` is missing[^]*`\[new\]`/);
  const same = '[old]\nuser_pool_id = "us-east-1_A"\n[new]\nuser_pool_id = "us-east-1_A"\n';
  assert.match(mistakeOf({ configuration: `name = "acme"\n${same}` }), /the same user pool/);
  const groups = mistakeOf({ configuration: 'name = "acme"\n[policy]\ngroups = "yes"\n' });
  assert.match(groups, /`\[policy\] groups` must be true or false/);
});

test('settings that do not hold are told together', () => {
  const words = mistakeOf({
    context: {
      architecture: 'sparc',
      maximumConcurrency: 1,
      logRetentionDays: 31,
      removable: 'perhaps',
      alarmTopicArn: 'on-call',
      region: '',
      account: 111122223333,
    },
  });
  for (const key of [
    'architecture', 'maximumConcurrency', 'logRetentionDays', 'removable', 'alarmTopicArn',
    'account',
  ]) {
    assert.match(words, new RegExp(`- \`${key}\` `));
  }
  assert.match(words, /the Region is not known: set AWS_REGION/);
});

test('the configuration comes from the context, the environment or beside the Makefile', () => {
  const environment = { CDK_DEFAULT_REGION: 'us-east-1', POOLBRIDGE_CONFIG: '/named/other.toml' };
  const named = newApp({ outdir: newFolder(), context: { config: EXAMPLE } });
  assert.equal(readSettings(named.node, environment).config, EXAMPLE);
  const plain = newApp({ outdir: newFolder() });
  assert.equal(readSettings(plain.node, environment).config, '/named/other.toml');
  const { POOLBRIDGE_CONFIG: _, ...bare } = environment;
  const relative = { ...bare, POOLBRIDGE_CONFIG: 'bridge.toml', INIT_CWD: '/where/make' };
  assert.equal(readSettings(plain.node, relative).config, '/where/make/bridge.toml');
  assert.equal(readSettings(plain.node, bare).config, resolve(INFRA, '..', 'bridge.toml'));
});

test('the program tells a mistake without a stack trace, and fails', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(INFRA, 'dist', 'bin', 'poolbridge.js')],
    {
      cwd: newFolder(),
      encoding: 'utf8',
      env: { POOLBRIDGE_CONFIG: 'missing.toml', CDK_DEFAULT_REGION: 'us-east-1' },
    },
  );
  assert.equal(status, 1);
  assert.match(stderr, /^error: configuration .*missing\.toml cannot be read \(ENOENT\)\nhint: /);
  assert.doesNotMatch(stderr, /\n {4}at /);
});
