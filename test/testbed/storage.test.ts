/** A disk that the sites do not share goes along with its VM, while the guest writes to it. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { moveVm, RULES, specOf, startVm, twoSites, until } from '#deploy/testbed/moves.ts';
import { openTestBed, type TestBed } from '#deploy/testbed/world.ts';
import { onTestBed } from './needs.ts';

const DISK_BYTES = 32 * 2 ** 20;
const WRITTEN_BPS = 3_000_000;

onTestBed('storage of a real VM', () => {
  let bed: TestBed;
  beforeAll(async () => {
    bed = await openTestBed(twoSites(25e6));
  });
  afterAll(() => bed?.close());

  let vm = '';
  const guest = (site: string, ...words: string[]) => bed.agents.get(site)!.guest(vm, words);
  const written = async (site: string) => Number(await guest(site, 'disk-write'));
  const spec = specOf({ diskBytes: DISK_BYTES });
  const begin = async (name: string) => {
    vm = name;
    await startVm(bed, vm, 'oslo', spec);
    await guest('oslo', 'disk-write', `${WRITTEN_BPS}`);
  };
  afterEach(async () => {
    for (const agent of bed.agents.values()) await agent.order(vm, 'remove', {});
  });

  test('moved there and back while the guest writes: everything it wrote is on the disk, and its memory is intact', async () => {
    await begin('vm1');
    await guest('oslo', 'fill', '20000000');
    const memory = await guest('oslo', 'checksum');
    // Into the second round: the disk is full of what was written.
    await until(async () => (await written('oslo')) > DISK_BYTES * 1.1, 80_000);

    const before = await written('oslo');
    const there = await moveVm(bed, vm, 'oslo', 'bonn', { spec });
    const between = await written('bonn');
    const back = await moveVm(bed, vm, 'bonn', 'oslo', { spec });
    expect(between).toBeGreaterThan(before);
    expect(await written('oslo')).toBeGreaterThan(between);
    for (const { bytes, degraded } of [there, back]) {
      expect(bytes).toBeGreaterThan(DISK_BYTES);
      expect(degraded).toEqual([]);
    }

    const [checked, rounds] = (await guest('oslo', 'disk-verify')).split(' ').map(Number);
    expect(checked).toBeGreaterThan(10);
    expect(rounds).toBeGreaterThan(0);
    expect(await guest('oslo', 'checksum')).toBe(memory);
  }, 240_000);

  test('a mirror that stalls is given up: the VM runs on at its source, with its disk', async () => {
    await begin('vm2');
    const cut = async (step: string) => {
      if (step !== 'disk') return;
      setTimeout(() => {
        for (const provider of ['north', 'south']) void bed.network.cut('bonn', provider);
      }, 300);
    };
    try {
      const moving = moveVm(bed, vm, 'oslo', 'bonn', { spec, before: cut, rules: { ...RULES, stallMs: 2500 } });
      await expect(moving).rejects.toMatchObject({ code: 'STALLED' });
    } finally {
      for (const provider of ['north', 'south']) await bed.network.mend('bonn', provider);
    }
    expect((await bed.agents.get('oslo')!.instance(vm)).instance?.state).toBe('running');
    // The guest's writes go on, and none of them was lost.
    const before = await written('oslo');
    await until(async () => (await written('oslo')) > before + 2_000_000);
    expect((await guest('oslo', 'disk-verify')).split(' ').map(Number)[0]).toBeGreaterThan(3);
  });
});
