/** Asks a NATS server whether a bus on it has settled. */
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type JetStreamManager } from 'nats';
import { namesOf, ownerOf } from '#shared/bus/nats/names.ts';
import { bucketName } from '#shared/nats/streams.ts';
import { unescapeToken } from '#shared/nats/tokens.ts';

const TIMEOUT_MS = 25_000;

/** A connection to the server beside the bus. */
export interface NatsProbe {
  /** Resolves when no event waits for a group with members, and no event is published any more. */
  settle(): Promise<void>;
  /** Removes the streams of the bus. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** @param prefix the prefix of the bus */
export async function natsProbe(url: string, prefix: string): Promise<NatsProbe> {
  const nc = await connect({ servers: url });
  const jsm = await nc.jetstreamManager();
  const names = namesOf(prefix, 1);
  const state = () => waitingOn(jsm, names);
  return {
    async settle() {
      const deadlineMs = performance.now() + TIMEOUT_MS;
      let before = '';
      for (;;) {
        const { waiting, last } = await state();
        // Two equal results, because an event may pass from one group to another between the figures.
        if (waiting.length === 0 && before === String(last)) return;
        before = waiting.length === 0 ? String(last) : '';
        if (performance.now() > deadlineMs) throw new Error(`does not come to rest: ${waiting.join(', ')}`);
        await pause(15);
      }
    },
    async clear() {
      for (const stream of [names.events, names.audit, bucketName(names.places), bucketName(names.members)]) {
        await jsm.streams.delete(stream).catch(() => {});
      }
    },
    close: () => nc.close(),
  };
}

async function waitingOn(jsm: JetStreamManager, names: ReturnType<typeof namesOf>) {
  const { state } = await jsm.streams.info(names.events);
  const there = await groupsThere(jsm, bucketName(names.members));
  const waiting: string[] = [];
  const newest = new Map<string, { created: string; events: number }>();
  for await (const info of jsm.consumers.list(names.events)) {
    // Older servers list a consumer that is being deleted as null.
    const owner = ownerOf(info?.name ?? '');
    if (owner === undefined) continue;
    const { config, created, num_pending, num_ack_pending } = info;
    const events = num_pending + num_ack_pending;
    // An old consumer of the partition may still be in deletion.
    const key = `${owner.group}/${owner.partition}/${config.durable_name === undefined}`;
    if ((newest.get(key)?.created ?? '') < created) newest.set(key, { created, events });
    if (config.durable_name !== undefined && !there.has(owner.group)) newest.delete(key);
  }
  for (const [key, { events }] of newest) if (events > 0) waiting.push(`${key}: ${events}`);
  return { waiting, last: state.last_seq };
}

async function groupsThere(jsm: JetStreamManager, stream: string): Promise<Set<string>> {
  const { state } = await jsm.streams.info(stream, { subjects_filter: '>' });
  const there = new Set<string>();
  for (const subject of Object.keys(state.subjects ?? {})) {
    const { data } = await jsm.streams.getMessage(stream, { last_by_subj: subject });
    const { sign } = JSON.parse(new TextDecoder().decode(data)) as { sign: string };
    if (sign !== 'left') there.add(unescapeToken(subject.split('.').at(-2)!)!);
  }
  return there;
}
