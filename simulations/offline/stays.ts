/** The true stays of the users of a VM: how long one site really remains the best one, and which site is the best one after it. */
import type { PlannerInput } from './cheapest-route.ts';
import type { Itinerary } from './itinerary.ts';
import { Legs } from './legs.ts';

/** A stay: one site serves the users of a VM best. Times in ms since the epoch. */
export interface TrueStay {
  /** Index of the site. */
  readonly site: number;
  readonly fromMs: number;
  /** When another site becomes the best one, or when the last user leaves or falls silent. */
  untilMs: number;
  /** Index of the site of the next stay; -1: the users are gone after this one. */
  next: number;
}

/**
 * The stays of an itinerary, in order of time. Of two sites that serve equally well, the one before remains the best one.
 * @param itinerary with at least one entry
 */
export function trueStays(itinerary: Itinerary, { sites, settings }: PlannerInput): TrueStay[] {
  const legs = new Legs(itinerary, sites, settings);
  const stays: TrueStay[] = [];
  let stay: TrueStay | undefined;
  for (let entry = 0; entry + 1 < itinerary.atMs.length; entry++) {
    legs.goTo(entry);
    const atMs = itinerary.atMs[entry]!;
    const site = legs.isPopulated ? bestSite(legs, stay?.site ?? itinerary.home) : -1;
    if (stay !== undefined && site !== stay.site) stay.next = site;
    if (site < 0) stay = undefined;
    else if (stay?.site !== site) {
      stay = { site, fromMs: atMs, untilMs: atMs, next: -1 };
      stays.push(stay);
    }
    if (stay !== undefined) stay.untilMs = itinerary.atMs[entry + 1]!;
  }
  return stays;
}

/** The stay at an instant; undefined: no user is there. */
export function stayAt(stays: readonly TrueStay[], atMs: number): TrueStay | undefined {
  let [from, to] = [0, stays.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (stays[middle]!.fromMs <= atMs) from = middle + 1;
    else to = middle;
  }
  const stay = stays[from - 1];
  return stay !== undefined && atMs < stay.untilMs ? stay : undefined;
}

function bestSite(legs: Legs, before: number): number {
  let best = before;
  let least = legs.servingRate(before);
  for (const site of legs.sitesCheaperThan(least)) {
    const rate = legs.servingRate(site);
    if (rate >= least) continue;
    best = site;
    least = rate;
  }
  return best;
}
