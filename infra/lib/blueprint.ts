/** The input of every construct: read once, checked, and passed down. */
import type { BridgeConfiguration } from './configuration';
import type { BridgeMetrics } from './metrics';
import type { Settings } from './settings';

export interface Blueprint {
  readonly settings: Settings;
  readonly configuration: BridgeConfiguration;
  readonly metrics: BridgeMetrics;
}
