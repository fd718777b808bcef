/** A guest that writes faster than the paths carry. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { moveVm, RULES, specOf, startVm, twoSites } from '#deploy/testbed/moves.ts';
import { openTestBed, type TestBed } from '#deploy/testbed/world.ts';
import { onTestBed } from './needs.ts';

/** Far less than a guest writes, also on a slow machine. */
const RATE_BPS = 5e6;

onTestBed('a guest that writes faster than the paths carry', () => {
  let bed: TestBed;
  beforeAll(async () => {
    bed = await openTestBed(twoSites(RATE_BPS));
  });
  afterAll(() => bed?.close());

  test('is forced to stop, or its move fails, as configured', { timeout: 240_000 }, async () => {
    const vm = 'vm1';
    await startVm(bed, vm, 'oslo');
    await bed.agents.get('oslo')!.guest(vm, ['dirty', '40000000', '32000000']);
    const give = { rules: { ...RULES, maxRounds: 1, maxPauseMs: 10 } };
    await expect(moveVm(bed, vm, 'oslo', 'bonn', give)).rejects.toMatchObject({ code: 'NOT_CONVERGING' });
    const { instance } = await bed.agents.get('oslo')!.instance(vm);
    expect(instance?.state).toBe('running');
    const force = { rules: { ...RULES, maxRounds: 1, maxPauseMs: 10_000 }, spec: specOf() };
    const { degraded, pauseMs } = await moveVm(bed, vm, 'oslo', 'bonn', force);
    expect(degraded).toEqual(['forced-stop']);
    expect(pauseMs).toBeGreaterThan(300);
  });
});
