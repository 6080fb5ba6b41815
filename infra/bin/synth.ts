/**
 * `npm run synth`: runs `cdk synth`, and then lists each template with the number of its resources.
 * It needs neither credentials nor the functions' programs.
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

// The last lines of the CDK's own output. The list of templates replaces them.
const REPLACED = ['Successfully synthesized to', 'Supply a stack id'];

/** The environment of the CDK app. Without a bridge.toml it names the example. */
function environment(): NodeJS.ProcessEnv {
  if (process.env['POOLBRIDGE_CONFIG'] !== undefined || existsSync(join(TOP, 'bridge.toml'))) {
    return process.env;
  }
  process.stderr.write('bridge.toml is missing: using infra/example/bridge.toml\n');
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
    if (!REPLACED.some((text) => line.includes(text))) {
      process.stderr.write(`${line}\n`);
    }
  }
  const [code] = await ended;
  if (code !== 0) {
    process.exit(1);
  }
  process.stdout.write('templates without the functions\' programs, for reading only:\n');
  for (const { path, description } of describeTemplates(OUTPUT)) {
    process.stdout.write(`  ${relative(TOP, path)}: ${description}\n`);
  }
}

void main();
