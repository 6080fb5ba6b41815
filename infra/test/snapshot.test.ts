/**
 * Snapshots of the example's templates, so that a reviewer sees each change: the bridge's own stack
 * and a capture stack. `UPDATE_SNAPSHOT=1 npm test` writes them again.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';

import { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';

import { INFRA } from '../lib/infra';
import { createTestApp, template } from './fixture';

test('template of the bridge stack matches its snapshot', () => {
  compare(template(), 'template.snapshot.json');
});

test('template of a capture stack matches its snapshot', () => {
  const stack = createTestApp().app.node.findChild('poolbridge-capture-old') as Stack;
  compare(Template.fromStack(stack), 'capture-stack.snapshot.json');
});

function compare(created: Template, file: string): void {
  const path = resolve(INFRA, 'test', file);
  // The packages' hashes change with each comment of the example.
  const found = JSON.stringify(created.toJSON(), null, 2)
    .replaceAll(/[0-9a-f]{64}\.zip/g, 'PACKAGE.zip');
  if (process.env['UPDATE_SNAPSHOT'] !== undefined) {
    writeFileSync(path, `${found}\n`);
  }
  const snapshot: unknown = JSON.parse(readFileSync(path, 'utf8'));
  assert.deepEqual(JSON.parse(found), snapshot, 'UPDATE_SNAPSHOT=1 npm test writes it again');
}
