/** Errors in settings and bridge.toml are listed together, with a hint. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

import { newApp } from '../lib/app';
import { readConfiguration } from '../lib/configuration';
import { INFRA } from '../lib/infra';
import { builtOperator, readSettings } from '../lib/settings';
import { configErrorOf, EXAMPLE, newFolder, OPERATOR } from './fixture';

test('command line reads the example', () => {
  assert.deepEqual(readConfiguration(EXAMPLE, OPERATOR), {
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

test('synthesis shows the errors in bridge.toml as the command line prints them', () => {
  const text = configErrorOf({ configuration: 'name = "acme"\nsecret = hunter2\n' });
  const lines = text.split('\n');
  assert.match(lines[0] ?? '', /^error: .*test\.toml has \d mistakes:$/);
  assert.ok(lines.some((line) => line.startsWith('  line 2: ')), text);
  assert.match(lines.at(-1) ?? '', /^hint: /);
  assert.doesNotMatch(text, /hunter2/);
});

test('error about a missing bridge.toml names the path and has a hint', () => {
  const text = configErrorOf({ context: { config: '/nowhere/bridge.toml' } });
  assert.match(text, /error: \/nowhere\/bridge\.toml has 1 mistake:\n.* cannot be read/);
  assert.match(text, /hint: .*infra\/example\/bridge\.toml shows every key/);
});

test('configuration holds what the command line prints', () => {
  const path = join(newFolder(), 'other.toml');
  writeFileSync(path, `
    name = "acme"
    [old]
    user_pool_id = "eu-west-1_AbCdEfGhI"
    [old.triggers]
    PreSignUp = "arn:aws:lambda:eu-west-1:444455556666:function:welcome"
    [new]
    user_pool_id = "us-east-1_JkLmNoPqR"
    role_arn = "arn:aws:iam::111122223333:role/poolbridge-new"
    [identity]
    match = "custom:legacy_sub"
    [policy]
    deletes = "delete"
    groups = false
    signup_guard = false
    [sweep]
    enabled = false
  `);
  const { path: _, pools: [oldPool, newPool], ...choices } = readConfiguration(path, OPERATOR);
  assert.deepEqual(oldPool.chained, ['arn:aws:lambda:eu-west-1:444455556666:function:welcome']);
  assert.equal(newPool.roleArn, 'arn:aws:iam::111122223333:role/poolbridge-new');
  assert.deepEqual(choices, {
    name: 'acme',
    groups: false,
    deletesAccounts: true,
    matchedByAttribute: true,
    signupGuard: false,
    sweepEvery: undefined,
  });
});

test('synthesis fails if the command line is missing or has another version', () => {
  const missing = configErrorOf({ context: { operator: '/nowhere/poolbridge' } });
  assert.match(missing, /\/nowhere\/poolbridge does not start \(ENOENT\)\nhint: run make build/);
  for (const script of ['echo "error: no command check" >&2; exit 64', 'echo "{}"']) {
    const operator = join(newFolder(), 'poolbridge');
    writeFileSync(operator, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const other = configErrorOf({ context: { operator } });
    assert.match(other, /poolbridge has another version than this CDK app\n[^]*hint: run make/);
  }
});

test('error lists all invalid settings together', () => {
  const text = configErrorOf({
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
    assert.match(text, new RegExp(`- \`${key}\` `));
  }
  assert.match(text, /the Region is not known: set AWS_REGION/);
});

test('path of bridge.toml comes from the context, the environment or the top folder', () => {
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

test('cargo builds the command line, unless the context names another', () => {
  assert.equal(builtOperator({}), resolve(INFRA, '..', 'target', 'release', 'poolbridge'));
  const region = { CDK_DEFAULT_REGION: 'us-east-1' };
  const environment = { ...region, CARGO_TARGET_DIR: 'built', INIT_CWD: '/x' };
  const plain = newApp({ outdir: newFolder() });
  assert.equal(readSettings(plain.node, environment).operator, '/x/built/release/poolbridge');
  const named = newApp({ outdir: newFolder(), context: { operator: '/opt/poolbridge' } });
  assert.equal(readSettings(named.node, environment).operator, '/opt/poolbridge');
});

test('CDK app prints a configuration error without a stack trace and exits with 1', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(INFRA, 'dist', 'bin', 'poolbridge.js')],
    {
      cwd: newFolder(),
      encoding: 'utf8',
      env: {
        POOLBRIDGE_CONFIG: 'missing.toml',
        CDK_DEFAULT_REGION: 'us-east-1',
        CDK_CONTEXT_JSON: JSON.stringify({ operator: OPERATOR }),
      },
    },
  );
  assert.equal(status, 1);
  assert.match(stderr, /^error: .*missing\.toml has 1 mistake:\n.* cannot be read: .*\n *hint: /);
  assert.doesNotMatch(stderr, /\n {4}at /);
});
