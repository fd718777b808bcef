/**
 * The store on NATS: a bucket in the layout of NATS KV, one message a record. The revision of a record is the sequence number of
 * its message in the stream. A write names the revision that it expects (`Nats-Expected-Last-Subject-Sequence`).
 *
 * When `put` resolves, its records are in the stream on a majority of the `replicas`. A deletion writes a marker. `put` returns its
 * revision as a negative number, which no later write can expect.
 */
import { ErrorCode, NatsError, nuid } from 'nats';
import { STORE_ROLE } from '../connection/role.ts';
import { TagalongError } from '../errors.ts';
import { type Link, openLink, watchLink } from '../nats/connection.ts';
import type { NatsCounters } from '../nats/counters.ts';
import { apiCode, patiently, refusalOf } from '../nats/errors.ts';
import type { NatsKeeping, NatsServer } from '../nats/options.ts';
import { PULL, PullConsumer } from '../nats/pull-consumer.ts';
import { writeRecord } from '../nats/record.ts';
import { Sender } from '../nats/sender.ts';
import { bucketName, bucketStream, bucketSubject, ensureStream } from '../nats/streams.ts';
import { escapeToken, unescapeToken } from '../nats/tokens.ts';
import { MAX_RECORD_BYTES, parseRecord, type Store, type Stored, textOf, type Write } from './store.ts';

const NO_MESSAGE = 10037;

/** The store, with the counters of its connection. */
export interface NatsStore extends Store {
  readonly counters: Readonly<NatsCounters>;
}

/** Server, credentials, prefix, storage and replicas. */
export interface NatsStoreOptions extends NatsServer, NatsKeeping {}

/**
 * Connects, and creates the bucket if necessary.
 * @throws TagalongError STORE_UNREACHABLE, BUS_REFUSED, STORE_UNFIT
 */
export async function natsStore(options: NatsStoreOptions): Promise<NatsStore> {
  const { prefix = 'tagalong', storage = 'file', replicas = 1 } = options;
  const bucket = `${prefix}_records`;
  const link = await openLink(options, STORE_ROLE);
  try {
    await patiently(STORE_ROLE, bucket, () => ensureStream(link.jsm, bucketStream({ bucket, storage, replicas })));
  } catch (error) {
    await link.close();
    throw refusalOf(STORE_ROLE, bucket, error);
  }
  const sender = new Sender(link);
  const watch = watchLink(link, bucketName(bucket), options.log);
  return {
    counters: link.counters,
    async get<T>(key: string) {
      const message = await lastOf(link, bucket, tokensOf(key));
      return message === undefined || message.data.length === 0 ? undefined : stored<T>(key, message.data, message.seq);
    },
    list: <T>(prefix: string) => patiently(STORE_ROLE, bucket, () => list<T>(link, bucket, prefix)),
    put: (writes) => put(link, sender, bucket, writes),
    connected: () => watch.state,
    get maxRecordBytes() {
      return Math.min(MAX_RECORD_BYTES, link.nc.info?.max_payload ?? MAX_RECORD_BYTES);
    },
    async close() {
      watch.close();
      sender.close();
      await link.close();
    },
  };
}

function stored<T>(key: string, data: Uint8Array, revision: number): Stored<T> {
  return { key, value: parseRecord<T>(decoder.decode(data)), revision };
}

async function put(link: Link, sender: Sender, bucket: string, writes: readonly Write[]): Promise<number[]> {
  const outcomes = await Promise.allSettled(writes.map((write) => writeOne(link, sender, bucket, write)));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  const revisions = outcomes.map((outcome) => (outcome as PromiseFulfilledResult<number | undefined>).value);
  const lost = writes.filter((_, i) => revisions[i] === undefined).map(({ key }) => key);
  if (lost.length > 0) throw new TagalongError('STORE_CONFLICT', `another process wrote first: ${lost.join(', ')}`);
  return revisions as number[];
}

async function writeOne(link: Link, sender: Sender, bucket: string, one: Write): Promise<number | undefined> {
  const { key, revision } = one;
  if (revision < 0) return undefined;
  const text = textOf(one);
  const record = { bucket, key: tokensOf(key), ...(text !== undefined && { text }) };
  const write = (expected: number) => writeRecord(sender, { ...record, expected });
  let written = await write(revision);
  if (written === undefined && revision === 0) {
    const last = await lastOf(link, bucket, record.key);
    if (last !== undefined && last.data.length === 0) written = await write(last.seq);
  }
  return written !== undefined && text === undefined ? -written : written;
}

/** The last message of a record, which may be a deletion marker; undefined if the record never existed. */
async function lastOf(link: Link, bucket: string, key: string) {
  return patiently(STORE_ROLE, bucket, async () => {
    try {
      return await link.jsm.streams.getMessage(bucketName(bucket), { last_by_subj: bucketSubject(bucket, key) });
    } catch (error) {
      if (apiCode(error) === NO_MESSAGE) return undefined;
      throw error;
    }
  });
}

/**
 * All records with a prefix, read by a consumer that exists for this call only. The server filters by whole tokens; this function
 * compares the part of the prefix behind its last `/`.
 */
async function list<T>(link: Link, bucket: string, prefix: string): Promise<Stored<T>[]> {
  const stream = bucketName(bucket);
  const name = `list~${nuid.next()}`;
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  const records = new Map<string, Stored<T>>();
  const begin = bucketSubject(bucket, '').length;
  const { promise: complete, resolve, reject } = Promise.withResolvers<void>();
  const consumer = await PullConsumer.open(link, {
    stream,
    name,
    durable: false,
    filters: [bucketSubject(bucket, folder === '' ? '>' : `${tokensOf(folder.slice(0, -1))}.>`)],
    start: 'last of each subject',
    room: () => PULL,
    onMessage({ subject, data, seq, pending }) {
      const key = keyOf(subject.slice(begin));
      if (key?.startsWith(prefix)) {
        // A record that is written during the reading arrives again.
        if (data.length === 0) records.delete(key);
        else records.set(key, stored(key, data, seq));
      }
      if (pending === 0) resolve();
    },
    onBroken: () => reject(NatsError.errorForCode(ErrorCode.Disconnect)),
  });
  try {
    if (consumer.pending > 0) await complete;
    return [...records.values()];
  } finally {
    consumer.close();
    link.jsm.consumers.delete(stream, name).catch(() => {});
  }
}

/** The parts of a key between `/` become the tokens of the subject, so the server can filter by folder. */
function tokensOf(key: string): string {
  return key.split('/').map(escapeToken).join('.');
}

function keyOf(tokens: string): string | undefined {
  const parts = tokens.split('.').map(unescapeToken);
  return parts.includes(undefined) ? undefined : parts.join('/');
}

const decoder = new TextDecoder();
