/** Partitions that change hands while the server goes away: what one member gives back, the other gets. */
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

/** A member of the group on a connection of its own. */
interface TestMember {
  readonly bus: NatsBus;
  /** The partitions that it has said are its own. */
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
  /** Each has its half, and together they have all. */
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

  test('a partition that moves before the first event after a server’s restart belongs to the other member', async () => {
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

  test('a partition that moves while the server is away belongs to the other member when it is back', async () => {
    const seen = new Recorder();
    const finish = Promise.withResolvers<void>();
    let inHand = 0;
    const first = await join(async (batch) => {
      inHand++;
      await finish.promise;
      await seen.handler(batch);
    });
    await first.bus.publish(round(1));
    await vi.waitFor(() => expect(inHand).toBe(PARTITIONS), PATIENTLY);
    await join(seen.handler);
    // The first has heard of the second as well, and finishes what it has in hand.
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
