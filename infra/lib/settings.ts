/**
 * What is decided at deployment rather than in bridge.toml: every `-c key=value`, read once,
 * checked together, passed down. The command line gives texts, cdk.json may give anything.
 */
import { resolve } from 'node:path';

import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Node } from 'constructs';

import { INFRA } from './infra';
import { Mistake } from './mistake';

/** Processor of the functions, in Lambda's words. */
export type ProcessorArchitecture = 'x86_64' | 'arm64';

/** The deployment's settings, one for each context key of the same name. */
export interface Settings {
  /** Path of bridge.toml: `-c config`, POOLBRIDGE_CONFIG, or the repository's own. */
  readonly config: string;
  /** The command line, which reads and checks bridge.toml: `-c operator`, or the one built here. */
  readonly operator: string;
  /** Folder of `<function>/bootstrap`, or undefined for `-c bootstraps=placeholder`. */
  readonly bootstraps: string | undefined;
  readonly architecture: ProcessorArchitecture;
  /** How many batches apply works on at once. */
  readonly maximumConcurrency: number;
  readonly logRetentionDays: RetentionDays;
  /** Whether destroying the stack destroys its data: for demonstrations only. */
  readonly removable: boolean;
  /** Topics for the alarms; each stack's use those of its own Region, as CloudWatch demands. */
  readonly alarmTopicArns: readonly string[];
  /** What the alarms' descriptions link to: a path, or the address where the team publishes it. */
  readonly runbook: string;
  /** The Region of the stack; a trigger only reaches a function in its own. */
  readonly region: string;
  /**
   * The bridge's own account, where it is said. What stands in a pool's other account must know it,
   * and the credentials at hand may be that account's, so it is never guessed from them.
   */
  readonly account: string | undefined;
}

/** The word that asks for a template without the functions' programs. */
export const PLACEHOLDER = 'placeholder';

// Few functions at once: Cognito allows 25 user updates a second to everybody in a Region, end
// users included, so more of them would only throttle one another. Each works on its batch's people
// concurrently; four leave room for one slow pool without stopping the rest.
const MAXIMUM_CONCURRENCY_DEFAULT = 4;
// Lambda accepts 2 to 1,000 for an SQS mapping.
const MAXIMUM_CONCURRENCY_LEAST = 2;
const MAXIMUM_CONCURRENCY_MOST = 1000;
// Long enough to look back over a whole transition's last weeks, short enough to forget.
const LOG_RETENTION_DAYS_DEFAULT = 30;

const TOPIC_ARN = /^arn:[\w-]+:sns:[\w-]+:\d{12}:[\w-]+$/;

/** Reads every setting from the app's context and the environment. */
export function readSettings(node: Node, environment: NodeJS.ProcessEnv): Settings {
  const points: string[] = [];
  const context = (key: string): unknown => node.tryGetContext(key) ?? undefined;
  // The variable is named where `make` was called, and npm has gone elsewhere since.
  const named = environment['POOLBRIDGE_CONFIG'];
  const here = environment['INIT_CWD'] ?? '.';
  const config = context('config') ?? (named === undefined ? undefined : resolve(here, named));
  const bootstraps = context('bootstraps') ?? resolve(INFRA, '..', 'target', 'lambda');
  const settings: Settings = {
    config: resolve(String(config ?? resolve(INFRA, '..', 'bridge.toml'))),
    operator: resolve(String(context('operator') ?? builtOperator(environment))),
    bootstraps: bootstraps === PLACEHOLDER ? undefined : resolve(String(bootstraps)),
    architecture: architecture(context('architecture'), points),
    maximumConcurrency: maximumConcurrency(context('maximumConcurrency'), points),
    logRetentionDays: logRetentionDays(context('logRetentionDays'), points),
    removable: yesOrNo('removable', context('removable'), points),
    alarmTopicArns: alarmTopicArns(context('alarmTopicArn'), points),
    runbook: String(context('runbook') ?? 'infra/RUNBOOK.md'),
    region: region(context('region') ?? environment['CDK_DEFAULT_REGION'], points),
    account: account(context('account'), points),
  };
  if (points.length > 0) {
    throw new Mistake(
      'the deployment\'s settings do not hold',
      'settings are given as -c key=value, or under "context" in infra/cdk.json',
      points,
    );
  }
  return settings;
}

/** Where cargo puts the command line. */
export function builtOperator(environment: NodeJS.ProcessEnv): string {
  const target = environment['CARGO_TARGET_DIR'];
  const folder = target === undefined
    ? resolve(INFRA, '..', 'target')
    : resolve(environment['INIT_CWD'] ?? '.', target);
  return resolve(folder, 'release', 'poolbridge');
}

function architecture(value: unknown, points: string[]): ProcessorArchitecture {
  if (value === undefined || value === 'x86_64' || value === 'arm64') {
    return value ?? 'x86_64';
  }
  points.push('`architecture` must be x86_64 or arm64');
  return 'x86_64';
}

function maximumConcurrency(value: unknown, points: string[]): number {
  const number = Number(value ?? MAXIMUM_CONCURRENCY_DEFAULT);
  const allowed = Number.isInteger(number)
    && number >= MAXIMUM_CONCURRENCY_LEAST
    && number <= MAXIMUM_CONCURRENCY_MOST;
  if (!allowed) {
    points.push('`maximumConcurrency` must be a whole number from '
      + `${MAXIMUM_CONCURRENCY_LEAST} to ${MAXIMUM_CONCURRENCY_MOST}`);
  }
  return number;
}

function logRetentionDays(value: unknown, points: string[]): RetentionDays {
  const number = Number(value ?? LOG_RETENTION_DAYS_DEFAULT);
  const allowed = Object.values(RetentionDays)
    .filter((days): days is RetentionDays => typeof days === 'number')
    .filter((days) => days !== RetentionDays.INFINITE);
  if (!allowed.includes(number)) {
    points.push(`\`logRetentionDays\` must be one of ${allowed.join(', ')}`);
  }
  return number;
}

function yesOrNo(key: string, value: unknown, points: string[]): boolean {
  const words = String(value ?? false);
  if (words !== 'true' && words !== 'false') {
    points.push(`\`${key}\` must be true or false`);
  }
  return words === 'true';
}

// One, or several with commas between them: one for each Region in which there are alarms.
function alarmTopicArns(value: unknown, points: string[]): string[] {
  if (value === undefined) {
    return [];
  }
  const arns = String(value).split(',').map((arn) => arn.trim());
  if (!arns.every((arn) => TOPIC_ARN.test(arn))) {
    points.push('`alarmTopicArn` is not the ARN of an SNS topic, or several with commas between');
  }
  return arns;
}

function region(value: unknown, points: string[]): string {
  if (typeof value !== 'string' || value === '') {
    // Guessing would attach the wrong pool's trigger, or none.
    points.push('the Region is not known: set AWS_REGION, or give -c region=REGION');
    return '';
  }
  return value;
}

function account(value: unknown, points: string[]): string | undefined {
  if (value === undefined || value === '') {
    return undefined;
  }
  // A number given in cdk.json may have lost its leading zeros; a text has not.
  if (typeof value !== 'string' || !/^\d{12}$/.test(value)) {
    points.push('`account` must be the twelve digits of an account, as a text');
    return undefined;
  }
  return value;
}
