/** What travels in a function's package, and that nothing but its content decides its name. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { Template } from 'aws-cdk-lib/assertions';

import { EXAMPLE, lay, mistakeOf, newFolder, type World } from './world';

// The start of an ELF file: its magic number, and at byte 18 what it runs on.
const X86_64 = elf(62);
const AARCH64 = elf(183);

test('without programs, a synthesis has to ask for a placeholder by name', () => {
  const words = mistakeOf({ context: { bootstraps: newFolder() } });
  assert.match(words, /error: bootstrap missing: .*\/capture\/bootstrap/);
  assert.match(words, /hint: run make build/);
});

test('a package holds its program, executable, and the very configuration', () => {
  // Not executable where it lies, as after a download or an unpacking.
  const world = lay({ context: { bootstraps: built({ apply: X86_64, capture: X86_64 }, 0o600) } });
  const packages = packagesOf(world);
  assert.equal(packages.length, 1, 'equal programs make one package');
  for (const folder of packages) {
    assert.deepEqual(readdirSync(folder).sort(), ['bootstrap', 'bridge.toml']);
    assert.equal(statSync(join(folder, 'bootstrap')).mode & 0o777, 0o755);
    assert.deepEqual(readFileSync(join(folder, 'bootstrap')), X86_64);
    assert.deepEqual(readFileSync(join(folder, 'bridge.toml')), readFileSync(EXAMPLE));
  }
});

test('each function has its own program', () => {
  const script = Buffer.from('#!/bin/sh\n');
  const bootstraps = built({ apply: X86_64, capture: script });
  assert.equal(packagesOf(lay({ context: { bootstraps } })).length, 2);
});

test('a program for another processor is refused', () => {
  const bootstraps = built({ apply: AARCH64, capture: AARCH64 });
  const words = mistakeOf({ context: { bootstraps } });
  assert.match(words, /capture was built for arm64, and the stack asks for x86_64/);
  lay({ context: { bootstraps, architecture: 'arm64' } });
});

test('a program for a newer system than Lambda\'s is refused', () => {
  const naming = (...versions: string[]): string => {
    const names = versions.map((version) => `GLIBC_${version}\0`).join('');
    const program = Buffer.concat([X86_64, Buffer.from(names, 'latin1')]);
    return built({ apply: program, capture: program });
  };
  for (const newest of ['2.35', '2.39', '2.41', '2.100']) {
    const bootstraps = naming('2.2.5', newest, '2.4', '2.34');
    const words = mistakeOf({ context: { bootstraps } });
    assert.ok(words.includes(`capture asks for GLIBC_${newest}, and Lambda has 2.34`), words);
    assert.match(words, /hint: build it on Amazon Linux 2023/);
  }
  lay({ context: { bootstraps: naming('2.2.5', '2.4', '2.9', '2.34') } });
});

test('what is neither a Linux program nor a script is refused', () => {
  for (const content of ['', '\x7fELF', '\xcf\xfa\xed\xfe and all that follows it', 'MZ']) {
    const program = Buffer.from(content, 'latin1');
    const bootstraps = built({ apply: program, capture: program });
    const words = mistakeOf({ context: { bootstraps } });
    assert.match(words, /capture\/bootstrap is no program that Lambda could start/);
    assert.match(words, /hint: run make build on Linux/);
  }
});

test('the same content makes the same package, wherever and whenever it is made', () => {
  const keys = (): string[] => codeKeys(lay({
    context: { bootstraps: built({ apply: X86_64, capture: X86_64 }) },
  }));
  assert.deepEqual(keys(), keys());
});

test('another configuration makes another package', () => {
  const example = readFileSync(EXAMPLE, 'utf8');
  const other = example.replace('conflicts = "active-wins"', 'conflicts = "hold"');
  assert.notDeepEqual(
    codeKeys(lay({ configuration: example })),
    codeKeys(lay({ configuration: other })),
  );
});

function elf(machine: number): Buffer {
  const head = Buffer.alloc(64);
  head.write('\x7fELF', 'latin1');
  head.writeUInt16LE(machine, 18);
  return head;
}

/** A folder of programs as the build leaves it; what is not named is as apply's. */
function built(programs: { apply: Buffer; capture: Buffer }, mode = 0o755): string {
  const folder = newFolder();
  const all = { trail: programs.apply, sweep: programs.apply, ...programs };
  for (const [name, content] of Object.entries(all)) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'bootstrap'), content);
    chmodSync(join(folder, name, 'bootstrap'), mode);
  }
  return folder;
}

function packagesOf(world: World): string[] {
  const { directory } = world.app.synth();
  return readdirSync(directory)
    .filter((name) => name.startsWith('asset.'))
    .map((name) => join(directory, name));
}

function codeKeys(world: World): string[] {
  const functions = Template.fromStack(world.stack).findResources('AWS::Lambda::Function');
  return Object.values(functions).map((found) => String(found['Properties'].Code.S3Key));
}
