/** Measures the in-process bus against direct calls of the policy with the same events. */
import { setImmediate as turn } from 'node:timers/promises';
import { createPlacement } from '#services/placement/service.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import type { Event } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { Placement } from '#shared/policy/placement.ts';
import { seededRandom } from '#shared/random/random.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { atLeast, type BenchRow, median } from '../bench.ts';
import { configOn, makeWorld, population, positions, type World } from './world.ts';

const REPEATS = 5;
const config = configOn('memory:', 'bench', 16);
const types = ['location.reported.v1'] as const;

/** @param vms number of VMs; each has ten positions */
export async function benchMemoryBus(vms: number, seed: number): Promise<BenchRow[]> {
  const world = makeWorld(vms, 10, seed, Date.now());
  // Shuffled, so that users do not report in the order in which their VMs lie in memory.
  const random = seededRandom(seed);
  const order = Float64Array.from({ length: vms }, () => random.next());
  const events = Array.from({ length: world.size.steps }, (_, step) =>
    positions(world, step + 1)
      .map((event, i) => ({ event, at: order[i]! }))
      .sort((a, b) => a.at - b.at)
      .map(({ event }) => event),
  );
  const rates: { direct: number; bus: number; service: number }[] = [];
  // One round of each warms up the compiler; then they run in turns.
  for (let round = 0; round <= REPEATS; round++) {
    const [direct, bus] = [await rateOf(events, await directly(world)), await rateOf(events, await throughBus(world))];
    const service = await rateOf(events, await throughService(world));
    if (round > 0) rates.push({ direct, bus, service });
  }
  const middle = (of: (rate: (typeof rates)[number]) => number) => median(rates.map(of));
  return [
    { metric: 'policy called directly', value: middle(({ direct }) => direct), unit: 'events a CPU second' },
    { metric: 'policy behind the bus in memory', value: middle(({ bus }) => bus), unit: 'events a CPU second' },
    atLeast(
      '  ratio',
      middle(({ bus, direct }) => bus / direct),
      'x',
      0.5,
    ),
    { metric: 'placement, its store in memory', value: middle(({ service }) => service), unit: 'events a CPU second' },
  ];
}

interface Way {
  take(step: readonly Event[]): Promise<unknown> | undefined;
  /** Resolves when all events are handled. */
  done?(): Promise<void>;
}

/** Events a second of processor time: other work on the machine does not change it. */
async function rateOf(steps: readonly (readonly Event[])[], { take, done }: Way): Promise<number> {
  await turn();
  const before = process.cpuUsage();
  for (const step of steps) await take(step);
  await done?.();
  const { user, system } = process.cpuUsage(before);
  return (steps.reduce((sum, { length }) => sum + length, 0) / (user + system)) * 1e6;
}

/** Returns a function that applies events to a placement core of its own. The core knows the VMs already. */
function core(world: World) {
  const { network, move, policy, limits, ingest } = config;
  const placement = new Placement({ network, move, policy, limits, plausibility: ingest.plausibility });
  const take = (deliveries: Iterable<{ readonly event: Event }>) => {
    const nowMs = Date.now();
    for (const { event } of deliveries) placement.apply(event, nowMs);
    placement.drain();
  };
  take([...population(world), ...positions(world, 0)].map((event) => ({ event })));
  return take;
}

async function directly(world: World): Promise<Way> {
  const take = core(world);
  return {
    take(step) {
      take(step.map((event) => ({ event })));
      return undefined;
    },
  };
}

async function throughBus(world: World): Promise<Way> {
  const take = core(world);
  const bus = memoryBus({ partitions: 16 });
  await bus.subscribe({ group: 'bench', types }, async (batch) => take(batch));
  return { take: (step) => bus.publish(step), done: () => bus.idle() };
}

async function throughService(world: World): Promise<Way> {
  const bus = memoryBus({ partitions: 16 });
  const parts = { bus, store: memoryStore(), clock: realClock(), config, log: createLog('silent') };
  const placement = createPlacement(parts);
  await placement.start();
  await bus.publish([...population(world), ...positions(world, 0)]);
  await bus.idle();
  return {
    take: (step) => bus.publish(step),
    async done() {
      await bus.idle();
      await placement.stop();
    },
  };
}
