/** Partitions move between members while the server restarts. Each partition then belongs to one member. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Handler } from '#shared/bus/bus.ts';
import { type NatsBus, natsBus } from '#shared/bus/nats/bus.ts';
import { locationOf, Recorder } from '../contract/bus-events.ts';
import { PATIENTLY } from '../patience.ts';
import { type NatsTestServer, onNats, startNats } from '../servers/nats.ts';

const PARTITIONS = 8;
const types = ['location.reported.v1'] as const;
const vms = Array.from({ length: 40 }, (_, i) => `vm-${i}`);
const round = (n: number) => vms.map((vm) => locationOf(vm, n));

/** A member of the group, with its own connection. */
interface TestMember {
  readonly bus: NatsBus;
  /** The partitions that the bus assigned to it last. */
  assigned: readonly number[];
}

onNats('the bus on NATS, when partitions move between members', () => {
  let server: NatsTestServer;
  let prefix: string;
  const members: TestMember[] = [];
  const join = async (handler: Handler) => {
    const bus = await natsBus({ servers: server.url, prefix, partitions: PARTITIONS });
    const member: TestMember = { bus, assigned: [] };
    members.push(member);
    const assigned = (mine: readonly number[]) => {
      member.assigned = mine;
    };
    await bus.subscribe({ group: 'g', types, assigned }, handler);
    return member;
  };
  /** Asserts that each member has half of the partitions, and both have all. */
  const shared = () => {
    expect(members.map(({ assigned }) => assigned.length)).toEqual([PARTITIONS / 2, PARTITIONS / 2]);
    expect(new Set(members.flatMap(({ assigned }) => assigned)).size).toBe(PARTITIONS);
  };
  beforeEach(async () => {
    server = await startNats();
    prefix = `t${randomUUID().slice(0, 8)}`;
  });
  afterEach(async () => {
    await Promise.all(members.splice(0).map(({ bus }) => bus.close()));
    await server.stop();
  });

  test('a partition that moves after a restart of the server belongs to the other member before any event', async () => {
    const seen = new Recorder();
    const first = await join(seen.handler);
    await server.kill();
    await server.restart();
    await vi.waitFor(() => expect(first.bus.counters.consumersRecreated).toBeGreaterThanOrEqual(PARTITIONS), PATIENTLY);
    await join(seen.handler);
    await vi.waitFor(shared, PATIENTLY);
    await first.bus.publish(round(1));
    await vi.waitFor(() => expect(vms.map((vm) => seen.of(vm))).toEqual(vms.map(() => [1])), PATIENTLY);
  });

  test('a partition that moves while the server is down belongs to the other member after the restart', async () => {
    const seen = new Recorder();
    const finish = Promise.withResolvers<void>();
    let handling = 0;
    const first = await join(async (batch) => {
      handling++;
      await finish.promise;
      await seen.handler(batch);
    });
    await first.bus.publish(round(1));
    await vi.waitFor(() => expect(handling).toBe(PARTITIONS), PATIENTLY);
    await join(seen.handler);
    // By now the first member knows of the second. It finishes its batches.
    await pause(500);
    await server.kill();
    await vi.waitFor(() => expect(first.bus.counters.disconnects).toBe(1), PATIENTLY);
    finish.resolve();
    await vi.waitFor(() => expect(first.assigned.length).toBe(PARTITIONS / 2), PATIENTLY);
    await server.restart();
    await vi.waitFor(shared, PATIENTLY);
    await first.bus.publish(round(2));
    await vi.waitFor(() => {
      for (const vm of vms) expect([...new Set(seen.of(vm))], vm).toEqual([1, 2]);
    }, PATIENTLY);
  });
});
