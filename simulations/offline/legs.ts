/** The legs of an itinerary: the cost of serving from each site between two entries. */
import { type NetworkModel, userRttMs } from '#shared/model/network.ts';
import type { EvaluationSettings } from '#shared/policy/evaluate/evaluator.ts';
import type { SiteTable } from '#shared/policy/state/sites.ts';
import { excessRttMs } from '../serving.ts';
import type { Itinerary } from './itinerary.ts';
import { NEIGHBOURS } from './places.ts';

/** A user at the last known position. */
interface Present {
  readonly weight: number;
  /** The position as a unit vector. */
  readonly probe: Float64Array;
  untilMs: number;
  place: number;
  /** Index of the site nearest to the user. */
  near: number;
  /** The sites nearest to the user, by index; empty until they are looked up. */
  neighbours: Int32Array;
  /** The array of the first neighbours. All positions of the user reuse it. */
  readonly few: Int32Array;
  /** Serving the user from any other site costs at least so much. */
  beyondUserMsPerS: number;
}

const NOT_LOOKED_UP = new Int32Array();
/** How many neighbours of a user are tried first, and how many after that. If these do not suffice, all sites are tried. */
const TRIED = [NEIGHBOURS, 24];

/** Walks along an itinerary, from leg to leg. A leg goes from one entry of any user to the next entry. */
export class Legs {
  readonly #itinerary: Itinerary;
  readonly #table: SiteTable;
  readonly #network: NetworkModel;
  /** By number of the user: undefined until the user has reported. */
  readonly #users: (Present | undefined)[] = [];
  /** The users who are present in this leg. */
  readonly #present: Present[] = [];

  constructor(itinerary: Itinerary, table: SiteTable, { network }: Pick<EvaluationSettings, 'network'>) {
    this.#itinerary = itinerary;
    this.#table = table;
    this.#network = network;
  }

  /** Goes to the leg that begins at an entry. The caller has to go to all entries in ascending order. */
  goTo(entry: number): void {
    const { user, atMs } = this.#itinerary;
    if (user[entry]! >= 0) this.#moveUser(entry);
    this.#present.length = 0;
    for (const each of this.#users) if (each !== undefined && each.untilMs > atMs[entry]!) this.#present.push(each);
  }

  #moveUser(entry: number): void {
    const { weights, user, untilMs, place, places } = this.#itinerary;
    const number = user[entry]!;
    let present = this.#users[number];
    if (present === undefined) {
      const few = new Int32Array(Math.min(NEIGHBOURS, this.#table.index.size));
      const nowhere = { untilMs: 0, place: 0, near: 0, neighbours: NOT_LOOKED_UP, few, beyondUserMsPerS: 0 };
      present = { weight: weights[number]!, probe: new Float64Array(3), ...nowhere };
      this.#users[number] = present;
    }
    present.untilMs = untilMs[entry]!;
    present.place = place[entry]!;
    present.near = places.near(present.place);
    places.vector(present.place, present.probe);
    present.neighbours = NOT_LOOKED_UP;
  }

  /** True if a user is present in this leg. */
  get isPopulated(): boolean {
    return this.#present.length > 0;
  }

  /**
   * A superset of the sites that cost less than this rate in this leg.
   * @param userMsPerS a serving cost, in user-milliseconds a second
   * @returns indexes of sites
   */
  sitesCheaperThan(userMsPerS: number): Iterable<number> {
    const users = this.#present;
    for (const count of TRIED) {
      for (const user of users) if (user.neighbours.length < count) this.#findNeighbours(user, count);
      // A site that is a neighbour of no user costs at least so much.
      const elsewhere = users.reduce((sum, { beyondUserMsPerS }) => sum + beyondUserMsPerS, 0);
      if (elsewhere < userMsPerS) continue;
      return users.length === 1 ? users[0]!.neighbours : new Set(users.flatMap(({ neighbours }) => [...neighbours]));
    }
    return this.#table.list.keys();
  }

  #findNeighbours(present: Present, most: number): void {
    const { index } = this.#table;
    const count = Math.min(most, index.size);
    present.neighbours = count === present.few.length ? present.few : new Int32Array(count);
    const { places } = this.#itinerary;
    const beyondKm = places.neighbours(present.place, index, present.probe, present.neighbours);
    present.beyondUserMsPerS = this.#excess(present, beyondKm, false);
  }

  /** The cost of serving all users from a site in this leg, in user-milliseconds a second. */
  servingRate(site: number): number {
    let sum = 0;
    for (let i = 0; i < this.#present.length; i++) {
      const each = this.#present[i]!;
      sum += this.#excess(each, this.#table.index.distanceKm(each.probe, site), each.near === site);
    }
    return sum;
  }

  /** The duration of the leg that begins at an entry, in seconds. */
  durationS(entry: number): number {
    const { atMs } = this.#itinerary;
    return (atMs[entry + 1]! - atMs[entry]!) / 1000;
  }

  #excess({ weight }: Present, km: number, atNearest: boolean): number {
    return weight * excessRttMs(userRttMs(this.#network, km, atNearest), this.#itinerary);
  }
}

/**
 * By entry: the least weight of the users who pay for a move that switches over at the entry or shortly before or after it.
 *
 * A user pays for a move if the user is present when the move ends. The move ends after the entry before, and at the latest when the
 * next entry has come and the origin is released. A user who has left or fallen silent by then does not pay.
 * @param releaseMs how long a move lasts after the VM has switched over
 */
export function leastMovedWeights(itinerary: Itinerary, releaseMs: number): Float64Array {
  const { atMs, user, weights, unheardUntilMs } = itinerary;
  const last = atMs.length - 1;
  const endMs = (entry: number) => (atMs[entry + 1] ?? atMs[entry]!) + releaseMs;
  const presentUntilMs = weights.map(() => Number.NEGATIVE_INFINITY);
  // By leg: the weight of the users who have reported before it, and who are still present when the move ends.
  const within = new Float64Array(atMs.length);
  for (let i = 0; i <= last; i++) {
    if (user[i]! >= 0) presentUntilMs[user[i]!] = unheardUntilMs[i]!;
    weights.forEach((weight, u) => {
      if (presentUntilMs[u]! > endMs(i)) within[i]! += weight;
    });
  }
  return within.map((own, i) => {
    let least = i > 0 ? Math.min(own, within[i - 1]!) : own;
    for (let j = i + 1; j <= last && atMs[j]! <= endMs(i); j++) least = Math.min(least, within[j]!);
    return least;
  });
}
