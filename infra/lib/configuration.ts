/**
 * Reads the few lines of bridge.toml that decide what must be deployed: the name, the two pools,
 * how their accounts are matched, whether groups travel, what a deletion does, and by which ways
 * changes are noticed. Everything else in the file is the business of the functions, which carry a
 * copy of it and check it in depth; checking it twice would mean two truths.
 */
import { readFileSync } from 'node:fs';

import { parse, TomlError } from 'smol-toml';

import { Mistake } from './mistake';

/** Which of the two pools; never which one is active, for that changes while the stack stands. */
export type Side = 'old' | 'new';

/** One user pool as far as permissions need to know it. */
export interface PoolConfiguration {
  readonly side: Side;
  readonly userPoolId: string;
  /** From `region`, or else from the pool's id. */
  readonly region: string;
  /** The role to assume where the pool belongs to another account. */
  readonly roleArn?: string;
  /** The team's own functions that capture calls beside its work, by their ARNs. */
  readonly chained: readonly string[];
}

/** What the ground must know of bridge.toml. */
export interface BridgeConfiguration {
  /** Where the file was found; a copy travels in each function's package. */
  readonly path: string;
  readonly name: string;
  readonly pools: readonly [PoolConfiguration, PoolConfiguration];
  /** Whether group memberships travel. If not, apply may not write any. */
  readonly groups: boolean;
  /** Whether a deletion on one side deletes the other account. If not, apply may delete none. */
  readonly deletesAccounts: boolean;
  /** Whether accounts are matched by an attribute of the team's own, which clients might write. */
  readonly matchedByAttribute: boolean;
  /** Whether capture asks the other pool before somebody signs up. */
  readonly signupGuard: boolean;
  /** How often a pass of the sweep begins, in seconds; undefined: never. */
  readonly sweepEvery: number | undefined;
}

// The longest name made from it is a function's (64 characters) or a queue's (80); 32 leaves room
// for every suffix, and for a Region's or a stage's own prefix in a team's naming scheme.
const NAME = /^[a-z][a-z0-9-]{0,30}[a-z0-9]$/;
const USER_POOL_ID = /^([\w-]+)_[0-9A-Za-z]+$/;
const ROLE_ARN = /^arn:[\w-]+:iam::\d{12}:role\/[\w+=,.@/-]+$/;

// What accounts may be matched by without any attribute of the team's own.
const BUILT_IN_MATCHES = ['email', 'phone_number', 'username'];

// Where capture can stand, and so where it can call somebody else's function beside its work.
const TRIGGER_SLOTS = [
  'PreSignUp', 'PostConfirmation', 'PostAuthentication', 'PreTokenGeneration', 'CustomMessage',
];
const FUNCTION_ARN = /^arn:[\w-]+:lambda:[\w-]+:\d{12}:function:[\w-]+(:[\w$-]+)?$/;

// The tables and keys that the functions know. One that they do not know is a mistake for them: what is
// deployed would mark changes and carry none, and could not say which functions stand beside it.
const TOP_KEYS = [
  'name', 'operator_roles', 'old', 'new', 'identity', 'policy', 'attribute', 'capture', 'sweep',
];
const POOL_KEYS = ['user_pool_id', 'region', 'role_arn', 'endpoint_url', 'client_id', 'triggers'];

// As the functions read it, and what they take where nothing is said.
const SPAN = /^(\d+)(ms|s|m|h)$/;
const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };
const SWEEP_EVERY_DEFAULT = '6h';

const HINT = 'infra/example/bridge.toml shows every line with its meaning; '
  + 'name another file with -c config=FILE or POOLBRIDGE_CONFIG';

/** Reads and checks the configuration; every mistake is reported, not only the first. */
export function readConfiguration(path: string): BridgeConfiguration {
  const points: string[] = [];
  const root = parseFile(path);
  known(root, TOP_KEYS, '', points);
  const name = text(root, 'name', '', points);
  if (name !== undefined && !NAME.test(name)) {
    points.push('`name` must be 2 to 32 lower-case letters, digits or hyphens, a letter first');
  }
  const before = pool(root, 'old', points);
  const after = pool(root, 'new', points);
  if (before && after && before.userPoolId === after.userPoolId) {
    points.push('`[old]` and `[new]` name the same user pool');
  }
  const groups = flag(root, 'policy', 'groups', points);
  const signupGuard = flag(root, 'policy', 'signup_guard', points);
  const deletesAccounts = section(root, 'policy', points)?.['deletes'] === 'delete';
  const sweepEvery = sweptEvery(root, points);
  const matchedByAttribute = matchesByAttribute(root, points);
  if (points.length > 0 || name === undefined || !before || !after) {
    throw new Mistake(`${path} cannot be deployed as it stands`, HINT, points);
  }
  const pools = [before, after] as const;
  return {
    path, name, pools, groups, deletesAccounts, matchedByAttribute, signupGuard, sweepEvery,
  };
}

type Table = Record<string, unknown>;

