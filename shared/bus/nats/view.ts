import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { TagalongError } from '../../errors.ts';
import type { Link } from './connection.ts';
import { Feed } from './feed.ts';
import { escapeToken, type Names, unescapeToken } from './names.ts';
import { writeRecord } from './record.ts';
import type { Sender } from './sender.ts';
import { PULL, type Received } from './source.ts';
import type { Alive } from './spread.ts';
import { bucketName, bucketSubject } from './streams.ts';

/** How often a member says that it is alive. */
export const BEAT_MS = 1_000;
/** A member that has not been heard for this long is dead: its partitions are free. */
export const LEASE_MS = 3_500;
/** Signs of life are heard at least this often: one's own among them. */
const LONGEST_GAP_MS = 1.5 * BEAT_MS;
const FORGOTTEN_MS = 60_000;
const LOAD_TIMEOUT_MS = 10_000;

/** What is known of one partition of one group. */
export interface CommittedOffset {
  /** The member whose it is; absent where it is nobody's. */
  readonly owner?: string | undefined;
  /** The consumer it is read with. */
  readonly consumer?: string | undefined;
  /** The first message of the stream that may not have been handled. */
  readonly from: number;
  /** When the stream took the last message that was handled, by the server's clock; absent where that is not known. */
  readonly handledMs?: number | undefined;
  /** How often the event at `from` was refused. */
  readonly refusals: number;
  /** How often a process has died with that event in hand. */
  readonly deaths: number;
  /** Up to here events have been refused, in company, at least once. */
  readonly refusedTo: number;
}

/** A place, with what it takes to write it. */
export interface Placed {
  readonly place: CommittedOffset;
  readonly revision: number;
}

/** What a member says of itself; `leaving`: it finishes what it has in hand, and wants nothing more. */
export type Sign = 'alive' | 'leaving' | 'left';

interface Heard {
  readonly since: number;
  readonly leaving: boolean;
  readonly atMs: number;
  /** Host and number of its process. */
  readonly process: string;
}

/** What this process is called to the others. */
const THIS_PROCESS = `${hostname()}/${process.pid}`;
/** Longer names of others are cut. */
const LONGEST_PROCESS = 100;

/** What all processes know of each other: which members live, and whose each partition is. Read from two buckets. */
export class View {
  readonly #link: Link;
  readonly #sender: Sender;
  readonly #names: Names;
  readonly #places = new Map<string, Placed>();
  readonly #members = new Map<string, Map<string, Heard>>();
  readonly #listeners = new Set<(group: string) => void>();
  readonly #ends: (() => void)[] = [];
  /** The server's clock and ours when the last sign of life came. */
  #heard = { serverMs: 0, localMs: 0 };
  /** Before that nobody is taken for dead: signs of life may have been missed. */
  #judgeFromMs = 0;

  private constructor(link: Link, sender: Sender, names: Names) {
    this.#link = link;
    this.#sender = sender;
    this.#names = names;
  }

  /** Resolves when it knows what there is. @throws NatsError, TagalongError BUS_UNREACHABLE */
  static async open(link: Link, sender: Sender, names: Names): Promise<View> {
    const view = new View(link, sender, names);
    try {
      await view.#open();
      return view;
    } catch (error) {
      view.close();
      throw error;
    }
  }

