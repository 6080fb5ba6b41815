/**
 * The whole template of the example, so that a change to it is seen by whoever reviews the change.
 * `UPDATE_SNAPSHOT=1 npm test` writes it anew.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';

import { INFRA } from '../lib/infra';
import { template } from './world';

const SNAPSHOT = resolve(INFRA, 'test', 'template.snapshot.json');

test('the template is the one that was reviewed', () => {
  // The packages' names follow the example's comments and the placeholder: nobody reviews those.
  const found = JSON.stringify(template().toJSON(), null, 2)
    .replaceAll(/[0-9a-f]{64}\.zip/g, 'PACKAGE.zip');
  if (process.env['UPDATE_SNAPSHOT'] !== undefined) {
    writeFileSync(SNAPSHOT, `${found}\n`);
  }
  const reviewed: unknown = JSON.parse(readFileSync(SNAPSHOT, 'utf8'));
  assert.deepEqual(JSON.parse(found), reviewed, 'UPDATE_SNAPSHOT=1 npm test writes it anew');
});
