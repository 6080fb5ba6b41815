/** Runs every suite in one process, because the CDK takes seconds to load. */
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { INFRA } from '../lib/infra';

// From the sources: `dist` may hold a compiled suite whose source was deleted.
for (const source of readdirSync(resolve(INFRA, 'test'))) {
  if (source.endsWith('.test.ts')) {
    require(join(__dirname, source.replace(/ts$/, 'js')));
  }
}
