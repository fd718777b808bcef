import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Fix } from '#services/replay/traces/fix.ts';
import { between, resample } from '#services/replay/traces/resample.ts';
import { SEED } from '../../../../property/seed.ts';
import { readAll, temporaryFolder } from './folder.ts';

const folder = temporaryFolder();
const at = (user: string, seconds: number, lat: number, lon = 0): Fix => ({ user, atMs: seconds * 1000, lat, lon });

async function resampled(fixes: readonly Fix[], everyS: number, gapS: number) {
  const report = { everyMs: everyS * 1000, gapMs: gapS * 1000, sessions: 0, positions: 0 };
  const batches = async function* () {
    for (const fix of fixes) yield [fix];
  };
  const positions: Fix[] = [];
  for await (const batch of resample(batches(), report)) positions.push(...batch);
  return { positions, report };
}

describe('positions at a steady interval', () => {
  it('lie between the recorded ones, in order of time over all users', async () => {
    const fixes = [at('ann', 0, 10), at('bob', 3, 50), at('ann', 20, 12), at('bob', 13, 60)];
    const { positions, report } = await resampled(fixes, 5, 60);
    expect(positions).toEqual([
      at('ann', 0, 10),
      at('bob', 3, 50),
      at('ann', 5, 10.5),
      at('bob', 8, 55),
      at('ann', 10, 11),
      at('bob', 13, 60),
      at('ann', 15, 11.5),
      at('ann', 20, 12),
    ]);
    expect(report).toEqual({ everyMs: 5000, gapMs: 60_000, sessions: 2, positions: 8 });
  });

  it('are fewer than the recorded ones if these are denser', async () => {
    const fixes = Array.from({ length: 61 }, (_, i) => at('ann', i, i, 5));
    const { positions } = await resampled(fixes, 20, 60);
    expect(positions).toEqual([0, 20, 40, 60].map((s) => at('ann', s, s, 5)));
  });

  it('do not fill a long silence: another session begins after it', async () => {
    const { positions, report } = await resampled([at('ann', 0, 10), at('ann', 60, 11), at('ann', 121, 12)], 30, 60);
    expect(positions).toEqual([at('ann', 0, 10), at('ann', 30, 10.5), at('ann', 60, 11), at('ann', 121, 12)]);
    expect(report.sessions).toBe(2);
  });

  it('keep implausible and late positions, and do not lead to them', async () => {
    const odd = [at('ann', 10, 0, 0), at('ann', 12, 95), at('ann', -5, 9)];
    const { positions } = await resampled([at('ann', 0, 10), ...odd, at('ann', 20, 12)], 10, 60);
    expect(positions).toEqual([
      at('ann', -5, 9),
      at('ann', 0, 10),
      at('ann', 10, 0, 0),
      at('ann', 10, 11),
      at('ann', 12, 95),
      at('ann', 20, 12),
    ]);
  });

  it('cross the date line the short way', () => {
    expect(between(at('ann', 0, 0, 179), at('ann', 10, 0, -179), 7500)).toEqual(at('ann', 7.5, 0, -179.5));
    expect(between(at('ann', 0, 0, -179), at('ann', 10, 0, 179), 2500)).toEqual(at('ann', 2.5, 0, -179.5));
  });
});

it('positions at a steady interval ascend and lie within their session, for any track in order', async () => {
  const walk = fc.array(
    fc.record({
      user: fc.constantFrom('ann', 'bob', 'cat'),
      after: fc.integer({ min: 0, max: 90 }),
      lat: fc.integer({ min: 1, max: 80 }),
    }),
    { maxLength: 60 },
  );
  let made = 0;
  await fc.assert(
    fc.asyncProperty(
      walk,
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 200 }),
      async (steps, everyS, gapS) => {
        let now = 0;
        const fixes = steps.map(({ user, after, lat }) => {
          now += after;
          return at(user, now, lat);
        });
        const { positions, report } = await resampled(fixes, everyS, gapS);
        expect(positions.map(({ atMs }) => atMs)).toEqual(positions.map(({ atMs }) => atMs).toSorted((a, b) => a - b));
        expect(report.positions).toBe(positions.length);
        made += positions.length;
        for (const user of ['ann', 'bob', 'cat']) {
          const times = fixes.filter((fix) => fix.user === user).map(({ atMs }) => atMs);
          for (const position of positions.filter((one) => one.user === user)) {
            const before = times.findLast((ms) => ms <= position.atMs)!;
            const behind = times.find((ms) => ms >= position.atMs)!;
            expect(behind - before).toBeLessThanOrEqual(gapS * 1000);
          }
        }
      },
    ),
    { seed: SEED },
  );
  expect(made).toBeGreaterThan(100);
});

it('openTrace resamples on request, and reports it', async () => {
  const path = folder.write('two.csv', 'user,t,lat,lon\nann,0,1,2\nann,20,1,4\n');
  const { fixes, report } = await readAll(path, { sampling: { everyMs: 10_000, gapMs: 60_000 } });
  expect(fixes).toEqual([at('ann', 0, 1, 2), at('ann', 10, 1, 3), at('ann', 20, 1, 4)]);
  expect(report).toMatchObject({ rows: 2, sampling: { everyMs: 10_000, gapMs: 60_000, sessions: 1, positions: 3 } });
  expect((await readAll(path)).report.sampling).toEqual({ everyMs: null });
});
