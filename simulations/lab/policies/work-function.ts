import type { LabPolicy } from '../policy.ts';
import { MoveStep } from '../shortest-path.ts';

/**
 * Goes where the cheapest way in hindsight, plus the way there, is least: w_t(k) = the least that having served
 * everything so far and being at k now would have cost (A. Borodin, N. Linial, M. Saks, Journal of the ACM 39(4), 1992).
 */
export const workFunction: LabPolicy = {
  name: 'work-function',
  sees: 'past',
  begin({ world, users }) {
    const { sites, move, serve } = world;
    const step = new MoveStep(world);
    const work = new Float64Array(users * sites);
    const origins = new Int16Array(sites);
    let factor = 1;
    return {
      show(_, __, load) {
        factor = load;
      },
      place(user, cell) {
        const first = world.nearest[cell]!;
        const own = work.subarray(user * sites, (user + 1) * sites);
        // As if from the first site on: elsewhere one could only be by having moved.
        for (let site = 0; site < sites; site++) {
          own[site] = factor * (serve[cell * sites + first]! + move[first * sites + site]!);
        }
        return first;
      },
      choose(user, cell, at) {
        const own = work.subarray(user * sites, (user + 1) * sites);
        for (let site = 0; site < sites; site++) own[site]! += factor * serve[cell * sites + site]!;
        step.take(own, factor, origins);
        let [best, least] = [at, Number.POSITIVE_INFINITY];
        for (let site = 0; site < sites; site++) {
          // Where one would rather have come from elsewhere one should not stay.
          if (origins[site] !== site) continue;
          const cost = own[site]! + factor * move[at * sites + site]!;
          if (cost < least) [best, least] = [site, cost];
        }
        return best;
      },
    };
  },
};
