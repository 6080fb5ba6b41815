/** The inputs of the constructs. */
import type { BridgeConfiguration, Side } from './configuration';
import type { BridgeMetrics } from './metrics';
import type { Settings } from './settings';

/** The input of every construct. The app reads and checks it once. */
export interface BridgeProps {
  readonly settings: Settings;
  readonly configuration: BridgeConfiguration;
  readonly metrics: BridgeMetrics;
}

/** The capture function of each pool, by its ARN. */
export type CaptureArns = Readonly<Record<Side, string>>;
