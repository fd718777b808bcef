/** Memory that is compressed on its way: several channels over MPTCP, in TLS. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { moveVm, startVm, twoSites } from '#deploy/testbed/moves.ts';
import { openTestBed, type TestBed } from '#deploy/testbed/world.ts';
import { onTestBed } from './needs.ts';

const RATE_BPS = 25e6;
const FILLED_BYTES = 20_000_000;

onTestBed('compressed moves of a real VM', () => {
  const beds = new Map<'none' | 'zstd', TestBed>();
  beforeAll(async () => {
    for (const compression of ['none', 'zstd'] as const) {
      beds.set(compression, await openTestBed(twoSites(RATE_BPS), { qemu: { compression } }));
    }
  });
  afterAll(async () => {
    for (const bed of beds.values()) await bed.close();
  });

  const moved = async (compression: 'none' | 'zstd') => {
    const bed = beds.get(compression)!;
    await startVm(bed, 'vm1', 'oslo');
    await bed.agents.get('oslo')!.guest('vm1', ['fill', `${FILLED_BYTES}`]);
    const before = await bed.agents.get('oslo')!.guest('vm1', ['checksum']);
    const there = await moveVm(bed, 'vm1', 'oslo', 'bonn');
    expect(await bed.agents.get('bonn')!.guest('vm1', ['checksum']), 'its memory is intact').toBe(before);
    return there;
  };

  test('zstd sends less than no compression does, over both paths, and the memory arrives intact', async () => {
    const plain = await moved('none');
    const zstd = await moved('zstd');
    expect(zstd.degraded).toEqual([]);
    expect(zstd.subflows).toBe(2);
    expect(zstd.bytes).toBeLessThan(0.7 * plain.bytes);
  });
});
