/** The CDK app's `main`. */
import { createApp } from '../lib/app';
import { ConfigError } from '../lib/config-error';

try {
  createApp(process.env);
} catch (error) {
  // A configuration error gets a readable message; a bug keeps its stack trace.
  if (!(error instanceof ConfigError)) {
    throw error;
  }
  process.stderr.write(`${error.toText()}\n`);
  // Not `exitCode`: the CLI would still synthesise an app that is only partly built.
  process.exit(1);
}
