/** Itineraries: where the users of each VM are over the whole trace. */
import type { VmSpec } from '#shared/events/index.ts';
import { activeUntilMs } from '#shared/policy/state/presence.ts';
import type { Vm } from '#shared/policy/state/state.ts';
import { sessionOf } from '#shared/policy/state/vm-table.ts';
import { Places } from './places.ts';

/** The `user` of an entry at which some user falls silent: the serving cost changes, but there is no new position. */
const SILENCE = -1;

/**
 * The positions of one VM's users that counted, in order of time, and the instants at which a user falls silent. These are the
 * entries. Between two entries the same users are present, at the same positions.
 */
export interface Itinerary {
  readonly spec: VmSpec;
  /** Index of the first site of the VM. */
  readonly home: number;
  /** Weights of the users, by number of the user. */
  readonly weights: readonly number[];
  /** Time of each entry. */
  readonly atMs: readonly number[];
  /** Number of the user of each entry; -1: a user falls silent, and the entry has no position. */
  readonly user: readonly number[];
  /** Of each position: until when the user is present there. */
  readonly untilMs: readonly number[];
  /** Of each position: until when the user would be present without another report; Infinity: for ever. */
  readonly unheardUntilMs: readonly number[];
  /** Of each position: its number in `places`. */
  readonly place: readonly number[];
  /** The positions. An itinerary shares them with its parts. */
  readonly places: Places;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

interface KnownUser {
  readonly name: string;
  /** Number of the entry that holds the user's last position; -1: none yet. */
  entry: number;
}

/** Records itineraries during a run. */
export class ItineraryRecorder {
  readonly #byVm = new Map<string, Writable<Itinerary>>();
  readonly #users = new Map<string, KnownUser[]>();
  readonly #silentMs: number;

  /** @param silentMs a user without a position for so long counts as gone, unless the presence of the last position says otherwise */
  constructor(silentMs: number) {
    this.#silentMs = silentMs;
  }

