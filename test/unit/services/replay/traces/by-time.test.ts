import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, expect, it, vi } from 'vitest';
import { byTime } from '#services/replay/traces/by-time.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import { SEED } from '../../../../property/seed.ts';
import { temporaryFolder } from './folder.ts';

const folder = temporaryFolder();
afterEach(() => vi.unstubAllEnvs());

async function* batchesOf(fixes: readonly Fix[], size: number): AsyncGenerator<readonly Fix[]> {
  for (let at = 0; at < fixes.length; at += size) yield fixes.slice(at, at + size);
}

async function flat(batches: AsyncIterable<readonly Fix[]>): Promise<Fix[]> {
  const fixes: Fix[] = [];
  for await (const batch of batches) fixes.push(...batch);
  return fixes;
}

const fix = fc.record({
  user: fc.constantFrom('ann', 'bob', 'cat'),
  atMs: fc.integer({ min: 0, max: 50 }),
  lat: fc.double({ noNaN: true }),
  lon: fc.double({ noNaN: true }),
});

it('returns all positions in order of time, equal times in their order, with any number of them in memory', async () => {
  let spilled = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fix, { maxLength: 200, size: 'max' }),
      fc.integer({ min: 1, max: 60 }),
      async (fixes, runFixes) => {
        if (fixes.length > runFixes) spilled++;
        const sorted = await flat(byTime(batchesOf(fixes, 7), runFixes));
        expect(sorted).toEqual(fixes.toSorted((a, b) => a.atMs - b.atMs));
      },
    ),
    { seed: SEED },
  );
  expect(spilled).toBeGreaterThan(10);
});

it('leaves no temporary file, also if the reader stops early', async () => {
  vi.stubEnv('TMPDIR', folder.path);
  const fixes = Array.from({ length: 20_000 }, (_, i) => ({ user: 'ann', atMs: (i * 7919) % 20_011, lat: i, lon: 0 }));
  for await (const batch of byTime(batchesOf(fixes, 1000), 500)) {
    expect(batch).toHaveLength(4096);
    break;
  }
  expect(readdirSync(folder.path)).toEqual([]);
});
