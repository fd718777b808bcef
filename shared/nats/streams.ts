/** Creates streams, or updates the configuration of existing ones. */
import { DiscardPolicy, type JetStreamManager, nanos, RetentionPolicy, StorageType, type StreamConfig } from 'nats';
import { apiCode } from './errors.ts';

const NAME_IN_USE = 10058;

/**
 * Creates a stream, or updates one that has another configuration. An account that may not update streams uses them as they are: the
 * process that may does it.
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
    await jsm.streams.update(config.name, config).catch((refused) => {
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
  };
}

/** The configuration of a stream of records, laid out as a bucket of NATS KV so that its tools can read it. */
export function bucketStream(options: {
  readonly bucket: string;
  readonly storage: 'file' | 'memory';
  readonly replicas: number;
  readonly maxAgeMs?: number;
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
    deny_delete: true,
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
