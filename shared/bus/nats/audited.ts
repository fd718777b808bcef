import { nuid } from 'nats';
import { BUS_ROLE } from '../../connection/role.ts';
import { TagalongError } from '../../errors.ts';
import { decode } from '../../events/index.ts';
import type { Link } from '../../nats/connection.ts';
import { patiently } from '../../nats/errors.ts';
import { PullConsumer } from '../../nats/pull-consumer.ts';
import { AUDIT_CLOCKS_DIFFER_MS, AuditCollector, type AuditEvent, type AuditedQuery } from '../audited.ts';
import type { Names } from './names.ts';

/** Reads the audit's stream from an instant to its end. @throws TagalongError BUS_UNREACHABLE; NatsError */
export async function readAudit(link: Link, names: Names, query: AuditedQuery): Promise<readonly AuditEvent[]> {
  const collector = new AuditCollector(query);
  const name = `audit~${nuid.next()}`;
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  const consumer = await patiently(BUS_ROLE, names.audit, () =>
    PullConsumer.open(link, {
      ...{ stream: names.audit, name, durable: false, filters: [names.auditSubject] },
      start: { atMs: Math.max(0, query.sinceMs - AUDIT_CLOCKS_DIFFER_MS) },
      room: () => Number.POSITIVE_INFINITY,
      onMessage({ data, pending }) {
        add(collector, data);
        if (pending === 0) resolve();
      },
      onBroken: () => reject(new TagalongError('BUS_UNREACHABLE', 'the audit could not be read to its end')),
    }),
  );
  try {
    if (consumer.pending > 0) await done;
    return collector.found;
  } finally {
    consumer.close();
    // If this fails, the server removes the consumer by itself.
    link.jsm.consumers.delete(names.audit, name).catch(() => {});
  }
}

/** A message that is no event of ours was written by somebody else. It must not hide the others. */
function add(collector: AuditCollector, data: Uint8Array): void {
  try {
    collector.add(decode(new TextDecoder().decode(data)));
  } catch {
    // It is left out.
  }
}
