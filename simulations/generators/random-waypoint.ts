import { draw } from '../scenarios/draws.ts';
import type { Area, Place } from './area.ts';
import type { Generator } from './generator.ts';

/**
 * Straight to a place drawn from the whole area, at a speed drawn with it, then to the next, without a pause. The last
 * step before a place is as long as what was left. No warm-up: the first positions are uniform. (D. B. Johnson, D. A.
 * Maltz, Mobile Computing, 1996.)
 */
export const randomWaypoint: Generator = {
  defaults: { users: 100, steps: 3600, stepS: 1, fromMps: 8, toMps: 20 },
  walk({ steps, stepS, fromMps, toMps }, area, random) {
    let at = anywhere(area, random);
    let target: Place | undefined;
    let strideM = 0;
    return Array.from({ length: steps! }, () => {
      if (target === undefined) {
        target = anywhere(area, random);
        strideM = draw(random, fromMps!, toMps!) * stepS!;
      }
      const here = at;
      const leftM = Math.hypot(target.x - at.x, target.y - at.y);
      if (leftM <= strideM) {
        at = target;
        target = undefined;
      } else at = towards(at, target, strideM / leftM);
      return here;
    });
  },
};

/** Uniform in the area. */
export function anywhere({ widthM, heightM }: Area, random: { next(): number }): Place {
  const x = draw(random, 0, widthM);
  return { x, y: draw(random, 0, heightM) };
}

/** So much of the way between two places: 0 is the one, 1 the other. */
export function towards(from: Place, to: Place, share: number): Place {
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
}
