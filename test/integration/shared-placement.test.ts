/** Two placements and two migrators share one bus and one store. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createMigratorWithSites, type MigratorWithSites } from '#services/migrator/with-sites.ts';
import { createPlacement, type PlacementService } from '#services/placement/service.ts';
import { simulatedMachines } from '#services/sites/hosts/simulated.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { type Event, envelop, type Fact, partitionOf } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';
import { gate } from '../contract/bus-events.ts';
import { PATIENTLY } from '../patience.ts';
import { configFor } from '../property/harness.ts';
import { positionAt, SPEC } from '../unit/shared/policy/world.ts';

const config = configFor();
const clock = realClock();
const log = createLog('silent');
const vms = Array.from({ length: 12 }, (_, i) => `v${i}`);

let bus: ReturnType<typeof memoryBus>;
let store: Store;
let published: Event[];
let serial = 0;
const running: { stop(): Promise<void> }[] = [];

const tell = (...facts: Fact[]) => bus.publish(facts.map((fact) => envelop(fact, `test:${serial++}`, '/test')));
const fix = (vm: string, place: number): Fact => ({
  type: 'location.reported.v1',
  data: { vm, user: `u-${vm}`, atMs: Date.now(), ...positionAt(place) },
});
const heldBy = (placement: PlacementService) => placement.status().vms.map(({ vm }) => vm);

async function placement(on: Store = store): Promise<PlacementService> {
  const service = createPlacement({ bus, store: on, clock, config, log });
  running.push(service);
  await service.start();
  return service;
}

async function mover(): Promise<MigratorWithSites> {
  const made = createMigratorWithSites({ bus, store, clock, machines: simulatedMachines(config, clock), config, log });
  running.push(made.migrator);
  await made.migrator.start();
  return made;
}

async function declareAll(): Promise<void> {
  for (const vm of vms) {
    await tell({ type: 'vm.declared.v1', data: { vm, atMs: Date.now(), home: 's0', spec: SPEC } });
    await tell({ type: 'session.attached.v1', data: { vm, user: `u-${vm}`, atMs: Date.now(), weight: 1 } });
  }
  await bus.idle();
}

beforeEach(async () => {
  bus = memoryBus({ partitions: config.bus.partitions });
  store = memoryStore();
  published = [];
  const types = [
    ...(['placement.decided.v1', 'migration.accepted.v1', 'migration.completed.v1'] as const),
    ...(['event.rejected.v1', 'site.reported.v1'] as const),
  ];
  await bus.subscribe({ group: 'test', types }, async (batch) => {
    published.push(...batch.map(({ event }) => event));
  });
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((service) => service.stop()));
  await bus.close();
});

describe('placements that share the partitions', () => {
  test('own each VM once, refuse requests for VMs of the other, and take over when the other stops', async () => {
    await mover();
    const [a, b] = [await placement(), await placement()];
    await declareAll();
    expect([...heldBy(a), ...heldBy(b)].toSorted()).toEqual(vms.toSorted());
    expect(Math.min(heldBy(a).length, heldBy(b).length)).toBeGreaterThan(0);

    const theirs = heldBy(b)[0]!;
    await expect(a.explain(theirs)).rejects.toMatchObject({ code: 'HELD_ELSEWHERE' });
    await expect(a.order(theirs, 's1')).rejects.toMatchObject({ code: 'HELD_ELSEWHERE' });
    expect(await b.explain(theirs)).toMatchObject({ vm: theirs, home: 's0', sessions: 0 });

    await tell(fix(theirs, 0.1));
    await bus.idle();
    await b.stop();
    await vi.waitFor(() => expect(heldBy(a).toSorted()).toEqual(vms.toSorted()), PATIENTLY);
    expect(await a.explain(theirs), 'with the session that b had recorded').toMatchObject({ vm: theirs, sessions: 1 });
    await a.order(theirs, 's1');
    await vi.waitFor(() => expect(published.map(({ id }) => id)).toContain(`${theirs}:1:accepted`), PATIENTLY);
  });

  test('a pause of automatic moves at one reaches the other, and survives both', async () => {
    await mover();
    const [a, b] = [await placement(), await placement()];
    await declareAll();
    await a.pause(true);
    expect(a.status().paused).toBe(true);
    // b reads the record again with an event after a few seconds.
    await vi.waitFor(
      async () => {
        for (const vm of vms) await tell(fix(vm, 0.1));
        expect(b.status().paused).toBe(true);
      },
      { ...PATIENTLY, interval: 500 },
    );
    await Promise.all([a.stop(), b.stop()]);
    expect((await placement()).status().paused).toBe(true);
  });

  test('count the moves of the other placements against the limits, also earlier ones', async () => {
    await mover();
    const [a, b] = [await placement(), await placement()];
    await declareAll();
    const [mine] = heldBy(a) as [string];
    const [theirs, another] = heldBy(b) as [string, string];
    const busy = { code: 'MOVE_REFUSED', message: expect.stringContaining('source-busy') };
    await b.order(theirs, 's1');
    await bus.idle();
    await expect(a.order(mine, 's1')).rejects.toMatchObject(busy);
    await expect(b.order(another, 's1'), 'b counts it too').rejects.toMatchObject(busy);

    const late = await placement();
    await vi.waitFor(() => expect(heldBy(late).length).toBeGreaterThan(0), PATIENTLY);
    await expect(late.order(heldBy(late)[0]!, 's1')).rejects.toMatchObject(busy);

    const completed = () => published.some(({ type }) => type === 'migration.completed.v1');
    await vi.waitFor(() => expect(completed()).toBe(true), { timeout: 30_000, interval: 100 });
    await bus.idle();
    await late.order(heldBy(late)[0]!, 's1');
  }, 40_000);

  test('the other placement handles a waiting batch whose partition moves', async () => {
    await mover();
    const [writing, goOn] = [gate(), gate()];
    let slow = false;
    const a = await placement({
      ...store,
      async put(writes) {
        if (slow) {
          writing.open();
          await goOn.opened;
        }
        return store.put(writes);
      },
    });
    await declareAll();
    slow = true;
    // A VM of partition 0, which a keeps.
    const kept = vms.find((vm) => partitionOf(vm, config.bus.partitions) === 0)!;
    const ordered = a.order(kept, 's1');
    await writing.opened;
    // a receives these batches, one a partition. They wait behind the order.
    await tell(...vms.map((vm) => fix(vm, 0.1)));
    const starting = placement();
    await new Promise(setImmediate);
    slow = false;
    goOn.open();
    const b = await starting;
    await ordered;
    await bus.idle();
    await vi.waitFor(() => expect([...heldBy(a), ...heldBy(b)].toSorted()).toEqual(vms.toSorted()), PATIENTLY);
    const counts = [...a.counts, ...b.counts];
    expect(counts.map(([outcome]) => outcome)).not.toContain('unknown-vm');
    expect(counts.reduce((sum, [, n]) => sum + n, 0)).toBe(vms.length);
    for (const vm of vms) {
      const holder = heldBy(a).includes(vm) ? a : b;
      expect(await holder.explain(vm), vm).toMatchObject({ sessions: 1 });
    }
    expect(published.filter(({ type }) => type === 'event.rejected.v1')).toEqual([]);
  });
});

describe('two migrators', () => {
  test('one leads and reports the sites; the other refuses requests, and leads when the first stops', async () => {
    const [first, second] = [await mover(), await mover()];
    const placed = await placement();
    await declareAll();
    expect([first.migrator.isLeader, second.migrator.isLeader]).toEqual([true, false]);
    await expect(second.migrator.cancel('v0:1', 'operator')).rejects.toMatchObject({ code: 'HELD_ELSEWHERE' });
    await expect(first.migrator.cancel('v0:1', 'operator')).rejects.toMatchObject({ code: 'MIGRATION_UNKNOWN' });

    // The second takes the order and stores it, although the leader reports the sites.
    await second.siteReporter.drain('s3', true);
    await first.migrator.stop();
    await vi.waitFor(() => expect(second.migrator.isLeader).toBe(true), PATIENTLY);
    expect(first.migrator.isLeader).toBe(false);
    await vi.waitFor(
      () => expect(placed.status().sites.map(({ site, draining }) => [site, draining])).toContainEqual(['s3', true]),
      PATIENTLY,
    );
  });
});
