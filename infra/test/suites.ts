/**
 * Every suite in one process. The library takes seconds to load on a small machine, and a process
 * for each suite would pay that again and again.
 */
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { INFRA } from '../lib/infra';

// By their sources: a compiled suite may outlive its own.
for (const source of readdirSync(resolve(INFRA, 'test'))) {
  if (source.endsWith('.test.ts')) {
    require(join(__dirname, source.replace(/ts$/, 'js')));
  }
}
