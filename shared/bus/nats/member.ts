import { setTimeout as pause } from 'node:timers/promises';
import { nuid } from 'nats';
import { TagalongError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Subscribe } from '../bus.ts';
import { Partition, type PartitionOptions } from './partition.ts';
import { spread } from './spread.ts';
import { BEAT_MS, type View } from './view.ts';

const JOIN_TIMEOUT_MS = 20_000;
const ECHO_MS = 5;
const ECHOES = 400;

/** What a member needs of its bus. */
export interface MemberOptions extends Omit<PartitionOptions, 'partition' | 'member'> {
  readonly partitions: number;
  readonly exclusive: boolean;
  readonly assigned: Subscribe['assigned'];
  readonly view: View;
  readonly log: Log | undefined;
  /** The number of the last message in the stream: where a new group begins. */
  end(): Promise<number>;
}

/**
 * One member of a group: says that it is alive, works out which partitions are its own, takes those that are nobody's or a
 * dead member's, and gives back those that have become another's when their batch in hand is done.
 */
export class Member {
  readonly #options: MemberOptions;
  readonly #id = nuid.next();
  readonly #held = new Map<number, Partition>();
  /** Partitions that are being given back. */
  readonly #leaving = new Map<number, Promise<void>>();
  readonly #ends: (() => void)[] = [];
  /** The other members, by id, with their processes; undefined before the first look. */
  #others: ReadonlyMap<string, string> | undefined;
  #taking: Promise<void> | undefined;
  #again = false;
  #stopping: Promise<void> | undefined;

  private constructor(options: MemberOptions) {
    this.#options = options;
  }

