/** Moves with compressed memory, over several channels with MPTCP and TLS. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { moveVm, RULES, startVm, twoSites } from '#deploy/testbed/moves.ts';
import { openTestBed, type TestBed } from '#deploy/testbed/world.ts';
import { onTestBed } from './needs.ts';

const RATE_BPS = 25e6;
const FILLED_BYTES = 20_000_000;

onTestBed('compressed moves of a real VM', () => {
  const beds = new Map<'none' | 'zstd', TestBed>();
  beforeAll(async () => {
    const open = async (compression: 'none' | 'zstd') =>
      void beds.set(compression, await openTestBed(twoSites(RATE_BPS), { qemu: { compression } }));
    await Promise.all([open('none'), open('zstd')]);
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
    expect(await bed.agents.get('bonn')!.guest('vm1', ['checksum']), 'the memory is intact').toBe(before);
    return there;
  };

  test('zstd sends fewer bytes over both paths, and the memory arrives intact', async () => {
    const plain = await moved('none');
    const zstd = await moved('zstd');
    expect(zstd.degraded).toEqual([]);
    expect(zstd.subflows).toBe(2);
    expect(zstd.bytes).toBeLessThan(0.7 * plain.bytes);
  });

  test('sites refuse a move with different compressions, or with zstd and post-copy, before the copy', async () => {
    const [plain, zstd] = [beds.get('none')!, beds.get('zstd')!];
    const postCopy = moveVm(zstd, 'vm1', 'bonn', 'oslo', { rules: { ...RULES, postCopy: true } });
    await expect(postCopy).rejects.toMatchObject({ code: 'ORDER_REFUSED', message: expect.stringContaining('zstd') });
    const site = plain.agents.get('bonn')!;
    const landing = {
      ...{ token: 'x', endpoints: [{ provider: 'north', address: '10.101.1.2' }], answerPort: 1, memoryPort: 1 },
      ...{ diskPort: 1, lan: { address: '10.1.0.10', prefix: 24, gateway: '10.1.0.1' }, postCopy: false },
    };
    const leaving = site.order('vm1', 'leave', {
      ...{ migration: 'vm1:x', to: 'oslo' },
      landing: { ...landing, compression: 'zstd' },
    });
    await expect(leaving).rejects.toMatchObject({ code: 'ORDER_REFUSED' });
    for (const bed of beds.values())
      expect((await bed.agents.get('bonn')!.instance('vm1')).instance?.state).toBe('running');
  });
});
