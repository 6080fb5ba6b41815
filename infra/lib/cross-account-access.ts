/**
 * Access for a pool in another account. The capture function there may store pending changes, send
 * changes, and use the table's key through the table. The rules there may put CloudTrail events on
 * the bridge's bus. No other role or event of that account gets access.
 */
import { ArnFormat, Stack } from 'aws-cdk-lib';
import { CfnEventBusPolicy } from 'aws-cdk-lib/aws-events';
import { AccountPrincipal, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';

import type { BridgeProps } from './bridge-props';
import { remoteCaptureName } from './capture-stack';
import type { SharedResources } from './shared-resources';
import { TRAIL_SOURCES } from './trail-events';
import { accountOf, isCrossAccount } from './user-pool';

export class CrossAccountAccess extends Construct {
  constructor(scope: Construct, id: string, bridge: BridgeProps, shared: SharedResources) {
    super(scope, id);
    const { configuration, settings } = bridge;
    const { queue } = shared.changes;
    for (const pool of configuration.pools.filter((it) => isCrossAccount(it, settings))) {
      const account = accountOf(pool);
      const role = `arn:*:iam::${account}:role/${remoteCaptureName(configuration.name, pool)}`;
      // By condition: a policy cannot name a role as principal before the role exists.
      const principals = [new AccountPrincipal(account)];
      const conditions = { ArnLike: { 'aws:PrincipalArn': role } };
      const guard = configuration.signupGuard;
      shared.state.grantRemoteCapture({ principals, conditions, guard });
      queue.addToResourcePolicy(new PolicyStatement({
        sid: pool.side === 'old' ? 'SendChangesOfOldPool' : 'SendChangesOfNewPool',
        principals,
        actions: ['sqs:SendMessage'],
        resources: [queue.queueArn],
        conditions,
      }));
      // CloudTrail events only: the account must not trigger other rules of the bridge's account.
      new CfnEventBusPolicy(this, `Trail-${pool.side}`, {
        statementId: `poolbridge-${configuration.name}-${pool.side}`,
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
              'events:source': TRAIL_SOURCES.sources,
              'events:detail-type': TRAIL_SOURCES.detailTypes,
            },
          },
        },
      });
    }
  }
}
