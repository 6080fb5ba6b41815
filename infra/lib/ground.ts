/**
 * Builds the app: settings, configuration, constructs, and the checks that every synthesis runs.
 */
import { Annotations, App, type AppProps, Validations } from 'aws-cdk-lib';
import { CURRENTLY_RECOMMENDED_FLAGS } from 'aws-cdk-lib/cx-api';
import { AwsSolutionsChecks } from 'cdk-nag';

import type { Blueprint } from './blueprint';
import { BridgeStack } from './bridge-stack';
import { CaptureStack, remoteCaptureName } from './capture-stack';
import { type PoolConfiguration, readConfiguration } from './configuration';
import { BridgeMetrics, type MetricNames, readMetricNames } from './metrics';
import { Mistake } from './mistake';
import { readSettings } from './settings';
import { isForeign, outOfReach } from './user-pool';

// Taken from the library, whose version is pinned, and not written as a hundred lines of cdk.json.
const FLAGS = {
  ...CURRENTLY_RECOMMENDED_FLAGS,
  // The report leaves out mere information, such as that a pool is out of capture's reach.
  '@aws-cdk/core:annotationsInValidationReport': false,
};

/** Creates an app with the defaults of a new project, for tests and the command line alike. */
export function newApp(props: AppProps = {}): App {
  return new App({ ...props, context: { ...FLAGS, ...props.context } });
}

/**
 * Builds the stacks into an app, and returns the bridge's own. Throws a `Mistake` if a person must
 * correct something.
 */
export function layGround(
  app: App,
  environment: NodeJS.ProcessEnv,
  names: MetricNames = readMetricNames(),
): BridgeStack {
  const settings = readSettings(app.node, environment);
  const configuration = readConfiguration(settings.config, settings.operator);
  const metrics = new BridgeMetrics(configuration.name, names);
  const blueprint = { settings, configuration, metrics };
  const stack = new BridgeStack(app, 'poolbridge', blueprint);
  for (const pool of configuration.pools) {
    if (outOfReach(pool, settings) !== undefined) {
      layBeside(app, stack, blueprint, pool);
    }
  }
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return stack;
}

/** Adds the capture stack of a pool that the bridge's own stack cannot reach. */
function layBeside(
  app: App,
  stack: BridgeStack,
  blueprint: Blueprint,
  pool: PoolConfiguration,
): void {
  const { configuration, settings } = blueprint;
  if (isForeign(pool, settings)) {
    if (settings.account === undefined) {
      Annotations.of(stack).addWarningV2(
        `poolbridge:${pool.side}-pool-without-capture`,
        `the ${pool.side} pool belongs to another account (role_arn), and no capture is laid there`
          + ': it would have to know this account; give -c account=ACCOUNT, the bridge\'s own',
      );
      return;
    }
    const other = configuration.pools.find(({ side }) => side !== pool.side);
    if (configuration.signupGuard && other !== undefined && other.roleArn === undefined) {
      throw new Mistake(
        `the guard beside the ${pool.side} pool could not look into the ${other.side} pool, `
          + 'which is in another account',
        `give [${other.side}] a role_arn in its own account, which the role `
          + `${remoteCaptureName(configuration.name, pool)} may assume; or set `
          + '[policy] signup_guard = false',
      );
    }
  }
  new CaptureStack(app, `poolbridge-capture-${pool.side}`, blueprint, pool);
}
