/** The path of the `infra` folder, seen from the compiled files in `dist/lib`. */
import { resolve } from 'node:path';

export const INFRA = resolve(__dirname, '..', '..');
