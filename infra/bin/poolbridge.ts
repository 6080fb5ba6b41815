/**
 * The CDK app's `main`: it reads settings and configuration and builds the stacks. It decides
 * nothing.
 */
import { layGround, newApp } from '../lib/ground';
import { Mistake } from '../lib/mistake';

const app = newApp();
try {
  layGround(app, process.env);
} catch (error) {
  // A person's mistake gets a readable message; a bug keeps its stack trace.
  if (!(error instanceof Mistake)) {
    throw error;
  }
  process.stderr.write(`${error.inWords()}\n`);
  // Not `exitCode`: the CLI would still synthesise an app that is only partly built.
  process.exit(1);
}
