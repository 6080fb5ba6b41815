/** A function's package holds its program and bridge.toml, and its name depends on both only. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { Template } from 'aws-cdk-lib/assertions';

import { configErrorOf, createTestApp, EXAMPLE, newFolder, type TestApp } from './fixture';

// The start of an ELF file: its magic number, and the processor at byte 18.
const X86_64 = elf(62);
const AARCH64 = elf(183);

test('synthesis without programs fails unless the settings ask for placeholders', () => {
  const text = configErrorOf({ context: { bootstraps: newFolder() } });
  assert.match(text, /error: bootstrap missing: .*\/capture\/bootstrap/);
  assert.match(text, /hint: run make build/);
});

test('package holds the executable program and bridge.toml', () => {
  // The built file is not executable, as after a download.
  const bootstraps = built({ apply: X86_64, capture: X86_64 }, 0o600);
  const packages = packagesOf(createTestApp({ context: { bootstraps } }));
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
  assert.equal(packagesOf(createTestApp({ context: { bootstraps } })).length, 2);
});

test('synthesis fails for a program of another processor', () => {
  const bootstraps = built({ apply: AARCH64, capture: AARCH64 });
  const text = configErrorOf({ context: { bootstraps } });
  assert.match(text, /capture was built for arm64, but the functions run on x86_64/);
  createTestApp({ context: { bootstraps, architecture: 'arm64' } });
});

test('synthesis fails for a program that needs a newer glibc', () => {
  const needing = (...versions: string[]): string => {
    const names = versions.map((version) => `GLIBC_${version}\0`).join('');
    const program = Buffer.concat([X86_64, Buffer.from(names, 'latin1')]);
    return built({ apply: program, capture: program });
  };
  for (const newest of ['2.35', '2.39', '2.41', '2.100']) {
    const bootstraps = needing('2.2.5', newest, '2.4', '2.34');
    const text = configErrorOf({ context: { bootstraps } });
    assert.ok(text.includes(`capture needs GLIBC_${newest}, but Lambda has 2.34`), text);
    assert.match(text, /hint: build it on Amazon Linux 2023/);
  }
  createTestApp({ context: { bootstraps: needing('2.2.5', '2.4', '2.9', '2.34') } });
});

test('synthesis fails for a file that is neither ELF nor a script', () => {
  for (const content of ['', '\x7fELF', '\xcf\xfa\xed\xfe and all that follows it', 'MZ']) {
    const program = Buffer.from(content, 'latin1');
    const bootstraps = built({ apply: program, capture: program });
    const text = configErrorOf({ context: { bootstraps } });
    assert.match(text, /Lambda cannot start .*\/capture\/bootstrap/);
    assert.match(text, /hint: run make build on Linux/);
  }
});

test('the same content has the same package name in every folder', () => {
  const keys = (): string[] => codeKeys(createTestApp({
    context: { bootstraps: built({ apply: X86_64, capture: X86_64 }) },
  }));
  assert.deepEqual(keys(), keys());
});

test('another bridge.toml has another package name', () => {
  const example = readFileSync(EXAMPLE, 'utf8');
  const other = example.replace('conflicts = "active-wins"', 'conflicts = "hold"');
  assert.notDeepEqual(
    codeKeys(createTestApp({ configuration: example })),
    codeKeys(createTestApp({ configuration: other })),
  );
});

function elf(machine: number): Buffer {
  const head = Buffer.alloc(64);
  head.write('\x7fELF', 'latin1');
  head.writeUInt16LE(machine, 18);
  return head;
}

/** A folder of programs as the build makes it. trail and sweep are the same as apply. */
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

function packagesOf(testApp: TestApp): string[] {
  const { directory } = testApp.app.synth();
  return readdirSync(directory)
    .filter((name) => name.startsWith('asset.'))
    .map((name) => join(directory, name));
}

function codeKeys(testApp: TestApp): string[] {
  const functions = Template.fromStack(testApp.stack).findResources('AWS::Lambda::Function');
  return Object.values(functions).map((found) => String(found['Properties'].Code.S3Key));
}
