/** Runs a published policy of the product in the laboratory: a slot is a second, a user is a VM, costs are abstract. */
import type { PlacementRule, RuleInput } from '#shared/policy/rules/published/rule.ts';
import type { LabPolicy, Setting, SlotRule } from '../policy.ts';
import type { World } from '../world.ts';

const SLOT_MS = 1000;

/** The settings of an adaptation. */
export interface Adaptation {
  /** @default the name of the rule */
  readonly name?: string;
  /** The cost of serving a user in a cell from a site for one slot. @default c_d of the world */
  readonly servingOf?: (world: World, cell: number, site: number) => number;
  /** True: all costs include the slot's load factor. It matters to rules that add up costs over several slots. @default false */
  readonly withLoad?: boolean;
  /** The rule sees so many sites, the nearest ones. @default all sites */
  readonly candidates?: number;
  /** As in `SlotRule`. */
  readonly evictionPriority?: (world: World, cell: number, at: number, site: number) => number;
}

/** Adapts a rule of the product to the laboratory. The policy sees the past only, and services begin at the nearest site. */
export function adapted(rule: PlacementRule, adaptation: Adaptation = {}): LabPolicy {
  return { name: adaptation.name ?? rule.name, sees: 'past', begin: (setting) => begin(rule, adaptation, setting) };
}

function begin(rule: PlacementRule, adaptation: Adaptation, { world, users }: Setting): SlotRule {
  const { withLoad = false, evictionPriority } = adaptation;
  const view = new SlotView(world, adaptation);
  const memories = new Array<object>(users);
  let load = 1;
  /** Asks at the beginning and at the end of a slot, so that the rule counts the whole slot, as the authors' programs do. */
  const ask = (user: number, slot: number): number => {
    view.nowMs = slot * SLOT_MS;
    rule.choose(view, memories[user]!);
    view.nowMs += SLOT_MS;
    return view.siteAt(rule.choose(view, memories[user]!));
  };
  return {
    observe(_, __, factor) {
      // Rounded to 24 bits, so that rules which compare a cost with a cost over one slot find equal costs equal, to the last bit.
      load = withLoad ? Math.fround(factor) : 1;
    },
    place(user, cell, slot) {
      const first = world.nearest[cell]!;
      view.set(user, cell, first, load);
      view.nowMs = slot * SLOT_MS;
      memories[user] = rule.begin(view);
      ask(user, slot);
      return first;
    },
    choose(user, cell, at, slot) {
      view.set(user, cell, at, load);
      return ask(user, slot);
    },
    ...(evictionPriority && {
      evictionPriority: (_: number, cell: number, at: number, site: number) => evictionPriority(world, cell, at, site),
    }),
  };
}

/** The input of a rule for one user in one slot. All calls share one object. */
class SlotView implements RuleInput {
  vm = '';
  nowMs = 0;
  best = 0;
  readonly weight = 1;
  readonly usualDwellMs = 0;
  readonly sites: RuleInput['sites'][number][] = [];
  readonly serving: number[] = [];
  readonly #world: World;
  readonly #all: readonly RuleInput['sites'][number][];
  /** By cell, then by site: the cost of serving for one slot. */
  readonly #costs: Float64Array;
  /** By cell: the sites that the rule sees, ascending. */
  readonly #near: readonly (readonly number[])[];
  #load = 1;

  constructor(world: World, { servingOf = usualServing, candidates = world.sites }: Adaptation) {
    const { cells, sites } = world;
    this.#world = world;
    this.#all = Array.from({ length: sites }, (_, index) => ({ id: `${index}`, index }));
    this.#costs = Float64Array.from({ length: cells * sites }, (_, i) =>
      servingOf(world, Math.floor(i / sites), i % sites),
    );
    this.#near = Array.from({ length: cells }, (_, cell) => nearestSites(world, cell, candidates));
  }

  /** Sets the view to a user in a cell whose service is at a site. */
  set(user: number, cell: number, at: number, load: number): void {
    const { sites, nearest } = this.#world;
    const row = cell * sites;
    const add = (site: number) => {
      this.sites.push(this.#all[site]!);
      this.serving.push(load * this.#costs[row + site]!);
    };
    this.vm = `${user}`;
    this.#load = load;
    this.best = 0;
    this.sites.length = 0;
    this.serving.length = 0;
    add(at);
    for (const site of this.#near[cell]!) {
      if (site === at) continue;
      if (site === nearest[cell]) this.best = this.sites.length;
      add(site);
    }
  }

  /** The number of a site, by its index in the view. */
  siteAt(index: number): number {
    return this.sites[index]!.index;
  }

  moveCostUserMs(from: number, to: number): number {
    return this.#load * this.#world.move[this.siteAt(from) * this.#world.sites + this.siteAt(to)]!;
  }

  /** In the laboratory, moves take no time. */
  moveMs(): number {
    return 0;
  }

  /** In the laboratory, distances are in hops. */
  km(from: number, to: number): number {
    return this.#world.between[this.siteAt(from) * this.#world.sites + this.siteAt(to)]!;
  }
}

function usualServing({ sites, serve }: World, cell: number, site: number): number {
  return serve[cell * sites + site]!;
}

/** The `count` sites nearest to a cell, in order of their numbers. */
function nearestSites({ sites, nearest, squared }: World, cell: number, count: number): number[] {
  const all = Array.from({ length: sites }, (_, site) => site);
  if (count >= sites) return all;
  const distance = (site: number) => (site === nearest[cell] ? -1 : squared[cell * sites + site]!);
  return all
    .sort((a, b) => distance(a) - distance(b))
    .slice(0, count)
    .sort((a, b) => a - b);
}
