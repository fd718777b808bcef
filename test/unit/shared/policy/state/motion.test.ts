import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_SITE } from '#services/replay/site-lists.ts';
import type { Data, Fact } from '#shared/events/index.ts';
import { KM_PER_DEGREE } from '#shared/geo/distance.ts';
import { type Motion, newMotion, updateMotion } from '#shared/policy/state/motion.ts';
import { run } from '#simulations/engine.ts';
import { SEED } from '../../../../property/seed.ts';
import { configWith } from '../world.ts';

/** A position this many metres north of the start. */
const fix = (atS: number, metres: number) => ({ atMs: atS * 1000, lat: 40 + metres / 1000 / KM_PER_DEGREE, lon: -74 });

function walk(...fixes: (readonly [atS: number, metres: number])[]): Motion {
  const motion = newMotion();
  for (const [atS, metres] of fixes) updateMotion(motion, fix(atS, metres));
  return motion;
}

describe('the motion of a user', () => {
  test('is rest until two positions show travel', () => {
    expect(newMotion().travelling).toBe(false);
    expect(walk([0, 0]).travelling).toBe(false);
    expect(walk([0, 0], [20, 39]).travelling).toBe(false);
    expect(walk([0, 0], [20, 41]).travelling).toBe(true);
  });

  test('ignores positions less than twenty seconds apart, because they scatter', () => {
    expect(walk([0, 0], [1, 30], [2, 0], [19, 300]).travelling).toBe(false);
    expect(walk([0, 0], [1, 30], [2, 0], [20, 0]).travelling).toBe(false);
  });

  test('reports each change once', () => {
    const motion = newMotion();
    const changed = [0, 20, 40, 60, 80].map((atS) => updateMotion(motion, fix(atS, Math.min(atS, 40) * 10)));
    expect(changed).toEqual([false, true, false, true, false]);
  });

  test('follows the speed of travel, and keeps it during rest', () => {
    const onTheWay = walk(...Array.from({ length: 50 }, (_, i) => [i * 20, i * 20 * 30] as const));
    expect(onTheWay.speedMps).toBeCloseTo(30, 1);
    updateMotion(onTheWay, fix(2000, 49 * 20 * 30));
    expect(onTheWay.travelling).toBe(false);
    expect(onTheWay.speedMps).toBeCloseTo(30, 1);
  });

  test('has the beginning of the rest after a travel', () => {
    expect(walk([0, 0], [20, 0]).restingSinceMs).toBe(-1);
    expect(walk([0, 0], [20, 200]).restingSinceMs).toBe(-1);
    expect(walk([0, 0], [20, 200], [40, 200], [60, 200]).restingSinceMs).toBe(20_000);
    expect(walk([0, 0], [20, 200], [40, 200], [60, 400]).restingSinceMs).toBe(-1);
  });

  test('survives JSON at any moment', () => {
    let turns = 0;
    const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 400 })), {
      minLength: 5,
    });
    fc.assert(
      fc.property(steps, (list) => {
        const whole = newMotion();
        let kept = newMotion();
        let [atS, metres] = [0, 0];
        for (const [s, m] of list) {
          atS += s;
          metres += m;
          const turned = updateMotion(whole, fix(atS, metres));
          if (turned) turns++;
          kept = JSON.parse(JSON.stringify(kept));
          expect(updateMotion(kept, fix(atS, metres))).toBe(turned);
          expect(kept).toEqual(whole);
        }
      }),
      { seed: SEED, numRuns: 300 },
    );
    expect(turns, 'users changed their motion').toBeGreaterThan(100);
  });
});

describe('a user who waits at a traffic light near a site', () => {
  test('is not followed there', async () => {
    const sites = [0, 1000, 2000].map((metres, i) => {
      const { lat, lon } = fix(0, metres);
      return { site: `s${i}`, lat, lon, slots: 10, uplinks: DEFAULT_SITE.uplinks.map((uplink) => ({ ...uplink })) };
    });
    // The user waits a minute at 1000 m, and then goes on to 2000 m and stays.
    const metresAt = (atS: number) => Math.min(2000, atS < 100 ? atS * 10 : Math.max(1000, (atS - 60) * 10));
    const fixes = Array.from({ length: 200 }, (_, i) => ({ user: 'ann', ...fix(i * 10, metresAt(i * 10)) }));
    const moves: string[] = [];
    const observe = ({ type, data }: Fact) => {
      if (type === 'placement.decided.v1' && data.verdict === 'move') moves.push(data.to);
    };
    await run({ config: configWith(), sites, batches: [fixes], observe });
    expect(moves).toEqual(['s2']);
  });
});

describe('a user who drives past sites and then stops', () => {
  const SPACING_M = 1000;
  const MPS = 10;
  const STOPS_S = 1600;
  const sites = Array.from({ length: 20 }, (_, i) => {
    const { lat, lon } = fix(0, i * SPACING_M);
    return { site: `s${i}`, lat, lon, slots: 10, uplinks: DEFAULT_SITE.uplinks.map((uplink) => ({ ...uplink })) };
  });
  const fixes = Array.from({ length: 360 }, (_, i) => ({
    user: 'ann',
    ...fix(i * 10, Math.min(i * 10, STOPS_S) * MPS),
  }));

  test('is followed to the stop only', async () => {
    const moves: Data<'placement.decided.v1'>[] = [];
    const observe = ({ type, data }: Fact) => {
      if (type === 'placement.decided.v1' && data.verdict === 'move') moves.push(data);
    };
    await run({ config: configWith(), sites, batches: [fixes], observe });
    // 100 s at a site do not pay for a move, although the prior expects a stay of ten minutes.
    expect(moves.map(({ to }) => to)).toEqual(['s16']);
    expect(moves[0]!.atMs).toBeGreaterThan(STOPS_S * 1000);
  });
});
