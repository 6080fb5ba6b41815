/**
 * Packages a function: its program, which cargo has built before, and the copy of bridge.toml that
 * it reads. Nothing is built here, so a synthesis needs no Rust; but one without the programs must
 * be asked for by name, or a broken build would be deployed in silence.
 */
import {
  chmodSync, closeSync, copyFileSync, existsSync, mkdirSync, openSync, readSync, rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { Annotations, Stage } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';

import type { Blueprint } from './blueprint';
import { Mistake } from './mistake';
import { PLACEHOLDER, type ProcessorArchitecture } from './settings';

/** The name under which the configuration travels, whatever it was called where it was found. */
export const PACKAGED_CONFIGURATION = 'bridge.toml';

const PLACEHOLDER_PROGRAM = '#!/bin/sh\n'
  + 'echo "a placeholder was deployed; run make build and deploy again" >&2\nexit 1\n';

/** Stages one function's package and returns it; its hash depends on the content alone. */
export function packageFunction(scope: Construct, name: string, blueprint: Blueprint): Code {
  const staged = join(assemblyFolder(scope), 'staging', name);
  rmSync(staged, { recursive: true, force: true });
  mkdirSync(staged, { recursive: true });
  const program = join(staged, 'bootstrap');
  const { bootstraps, architecture } = blueprint.settings;
  if (bootstraps === undefined) {
    writeFileSync(program, PLACEHOLDER_PROGRAM);
    Annotations.of(scope).addWarningV2(
      'poolbridge:placeholder',
      `${name} is packaged without its program: this template is to be read, not deployed`,
    );
  } else {
    const built = join(bootstraps, name, 'bootstrap');
    requireProgram(built, name, architecture);
    copyFileSync(built, program);
  }
  copyFileSync(blueprint.configuration.path, join(staged, PACKAGED_CONFIGURATION));
  // Lambda refuses to start what is not executable, and says so only at the first sign-in.
  chmodSync(program, 0o755);
  chmodSync(join(staged, PACKAGED_CONFIGURATION), 0o644);
  return Code.fromAsset(staged);
}

function assemblyFolder(scope: Construct): string {
  const stage = Stage.of(scope);
  if (stage === undefined) {
    throw new Error(`${scope.node.path} belongs to no app`);
  }
  return stage.outdir;
}

function requireProgram(path: string, name: string, architecture: ProcessorArchitecture): void {
  if (!existsSync(path)) {
    throw new Mistake(
      `bootstrap missing: ${path}`,
      `run make build (or give -c bootstraps=DIR, or -c bootstraps=${PLACEHOLDER} to synthesise `
        + 'a template that is not to be deployed)',
    );
  }
  const found = builtFor(path);
  if (found !== undefined && found !== architecture) {
    throw new Mistake(
      `${name} was built for ${found}, and the stack asks for ${architecture}`,
      `build it for ${architecture}, or give -c architecture=${found}`,
    );
  }
}

/** What an ELF file runs on; undefined for a script, which runs anywhere. */
function builtFor(path: string): ProcessorArchitecture | undefined {
  const head = Buffer.alloc(20);
  const file = openSync(path, 'r');
  try {
    readSync(file, head, 0, head.length, 0);
  } finally {
    closeSync(file);
  }
  if (head.toString('latin1', 0, 4) !== '\x7fELF') {
    return undefined;
  }
  // `e_machine` of the ELF header: 183 is AArch64, 62 x86-64, and nothing else is a Lambda's.
  return head.readUInt16LE(18) === 183 ? 'arm64' : 'x86_64';
}
