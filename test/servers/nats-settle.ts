/** Whether a bus on NATS has come to rest, asked of the server itself. */
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type JetStreamManager } from 'nats';
import { namesOf, ownerOf } from '#shared/bus/nats/names.ts';
import { bucketName } from '#shared/nats/streams.ts';
import { unescapeToken } from '#shared/nats/tokens.ts';

const TIMEOUT_MS = 25_000;

/** A look at the server, beside the bus. */
export interface NatsProbe {
  /** Resolves when nothing waits for the groups that somebody is there of, and nothing more is published. */
  settle(): Promise<void>;
  /** Removes the streams of the bus. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** @param prefix that of the bus */
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
        // Twice the same: between two groups' figures something may have gone from one to the other.
        if (waiting.length === 0 && before === String(last)) return;
        before = waiting.length === 0 ? String(last) : '';
        if (performance.now() > deadlineMs) throw new Error(`does not come to rest: ${waiting.join(', ')}`);
        await pause(15);
      }
    },
    async clear() {
      for (const stream of [names.events, bucketName(names.places), bucketName(names.members)]) {
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
    // The older servers list as null what is just being deleted.
    const owner = ownerOf(info?.name ?? '');
    if (owner === undefined) continue;
    const { config, created, num_pending, num_ack_pending } = info;
    const events = num_pending + num_ack_pending;
    // One that is no longer named by the partition's place may still be on its way out.
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
