/**
 * `npm run synth`: has the CDK write the templates, and then names each file with the number of its
 * resources. Needs neither credentials nor the functions' programs, so that the templates of a
 * changed bridge.toml can be read at once.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';

import { INFRA } from '../lib/infra';
import { PLACEHOLDER } from '../lib/settings';
import { describeTemplates } from '../lib/templates';

const TOP = resolve(INFRA, '..');
const OUTPUT = join(INFRA, 'cdk.out');

// The end of the CDK's own output. The list of files takes its place.
const REPLACED = ['Successfully synthesized to', 'Supply a stack id'];

/** The environment of the CDK app; it names the example if there is no other bridge.toml. */
function environment(): NodeJS.ProcessEnv {
  if (process.env['POOLBRIDGE_CONFIG'] !== undefined || existsSync(join(TOP, 'bridge.toml'))) {
    return process.env;
  }
  process.stderr.write('there is no bridge.toml: infra/example/bridge.toml takes its place\n');
  return { ...process.env, POOLBRIDGE_CONFIG: join(INFRA, 'example', 'bridge.toml') };
}

async function main(): Promise<void> {
  const cdk = spawn(
    process.execPath,
    [
      join(INFRA, 'node_modules', 'aws-cdk', 'bin', 'cdk'),
      'synth', '--quiet', '--output', OUTPUT, '--context', `bootstraps=${PLACEHOLDER}`,
      ...process.argv.slice(2),
    ],
    { cwd: INFRA, env: environment(), stdio: ['ignore', 'inherit', 'pipe'] },
  );
  const ended = once(cdk, 'close');
  for await (const line of createInterface({ input: cdk.stderr })) {
    if (!REPLACED.some((words) => line.includes(words))) {
      process.stderr.write(`${line}\n`);
    }
  }
  const [code] = await ended;
  if (code !== 0) {
    process.exit(1);
  }
  process.stdout.write('the templates, without the functions\' programs: to read, not to deploy\n');
  for (const { path, description } of describeTemplates(OUTPUT)) {
    process.stdout.write(`  ${relative(TOP, path)}: ${description}\n`);
  }
}

void main();
