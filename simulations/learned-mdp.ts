/** The laboratory's own policy, a learned Markov decision process (`lab/policies/learned/`), under the real costs. */
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
/** The values are updated every so many slots. */
const SWEEP_EVERY_SLOTS = 30;
/** A decision multiplies the cost of a move by this factor, as in the laboratory. */
const MOVE_COST_FACTOR = 0.95;

/** The users of a VM, followed as one user. */
interface Followed {
  /** Index of the site that serves best: the cell of these users. */
  cell: number;
  /** The cell before; -1: unknown. */
  origin: number;
  /** Slots in the cell. */
  slots: number;
  state: number;
  /** The slot of the state. */
  slot: number;
}

/**
 * Runs the learned Markov decision process. A cell consists of all places that one site serves best, and a slot is a minute.
 *
 * The policy learns the transitions between states over all VMs, from nothing. Value iteration keeps the expected cost from each
 * site, for one user, up to date. Its costs of moves are those of the first VM of the run.
 */
export function learnedMdp(input: RunInput): Promise<RunResult> {
  const [first] = input.vms ?? [];
  const spec = first?.spec ?? PERSONAL_VM;
  return run({ ...input, policyOverride: learner(plannerInputFor(input)(spec), spec) });
}

function learner(input: PlannerInput, spec: VmSpec): PlacementRule {
  const transitions = new TransitionCounts(input.sites.list.length);
  const values = new Values(worldOf(input, spec), transitions);
  const byVm = new Map<string, Followed>();
  let sweptSlot = 0;
  /** The expected costs of the candidates of a decision; the array is reused. */
  let costs = new Float64Array(16);

  /** Advances the state of a VM's users to a slot, and counts the transitions since the last call. */
  const follow = (vm: string, cell: number, slot: number): number => {
    let followed = byVm.get(vm);
    if (followed === undefined) {
      followed = { cell, origin: -1, slots: 1, state: transitions.state(cell, -1, 1), slot };
      byVm.set(vm, followed);
    }
    for (; followed.slot < slot; followed.slot++) {
      // Between two positions the users are assumed to stay.
      const now = followed.slot + 1 === slot ? cell : followed.cell;
      if (now !== followed.cell) Object.assign(followed, { origin: followed.cell, cell: now, slots: 0 });
      followed.slots++;
      const next = transitions.state(followed.cell, followed.origin, followed.slots);
      transitions.count(followed.state, next);
      followed.state = next;
    }
    return followed.state;
  };

  return {
    name: 'learned-mdp',
    begin({ vm }) {
      const before = byVm.get(vm);
      if (before) transitions.count(before.state, GONE);
      byVm.delete(vm);
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
      if (costs.length < sites.length) costs = new Float64Array(2 * sites.length);
      values.expectedCostsAt(state, sites, costs);
      let chosen = 0;
      let least = costs[0]!;
      for (let i = 1; i < sites.length; i++) {
        const cost = costs[i]! + (MOVE_COST_FACTOR * view.moveCostUserMs(0, i)) / weight;
        if (cost >= least) continue;
        chosen = i;
        least = cost;
      }
      return chosen;
    },
  };
}

/** The costs of one user, in user-milliseconds: of serving one slot from each site in each cell, and of moves between sites. */
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
