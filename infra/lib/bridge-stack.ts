/**
 * All resources of one bridge: a table, two queues, the functions that detect changes, the function
 * that applies them, and one dashboard.
 */
import { ArnFormat, CfnOutput, Stack } from 'aws-cdk-lib';
import { Function } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';

import { Apply } from './apply';
import type { Blueprint } from './blueprint';
import type { Side } from './configuration';
import { BulkQueue } from './bulk-queue';
import { Capture, captureWidgets } from './capture';
import { remoteCaptureName } from './capture-stack';
import { ChangeQueue } from './change-queue';
import { BridgeDashboard, type Row } from './dashboard';
import { Guests } from './guests';
import { Resend } from './resend';
import { StateTable } from './state-table';
import { Sweep } from './sweep';
import { Trail } from './trail';
import { accountOf, isForeign, outOfReach } from './user-pool';

export class BridgeStack extends Stack {
  constructor(scope: Construct, id: string, blueprint: Blueprint) {
    const { configuration, settings } = blueprint;
    super(scope, id, {
      stackName: `poolbridge-${configuration.name}`,
      description: `Keeps two Cognito user pools in step: ${configuration.name}`,
      // The Region decides which pools' triggers can reach the stack. The account is open unless it
      // is configured; then the stack cannot be deployed with another account's credentials.
      env: {
        region: settings.region,
        ...(settings.account === undefined ? {} : { account: settings.account }),
      },
      terminationProtection: !settings.removable,
    });
    const state = new StateTable(this, 'State', blueprint);
    const changes = new ChangeQueue(this, 'Changes', blueprint);
    const bulk = new BulkQueue(this, 'Bulk', blueprint, changes);
    const capture = new Capture(this, 'Capture', blueprint, { state, changes });
    const captures = this.captures(blueprint, capture);
    const sweep = new Sweep(this, 'Sweep', blueprint, { state, changes, bulk, captures });
    const apply = new Apply(this, 'Apply', blueprint, { state, changes, bulk });
    const ownRoles = [apply.role, sweep.role];
    const trail = new Trail(this, 'Trail', blueprint, { state, changes, ownRoles, captures });
    const resend = new Resend(this, 'Resend', blueprint, { function: apply.function });
    new Guests(this, 'Guests', blueprint, { state, changes });
    new BridgeDashboard(this, 'Dashboard', blueprint, [
      { title: 'capture: in the pools\' own sign-ups and sign-ins', widgets: capture.dashboardRow },
      ...this.rowsBeside(blueprint),
      { title: 'trail: what CloudTrail tells', widgets: trail.dashboardRow },
      { title: 'sweep: both pools compared with what was agreed', widgets: sweep.dashboardRow },
      { title: 'Changes under way', widgets: changes.dashboardRow },
      { title: 'Bulk work under way', widgets: bulk.dashboardRow },
      { title: 'apply: makes the pools agree', widgets: apply.dashboardRow },
      { title: 'Marks: captured, and not in both pools yet', widgets: resend.dashboardRow },
      { title: 'State table', widgets: state.dashboardRow },
    ]);
    this.tellOperators(state, changes, bulk, captures);
    new CfnOutput(this, 'CaptureFunction', { value: capture.function.functionName });
    new CfnOutput(this, 'ApplyFunction', { value: apply.function.functionName });
  }

  /**
   * The capture function of each pool: this stack's own, or the one in the pool's capture stack.
   */
  private captures({ configuration, settings }: Blueprint, capture: Capture): Record<Side, string> {
    const arns = configuration.pools.map((pool) => {
      const beside = this.formatArn({
        service: 'lambda',
        region: pool.region,
        ...(isForeign(pool, settings) ? { account: accountOf(pool.roleArn ?? '') } : {}),
        resource: 'function',
        resourceName: remoteCaptureName(configuration.name, pool),
        arnFormat: ArnFormat.COLON_RESOURCE_NAME,
      });
      const reached = outOfReach(pool, settings) === undefined;
      return [pool.side, reached ? capture.function.functionArn : beside];
    });
    return Object.fromEntries(arns) as Record<Side, string>;
  }

  /**
   * A dashboard row for each capture in another Region of this account. Another account has its
   * own.
   */
  private rowsBeside(blueprint: Blueprint): Row[] {
    const { configuration, settings } = blueprint;
    return configuration.pools
      .filter((pool) => outOfReach(pool, settings) !== undefined && !isForeign(pool, settings))
      .map((pool) => {
        const name = remoteCaptureName(configuration.name, pool);
        const capture = Function.fromFunctionName(this, `CaptureBeside-${pool.side}`, name);
        return {
          title: `capture beside the ${pool.side} pool, in ${pool.region}`,
          widgets: captureWidgets(blueprint, capture, pool.region),
        };
      });
  }

  /** Outputs the command line's variables, one by one for programs and as lines for a shell. */
  private tellOperators(
    state: StateTable,
    changes: ChangeQueue,
    bulk: BulkQueue,
    captures: Record<Side, string>,
  ): void {
    const variables: Record<string, [output: string, value: string]> = {
      POOLBRIDGE_TABLE: ['PoolbridgeTable', state.table.tableName],
      POOLBRIDGE_QUEUE_URL: ['PoolbridgeQueueUrl', changes.queue.queueUrl],
      POOLBRIDGE_DEAD_LETTER_URL: [
        'PoolbridgeDeadLetterUrl',
        changes.deadLetterQueue.queueUrl,
      ],
      POOLBRIDGE_BULK_QUEUE_URL: ['PoolbridgeBulkQueueUrl', bulk.queue.queueUrl],
      POOLBRIDGE_KEY: ['PoolbridgeKey', state.secret.secretArn],
      POOLBRIDGE_CAPTURE_OLD: ['PoolbridgeCaptureOld', captures.old],
      POOLBRIDGE_CAPTURE_NEW: ['PoolbridgeCaptureNew', captures.new],
    };
    for (const [variable, [output, value]] of Object.entries(variables)) {
      new CfnOutput(this, output, { description: variable, value });
    }
    new CfnOutput(this, 'PoolbridgeEnvironment', {
      description: 'What the command line needs, as lines for a shell',
      value: Object.entries(variables)
        .map(([variable, [, value]]) => `export ${variable}=${value}`)
        .join('\n'),
    });
  }
}
