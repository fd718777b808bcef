import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KM_PER_DEGREE, lonScale } from '#shared/geo/distance.ts';
import type { Vm } from '#shared/policy/state/state.ts';
import { type Line, line, positionAt } from '../world.ts';

const users = fc.array(
  fc.tuple(fc.double({ min: -0.5, max: 3.5, noNaN: true }), fc.double({ min: -80, max: 80, noNaN: true })),
  {
    minLength: 1,
    maxLength: 4,
  },
);
const shares = fc.array(
  fc.tuple(
    fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
    fc.oneof(fc.constantFrom(Math.PI / 2, -Math.PI / 2), fc.double({ min: 0, max: 6.28, noNaN: true })),
  ),
  {
    minLength: 4,
    maxLength: 4,
  },
);

/** A position some kilometres east of a place on the line. */
const off = (place: number, eastKm: number) => {
  const { lat, lon } = positionAt(place);
  return { lat, lon: lon + eastKm / (KM_PER_DEGREE * lonScale(lat)) };
};

/** Within the quiet radius, the gain of a better site may change by this share. */
const GAIN_TOLERANCE = 0.2;

/** The result of an evaluation, without the reason for staying. */
function adviceOf({ reason, state }: Vm) {
  const stays = ['home-is-best', 'gain-too-small', 'only-site', 'users-silent'].includes(reason);
  return { state, kind: stays ? 'stay' : reason };
}

/** The gain of each site over the home, in user-milliseconds a second. */
function gainsOf({ world, clock }: Line, vm: string): Map<string, number> {
  const { homeServingUserMsPerS: home, candidates } = world.placement.explain(vm, clock.now());
  return new Map(candidates.map(({ site, servingUserMsPerS }) => [site, home - servingUserMsPerS]));
}

test('an evaluation gives the same result while all users stay within the quiet radius', { timeout: 120_000 }, () => {
  let moved = 0;
  let moves = 0;
  fc.assert(
    fc.property(users, shares, (places, displacements) => {
      const l = line(4);
      l.vm('v', 's1');
      const vm: Vm = l.world.placement.vms.get('v')!;
      const locate = (i: number, position: { lat: number; lon: number }) =>
        l.world.locate({ vm: 'v', user: `u${i}`, atMs: l.clock.now(), ...position });
      for (const i of places.keys()) l.attach('v', `u${i}`);
      for (const [i, [place, eastKm]] of places.entries()) locate(i, off(place, eastKm));
      const quietKm = Math.min(vm.quietKm, ...vm.sessions.map(({ certainKm }) => certainKm));
      const before = adviceOf(vm);
      const bestBefore = vm.best!;
      const gainBefore = gainsOf(l, 'v').get(bestBefore)!;
      if (!(quietKm > 0) || !Number.isFinite(quietKm)) return;

      l.pass(1_000);
      for (const [i, [place, eastKm]] of places.entries()) {
        const [share, angle] = displacements[i]!;
        const { lat, lon } = off(place, eastKm);
        const km = quietKm * share * 0.99;
        moved += km;
        const north = (km * Math.sin(angle)) / KM_PER_DEGREE;
        const east = (km * Math.cos(angle)) / (KM_PER_DEGREE * lonScale(lat));
        // The last position forces an evaluation of all positions.
        if (i === places.length - 1) vm.quietKm = -1;
        locate(i, { lat: lat + north, lon: lon + east });
      }
      expect(adviceOf(vm)).toEqual(before);
      if (before.kind === 'stay') return;
      moves++;
      // Of two almost equal sites, either may be the best.
      const gains = gainsOf(l, 'v');
      const behind = gains.get(vm.best!)! - gains.get(bestBefore)!;
      expect(behind).toBeLessThanOrEqual(2 * GAIN_TOLERANCE * gainBefore);
      if (places.length === 1) expect(vm.best).toBe(bestBefore);
    }),
    { numRuns: 2000 },
  );
  expect(moves, 'some VMs are to move').toBeGreaterThan(100);
  expect(moved, 'users moved').toBeGreaterThan(500);
});
