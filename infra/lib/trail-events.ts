/**
 * Which of CloudTrail's events reach trail: the names that its own program listens to, and no
 * others. Sign-ins are the bulk of what a pool does, change little, and would each be a call of it.
 *
 * The rules are as wide as they can be besides. The pool is not asked for, since what people do
 * themselves (`UpdateUserAttributes`, `DeleteUser`) names none. What failed is left out only where
 * a call says so: CloudTrail documents `errorCode` as a field that is there or is not. The pages of
 * managed login promise nothing, so trail judges those itself; and it judges the calls once more.
 *
 * A link in a message that confirms somebody is a request that reads, by its method, and CloudTrail
 * may take it for one. A rule that is merely enabled is never shown what only reads ("Receiving
 * read-only management events from AWS services"), so those pages have a rule that is shown
 * everything, and asks for their names alone.
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
  /** Operations that mostly are sign-ins, by the challenges whose answer is more than that. */
  readonly challenges: Readonly<Record<string, readonly string[]>>;
}

/** The list that the functions' program wrote. */
export const OPERATIONS_FILE = resolve(INFRA, 'operations.json');

/** One rule: what it is called, what it lets through, and how that is recognised. */
export interface TrailRule {
  /** Short, and part of the rule's name. */
  readonly id: 'Calls' | 'Pool' | 'Challenges' | 'Pages' | 'Links';
  readonly says: string;
  readonly pattern: EventPattern;
  /** Whether it is shown what CloudTrail takes for mere reading, too. */
  readonly hearsReads?: true;
}

/** What a rule is called and does where it is laid. */
export interface TrailRuleProps {
  readonly ruleName: string;
  readonly description: string;
  readonly targets: IRuleTarget[];
}

/** Lays a rule. */
export function layTrailRule(scope: Construct, rule: TrailRule, props: TrailRuleProps): void {
  const laid = new Rule(scope, rule.id, { ...props, eventPattern: rule.pattern });
  if (rule.hearsReads) {
    // The construct knows "enabled" and "disabled" alone.
    (laid.node.defaultChild as CfnRule).state = 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS';
  }
}

const SOURCE = 'aws.cognito-idp';
const API_CALL = 'AWS API Call via CloudTrail';
const SERVICE_EVENT = 'AWS Service Event via CloudTrail';

/** What any of the rules lets through, as a bus may be told to expect it. */
export const TRAIL_SOURCES = { sources: [SOURCE], detailTypes: [API_CALL, SERVICE_EVENT] };

function isRead(form: string): boolean {
  return form.endsWith('_GET');
}

/** The rules by which the trail's events are picked from a bus, wherever the pool is. */
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
