/**
 * Doors for a pool of another account: its capture function over there may leave marks, send changes
 * and use the table's key through the table, and its rules may put the trail's events on our bus.
 * Each door is for that one role, or that one account's rules.
 */
import { CfnEventBusPolicy } from 'aws-cdk-lib/aws-events';
import { AccountPrincipal, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';

import type { Blueprint } from './blueprint';
import { accountOf, remoteCaptureName } from './capture-stack';
import type { ChangeQueue } from './change-queue';
import type { StateTable } from './state-table';

export interface GuestsProps {
  readonly state: StateTable;
  readonly changes: ChangeQueue;
}

export class Guests extends Construct {
  constructor(scope: Construct, id: string, blueprint: Blueprint, props: GuestsProps) {
    super(scope, id);
    const { configuration } = blueprint;
    for (const pool of configuration.pools) {
      if (pool.roleArn === undefined) {
        continue;
      }
      const account = accountOf(pool.roleArn);
      const role = `arn:*:iam::${account}:role/${remoteCaptureName(configuration.name, pool)}`;
      // By condition: a role that is not there yet cannot be named as a principal.
      const principals = [new AccountPrincipal(account)];
      const conditions = { ArnLike: { 'aws:PrincipalArn': role } };
      props.state.letIn({ principals, conditions, reads: configuration.signupGuard });
      props.changes.queue.addToResourcePolicy(new PolicyStatement({
        sid: `SendChangesOf${pool.side}`,
        principals,
        actions: ['sqs:SendMessage'],
        resources: [props.changes.queue.queueArn],
        conditions,
      }));
      new CfnEventBusPolicy(this, `Trail-${pool.side}`, {
        statementId: `poolbridge-${configuration.name}-${pool.side}`,
        eventBusName: 'default',
        action: 'events:PutEvents',
        principal: account,
      });
    }
  }
}
