/**
 * A user pool as the ground sees it: where it is, and what apply may do to it. The pools belong to
 * the team, not to this stack; nothing here creates or changes one.
 */
import { Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';

import type { BridgeConfiguration, PoolConfiguration } from './configuration';

const READS = [
  'cognito-idp:AdminGetUser',
  'cognito-idp:AdminListGroupsForUser',
  'cognito-idp:DescribeUserPool',
  'cognito-idp:GetUserPoolMfaConfig',
  'cognito-idp:ListGroups',
  'cognito-idp:ListUsers',
];

// An attribute that matches accounts must be out of every app client's reach, and that is theirs
// to say: apply asks them only where the configuration matches so.
const CLIENT_READS = [
  'cognito-idp:DescribeUserPoolClient',
  'cognito-idp:ListUserPoolClients',
];

const WRITES = [
  'cognito-idp:AdminCreateUser',
  'cognito-idp:AdminDeleteUserAttributes',
  'cognito-idp:AdminDisableUser',
  'cognito-idp:AdminEnableUser',
  'cognito-idp:AdminSetUserMFAPreference',
  'cognito-idp:AdminSetUserPassword',
  'cognito-idp:AdminUpdateUserAttributes',
  'cognito-idp:AdminUserGlobalSignOut',
];

const GROUP_WRITES = [
  'cognito-idp:AdminAddUserToGroup',
  'cognito-idp:AdminRemoveUserFromGroup',
];

/** What of the configuration decides the calls. */
export type PoolChoices = Pick<BridgeConfiguration, 'groups' | 'matchedByAttribute'>;

/** The pool's ARN, taken to be in the stack's own account. */
export function userPoolArn(scope: Construct, pool: PoolConfiguration): string {
  return Stack.of(scope).formatArn({
    service: 'cognito-idp',
    region: pool.region,
    resource: 'userpool',
    resourceName: pool.userPoolId,
  });
}

/** Why the pool's triggers cannot reach a function of this stack; undefined where they can. */
export function outOfReach(scope: Construct, pool: PoolConfiguration): string | undefined {
  if (pool.roleArn !== undefined) {
    return `the ${pool.side} pool belongs to another account (role_arn)`;
  }
  const { region } = Stack.of(scope);
  return pool.region === region
    ? undefined
    : `the ${pool.side} pool is in ${pool.region}, and this stack in ${region}`;
}

/** The calls that apply makes of a pool, itself or in the role of the pool's own account. */
export function poolCalls({ groups, matchedByAttribute }: PoolChoices): string[] {
  return [
    ...READS,
    ...(matchedByAttribute ? CLIENT_READS : []),
    ...WRITES,
    ...(groups ? GROUP_WRITES : []),
  ];
}

/** What apply needs of one pool: its own calls where the account is ours, else the role. */
export function poolGrant(
  scope: Construct,
  pool: PoolConfiguration,
  choices: PoolChoices,
): PolicyStatement {
  const side = pool.side === 'old' ? 'Old' : 'New';
  if (pool.roleArn !== undefined) {
    return new PolicyStatement({
      sid: `Assume${side}PoolRole`,
      actions: ['sts:AssumeRole'],
      resources: [pool.roleArn],
    });
  }
  return new PolicyStatement({
    sid: `Keep${side}PoolInStep`,
    actions: poolCalls(choices),
    resources: [userPoolArn(scope, pool)],
  });
}
