import { TagalongError } from '../errors.ts';
import { MAX_RECORD_BYTES, parseRecord, type Store, type Stored, textOf, type Write } from './store.ts';

/** A store in the memory of this process. Its records survive a restart of a service, but not the end of the process. */
export function memoryStore(): Store {
  // Text, because readers get copies then, and a value that is not JSON fails as in a persistent store.
  const records = new Map<string, { text: string; revision: number }>();
  let lastRevision = 0;

  const read = <T>(key: string, record: { text: string; revision: number }): Stored<T> => ({
    key,
    value: parseRecord<T>(record.text),
    revision: record.revision,
  });
  const write = (one: Write): number | undefined => {
    const { key, revision } = one;
    if ((records.get(key)?.revision ?? 0) !== revision) return undefined;
    lastRevision++;
    const text = textOf(one);
    if (text === undefined) records.delete(key);
    else records.set(key, { text, revision: lastRevision });
    return lastRevision;
  };
  return {
    async get(key) {
      const record = records.get(key);
      return record && read(key, record);
    },
    async list(prefix) {
      return [...records].filter(([key]) => key.startsWith(prefix)).map(([key, record]) => read(key, record));
    },
    async put(writes) {
      const revisions = writes.map(write);
      const lost = writes.filter((_, i) => revisions[i] === undefined);
      if (lost.length > 0) throw conflict(lost);
      return revisions as number[];
    },
    async erase(deleted) {
      const lost = deleted.filter(({ key, revision }) => write({ key, revision, value: undefined }) === undefined);
      if (lost.length > 0) throw conflict(lost);
    },
    connected: () => true,
    maxRecordBytes: MAX_RECORD_BYTES,
    async close() {},
  };
}

function conflict(lost: readonly Pick<Write, 'key'>[]): TagalongError {
  return new TagalongError('STORE_CONFLICT', `another process wrote first: ${lost.map(({ key }) => key).join(', ')}`);
}
