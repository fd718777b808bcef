/** Random commands for the harness: each is one event in the life of a running system. */
import fc from 'fast-check';
import { TERMINAL_TYPES } from '#shared/events/index.ts';
import type { Fault } from '#shared/hypervisor/simulated/faults.ts';
import { START_MS } from '../unit/shared/policy/world.ts';
import { type Harness, type ProcessName, SITES } from './harness.ts';

export interface Command {
  readonly name: string;
  readonly run: (harness: Harness) => Promise<void>;
  readonly toString: () => string;
}

function command(name: string, run: (harness: Harness) => Promise<void>): Command {
  return { name, run, toString: () => name };
}

const index = fc.nat({ max: 2 });
const site = fc.constantFrom(...SITES);
const awayMs = fc.constantFrom(0, 0, 3_000, 40_000);

/** A user goes somewhere along the line of sites, and stays there. */
const place = fc.oneof(
  fc.constantFrom(0, 1, 2, 3),
  fc.integer({ min: 0, max: 300 }).map((percent) => percent / 100),
);
const go = fc
  .tuple(index, place)
  .map(([i, place]) => command(`u${i} goes to ${place}`, (h) => h.fix(h.vms[i]!, `u${i}`, place)));

/** A user walks a few kilometres, as most do most of the time. */
const walk = fc
  .tuple(index, fc.integer({ min: -15, max: 15 }))
  .map(([i, percent]) =>
    command(`u${i} walks ${percent} km`, (h) => h.fix(h.vms[i]!, `u${i}`, h.placeOf(`u${i}`) + percent / 100)),
  );

const pass = fc
  .oneof(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 3_000, max: 60_000 }))
  .map((ms) => command(`${ms} ms pass`, (h) => h.pass(ms)));

const approach = fc
  .constantFrom('prepare', 'announce', 'memory', 'switch', 'switch', 'release', 'undoing')
  .map((state) => command(`until a migration is in ${state}`, (h) => h.runUntil(state)));

const sessions = fc
  .tuple(index, fc.boolean())
  .map(([i, on]) =>
    command(`u${i} ${on ? 'attaches to' : 'detaches from'} v${i}`, (h) =>
      on
        ? h.attach(h.vms[i]!, `u${i}`)
        : h.publish({ type: 'session.detached.v1', data: { vm: h.vms[i]!, user: `u${i}`, atMs: h.nowMs } }),
    ),
  );

/** A client reports a gap of any VM, or of a moving one, so that some gaps belong to a move. */
const interruption = fc.tuple(index, fc.integer({ min: 1, max: 2_000 }), fc.boolean()).map(([i, gapMs, ofMoving]) =>
  command(`a client of ${ofMoving ? 'a VM that moves' : `v${i}`} saw a gap of ${gapMs} ms`, (h) => {
    // A migrator that has restarted may list its moves in another order. A run with restarts must report the gap of the same VM.
    const [moving] =
      h.migrator
        ?.status()
        .map((status) => status.vm)
        .toSorted() ?? [];
    const vm = (ofMoving && moving) || h.vms[i]!;
    const user = `u${h.vms.indexOf(vm)}`;
    return h.publish({
      type: 'interruption.reported.v1',
      data: { vm, user, atMs: h.nowMs, gapMs, resets: 0, lostBytes: 0 },
    });
  }),
);

const drain = fc.tuple(site, fc.boolean()).map(([name, on]) =>
  command(`${name} ${on ? 'drains' : 'is open'}`, async (h) => {
    await h.siteReporter.drain(name, on, true);
    await h.settle();
  }),
);

const order = fc
  .tuple(index, site)
  .map(([i, to]) =>
    command(`operator orders v${i} to ${to}`, (h) => h.ask(() => h.placementOf(h.vms[i]!)?.order(h.vms[i]!, to))),
  );

const cancel = fc.nat({ max: 2 }).map((i) =>
  command(`operator cancels migration ${i}`, (h) =>
    h.ask(async () => {
      const live = h.migrator?.status() ?? [];
      if (live.length > 0) await h.migrator?.cancel(live[i % live.length]!.migration, 'operator');
    }),
  ),
);

/** The bus delivers at least once: an earlier event arrives again, under an id that the bus does not know. */
const repeat = fc.nat({ max: 30 }).map((back) =>
  command(`event ${back} before the last comes again`, async (h) => {
    const event = h.published[h.published.length - 1 - back];
    if (event) await h.repeat(event);
  }),
);

