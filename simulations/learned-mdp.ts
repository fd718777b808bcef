/** Our own process of the laboratory (`lab/policies/learned/`) under the real costs. */
import { PERSONAL_VM } from '#services/replay/personal-vms.ts';
import type { VmSpec } from '#shared/events/index.ts';
import { userRttMs } from '#shared/model/network.ts';
import type { PlacementRule } from '#shared/policy/rules/published/rule.ts';
import { type RunInput, type RunResult, run } from './engine.ts';
import { GONE, TransitionCounts } from './lab/policies/learned/transition-counts.ts';
import { Values } from './lab/policies/learned/values.ts';
import type { PlannerInput } from './offline/cheapest-route.ts';
import { plannerInputFor } from './offline/planner-input.ts';

const SLOT_MS = 60_000;
/** How often values are brought up to date. */
const SWEEP_EVERY_SLOTS = 30;
/** The weight of moving in a decision, as in the laboratory. */
const EAGERNESS = 0.95;

/** The users of a VM, followed as one user in the cell of the site that serves best. */
interface Watched {
  cell: number;
  origin: number;
  slots: number;
  state: number;
  slot: number;
}

/**
 * A cell is what a site serves best, a slot a minute. What follows a state is learned over all VMs from nothing; what that
 * costs from each site, for one user, is readAll up to date by value iteration, with moves priced for the first VM there is.
 */
export function learnedMdp(input: RunInput): Promise<RunResult> {
  const spec = input.vms?.[0]?.spec ?? PERSONAL_VM;
  return run({ ...input, decides: learner(plannerInputFor(input)(spec), spec) });
}

function learner(ground: PlannerInput, spec: VmSpec): PlacementRule {
  const transitions = new TransitionCounts(ground.sites.list.length);
  const values = new Values(worldOf(ground, spec), transitions);
  const watched = new Map<string, Watched>();
  let sweptSlot = 0;

  /** Counts slot by slot what a VM's users have done since they were last seen. */
  const follow = (vm: string, cell: number, slot: number): number => {
    let seen = watched.get(vm);
    if (seen === undefined) {
      seen = { cell, origin: -1, slots: 1, state: transitions.state(cell, -1, 1), slot };
      watched.set(vm, seen);
    }
    for (; seen.slot < slot; seen.slot++) {
      // Between two positions they are taken to have stayed.
      const now = seen.slot + 1 === slot ? cell : seen.cell;
      if (now !== seen.cell) Object.assign(seen, { origin: seen.cell, cell: now, slots: 0 });
      seen.slots++;
      const next = transitions.state(seen.cell, seen.origin, seen.slots);
      transitions.count(seen.state, next);
      seen.state = next;
    }
    return seen.state;
  };

  return {
    name: 'learned-mdp',
    begin({ vm }) {
      const before = watched.get(vm);
      if (before) transitions.count(before.state, GONE);
      watched.delete(vm);
      return {};
    },
    choose(view) {
      const { sites, best, weight, nowMs } = view;
      const slot = Math.floor(nowMs / SLOT_MS);
      const state = follow(view.vm, sites[best]!.index, slot);
      if (slot >= sweptSlot + SWEEP_EVERY_SLOTS) {
        values.sweep();
        sweptSlot = slot;
      }
      const expectedCosts = values.expectedCosts(state);
      let chosen = 0;
      let least = expectedCosts[sites[0]!.index]!;
      for (let i = 1; i < sites.length; i++) {
        const cost = expectedCosts[sites[i]!.index]! + (EAGERNESS * view.moveCostUserMs(0, i)) / weight;
        if (cost >= least) continue;
        chosen = i;
        least = cost;
      }
      return chosen;
    },
  };
}

/** Costs of a user who is at one of the sites: of a slot served from each, and of moving, in user-milliseconds. */
function worldOf({ sites: { list, index }, settings: { network }, moveCosts }: PlannerInput, { targetRttMs }: VmSpec) {
  const sites = list.length;
  const serve = new Float64Array(sites * sites);
  const move = new Float64Array(sites * sites);
  for (let a = 0; a < sites; a++) {
    for (let b = 0; b < sites; b++) {
      const rttMs = userRttMs(network, index.betweenKm(a, b), a === b);
      serve[a * sites + b] = (Math.max(0, rttMs - targetRttMs) * SLOT_MS) / 1000;
      move[a * sites + b] = a === b ? 0 : moveCosts.between(a, b, 1);
    }
  }
  return { sites, serve, move };
}
