/** Asking with a hint must give what asking without one gives, to the last tie. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Position, unitVector } from '#shared/geo/distance.ts';
import { SiteIndex } from '#shared/geo/site-index.ts';

/** Receivers know a place to the metre; between numbers smaller than an atom ties are decided by rounding. */
const degrees = (min: number, max: number) =>
  fc.integer({ min: Math.ceil(min * 1e5), max: Math.floor(max * 1e5) }).map((n) => n / 1e5);
const anywhere = fc.record<Position>({ lat: degrees(-89.9, 89.9), lon: degrees(-180, 180) });
/** A town of some kilometres, where the sites around one are soon not all that matter. */
const inTown = fc.record<Position>({ lat: degrees(52, 52.2), lon: degrees(4, 4.3) });
/** Few places, so that many sites share one and a user can stand right between two. */
const onGrid = fc.record<Position>({
  lat: fc.integer({ min: 0, max: 6 }).map((i) => i * 0.5),
  lon: fc.integer({ min: 0, max: 6 }).map((i) => i * 0.5),
});
const counts = fc.integer({ min: 1, max: 8 });

/** What an index answers, by either way of asking. */
interface Answer {
  readonly sites: readonly number[];
  readonly km: readonly number[];
}

function ask(index: SiteIndex, at: Position, count: number, hint?: number): Answer {
  const probe = new Float64Array(3);
  unitVector(at, probe);
  const found = new Int32Array(count);
  const km = new Float64Array(count);
  const n =
    hint === undefined
      ? index.nearest(probe, at, count, found, km)
      : index.nearestFrom(hint, probe, at, count, found, km);
  return { sites: [...found.subarray(0, n)], km: [...km.subarray(0, n)] };
}

/** Equally near sites may be others, or in another order: beyond a thousand sites a tree is asked. */
function expectSameDistances(hinted: Answer, plain: Answer): void {
  expect(new Set(hinted.sites).size).toBe(plain.sites.length);
  hinted.km.forEach((km, i) => {
    expect(Math.abs(km - plain.km[i]!)).toBeLessThan(1e-6);
  });
}

describe('asking from a site that was near a moment ago', () => {
  test.each([
    ['anywhere', anywhere],
    ['in town', inTown],
  ])('finds what asking everywhere finds, sites %s, whatever the hint', (_, where) => {
    const sites = fc.array(where, { minLength: 1, maxLength: 300, size: 'max' });
    const asked = fc.array(fc.tuple(where, fc.integer({ min: -2, max: 310 }), counts), {
      minLength: 20,
      maxLength: 40,
    });
    fc.assert(
      fc.property(sites, asked, (places, questions) => {
        const index = new SiteIndex(places);
        for (const [at, hint, count] of questions) expect(ask(index, at, count, hint)).toEqual(ask(index, at, count));
      }),
      { numRuns: 200 },
    );
  });

  test('finds sites as near, where many share a place and which of them is named is left open', () => {
    const sites = fc.array(onGrid, { minLength: 1, maxLength: 300, size: 'max' });
    const asked = fc.array(fc.tuple(onGrid, fc.integer({ min: -2, max: 310 }), counts), {
      minLength: 20,
      maxLength: 40,
    });
    fc.assert(
      fc.property(sites, asked, (places, questions) => {
        const index = new SiteIndex(places);
        for (const [at, hint, count] of questions) {
          expectSameDistances(ask(index, at, count, hint), ask(index, at, count));
        }
      }),
      { numRuns: 200 },
    );
  });

  test('finds them all along a walk on which each answer is the next hint', () => {
    const step = fc.tuple(
      fc.double({ min: -0.01, max: 0.01, noNaN: true }),
      fc.double({ min: -0.015, max: 0.015, noNaN: true }),
    );
    const sites = fc.array(inTown, { minLength: 2, maxLength: 400, size: 'max' });
    fc.assert(
      fc.property(sites, inTown, fc.array(step, { minLength: 50, maxLength: 100 }), (places, start, steps) => {
        const index = new SiteIndex(places);
        let at = start;
        let hint = -1;
        for (const [north, east] of steps) {
          at = { lat: at.lat + north, lon: at.lon + east };
          const hinted = ask(index, at, 6, hint);
          expect(hinted).toEqual(ask(index, at, 6));
          hint = hinted.sites[0]!;
        }
      }),
      { numRuns: 100 },
    );
  });

  test.each([
    ['anywhere', anywhere],
    ['in town', inTown],
  ])('of more than a thousand sites, %s, too', (_, where) => {
    const many = fc.array(where, { minLength: 1001, maxLength: 1200, size: 'max' });
    const asked = fc.array(fc.tuple(where, fc.integer({ min: -2, max: 1300 }), counts), {
      minLength: 30,
      maxLength: 30,
    });
    fc.assert(
      fc.property(many, asked, (places, questions) => {
        const index = new SiteIndex(places);
        for (const [at, hint, count] of questions) {
          expectSameDistances(ask(index, at, count, hint), ask(index, at, count));
          // The best hint there is: the nearest site itself.
          const plain = ask(index, at, count);
          expectSameDistances(ask(index, at, count, plain.sites[0]), plain);
        }
      }),
      { numRuns: 10 },
    );
  });

  test('of a thousand sites and more at one place, which no list of neighbours can tell apart', () => {
    for (const size of [40, 1100]) {
      const places = Array.from({ length: size }, () => ({ lat: 10, lon: 10 }));
      const index = new SiteIndex([...places, { lat: 10, lon: 10.5 }]);
      const at = { lat: 10, lon: 10.1 };
      for (const hint of [0, size - 1, size]) expectSameDistances(ask(index, at, 5, hint), ask(index, at, 5));
    }
  });

  test('equally near sites come in the order of the list', () => {
    const places = [
      { lat: 0, lon: 1 },
      { lat: 0, lon: -1 },
      { lat: 1, lon: 0 },
      { lat: 0, lon: 1 },
    ];
    const index = new SiteIndex(places);
    for (const hint of [-1, 0, 1, 2, 3]) {
      const { sites } = ask(index, { lat: 0, lon: 0 }, 4, hint);
      expect(sites.filter((site) => site !== 2)).toEqual([0, 1, 3]);
    }
  });

  test('answers the same however often and from wherever it was asked before', () => {
    const random = fc.sample(inTown, { numRuns: 200, seed: 7 });
    const [used, fresh] = [new SiteIndex(random), new SiteIndex(random)];
    for (const [i, at] of random.entries()) ask(used, at, 4, (i * 37) % random.length);
    for (const at of fc.sample(inTown, { numRuns: 100, seed: 8 })) {
      expect(ask(used, at, 4, 3)).toEqual(ask(fresh, at, 4));
    }
  });
});
