/**
 * Packages a function: the program, which cargo has built before, and a copy of bridge.toml. A
 * synthesis without the programs needs an explicit setting, so that a deployment never misses one.
 */
import {
  chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { Annotations, type App } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';

import type { BridgeProps } from './bridge-props';
import { ConfigError } from './config-error';
import { PLACEHOLDER, type ProcessorArchitecture } from './settings';

/** The name of the packaged bridge.toml, whatever the original file's name is. */
export const PACKAGED_CONFIGURATION = 'bridge.toml';

// The C library of Amazon Linux 2023, on which the functions run, is glibc 2.34.
const GLIBC_MINOR_MAX = 34;

// The part of an ELF header that names the processor.
const ELF_HEADER_BYTES = 20;

const PLACEHOLDER_PROGRAM = '#!/bin/sh\n'
  + 'echo "this is a placeholder; run make build, and deploy again" >&2\nexit 1\n';

/** Creates one function's package. Its hash depends only on the content. */
export function packageFunction(scope: Construct, name: string, bridge: BridgeProps): Code {
  const staged = join((scope.node.root as App).outdir, 'staging', name);
  rmSync(staged, { recursive: true, force: true });
  mkdirSync(staged, { recursive: true });
  const program = join(staged, 'bootstrap');
  const { bootstraps, architecture } = bridge.settings;
  if (bootstraps === undefined) {
    writeFileSync(program, PLACEHOLDER_PROGRAM);
    Annotations.of(scope).addWarningV2(
      'poolbridge:placeholder',
      `the package of ${name} has no program: do not deploy this template`,
    );
  } else {
    const built = join(bootstraps, name, 'bootstrap');
    requireProgram(built, name, architecture);
    copyFileSync(built, program);
  }
  copyFileSync(bridge.configuration.path, join(staged, PACKAGED_CONFIGURATION));
  // Lambda does not start a file that is not executable, and reports that only at the first
  // sign-in.
  chmodSync(program, 0o755);
  chmodSync(join(staged, PACKAGED_CONFIGURATION), 0o644);
  return Code.fromAsset(staged);
}

function requireProgram(path: string, name: string, architecture: ProcessorArchitecture): void {
  if (!existsSync(path)) {
    throw new ConfigError(
      `bootstrap missing: ${path}`,
      `run make build, or set -c bootstraps=DIR; -c bootstraps=${PLACEHOLDER} makes a template `
        + 'that you can read but not deploy',
    );
  }
  const content = readFileSync(path);
  if (content.toString('latin1', 0, 2) === '#!') {
    return;
  }
  if (content.length < ELF_HEADER_BYTES || content.toString('latin1', 0, 4) !== '\x7fELF') {
    throw new ConfigError(
      `Lambda cannot start ${path}: it is neither an ELF file nor a script`,
      'run make build on Linux, or build for Linux',
    );
  }
  const found = processorOf(content);
  if (found !== architecture) {
    throw new ConfigError(
      `${name} was built for ${found}, but the functions run on ${architecture}`,
      `build it for ${architecture}, or set -c architecture=${found}`,
    );
  }
  const minor = glibcMinor(content);
  if (minor > GLIBC_MINOR_MAX) {
    throw new ConfigError(
      `${name} needs GLIBC_2.${minor}, but Lambda has 2.${GLIBC_MINOR_MAX}, so it cannot start`,
      'build it on Amazon Linux 2023, or on another system with glibc '
        + `2.${GLIBC_MINOR_MAX} or older`,
    );
  }
}

function processorOf(content: Buffer): ProcessorArchitecture {
  // `e_machine` of the ELF header: 183 is AArch64, 62 is x86-64. Lambda has no other processors.
  return content.readUInt16LE(18) === 183 ? 'arm64' : 'x86_64';
}

/** The newest glibc 2 version that the program names; 0 if it names none. */
function glibcMinor(content: Buffer): number {
  const versions = content.toString('latin1').matchAll(/GLIBC_2\.(\d+)/g);
  return Math.max(0, ...[...versions].map(([, minor]) => Number(minor)));
}
