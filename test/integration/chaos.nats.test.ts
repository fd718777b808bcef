/** Kills members, stops members and kills the server, in random order, while events are published. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { natsBus } from '#shared/bus/nats/bus.ts';
import { seededRandom } from '#shared/random/random.ts';
import { locationOf } from '../contract/bus-events.ts';
import { SEED } from '../property/seed.ts';
import { onNats, startNats } from '../servers/nats.ts';
import { firstHandled, type Handled } from './nats-handled.ts';

const PARTITIONS = 8;
const MEMBERS = 3;
const DISTURBANCES = 8;
const BETWEEN_MS = 1_500;
const vms = Array.from({ length: 30 }, (_, i) => `vm-${i}`);

onNats('the bus on NATS, while its members and its server are killed', () => {
  test('loses nothing, and keeps keys in order', async () => {
    const random = seededRandom(SEED);
    const server = await startNats();
    const prefix = `t${randomUUID().slice(0, 8)}`;
    const handled: Handled[] = [];
    const members: ChildProcess[] = [];
    const join = () => {
      const program = new URL('nats-member.main.ts', import.meta.url).pathname;
      const child = spawn(process.execPath, [program, server.url, prefix, String(PARTITIONS)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      members.push(child);
      // A member ends if it finds no server for too long. A supervisor would start it again.
      child.once('exit', () => {
        if (!members.includes(child)) return;
        members.splice(members.indexOf(child), 1);
        join();
      });
      createInterface({ input: child.stdout! }).on('line', (line) => {
        const printed = JSON.parse(line) as Handled | { assigned: number[] };
        if ('key' in printed) handled.push(printed);
      });
    };
    const disturbances = [
      () => members.shift()!.kill('SIGKILL'),
      () => members.shift()!.kill('SIGTERM'),
      async () => {
        await server.kill();
        await server.restart();
      },
    ];
    const bus = await natsBus({ servers: server.url, prefix, partitions: PARTITIONS });
    try {
      // The offset of the group begins here; the group gets no event from before.
      await (await bus.subscribe({ group: 'g', types: ['location.reported.v1'] }, async () => {})).stop();
      for (let i = 0; i < MEMBERS; i++) join();
      let disturbing = true;
      let published = 0;
      const publishing = (async () => {
        while (disturbing) {
          await bus.publish(vms.map((vm) => locationOf(vm, published)));
          published++;
          await pause(20);
        }
      })();
      for (let i = 0; i < DISTURBANCES; i++) {
        await pause(BETWEEN_MS * random.next());
        await disturbances[Math.floor(random.next() * disturbances.length)]!();
        while (members.length < MEMBERS) join();
      }
      disturbing = false;
      await publishing;
      const all = Array.from({ length: published }, (_, n) => n);
      expect(published).toBeGreaterThan(DISTURBANCES);
      await vi.waitFor(
        () => {
          for (const vm of vms) expect(firstHandled(handled, vm).length, vm).toBe(published);
        },
        { timeout: 60_000, interval: 200 },
      );
      for (const vm of vms) expect(firstHandled(handled, vm), vm).toEqual(all);
    } finally {
      for (const member of members.splice(0)) member.kill('SIGKILL');
      await bus.close();
      await server.stop();
    }
  }, 150_000);
});
