/** The templates that a synthesis wrote. */
import { CloudAssembly } from 'aws-cdk-lib/cx-api';

/** One template. */
export interface WrittenTemplate {
  /** Path of the file. */
  readonly path: string;
  /** Its stack, and how many resources it creates. */
  readonly description: string;
}

/** Every template in the folder of a synthesis. */
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
