/** A schedule that calls a function. Failed calls are not retried: the next call comes soon. */
import type { Duration } from 'aws-cdk-lib';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { Function, IDestination } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';

export interface ScheduleProps {
  readonly function: Function;
  readonly ruleName: string;
  readonly description: string;
  readonly every: Duration;
  /** The event that the function receives. */
  readonly event: Record<string, string>;
  readonly enabled?: boolean;
  /** Where Lambda reports a failed call. */
  readonly onFailure?: IDestination;
}

export function addSchedule(scope: Construct, props: ScheduleProps): void {
  const { every, event, onFailure, ruleName, description, enabled = true } = props;
  const noRetries = { retryAttempts: 0, maxEventAge: every };
  props.function.configureAsyncInvoke({
    ...noRetries,
    ...(onFailure === undefined ? {} : { onFailure }),
  });
  new Rule(scope, 'Rule', {
    ruleName,
    description,
    enabled,
    schedule: Schedule.rate(every),
    targets: [
      new LambdaFunction(props.function, {
        event: RuleTargetInput.fromObject(event),
        ...noRetries,
      }),
    ],
  });
}
