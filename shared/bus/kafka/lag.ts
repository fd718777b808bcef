/** Counts the events that wait for the groups of a bus. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { groupIdOf, type KafkaClient } from '../../kafka/client.ts';
import { offsetsOf } from '../../kafka/topics.ts';
import { repeatedFault } from '../../log-repeats.ts';
import type { Lag } from '../bus.ts';
import type { Topics } from './topics.ts';

/** The offset of a group that is this process's alone. The brokers do not know it. */
export interface LocalOffset {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** The lag of all groups, also of those of other processes. The figures are about a second old. */
export class LagWatch {
  readonly #client: KafkaClient;
  readonly #topics: readonly string[];
  readonly #own: () => Iterable<LocalOffset>;
  readonly #closing = new AbortController();
  #last: Lag[] = [];
  #looking: Promise<void> | undefined;

  /** @param own the offsets of the groups that are this process's alone */
  constructor(client: KafkaClient, topics: Topics, own: () => Iterable<LocalOffset>) {
    this.#client = client;
    this.#topics = Object.values(topics);
    this.#own = own;
  }

  /** The lag in the last answer. The first call returns nothing and starts the requests, so an unused lag costs nothing. */
  now(): Lag[] {
    if (!this.#closing.signal.aborted) this.#looking ??= this.#look();
    return this.#last;
  }

  /** Resolves when no request is under way any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { admin, prefix, log, timing } = this.#client;
    const { signal } = this.#closing;
    const trouble = log && repeatedFault(log, 'what waits on the bus is not known at the moment', 'warn');
    while (!signal.aborted) {
      try {
        this.#last = await lagOf(admin, prefix, this.#topics, this.#own);
        trouble?.succeeded();
      } catch (err) {
        if (!signal.aborted) trouble?.failed(err);
      }
      await sleep(timing.lagMs, undefined, { signal }).catch(() => {});
    }
  }
}

/** Fetches the ends last, so that the lag includes events that one group's handler has just published for another group. */
async function lagOf(
  admin: Admin,
  prefix: string,
  topics: readonly string[],
  own: () => Iterable<LocalOffset>,
): Promise<Lag[]> {
  const groups = await groupsOf(admin, prefix);
  const offsets: LocalOffset[] = [...own()];
  for (const group of groups) {
    const committed = await admin.fetchOffsets({ groupId: groupIdOf(prefix, group), topics: [...topics] });
    for (const { topic, partitions } of committed) {
      for (const { partition, offset } of partitions) {
        if (Number(offset) >= 0) offsets.push({ group, topic, partition, offset: Number(offset) });
      }
    }
  }
  const ends = new Map<string, number>();
  for (const topic of topics) {
    for (const { partition, high } of await offsetsOf(admin, topic)) ends.set(`${topic}/${partition}`, Number(high));
  }
  const lags = new Map<string, Lag>();
  for (const { group, topic, partition, offset } of offsets) {
    const key = `${group}/${partition}`;
    const events = Math.max(0, ends.get(`${topic}/${partition}`)! - offset);
    lags.set(key, { group, partition, events: (lags.get(key)?.events ?? 0) + events });
  }
  return [...lags.values()];
}

/** The names of the groups that commit offsets. */
async function groupsOf(admin: Admin, prefix: string): Promise<string[]> {
  const { groups } = await admin.listGroups();
  return groups
    .map(({ groupId }) => groupId)
    .filter((id) => id.startsWith(`${prefix}/`))
    .map((id) => id.slice(prefix.length + 1))
    .filter((name) => !name.includes('/'));
}
