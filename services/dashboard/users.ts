/** The plausible positions of users, and the changes since they were last read. */
import type { PlausibilityLimits } from '#shared/config/schema.ts';
import type { Data } from '#shared/events/index.ts';
import { advanceTrack, checkPosition, checkTrack, newTrack, type Track } from '#shared/geo/plausibility.ts';
import { activeUntilMs, type Presence, saysMore } from '#shared/policy/state/presence.ts';
import { EVERY_MS, Fixes } from './fixes.ts';
import { PER_DEGREE, type UserName } from './wire.ts';

/** The most users that are shown. A page could not draw more. */
const MOST_USERS = 50_000;
/** How many names are stored for replay, by number. Numbers are never used again, so a past picture shows no wrong user. */
const NAMES_KEPT = 4 * MOST_USERS;

interface User {
  readonly number: number;
  readonly user: string;
  vms: readonly string[];
  readonly track: Track;
  /** The presence in the last position; null: it had none. */
  presence: Presence | null;
  /** The time of the user's last position that was stored for replay. */
  keptMs: number;
}

/** The users of the last hour. A user who is silent for longer than the session time-out is no longer shown. */
export class Users {
  readonly #limits: PlausibilityLimits;
  readonly #silentMs: number;
  readonly #shown = new Map<string, User>();
  /** By number, also of users who have left: replay needs their names. */
  readonly #names = new Map<number, UserName>();
  readonly #fixes = new Fixes();
  readonly #moved = new Set<User>();
  readonly #renamed = new Set<User>();
  #left: number[] = [];
  #numbers = 0;

  /** @param silentMs a user without a position for this long is no longer shown */
  constructor(limits: PlausibilityLimits, silentMs: number) {
    this.#limits = limits;
    this.#silentMs = silentMs;
  }

  get size(): number {
    return this.#shown.size;
  }

  /**
   * Applies a position of a user of a VM. An implausible, late or repeated position changes nothing, except that of several reports at
   * one instant the presence of the highest rank counts, as in placement.
   */
  locate(fix: Data<'location.reported.v1'>, nowMs: number): void {
    const user = this.#shown.get(fix.user) ?? this.#enrol(fix.user);
    if (user === undefined) return;
    this.#attach(user, fix.vm);
    const fault = checkPosition(fix, nowMs, this.#limits) ?? checkTrack(user.track, fix, this.#limits);
    if (fault === 'duplicate') saysMore(user, fix.presence);
    if (fault !== undefined) return;
    advanceTrack(user.track, fix);
    user.presence = fix.presence ?? null;
    this.#moved.add(user);
    if (fix.atMs < user.keptMs + EVERY_MS) return;
    user.keptMs = fix.atMs;
    this.#fixes.add(user.number, fix.atMs, whole(fix.lat), whole(fix.lon));
  }

  /** Detaches a user from a VM. */
  detach(name: string, vm: string): void {
    const user = this.#shown.get(name);
    if (user === undefined || !user.vms.includes(vm)) return;
    user.vms = user.vms.filter((other) => other !== vm);
    if (user.vms.length === 0) this.#remove(user);
    else this.#rename(user);
  }

  /** Forgets a user, also in the pictures of the last hour. */
  erase(name: string): void {
    const shown = this.#shown.get(name);
    if (shown !== undefined) this.#remove(shown);
    const numbers = new Set([...this.#names].flatMap(([number, [, user]]) => (user === name ? number : [])));
    if (shown !== undefined) numbers.add(shown.number);
    for (const number of numbers) this.#names.delete(number);
    this.#fixes.erase(numbers);
  }

  /** Detaches all users from a VM that was retired. */
  retire(vm: string): void {
    for (const { user, vms } of [...this.#shown.values()]) if (vms.includes(vm)) this.detach(user, vm);
  }

  /** Removes users who have left or fallen silent from the picture. */
  sweep(nowMs: number): void {
    for (const user of [...this.#shown.values()]) {
      if (nowMs > activeUntilMs(user.presence, user.track.atMs, this.#silentMs)) this.#remove(user);
    }
  }

  /** All users who have a position. */
  all(): { readonly users: UserName[]; readonly positions: number[] } {
    const located = [...this.#shown.values()].filter(({ track }) => track.atMs >= 0);
    return { users: located.map(nameOf), positions: located.flatMap(positionOf) };
  }

  /** The changes since the last call. */
  changes(): { readonly users: UserName[]; readonly positions: number[]; readonly left: number[] } {
    const positions: number[] = [];
    for (const user of this.#moved) positions.push(...positionOf(user));
    const users = [...this.#renamed].map(nameOf);
    const left = this.#left;
    this.#moved.clear();
    this.#renamed.clear();
    this.#left = [];
    return { users, positions, left };
  }

  /** The positions of users at an instant of the past. */
  past(atMs: number): { readonly users: UserName[]; readonly positions: number[] } {
    const found = this.#fixes.between(atMs - this.#silentMs, atMs);
    const users = found.flatMap(({ user }) => (this.#names.has(user) ? [this.#names.get(user)!] : []));
    return { users, positions: found.flatMap(({ user, lat, lon }) => [user, lat, lon]) };
  }

  #enrol(name: string): User | undefined {
    if (this.#shown.size >= MOST_USERS) return undefined;
    const user: User = {
      number: this.#numbers++,
      user: name,
      vms: [],
      track: newTrack(),
      presence: null,
      keptMs: -EVERY_MS,
    };
    this.#shown.set(name, user);
    this.#names.delete(user.number - NAMES_KEPT);
    return user;
  }

  #attach(user: User, vm: string): void {
    if (user.vms.includes(vm)) return;
    user.vms = [...user.vms, vm];
    this.#rename(user);
  }

  #rename(user: User): void {
    this.#renamed.add(user);
    this.#names.set(user.number, nameOf(user));
  }

  #remove(user: User): void {
    this.#shown.delete(user.user);
    this.#moved.delete(user);
    this.#renamed.delete(user);
    this.#left.push(user.number);
  }
}

function nameOf({ number, user, vms }: User): UserName {
  return [number, user, ...vms];
}

function positionOf({ number, track }: User): [number, number, number] {
  return [number, whole(track.lat), whole(track.lon)];
}

function whole(degrees: number): number {
  return Math.round(degrees * PER_DEGREE);
}
