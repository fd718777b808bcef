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

/** A position some kilometres east of the line. */
const off = (place: number, eastKm: number) => {
  const { lat, lon } = positionAt(place);
  return { lat, lon: lon + eastKm / (KM_PER_DEGREE * lonScale(lat)) };
};

/** While a better site is known, its gain may change by this share before another look is taken. */
const GAIN_TOLERANCE = 0.2;

/** What a look came to. Why a VM stays is no part of it: whether home is best or a gain too small, it stays. */
function adviceOf({ reason, state }: Vm) {
  const stays = ['home-is-best', 'gain-too-small', 'only-site', 'users-silent'].includes(reason);
  return { state, kind: stays ? 'stay' : reason };
}

/** How much better than the home each site serves, in user-milliseconds a second. */
function gainsOf({ world, clock }: Line, vm: string): Map<string, number> {
  const { homeServingUserMsPerS: home, candidates } = world.placement.explain(vm, clock.now());
  return new Map(candidates.map(({ site, servingUserMsPerS }) => [site, home - servingUserMsPerS]));
}

test('while all users stay within the quiet radius another look says the same', { timeout: 120_000 }, () => {
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
        // The last of them makes the policy look at all that it passed over.
        if (i === places.length - 1) vm.quietKm = -1;
        locate(i, { lat: lat + north, lon: lon + east });
      }
      expect(adviceOf(vm)).toEqual(before);
      if (before.kind === 'stay') return;
      moves++;
      // Of two sites that serve about as well now the one, now the other may be best.
      const gains = gainsOf(l, 'v');
      const behind = gains.get(vm.best!)! - gains.get(bestBefore)!;
      expect(behind).toBeLessThanOrEqual(2 * GAIN_TOLERANCE * gainBefore);
      if (places.length === 1) expect(vm.best).toBe(bestBefore);
    }),
    { numRuns: 2000 },
  );
  expect(moves, 'some want to move').toBeGreaterThan(100);
  expect(moved, 'users who stand still prove nothing').toBeGreaterThan(500);
});
