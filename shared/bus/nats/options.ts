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
  /** How long a position of a user is kept, in milliseconds; in effect whole seconds. It needs nats-server 2.11. @default 1 hour */
  readonly locationMaxAgeMs?: number;
  /** When the events take more bytes than this, the server drops the oldest, handled or not. @default 10 GB */
  readonly maxBytes?: number;
}

/** How long the server drops repeats of an event id. */
export const DUPLICATE_WINDOW_MS = 120_000;

/**
 * When the audit takes more bytes than this, the server drops its oldest records: two million of the usual size. The server reserves the
 * bytes, so a stream as large as that of the events would need twice the room.
 */
export const AUDIT_BYTES = 1_000_000_000;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The options of the bus, with the defaults. */
export function withDefaults({
  prefix = 'tagalong',
  storage = 'file',
  replicas = 1,
  partitions = 16,
  maxAgeMs = 7 * DAY_MS,
  auditMaxAgeMs = AUDIT_RETENTION_MS,
  locationMaxAgeMs = HOUR_MS,
  maxBytes = 10_000_000_000,
}: NatsBusOptions) {
  return { prefix, storage, replicas, partitions, maxAgeMs, auditMaxAgeMs, locationMaxAgeMs, maxBytes };
}
