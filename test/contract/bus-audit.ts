/** The part of the bus contract about the audit: kept apart from all other events, and read again. */
import { expect, test } from 'vitest';
import { AUDIT_TYPE, type AuditEvent } from '#shared/bus/audited.ts';
import { envelop } from '#shared/events/index.ts';
import { locationOf, Recorder } from './bus-events.ts';
import type { BusHarness } from './bus-harness.ts';

/** The `n`-th record of a caller. */
export function recordOf(who: string, n: number): AuditEvent {
  const data = {
    ...{ atMs: Date.now() + n, request: `r-${n}`, who, role: 'admin', from: '127.0.0.1' },
    ...{ what: 'DELETE /v1/vms/:vm', on: { vm: `vm-${n}` }, with: {}, outcome: 'done' as const, status: 204 },
  };
  return envelop({ type: AUDIT_TYPE, data }, `${who}/${n}`, '/tagalong/audit') as AuditEvent;
}

/** @param harness returns the harness of the running test */
export function auditContract(harness: () => BusHarness): void {
  test('records of the audit are read in order, from an instant on, and the newest of those that fit', async () => {
    const { bus, connect } = harness();
    const all = { sinceMs: 0, most: 100, fits: () => true };
    expect(await bus.audited(all)).toEqual([]);
    const records = [0, 1, 2, 3, 4].map((n) => recordOf(n % 2 === 0 ? 'maria' : 'otto', n));
    await bus.publish([locationOf('vm-1', 1), ...records.slice(0, 3)]);
    await bus.publish(records.slice(3));
    expect(await bus.audited(all)).toEqual(records);
    expect(await bus.audited({ ...all, sinceMs: records[3]!.data.atMs })).toEqual(records.slice(3));
    const ofMaria = { ...all, fits: ({ data }: AuditEvent) => data.who === 'maria' };
    expect(await bus.audited({ ...ofMaria, most: 2 })).toEqual([records[2], records[4]]);
    const other = await connect?.();
    if (other === undefined) return;
    expect(await other.audited(all)).toEqual(records);
    await other.close();
  });

  test('no group receives the audit', async () => {
    const seen = new Recorder();
    const types = [AUDIT_TYPE, 'location.reported.v1'] as const;
    await harness().bus.subscribe({ group: 'g', types }, seen.handler);
    await harness().bus.publish([recordOf('maria', 1), locationOf('vm-1', 1)]);
    await harness().settle();
    expect(seen.deliveries.map(({ event }) => event.type)).toEqual(['location.reported.v1']);
  });
}
