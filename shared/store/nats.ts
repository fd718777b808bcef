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
import { bucketName, bucketStream, bucketSubject, deleteMessage, ensureStream } from '../nats/streams.ts';
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
  let isErasable = false;
  try {
    await patiently(STORE_ROLE, bucket, () =>
      ensureStream(link.jsm, bucketStream({ bucket, storage, replicas, erasable: true })),
    );
    // An older program has denied it for its bucket, which nobody can change.
    const { config } = await patiently(STORE_ROLE, bucket, () => link.jsm.streams.info(bucketName(bucket)));
    isErasable = !config.deny_delete;
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
    async erase(records) {
      const eraseOne = isErasable ? eraseMessage : eraseMarker;
      const gone = await Promise.all(records.map((record) => eraseOne(link, sender, bucket, record))).catch((error) => {
        throw refusalOf(STORE_ROLE, bucket, error);
      });
      const lost = records.filter((_, i) => !gone[i]);
      if (lost.length > 0) throw conflict(lost);
    },
    eraseMarkers: (text) =>
      eraseMarkers(link, bucket, text, isErasable).catch((error) => {
        throw refusalOf(STORE_ROLE, bucket, error);
      }),
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
  const lost = writes.filter((_, i) => revisions[i] === undefined);
  if (lost.length > 0) throw conflict(lost);
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

type Erased = Pick<Write, 'key' | 'revision'>;

/**
 * Overwrites and deletes the message of a record. It has the record's revision as its number, so it is gone if another process has
 * written the record since.
 * @returns false if the record has another revision
 */
function eraseMessage(link: Link, _sender: Sender, bucket: string, { revision }: Erased): Promise<boolean> {
  return patiently(STORE_ROLE, bucket, () => deleteMessage(link, bucketName(bucket), revision));
}

/** Deletes a record and its marker, for buckets whose single messages nobody may delete. @returns false if it has another revision */
async function eraseMarker(link: Link, sender: Sender, bucket: string, { key, revision }: Erased): Promise<boolean> {
  const tokens = tokensOf(key);
  const marker = await writeRecord(sender, { bucket, key: tokens, expected: revision });
  if (marker === undefined) return false;
  await patiently(STORE_ROLE, bucket, () => removeMarker(link, bucket, tokens, marker, false));
  return true;
}

/** Removes the markers of deleted records whose keys contain a text. */
async function eraseMarkers(link: Link, bucket: string, text: string, isErasable: boolean): Promise<void> {
  const subjects = await patiently(STORE_ROLE, bucket, () => subjectsOf(link, bucket));
  const begin = bucketSubject(bucket, '').length;
  for (const tokens of subjects.map((subject) => subject.slice(begin))) {
    if (!keyOf(tokens)?.includes(text)) continue;
    const last = await lastOf(link, bucket, tokens);
    if (last === undefined || last.data.length > 0) continue;
    await patiently(STORE_ROLE, bucket, () => removeMarker(link, bucket, tokens, last.seq, isErasable));
  }
}

/** Removes the marker of a deleted record, and nothing that was written after it. */
async function removeMarker(
  link: Link,
  bucket: string,
  tokens: string,
  seq: number,
  isErasable: boolean,
): Promise<void> {
  const stream = bucketName(bucket);
  if (isErasable) await deleteMessage(link, stream, seq);
  else await link.jsm.streams.purge(stream, { filter: bucketSubject(bucket, tokens), seq: seq + 1 });
}

/** The subjects of all records, and of all markers. */
async function subjectsOf(link: Link, bucket: string): Promise<string[]> {
  const { state } = await link.jsm.streams.info(bucketName(bucket), { subjects_filter: bucketSubject(bucket, '>') });
  return Object.keys(state.subjects ?? {});
}

function conflict(lost: readonly Pick<Write, 'key'>[]): TagalongError {
  return new TagalongError('STORE_CONFLICT', `another process wrote first: ${lost.map(({ key }) => key).join(', ')}`);
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
