/**
 * The EventBridge rules for trail. They pass the CloudTrail events whose names operations.json
 * lists, and no others. Sign-ins are most of a pool's activity, change little, and would each cost
 * a call.
 *
 * The rules do not filter by pool, because calls that people make themselves
 * (`UpdateUserAttributes`, `DeleteUser`) name none. They leave out failed API calls: CloudTrail
 * documents `errorCode` as a field that is present or absent. It documents no such field for the
 * pages of managed login. trail itself checks all events again.
 *
 * A confirmation link in a message is a `GET` request, and CloudTrail may classify it as read-only.
 * A rule in the state ENABLED never gets read-only events ("Receiving read-only management events
 * from AWS services"). So those pages have a rule that gets all events and filters by their names.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import {
  type CfnRule, type EventPattern, type IRuleTarget, Match, Rule,
} from 'aws-cdk-lib/aws-events';
import type { Construct } from 'constructs';

import { INFRA } from './infra';

/** The content of operations.json, which a test of the functions writes. */
interface Operations {
  /** Operations of the API that change an account. */
  readonly calls: readonly string[];
  /** Operations of the API that change a pool itself. */
  readonly pool: readonly string[];
  /** Requests to the pages that Cognito itself serves. */
  readonly forms: readonly string[];
  /** Operations that are mostly sign-ins, with the challenges whose answer does more. */
  readonly challenges: Readonly<Record<string, readonly string[]>>;
}

export const OPERATIONS_FILE = resolve(INFRA, 'operations.json');

const SOURCE = 'aws.cognito-idp';
const API_CALL = 'AWS API Call via CloudTrail';
const SERVICE_EVENT = 'AWS Service Event via CloudTrail';

/** The sources and detail types of all rules, for the policy of a bus. */
export const TRAIL_SOURCES = { sources: [SOURCE], detailTypes: [API_CALL, SERVICE_EVENT] };

export interface TrailRule {
  /** Also part of the rule's name. */
  readonly id: 'Calls' | 'Pool' | 'Challenges' | 'Pages' | 'Links';
  readonly description: string;
  readonly pattern: EventPattern;
  /** Whether the rule also gets events that CloudTrail classifies as read-only. */
  readonly includesReadOnly?: true;
}

/** The rules that select CloudTrail events from a bus, for a pool in any Region or account. */
export function trailRules(): TrailRule[] {
  const operations = JSON.parse(readFileSync(OPERATIONS_FILE, 'utf8')) as Operations;
  const { calls, pool, forms, challenges } = operations;
  const succeeded = (eventName: readonly string[], detail = {}): EventPattern => ({
    source: [SOURCE],
    detailType: [API_CALL],
    detail: { eventName: [...eventName], ...detail, errorCode: Match.doesNotExist() },
  });
  const pages = (read: boolean): EventPattern => ({
    source: [SOURCE],
    detailType: [SERVICE_EVENT],
    detail: { eventName: forms.filter((form) => form.endsWith('_GET') === read) },
  });
  const challengeName = [...new Set(Object.values(challenges).flat())];
  return [
    {
      id: 'Calls',
      description: 'API calls that change an account, also by the person',
      pattern: succeeded(calls),
    },
    {
      id: 'Pool',
      description: 'API calls that change a pool: its settings, a restore, its deletion',
      pattern: succeeded(pool),
    },
    {
      id: 'Challenges',
      description: 'Answers to a challenge that change the account',
      pattern: succeeded(Object.keys(challenges), { requestParameters: { challengeName } }),
    },
    {
      id: 'Pages',
      description: 'Forms that people send on the pages of managed login',
      pattern: pages(false),
    },
    {
      id: 'Links',
      description: 'Links in messages that people open',
      pattern: pages(true),
      includesReadOnly: true,
    },
  ];
}

/** The suffix of the rules' names, what they do, and their targets. */
export interface TrailRulesProps {
  readonly bridgeName: string;
  readonly suffix?: string;
  readonly purpose: string;
  readonly target: IRuleTarget;
}

/** Creates the rules in a stack. */
export function addTrailRules(scope: Construct, props: TrailRulesProps): void {
  const { bridgeName, suffix = '', purpose, target } = props;
  for (const { id, description, pattern, includesReadOnly } of trailRules()) {
    const rule = new Rule(scope, id, {
      ruleName: `${bridgeName}-trail-${id.toLowerCase()}${suffix}`,
      description: `${purpose}: ${description}`,
      eventPattern: pattern,
      targets: [target],
    });
    if (includesReadOnly) {
      // The construct knows only "enabled" and "disabled".
      (rule.node.defaultChild as CfnRule).state = 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS';
    }
  }
}