  /** Resolves when it has taken what was free and said what it has. @throws TagalongError BUS_UNREACHABLE */
  static async join(options: MemberOptions): Promise<Member> {
    const member = new Member(options);
    const { view, group } = options;
    const sign = () => view.sign(group, member.#id, 'alive');
    sign();
    // The first may be lost with the connection.
    const again = setInterval(sign, BEAT_MS);
    const deadlineMs = performance.now() + JOIN_TIMEOUT_MS;
    // When we hear ourselves we have heard those who were there before.
    while (!view.lives(group, member.#id) && performance.now() < deadlineMs) await pause(ECHO_MS);
    clearInterval(again);
    if (!view.lives(group, member.#id)) throw unheard(group);
    const beat = setInterval(() => {
      view.sign(group, member.#id, 'alive');
      member.#look();
    }, BEAT_MS);
    member.#ends.push(
      () => clearInterval(beat),
      view.onChange((changed) => {
        if (changed === group) member.#look();
      }),
    );
    try {
      await member.#begin();
      options.assigned?.([]);
      member.#look();
      while (member.#taking !== undefined) await member.#taking;
      return member;
    } catch (error) {
      // One that never came to work must not keep partitions from others.
      await member.stop();
      throw error;
    }
  }

  /** Resolves when what is in hand is done, and the partitions are free. */
  stop(): Promise<void> {
    this.#stopping ??= this.#leave();
    return this.#stopping;
  }

  async #leave(): Promise<void> {
    const { view, group } = this.#options;
    for (const end of this.#ends.splice(0)) end();
    // Heard to the end: nobody may take what is in hand for a dead member's.
    view.sign(group, this.#id, 'leaving');
    const beat = setInterval(() => view.sign(group, this.#id, 'leaving'), BEAT_MS);
    await this.#taking;
    for (const partition of this.#held.keys()) this.#giveBack(partition);
    await Promise.all(this.#leaving.values());
    clearInterval(beat);
    view.sign(group, this.#id, 'left');
  }

  /** A new group begins with what is published from now on: of all partitions, also those that others will take. */
  async #begin(): Promise<void> {
    const { view, group, partitions, end } = this.#options;
    const missing = Array.from({ length: partitions }, (_, i) => i).filter((i) => view.placed(group, i) === undefined);
    if (missing.length === 0) return;
    const place = { from: (await end()) + 1, refusals: 0, deaths: 0, refusedTo: 0 };
    await Promise.all(missing.map((partition) => view.write(group, partition, place, 0)));
    // What another member was quicker to write is on its way to us.
    for (let tries = 0; tries < ECHOES && missing.some((i) => view.placed(group, i) === undefined); tries++) {
      await pause(ECHO_MS);
    }
  }

  /** Brings what it has to what it should have. */
  #look(): void {
    const { view, group, partitions, exclusive } = this.#options;
    for (const [partition, held] of this.#held) held.look(view.placed(group, partition));
    const staying = view.members(group).filter(({ leaving }) => !leaving);
    this.#meet(staying);
    const owners = spread(staying, partitions, exclusive);
    for (const partition of this.#held.keys()) if (owners[partition] !== this.#id) this.#giveBack(partition);
    if (this.#taking !== undefined) {
      this.#again = true;
      return;
    }
    const free = owners.flatMap((owner, partition) => (this.#isToTake(partition, owner) ? partition : []));
    if (free.length === 0) return;
    this.#taking = this.#take(free).finally(() => {
      this.#taking = undefined;
      if (this.#again && this.#stopping === undefined) {
        this.#again = false;
        this.#look();
      }
    });
  }

  /** Says who has come and who has gone since the last look. */
  #meet(staying: readonly { readonly id: string; readonly process: string }[]): void {
    const { group, log } = this.#options;
    const known = this.#others;
    const others = new Map(staying.flatMap(({ id, process }) => (id === this.#id ? [] : [[id, process]])));
    this.#others = others;
    if (known === undefined) return;
    for (const [id, process] of others) if (!known.has(id)) log?.info({ group, process }, 'a member joined');
    for (const [id, process] of known) if (!others.has(id)) log?.info({ group, process }, 'a member left');
  }

  /** @param owner whose it should be */
  #isToTake(partition: number, owner: string | undefined): boolean {
    const { view, group } = this.#options;
    if (this.#held.has(partition) || this.#leaving.has(partition)) return false;
    const written = view.placed(group, partition)?.place.owner;
    // Ours in writing only, whosever it should be: what could not be released is taken again, and then given back. As
    // long as we live nobody else takes it.
    if (written === this.#id) return true;
    return owner === this.#id && (written === undefined || view.members(group).every(({ id }) => id !== written));
  }

  async #take(free: readonly number[]): Promise<void> {
    const { view, group } = this.#options;
    // There, unless the server has lost them; where it does not answer it is tried again with the next sign of life.
    await this.#begin().catch(() => {});
    const taken = await Promise.all(
      free.map(async (partition) => {
        const placed = view.placed(group, partition);
        if (placed === undefined) return [];
        const options = { ...this.#options, partition, member: this.#id };
        const own = await Partition.take(options, placed).catch(() => undefined);
        return own === undefined ? [] : [[partition, own] as const];
      }),
    );
    if (taken.flat().length === 0) return;
    for (const [partition, own] of taken.flat()) this.#held.set(partition, own);
    this.#say();
    for (const [partition, own] of taken.flat()) {
      own.start(() => {
        if (this.#held.get(partition) === own) this.#giveBack(partition);
      });
    }
  }

  #giveBack(partition: number): void {
    const own = this.#held.get(partition);
    if (own === undefined || this.#leaving.has(partition)) return;
    const leave = async () => {
      await own.stop();
      this.#held.delete(partition);
      this.#say();
      // Where it cannot be written it is taken again, or our silence frees it.
      await own.release().catch(() => {});
      this.#leaving.delete(partition);
      if (this.#stopping === undefined) this.#look();
    };
    this.#leaving.set(partition, leave());
  }

  #say(): void {
    this.#options.assigned?.([...this.#held.keys()].sort((a, b) => a - b));
  }
}

function unheard(group: string): TagalongError {
  return new TagalongError(
    'BUS_UNREACHABLE',
    `${group}: NATS does not pass on that we are there; look after the server`,
  );
}
