/** What waits for the groups of a bus, looked at in turns. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { repeatedFault } from '../../log-repeats.ts';
import type { Lag } from '../bus.ts';
import type { KafkaClient } from './client.ts';
import { offsetsOf, type Topics } from './topics.ts';

/** Where a group of this process alone stands: the brokers do not know. */
export interface OwnPlace {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** The id by which the brokers know a group; a group of one process has more after a slash. */
export function groupIdOf(prefix: string, group: string): string {
  return `${prefix}/${group}`;
}

/** Knows the lag of all groups, also of those that only other processes have, about a second old. */
export class LagWatch {
  readonly #client: KafkaClient;
  readonly #topics: readonly string[];
  readonly #own: () => Iterable<OwnPlace>;
  readonly #closing = new AbortController();
  #last: Lag[] = [];
  #looking: Promise<void> | undefined;

  /** @param own where the groups stand that only this process has */
  constructor(client: KafkaClient, topics: Topics, own: () => Iterable<OwnPlace>) {
    this.#client = client;
    this.#topics = Object.values(topics);
    this.#own = own;
  }

  /** As it was at the last look. Nothing yet at the first call, which begins to look: who never asks costs nothing. */
  now(): Lag[] {
    if (!this.#closing.signal.aborted) this.#looking ??= this.#look();
    return this.#last;
  }

  /** Resolves when nothing is looked at any more. */
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

/** The ends are asked for last, so that nothing is missed of what handling one group's events published for another. */
async function lagOf(
  admin: Admin,
  prefix: string,
  topics: readonly string[],
  own: () => Iterable<OwnPlace>,
): Promise<Lag[]> {
  const groups = await groupsOf(admin, prefix);
  const places: OwnPlace[] = [...own()];
  for (const group of groups) {
    const offsets = await admin.fetchOffsets({ groupId: groupIdOf(prefix, group), topics: [...topics] });
    for (const { topic, partitions } of offsets) {
      for (const { partition, offset } of partitions) {
        if (Number(offset) >= 0) places.push({ group, topic, partition, offset: Number(offset) });
      }
    }
  }
  const ends = new Map<string, number>();
  for (const topic of topics) {
    for (const { partition, high } of await offsetsOf(admin, topic)) ends.set(`${topic}/${partition}`, Number(high));
  }
  const lags = new Map<string, Lag>();
  for (const { group, topic, partition, offset } of places) {
    const key = `${group}/${partition}`;
    const events = Math.max(0, ends.get(`${topic}/${partition}`)! - offset);
    lags.set(key, { group, partition, events: (lags.get(key)?.events ?? 0) + events });
  }
  return [...lags.values()];
}

/** The groups that keep their place, by their names. */
async function groupsOf(admin: Admin, prefix: string): Promise<string[]> {
  const { groups } = await admin.listGroups();
  return groups
    .map(({ groupId }) => groupId)
    .filter((id) => id.startsWith(`${prefix}/`))
    .map((id) => id.slice(prefix.length + 1))
    .filter((name) => !name.includes('/'));
}
