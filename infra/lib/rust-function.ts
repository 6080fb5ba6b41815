/**
 * The common parts of every function of the bridge: its package, a log group with limited
 * retention, and a role. The role may write to that log group and has no other permission until a
 * grant adds one.
 */
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Function, LoggingFormat, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

import type { Blueprint } from './blueprint';
import { packageFunction, PACKAGED_CONFIGURATION } from './bootstrap';

export interface RustFunctionProps {
  /** Name of the program, and the end of the function's name after the bridge's name. */
  readonly program: string;
  readonly description: string;
  readonly timeout: Duration;
  readonly memorySize: number;
  /** The function's name, if not the default of bridge name and program. */
  readonly functionName?: string;
  /** The role's name, if another account must know it. */
  readonly roleName?: string;
  /** Variables in addition to POOLBRIDGE_CONFIG. */
  readonly environment: Record<string, string>;
}

export class RustFunction extends Construct {
  readonly function: Function;
  readonly role: Role;

  constructor(scope: Construct, id: string, blueprint: Blueprint, props: RustFunctionProps) {
    super(scope, id);
    const { settings, configuration } = blueprint;
    // Fixed, so that a pool's triggers can refer to it before it exists.
    const functionName = props.functionName ?? `${configuration.name}-${props.program}`;
    const logGroup = new LogGroup(this, 'LogGroup', {
      logGroupName: `/aws/lambda/${functionName}`,
      retention: settings.logRetentionDays,
      // The logs hold nothing that the table does not show better. And a group that stays behind
      // would block the next deployment, because its name is fixed.
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
        // Relative to the folder into which Lambda unpacks the function.
        POOLBRIDGE_CONFIG: PACKAGED_CONFIGURATION,
        ...props.environment,
      },
      logGroup,
      loggingFormat: LoggingFormat.JSON,
    });
  }
}
