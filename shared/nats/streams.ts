/** Creates streams, or updates the configuration of existing ones. */
import { DiscardPolicy, type JetStreamManager, nanos, RetentionPolicy, StorageType, type StreamConfig } from 'nats';
import { apiCode } from './errors.ts';

const NAME_IN_USE = 10058;
/** The errors of a deletion where the stream does not have the message any more. */
const NO_MESSAGE: readonly (number | undefined)[] = [10043, 10057];

/**
 * Creates a stream, or updates one that has another configuration. An account that may not update streams uses them as they are: the
 * process that may does it. A stream whose single messages nobody may delete stays so: servers refuse to change that.
 * @throws NatsError
 */
export async function ensureStream(
  jsm: JetStreamManager,
  config: Partial<StreamConfig> & { name: string },
): Promise<void> {
  try {
    await jsm.streams.add(config);
  } catch (error) {
    if (apiCode(error) !== NAME_IN_USE) throw error;
    const { deny_delete: _, ...changeable } = config;
    await jsm.streams.update(config.name, changeable).catch((refused) => {
      if ((refused as { code?: string }).code !== 'PERMISSIONS_VIOLATION') throw refused;
    });
  }
}

/** The configuration of a stream of events: limited by age and size, whether or not events were handled. */
export function eventStream(options: {
  readonly name: string;
  readonly subject: string;
  readonly storage: 'file' | 'memory';
  readonly replicas: number;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  readonly duplicateWindowMs: number;
  /** True: messages may have an age of their own. @default false */
  readonly messageTtls?: boolean;
}): Partial<StreamConfig> & { name: string } {
  return {
    name: options.name,
    subjects: [options.subject],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    storage: options.storage === 'file' ? StorageType.File : StorageType.Memory,
    num_replicas: options.replicas,
    max_age: nanos(options.maxAgeMs),
    max_bytes: options.maxBytes,
    duplicate_window: nanos(Math.min(options.duplicateWindowMs, options.maxAgeMs)),
    // The types of the client do not know it.
    ...(options.messageTtls && { allow_msg_ttl: true }),
  };
}

/** The configuration of a stream of records, laid out as a bucket of NATS KV so that its tools can read it. */
export function bucketStream(options: {
  readonly bucket: string;
  readonly storage: 'file' | 'memory';
  readonly replicas: number;
  readonly maxAgeMs?: number;
  /** True: single messages can be overwritten and deleted, for records about people. @default false */
  readonly erasable?: boolean;
}): Partial<StreamConfig> & { name: string } {
  return {
    name: bucketName(options.bucket),
    subjects: [`${bucketSubject(options.bucket, '>')}`],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    storage: options.storage === 'file' ? StorageType.File : StorageType.Memory,
    num_replicas: options.replicas,
    max_age: nanos(options.maxAgeMs ?? 0),
    max_msgs_per_subject: 1,
    allow_rollup_hdrs: true,
    deny_delete: !options.erasable,
    // Reads go to the leader, so that a writer reads its own writes.
    allow_direct: false,
  };
}

/** The stream behind a bucket. */
export function bucketName(bucket: string): string {
  return `KV_${bucket}`;
}

/** The subject of a key of a bucket. */
export function bucketSubject(bucket: string, key: string): string {
  return `$KV.${bucket}.${key}`;
}

/**
 * Overwrites a message in the files of the server, and deletes it.
 * @param stream one that allows it: `deny_delete` is false
 * @returns false if the stream does not have it
 * @throws NatsError
 */
export async function deleteMessage(
  { jsm }: { readonly jsm: JetStreamManager },
  stream: string,
  seq: number,
): Promise<boolean> {
  try {
    return await jsm.streams.deleteMessage(stream, seq, true);
  } catch (error) {
    if (NO_MESSAGE.includes(apiCode(error))) return false;
    throw error;
  }
}
