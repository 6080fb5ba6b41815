/** The inputs of the constructs. */
import type { BulkQueue } from './bulk-queue';
import type { ChangeQueue } from './change-queue';
import type { BridgeConfiguration, Side } from './configuration';
import type { BridgeMetrics } from './metrics';
import type { Settings } from './settings';
import type { StateTable } from './state-table';

/** The input of every construct. The app reads and checks it once. */
export interface BridgeProps {
  readonly settings: Settings;
  readonly configuration: BridgeConfiguration;
  readonly metrics: BridgeMetrics;
}

/** The resources that the functions share. */
export interface SharedResources {
  readonly state: StateTable;
  readonly changes: ChangeQueue;
  readonly bulk: BulkQueue;
}

/** The capture function of each pool, by its ARN. */
export type CaptureArns = Readonly<Record<Side, string>>;
