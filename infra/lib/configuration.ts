/**
 * What the CDK app needs of bridge.toml. The command line is the one parser of that file:
 * `poolbridge check --json` prints what decides the resources and permissions, or every mistake
 * with its line. functions/operator/README.md describes each key.
 */
import { spawnSync } from 'node:child_process';

import { Mistake, Refusal } from './mistake';

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
  /** The team's own functions that capture calls too, by their ARNs. */
  readonly chained: readonly string[];
}

/** What the CDK app needs of bridge.toml. */
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
  /** Whether capture searches the other pool before a person signs up. */
  readonly signupGuard: boolean;
  /** How often a pass of the sweep begins, in seconds; undefined: never. */
  readonly sweepEvery: number | undefined;
}

/** The JSON of `poolbridge check --json`, without the keys that the CDK app does not need. */
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

// The format of the JSON that this file understands. Without this check an older command line could
// leave out a key, and the deployment a permission.
const FORMAT = 1;

const HINT = 'run make build, or name another command line with -c operator=PATH';

/** Has the command line `operator` read and check bridge.toml at `path`. */
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
    throw new Mistake(`cannot check ${path}: ${operator} does not start (${code})`, HINT);
  }
  // The command line ends with 1 if the file has mistakes, and has named each of them by then.
  if (status === 1) {
    throw new Refusal(stderr);
  }
  const checked = status === 0 ? (JSON.parse(stdout) as Checked) : undefined;
  if (checked?.format !== FORMAT) {
    throw new Mistake(
      `cannot check ${path}: ${operator} is of another version than this CDK app`,
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
