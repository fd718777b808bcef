import { expect, test } from 'vitest';
import { DEFAULT_NETWORK, siteRttMs, userRttMs } from '#shared/model/network.ts';

test('two sites 1200 km apart have an RTT of 27 ms, as CloudNet (ToN 2015) measured', () => {
  expect(siteRttMs(DEFAULT_NETWORK, 1200)).toBeCloseTo(27.2);
});

test('a user’s RTT includes the last mile, and the transit to a site that is not the nearest', () => {
  const model = { accessMs: 15, msPerKm: 0.01, detour: 2, transitMs: 3 };
  expect(userRttMs(model, 50, true)).toBe(16);
  expect(userRttMs(model, 50, false)).toBe(19);
});
