/** The options of a bus on NATS, with their defaults. */
import type { NatsKeeping, NatsServer } from '../../nats/options.ts';
import { AUDIT_RETENTION_MS } from '../audited.ts';

/** A bus on NATS. */
export interface NatsBusOptions extends NatsServer, NatsKeeping {
  /** Into how many partitions keys are divided. Fixed when an installation begins. @default 16 */
  readonly partitions?: number;
  /** How long an event is kept, handled or not, in milliseconds. @default 7 days */
  readonly maxAgeMs?: number;
  /** How long a record of the audit is kept, in milliseconds. @default 90 days */
  readonly auditMaxAgeMs?: number;
  /** When the events take more bytes than this, the server drops the oldest, handled or not. @default 10 GB */
  readonly maxBytes?: number;
}

/** How long the server drops repeats of an event id. */
export const DUPLICATE_WINDOW_MS = 120_000;

const DAY_MS = 86_400_000;

/** The options of the bus, with the defaults. */
export function withDefaults({
  prefix = 'tagalong',
  storage = 'file',
  replicas = 1,
  partitions = 16,
  maxAgeMs = 7 * DAY_MS,
  auditMaxAgeMs = AUDIT_RETENTION_MS,
  maxBytes = 10_000_000_000,
}: NatsBusOptions) {
  return { prefix, storage, replicas, partitions, maxAgeMs, auditMaxAgeMs, maxBytes };
}
