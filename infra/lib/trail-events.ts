/**
 * Which of CloudTrail's events reach trail: the names that its own program listens to, and no
 * others. Sign-ins are the bulk of what a pool does, change little, and would each be a call of it.
 *
 * The rules are as wide as they can be besides. The pool is not asked for, since what people do
 * themselves (`UpdateUserAttributes`, `DeleteUser`) names none. What failed is left out only where
 * a call says so: CloudTrail documents `errorCode` as a field that is there or is not. The pages of
 * managed login promise nothing, so trail judges those itself; and it judges the calls once more.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { type EventPattern, Match } from 'aws-cdk-lib/aws-events';

import { INFRA } from './infra';

/** The shape of operations.json. */
interface Operations {
  /** Operations of the API. */
  readonly calls: readonly string[];
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
  readonly id: 'Calls' | 'Challenges' | 'Pages';
  readonly says: string;
  readonly pattern: EventPattern;
}

const SOURCE = 'aws.cognito-idp';
const API_CALL = 'AWS API Call via CloudTrail';
const SERVICE_EVENT = 'AWS Service Event via CloudTrail';

/** What any of the rules lets through, as a bus may be told to expect it. */
export const TRAIL_SOURCES = { sources: [SOURCE], detailTypes: [API_CALL, SERVICE_EVENT] };

/** The rules by which the trail's events are picked from a bus, wherever the pool is. */
export function trailRules(path: string = OPERATIONS_FILE): TrailRule[] {
  const { calls, forms, challenges } = JSON.parse(readFileSync(path, 'utf8')) as Operations;
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
        detail: { eventName: [...forms] },
      },
    },
  ];
}
