/**
 * The whole ground of one bridge: a table, a queue, the function that captures and the function
 * that applies, and one page to look at. It reads in the order in which a change travels.
 */
import { CfnOutput, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

import { Apply } from './apply';
import type { Blueprint } from './blueprint';
import { Capture } from './capture';
import { ChangeQueue } from './change-queue';
import { BridgeDashboard } from './dashboard';
import { Resend } from './resend';
import { StateTable } from './state-table';

export class BridgeStack extends Stack {
  constructor(scope: Construct, id: string, blueprint: Blueprint) {
    const { configuration, settings } = blueprint;
    super(scope, id, {
      stackName: `poolbridge-${configuration.name}`,
      description: `Keeps two Cognito user pools in step: ${configuration.name}`,
      // The account stays open; the Region decides which pool's trigger can reach us.
      env: { region: settings.region },
      terminationProtection: !settings.removable,
    });
    const state = new StateTable(this, 'State', blueprint);
    const changes = new ChangeQueue(this, 'Changes', blueprint);
    const capture = new Capture(this, 'Capture', blueprint, { state, changes });
    const apply = new Apply(this, 'Apply', blueprint, { state, changes });
    const resend = new Resend(this, 'Resend', blueprint, { function: apply.function });
    new BridgeDashboard(this, 'Dashboard', blueprint, [
      { title: 'capture: in the pools\' own sign-ups and sign-ins', widgets: capture.dashboardRow },
      { title: 'Changes under way', widgets: changes.dashboardRow },
      { title: 'apply: makes the pools agree', widgets: apply.dashboardRow },
      { title: 'Marks: captured, and not in both pools yet', widgets: resend.dashboardRow },
      { title: 'State table', widgets: state.dashboardRow },
    ]);
    this.tellOperators(state, changes);
    new CfnOutput(this, 'CaptureFunction', { value: capture.function.functionName });
    new CfnOutput(this, 'ApplyFunction', { value: apply.function.functionName });
  }

  /** The variables of the command line, one by one for programs and as lines for a shell. */
  private tellOperators(state: StateTable, changes: ChangeQueue): void {
    const variables: Record<string, [output: string, value: string]> = {
      POOLBRIDGE_TABLE: ['PoolbridgeTable', state.table.tableName],
      POOLBRIDGE_QUEUE_URL: ['PoolbridgeQueueUrl', changes.queue.queueUrl],
      POOLBRIDGE_DEAD_LETTER_URL: [
        'PoolbridgeDeadLetterUrl',
        changes.deadLetterQueue.queueUrl,
      ],
      POOLBRIDGE_KEY: ['PoolbridgeKey', state.secret.secretArn],
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
