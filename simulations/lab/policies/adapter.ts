/** Runs a published policy of the product in the laboratory: a slot is a second, a user is a VM, costs are abstract. */
import type { PlacementRule, RuleInput } from '#shared/policy/rules/published/rule.ts';
import type { LabPolicy, SlotRule, Setting } from '../policy.ts';
import type { World } from '../world.ts';

const SLOT_MS = 1000;

/** How a rule of the product sees the laboratory. */
export interface Adaptation {
  /** @default the rule's */
  readonly name?: string;
  /** Cost of a slot in a cell, served from a site. @default the world's c_d */
  readonly servingOf?: (world: World, cell: number, site: number) => number;
  /** True: all costs are multiplied by the slot's load factor, which matters to rules that add up costs of several slots. */
  readonly loaded?: boolean;
  /** How many sites the rule is shown, the nearest ones. @default all */
  readonly candidates?: number;
  /** As in the laboratory's port. */
  readonly evictionPriority?: (world: World, cell: number, at: number, site: number) => number;
}

/** A rule of the product as a policy of the laboratory. It never sees the future, and users begin at the nearest site. */
export function adapted(rule: PlacementRule, adaptation: Adaptation = {}): LabPolicy {
  return { name: adaptation.name ?? rule.name, sees: 'past', begin: (setting) => begin(rule, adaptation, setting) };
}

function begin(rule: PlacementRule, adaptation: Adaptation, { world, users }: Setting): SlotRule {
  const { loaded = false, evictionPriority } = adaptation;
  const view = new SlotView(world, adaptation);
  const memories = new Array<object>(users);
  let load = 1;
  /** Asks as a slot begins and as it ends: then the rule has counted the whole slot, as the authors' programs do. */
  const ask = (user: number, slot: number): number => {
    view.nowMs = slot * SLOT_MS;
    rule.choose(view, memories[user]!);
    view.nowMs += SLOT_MS;
    return view.siteAt(rule.choose(view, memories[user]!));
  };
  return {
    observe(_, __, factor) {
      // Rounded, so that one slot of a cost is that cost to the last bit: rules compare the two.
      load = loaded ? Math.fround(factor) : 1;
    },
    place(user, cell, slot) {
      const first = world.nearest[cell]!;
      view.show(user, cell, first, load);
      view.nowMs = slot * SLOT_MS;
      memories[user] = rule.begin(view);
      ask(user, slot);
      return first;
    },
    choose(user, cell, at, slot) {
      view.show(user, cell, at, load);
      return ask(user, slot);
    },
    ...(evictionPriority && {
      evictionPriority: (_: number, cell: number, at: number, site: number) => evictionPriority(world, cell, at, site),
    }),
  };
}

/** A rule's view of one user in one slot: one object for all. */
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
  /** By cell, then by site. */
  readonly #costs: Float64Array;
  /** By cell: the sites that are shown, ascending. */
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

  /** Shows a user who is in a cell, with the VM at a site. */
  show(user: number, cell: number, at: number, load: number): void {
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

  /** The number of the site at a place of the view. */
  siteAt(place: number): number {
    return this.sites[place]!.index;
  }

  moveCostUserMs(from: number, to: number): number {
    return this.#load * this.#world.move[this.siteAt(from) * this.#world.sites + this.siteAt(to)]!;
  }

  /** Moves take no time here. */
  moveMs(): number {
    return 0;
  }

  /** In hops, in the laboratory. */
  km(from: number, to: number): number {
    return this.#world.between[this.siteAt(from) * this.#world.sites + this.siteAt(to)]!;
  }
}

function usualServing({ sites, serve }: World, cell: number, site: number): number {
  return serve[cell * sites + site]!;
}

/** So many of the sites, those nearest to a cell, in order of their numbers. */
function nearestSites({ sites, nearest, squared }: World, cell: number, count: number): number[] {
  const all = Array.from({ length: sites }, (_, site) => site);
  if (count >= sites) return all;
  const distance = (site: number) => (site === nearest[cell] ? -1 : squared[cell * sites + site]!);
  return all
    .sort((a, b) => distance(a) - distance(b))
    .slice(0, count)
    .sort((a, b) => a - b);
}
