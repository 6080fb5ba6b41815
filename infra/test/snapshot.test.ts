/**
 * The whole templates of the example, so that a change to one is seen by whoever reviews it: the
 * bridge's own, and the small one beside the pool that it does not reach.
 * `UPDATE_SNAPSHOT=1 npm test` writes them anew.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';

import { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';

import { INFRA } from '../lib/infra';
import { lay, template } from './world';

test('the template is the one that was reviewed', () => {
  review(template(), 'template.snapshot.json');
});

test('so is the one beside a pool in another Region', () => {
  const beside = lay().app.node.findChild('poolbridge-capture-old') as Stack;
  review(Template.fromStack(beside), 'beside.snapshot.json');
});

function review(made: Template, file: string): void {
  const path = resolve(INFRA, 'test', file);
  // The packages' names follow the example's comments and the placeholder: nobody reviews those.
  const found = JSON.stringify(made.toJSON(), null, 2)
    .replaceAll(/[0-9a-f]{64}\.zip/g, 'PACKAGE.zip');
  if (process.env['UPDATE_SNAPSHOT'] !== undefined) {
    writeFileSync(path, `${found}\n`);
  }
  const reviewed: unknown = JSON.parse(readFileSync(path, 'utf8'));
  assert.deepEqual(JSON.parse(found), reviewed, 'UPDATE_SNAPSHOT=1 npm test writes it anew');
}
