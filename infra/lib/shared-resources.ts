/** The resources that the functions share. */
import type { BulkQueue } from './bulk-queue';
import type { ChangeQueue } from './change-queue';
import type { StateTable } from './state-table';

/** The table and the queues. */
export interface SharedResources {
  readonly state: StateTable;
  readonly changes: ChangeQueue;
  readonly bulk: BulkQueue;
}
