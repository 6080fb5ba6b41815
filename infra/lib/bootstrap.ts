/**
 * Packages a function: its program, which cargo built before, and the copy of bridge.toml that it
 * reads. Nothing is built here, so a synthesis needs no Rust. A synthesis without the programs
 * needs an explicit option, or a broken build could be deployed unnoticed.
 */
import {
  chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { Annotations, Stage } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';

import type { Blueprint } from './blueprint';
import { Mistake } from './mistake';
import { PLACEHOLDER, type ProcessorArchitecture } from './settings';

/** The name of the packaged configuration, whatever the original file is called. */
export const PACKAGED_CONFIGURATION = 'bridge.toml';

// The C library of Amazon Linux 2023, on which the functions run: 2.34.
const GLIBC_MINOR_NEWEST = 34;

// The part of an ELF file that shows its platform.
const ELF_HEAD_BYTES = 20;

const PLACEHOLDER_PROGRAM = '#!/bin/sh\n'
  + 'echo "a placeholder was deployed; run make build and deploy again" >&2\nexit 1\n';

/** Stages one function's package and returns it. Its hash depends only on the content. */
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
  // Lambda does not start a file that is not executable, and reports that only at the first
  // sign-in.
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
  const content = readFileSync(path);
  if (content.toString('latin1', 0, 2) === '#!') {
    return;
  }
  if (content.length < ELF_HEAD_BYTES || content.toString('latin1', 0, 4) !== '\x7fELF') {
    throw new Mistake(
      `${path} is no program that Lambda could start: neither ELF nor a script`,
      'run make build on Linux, or for Linux: no other system\'s programs run there',
    );
  }
  const found = builtFor(content);
  if (found !== architecture) {
    throw new Mistake(
      `${name} was built for ${found}, and the stack asks for ${architecture}`,
      `build it for ${architecture}, or give -c architecture=${found}`,
    );
  }
  const minor = newestGlibcMinor(content);
  if (minor > GLIBC_MINOR_NEWEST) {
    throw new Mistake(
      `${name} asks for GLIBC_2.${minor}, and Lambda has 2.${GLIBC_MINOR_NEWEST}: `
        + 'it would not start',
      'build it on Amazon Linux 2023, or on another system whose C library is no newer '
        + `than 2.${GLIBC_MINOR_NEWEST}`,
    );
  }
}

/** The processor for which an ELF file was built. */
function builtFor(content: Buffer): ProcessorArchitecture {
  // `e_machine` of the ELF header: 183 is AArch64, 62 is x86-64. Lambda has no other processors.
  return content.readUInt16LE(18) === 183 ? 'arm64' : 'x86_64';
}

/** The newest version of the C library that the program names; 0 if it needs none. */
function newestGlibcMinor(content: Buffer): number {
  const versions = content.toString('latin1').matchAll(/GLIBC_2\.(\d+)/g);
  return Math.max(0, ...[...versions].map(([, minor]) => Number(minor)));
}