  /** Records the position that a session has just received. */
  readonly record = (vm: Vm, user: string, atMs: number): void => {
    const { weight, track, near, presence } = sessionOf(vm, user)!;
    let itinerary = this.#byVm.get(vm.id);
    if (itinerary === undefined) {
      const none = { weights: [], atMs: [], user: [], untilMs: [], unheardUntilMs: [], place: [] };
      itinerary = { spec: vm.spec, home: vm.home.index, places: new Places(), ...none };
      this.#byVm.set(vm.id, itinerary);
      this.#users.set(vm.id, []);
    }
    const users = this.#users.get(vm.id)!;
    let index = users.findIndex(({ name }) => name === user);
    if (index < 0) {
      index = users.push({ name: user, entry: -1 }) - 1;
      itinerary.weights.push(weight);
    }
    const known = users[index]!;
    if (known.entry >= 0) {
      const untilMs = Math.min(atMs, itinerary.unheardUntilMs[known.entry]!);
      itinerary.untilMs[known.entry] = untilMs;
      if (untilMs < atMs) append(itinerary, untilMs, SILENCE, SILENCE, untilMs);
    }
    const unheardUntilMs = activeUntilMs(presence, track.atMs, this.#silentMs);
    known.entry = append(itinerary, atMs, index, itinerary.places.add(track, near), unheardUntilMs);
  };

  /** The finished itineraries, by VM. The caller must not record anything after that. */
  itineraries(): ReadonlyMap<string, Itinerary> {
    for (const [vm, itinerary] of this.#byVm) this.#byVm.set(vm, inOrder(itinerary));
    return this.#byVm;
  }
}

/** @returns the number of the new entry */
function append(
  itinerary: Writable<Itinerary>,
  atMs: number,
  user: number,
  place: number,
  unheardUntilMs: number,
): number {
  itinerary.atMs.push(atMs);
  itinerary.user.push(user);
  // The next position of the user sets the true end.
  itinerary.untilMs.push(atMs);
  itinerary.unheardUntilMs.push(unheardUntilMs);
  return itinerary.place.push(place) - 1;
}

/**
 * Sorts the entries by time. The recorder notices a silence only when the user reports again. Users may report again in another
 * order than they fell silent.
 */
function inOrder(itinerary: Writable<Itinerary>): Writable<Itinerary> {
  const { atMs } = itinerary;
  if (atMs.every((ms, i) => i === 0 || atMs[i - 1]! <= ms)) return itinerary;
  const entries = [...atMs.keys()].sort((a, b) => atMs[a]! - atMs[b]! || a - b);
  return { ...itinerary, ...entriesOf(itinerary, entries) };
}

/** The entries with these numbers, in this order. */
function entriesOf(itinerary: Itinerary, entries: readonly number[]) {
  const of = (values: readonly number[]) => entries.map((i) => values[i]!);
  return {
    atMs: of(itinerary.atMs),
    user: of(itinerary.user),
    untilMs: of(itinerary.untilMs),
    unheardUntilMs: of(itinerary.unheardUntilMs),
    place: of(itinerary.place),
  };
}

/**
 * A part of an itinerary: from the last entry at or before `fromMs` to the first entry after `untilMs`. It begins with the last
 * earlier position of every other user, dated to the first entry.
 * @param home index of the site of the VM at the beginning of the part
 */
export function itineraryWithin(itinerary: Itinerary, fromMs: number, untilMs: number, home: number): Itinerary {
  const last = Math.min(itinerary.atMs.length - 1, lastAt(itinerary.atMs, untilMs) + 1);
  return partTo(itinerary, fromMs, last, home);
}

/**
 * A part of an itinerary without anything that happens after `horizonMs`. Users who are present then stay where they are for
 * `staysMs`; the last entry is the end of that.
 * @param home index of the site of the VM at the beginning of the part
 */
export function itineraryAhead(
  itinerary: Itinerary,
  fromMs: number,
  horizonMs: number,
  staysMs: number,
  home: number,
): Itinerary {
  const part = partTo(itinerary, fromMs, lastAt(itinerary.atMs, horizonMs), home);
  const endMs = horizonMs + staysMs;
  // A position that no other of its user follows before the horizon.
  const isLast = part.user.map((user, i) => user !== SILENCE && part.user.indexOf(user, i + 1) < 0);
  const stays = (i: number) => isLast[i]! && part.unheardUntilMs[i]! > horizonMs;
  const untilMs = part.untilMs.map((ms, i) => (stays(i) ? endMs : ms));
  return {
    ...part,
    atMs: [...part.atMs, endMs],
    user: [...part.user, SILENCE],
    untilMs: [...untilMs, endMs],
    unheardUntilMs: [...part.unheardUntilMs.map((ms, i) => (stays(i) ? Number.POSITIVE_INFINITY : ms)), endMs],
    place: [...part.place, SILENCE],
  };
}

/** From the last entry at or before an instant to an entry, after the earlier positions of the other users. */
function partTo(itinerary: Itinerary, fromMs: number, last: number, home: number): Itinerary {
  const first = Math.max(0, lastAt(itinerary.atMs, fromMs));
  const before = new Map<number, number>([[SILENCE, -1]]);
  for (let i = first - 1; i >= 0 && before.size <= itinerary.weights.length; i--) {
    if (!before.has(itinerary.user[i]!)) before.set(itinerary.user[i]!, i);
  }
  before.delete(SILENCE);
  before.delete(itinerary.user[first]!);
  const entries = [...before.values()];
  const earlier = entries.length;
  for (let i = first; i <= last; i++) entries.push(i);
  const part = { ...itinerary, home, ...entriesOf(itinerary, entries) };
  return { ...part, atMs: part.atMs.map((atMs, n) => (n < earlier ? itinerary.atMs[first]! : atMs)) };
}

/** The time of the first position after an instant; Infinity if there is none. */
export function nextPositionMs({ atMs, user }: Itinerary, instantMs: number): number {
  let next = lastAt(atMs, instantMs) + 1;
  while (user[next] === SILENCE) next++;
  return atMs[next] ?? Number.POSITIVE_INFINITY;
}

/** The time of the position that is nearest to an instant, the later one of two that are equally near. */
export function nearestPositionMs(itinerary: Itinerary, instantMs: number): number {
  let before = lastAt(itinerary.atMs, instantMs);
  while (itinerary.user[before] === SILENCE) before--;
  const beforeMs = itinerary.atMs[before] ?? Number.NEGATIVE_INFINITY;
  const nextMs = nextPositionMs(itinerary, instantMs);
  return instantMs - beforeMs < nextMs - instantMs ? beforeMs : nextMs;
}

/** Index of the last of some ascending times that is at or before an instant; -1 if all are later. */
function lastAt(atMs: readonly number[], instantMs: number): number {
  let [from, to] = [0, atMs.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (atMs[middle]! <= instantMs) from = middle + 1;
    else to = middle;
  }
  return from - 1;
}
