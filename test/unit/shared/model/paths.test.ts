import { expect, test } from 'vitest';
import { pathsBetween } from '#shared/model/paths.ts';

const oslo = {
  site: 'oslo',
  uplinks: [
    { provider: 'north', rateBps: 3e8 },
    { provider: 'west', rateBps: 1e8 },
    { provider: 'east', rateBps: 5e8 },
  ],
};
const bonn = {
  site: 'bonn',
  uplinks: [
    { provider: 'west', rateBps: 2e8 },
    { provider: 'north', rateBps: 2e8 },
  ],
};

test('two sites have a path for each common provider, with the rate of the slower uplink', () => {
  expect(pathsBetween(oslo, bonn)).toEqual([
    { id: 'bonn~oslo/north', provider: 'north', rateBps: 2e8 },
    { id: 'bonn~oslo/west', provider: 'west', rateBps: 1e8 },
  ]);
});

test('both directions have the same paths', () => {
  const ids = (paths: ReturnType<typeof pathsBetween>) => paths.map(({ id }) => id).sort();
  expect(ids(pathsBetween(bonn, oslo))).toEqual(ids(pathsBetween(oslo, bonn)));
});

test('sites without a common provider have no path', () => {
  expect(pathsBetween(oslo, { site: 'rome', uplinks: [{ provider: 'south', rateBps: 1e8 }] })).toEqual([]);
});
