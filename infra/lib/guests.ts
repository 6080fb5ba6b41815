/**
 * Access for a pool of another account. Its capture function there may store pending changes, send
 * changes, and use the table's key through the table. Its rules may put CloudTrail events on the
 * bridge's bus. Each permission is for that one role, or for that account's CloudTrail events, and
 * for nothing else.
 */
import { ArnFormat, Stack } from 'aws-cdk-lib';
import { CfnEventBusPolicy } from 'aws-cdk-lib/aws-events';
import { AccountPrincipal, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';

import type { Blueprint } from './blueprint';
import { remoteCaptureName } from './capture-stack';
import type { ChangeQueue } from './change-queue';
import type { PoolConfiguration } from './configuration';
import type { StateTable } from './state-table';
import { TRAIL_SOURCES } from './trail-events';
import { accountOf, isForeign } from './user-pool';

export interface GuestsProps {
  readonly state: StateTable;
  readonly changes: ChangeQueue;
}

export class Guests extends Construct {
  constructor(scope: Construct, id: string, blueprint: Blueprint, props: GuestsProps) {
    super(scope, id);
    const { configuration, settings } = blueprint;
    for (const pool of configuration.pools) {
      if (!isForeign(pool, settings)) {
        continue;
      }
      const account = accountOf(pool.roleArn ?? '');
      const role = `arn:*:iam::${account}:role/${remoteCaptureName(configuration.name, pool)}`;
      // By condition: a role that does not exist yet cannot be named as a principal.
      const principals = [new AccountPrincipal(account)];
      const conditions = { ArnLike: { 'aws:PrincipalArn': role } };
      props.state.letIn({ principals, conditions, reads: configuration.signupGuard });
      props.changes.queue.addToResourcePolicy(new PolicyStatement({
        sid: pool.side === 'old' ? 'SendChangesOfOldPool' : 'SendChangesOfNewPool',
        principals,
        actions: ['sqs:SendMessage'],
        resources: [props.changes.queue.queueArn],
        conditions,
      }));
      this.hearTrail(`poolbridge-${configuration.name}-${pool.side}`, pool, account);
    }
  }

  /**
   * Lets that account put CloudTrail events on the bridge's bus, and no events of its own making.
   */
  private hearTrail(statementId: string, pool: PoolConfiguration, account: string): void {
    const { sources, detailTypes } = TRAIL_SOURCES;
    new CfnEventBusPolicy(this, `Trail-${pool.side}`, {
      statementId,
      eventBusName: 'default',
      statement: {
        Effect: 'Allow',
        Principal: { AWS: new AccountPrincipal(account).arn },
        Action: 'events:PutEvents',
        Resource: Stack.of(this).formatArn({
          service: 'events',
          resource: 'event-bus',
          resourceName: 'default',
          arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
        }),
        Condition: {
          'ForAllValues:StringEquals': {
            'events:source': sources,
            'events:detail-type': detailTypes,
          },
        },
      },
    });
  }
}