  close(): void {
    for (const end of this.#ends) end();
  }

  /** Tells `listener` of each group of which something changed. @returns ends that */
  onChange(listener: (group: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What is known of a partition; undefined where the group never subscribed. */
  placed(group: string, partition: number): Placed | undefined {
    return this.#places.get(placeKey(group, partition));
  }

  /** The members of a group that are alive, those who are leaving among them. */
  members(group: string): (Alive & { readonly leaving: boolean; readonly process: string })[] {
    const members = this.#members.get(group);
    if (members === undefined) return [];
    return [...members]
      .filter(([, sign]) => this.#lives(sign))
      .map(([id, { since, leaving, process }]) => ({ id, since, leaving, process }));
  }

  /** False for a member that others may take for dead by now. */
  lives(group: string, member: string): boolean {
    const sign = this.#members.get(group)?.get(member);
    return sign !== undefined && this.#nowMs() - sign.atMs < LEASE_MS && this.#link.connected;
  }

  /** Says how it is with a member. */
  sign(group: string, member: string, sign: Sign): void {
    const since = this.#members.get(group)?.get(member)?.since;
    const text = JSON.stringify({ sign, since, process: THIS_PROCESS });
    if (this.#link.nc.isClosed()) return;
    this.#link.nc.publish(bucketSubject(this.#names.members, `${escapeToken(group)}.${member}`), text);
  }

  /**
   * Writes a place, by compare-and-set.
   * @returns the new revision; undefined where somebody else has written it
   */
  async write(group: string, partition: number, place: CommittedOffset, expected: number): Promise<number | undefined> {
    const key = placeKey(group, partition);
    const revision = await writeRecord(this.#sender, {
      bucket: this.#names.places,
      key: `${escapeToken(group)}.${partition}`,
      text: JSON.stringify(place),
      expected,
    });
    if (revision !== undefined && revision > (this.#places.get(key)?.revision ?? 0)) {
      this.#places.set(key, { place, revision });
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
      let heard = 0;
      const opened = await Feed.open(this.#link, {
        stream: bucketName(bucket),
        name: 'view',
        filters: [bucketSubject(bucket, '>')],
        room: () => PULL,
        onReset: () => known.clear(),
        onMessage: (message) => {
          heard++;
          take(message.subject.slice(begin).split('.'), message);
        },
      });
      this.#ends.push(() => opened.close());
      return () => heard >= opened.begun;
    };
    const loaded = await feed(this.#names.places, this.#places, ([group = '', partition = ''], message) =>
      this.#hearPlace(group, partition, message),
    );
    // Of the members those are known in time that say so after one has joined.
    await feed(this.#names.members, this.#members, ([group = '', member = ''], message) =>
      this.#hearMember(group, member, message),
    );
    const deadlineMs = performance.now() + LOAD_TIMEOUT_MS;
    while (!loaded()) {
      if (performance.now() > deadlineMs) throw unreadable(this.#names.places);
      await pause(2);
    }
    this.#ends.push(
      this.#link.onReconnect(() => {
        this.#judgeFromMs = performance.now() + LEASE_MS;
      }),
    );
  }

  #hearPlace(token: string, partition: string, { data, seq }: Received): void {
    const group = unescapeToken(token);
    if (group === undefined || partition === '' || data.length === 0) return;
    const key = placeKey(group, Number(partition));
    if ((this.#places.get(key)?.revision ?? 0) >= seq) return;
    this.#places.set(key, { place: JSON.parse(decoder.decode(data)) as CommittedOffset, revision: seq });
    this.#tell(group);
  }

  #hearMember(token: string, member: string, { data, seq, atMs }: Received): void {
    const group = unescapeToken(token);
    if (group === undefined || data.length === 0) return;
    this.#heard = { serverMs: atMs, localMs: performance.now() };
    const said = JSON.parse(decoder.decode(data)) as { sign: Sign; since?: number; process?: unknown };
    const { sign, since } = said;
    const process = String(said.process ?? 'unknown').slice(0, LONGEST_PROCESS);
    const members = this.#members.get(group) ?? new Map<string, Heard>();
    this.#members.set(group, members);
    const known = members.get(member);
    for (const [other, heard] of members) if (atMs - heard.atMs > FORGOTTEN_MS) members.delete(other);
    const leaving = sign === 'leaving';
    if (sign === 'left') members.delete(member);
    else members.set(member, { since: since ?? known?.since ?? seq, leaving, atMs, process });
    if (sign === 'left' || known?.leaving !== leaving) this.#tell(group);
  }

  #tell(group: string): void {
    for (const listener of this.#listeners) listener(group);
  }

  #lives(sign: Heard): boolean {
    // Who hears nothing, not even itself, cannot say of others that they are silent: it may be its own process that stood.
    const nowMs = Math.min(this.#nowMs(), this.#heard.serverMs + LONGEST_GAP_MS);
    return nowMs - sign.atMs < LEASE_MS || performance.now() < this.#judgeFromMs || !this.#link.connected;
  }

  /** The server's clock, as far as we know: ours may be off by any amount. */
  #nowMs(): number {
    return this.#heard.serverMs + performance.now() - this.#heard.localMs;
  }
}

const decoder = new TextDecoder();

function placeKey(group: string, partition: number): string {
  return `${group}\n${partition}`;
}

function unreadable(bucket: string): TagalongError {
  return new TagalongError('BUS_UNREACHABLE', `${bucket}: NATS does not hand out the records; look after the server`);
}
