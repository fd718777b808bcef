/** An itinerary as a planner needs it: what serving from a site costs between two of its entries. */
import { unitVector } from '#shared/geo/distance.ts';
import { type NetworkModel, userRttMs } from '#shared/model/network.ts';
import type { EvaluationSettings } from '#shared/policy/evaluate/evaluator.ts';
import type { SiteTable } from '#shared/policy/state/sites.ts';
import { excessRttMs } from '../serving.ts';
import type { Itinerary } from './itinerary.ts';

/** A user at the last position. */
interface Present {
  readonly weight: number;
  readonly probe: Float64Array;
  untilMs: number;
  lat: number;
  lon: number;
  near: number;
  /** So many sites nearest to the user, and how much serving from any other costs at least. */
  neighbours: Int32Array;
  beyondUserMsPerS: number;
}

const NOT_LOOKED = new Int32Array();
/**
 * How many of the sites nearest to a user are checked first, and how many if those are not enough; after that all are checked.
 */
const NEIGHBOURS = [6, 24];

/** Walks along an itinerary. A leg goes from one entry, of whichever user, to the next. */
export class Legs {
  readonly #way: Itinerary;
  readonly #table: SiteTable;
  readonly #network: NetworkModel;
  /** Users who have reported, by number, and those of them who are present in this leg. */
  readonly #users: (Present | undefined)[] = [];
  readonly #present: Present[] = [];

  constructor(way: Itinerary, table: SiteTable, { network }: Pick<EvaluationSettings, 'network'>) {
    this.#way = way;
    this.#table = table;
    this.#network = network;
  }

  /** Goes to an entry, and so to the leg that begins there. Entries have to be taken in order. */
  take(entry: number): void {
    const { user, atMs } = this.#way;
    if (user[entry]! >= 0) this.#place(entry);
    this.#present.length = 0;
    for (const each of this.#users) if (each !== undefined && each.untilMs > atMs[entry]!) this.#present.push(each);
  }

  #place(entry: number): void {
    const { weights, user, untilMs, lat, lon, near } = this.#way;
    const number = user[entry]!;
    let present = this.#users[number];
    if (present === undefined) {
      const nowhere = { untilMs: 0, lat: 0, lon: 0, near: 0, neighbours: NOT_LOOKED, beyondUserMsPerS: 0 };
      present = { weight: weights[number]!, probe: new Float64Array(3), ...nowhere };
      this.#users[number] = present;
    }
    present.untilMs = untilMs[entry]!;
    present.lat = lat[entry]!;
    present.lon = lon[entry]!;
    present.near = near[entry]!;
    unitVector(present, present.probe);
    present.neighbours = NOT_LOOKED;
  }

  /** Sites, by index, among which are all from where serving costs less than so much in this leg. */
  cheaperThan(userMsPerS: number): Iterable<number> {
    const users = this.#present;
    for (const count of NEIGHBOURS) {
      for (const user of users) if (user.neighbours.length < count) this.#lookAround(user, count);
      const elsewhere = users.reduce((sum, { beyondUserMsPerS }) => sum + beyondUserMsPerS, 0);
      if (elsewhere < userMsPerS) continue;
      return users.length === 1 ? users[0]!.neighbours : new Set(users.flatMap(({ neighbours }) => [...neighbours]));
    }
    return this.#table.list.keys();
  }

  #lookAround(present: Present, most: number): void {
    const { index } = this.#table;
    const count = Math.min(most, index.size);
    const km = new Float64Array(count);
    present.neighbours = new Int32Array(count);
    index.nearestFrom(present.near, present.probe, present, count, present.neighbours, km);
    present.beyondUserMsPerS = this.#excess(present, km[count - 1]!, false);
  }

  /** The cost of serving all users from a site in this leg, in user-milliseconds a second. */
  rate(site: number): number {
    let sum = 0;
    for (let i = 0; i < this.#present.length; i++) {
      const each = this.#present[i]!;
      sum += this.#excess(each, this.#table.index.distanceKm(each.probe, site), each.near === site);
    }
    return sum;
  }

  /** How long the leg from an entry lasts, in seconds. */
  servedS(entry: number): number {
    const { atMs } = this.#way;
    return (atMs[entry + 1]! - atMs[entry]!) / 1000;
  }

  #excess({ weight }: Present, km: number, atNearest: boolean): number {
    return weight * excessRttMs(userRttMs(this.#network, km, atNearest), this.#way);
  }
}

/**
 * At each entry: the least weight of users that a move may have to answer for which switches over about then, from the
 * entry before it to the one after it and the release. Users who have fallen silent do not mind being moved.
 */
export function movedWeights({ atMs, user, weights }: Itinerary, timeoutMs: number, releaseMs: number): Float64Array {
  const last = atMs.length - 1;
  const endMs = (position: number) => (atMs[position + 1] ?? atMs[position]!) + releaseMs;
  const heardMs = weights.map(() => Number.NEGATIVE_INFINITY);
  // The least within each leg: of the users who have reported, and are not silent when it ends.
  const within = new Float64Array(atMs.length);
  for (let i = 0; i <= last; i++) {
    if (user[i]! >= 0) heardMs[user[i]!] = atMs[i]!;
    weights.forEach((weight, u) => {
      if (heardMs[u]! + timeoutMs > endMs(i)) within[i]! += weight;
    });
  }
  return within.map((own, i) => {
    let least = i > 0 ? Math.min(own, within[i - 1]!) : own;
    for (let j = i + 1; j <= last && atMs[j]! <= endMs(i); j++) least = Math.min(least, within[j]!);
    return least;
  });
}
