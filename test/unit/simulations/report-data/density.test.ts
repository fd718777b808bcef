import { describe, expect, test } from 'vitest';
import { boundsOf, DensityCounter } from '#simulations/report-data/density.ts';

describe('a density', () => {
  const sites = [
    { lat: 52, lon: 4 },
    { lat: 53, lon: 5 },
  ];

  test('has square cells, begins in the north-west, and counts positions outside', () => {
    const bounds = boundsOf(sites);
    const counter = new DensityCounter(bounds);
    counter.add(bounds.north - 1e-6, bounds.west + 1e-6);
    counter.add(bounds.south + 1e-6, bounds.east - 1e-6);
    counter.add(52.5, 4.5);
    counter.add(bounds.north + 0.01, 4.5);
    counter.add(52.5, bounds.west - 0.01);
    const { columns, rows, counts, outside } = counter.density();
    expect([counts.at(0), counts.at(-1), outside]).toEqual([1, 1, 2]);
    expect(counts[Math.floor(rows / 2) * columns + Math.floor(columns / 2)]).toBe(1);
    expect(Math.max(rows, columns)).toBe(480);
    // A degree of latitude is 111 km, one of longitude cos 52.5° of that.
    const heightKm = (bounds.north - bounds.south) / rows;
    const widthKm = ((bounds.east - bounds.west) * Math.cos((52.5 * Math.PI) / 180)) / columns;
    expect(widthKm / heightKm).toBeCloseTo(1, 1);
  });

  test('of sites at one place still shows a kilometre around them', () => {
    const { north, south } = boundsOf([{ lat: 52, lon: 4 }]);
    expect((north - south) * 111.2).toBeCloseTo(2, 1);
  });
});
