/** The list of templates that `make synth` prints. */
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { test } from 'node:test';

import { Template } from 'aws-cdk-lib/assertions';

import { describeTemplates } from '../lib/templates';
import { createTestApp } from './fixture';

test('list shows each template with its stack and number of resources', () => {
  const { app, stack } = createTestApp();
  const count = Object.keys(Template.fromStack(stack).toJSON()['Resources']).length;
  const written = describeTemplates(app.synth().directory);
  const files = written.map(({ path }) => basename(path));
  assert.deepEqual(files, ['poolbridge.template.json', 'poolbridge-capture-old.template.json']);
  assert.equal(
    written[0]?.description,
    `stack poolbridge-acme in us-east-1, ${count} resources`,
  );
});
