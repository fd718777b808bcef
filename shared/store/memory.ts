import { TagalongError } from '../errors.ts';
import { MAX_RECORD_BYTES, parseRecord, type Store, type Stored, textOf, type Write } from './store.ts';

/** A store in this process's memory. Its records outlive the services that use them, but not the process. */
export function memoryStore(): Store {
  // As text: readers get copies, and a value that is no JSON fails here as it does in a durable store.
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
      const lost = writes.filter((_, i) => revisions[i] === undefined).map(({ key }) => key);
      if (lost.length > 0) throw new TagalongError('STORE_CONFLICT', `written by somebody else: ${lost.join(', ')}`);
      return revisions as number[];
    },
    connected: () => true,
    maxRecordBytes: MAX_RECORD_BYTES,
    async close() {},
  };
}
