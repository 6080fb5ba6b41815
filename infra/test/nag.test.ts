/** The public rules for AWS stacks hold, save those set aside in writing. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { Validations } from 'aws-cdk-lib';
import { Queue } from 'aws-cdk-lib/aws-sqs';

import { lay, type World } from './world';

interface Report {
  readonly pluginReports: readonly {
    readonly conclusion: string;
    readonly violations: readonly { readonly ruleName: string }[];
  }[];
}

test('no rule is broken', () => {
  assert.deepEqual(broken(lay()), []);
});

test('a rule that is broken would be found', () => {
  const world = lay();
  new Queue(world.stack, 'Unguarded');
  assert.deepEqual(broken(world), ['AwsSolutions-SQS3', 'AwsSolutions-SQS4']);
});

test('every rule set aside is set aside here, with a reason', () => {
  const reasons = lay().stack.node.findAll().flatMap((construct) => construct.node.metadata)
    .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
    .map(({ data }) => data as Record<string, string>);
  assert.deepEqual(reasons.flatMap((reason) => Object.keys(reason)), [
    'AwsSolutions::AwsSolutions-SMG4',
    'AwsSolutions::AwsSolutions-SQS3',
    'AwsSolutions::AwsSolutions-SQS3',
  ]);
  for (const [rule, reason] of reasons.flatMap((found) => Object.entries(found))) {
    assert.ok(reason.split(' ').length > 10, `${rule} has no reason worth the name`);
  }
});

/** The names of the rules that a synthesis reports as broken; it fails if there are any. */
function broken({ app }: World): string[] {
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
    .flatMap(({ violations }) => violations.map(({ ruleName }) => ruleName));
  assert.equal(failed, rules.length > 0);
  return rules.sort();
}
