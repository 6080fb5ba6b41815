/** The settings of a deployment: every `-c key=value`, read once and checked together. */
import { resolve } from 'node:path';

import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Node } from 'constructs';

import { ConfigError } from './config-error';
import { INFRA } from './infra';

/** Processor of the functions. */
export type ProcessorArchitecture = 'x86_64' | 'arm64';

/** The settings, one for each context key of the same name. infra/README.md describes them. */
export interface Settings {
  /** Path of bridge.toml. */
  readonly config: string;
  /** Path of the command line, which reads and checks bridge.toml. */
  readonly operator: string;
  /** Folder of `FUNCTION/bootstrap`, or undefined for `-c bootstraps=placeholder`. */
  readonly bootstraps: string | undefined;
  readonly architecture: ProcessorArchitecture;
  /** How many batches apply processes at once. */
  readonly maximumConcurrency: number;
  readonly logRetentionDays: RetentionDays;
  /** Whether the deletion of the stack deletes its data: for demonstrations only. */
  readonly removable: boolean;
  /** SNS topics for the alarms. Each stack uses those of its own Region. */
  readonly alarmTopicArns: readonly string[];
  /** Path or URL of the runbook, for the alarms' descriptions. */
  readonly runbook: string;
  /** The Region of the bridge's own stack. */
  readonly region: string;
  /**
   * The bridge's own account, if it is set. It is never taken from the credentials, because they
   * may belong to the other pool's account.
   */
  readonly account: string | undefined;
}

/** The value of `bootstraps` for a template without the functions' programs. */
export const PLACEHOLDER = 'placeholder';

// Cognito allows 25 user updates per second in a Region, for poolbridge and for users together, so
// more batches would only throttle one another. apply processes the people of a batch concurrently.
// With four batches, one slow pool does not stop the rest.
const MAXIMUM_CONCURRENCY_DEFAULT = 4;
const LOG_RETENTION_DAYS_DEFAULT = 30;

const TOPIC_ARN = /^arn:[\w-]+:sns:[\w-]+:\d{12}:[\w-]+$/;

/** Reads every setting from the app's context and the environment. */
export function readSettings(node: Node, environment: NodeJS.ProcessEnv): Settings {
  const context = (key: string): unknown => node.tryGetContext(key) ?? undefined;
  const text = (key: string, otherwise: unknown): string => String(context(key) ?? otherwise);
  const problems: string[] = [];
  const check = (holds: boolean, problem: string): void => {
    if (!holds) {
      problems.push(problem);
    }
  };

  const architecture = text('architecture', 'x86_64') as ProcessorArchitecture;
  check(['x86_64', 'arm64'].includes(architecture), '`architecture` must be x86_64 or arm64');

  // What Lambda accepts for an SQS event source mapping.
  const maximumConcurrency = Number(context('maximumConcurrency') ?? MAXIMUM_CONCURRENCY_DEFAULT);
  check(
    Number.isInteger(maximumConcurrency) && maximumConcurrency >= 2 && maximumConcurrency <= 1000,
    '`maximumConcurrency` must be a whole number from 2 to 1000',
  );

  const logRetentionDays = Number(context('logRetentionDays') ?? LOG_RETENTION_DAYS_DEFAULT);
  const periods = Object.values(RetentionDays)
    .filter((days) => typeof days === 'number' && days !== RetentionDays.INFINITE);
  check(
    periods.includes(logRetentionDays),
    `\`logRetentionDays\` must be one of ${periods.join(', ')}`,
  );

  const removable = text('removable', false);
  check(['true', 'false'].includes(removable), '`removable` must be true or false');

  const topics = context('alarmTopicArn');
  const alarmTopicArns = topics === undefined
    ? []
    : String(topics).split(',').map((arn) => arn.trim());
  check(
    alarmTopicArns.every((arn) => TOPIC_ARN.test(arn)),
    '`alarmTopicArn` must be ARNs of SNS topics, separated by commas',
  );

  const region = context('region') ?? environment['CDK_DEFAULT_REGION'];
  const known = typeof region === 'string' && region !== '';
  check(known, 'the Region is not known: set AWS_REGION, or -c region=REGION');

  // A text, because a number in cdk.json may lose leading zeros.
  const account = context('account') === '' ? undefined : context('account');
  const digits = typeof account === 'string' && /^\d{12}$/.test(account);
  check(account === undefined || digits, '`account` must be 12 digits, as a text');

  if (problems.length > 0) {
    throw new ConfigError(
      'the settings of the deployment are invalid',
      'set them with -c key=value, or under "context" in infra/cdk.json',
      problems,
    );
  }
  // npm changes the folder. The variable's path starts in the folder where `make` runs.
  const named = environment['POOLBRIDGE_CONFIG'];
  const config = named === undefined
    ? resolve(INFRA, '..', 'bridge.toml')
    : resolve(environment['INIT_CWD'] ?? '.', named);
  const bootstraps = text('bootstraps', resolve(INFRA, '..', 'target', 'lambda'));
  return {
    config: resolve(text('config', config)),
    operator: resolve(text('operator', builtOperator(environment))),
    bootstraps: bootstraps === PLACEHOLDER ? undefined : resolve(bootstraps),
    architecture,
    maximumConcurrency,
    logRetentionDays,
    removable: removable === 'true',
    alarmTopicArns,
    runbook: text('runbook', 'infra/RUNBOOK.md'),
    region: String(region),
    account: digits ? account : undefined,
  };
}

/** The path of the command line that cargo builds. */
export function builtOperator(environment: NodeJS.ProcessEnv): string {
  const target = environment['CARGO_TARGET_DIR'];
  const folder = target === undefined
    ? resolve(INFRA, '..', 'target')
    : resolve(environment['INIT_CWD'] ?? '.', target);
  return resolve(folder, 'release', 'poolbridge');
}
