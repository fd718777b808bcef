import { nuid } from 'nats';
import { until } from '../../clock/retry.ts';
import { TagalongError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Subscribe } from '../bus.ts';
import { assignPartitions } from './assignment.ts';
import { type GroupMembership, HEARTBEAT_MS } from './membership.ts';
import { Partition, type PartitionOptions } from './partition.ts';

const JOIN_TIMEOUT_MS = 20_000;
/** The interval and the limit of a member's wait for the echo of its own writes. */
const ECHO_MS = 5;
const ECHO_TIMEOUT_MS = 2_000;

/** The dependencies of a member. */
export interface MemberOptions extends Omit<PartitionOptions, 'partition' | 'member'> {
  readonly partitions: number;
  readonly exclusive: boolean;
  readonly assigned: Subscribe['assigned'];
  readonly membership: GroupMembership;
  readonly log: Log | undefined;
  /** The number of the last message in the stream: a new group begins behind it. */
  end(): Promise<number>;
}

/**
 * One member of a group. It sends heartbeats and computes its partitions. It takes partitions without an owner and partitions of
 * dead members. It releases partitions that now belong to another member, each after its batch in hand.
 */
export class Member {
  readonly #options: MemberOptions;
  readonly #id = nuid.next();
  readonly #held = new Map<number, Partition>();
  /** The partitions that the member is releasing. */
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

  /**
   * Resolves when the member has taken the partitions that were free, and `assigned` was called with them.
   * @throws TagalongError BUS_UNREACHABLE if our own heartbeat does not come back, or the offsets cannot be written
   */
  static async join(options: MemberOptions): Promise<Member> {
    const member = new Member(options);
    const { membership, group } = options;
    const heartbeat = () => membership.heartbeat(group, member.#id, 'alive');
    heartbeat();
    // The first heartbeat may be lost with the connection.
    const again = setInterval(heartbeat, HEARTBEAT_MS);
    // The stream is ordered: after our own heartbeat has come back, we have received those of all earlier members.
    const isHeard = await until(() => membership.lives(group, member.#id), {
      everyMs: ECHO_MS,
      withinMs: JOIN_TIMEOUT_MS,
    });
    clearInterval(again);
    if (!isHeard) throw unheard(group);
    const beat = setInterval(() => {
      heartbeat();
      member.#look();
    }, HEARTBEAT_MS);
    member.#ends.push(
      () => clearInterval(beat),
      membership.onChange((changed) => {
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
      // A member that failed to join must not hold partitions.
      await member.stop();
      throw error;
    }
  }

  /** Resolves when the batches in hand are done, and the partitions are free. */
  stop(): Promise<void> {
    this.#stopping ??= this.#leave();
    return this.#stopping;
  }

  async #leave(): Promise<void> {
    const { membership, group } = this.#options;
    for (const end of this.#ends.splice(0)) end();
    // Heartbeats go on to the end, so that nobody takes a partition whose batch is still in hand.
    membership.heartbeat(group, this.#id, 'leaving');
    const beat = setInterval(() => membership.heartbeat(group, this.#id, 'leaving'), HEARTBEAT_MS);
    await this.#taking;
    for (const partition of this.#held.keys()) this.#giveBack(partition);
    await Promise.all(this.#leaving.values());
    clearInterval(beat);
    membership.heartbeat(group, this.#id, 'left');
  }

  /** Commits where a new group begins, behind all that was published: on all partitions, also those that others will take. */
  async #begin(): Promise<void> {
    const { membership, group, partitions, end } = this.#options;
    const isMissing = (partition: number) => membership.offsetOf(group, partition) === undefined;
    const missing = Array.from({ length: partitions }, (_, i) => i).filter(isMissing);
    if (missing.length === 0) return;
    const offset = { from: (await end()) + 1, refusals: 0, deaths: 0, refusedTo: 0 };
    await Promise.all(missing.map((partition) => membership.write(group, partition, offset, 0)));
    // Another member may have written first: its writes are on their way to us.
    await until(() => !missing.some(isMissing), { everyMs: ECHO_MS, withinMs: ECHO_TIMEOUT_MS });
  }

  /** Takes and releases partitions until the member has exactly its own. */
  #look(): void {
    const { membership, group, partitions, exclusive } = this.#options;
    for (const [partition, held] of this.#held) held.look(membership.offsetOf(group, partition));
    const staying = membership.members(group).filter(({ leaving }) => !leaving);
    this.#meet(staying);
    const owners = assignPartitions(staying, partitions, exclusive);
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

  /** Logs which members have joined and left since the last look. */
  #meet(staying: readonly { readonly id: string; readonly process: string }[]): void {
    const { group, log } = this.#options;
    const known = this.#others;
    const others = new Map(staying.flatMap(({ id, process }) => (id === this.#id ? [] : [[id, process]])));
    this.#others = others;
    if (known === undefined) return;
    for (const [id, process] of others) if (!known.has(id)) log?.info({ group, process }, 'a member joined');
    for (const [id, process] of known) if (!others.has(id)) log?.info({ group, process }, 'a member left');
  }

  /** @param owner the member that should own the partition */
  #isToTake(partition: number, owner: string | undefined): boolean {
    const { membership, group } = this.#options;
    if (this.#held.has(partition) || this.#leaving.has(partition)) return false;
    const written = membership.offsetOf(group, partition)?.offset.owner;
    // A partition that we could not release is still ours on the server, and no other member takes it while we live. So we take it
    // again, even if another member should own it, and release it then.
    if (written === this.#id) return true;
    return owner === this.#id && (written === undefined || membership.members(group).every(({ id }) => id !== written));
  }

  async #take(free: readonly number[]): Promise<void> {
    const { membership, group } = this.#options;
    // The offsets exist, unless the server has lost them. If it does not answer, the next heartbeat tries again.
    await this.#begin().catch(() => {});
    const taken = await Promise.all(
      free.map(async (partition) => {
        const stored = membership.offsetOf(group, partition);
        if (stored === undefined) return [];
        const options = { ...this.#options, partition, member: this.#id };
        const own = await Partition.take(options, stored).catch(() => undefined);
        return own === undefined ? [] : [[partition, own] as const];
      }),
    );
    if (taken.flat().length === 0) return;
    for (const [partition, own] of taken.flat()) this.#held.set(partition, own);
    this.#tellAssigned();
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
      this.#tellAssigned();
      // If this write fails, we take the partition again, or it is freed when our heartbeats stop.
      await own.release().catch(() => {});
      this.#leaving.delete(partition);
      if (this.#stopping === undefined) this.#look();
    };
    this.#leaving.set(partition, leave());
  }

  #tellAssigned(): void {
    this.#options.assigned?.([...this.#held.keys()].sort((a, b) => a - b));
  }
}

function unheard(group: string): TagalongError {
  return new TagalongError(
    'BUS_UNREACHABLE',
    `${group}: NATS did not deliver the announcement of this process; check the NATS server`,
  );
}
