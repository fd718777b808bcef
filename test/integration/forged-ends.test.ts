/** A program publishes forged events of a move under way, with its right VM and sites. Placement believes the migrator's record only. */
import { afterEach, expect, test } from 'vitest';
import { type Event, envelop, type Fact, type Figures } from '#shared/events/index.ts';
import { Harness } from '../property/harness.ts';

let harness: Harness;
let serial = 0;
afterEach(() => harness.close());

const FIGURES: Figures = {
  durationMs: 1,
  pauseMs: 1,
  interruptionMs: 1,
  bytes: 0,
  bytesByPath: {},
  rounds: 1,
  subflows: 2,
  degraded: [],
};
const placed = () =>
  harness
    .placementOf('v0')!
    .status()
    .vms.find(({ vm }) => vm === 'v0');
const ends = () => harness.published.filter(({ id }) => id.endsWith(':end')).map(({ type }) => type);

async function forge(...facts: Fact[]): Promise<void> {
  await harness.bus.publish(facts.map((fact): Event => envelop(fact, `forged-${serial++}`, '/tagalong/migrator')));
  await harness.settle();
}
/** The forged events of the move of `v0` from `s0` to `s1`. */
function forgeries(): Fact[] {
  const [order] = harness.moves().slice(-1);
  const data = { migration: order!.decision, vm: 'v0', from: order!.from, to: order!.to, atMs: harness.nowMs };
  const failed = { ...data, phase: 'memory', code: 'X', reason: 'x', figures: FIGURES } as const;
  return [
    { type: 'migration.switched.v1', data: { ...data, pauseMs: 1 } },
    { type: 'migration.completed.v1', data: { ...data, figures: FIGURES } },
    { type: 'migration.cancelled.v1', data: { ...data, phase: 'memory', by: 'x', figures: FIGURES } },
    { type: 'migration.failed.v1', data: { ...failed, runsAt: data.to } },
    { type: 'migration.failed.v1', data: { ...failed, runsAt: data.from } },
  ];
}

test.each([0, 1, 2, 3, 4])(
  'a forged end (%i) of a move that is copying changes nothing, and the real move completes',
  async (n) => {
    harness = await Harness.create({ vms: 1 });
    await harness.ask(() => harness.placementOf('v0')!.order('v0', 's1'));
    await harness.runUntil('memory');
    const before = placed();
    expect(before).toMatchObject({ home: 's0', movingTo: 's1' });
    await forge(forgeries()[n]!);
    expect(placed()).toEqual(before);
    expect(harness.placementOf('v0')!.neverOrdered).toBe(1);
    await harness.finishMoves();
    expect([placed()?.home, ends()]).toEqual(['s1', ['migration.completed.v1']]);
    // Nothing is left of it that would prevent the next move.
    await harness.ask(() => harness.placementOf('v0')!.order('v0', 's2'));
    await harness.finishMoves();
    expect([placed()?.home, ends()]).toEqual(['s2', ['migration.completed.v1', 'migration.completed.v1']]);
  },
);

test('a forged end between the switch-over and the end teaches nothing', async () => {
  harness = await Harness.create({ vms: 1 });
  await harness.ask(() => harness.placementOf('v0')!.order('v0', 's1'));
  await harness.runUntil('release');
  await forge(...forgeries().slice(1));
  expect(placed()).toMatchObject({ home: 's1', movingTo: 's1' });
  expect(harness.placementOf('v0')!.neverOrdered).toBe(4);
  await harness.finishMoves();
  expect(placed()).toMatchObject({ home: 's1', movingTo: null });
});
