import fc from 'fast-check';
import { getDistance } from 'geolib';
import { describe, expect, test } from 'vitest';
import {
  chordKm,
  distanceKm,
  lonDifference,
  lonScale,
  nearKm2,
  type Position,
  unitVector,
} from '#shared/geo/distance.ts';
import { SiteIndex } from '#shared/geo/site-index.ts';

const position = fc.record<Position>({
  lat: fc.double({ min: -89.9, max: 89.9, noNaN: true }),
  lon: fc.double({ min: -180, max: 180, noNaN: true }),
});
/** Positions on both sides of the date line. */
const nearDateLine = fc.record<Position>({
  lat: fc.double({ min: -60, max: 60, noNaN: true }),
  lon: fc.double({ min: -2, max: 2, noNaN: true }).map((lon) => (lon < 0 ? 180 + lon : -180 + lon)),
});
const geolibKm = (a: Position, b: Position) =>
  getDistance({ latitude: a.lat, longitude: a.lon }, { latitude: b.lat, longitude: b.lon }) / 1000;

function chord(a: Position, b: Position): number {
  const [p, q] = [new Float64Array(3), new Float64Array(3)];
  unitVector(a, p);
  unitVector(b, q);
  return chordKm((p[0]! - q[0]!) ** 2 + (p[1]! - q[1]!) ** 2 + (p[2]! - q[2]!) ** 2);
}

describe('distances', () => {
  test('by chord agree with geolib, after a correction of the radius', () => {
    fc.assert(
      fc.property(position, position, (a, b) => {
        // geolib rounds to the metre, and uses a radius of 6378.137 km.
        expect(Math.abs((chord(a, b) * 6378.137) / 6371 - geolibKm(a, b))).toBeLessThan(0.002 + 1e-6 * geolibKm(a, b));
        expect(distanceKm(a, b)).toBe(geolibKm(a, b));
      }),
      { numRuns: 2000 },
    );
  });

  test('on the plane are exact to half a percent for short distances at latitudes below 60°', () => {
    const near = fc.record({
      lat: fc.double({ min: -60, max: 60, noNaN: true }),
      lon: fc.double({ min: -180, max: 180, noNaN: true }),
      north: fc.double({ min: -0.3, max: 0.3, noNaN: true }),
      east: fc.double({ min: -0.3, max: 0.3, noNaN: true }),
    });
    fc.assert(
      fc.property(near, ({ lat, lon, north, east }) => {
        const there = { lat: lat + north, lon: lonDifference(lon + east, 0) };
        const km = Math.sqrt(nearKm2(lat, lon, lonScale(lat), there.lat, there.lon));
        const exact = chord({ lat, lon }, there);
        expect(Math.abs(km - exact)).toBeLessThan(0.005 * exact + 1e-6);
      }),
      { numRuns: 2000 },
    );
  });

  test('across the date line are short', () => {
    expect(Math.sqrt(nearKm2(0, 179.9, 1, 0, -179.9))).toBeCloseTo(22.24, 1);
    expect(lonDifference(-179, 179)).toBe(2);
    expect(lonDifference(179, -179)).toBe(-2);
  });
});

describe('the nearest sites', () => {
  function check(sites: readonly Position[], probe: Position, count: number): void {
    const index = new SiteIndex(sites);
    const vector = new Float64Array(3);
    unitVector(probe, vector);
    const found = new Int32Array(count);
    const km = new Float64Array(count);
    const n = index.nearest(vector, probe, count, found, km);
    expect(n).toBe(Math.min(count, sites.length));
    expect(new Set(found.subarray(0, n)).size).toBe(n);
    const exact = sites.map((site) => geolibKm(probe, site)).sort((a, b) => a - b);
    for (let i = 0; i < n; i++) {
      // Compares distances, because two sites may be equally near. geolib rounds to the metre.
      expect(Math.abs(geolibKm(probe, sites[found[i]!]!) - exact[i]!)).toBeLessThan(0.003);
      expect(index.distanceKm(vector, found[i]!)).toBeCloseTo(km[i]!, 6);
    }
  }

  test.each([
    ['anywhere', position],
    ['about the date line', nearDateLine],
  ])('of some sites, %s, are those that geolib finds by brute force', (_, where) => {
    fc.assert(
      fc.property(fc.array(where, { minLength: 1, maxLength: 60 }), where, fc.integer({ min: 1, max: 8 }), check),
      { numRuns: 500 },
    );
  });

  test.each([
    ['anywhere', position],
    ['about the date line', nearDateLine],
  ])('of more than a thousand sites, %s, are those that geolib finds by brute force', (_, where) => {
    const many = fc.array(where, { minLength: 1001, maxLength: 1200, size: 'max' });
    fc.assert(fc.property(many, where, fc.integer({ min: 1, max: 8 }), check), { numRuns: 20 });
  });

  test('without sites are none', () => {
    check([], { lat: 0, lon: 0 }, 3);
  });
});
