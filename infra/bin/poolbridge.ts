/**
 * The CDK app's `main`: settings and configuration in, one stack out. It decides nothing.
 */
import { layGround, newApp } from '../lib/ground';
import { Mistake } from '../lib/mistake';

const app = newApp();
try {
  layGround(app, process.env);
} catch (error) {
  // A person's mistake deserves words; a fault of ours keeps its stack trace.
  if (!(error instanceof Mistake)) {
    throw error;
  }
  process.stderr.write(`${error.inWords()}\n`);
  // Not `exitCode`: an app left half built would still be synthesised on the way out.
  process.exit(1);
}