/** The end of an old move arrives again, perhaps during another move of the VM. */
const repeatEnd = fc.nat({ max: 8 }).map((i) =>
  command(`end ${i} comes again`, async (h) => {
    const ends = h.of(...TERMINAL_TYPES);
    if (ends.length > 0) await h.repeat(ends[i % ends.length]!);
  }),
);

const late = fc
  .tuple(index, fc.integer({ min: 1, max: 100_000 }), fc.constantFrom(0, 1.4, 3))
  .map(([i, agoMs, place]) =>
    command(`a fix of u${i} at ${place} comes ${agoMs} ms late`, (h) =>
      h.fix(h.vms[i]!, `u${i}`, place, freeInstant(h, h.nowMs - agoMs)),
    ),
  );

/**
 * The first instant from `fromMs` on at which no user was seen: two VMs of one instant have no order across partitions. It lies after
 * the start, because an earlier position counts at the start.
 */
function freeInstant(harness: Harness, fromMs: number): number {
  const taken = new Set(harness.of('location.reported.v1').map(({ data }) => data.atMs));
  let atMs = Math.max(fromMs, START_MS + 1);
  while (taken.has(atMs)) atMs++;
  return Math.min(atMs, harness.nowMs);
}

type Away = fc.Arbitrary<number>;

export const restart = (process: fc.Arbitrary<ProcessName>, away: Away = awayMs) =>
  fc.tuple(process, away).map(([name, ms]) => command(`${name} restarts after ${ms} ms`, (h) => h.stop(name, ms)));

export const crash = (process: fc.Arbitrary<ProcessName>, away: Away = awayMs) =>
  fc
    .tuple(process, fc.integer({ min: 1, max: 12 }), fc.boolean(), away)
    .map(([name, n, after, ms]) =>
      command(`${name} will die ${after ? 'after' : 'before'} operation ${n}, for ${ms} ms`, async (h) =>
        h.arm(name, n, after, ms),
      ),
    );

/** Users who go from site to site, never between. */
const hop = fc
  .tuple(index, fc.constantFrom(0, 1, 2, 3))
  .map(([i, place]) => command(`u${i} goes to site ${place}`, (h) => h.fix(h.vms[i]!, `u${i}`, place)));

export const hopping = fc.oneof(
  { arbitrary: hop, weight: 6 },
  { arbitrary: pass, weight: 8 },
  { arbitrary: sessions, weight: 1 },
  { arbitrary: late, weight: 1 },
);

/** Commands without repeats and without late events. */
export const inOrder = fc.oneof(
  { arbitrary: go, weight: 4 },
  { arbitrary: walk, weight: 6 },
  { arbitrary: pass, weight: 8 },
  { arbitrary: order, weight: 2 },
  { arbitrary: sessions, weight: 1 },
  { arbitrary: interruption, weight: 1 },
);

const undisturbed = fc.oneof({ arbitrary: inOrder, weight: 22 }, { arbitrary: late, weight: 1 });

/** All commands. @param processes the processes that may restart or crash */
export const anything = (processes: readonly ProcessName[]) =>
  fc.oneof(
    { arbitrary: undisturbed, weight: 18 },
    { arbitrary: drain, weight: 1 },
    { arbitrary: cancel, weight: 2 },
    { arbitrary: repeat, weight: 2 },
    { arbitrary: repeatEnd, weight: 2 },
    { arbitrary: approach, weight: 5 },
    { arbitrary: restart(fc.constantFrom(...processes)), weight: 3 },
    { arbitrary: crash(fc.constantFrom(...processes)), weight: 3 },
  );

const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.constantFrom(0, 10, 2_000).map((afterMs): Fault => ({ kind: 'fail', code: 'BROKEN', reason: 'a test', afterMs })),
  fc.constant<Fault>({ kind: 'hang' }),
  fc.constantFrom(3, 20).map((factor): Fault => ({ kind: 'slow', factor })),
);
/** Faults for the steps of moves; most steps have none. */
export const faults = fc.array(
  fc.oneof({ arbitrary: fc.constant(undefined), weight: 5 }, { arbitrary: fault, weight: 1 }),
  { maxLength: 60, size: 'max' },
);
