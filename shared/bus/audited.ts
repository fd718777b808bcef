/** The audit on the bus: events of a stream of their own, which no group receives and people read again. */
import type { Envelope, Event, EventType } from '../events/index.ts';

/** The type of the audit's events. */
export const AUDIT_TYPE = 'request.audited.v1' satisfies EventType;
/** How long a bus keeps them, unless the configuration says otherwise. */
export const AUDIT_RETENTION_MS = 90 * 86_400_000;
/** The clock of a server may differ from that of the process that made the record by so much. */
export const AUDIT_CLOCKS_DIFFER_MS = 600_000;

/** A record of the audit in its envelope. */
export type AuditEvent = Envelope<typeof AUDIT_TYPE>;

/** Which records to read. */
export interface AuditedQuery {
  /** Milliseconds since the Unix epoch. */
  readonly sinceMs: number;
  /** The most records. Of more, the newest count. */
  readonly most: number;
  readonly fits: (event: AuditEvent) => boolean;
}

/** True for an event that no group receives. */
export function isAudit(event: Event): event is AuditEvent {
  return event.type === AUDIT_TYPE;
}

/** Collects the records that a query asks for, from all that are read. */
export class AuditCollector {
  readonly #query: AuditedQuery;
  #found: AuditEvent[] = [];

  constructor(query: AuditedQuery) {
    this.#query = query;
  }

  add(event: Event): void {
    const { sinceMs, most, fits } = this.#query;
    if (!isAudit(event) || event.data.atMs < sinceMs || !fits(event)) return;
    this.#found.push(event);
    // Removes the old ones only now and then: each removal moves all others.
    if (this.#found.length > 2 * most) this.#found = this.#found.slice(-most);
  }

  /** The newest records, in the order in which the bus has them. */
  get found(): readonly AuditEvent[] {
    return this.#found.slice(-this.#query.most);
  }
}
