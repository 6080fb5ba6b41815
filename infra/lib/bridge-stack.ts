/**
 * All resources of one bridge: a table, two queues, the functions that detect changes, the function
 * that applies them, and one dashboard.
 */
import { ArnFormat, CfnOutput, Stack } from 'aws-cdk-lib';
import { Function } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';

import { Apply } from './apply';
import type { BridgeProps, CaptureArns } from './bridge-props';
import { BulkQueue } from './bulk-queue';
import { Capture, captureWidgets } from './capture';
import { remoteCaptureName } from './capture-stack';
import { ChangeQueue } from './change-queue';
import type { Side } from './configuration';
import { CrossAccountAccess } from './cross-account-access';
import { BridgeDashboard, type Row } from './dashboard';
import { Resend } from './resend';
import { StateTable } from './state-table';
import { Sweep } from './sweep';
import { Trail } from './trail';
import { accountOf, isCrossAccount, reachProblem } from './user-pool';

export class BridgeStack extends Stack {
  constructor(scope: Construct, id: string, bridge: BridgeProps) {
    const { configuration, settings } = bridge;
    super(scope, id, {
      stackName: `poolbridge-${configuration.name}`,
      description: `Keeps two Cognito user pools in step: ${configuration.name}`,
      // The Region decides which pools' triggers can call the stack. The account is open unless it
      // is configured; then the stack cannot be deployed with another account's credentials.
      env: {
        region: settings.region,
        ...(settings.account === undefined ? {} : { account: settings.account }),
      },
      terminationProtection: !settings.removable,
    });
    const state = new StateTable(this, 'State', bridge);
    const changes = new ChangeQueue(this, 'Changes', bridge);
    const bulk = new BulkQueue(this, 'Bulk', bridge, changes);
    const shared = { state, changes, bulk };
    const capture = new Capture(this, 'Capture', bridge, shared);
    const captures = this.captures(bridge, capture);
    const sweep = new Sweep(this, 'Sweep', bridge, shared, captures);
    const apply = new Apply(this, 'Apply', bridge, shared);
    const trail = new Trail(this, 'Trail', bridge, shared, captures, [apply.role, sweep.role]);
    const resend = new Resend(this, 'Resend', bridge, apply.function);
    new CrossAccountAccess(this, 'CrossAccountAccess', bridge, shared);
    new BridgeDashboard(this, 'Dashboard', bridge, [
      { title: 'capture: runs in sign-ups and sign-ins', widgets: capture.dashboardRow },
      ...this.remoteCaptureRows(bridge),
      { title: 'trail: processes CloudTrail events', widgets: trail.dashboardRow },
      { title: 'sweep: compares both pools with the baseline', widgets: sweep.dashboardRow },
      { title: 'Queue of changes', widgets: changes.dashboardRow },
      { title: 'Queue of bulk work', widgets: bulk.dashboardRow },
      { title: 'apply: brings the pools in step', widgets: apply.dashboardRow },
      { title: 'Pending changes: captured, not applied yet', widgets: resend.dashboardRow },
      { title: 'State table', widgets: state.dashboardRow },
    ]);
    this.addOutputs({
      TABLE: ['Table', state.table.tableName],
      QUEUE_URL: ['QueueUrl', changes.queue.queueUrl],
      DEAD_LETTER_URL: ['DeadLetterUrl', changes.deadLetterQueue.queueUrl],
      BULK_QUEUE_URL: ['BulkQueueUrl', bulk.queue.queueUrl],
      KEY: ['Key', state.secret.secretArn],
      CAPTURE_OLD: ['CaptureOld', captures.old],
      CAPTURE_NEW: ['CaptureNew', captures.new],
    });
    new CfnOutput(this, 'CaptureFunction', { value: capture.function.functionName });
    new CfnOutput(this, 'ApplyFunction', { value: apply.function.functionName });
  }

  /**
   * The capture function of each pool: this stack's own, or the one in the pool's capture stack.
   */
  private captures({ configuration, settings }: BridgeProps, own: Capture): CaptureArns {
    const arns = configuration.pools.map((pool) => {
      const remote = this.formatArn({
        service: 'lambda',
        region: pool.region,
        ...(isCrossAccount(pool, settings) ? { account: accountOf(pool) } : {}),
        resource: 'function',
        resourceName: remoteCaptureName(configuration.name, pool),
        arnFormat: ArnFormat.COLON_RESOURCE_NAME,
      });
      const reached = reachProblem(pool, settings) === undefined;
      return [pool.side, reached ? own.function.functionArn : remote];
    });
    return Object.fromEntries(arns) as Record<Side, string>;
  }

  /** A row for each capture in another Region of this account. A row cannot show other accounts. */
  private remoteCaptureRows(bridge: BridgeProps): Row[] {
    const { configuration, settings } = bridge;
    return configuration.pools
      .filter((pool) => pool.region !== settings.region && !isCrossAccount(pool, settings))
      .map((pool) => {
        const name = remoteCaptureName(configuration.name, pool);
        const capture = Function.fromFunctionName(this, `RemoteCapture-${pool.side}`, name);
        return {
          title: `capture of the ${pool.side} pool, in ${pool.region}`,
          widgets: captureWidgets(bridge, capture, pool.region),
        };
      });
  }

  /** Outputs the command line's variables, one by one for programs and as lines for a shell. */
  private addOutputs(variables: Record<string, [output: string, value: string]>): void {
    const entries = Object.entries(variables);
    for (const [variable, [output, value]] of entries) {
      new CfnOutput(this, `Poolbridge${output}`, { description: `POOLBRIDGE_${variable}`, value });
    }
    new CfnOutput(this, 'PoolbridgeEnvironment', {
      description: 'Environment variables of the command line, as lines for a shell',
      value: entries
        .map(([variable, [, value]]) => `export POOLBRIDGE_${variable}=${value}`)
        .join('\n'),
    });
  }
}
