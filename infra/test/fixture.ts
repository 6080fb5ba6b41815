/** Creates the stacks for the suites, each in a temporary folder. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import type { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';

import { createApp } from '../lib/app';
import type { BridgeStack } from '../lib/bridge-stack';
import { ConfigError } from '../lib/config-error';
import { INFRA } from '../lib/infra';
import type { MetricNames } from '../lib/metrics';
import { builtOperator } from '../lib/settings';

export interface TestOptions {
  /** Text of a bridge.toml; by default the example's. */
  readonly configuration?: string | undefined;
  readonly context?: Record<string, unknown> | undefined;
  readonly environment?: NodeJS.ProcessEnv;
  readonly metricNames?: MetricNames;
}

export interface TestApp {
  readonly app: App;
  readonly stack: BridgeStack;
}

/** The Region of the stack in the tests; the example's new pool is there too. */
export const REGION = 'us-east-1';

export const EXAMPLE = resolve(INFRA, 'example', 'bridge.toml');

/** The command line, which `make test` builds before these suites. */
export const OPERATOR = builtOperator(process.env);

const ROOT = mkdtempSync(join(tmpdir(), 'poolbridge-infra-'));
process.on('exit', () => rmSync(ROOT, { recursive: true, force: true }));

/** A new folder, which is deleted when the process exits. */
export function newFolder(): string {
  return mkdtempSync(join(ROOT, 'test-'));
}

/** The text of a bridge.toml with two pools, matched by e-mail address unless `match` differs. */
export function bridgeToml(oldPool: string, newPool: string, more = '', match = 'email'): string {
  return `name = "acme"\n[old]\n${oldPool}\n[new]\n${newPool}\n`
    + `[identity]\nmatch = "${match}"\n${more}`;
}

/** Creates the app, without the functions' programs unless the context names some. */
export function createTestApp(options: TestOptions = {}): TestApp {
  const folder = newFolder();
  let config = EXAMPLE;
  if (options.configuration !== undefined) {
    config = join(folder, 'test.toml');
    writeFileSync(config, options.configuration);
  }
  const context = {
    config,
    operator: OPERATOR,
    bootstraps: 'placeholder',
    region: REGION,
    ...options.context,
  };
  const props = { outdir: join(folder, 'cdk.out'), context };
  return createApp(options.environment ?? {}, props, options.metricNames);
}

let example: Template | undefined;

/** The template of the bridge's own stack. The example's is created once. */
export function template(options?: TestOptions): Template {
  if (options !== undefined) {
    return Template.fromStack(createTestApp(options).stack);
  }
  example ??= Template.fromStack(createTestApp().stack);
  return example;
}

/** The text of the configuration error with which the creation of the app fails. */
export function configErrorOf(options: TestOptions): string {
  try {
    createTestApp(options);
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.toText();
    }
    throw error;
  }
  throw new Error('the creation of the app did not fail');
}
