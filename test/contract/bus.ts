/** The contract of the bus (shared/bus/bus.ts): one suite that the test file of each adapter runs. It uses the port only. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Bus, type Delivery, type Handler, MAX_ATTEMPTS, type Subscription } from '#shared/bus/bus.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Envelope, type Event, envelop } from '#shared/events/index.ts';
import { PATIENTLY } from '../patience.ts';
import { auditContract } from './bus-audit.ts';
import { gate, locationOf, Recorder, siteOf } from './bus-events.ts';
import type { BusHarness } from './bus-harness.ts';
import { histories, play } from './bus-history.ts';
import { latestContract } from './bus-latest.ts';

const LOCATIONS = ['location.reported.v1'] as const;
const vms = Array.from({ length: 64 }, (_, i) => `vm-${i}`);

/** @param options.runs number of random histories of the property test; fewer if a bus opens slowly */
export function busContract(name: string, open: () => Promise<BusHarness>, { runs = 100 } = {}): void {
  describe(`the bus contract, kept by ${name}`, () => {
    let harness: BusHarness;
    let bus: Bus;
    beforeEach(async () => {
      harness = await open();
      bus = harness.bus;
    });
    afterEach(() => harness.close());

    const subscribe = (group: string, handler: Handler) => bus.subscribe({ group, types: LOCATIONS }, handler);

    test('a group gets the events of one key in the order of publication, also while others publish', async () => {
      const seen = new Recorder();
      await subscribe('g', seen.handler);
      const publishAll = async (vm: string) => {
        for (let n = 0; n < 20; n++) await bus.publish([locationOf(vm, n)]);
      };
      await Promise.all(vms.slice(0, 20).map(publishAll));
      await bus.publish([locationOf('vm-0', 20), locationOf('vm-1', 20), locationOf('vm-0', 21)]);
      await harness.settle();
      expect(seen.of('vm-0')).toEqual(Array.from({ length: 22 }, (_, n) => n));
      for (const vm of vms.slice(2, 20)) expect(seen.of(vm)).toEqual(Array.from({ length: 20 }, (_, n) => n));
    });

    test('connected is true on an open bus', () => {
      expect(bus.connected()).toBe(true);
    });

    test('an event arrives unchanged, in the partition of its key', async () => {
      const seen = new Recorder();
      await subscribe('g', seen.handler);
      await bus.publish([locationOf('vm-1', 1), locationOf('vm-1', 2)]);
      await harness.settle();
      expect(seen.deliveries.map(({ event }) => event)).toEqual([locationOf('vm-1', 1), locationOf('vm-1', 2)]);
      expect(new Set(seen.deliveries.map(({ partition }) => partition)).size).toBe(1);
      expect(seen.deliveries.every(({ attempt }) => attempt === 1)).toBe(true);
    });

    test('a group gets its types, and no others', async () => {
      const seen = new Recorder();
      await subscribe('g', seen.handler);
      await bus.publish([siteOf('bos', 1), locationOf('vm-1', 1)]);
      await harness.settle();
      expect(seen.deliveries.map(({ event }) => event.type)).toEqual(LOCATIONS);
    });

    test('the bus delivers a rejected batch again, with a higher attempt, before the events that follow it', async () => {
      const tried: [number, number][] = [];
      let refused = false;
      await subscribe('g', async (batch) => {
        for (const { event, attempt } of batch) tried.push([event.data.atMs, attempt]);
        if (refused) return;
        refused = true;
        throw new Error('not this time');
      });
      await bus.publish([locationOf('vm-1', 1)]);
      await bus.publish([locationOf('vm-1', 2)]);
      await harness.settle();
      expect(tried[0]).toEqual([1, 1]);
      // The first batch may contain both events.
      const again = tried.slice(tried.findIndex(([, attempt]) => attempt === 2));
      expect(again[0]).toEqual([1, 2]);
      expect(again.map(([n]) => n)).toEqual([1, 2]);
    });

    test('a handler that throws before it returns a promise refuses its batch', async () => {
      const seen = new Recorder();
      await subscribe('g', (batch) => {
        if (batch[0]?.attempt === 1) throw new Error('at once');
        return seen.handler(batch);
      });
      await bus.publish([locationOf('vm-1', 1)]);
      await harness.settle();
      expect(seen.of('vm-1')).toEqual([1]);
    });

    test('a batch counts as handled when its handler has resolved', async () => {
      const inHand = gate();
      const begun = gate();
      const first = await subscribe('g', async () => {
        begun.open();
        await inHand.opened;
        throw new Error('given up while the group changed hands');
      });
      await bus.publish([locationOf('vm-1', 1)]);
      await begun.opened;
      await vi.waitFor(() => expect(waiting(bus, 'g')).toBe(1), PATIENTLY);

      let stopped = false;
      const stopping = first.stop().then(() => {
        stopped = true;
      });
      const seen = new Recorder();
      // Not awaited: a bus may make a new member wait for the running batch.
      const joining = subscribe('g', seen.handler);
      await new Promise(setImmediate);
      expect(stopped).toBe(false);
      expect(seen.deliveries).toEqual([]);

      inHand.open();
      await Promise.all([stopping, joining]);
      await harness.settle();
      expect(seen.of('vm-1')).toEqual([1]);
      expect(seen.deliveries[0]?.attempt).toBeGreaterThan(1);
      await vi.waitFor(() => expect(waiting(bus, 'g')).toBe(0), PATIENTLY);
    });

    test('the bus delivers nothing after stop has resolved', async () => {
      const seen = new Recorder();
      const subscription = await subscribe('g', seen.handler);
      await bus.publish([locationOf('vm-1', 1)]);
      await subscription.stop();
      const before = seen.deliveries.length;
      await bus.publish([locationOf('vm-1', 2)]);
      await harness.settle();
      expect(seen.deliveries.length).toBe(before);
    });

    test('a partition has one batch in flight at a time, also when members join and leave', async () => {
      const busy = new Set<number>();
      const handled = new Set<string>();
      const overlaps: number[] = [];
      const handler: Handler = async (batch) => {
        const { partition } = batch[0] as Delivery;
        if (busy.has(partition)) overlaps.push(partition);
        busy.add(partition);
        await new Promise(setImmediate);
        busy.delete(partition);
        for (const { event } of batch) handled.add(event.id);
      };
      const members: Subscription[] = [await subscribe('g', handler)];
      for (let n = 0; n < 30; n++) {
        await bus.publish(vms.map((vm) => locationOf(vm, n)));
        if (n % 3 === 0) members.push(await subscribe('g', handler));
        if (n % 3 === 1) await members.shift()?.stop();
        await new Promise(setImmediate);
      }
      await harness.settle();
      expect(overlaps).toEqual([]);
      expect(handled.size).toBe(30 * vms.length);
    });

    test('members of a group share the partitions; when one leaves, the others take over', async () => {
      const [a, b] = [new Recorder(), new Recorder()];
      await subscribe('g', a.handler);
      const leaving = await subscribe('g', b.handler);
      await bus.publish(vms.map((vm) => locationOf(vm, 1)));
      await harness.settle();
      expect([...a.vms(), ...b.vms()].sort()).toEqual([...vms].sort());
      expect(Math.min(a.vms().length, b.vms().length)).toBeGreaterThan(0);

      await leaving.stop();
      await bus.publish(vms.map((vm) => locationOf(vm, 2)));
      await harness.settle();
      expect(a.deliveries.filter(({ event }) => event.data.atMs === 2).length).toBe(vms.length);
    });

    test('other members take over the events that wait for a member that leaves', async () => {
      const [begun, release] = [gate(), gate()];
      const [a, b] = [new Recorder(), new Recorder()];
      const leaving = await subscribe('g', async (batch) => {
        begun.open();
        await release.opened;
        await a.handler(batch);
      });
      await subscribe('g', b.handler);
      await bus.publish(vms.map((vm) => locationOf(vm, 1)));
      await begun.opened;
      const left = leaving.stop();
      release.open();
      await left;
      await harness.settle();
      expect([...a.vms(), ...b.vms()].sort()).toEqual([...vms].sort());
    });

    test('groups are independent: each gets all events, and a slow one delays no other', async () => {
      const stuck = gate();
      const [slow, quick] = [new Recorder(), new Recorder()];
      await subscribe('slow', async (batch) => {
        await stuck.opened;
        await slow.handler(batch);
      });
      await subscribe('quick', quick.handler);
      await bus.publish(vms.map((vm) => locationOf(vm, 1)));
      await vi.waitFor(() => expect(quick.vms().length).toBe(vms.length), PATIENTLY);
      expect(slow.deliveries).toEqual([]);
      stuck.open();
      await harness.settle();
      expect(slow.vms().sort()).toEqual([...vms].sort());
    });

    test('a group keeps its offset while it has no member', async () => {
      const [before, after] = [new Recorder(), new Recorder()];
      const subscription = await subscribe('g', before.handler);
      await bus.publish([locationOf('vm-1', 1)]);
      await harness.settle();
      await subscription.stop();
      await bus.publish([locationOf('vm-1', 2), locationOf('vm-1', 3)]);
      await subscribe('g', after.handler);
      await harness.settle();
      expect(before.of('vm-1')).toEqual([1]);
      expect(after.of('vm-1')).toEqual([2, 3]);
    });

    test('a group keeps its offset from one process to the next', async ({ skip }) => {
      skip(harness.connect === undefined, 'this bus lives in one process');
      const subscription = await subscribe('g', new Recorder().handler);
      await subscription.stop();
      await bus.publish([locationOf('vm-1', 1)]);
      const other = await harness.connect!();
      const seen = new Recorder();
      await other.subscribe({ group: 'g', types: LOCATIONS }, seen.handler);
      await harness.settle();
      expect(seen.of('vm-1')).toEqual([1]);
      await other.close();
    });

    test('an event that is always refused becomes a dead letter, and its partition continues', async () => {
      const letters = new Recorder();
      const seen = new Recorder();
      const attempts: number[] = [];
      await bus.subscribe({ group: 'dead-letters', types: ['event.rejected.v1'] }, letters.handler);
      await subscribe('g', async (batch) => {
        const poisoned = batch.find(({ event }) => event.data.atMs === 3);
        if (poisoned) {
          attempts.push(poisoned.attempt);
          await new Promise(setImmediate);
          throw new TagalongError('VM_UNKNOWN', 'vm-1 was never declared');
        }
        await seen.handler(batch);
      });
      const events = [1, 2, 3, 4, 5].map((n) => locationOf('vm-1', n));
      await bus.publish(events.slice(0, 3));
      await bus.publish(events.slice(3));
      await harness.settle();
      expect([...new Set(seen.of('vm-1'))]).toEqual([1, 2, 4, 5]);
      expect(attempts).toEqual(Array.from({ length: MAX_ATTEMPTS }, (_, i) => i + 1));
      expect(letters.deliveries.map(({ event }) => event)).toMatchObject([
        {
          type: 'event.rejected.v1',
          partitionkey: 'vm-1',
          data: { vm: 'vm-1', atMs: 3, code: 'VM_UNKNOWN', reason: 'vm-1 was never declared', original: events[2] },
        },
      ]);
    });

    test('each group writes its own dead letter for an event, also for a refusal without a code', async () => {
      const letters = new Recorder();
      await bus.subscribe({ group: 'dead-letters', types: ['event.rejected.v1'] }, letters.handler);
      const refuse = async () => {
        throw new Error('no');
      };
      await subscribe('a', refuse);
      await subscribe('b', refuse);
      await bus.publish([locationOf('vm-1', 1)]);
      await harness.settle();
      const events = letters.deliveries.map(({ event }) => event as Envelope<'event.rejected.v1'>);
      expect(new Set(events.map(({ id }) => id)).size).toBe(2);
      expect(new Set(events.map(({ data }) => data.code))).toEqual(new Set(['HANDLER_FAILED']));
    });

    test('a dead letter that is refused does not become another dead letter', async () => {
      const ids = new Set<string>();
      await bus.subscribe({ group: 'dead-letters', types: ['event.rejected.v1'] }, async (batch) => {
        for (const { event } of batch) ids.add(event.id);
        throw new Error('not even this');
      });
      const data = { vm: 'vm-1', atMs: 1, code: 'X', reason: 'x', original: null };
      await bus.publish([envelop({ type: 'event.rejected.v1', data }, 'letter', '/tagalong/test')]);
      await harness.settle();
      expect([...ids]).toEqual(['letter']);
    });

    test('each member gets its assignment before an event of its partitions', async () => {
      const assignments: number[][] = [[], []];
      const strays: Delivery[] = [];
      const join = (member: number) =>
        bus.subscribe(
          {
            group: 'g',
            types: LOCATIONS,
            assigned: (partitions) => {
              assignments[member] = [...partitions];
            },
          },
          async (batch) => {
            strays.push(...batch.filter(({ partition }) => !assignments[member]!.includes(partition)));
          },
        );
      await join(0);
      const all = assignments[0]!.toSorted((a, b) => a - b);
      expect(all).toEqual(Array.from(all, (_, partition) => partition));
      await bus.publish(vms.map((vm) => locationOf(vm, 1)));
      await harness.settle();
      const leaving = await join(1);
      await vi.waitFor(() => expect(assignments.flat().sort((a, b) => a - b)).toEqual(all), PATIENTLY);
      expect(Math.min(assignments[0]!.length, assignments[1]!.length)).toBeGreaterThan(0);
      await bus.publish(vms.map((vm) => locationOf(vm, 2)));
      await harness.settle();
      await leaving.stop();
      await vi.waitFor(() => expect(assignments[0]!.toSorted((a, b) => a - b)).toEqual(all), PATIENTLY);
      expect(strays).toEqual([]);
    });

    test('one member of an exclusive group has all partitions, and another takes them over when it leaves', async () => {
      const assignments: (readonly number[])[] = [];
      const seen = [new Recorder(), new Recorder()] as const;
      const join = (member: 0 | 1) => {
        const assigned = (partitions: readonly number[]) => {
          assignments[member] = partitions;
        };
        return bus.subscribe({ group: 'g', types: LOCATIONS, exclusive: true, assigned }, seen[member].handler);
      };
      const members = [await join(0), await join(1)] as const;
      await vi.waitFor(
        () => expect(assignments.map(({ length }) => length > 0).sort()).toEqual([false, true]),
        PATIENTLY,
      );
      await bus.publish(vms.map((vm) => locationOf(vm, 1)));
      await harness.settle();
      const active = assignments[0]!.length > 0 ? 0 : 1;
      const standby = active === 0 ? 1 : 0;
      expect([seen[active].vms().length, seen[standby].vms().length]).toEqual([vms.length, 0]);
      await members[active].stop();
      await vi.waitFor(() => expect(assignments[standby]!.length).toBeGreaterThan(0), PATIENTLY);
      await bus.publish(vms.map((vm) => locationOf(vm, 2)));
      await harness.settle();
      expect(new Set(seen[standby].deliveries.map(({ event }) => event.data.atMs))).toEqual(new Set([2]));
      expect(seen[standby].vms().length).toBe(vms.length);
    });

    latestContract(() => harness);
    auditContract(() => harness);

    test('publish refuses an event that does not match its schema', async () => {
      const seen = new Recorder();
      await subscribe('g', seen.handler);
      const wrong = { ...locationOf('vm-1', 1), data: { vm: 'vm-1' } } as unknown as Event;
      await expect(bus.publish([wrong])).rejects.toMatchObject({ code: 'EVENT_INVALID' });
      await harness.settle();
      expect(seen.deliveries).toEqual([]);
    });

    test('a closed bus refuses to publish', async () => {
      await bus.close();
      await expect(bus.publish([locationOf('vm-1', 1)])).rejects.toMatchObject({ code: 'BUS_CLOSED' });
      await expect(subscribe('g', async () => {})).rejects.toMatchObject({ code: 'BUS_CLOSED' });
    });

    test('no event is lost and the order of keys is kept, with refusals, repeats, and members that join and leave', async () => {
      await fc.assert(
        fc.asyncProperty(histories, async (history) => {
          const own = await open();
          try {
            await play(own.bus, own.settle, history);
          } finally {
            await own.close();
          }
        }),
        { numRuns: runs },
      );
    }, 120_000);
  });
}

function waiting(bus: Bus, group: string): number {
  return bus
    .lag()
    .filter((lag) => lag.group === group)
    .reduce((sum, lag) => sum + lag.events, 0);
}
