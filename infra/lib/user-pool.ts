/**
 * A user pool: where it is, and what each function may do to it. The pools are not part of the
 * stacks. Nothing here creates or changes a pool.
 */
import { Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

import type { BridgeConfiguration, PoolConfiguration, Side } from './configuration';
import type { Grant } from './grant';
import type { Settings } from './settings';
import { GUARD_PARTITIONS, leadingKeys } from './state-table';

function calls(...names: string[]): string[] {
  return names.map((name) => `cognito-idp:${name}`);
}

const READS = calls(
  'AdminGetUser', 'AdminListGroupsForUser', 'DescribeUserPool', 'GetGroup', 'GetUserPoolMfaConfig',
  'ListGroups', 'ListUsers',
);

// An attribute that matches accounts must not be writable by any app client, and only the clients
// show that. poolbridge reads them only if the configuration matches by such an attribute.
const CLIENT_READS = calls('DescribeUserPoolClient', 'ListUserPoolClients');

const WRITES = calls(
  'AdminCreateUser', 'AdminDisableUser', 'AdminEnableUser', 'AdminSetUserMFAPreference',
  'AdminSetUserPassword', 'AdminUpdateUserAttributes', 'AdminUserGlobalSignOut',
);

const GROUP_WRITES = calls('AdminAddUserToGroup', 'AdminRemoveUserFromGroup');

// Irreversible, so apply gets it only if the configuration asks for it.
const DELETIONS = calls('AdminDeleteUser');

// The attributes by which the pool signs people in, and a listing, for which AWS bills no user.
const GUARD_READS = calls('DescribeUserPool', 'ListUsers');

// Settings and listings. The sweep reads no account: AWS would bill every person.
const SWEEP_READS = calls('DescribeUserPool', 'GetUserPoolMfaConfig', 'ListUsers');

const SWEEP_GROUP_READS = calls('ListGroups', 'ListUsersInGroup');

// To see where capture is attached, and nothing about people.
const TRAIL_READS = calls('DescribeUserPool');

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

/** The account of the pool's role. */
export function accountOf({ roleArn }: PoolConfiguration): string {
  return roleArn?.split(':')[4] ?? '';
}

/** Whether the pool has a role in another account than the bridge's. */
export function isCrossAccount(pool: PoolConfiguration, { account }: Settings): boolean {
  return pool.roleArn !== undefined && accountOf(pool) !== account;
}

/** Why the pool's triggers cannot call the bridge's own stack; undefined if they can. */
export function reachProblem(pool: PoolConfiguration, settings: Settings): string | undefined {
  if (isCrossAccount(pool, settings)) {
    return `the ${pool.side} pool belongs to another account (role_arn)`;
  }
  return pool.region === settings.region
    ? undefined
    : `the ${pool.side} pool is in ${pool.region}, and this stack in ${settings.region}`;
}

/** The calls that apply makes to a pool, itself or with the pool's role. */
export function applyCalls(choices: PoolChoices): string[] {
  const { deletesAccounts, groups, matchedByAttribute } = choices;
  return [
    ...READS,
    ...(matchedByAttribute ? CLIENT_READS : []),
    ...WRITES,
    ...(groups ? GROUP_WRITES : []),
    ...(deletesAccounts ? DELETIONS : []),
  ];
}

/** The calls that the sweep makes to a pool. */
export function sweepCalls({ groups, matchedByAttribute }: PoolChoices): string[] {
  return [
    ...SWEEP_READS,
    ...(matchedByAttribute ? CLIENT_READS : []),
    ...(groups ? SWEEP_GROUP_READS : []),
  ];
}

/** What apply needs for each pool. */
export function applyGrants(scope: Construct, configuration: BridgeConfiguration): Grant[] {
  const actions = applyCalls(configuration);
  return configuration.pools.map((pool) => grant(scope, pool, 'Synchronise', 'Pool', actions));
}

/** What the sweep needs for each pool: to list it, and to read its settings. */
export function sweepGrants(scope: Construct, configuration: BridgeConfiguration): Grant[] {
  const actions = sweepCalls(configuration);
  return configuration.pools.map((pool) => grant(scope, pool, 'List', 'Pool', actions));
}

/** What trail needs for each pool: to check its triggers after a change. */
export function trailGrants(scope: Construct, { pools }: BridgeConfiguration): Grant[] {
  return pools.map((pool) => grant(scope, pool, 'Read', 'PoolSettings', TRAIL_READS));
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
): Grant[] {
  if (!configuration.signupGuard) {
    return [];
  }
  const searched = configuration.pools.filter(({ side }) => serves.some((own) => own !== side));
  return [
    {
      sid: 'ReadForGuard',
      actions: ['dynamodb:GetItem'],
      resources: [tableArn],
      conditions: leadingKeys(GUARD_PARTITIONS),
    },
    ...searched.map((pool) => grant(scope, pool, 'Search', 'Pool', GUARD_READS)),
  ];
}

/** Calls to one pool, or else to assume the pool's role, which must allow these calls. */
function grant(
  scope: Construct,
  pool: PoolConfiguration,
  verb: string,
  object: string,
  actions: string[],
): Grant {
  const side = pool.side === 'old' ? 'Old' : 'New';
  return pool.roleArn === undefined
    ? { sid: `${verb}${side}${object}`, actions, resources: [userPoolArn(scope, pool)] }
    : { sid: `Assume${side}PoolRole`, actions: ['sts:AssumeRole'], resources: [pool.roleArn] };
}
