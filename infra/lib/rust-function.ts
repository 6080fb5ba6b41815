/**
 * What every function of the bridge has: its package, a log group that forgets, and a role that
 * may write to that log group and, until somebody grants it more, do nothing else.
 */
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Function, LoggingFormat, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

import type { Blueprint } from './blueprint';
import { packageFunction, PACKAGED_CONFIGURATION } from './bootstrap';

export interface RustFunctionProps {
  /** Name of the program, and of the function after the bridge's own. */
  readonly program: string;
  readonly description: string;
  readonly timeout: Duration;
  readonly memorySize: number;
  /** The function's name, where it is not the bridge's and the program's. */
  readonly functionName?: string;
  /** The role's name, where somebody elsewhere has to know it. */
  readonly roleName?: string;
  /** Variables besides POOLBRIDGE_CONFIG. */
  readonly environment: Record<string, string>;
}

export class RustFunction extends Construct {
  readonly function: Function;
  readonly role: Role;

  constructor(scope: Construct, id: string, blueprint: Blueprint, props: RustFunctionProps) {
    super(scope, id);
    const { settings, configuration } = blueprint;
    // Fixed, so that a pool's triggers can be pointed at it before it exists.
    const functionName = props.functionName ?? `${configuration.name}-${props.program}`;
    const logGroup = new LogGroup(this, 'LogGroup', {
      logGroupName: `/aws/lambda/${functionName}`,
      retention: settings.logRetentionDays,
      // Logs hold nothing that the table does not say better, and a group that stays behind would
      // stand in the way of the next deployment, its name being fixed.
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.role = new Role(this, 'Role', {
      ...(props.roleName === undefined ? {} : { roleName: props.roleName }),
      description: `What ${functionName} may do`,
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
    });
    this.role.addToPrincipalPolicy(new PolicyStatement({
      sid: 'WriteLog',
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [logGroup.logGroupArn],
    }));
    this.function = new Function(this, 'Function', {
      functionName,
      description: props.description,
      runtime: Runtime.PROVIDED_AL2023,
      architecture: settings.architecture === 'arm64' ? Architecture.ARM_64 : Architecture.X86_64,
      handler: 'bootstrap',
      code: packageFunction(this, props.program, blueprint),
      role: this.role,
      timeout: props.timeout,
      memorySize: props.memorySize,
      environment: {
        // Relative to the folder that Lambda unpacks the function into.
        POOLBRIDGE_CONFIG: PACKAGED_CONFIGURATION,
        ...props.environment,
      },
      logGroup,
      loggingFormat: LoggingFormat.JSON,
    });
  }
}
