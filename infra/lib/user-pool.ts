/**
 * A user pool: where it is, and what each function may do to it. The pools belong to the team and
 * not to this stack. Nothing here creates or changes a pool.
 */
import { Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';

import type { BridgeConfiguration, PoolConfiguration, Side } from './configuration';
import type { Settings } from './settings';
import { GUARD_PARTITIONS, leading } from './state-table';

const READS = [
  'cognito-idp:AdminGetUser',
  'cognito-idp:AdminListGroupsForUser',
  'cognito-idp:DescribeUserPool',
  'cognito-idp:GetGroup',
  'cognito-idp:GetUserPoolMfaConfig',
  'cognito-idp:ListGroups',
  'cognito-idp:ListUsers',
];

// An attribute that matches accounts must not be writable by any app client, and only the clients
// show that. apply reads them only if the configuration matches by such an attribute.
const CLIENT_READS = [
  'cognito-idp:DescribeUserPoolClient',
  'cognito-idp:ListUserPoolClients',
];

const WRITES = [
  'cognito-idp:AdminCreateUser',
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

// The attributes by which the pool signs people in, and a listing, which bills no user.
const GUARD_READS = [
  'cognito-idp:DescribeUserPool',
  'cognito-idp:ListUsers',
];

// Settings and listings. No account is read, because that would bill every person.
const SWEEP_READS = [
  'cognito-idp:DescribeUserPool',
  'cognito-idp:GetUserPoolMfaConfig',
  'cognito-idp:ListUsers',
];

const SWEEP_GROUP_READS = [
  'cognito-idp:ListGroups',
  'cognito-idp:ListUsersInGroup',
];

// To see where capture is attached. The trail gets no permission that would let it read people.
const TRAIL_READS = ['cognito-idp:DescribeUserPool'];

// Irreversible, so it is granted only if the configuration asks for it.
const DELETIONS = ['cognito-idp:AdminDeleteUser'];

/** The parts of the configuration that decide the calls. */
export type PoolChoices =
  Pick<BridgeConfiguration, 'deletesAccounts' | 'groups' | 'matchedByAttribute'>;

/** The pool's ARN, assuming the stack's own account. */
export function userPoolArn(scope: Construct, pool: PoolConfiguration): string {
  return Stack.of(scope).formatArn({
    service: 'cognito-idp',
    region: pool.region,
    resource: 'userpool',
    resourceName: pool.userPoolId,
  });
}

/** The account of a role. */
export function accountOf(roleArn: string): string {
  return roleArn.split(':')[4] ?? '';
}

/**
 * Whether the pool belongs to another account than the bridge. A role in the bridge's own account
 * does not count.
 */
export function isForeign(pool: PoolConfiguration, { account }: Settings): boolean {
  return pool.roleArn !== undefined && accountOf(pool.roleArn) !== account;
}

/** Why the pool's triggers cannot reach the bridge's own stack; undefined if they can. */
export function outOfReach(pool: PoolConfiguration, settings: Settings): string | undefined {
  if (isForeign(pool, settings)) {
    return `the ${pool.side} pool belongs to another account (role_arn)`;
  }
  return pool.region === settings.region
    ? undefined
    : `the ${pool.side} pool is in ${pool.region}, and this stack in ${settings.region}`;
}

/** The calls that apply makes to a pool, itself or with the role of the pool's own account. */
export function poolCalls(choices: PoolChoices): string[] {
  const { deletesAccounts, groups, matchedByAttribute } = choices;
  return [
    ...READS,
    ...(matchedByAttribute ? CLIENT_READS : []),
    ...WRITES,
    ...(groups ? GROUP_WRITES : []),
    ...(deletesAccounts ? DELETIONS : []),
  ];
}

/**
 * What apply needs for one pool: its own calls if the account is the bridge's, otherwise the role.
 */
export function poolGrant(
  scope: Construct,
  pool: PoolConfiguration,
  choices: PoolChoices,
): PolicyStatement {
  return grant(scope, pool, (side) => `Keep${side}PoolInStep`, poolCalls(choices));
}

/** The calls that the sweep makes to a pool. */
export function sweepCalls({ groups, matchedByAttribute }: PoolChoices): string[] {
  return [
    ...SWEEP_READS,
    ...(matchedByAttribute ? CLIENT_READS : []),
    ...(groups ? SWEEP_GROUP_READS : []),
  ];
}

/** What the sweep needs for one pool: to list it, and to read its settings. */
export function sweepGrant(
  scope: Construct,
  pool: PoolConfiguration,
  choices: PoolChoices,
): PolicyStatement {
  return grant(scope, pool, (side) => `List${side}Pool`, sweepCalls(choices));
}

/** What the trail needs for one pool: to check its triggers after a change. */
export function trailGrant(scope: Construct, pool: PoolConfiguration): PolicyStatement {
  return grant(scope, pool, (side) => `Look${side}Pool`, TRAIL_READS);
}

/**
 * What the sign-up guard needs, if it is enabled: to read the person of an account, and to search
 * the other pool. A capture that serves only one pool never searches that pool.
 */
export function guardGrants(
  scope: Construct,
  configuration: BridgeConfiguration,
  serves: readonly Side[],
  tableArn: string,
): PolicyStatement[] {
  if (!configuration.signupGuard) {
    return [];
  }
  const searched = configuration.pools.filter(({ side }) => serves.some((own) => own !== side));
  return [
    new PolicyStatement({
      sid: 'ReadForGuard',
      actions: ['dynamodb:GetItem'],
      resources: [tableArn],
      conditions: leading(GUARD_PARTITIONS),
    }),
    ...searched.map((pool) => grant(scope, pool, (side) => `Search${side}Pool`, GUARD_READS)),
  ];
}

/** The calls to one pool: the function's own if the account is the bridge's, otherwise its role. */
function grant(
  scope: Construct,
  pool: PoolConfiguration,
  sid: (side: string) => string,
  actions: string[],
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
    sid: sid(side),
    actions,
    resources: [userPoolArn(scope, pool)],
  });
}
