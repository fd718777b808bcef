/** The places of each VM's users, position by position, taken from the whole trace. */
import type { VmSpec } from '#shared/events/index.ts';
import type { Vm } from '#shared/policy/state/state.ts';
import { sessionOf } from '#shared/policy/state/vm-table.ts';
import { servedUntilMs } from '../serving.ts';

/** Stands in the place of a user's number where a user fell silent: the cost of serving changes. */
const SOMEBODY_SILENT = -1;

/**
 * The positions that counted of one VM's users, in the order of time, and the instants at which one of them falls silent. From one
 * entry to the next the same users are there, at the same places.
 */
export interface Itinerary {
  readonly spec: VmSpec;
  /** Index of the site at which the VM was first. */
  readonly home: number;
  readonly weights: readonly number[];
  /** Of each entry: when, and of which user (index into `weights`); -1: a user falls silent, and the entry is no position. */
  readonly atMs: readonly number[];
  readonly user: readonly number[];
  /** Of each position: until when the user is there, where, and the index of the site nearest to it. */
  readonly untilMs: readonly number[];
  readonly lat: readonly number[];
  readonly lon: readonly number[];
  readonly near: readonly number[];
}

type Writable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

/** The last position of a user. */
interface Known {
  readonly name: string;
  /** Number of the entry. */
  entry: number;
}

/** Writes itineraries down while a policy that never moves is simulated: what counts does not depend on the policy. */
export class ItineraryRecorder {
  readonly #byVm = new Map<string, Writable<Itinerary>>();
  readonly #users = new Map<string, Known[]>();
  readonly #silentMs: number;

  /** @param silentMs a user without a position for so long counts as gone */
  constructor(silentMs: number) {
    this.#silentMs = silentMs;
  }

  readonly note = (vm: Vm, user: string, atMs: number): void => {
    const { weight, track, near } = sessionOf(vm, user)!;
    let way = this.#byVm.get(vm.id);
    if (way === undefined) {
      const none = { weights: [], atMs: [], user: [], untilMs: [], lat: [], lon: [], near: [] };
      way = { spec: vm.spec, home: vm.home.index, ...none };
      this.#byVm.set(vm.id, way);
      this.#users.set(vm.id, []);
    }
    const users = this.#users.get(vm.id)!;
    let index = users.findIndex(({ name }) => name === user);
    if (index < 0) {
      index = users.push({ name: user, entry: -1 }) - 1;
      way.weights.push(weight);
    }
    const known = users[index]!;
    if (known.entry >= 0) {
      const untilMs = servedUntilMs(way.atMs[known.entry]!, atMs, this.#silentMs);
      way.untilMs[known.entry] = untilMs;
      if (untilMs < atMs) enter(way, untilMs, SOMEBODY_SILENT, track, near);
    }
    known.entry = enter(way, atMs, index, track, near);
  };

  /** The finished itinerary; nothing can be added any more. */
  itineraries(): ReadonlyMap<string, Itinerary> {
    for (const [vm, way] of this.#byVm) this.#byVm.set(vm, inOrder(way));
    return this.#byVm;
  }
}

/** @returns the number of the entry */
function enter(
  way: Writable<Itinerary>,
  atMs: number,
  user: number,
  { lat, lon }: { readonly lat: number; readonly lon: number },
  near: number,
): number {
  way.atMs.push(atMs);
  way.user.push(user);
  // As long as no other position has come.
  way.untilMs.push(atMs);
  way.lat.push(lat);
  way.lon.push(lon);
  return way.near.push(near) - 1;
}

/** A silence is known when its user reports again, and users may report in another order than they fell silent. */
function inOrder(way: Writable<Itinerary>): Writable<Itinerary> {
  const { atMs } = way;
  if (atMs.every((ms, i) => i === 0 || atMs[i - 1]! <= ms)) return way;
  const entries = [...atMs.keys()].sort((a, b) => atMs[a]! - atMs[b]! || a - b);
  return { ...way, ...entriesOf(way, entries) };
}

/** Some entries of an itinerary, by number. */
function entriesOf({ atMs, user, untilMs, lat, lon, near }: Itinerary, entries: readonly number[]) {
  const of = (values: readonly number[]) => entries.map((i) => values[i]!);
  return { atMs: of(atMs), user: of(user), untilMs: of(untilMs), lat: of(lat), lon: of(lon), near: of(near) };
}

/**
 * The itineraryWithin of an itinerary from the last position at an instant on, to the first one after another instant. Of users who
 * come later in it, it begins with where they were.
 * @param home index of the site at which the VM is then
 */
export function itineraryWithin(way: Itinerary, fromMs: number, untilMs: number, home: number): Itinerary {
  const first = Math.max(0, lastAt(way.atMs, fromMs));
  const last = Math.min(way.atMs.length - 1, lastAt(way.atMs, untilMs) + 1);
  const before = new Map<number, number>([[SOMEBODY_SILENT, -1]]);
  for (let i = first - 1; i >= 0 && before.size <= way.weights.length; i--) {
    if (!before.has(way.user[i]!)) before.set(way.user[i]!, i);
  }
  before.delete(SOMEBODY_SILENT);
  before.delete(way.user[first]!);
  const entries = [...before.values()];
  const begun = entries.length;
  for (let i = first; i <= last; i++) entries.push(i);
  const frame = { ...way, home, ...entriesOf(way, entries) };
  return { ...frame, atMs: frame.atMs.map((atMs, n) => (n < begun ? way.atMs[first]! : atMs)) };
}

/** When the first position comes that is later than an instant; Infinity: none does. */
export function nextPositionMs({ atMs, user }: Itinerary, instantMs: number): number {
  let next = lastAt(atMs, instantMs) + 1;
  while (user[next] === SOMEBODY_SILENT) next++;
  return atMs[next] ?? Number.POSITIVE_INFINITY;
}

/** Number of the last of some ascending instants that is not after another; -1: all are. */
function lastAt(atMs: readonly number[], instantMs: number): number {
  let [from, to] = [0, atMs.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (atMs[middle]! <= instantMs) from = middle + 1;
    else to = middle;
  }
  return from - 1;
}
