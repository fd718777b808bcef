import type { Link } from '../../nats/connection.ts';
import type { Lag } from '../bus.ts';
import type { GroupMembership } from './membership.ts';
import { type Names, ownerOf } from './names.ts';

const LOOK_MS = 1_000;
/** A durable consumer that no committed offset has named for this long belonged to a dead process, and is removed. */
const ORPHAN_MS = 60_000;

/** The lag of each group on each partition, also of other processes' groups. Fetched from the server once a second. */
export class Lags {
  readonly #link: Link;
  readonly #membership: GroupMembership;
  readonly #names: Names;
  readonly #timer: NodeJS.Timeout;
  #lags: readonly Lag[] = [];
  #looking = false;
  /** Consumers that no committed offset names, and since when, by `performance.now()`. */
  readonly #orphans = new Map<string, number>();

  constructor(link: Link, membership: GroupMembership, names: Names) {
    this.#link = link;
    this.#membership = membership;
    this.#names = names;
    this.#timer = setInterval(() => void this.#look(), LOOK_MS);
    this.#timer.unref();
    void this.#look();
  }

  /** The lags in the last answer. */
  get all(): Lag[] {
    return [...this.#lags];
  }

  /** Stops the requests. */
  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#looking || !this.#link.connected) return;
    this.#looking = true;
    try {
      this.#lags = await this.#read();
    } catch {
      // Without an answer the last lags stay.
    }
    this.#looking = false;
  }

  #orphanedMs(consumer: string): number {
    const sinceMs = this.#orphans.get(consumer) ?? performance.now();
    this.#orphans.set(consumer, sinceMs);
    return performance.now() - sinceMs;
  }

  async #read(): Promise<Lag[]> {
    const lags: Lag[] = [];
    for await (const info of this.#link.jsm.consumers.list(this.#names.events)) {
      // Older servers list a consumer that is just being deleted as null.
      const owner = ownerOf(info?.name ?? '');
      if (owner === undefined) continue;
      const named = this.#membership.offsetOf(owner.group, owner.partition)?.offset.consumer;
      const durable = info.config.durable_name !== undefined;
      if (!durable || named === info.name) lags.push({ ...owner, events: info.num_pending + info.num_ack_pending });
      else if (this.#orphanedMs(info.name) > ORPHAN_MS) {
        this.#orphans.delete(info.name);
        // Not every account may: then a process that may does it.
        await this.#link.jsm.consumers.delete(this.#names.events, info.name).catch(() => {});
      }
    }
    return lags;
  }
}
