/** The stacks obey the rules of cdk-nag, except where an acknowledgement gives a reason. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { Validations } from 'aws-cdk-lib';
import { Queue } from 'aws-cdk-lib/aws-sqs';

import { createTestApp, type TestApp } from './fixture';

interface Report {
  readonly pluginReports: readonly {
    readonly conclusion: string;
    readonly violations: readonly { readonly ruleName: string }[];
  }[];
}

test('bridge stack violates no rule', () => {
  assert.deepEqual(violations(createTestApp()), []);
});

test('violated rules are reported', () => {
  const testApp = createTestApp();
  new Queue(testApp.stack, 'Insecure');
  assert.deepEqual(violations(testApp), ['AwsSolutions-SQS3', 'AwsSolutions-SQS4']);
});

test('every acknowledged rule is listed here and has a reason', () => {
  const reasons = createTestApp().stack.node.findAll()
    .flatMap((construct) => construct.node.metadata)
    .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
    .map(({ data }) => data as Record<string, string>);
  assert.deepEqual(reasons.flatMap((reason) => Object.keys(reason)), [
    'AwsSolutions::AwsSolutions-SMG4',
    'AwsSolutions::AwsSolutions-SQS3',
    'AwsSolutions::AwsSolutions-SQS3',
  ]);
  for (const [rule, reason] of reasons.flatMap((found) => Object.entries(found))) {
    assert.ok(reason.split(' ').length > 10, `the reason for ${rule} is too short`);
  }
});

/** The names of the rules that a synthesis reports as violated; it fails if there are any. */
function violations({ app }: TestApp): string[] {
  let failed = false;
  try {
    app.synth();
  } catch (error) {
    failed = (error as Error).name === 'ValidationFailed';
    assert.ok(failed, String(error));
  }
  const path = join(app.outdir, 'validation-report.json');
  const report = JSON.parse(readFileSync(path, 'utf8')) as Report;
  const rules = report.pluginReports
    .filter(({ conclusion }) => conclusion === 'failure')
    .flatMap((report) => report.violations.map(({ ruleName }) => ruleName));
  assert.equal(failed, rules.length > 0);
  return rules.sort();
}
