/** Lists the templates that a synthesis wrote. */
import { CloudAssembly } from 'aws-cdk-lib/cx-api';

export interface WrittenTemplate {
  readonly path: string;
  /** Its stack, Region and number of resources. */
  readonly description: string;
}

/** Describes every template in the output folder of a synthesis. */
export function describeTemplates(folder: string): WrittenTemplate[] {
  return new CloudAssembly(folder).stacks.map((stack) => {
    const count = Object.keys(stack.template.Resources ?? {}).length;
    const { region } = stack.environment;
    return {
      path: stack.templateFullPath,
      description: `stack ${stack.stackName} in ${region}, ${count} resources`,
    };
  });
}
