/** Creates the app: settings, configuration, stacks, and the checks that every synthesis runs. */
import { Annotations, App, type AppProps, Validations } from 'aws-cdk-lib';
import { CURRENTLY_RECOMMENDED_FLAGS } from 'aws-cdk-lib/cx-api';
import { AwsSolutionsChecks } from 'cdk-nag';

import type { BridgeProps } from './bridge-props';
import { BridgeStack } from './bridge-stack';
import { CaptureStack, remoteCaptureName } from './capture-stack';
import { ConfigError } from './config-error';
import { type PoolConfiguration, readConfiguration } from './configuration';
import { BridgeMetrics, type MetricNames, readMetricNames } from './metrics';
import { readSettings } from './settings';
import { isCrossAccount, reachProblem } from './user-pool';

// Taken from the library, whose version is pinned, and not written as a hundred lines of cdk.json.
const FLAGS = {
  ...CURRENTLY_RECOMMENDED_FLAGS,
  // The report leaves out mere information, such as that a trigger cannot call capture.
  '@aws-cdk/core:annotationsInValidationReport': false,
};

/** Creates an empty app with the feature flags of a new project. */
export function newApp(props: AppProps = {}): App {
  return new App({ ...props, context: { ...FLAGS, ...props.context } });
}

/**
 * Creates the app with all its stacks. Throws a `ConfigError` if a person must correct something.
 */
export function createApp(
  environment: NodeJS.ProcessEnv,
  props: AppProps = {},
  names: MetricNames = readMetricNames(),
): { app: App; stack: BridgeStack } {
  const app = newApp(props);
  const settings = readSettings(app.node, environment);
  const configuration = readConfiguration(settings.config, settings.operator);
  const metrics = new BridgeMetrics(configuration.name, names);
  const bridge = { settings, configuration, metrics };
  const stack = new BridgeStack(app, 'poolbridge', bridge);
  for (const pool of configuration.pools) {
    if (reachProblem(pool, settings) !== undefined) {
      addCaptureStack(app, stack, bridge, pool);
    }
  }
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return { app, stack };
}

/** Adds the capture stack of a pool that the bridge's own stack cannot reach. */
function addCaptureStack(
  app: App,
  stack: BridgeStack,
  bridge: BridgeProps,
  pool: PoolConfiguration,
): void {
  const { configuration, settings } = bridge;
  if (isCrossAccount(pool, settings)) {
    if (settings.account === undefined) {
      Annotations.of(stack).addWarningV2(
        `poolbridge:${pool.side}-pool-without-capture`,
        `the ${pool.side} pool belongs to another account (role_arn), so it needs a capture stack `
          + 'there, and that stack must know the bridge\'s own account: set -c account=ACCOUNT. '
          + 'This synthesis creates no capture for the pool',
      );
      return;
    }
    const other = configuration.pools.find(({ side }) => side !== pool.side);
    if (configuration.signupGuard && other !== undefined && other.roleArn === undefined) {
      throw new ConfigError(
        `the sign-up guard of the ${pool.side} pool cannot search the ${other.side} pool, `
          + 'which belongs to another account',
        `set [${other.side}] role_arn to a role in the account of the ${other.side} pool that `
          + `${remoteCaptureName(configuration.name, pool)} may assume; or set `
          + '[policy] signup_guard = false',
      );
    }
  }
  new CaptureStack(app, `poolbridge-capture-${pool.side}`, bridge, pool);
}
