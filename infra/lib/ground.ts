/**
 * From the words at the shell to a stack: settings, configuration, constructs, and the checks that
 * every synthesis runs.
 */
import { App, type AppProps, Validations } from 'aws-cdk-lib';
import { CURRENTLY_RECOMMENDED_FLAGS } from 'aws-cdk-lib/cx-api';
import { AwsSolutionsChecks } from 'cdk-nag';

import { BridgeStack } from './bridge-stack';
import { CaptureStack } from './capture-stack';
import { readConfiguration } from './configuration';
import { BridgeMetrics, type MetricNames, readMetricNames } from './metrics';
import { readSettings } from './settings';
import { outOfReach } from './user-pool';

// From the library, whose version is pinned, rather than as a hundred lines of cdk.json.
const FLAGS = {
  ...CURRENTLY_RECOMMENDED_FLAGS,
  // The report leaves out what only informs, such as that a pool is out of capture's reach.
  '@aws-cdk/core:annotationsInValidationReport': false,
};

/** An app that behaves as a new project's does, tests and command line alike. */
export function newApp(props: AppProps = {}): App {
  return new App({ ...props, context: { ...FLAGS, ...props.context } });
}

/** Builds the stacks into an app, and answers the bridge's own; throws a `Mistake` where a person has to mend something. */
export function layGround(
  app: App,
  environment: NodeJS.ProcessEnv,
  names: MetricNames = readMetricNames(),
): BridgeStack {
  const settings = readSettings(app.node, environment);
  const configuration = readConfiguration(settings.config);
  const metrics = new BridgeMetrics(configuration.name, names);
  const blueprint = { settings, configuration, metrics };
  const stack = new BridgeStack(app, 'poolbridge', blueprint);
  for (const pool of configuration.pools) {
    if (outOfReach(stack, pool) === undefined) {
      continue;
    }
    const id = `poolbridge-capture-${pool.side}`;
    if (pool.roleArn === undefined) {
      new CaptureStack(app, id, blueprint, { pool });
    } else if (settings.account !== undefined) {
      new CaptureStack(app, id, blueprint, { pool, homeAccount: settings.account });
    }
  }
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return stack;
}
