import { draw } from '../scenarios/draws.ts';
import type { Area, Place } from './area.ts';
import type { Generator } from './generator.ts';

/**
 * Random waypoint (D. B. Johnson, D. A. Maltz, Mobile Computing, 1996): each user goes straight to a random place, at a random speed,
 * and then to the next one, without a pause. The step that reaches a place ends there, even if it is shorter than the others. There is
 * no warm-up: the first positions are uniformly distributed.
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

/** Draws a place, uniformly from the area. */
export function anywhere({ widthM, heightM }: Area, random: { next(): number }): Place {
  const x = draw(random, 0, widthM);
  return { x, y: draw(random, 0, heightM) };
}

/** A place on the line between two places. @param share 0: `from`, 1: `to` */
export function towards(from: Place, to: Place, share: number): Place {
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
}