function parseFile(path: string): Table {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new Mistake(`configuration ${path} cannot be read (${code})`, HINT);
  }
  try {
    return parse(content);
  } catch (error) {
    if (!(error instanceof TomlError)) {
      throw error;
    }
    // The message's first line says what; the rest quotes the file, which may not belong in a log.
    const what = error.message.split('\n')[0] ?? 'invalid TOML';
    throw new Mistake(`${path}:${error.line}:${error.column}: ${what}`, HINT);
  }
}

function pool(root: Table, side: Side, points: string[]): PoolConfiguration | undefined {
  const table = section(root, side, points);
  if (table === undefined) {
    points.push(`\`[${side}]\` is missing`);
    return undefined;
  }
  known(table, POOL_KEYS, `[${side}] `, points);
  const userPoolId = text(table, 'user_pool_id', `[${side}] `, points);
  const fromId = userPoolId === undefined ? null : USER_POOL_ID.exec(userPoolId);
  if (userPoolId !== undefined && fromId === null) {
    points.push(`\`[${side}] user_pool_id\` is not a pool id, such as eu-west-1_AbCdEfGhI`);
  }
  const region = optionalText(table, 'region', `[${side}] `, points) ?? fromId?.[1];
  const roleArn = optionalText(table, 'role_arn', `[${side}] `, points);
  if (roleArn !== undefined && !ROLE_ARN.test(roleArn)) {
    points.push(`\`[${side}] role_arn\` is not the ARN of an IAM role`);
  }
  const chained = chainedFunctions(table, side, points);
  if (userPoolId === undefined || region === undefined) {
    return undefined;
  }
  return { side, userPoolId, region, chained, ...(roleArn === undefined ? {} : { roleArn }) };
}

// What is absent is on, so that leaving a line out never costs a grant.
function flag(root: Table, table: string, key: string, points: string[]): boolean {
  const value = section(root, table, points)?.[key];
  if (value !== undefined && typeof value !== 'boolean') {
    points.push(`\`[${table}] ${key}\` must be true or false`);
  }
  return value !== false;
}

function sweptEvery(root: Table, points: string[]): number | undefined {
  const enabled = flag(root, 'sweep', 'enabled', points);
  const every = optionalText(section(root, 'sweep', points) ?? {}, 'every', '[sweep] ', points);
  const [, number, unit = ''] = SPAN.exec(every ?? SWEEP_EVERY_DEFAULT) ?? [];
  if (number === undefined) {
    points.push('`[sweep] every` is no span of time: a whole number and m or h, such as "6h"');
  }
  // How short and how long it may be is the functions' business.
  return enabled ? Number(number) * (SECONDS[unit] ?? 0) : undefined;
}

function chainedFunctions(pool: Table, side: Side, points: string[]): string[] {
  const triggers = pool['triggers'];
  if (triggers === undefined) {
    return [];
  }
  if (typeof triggers !== 'object' || triggers === null || Array.isArray(triggers)) {
    points.push(`\`triggers\` must be a table, written \`[${side}.triggers]\``);
    return [];
  }
  return Object.entries(triggers).flatMap(([slot, arn]) => {
    if (!TRIGGER_SLOTS.includes(slot)) {
      points.push(`\`[${side}.triggers] ${slot}\` is not one of ${TRIGGER_SLOTS.join(', ')}`);
      return [];
    }
    if (typeof arn !== 'string' || !FUNCTION_ARN.test(arn)) {
      points.push(`\`[${side}.triggers] ${slot}\` is not the ARN of a Lambda function`);
      return [];
    }
    return [arn];
  });
}

function matchesByAttribute(root: Table, points: string[]): boolean {
  const identity = section(root, 'identity', points) ?? {};
  const match = optionalText(identity, 'match', '[identity] ', points);
  // Whether it is an attribute that can serve is the functions' business.
  return match !== undefined && !BUILT_IN_MATCHES.includes(match);
}

function known(table: Table, keys: readonly string[], where: string, points: string[]): void {
  const strange = Object.keys(table).filter((key) => !keys.includes(key));
  points.push(...strange.map((key) => `\`${where}${key}\` is not one of ${keys.join(', ')}`));
}

function section(root: Table, key: string, points: string[]): Table | undefined {
  const value = root[key];
  if (value === undefined) {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    points.push(`\`${key}\` must be a table, written \`[${key}]\``);
    return {};
  }
  return value as Table;
}

function text(table: Table, key: string, where: string, points: string[]): string | undefined {
  const value = optionalText(table, key, where, points);
  if (value === undefined && table[key] === undefined) {
    points.push(`\`${where}${key}\` is missing`);
  }
  return value;
}

function optionalText(
  table: Table,
  key: string,
  where: string,
  points: string[],
): string | undefined {
  const value = table[key];
  if (value === undefined) {
    return undefined;
  }
  if (typeof value !== 'string' || value.trim() === '') {
    points.push(`\`${where}${key}\` must be a text that is not empty`);
    return undefined;
  }
  return value;
}
