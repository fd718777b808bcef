import { hostname } from 'node:os';
import { until } from '../../clock/retry.ts';
import { TagalongError } from '../../errors.ts';
import type { Link } from '../../nats/connection.ts';
import { PULL, type Received } from '../../nats/pull-consumer.ts';
import { writeRecord } from '../../nats/record.ts';
import type { Sender } from '../../nats/sender.ts';
import { bucketName, bucketSubject } from '../../nats/streams.ts';
import { escapeToken, unescapeToken } from '../../nats/tokens.ts';
import type { Alive } from './assignment.ts';
import { Feed } from './feed.ts';
import type { Names } from './names.ts';

/** How often a member sends a heartbeat. */
export const HEARTBEAT_MS = 1_000;
/** A member without a heartbeat for this long is dead: its partitions are free. */
const LEASE_MS = 3_500;
/** Heartbeats arrive at least this often: our own are among them. */
const LONGEST_GAP_MS = 1.5 * HEARTBEAT_MS;
/** A dead member is forgotten after this. */
const FORGOTTEN_MS = 60_000;
const LOAD_TIMEOUT_MS = 10_000;

/** The progress of a group on one partition, and the owner. Stored as JSON in the bucket of places. */
export interface CommittedOffset {
  /** The member that owns the partition; absent if it has no owner. */
  readonly owner?: string | undefined;
  /** The name of the consumer that the owner reads with. */
  readonly consumer?: string | undefined;
  /** The first message of the stream that may not have been handled. */
  readonly from: number;
  /** When the stream took the last handled message, by the server's clock, in milliseconds since the epoch; absent where unknown. */
  readonly handledMs?: number | undefined;
  /** How often the event at `from` was refused. */
  readonly refusals: number;
  /** How often a process has died with that event in hand. */
  readonly deaths: number;
  /** Events up to this message were refused at least once, in a batch with others. */
  readonly refusedTo: number;
}

/** A committed offset with its revision in the bucket, which the next write has to name. */
export interface StoredOffset {
  readonly offset: CommittedOffset;
  readonly revision: number;
}

/** The state of a member in its heartbeat. `leaving`: it finishes the batch in hand and takes no more partitions. */
export type Liveness = 'alive' | 'leaving' | 'left';

/** The last heartbeat of a member. */
interface Heartbeat {
  readonly since: number;
  readonly leaving: boolean;
  /** By the server's clock. */
  readonly atMs: number;
  /** Host and process id. */
  readonly process: string;
}

/** The name under which other processes log this one. */
const THIS_PROCESS = `${hostname()}/${process.pid}`;
/** Longer names of other processes are cut. */
const LONGEST_PROCESS = 100;

/**
 * The live members of each group, and the owner and the progress of each partition, read from two buckets that all processes of
 * the installation write. All processes see the same, within some milliseconds.
 */
export class GroupMembership {
  readonly #link: Link;
  readonly #sender: Sender;
  readonly #names: Names;
  readonly #offsets = new Map<string, StoredOffset>();
  readonly #members = new Map<string, Map<string, Heartbeat>>();
  readonly #listeners = new Set<(group: string) => void>();
  readonly #ends: (() => void)[] = [];
  /** The server's clock and ours when the last heartbeat of any member arrived. */
  #lastBeat = { serverMs: 0, localMs: 0 };
  /** No member counts as dead before this time, because we may have missed heartbeats. By `performance.now()`. */
  #judgeFromMs = 0;

  private constructor(link: Link, sender: Sender, names: Names) {
    this.#link = link;
    this.#sender = sender;
    this.#names = names;
  }

  /** Resolves when all committed offsets are read. @throws NatsError, TagalongError BUS_UNREACHABLE */
  static async open(link: Link, sender: Sender, names: Names): Promise<GroupMembership> {
    const membership = new GroupMembership(link, sender, names);
    try {
      await membership.#open();
      return membership;
    } catch (error) {
      membership.close();
      throw error;
    }
  }

