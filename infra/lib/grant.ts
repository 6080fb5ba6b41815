/** Grants: statements in the policy of a function's role. */
import { type Conditions, type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';

/** What a statement allows. */
export interface Grant {
  readonly sid: string;
  readonly actions: string[];
  readonly resources: string[];
  readonly conditions?: Conditions;
}

/** Adds statements to the policy of a function's role. */
export function allow(grantee: IGrantable, ...grants: Grant[]): void {
  for (const grant of grants) {
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement(grant));
  }
}
