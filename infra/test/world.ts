/**
 * The stack as the suites see it: laid from a configuration and a context, in a folder of its own
 * that goes away with the process.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import type { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';

import type { BridgeStack } from '../lib/bridge-stack';
import { layGround, newApp } from '../lib/ground';
import { INFRA } from '../lib/infra';
import { Mistake } from '../lib/mistake';
import type { MetricNames } from '../lib/metrics';
import { builtOperator } from '../lib/settings';

/** What a test may say otherwise. */
export interface Wishes {
  /** Text of a bridge.toml; the example's unless given. */
  readonly configuration?: string;
  readonly context?: Record<string, unknown>;
  readonly environment?: NodeJS.ProcessEnv;
  readonly metricNames?: MetricNames;
}

export interface World {
  readonly app: App;
  readonly stack: BridgeStack;
  readonly folder: string;
}

/** The Region that the tests' stacks stand in; the example's new pool is there too. */
export const REGION = 'us-east-1';

export const EXAMPLE = resolve(INFRA, 'example', 'bridge.toml');

/** The command line, which `make test` builds before these suites. */
export const OPERATOR = builtOperator(process.env);

const HOME = mkdtempSync(join(tmpdir(), 'poolbridge-infra-'));
process.on('exit', () => rmSync(HOME, { recursive: true, force: true }));

/** A new folder, gone when the process is. */
export function newFolder(): string {
  return mkdtempSync(join(HOME, 'world-'));
}

/** Lays the ground, without any program unless the context names some. */
export function lay(wishes: Wishes = {}): World {
  const folder = newFolder();
  const outdir = join(folder, 'cdk.out');
  let config = EXAMPLE;
  if (wishes.configuration !== undefined) {
    config = join(folder, 'given.toml');
    writeFileSync(config, wishes.configuration);
  }
  const context = {
    config,
    operator: OPERATOR,
    bootstraps: 'placeholder',
    region: REGION,
    ...wishes.context,
  };
  const app = newApp({ outdir, context });
  const stack = layGround(app, wishes.environment ?? {}, wishes.metricNames);
  return { app, stack, folder };
}

let examples: Template | undefined;

/** The template of a stack so laid; the example's is made once, when it is first asked for. */
export function template(wishes?: Wishes): Template {
  if (wishes !== undefined) {
    return Template.fromStack(lay(wishes).stack);
  }
  examples ??= Template.fromStack(lay().stack);
  return examples;
}

/** The mistake that laying this runs into, in words. */
export function mistakeOf(wishes: Wishes): string {
  try {
    lay(wishes);
  } catch (error) {
    if (error instanceof Mistake) {
      return error.inWords();
    }
    throw error;
  }
  throw new Error('it was laid without any complaint');
}
