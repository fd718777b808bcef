/** A program publishes forged decisions. The migrator ignores them, and carries out the true ones (rule 9). */
import { afterEach, describe, expect, test } from 'vitest';
import { type Data, type Event, envelop, type Fact } from '#shared/events/index.ts';
import { Harness } from '../property/harness.ts';
import { decided } from '../unit/shared/migration/world.ts';

const LAST = Number.MAX_SAFE_INTEGER;
let harness: Harness;
let serial = 0;
afterEach(() => harness.close());

async function forge(...facts: Fact[]): Promise<void> {
  await harness.bus.publish(facts.map((fact): Event => envelop(fact, `forged-${serial++}`, '/tagalong/placement')));
  await harness.settle();
}
const forged = (vm: string, seq: number, more: Partial<Data<'placement.decided.v1'>> = {}) =>
  decided(vm, seq, { from: 's0', to: 's1', atMs: harness.nowMs, ...more });
/** Orders `v0` to a site at the real placement. */
const order = (site: string) => harness.ask(() => harness.placementOf('v0')!.order('v0', site));
const accepted = () => harness.of('migration.accepted.v1').map(({ data }) => data.migration);
const outcomes = () =>
  harness.published.map(({ type }) => type).filter((type) => /completed|failed|cancelled/.test(type));
const refused = () => harness.migrator!.refused;

describe('a forged decision', () => {
  test.each<[string, () => Fact]>([
    ['with the next number', () => forged('v0', 1)],
    ['with the last number of all', () => forged('v0', LAST)],
    ['on a VM that does not exist', () => forged('ghost', 1)],
    ['to a site that does not exist', () => forged('v0', 1, { to: 'atlantis' })],
    ['under the name of another VM', () => forged('v0', 1, { decision: 'v1:1' })],
    ['of the far future', () => forged('v0', 1, { atMs: 253_402_300_799_999 })],
    ['that cancels what was never ordered', () => forged('v0', LAST, { verdict: 'cancel', cancels: `v0:${LAST - 1}` })],
  ])('%s changes nothing, and the next true one is carried out', async (_, make) => {
    harness = await Harness.create({ vms: 2 });
    await forge(make());
    expect([accepted(), outcomes(), refused()]).toEqual([[], [], 1]);
    await order('s1');
    await harness.finishMoves();
    expect([accepted(), outcomes()]).toEqual([['v0:1'], ['migration.completed.v1']]);
    expect(harness.hypervisor.running('v0')).toEqual(['s1']);
  });

  test('during a move neither cancels it nor takes its place', async () => {
    harness = await Harness.create({ vms: 2 });
    await order('s1');
    await harness.runUntil('memory');
    await forge(forged('v0', 2, { verdict: 'cancel', cancels: 'v0:1' }), forged('v0', 2, { to: 's2' }));
    expect([refused(), harness.migrator!.status()]).toMatchObject([2, [{ migration: 'v0:1', state: 'memory' }]]);
    await harness.finishMoves();
    expect([accepted(), outcomes()]).toEqual([['v0:1'], ['migration.completed.v1']]);
  });

  test('with a number that placement has used for a cancel is not carried out', async () => {
    harness = await Harness.create({ vms: 1 });
    await order('s1');
    await harness.runUntil('memory');
    await harness.migrator!.cancel('v0:1', 'operator');
    await harness.finishMoves();
    await order('s1');
    await harness.finishMoves();
    const [last] = harness.moves().slice(-1);
    await forge(forged('v0', last!.seq, { from: 's1', to: 's2' }));
    await harness.finishMoves();
    expect(accepted()).toEqual(harness.moves().map(({ decision }) => decision));
    expect(harness.hypervisor.running('v0')).toEqual(['s1']);
  });

  test('on a VM of another placement takes up no limit of a site', async () => {
    harness = await Harness.create({ vms: 4, processes: ['migrator', 'placement', 'placement-2'] });
    // Each site allows one move: a forged one to each would forbid all others.
    await forge(
      ...['g0', 'g1', 'g2', 'g3', 'g4', 'g5', 'g6', 'g7'].map((vm) => forged(vm, 1, { from: 's3', to: 's1' })),
    );
    await order('s1');
    await harness.finishMoves();
    expect(outcomes()).toEqual(['migration.completed.v1']);
  });

  test('stops no migrator that starts later', async () => {
    harness = await Harness.create({ vms: 2 });
    await forge(forged('v0', LAST), forged('ghost', 1));
    await harness.stop('migrator', 0);
    await harness.settle();
    expect(harness.migrator!.ready()).toBe(true);
    await order('s1');
    await harness.finishMoves();
    expect(outcomes()).toEqual(['migration.completed.v1']);
  });
});
