/**
 * The CloudTrail events that reach trail: the names that its own program processes, and no others.
 * Sign-ins are most of a pool's activity, change little, and would each cost a call.
 *
 * Apart from the names, the rules are as wide as possible. They do not filter by pool, because
 * calls that people make themselves (`UpdateUserAttributes`, `DeleteUser`) name none. They leave
 * out failed calls only where the event says so: CloudTrail documents `errorCode` as a field that
 * is present or absent. The pages of managed login guarantee nothing, so trail checks those itself,
 * and it checks the calls again.
 *
 * A confirmation link in a message is a `GET` request, and CloudTrail may classify it as read-only.
 * A rule that is only enabled never sees read-only events ("Receiving read-only management events
 * from AWS services"). So those pages have a rule that sees all events and filters by their names.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import {
  type CfnRule, type EventPattern, type IRuleTarget, Match, Rule,
} from 'aws-cdk-lib/aws-events';
import type { Construct } from 'constructs';

import { INFRA } from './infra';

/** The shape of operations.json. */
interface Operations {
  /** Operations of the API. */
  readonly calls: readonly string[];
  /** Operations of the API that change a pool itself. */
  readonly pool: readonly string[];
  /** Requests to the pages that Cognito itself serves. */
  readonly forms: readonly string[];
  /** Operations that are mostly sign-ins, with the challenges whose answer does more. */
  readonly challenges: Readonly<Record<string, readonly string[]>>;
}

/** The list that the functions' program wrote. */
export const OPERATIONS_FILE = resolve(INFRA, 'operations.json');

/** One rule: its name, what it passes, and its pattern. */
export interface TrailRule {
  /** Short; it is part of the rule's name. */
  readonly id: 'Calls' | 'Pool' | 'Challenges' | 'Pages' | 'Links';
  readonly says: string;
  readonly pattern: EventPattern;
  /** Whether the rule also sees events that CloudTrail classifies as read-only. */
  readonly hearsReads?: true;
}

/** The name, description and targets of a rule in its stack. */
export interface TrailRuleProps {
  readonly ruleName: string;
  readonly description: string;
  readonly targets: IRuleTarget[];
}

/** Creates a rule. */
export function layTrailRule(scope: Construct, rule: TrailRule, props: TrailRuleProps): void {
  const laid = new Rule(scope, rule.id, { ...props, eventPattern: rule.pattern });
  if (rule.hearsReads) {
    // The construct knows only "enabled" and "disabled".
    (laid.node.defaultChild as CfnRule).state = 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS';
  }
}

const SOURCE = 'aws.cognito-idp';
const API_CALL = 'AWS API Call via CloudTrail';
const SERVICE_EVENT = 'AWS Service Event via CloudTrail';

/** The sources and detail types of all rules, for the policy of a bus. */
export const TRAIL_SOURCES = { sources: [SOURCE], detailTypes: [API_CALL, SERVICE_EVENT] };

function isRead(form: string): boolean {
  return form.endsWith('_GET');
}

/** The rules that select CloudTrail events from a bus, for a pool in any place. */
export function trailRules(path: string = OPERATIONS_FILE): TrailRule[] {
  const { calls, pool, forms, challenges } = JSON.parse(readFileSync(path, 'utf8')) as Operations;
  const succeeded = { errorCode: Match.doesNotExist() };
  return [
    {
      id: 'Calls',
      says: 'API calls that change an account, people\'s own among them',
      pattern: {
        source: [SOURCE],
        detailType: [API_CALL],
        detail: { eventName: [...calls], ...succeeded },
      },
    },
    {
      id: 'Pool',
      says: 'API calls that change a pool itself: its settings, a restore, its deletion',
      pattern: {
        source: [SOURCE],
        detailType: [API_CALL],
        detail: { eventName: [...pool], ...succeeded },
      },
    },
    {
      id: 'Challenges',
      says: 'Answers to a challenge that do more than sign somebody in',
      pattern: {
        source: [SOURCE],
        detailType: [API_CALL],
        detail: {
          eventName: Object.keys(challenges),
          requestParameters: { challengeName: [...new Set(Object.values(challenges).flat())] },
          ...succeeded,
        },
      },
    },
    {
      id: 'Pages',
      says: 'What people do on the pages that Cognito itself serves',
      pattern: {
        source: [SOURCE],
        detailType: [SERVICE_EVENT],
        detail: { eventName: forms.filter((form) => !isRead(form)) },
      },
    },
    {
      id: 'Links',
      says: 'Links that people open from their messages',
      pattern: {
        source: [SOURCE],
        detailType: [SERVICE_EVENT],
        detail: { eventName: forms.filter(isRead) },
      },
      hearsReads: true,
    },
  ];
}
