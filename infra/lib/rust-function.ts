/**
 * The common parts of every function of the bridge: its package, a log group with limited
 * retention, and a role. By default the role may only write to that log group.
 */
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Function, LoggingFormat, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

import type { BridgeProps } from './bridge-props';
import { packageFunction, PACKAGED_CONFIGURATION } from './bootstrap';
import { allow } from './grant';

export interface RustFunctionProps {
  /** Name of the program. */
  readonly program: string;
  readonly description: string;
  readonly timeout: Duration;
  readonly memorySize: number;
  /** By default the bridge's name and the program's. If it is set, the role has this name too. */
  readonly functionName?: string | undefined;
  /** Variables in addition to POOLBRIDGE_CONFIG. */
  readonly environment: Record<string, string>;
}

export class RustFunction extends Construct {
  readonly function: Function;
  readonly role: Role;

  constructor(scope: Construct, id: string, bridge: BridgeProps, props: RustFunctionProps) {
    super(scope, id);
    const { settings, configuration } = bridge;
    // Fixed, so that policies and operators can name the function before it exists.
    const functionName = props.functionName ?? `${configuration.name}-${props.program}`;
    const logGroup = new LogGroup(this, 'LogGroup', {
      logGroupName: `/aws/lambda/${functionName}`,
      retention: settings.logRetentionDays,
      // A log group that outlives the stack would block the next deployment, because its name is
      // fixed. The logs hold nothing that the table does not show better.
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.role = new Role(this, 'Role', {
      ...(props.functionName === undefined ? {} : { roleName: functionName }),
      description: `Permissions of ${functionName}`,
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
    });
    allow(this.role, {
      sid: 'WriteLog',
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [logGroup.logGroupArn],
    });
    this.function = new Function(this, 'Function', {
      functionName,
      description: props.description,
      runtime: Runtime.PROVIDED_AL2023,
      architecture: settings.architecture === 'arm64' ? Architecture.ARM_64 : Architecture.X86_64,
      handler: 'bootstrap',
      code: packageFunction(this, props.program, bridge),
      role: this.role,
      timeout: props.timeout,
      memorySize: props.memorySize,
      environment: {
        // Relative to the folder into which Lambda unpacks the function.
        POOLBRIDGE_CONFIG: PACKAGED_CONFIGURATION,
        ...props.environment,
      },
      logGroup,
      loggingFormat: LoggingFormat.JSON,
    });
  }
}