  /** Reads no more. */
  close(): void {
    for (const end of this.#ends) end();
  }

  /** Calls `listener` with the name of each group in which a member or an owner changed. @returns removes the listener */
  onChange(listener: (group: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The committed offset of a partition; undefined if the group never subscribed. */
  offsetOf(group: string, partition: number): StoredOffset | undefined {
    return this.#offsets.get(offsetKey(group, partition));
  }

  /** The members of a group that are alive, also those that are leaving. */
  members(group: string): (Alive & { readonly leaving: boolean; readonly process: string })[] {
    const members = this.#members.get(group);
    if (members === undefined) return [];
    return [...members]
      .filter(([, last]) => this.#isAlive(last))
      .map(([id, { since, leaving, process }]) => ({ id, since, leaving, process }));
  }

  /** False if other processes may treat the member as dead. */
  lives(group: string, member: string): boolean {
    const last = this.#members.get(group)?.get(member);
    return last !== undefined && this.#nowMs() - last.atMs < LEASE_MS && this.#link.connected;
  }

  /** Sends a heartbeat of one of this process's members. A lost one is not repeated. */
  heartbeat(group: string, member: string, liveness: Liveness): void {
    const since = this.#members.get(group)?.get(member)?.since;
    const text = JSON.stringify({ sign: liveness, since, process: THIS_PROCESS });
    if (this.#link.nc.isClosed()) return;
    this.#link.nc.publish(bucketSubject(this.#names.members, `${escapeToken(group)}.${member}`), text);
  }

  /**
   * Commits an offset by compare-and-set.
   * @param expected the revision to replace; 0 if there is none yet
   * @returns the new revision; undefined if another process has written the offset
   * @throws TagalongError BUS_UNREACHABLE, BUS_REFUSED, BUS_CLOSED
   */
  async write(
    group: string,
    partition: number,
    offset: CommittedOffset,
    expected: number,
  ): Promise<number | undefined> {
    const key = offsetKey(group, partition);
    const revision = await writeRecord(this.#sender, {
      bucket: this.#names.places,
      key: `${escapeToken(group)}.${partition}`,
      text: JSON.stringify(offset),
      expected,
    });
    if (revision !== undefined && revision > (this.#offsets.get(key)?.revision ?? 0)) {
      this.#offsets.set(key, { offset, revision });
    }
    return revision;
  }

  async #open(): Promise<void> {
    const feed = async (
      bucket: string,
      known: Map<string, unknown>,
      take: (key: readonly string[], message: Received) => void,
    ) => {
      const begin = bucketSubject(bucket, '').length;
      let received = 0;
      const opened = await Feed.open(this.#link, {
        stream: bucketName(bucket),
        name: 'view',
        filters: [bucketSubject(bucket, '>')],
        room: () => PULL,
        onReset: () => known.clear(),
        onMessage: (message) => {
          received++;
          take(message.subject.slice(begin).split('.'), message);
        },
      });
      this.#ends.push(() => opened.close());
      return () => received >= opened.begun;
    };
    const loaded = await feed(this.#names.places, this.#offsets, ([group = '', partition = ''], message) =>
      this.#onOffset(group, partition, message),
    );
    // A member waits for its own first heartbeat, and all earlier ones arrive before that.
    await feed(this.#names.members, this.#members, ([group = '', member = ''], message) =>
      this.#onHeartbeat(group, member, message),
    );
    if (!(await until(loaded, { everyMs: 2, withinMs: LOAD_TIMEOUT_MS }))) throw unreadable(this.#names.places);
    this.#ends.push(
      this.#link.onReconnect(() => {
        this.#judgeFromMs = performance.now() + LEASE_MS;
      }),
    );
  }

  #onOffset(token: string, partition: string, { data, seq }: Received): void {
    const group = unescapeToken(token);
    if (group === undefined || partition === '' || data.length === 0) return;
    const key = offsetKey(group, Number(partition));
    if ((this.#offsets.get(key)?.revision ?? 0) >= seq) return;
    this.#offsets.set(key, { offset: JSON.parse(decoder.decode(data)) as CommittedOffset, revision: seq });
    this.#notify(group);
  }

  #onHeartbeat(token: string, member: string, { data, seq, atMs }: Received): void {
    const group = unescapeToken(token);
    if (group === undefined || data.length === 0) return;
    this.#lastBeat = { serverMs: atMs, localMs: performance.now() };
    const beat = JSON.parse(decoder.decode(data)) as { sign: Liveness; since?: number; process?: unknown };
    const { sign: liveness, since } = beat;
    const process = String(beat.process ?? 'unknown').slice(0, LONGEST_PROCESS);
    const members = this.#members.get(group) ?? new Map<string, Heartbeat>();
    this.#members.set(group, members);
    const known = members.get(member);
    for (const [other, last] of members) if (atMs - last.atMs > FORGOTTEN_MS) members.delete(other);
    const leaving = liveness === 'leaving';
    if (liveness === 'left') members.delete(member);
    else members.set(member, { since: since ?? known?.since ?? seq, leaving, atMs, process });
    if (liveness === 'left' || known?.leaving !== leaving) this.#notify(group);
  }

  #notify(group: string): void {
    for (const listener of this.#listeners) listener(group);
  }

  #isAlive(last: Heartbeat): boolean {
    // If not even our own heartbeat arrived, our process or connection was stalled: the others count as alive meanwhile.
    const nowMs = Math.min(this.#nowMs(), this.#lastBeat.serverMs + LONGEST_GAP_MS);
    return nowMs - last.atMs < LEASE_MS || performance.now() < this.#judgeFromMs || !this.#link.connected;
  }

  /** The server's time, computed from the last heartbeat, because our own clock may be wrong. */
  #nowMs(): number {
    return this.#lastBeat.serverMs + performance.now() - this.#lastBeat.localMs;
  }
}

const decoder = new TextDecoder();

function offsetKey(group: string, partition: number): string {
  return `${group}\n${partition}`;
}

function unreadable(bucket: string): TagalongError {
  return new TagalongError('BUS_UNREACHABLE', `${bucket}: NATS did not deliver the records; check the NATS server`);
}
