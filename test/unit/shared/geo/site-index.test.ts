/** A search from a hint gives the same result as a search without one, also for equally near sites. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Position, unitVector } from '#shared/geo/distance.ts';
import { SiteIndex } from '#shared/geo/site-index.ts';

/** Coordinates with the resolution of a receiver, one metre. With finer numbers, rounding would decide ties. */
const degrees = (min: number, max: number) =>
  fc.integer({ min: Math.ceil(min * 1e5), max: Math.floor(max * 1e5) }).map((n) => n / 1e5);
const anywhere = fc.record<Position>({ lat: degrees(-89.9, 89.9), lon: degrees(-180, 180) });
/** Positions in a town of some kilometres: the nearest sites change within short distances. */
const inTown = fc.record<Position>({ lat: degrees(52, 52.2), lon: degrees(4, 4.3) });
/** Positions on a coarse grid: many sites share a place, and a user may be exactly between two. */
const onGrid = fc.record<Position>({
  lat: fc.integer({ min: 0, max: 6 }).map((i) => i * 0.5),
  lon: fc.integer({ min: 0, max: 6 }).map((i) => i * 0.5),
});
const counts = fc.integer({ min: 1, max: 8 });

/** The result of a search. */
interface Answer {
  readonly sites: readonly number[];
  readonly km: readonly number[];
}

function search(index: SiteIndex, at: Position, count: number, hint?: number): Answer {
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

/** Compares distances only: with more than a thousand sites, a tree chooses among equally near sites. */
function expectSameDistances(hinted: Answer, plain: Answer): void {
  expect(new Set(hinted.sites).size).toBe(plain.sites.length);
  hinted.km.forEach((km, i) => {
    expect(Math.abs(km - plain.km[i]!)).toBeLessThan(1e-6);
  });
}

describe('a search from a site that was near', () => {
  test.each([
    ['anywhere', anywhere],
    ['in town', inTown],
  ])('finds the same sites as a search without a hint, %s, with any hint', (_, where) => {
    const sites = fc.array(where, { minLength: 1, maxLength: 300, size: 'max' });
    const searches = fc.array(fc.tuple(where, fc.integer({ min: -2, max: 310 }), counts), {
      minLength: 20,
      maxLength: 40,
    });
    fc.assert(
      fc.property(sites, searches, (places, list) => {
        const index = new SiteIndex(places);
        for (const [at, hint, count] of list) expect(search(index, at, count, hint)).toEqual(search(index, at, count));
      }),
      { numRuns: 200 },
    );
  });

  test('finds equally near sites if many share a place', () => {
    const sites = fc.array(onGrid, { minLength: 1, maxLength: 300, size: 'max' });
    const searches = fc.array(fc.tuple(onGrid, fc.integer({ min: -2, max: 310 }), counts), {
      minLength: 20,
      maxLength: 40,
    });
    fc.assert(
      fc.property(sites, searches, (places, list) => {
        const index = new SiteIndex(places);
        for (const [at, hint, count] of list) {
          expectSameDistances(search(index, at, count, hint), search(index, at, count));
        }
      }),
      { numRuns: 200 },
    );
  });

  test('finds the same sites along a walk, with each result as the next hint', () => {
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
          const hinted = search(index, at, 6, hint);
          expect(hinted).toEqual(search(index, at, 6));
          hint = hinted.sites[0]!;
        }
      }),
      { numRuns: 100 },
    );
  });

  test.each([
    ['anywhere', anywhere],
    ['in town', inTown],
  ])('finds equally near sites among more than a thousand, %s', (_, where) => {
    const many = fc.array(where, { minLength: 1001, maxLength: 1200, size: 'max' });
    const searches = fc.array(fc.tuple(where, fc.integer({ min: -2, max: 1300 }), counts), {
      minLength: 30,
      maxLength: 30,
    });
    fc.assert(
      fc.property(many, searches, (places, list) => {
        const index = new SiteIndex(places);
        for (const [at, hint, count] of list) {
          expectSameDistances(search(index, at, count, hint), search(index, at, count));
          // The nearest site is the best hint.
          const plain = search(index, at, count);
          expectSameDistances(search(index, at, count, plain.sites[0]), plain);
        }
      }),
      { numRuns: 10 },
    );
  });

  test('finds equally near sites if a thousand are at one place', () => {
    for (const size of [40, 1100]) {
      const places = Array.from({ length: size }, () => ({ lat: 10, lon: 10 }));
      const index = new SiteIndex([...places, { lat: 10, lon: 10.5 }]);
      const at = { lat: 10, lon: 10.1 };
      for (const hint of [0, size - 1, size]) expectSameDistances(search(index, at, 5, hint), search(index, at, 5));
    }
  });

  test('finds equally near sites in the order of the list', () => {
    const places = [
      { lat: 0, lon: 1 },
      { lat: 0, lon: -1 },
      { lat: 1, lon: 0 },
      { lat: 0, lon: 1 },
    ];
    const index = new SiteIndex(places);
    for (const hint of [-1, 0, 1, 2, 3]) {
      const { sites } = search(index, { lat: 0, lon: 0 }, 4, hint);
      expect(sites.filter((site) => site !== 2)).toEqual([0, 1, 3]);
    }
  });

  test('does not depend on earlier searches', () => {
    const random = fc.sample(inTown, { numRuns: 200, seed: 7 });
    const [used, fresh] = [new SiteIndex(random), new SiteIndex(random)];
    for (const [i, at] of random.entries()) search(used, at, 4, (i * 37) % random.length);
    for (const at of fc.sample(inTown, { numRuns: 100, seed: 8 })) {
      expect(search(used, at, 4, 3)).toEqual(search(fresh, at, 4));
    }
  });
});
