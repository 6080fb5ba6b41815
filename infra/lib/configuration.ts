/**
 * What the CDK app needs of bridge.toml. Only the command line parses that file: `poolbridge check
 * --json` prints what decides the resources and permissions, or every error with its line.
 */
import { spawnSync } from 'node:child_process';

import { CommandLineError, ConfigError } from './config-error';

/** One of the two pools. Which one is active is not known here: it changes without deployment. */
export type Side = 'old' | 'new';

/** One user pool. */
export interface PoolConfiguration {
  readonly side: Side;
  readonly userPoolId: string;
  /** From `region`, or else from the pool's id. */
  readonly region: string;
  /** The role to assume for the pool's API, if the pool belongs to another account. */
  readonly roleArn?: string;
  /** The ARNs of the chained functions. */
  readonly chained: readonly string[];
}

export interface BridgeConfiguration {
  /** Path of bridge.toml. Each function's package holds a copy. */
  readonly path: string;
  readonly name: string;
  readonly pools: readonly [PoolConfiguration, PoolConfiguration];
  /** Whether poolbridge synchronises group memberships. If not, apply may not write any. */
  readonly groups: boolean;
  /** Whether a deletion in one pool deletes the other account. If not, apply may delete none. */
  readonly deletesAccounts: boolean;
  /** Whether an attribute matches accounts. An app client might be able to write it. */
  readonly matchedByAttribute: boolean;
  /** Whether capture searches the other pool before a person signs up. */
  readonly signupGuard: boolean;
  /** How often a pass of the sweep begins, in seconds; undefined if the sweep is off. */
  readonly sweepEvery: number | undefined;
}

/** The JSON of `poolbridge check --json`, as far as the CDK app needs it. */
interface Checked {
  readonly format: number;
  readonly name: string;
  readonly old: CheckedPool;
  readonly new: CheckedPool;
  readonly match_attribute: string | null;
  readonly groups: boolean;
  readonly deletes: 'disable' | 'delete' | 'keep';
  readonly signup_guard: boolean;
  readonly sweep_every_seconds: number | null;
}

interface CheckedPool {
  readonly user_pool_id: string;
  readonly region: string;
  readonly role_arn: string | null;
  readonly triggers: Readonly<Record<string, string>>;
}

// The supported format of the JSON. Without this check an older command line could leave out a key,
// and the deployment a permission.
const FORMAT = 1;

const HINT = 'run make build, or set -c operator=PATH to another command line';

/** Reads and checks the bridge.toml at `path` with the command line `operator`. */
export function readConfiguration(path: string, operator: string): BridgeConfiguration {
  const checked = check(path, operator);
  return {
    path,
    name: checked.name,
    pools: [pool('old', checked.old), pool('new', checked.new)],
    groups: checked.groups,
    deletesAccounts: checked.deletes === 'delete',
    matchedByAttribute: checked.match_attribute !== null,
    signupGuard: checked.signup_guard,
    sweepEvery: checked.sweep_every_seconds ?? undefined,
  };
}

function check(path: string, operator: string): Checked {
  const { error, status, stdout, stderr } = spawnSync(
    operator,
    ['check', '--json', '--config', path],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  );
  if (error !== undefined) {
    const code = (error as NodeJS.ErrnoException).code ?? error.message;
    throw new ConfigError(`cannot check ${path}: ${operator} does not start (${code})`, HINT);
  }
  // The command line exits with 1 if the file has errors. Its output then lists all of them.
  if (status === 1) {
    throw new CommandLineError(stderr);
  }
  const checked = status === 0 ? (JSON.parse(stdout) as Checked) : undefined;
  if (checked?.format !== FORMAT) {
    throw new ConfigError(
      `cannot check ${path}: ${operator} has another version than this CDK app`,
      HINT,
      stderr.split('\n').filter((line) => line !== ''),
    );
  }
  return checked;
}

function pool(side: Side, checked: CheckedPool): PoolConfiguration {
  return {
    side,
    userPoolId: checked.user_pool_id,
    region: checked.region,
    ...(checked.role_arn === null ? {} : { roleArn: checked.role_arn }),
    chained: Object.values(checked.triggers),
  };
}
