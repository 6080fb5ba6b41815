/** What `make synth` prints at its end. */
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { test } from 'node:test';

import { Template } from 'aws-cdk-lib/assertions';

import { describeTemplates } from '../lib/templates';
import { lay } from './world';

test('each template is named with its stack and the number of its resources', () => {
  const { app, stack } = lay();
  const count = Object.keys(Template.fromStack(stack).toJSON()['Resources']).length;
  const written = describeTemplates(app.synth().directory);
  const files = written.map(({ path }) => basename(path));
  assert.deepEqual(files, ['poolbridge.template.json', 'poolbridge-capture-old.template.json']);
  assert.equal(
    written[0]?.description,
    `stack poolbridge-acme in us-east-1, ${count} resources`,
  );
});
