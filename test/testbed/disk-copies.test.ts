/** A disk holds all writes, for any writes, moves and faults. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SEED } from '../property/seed.ts';
import { DISK_BYTES, DiskWorld, type Hop, type Write } from './disk-world.ts';
import { onTestBed } from './needs.ts';

const SECTOR = 512;
const write: fc.Arbitrary<Write> = fc.record({
  at: fc.nat({ max: DISK_BYTES / SECTOR - 1 }).map((sector) => sector * SECTOR),
  bytes: fc.oneof(
    fc.constant(SECTOR),
    fc.integer({ min: 1, max: 400 }).map((sectors) => sectors * SECTOR),
  ),
  value: fc.integer({ min: 0, max: 255 }),
});
const writes = (maxLength: number) => fc.array(write, { maxLength });
const hop: fc.Arbitrary<Hop> = fc.record({
  to: fc.nat({ max: 1 }),
  before: writes(3),
  during: writes(6),
  late: writes(2),
  crashAfter: fc.option(fc.nat({ max: 24 }), { nil: undefined, freq: 2 }),
  fault: fc.oneof(
    { weight: 6, arbitrary: fc.constant('none' as const) },
    { weight: 1, arbitrary: fc.constantFrom('cancelled' as const, 'QEMU killed' as const) },
  ),
});

onTestBed('a disk between three sites', () => {
  test('holds all writes after each move, return, crash, restart and cancelled move', async () => {
    const copies = { whole: 0, partial: 0 };
    const property = fc.asyncProperty(fc.array(hop, { minLength: 6, maxLength: 10 }), async (hops) => {
      const world = new DiskWorld(await mkdtemp(join(tmpdir(), 'disk-')));
      try {
        await world.open();
        for (const each of hops) await world.hop(each);
      } finally {
        await world.close();
      }
      copies.whole += world.copies.whole;
      copies.partial += world.copies.partial;
    });
    await fc.assert(property, { seed: SEED, numRuns: Number(process.env.TAGALONG_RUNS ?? 4), endOnFailure: true });
    expect(copies.whole, 'whole disks').toBeGreaterThan(0);
    expect(copies.partial, 'returns that sent only a part').toBeGreaterThan(0);
  });
});
