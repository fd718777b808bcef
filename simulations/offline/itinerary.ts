/** Where the users of each VM were, position by position: what somebody knows who knows the whole trace. */
import type { VmSpec } from '#shared/events/index.ts';
import { sessionOf } from '#shared/policy/roster.ts';
import type { Vm } from '#shared/policy/vm.ts';

/** The positions that counted of one VM's users, in the order in which they came. */
export interface Itinerary {
  readonly spec: VmSpec;
  /** Index of the site at which the VM was first. */
  readonly home: number;
  readonly weights: readonly number[];
  /** Of each position: when, of which user (index into `weights`), where, and the index of the site nearest to it. */
  readonly atMs: readonly number[];
  readonly user: readonly number[];
  readonly lat: readonly number[];
  readonly lon: readonly number[];
  readonly near: readonly number[];
}

type Writable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

/** Writes itineraries down while a policy that never moves is simulated: what counts does not depend on the policy. */
export class Travelogue {
  readonly byVm = new Map<string, Itinerary>();
  readonly #users = new Map<string, string[]>();

  readonly note = (vm: Vm, user: string, atMs: number): void => {
    const session = sessionOf(vm, user)!;
    let way = this.byVm.get(vm.id) as Writable<Itinerary> | undefined;
    if (way === undefined) {
      way = { spec: vm.spec, home: vm.home.index, weights: [], atMs: [], user: [], lat: [], lon: [], near: [] };
      this.byVm.set(vm.id, way);
      this.#users.set(vm.id, []);
    }
    const users = this.#users.get(vm.id)!;
    let index = users.indexOf(user);
    if (index < 0) {
      index = users.push(user) - 1;
      way.weights.push(session.weight);
    }
    way.atMs.push(atMs);
    way.user.push(index);
    way.lat.push(session.track.lat);
    way.lon.push(session.track.lon);
    way.near.push(session.near);
  };
}

/**
 * The part of an itinerary from the last position at an instant on, to the first one after another instant. Of users who
 * come later in it, it begins with where they were.
 * @param home index of the site at which the VM is then
 */
export function part(way: Itinerary, fromMs: number, untilMs: number, home: number): Itinerary {
  const first = Math.max(0, lastAt(way.atMs, fromMs));
  const last = Math.min(way.atMs.length - 1, lastAt(way.atMs, untilMs) + 1);
  const before = new Map<number, number>();
  for (let i = first - 1; i >= 0 && before.size < way.weights.length; i--) {
    if (!before.has(way.user[i]!)) before.set(way.user[i]!, i);
  }
  before.delete(way.user[first]!);
  const positions = [...before.values()];
  const begun = positions.length;
  for (let i = first; i <= last; i++) positions.push(i);
  const of = (values: readonly number[]) => positions.map((i) => values[i]!);
  const atMs = positions.map((i, n) => way.atMs[n < begun ? first : i]!);
  return { ...way, home, atMs, user: of(way.user), lat: of(way.lat), lon: of(way.lon), near: of(way.near) };
}

/** Number of the last of some ascending instants that is not after another; -1: all are. */
export function lastAt(atMs: readonly number[], instantMs: number): number {
  let [from, to] = [0, atMs.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (atMs[middle]! <= instantMs) from = middle + 1;
    else to = middle;
  }
  return from - 1;
}
